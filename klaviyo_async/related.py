"""Included resources of a document, found by type and id."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from klaviyo_async.model import UNSET

__all__ = ["related"]

_Index = dict[tuple[str, str], Any]


def related(document: object, resource: object, name: str) -> list[Any]:
    """The included resources that `resource` names in its relationship `name`, in the order it names them.

    `name` is the relationship's own (``push-tokens``) or its attribute's (``push_tokens``). To-one and to-many
    relationships both give a list. It has what the document includes: nothing where the relationship is missing, null,
    only links, or was not asked for by `include`.
    """
    identifiers = _value(_relationship(resource, name), "data")
    if identifiers is None or identifiers is UNSET:
        return []
    if not isinstance(identifiers, list | tuple):
        identifiers = [identifiers]
    index = _index_of(document)
    found = (index.get((_text(each, "type"), _text(each, "id"))) for each in identifiers)
    return [each for each in found if each is not None]


def _relationship(resource: object, name: str) -> Any:
    relationships = _value(resource, "relationships")
    for spelling in dict.fromkeys((name, name.replace("-", "_"), name.replace("_", "-"))):
        found = _value(relationships, spelling)
        if found is not UNSET:
            return found
    return UNSET


def _value(holder: Any, name: str) -> Any:
    """A member of a model or of plain JSON; `UNSET` where it has none."""
    if isinstance(holder, Mapping):
        return holder.get(name, UNSET)
    # Models read what has no field of its own as an attribute too; a name with a hyphen is only found there.
    return getattr(holder, name, UNSET)


def _text(holder: Any, name: str) -> str:
    value = _value(holder, name)
    return value if isinstance(value, str) else str(value)


def _index_of(document: Any) -> _Index:
    """The document's included resources by type and id, made at the first question and kept with the document."""
    included = _value(document, "included")
    if not isinstance(included, list | tuple):
        return {}
    kept: tuple[object, _Index] | None = getattr(document, "_included_index", None)
    if kept is not None and kept[0] is included:
        return kept[1]
    index = {(_text(each, "type"), _text(each, "id")): each for each in included}
    # Plain JSON has no place to keep it: it works all the same.
    with suppress(AttributeError):
        document._included_index = (included, index)
    return index
