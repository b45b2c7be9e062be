"""Inline schemas of the same structure → one class; what nothing reaches → none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from codegen.ir import Array, Mapping, Model, Object, OneOf, Type

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def names_in(kind: Type) -> Iterator[str]:
    """Names of the models that a type refers to."""
    if isinstance(kind, Object):
        yield kind.name
    elif isinstance(kind, Array):
        yield from names_in(kind.item)
    elif isinstance(kind, Mapping):
        yield from names_in(kind.value)
    elif isinstance(kind, OneOf):
        for member in kind.members:
            yield from names_in(member)


def renamed(kind: Type, names: dict[str, str]) -> Type:
    """The type with models renamed."""
    if isinstance(kind, Object):
        return Object(names.get(kind.name, kind.name))
    if isinstance(kind, Array):
        return Array(renamed(kind.item, names))
    if isinstance(kind, Mapping):
        return Mapping(renamed(kind.value, names))
    if isinstance(kind, OneOf):
        return OneOf(tuple(dict.fromkeys(renamed(member, names) for member in kind.members)))
    return kind


def reachable(models: dict[str, Model], roots: Iterable[str]) -> dict[str, Model]:
    """The models that can be reached from the roots, in the order given."""
    seen: set[str] = set()
    stack = [name for name in roots if name in models]
    while stack:
        name = stack.pop()
        if name not in seen:
            seen.add(name)
            stack += [other for each in models[name].fields for other in names_in(each.type)]
    return {name: model for name, model in models.items() if name in seen}


def merge_inline(models: dict[str, Model], keep: frozenset[str]) -> dict[str, Model]:
    """Merge inline models of the same structure, until nothing changes.

    The name that stays is one from a resource rather than from a document, the shortest, and then the first by alphabet,
    so it does not depend on the order of the operations. Components and the names in `keep` are never merged.
    """
    while True:
        groups: dict[object, list[str]] = {}
        for name, model in models.items():
            if not model.component and name not in keep:
                groups.setdefault(model.fields, []).append(name)
        names: dict[str, str] = {}
        for same in groups.values():
            if len(same) > 1:
                best = min(same, key=lambda name: (_of_document(models, name), len(name), name))
                names |= {name: best for name in same if name != best}
        if not names:
            return models
        models = {
            name: evolve(model, fields=tuple(evolve(each, type=renamed(each.type, names)) for each in model.fields))
            for name, model in models.items()
            if name not in names
        }


def _of_document(models: dict[str, Model], name: str) -> bool:
    owner = models.get(models[name].owner)
    return owner is not None and owner.document
