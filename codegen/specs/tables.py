"""The file `overrides.toml`: where it is, its tables, and which revisions an entry is about.

Every entry has a `why` and may have `since` and `until`, the first and the last revision that it is about. One without a
suffix means the beta of that date too.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from codegen import documents
from codegen.errors import CodegenError
from codegen.revisions import check_revision

if TYPE_CHECKING:
    from collections.abc import Mapping

_TABLES = frozenset({"override", "ignore", "resource", "union"})


def overrides_file(specs: Path) -> Path:
    """The overrides that go with a folder of specs: its own, or the project's where it has none."""
    own = specs / "overrides.toml"
    return own if own.exists() else Path(__file__).resolve().parents[2] / "specs" / "overrides.toml"


def read(file: Path, table: str) -> list[Any]:
    """The entries of one table; none where there is no such file. Raises CodegenError for what is no such file."""
    if not file.exists():
        return []
    try:
        data = tomllib.loads(documents.read_text(file))
    except tomllib.TOMLDecodeError as error:
        raise CodegenError(f"not TOML: {error}", file=file) from None
    if unknown := data.keys() - _TABLES:
        raise CodegenError(f"unknown tables: {', '.join(sorted(unknown))}", file=file)
    found = data.get(table, [])
    if not isinstance(found, list):
        raise CodegenError(f"[[{table}]] has two brackets", file=file, place=f"/{table}")
    return found


@frozen
class Period:
    """The revisions that an entry is about."""

    since: str = ""
    until: str = ""

    def covers(self, revision: str) -> bool:
        """Whether the entry is about that revision."""
        return (not self.since or self.since <= _as(self.since, revision)) and (
            not self.until or _as(self.until, revision) <= self.until
        )


def period(item: Mapping[str, Any], file: Path, place: str) -> Period:
    """The period of an entry. Raises CodegenError for dates that are none."""
    bounds = {key: item.get(key, "") for key in ("since", "until")}
    for key, bound in bounds.items():
        if not isinstance(bound, str):
            raise CodegenError(f"{key} must be text", file=file, place=place)
        if bound:
            try:
                check_revision(bound)
            except CodegenError as error:
                raise CodegenError(f"{key}: {error.problem}", file=file, place=place) from None
    if bounds["since"] and bounds["until"] and bounds["since"] > bounds["until"]:
        raise CodegenError("since is later than until", file=file, place=place)
    return Period(**bounds)


def _as(bound: str, revision: str) -> str:
    return revision if "." in bound else revision.partition(".")[0]
