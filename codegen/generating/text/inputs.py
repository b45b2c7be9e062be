"""What the values of a write's keywords may be: TypedDicts for the mappings whose keys the documents know.

A mapping whose keys find their places (`klaviyo_async.operation.Nested`) has the keywords of the resource as its keys, one
that is sent as it is has the names on the wire. A literal with other keys is refused by type checkers; a variable of type
`dict[str, Any]` is taken.
"""

from __future__ import annotations

import keyword
import re
from typing import TYPE_CHECKING

from attrs import Factory, define

from codegen.generating.ir import NONE, Array, Choice, Mapping, Object, OneOf, Scalar, Time, Type, members, objects_in
from codegen.generating.text.render import annotation

if TYPE_CHECKING:
    from codegen.generating.ir import Models
    from klaviyo_async.operation import Nested, Relationship, Resource

_ANY = Scalar("Any")


@define
class Dict:
    """A TypedDict to emit."""

    name: str
    keys: list[tuple[str, str, bool]] = Factory(list)
    """Key, annotation, and whether it is required."""

    @property
    def plain(self) -> bool:
        """Whether all keys can be written as names in a class body, where they hide none that the annotations use."""
        used = {name for _, text, _ in self.keys for name in re.findall(r"\w+", text)}
        return all(
            key.isidentifier() and not keyword.iskeyword(key) and key[:2] != "__" and key not in used
            for key, _, _ in self.keys
        )

    @property
    def total(self) -> bool:
        """Whether most is required, so that the rest is marked."""
        return any(required for _, _, required in self.keys)

    def lines(self) -> list[tuple[str, str]]:
        """Key and annotation of each, with the mark of those that may be left out."""
        return [
            (key, text if required or not self.total else f"NotRequired[{text}]") for key, text, required in self.keys
        ]


