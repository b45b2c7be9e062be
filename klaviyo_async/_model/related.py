"""Finds included resources of a document by type and id."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from klaviyo_async._did_you_mean import nearest
from klaviyo_async._model.base import Model
from klaviyo_async._model.fields import REF
from klaviyo_async._model.member import member
from klaviyo_async._model.references import One, load
from klaviyo_async._model.unset import UNSET
from klaviyo_async.errors import QueryError

__all__ = ["related"]

_Index = dict[tuple[str, str], Any]


def related(document: object, resource: object, name: str) -> list[Any]:
    """The included resources that `resource` names in its relationship `name`, in order.

    `name` is the relationship's JSON name (``push-tokens``) or its attribute's (``push_tokens``). To-one and to-many
    relationships both return a list. It has what the document includes: nothing if the relationship is missing, null,
    has only links, or was not requested with `include`. Raises QueryError for a name that isn't a relationship of the
    resource's type.
    """
    if not isinstance(resource, Model | Mapping) and resource is not None:
        raise QueryError(f"related: expected one resource of the document, got {type(resource).__name__}")
    if not isinstance(name, str):
        raise QueryError(f"related: expected the name of a relationship, a str, got {type(name).__name__}")
    relationship = _relationship(resource, name)
    if relationship is None or relationship is UNSET:
        _check(resource, name)
    identifiers = member(relationship, "data")
    if identifiers is None or identifiers is UNSET:
        return []
    if not isinstance(identifiers, list | tuple):
        identifiers = [identifiers]
    index = _index_of(document)
    found = (index.get((_text(each, "type"), _text(each, "id"))) for each in identifiers)
    return [each for each in found if each is not None]


def _relationship(resource: object, name: str) -> Any:
    relationships = member(resource, "relationships")
    for spelling in dict.fromkeys((name, name.replace("-", "_"), name.replace("_", "-"))):
        found = member(relationships, spelling)
        if found is not UNSET:
            return found
    return UNSET


def _check(resource: object, name: str) -> None:
    """Raise QueryError if no resource of this type has a relationship of that name, and this one has none either."""
    if not isinstance(resource, Model) or not resource._wires:
        return  # plain JSON, or a resource of a type that this revision doesn't know
    known = _relationships_of(type(resource))
    came = member(resource, "relationships")
    extra = came.additional_properties if isinstance(came, Model) else came if isinstance(came, dict) else {}
    if known is None or name in known or name in extra:
        return
    kind = member(resource, "type") or type(resource).__name__
    raise QueryError(f"{kind!r} has no relationship {name!r}{nearest(name, dict.fromkeys([*known.values(), *extra]))}")


def _relationships_of(cls: type[Model]) -> dict[str, str] | None:
    """A type's relationships: Python and API names → API names; None if the class doesn't declare them."""
    if "relationships" not in cls._wires:
        return {}
    ref = cls._fields["relationships"].metadata.get(REF)
    if not isinstance(ref, One):
        return None
    found: type[Model] = load(cls.__module__.rpartition(".")[0], ref.name)
    return {name: found._wires[own] for name, own in found._names.items()}


def _text(holder: Any, name: str) -> str:
    value = member(holder, name)
    return value if isinstance(value, str) else str(value)


def _index_of(document: Any) -> _Index:
    """The document's included resources by type and id, built on first use and kept with the document."""
    included = member(document, "included")
    if not isinstance(included, list | tuple):
        return {}
    kept: tuple[object, _Index] | None = getattr(document, "_included_index", None)
    if kept is not None and kept[0] is included:
        return kept[1]
    index = {(_text(each, "type"), _text(each, "id")): each for each in included}
    # Plain JSON has no place to store it, but works without.
    with suppress(AttributeError):
        document._included_index = (included, index)
    return index
