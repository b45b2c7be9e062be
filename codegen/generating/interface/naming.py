"""Names of what has none in the documents: objects and long lists of values that stand inside a schema.

A name says what the thing is, and depends on nothing else: on the schema or resource that it stands in and the property
that holds it, never on what else there is in the revision. So it is the same in the next revision, whatever is added
there. (Resources, identifiers and relationships have theirs from `codegen.generating.interface.resources`.)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from attrs import evolve

from codegen.generating.interface.resources import base_name
from codegen.generating.ir import Array, Choice, Mapping, Object, OneOf, Type, changed, members, objects_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codegen.generating.ir import Model, Models

LONGEST = 50
LONG_CHOICE = 16
_OF_RESOURCES = (("attributes",), ("relationships",))


def name_inline(models: Models) -> Models:
    """The models with names for the inline ones that have none yet, and what they are for people."""
    names: dict[Object, Object] = {}
    homes: dict[Object, tuple[str, str]] = {}
    taken = {model.object for model in models.values() if _is_named(model)}
    for model in sorted((each for each in models.values() if _is_named(each)), key=lambda each: each.object):
        for key, path in _inside(models, model):
            package = model.object.package
            name = next(name for name in candidates(_base(model), path) if Object(name, package) not in taken)
            names[key] = Object(name, package)
            homes[key] = f"`{'.'.join(path)}` of `{model.name}`.", model.module
            taken.add(names[key])
    renamed = changed(models, lambda kind: names.get(kind, kind) if isinstance(kind, Object) else kind)
    out: Models = {}
    for key, model in renamed.items():
        new = names.get(key, key)
        doc, module = homes.get(key, (model.doc, model.module))
        out[new] = evolve(model, object=new, doc=doc, module=module)
    return out


def candidates(base: str, path: tuple[str, ...]) -> Iterator[str]:
    """Names for what is at `path` below a schema, the best first: none is longer than LONGEST.

    Where the whole path is too long, its end is kept, and of the schema's name what fits before it.
    """
    parts = [_pascal(part) for part in path]
    for start in range(len(parts)):
        name = base + "".join(parts[start:])
        if len(name) <= LONGEST:
            yield name
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^A-Z]+", base)
    for start in range(1, len(words)):
        name = "".join(words[start:]) + parts[-1]
        if len(name) <= LONGEST and name.isidentifier():
            yield name
    number = 2
    while True:
        yield f"{(base + parts[-1])[: LONGEST - 2]}{number}"
        number += 1


def name_choices(models: Models, aliases: dict[str, Choice]) -> tuple[Models, dict[str, Choice]]:
    """The models with long lists of values made aliases, and these beside those that the documents have."""
    aliases = dict(aliases)

    def named(kind: Type, model: Model, wire: str) -> Type:
        if isinstance(kind, Array):
            return Array(named(kind.item, model, wire))
        if isinstance(kind, Mapping):
            return Mapping(named(kind.value, model, wire))
        if isinstance(kind, Choice) and kind.alias is None and len(kind.values) > LONG_CHOICE:
            base = base_name(model.name).removesuffix("Attributes")
            name = next(
                each
                for each in candidates(base, (wire,))
                if aliases.get(each, kind).values == kind.values and Object(each) not in models
            )
            return aliases.setdefault(name, evolve(kind, alias=name))
        if isinstance(kind, OneOf):
            return OneOf(tuple(named(member, model, wire) for member in kind.members))
        return kind

    out = {}
    for key in sorted(models):
        model = models[key]
        fields = tuple(evolve(field, type=named(field.type, model, field.wire)) for field in model.fields)
        out[key] = evolve(model, fields=fields)
    return out, aliases


def _is_named(model: Model) -> bool:
    return bool(model.doc)


def _base(model: Model) -> str:
    name = base_name(model.name)
    if model.object.package == "resources":
        return name.removesuffix("Attributes").removesuffix("Relationships") or name
    return name


def _inside(models: Models, root: Model) -> Iterator[tuple[Object, tuple[str, ...]]]:
    """The nameless models that are reached from a named one through nameless ones only, and by which properties."""
    seen: set[Object] = set()
    stack: list[tuple[Model, tuple[str, ...]]] = [(root, ())]
    while stack:
        model, path = stack.pop(0)
        for field in model.fields:
            for key in objects_in(field.type):
                if key in models and key not in seen and not _is_named(models[key]):
                    seen.add(key)
                    # What is in the attributes of something is its own.
                    above = path[1:] if path[:1] in _OF_RESOURCES else path
                    where = (*above, field.wire, *(("item",) if _in_list(field.type, key) else ()))
                    yield key, where
                    stack.append((models[key], where))


def _in_list(kind: Type, key: Object) -> bool:
    return any(isinstance(member, Array) and key in objects_in(member.item) for member in members(kind))


def _pascal(wire: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^0-9A-Za-z]+", wire))
