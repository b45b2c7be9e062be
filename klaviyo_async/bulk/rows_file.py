"""A file of rows with renamed columns."""

from __future__ import annotations

import os
from types import MappingProxyType
from typing import TYPE_CHECKING

from attrs import field, frozen

from klaviyo_async.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RowsFile"]


def _text(path: str | os.PathLike[str]) -> str:
    return os.fspath(path)


def _checked(columns: Mapping[str, str]) -> Mapping[str, str]:
    targets = [name for name in columns.values() if name]
    twice = next((name for name in targets if targets.count(name) > 1), None)
    if twice is not None:
        raise QueryError(f"two columns are mapped to {twice!r}.")
    return MappingProxyType(dict(columns))


@frozen
class RowsFile:
    """Rows from a file, with renamed columns: ``import_profiles(RowsFile("people.csv", {"E-mail": "email", "Notes": ""}))``.

    A new name may be dotted (``location.city``). A column mapped to an empty name is left out; columns that aren't
    mentioned keep their names. For NDJSON this applies to the top-level keys. Raises `QueryError` if two columns map to one.
    """

    path: str = field(converter=_text)
    columns: Mapping[str, str] = field(factory=dict, converter=_checked)