@define
class Inputs:
    """Collects the TypedDicts of all writes, each under the name of the schema that it stands for."""

    models: Models
    queries: frozenset[Object] = frozenset()
    """The models that only queries send: their enums are closed."""
    dicts: dict[str, Dict] = Factory(dict)
    owners: dict[str, Object] = Factory(dict)
    """Of which model each of them is."""
    names: set[str] = Factory(set)
    """Aliases of enums that they name."""

    # --- values that are sent as they are

    def plain(self, kind: Type, *, closed: bool = False) -> str:
        """A value inside a TypedDict that is sent as it is."""
        parts: list[str] = []
        for member in members(kind):
            if isinstance(member, Object):
                parts += [self.mapping(member), "Model", "AnyMapping"]
            elif isinstance(member, Array):
                parts.append(f"Sequence[{self.plain(member.item, closed=closed)}]")
            elif isinstance(member, Mapping):
                parts.append(f"Mapping[str, {self.plain(member.value, closed=closed)}]")
            elif isinstance(member, Time):
                parts += ["date" if member.day else "datetime", "str"]
            elif isinstance(member, Choice):
                parts += self._choice(member, closed=closed)
            else:
                parts.append(annotation(member))
        return _union(parts, kind)

    def _choice(self, choice: Choice, *, closed: bool) -> list[str]:
        if not closed and choice.alias is not None:
            self.names.add(choice.alias)
        text = annotation(choice, closed=closed)
        return [text.removesuffix(" | str"), "str"] if text.endswith(" | str") else [text]

    def mapping(self, model: Object) -> str:
        """The TypedDict of a model, by its names on the wire."""
        name = self._name(model, "Dict")
        if name not in self.dicts:
            made = self.dicts[name] = Dict(name)
            closed = model in self.queries
            made.keys = [
                (field.wire, self.plain(field.type, closed=closed), field.required)
                for field in self.models[model].fields
            ]
        return name

    # --- values whose keys find their places

    def nested(self, kind: Type, nested: Nested) -> str:
        """A value that is a resource, or holds one."""
        parts = []
        if nested.kind in {"object", "objects"}:
            one = [self._holder(self._model(kind), nested), "Model", "AnyMapping"]
        else:
            assert nested.resource is not None  # noqa: S101 - for the type checker: these kinds always have it
            if nested.kind in {"resource", "resources"}:
                kind = self.at(kind, "data")
            one = self.resource(kind, nested.resource)
        if nested.kind in {"resources", "bares", "objects"}:
            parts.append(f"Iterable[{' | '.join(one)}]")
        else:
            parts += one
        if nested.kind in {"resource", "resources"}:
            parts.append("ResourceDocument")
        return " | ".join(parts)

    def resource(self, kind: Type, resource: Resource) -> list[str]:
        """What one resource inside a body may be."""
        made = [self._filled(self._model(kind), resource), "AnyResource"]
        return [*made, "str"] if resource.id != "none" else made

    def linkage(self, kind: Type, related: Relationship) -> str:
        """What a relationship may be: the id, or what stands for it."""
        one = ["str", "Model", "Mapping[str, Any]"]
        if related.resource is not None:
            one = self.resource(self.at(kind, "data"), related.resource)
        if not related.many:
            return " | ".join([*one, "None"])
        single = one if related.resource is None else ["ResourceDocument"]
        return " | ".join([f"Iterable[{' | '.join(one)}]", *single, "None"])

    def _holder(self, model: Object, nested: Nested) -> str:
        name = self._name(model, "Input")
        if name not in self.dicts:
            made = self.dicts[name] = Dict(name)
            for field in self.models[model].fields:
                inner = nested.keys.get(field.wire)
                text = (
                    self.plain(field.type)
                    if inner is None
                    else self._or_none(field.type, self.nested(field.type, inner))
                )
                made.keys.append((field.wire, text, field.required))
        return name

    def _filled(self, model: Object, resource: Resource) -> str:
        name = self._name(model, "Input")
        if name in self.dicts:
            return name
        made = self.dicts[name] = Dict(name)
        whole: Type = model
        if resource.id != "none":
            made.keys.append(("id", "str", resource.id == "required"))
        for key, wire in resource.attributes.items():
            kind = self.at(whole, "attributes", wire)
            inner = resource.nested.get(key)
            if inner is not None:
                text = self._or_none(kind, self.nested(kind, inner))
            elif key in resource.filters:
                text = "Filter | str" if resource.filters[key] == "string" else "Filter | str | Sequence[Filter | str]"
            else:
                text = self.plain(kind)
            made.keys.append((key, text, key in resource.required))
        for key, related in resource.relationships.items():
            kind = self.at(whole, "relationships", related.wire)
            made.keys.append((key, self.linkage(kind, related), key in resource.required))
        if resource.meta:
            kind = self.at(whole, "meta")
            inner = resource.meta_nested
            text = self.plain(kind) if inner is None else self._or_none(kind, self.nested(kind, inner))
            made.keys.append(("meta", text, False))
        return name

    def _name(self, model: Object, suffix: str) -> str:
        """A name for the TypedDict of a model. A schema and a resource may have the same name."""
        name = f"{model.name}{suffix}"
        return name if self.owners.setdefault(name, model) == model else f"Resource{name}"

    def _or_none(self, kind: Type, text: str) -> str:
        return f"{text} | None" if isinstance(kind, OneOf) and NONE in kind.members else text

    def _model(self, kind: Type) -> Object:
        """The one model that a type is, alone or in a list."""
        (found,) = {each for each in objects_in(kind) if each in self.models}
        return found

    def at(self, kind: Type, *path: str) -> Type:
        """The type at a path of wire names below a type."""
        for key in path:
            fields = self.models[self._model(kind)].fields
            kind = next((each.type for each in fields if each.wire == key), _ANY)
        return kind


def _union(parts: list[str], kind: Type) -> str:
    if isinstance(kind, OneOf) and NONE in kind.members:
        parts = [*parts, "None"]
    return " | ".join(dict.fromkeys(parts)) or "None"
