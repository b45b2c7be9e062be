"""Schemas of one JSON:API resource type → one class for it, whichever operation gives it.

The documents write a resource out for each operation: a profile has a schema where it is created, one where it is listed,
one where it is a member of a list. Users know one profile. So all schemas that responses have with the same `type` become
one class, `resources.Profile`, with all attributes and relationships that any of them has; and what JSON:API puts around
a resource becomes a class of its own, once:

- `Profile`, its `ProfileAttributes` and `ProfileRelationships`
- `ProfileIdentifier`: `{"type": "profile", "id": …}`
- `ProfileToOne`, `ProfileToMany`: a relationship, which has identifiers as its `data`

Request bodies keep their schemas, for there a profile that is created and one that is updated are different things. They
share identifiers and relationships, and a body inside a body (`{"data": ProfileUpsertQueryResourceObject}`) is named alike:
`ProfileUpsertQueryToOne`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import Factory, define, evolve

from codegen.errors import CodegenError
from codegen.generating.ir import (
    NONE,
    Array,
    Choice,
    Field,
    Mapping,
    Model,
    Object,
    OneOf,
    Scalar,
    Type,
    changed,
    distinct,
    mapped,
    members,
    objects_in,
    reachable,
    union,
)
from codegen.names import field_name, pascal_case, python_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from codegen.generating.ir import Models
    from codegen.specs.undeclared import Undeclared

_MEMBERS = ("type", "id", "attributes", "relationships", "links", "meta")
_IDENTIFIER = {"type", "id"}
_WRAPPER = {"data", "links", "meta"}
_BARE = {"links", "meta"}
_PARTS = {("attributes",), ("relationships",)}
# JSON:API, "Document Structure": each resource has a type and an id, each document has data; and Klaviyo's have links and
# attributes wherever their schemas do, though many of these leave them optional. (`data` is null where a related resource
# is missing, which some of the schemas say and others, where it was seen, don't. In the type it would stand in the way of
# all code that reads a resource which is there.)
_ALWAYS_IN_RESOURCE = {"type", "id", "attributes", "links"}
_ALWAYS_IN_DOCUMENT = {"data", "links"}


@define
class Gathered:
    """The models with one class for each resource type."""

    models: Models
    aliases: dict[str, Object]
    """Schema → the resource's class that has taken over from it."""
    notes: list[str]
    """Where the documents contradict each other."""


def gather(
    models: Models, *, results: Iterable[Object], bodies: Iterable[Object], undeclared: Sequence[Undeclared] = ()
) -> Gathered:
    """Put the class of its resource in place of each schema of one.

    `results` and `bodies` are the roots of what is read and written; `undeclared` is what resources have besides.
    """
    results, bodies = list(results), list(bodies)
    gatherer = _Gatherer(models, written=reachable(models, bodies), documents=set(results), bodies=set(bodies))
    gatherer.sort()
    for each in undeclared:
        gatherer.declare(each)
    merged = gatherer.merge()
    for key in results:
        if key in merged:
            merged[key] = evolve(merged[key], fields=_always(merged[key].fields, _ALWAYS_IN_DOCUMENT))
    kept = reachable(merged, [key for key, model in merged.items() if model.component] + results + bodies)
    read, written = reachable(merged, results), reachable(merged, bodies)
    return Gathered(
        {
            key: evolve(model, reads=key in read or key not in written, writes=key in written)
            for key, model in merged.items()
            if key in kept or key.package == "resources"
        },
        {key.name: new for key, new in sorted(gatherer.instead.items()) if models[key].component},
        gatherer.notes,
    )


def resource_type(model: Model) -> str | None:
    """The JSON:API type, where the model is a resource or an identifier."""
    wires = {field.wire: field for field in model.fields}
    if not {"type"} < wires.keys() <= set(_MEMBERS) or not wires.keys() & {"id", "attributes"}:
        return None
    constants = wires["type"].constants
    return constants[0] if len(constants) == 1 and isinstance(constants[0], str) else None


def base_name(name: str) -> str:
    """The name of a schema as names of what is inside it begin."""
    return name.removesuffix("ResourceObject") or name


def _objects_of(model: Model, wire: str) -> list[Object]:
    """The models that a field refers to."""
    return [each for field in model.fields if field.wire == wire for each in objects_in(field.type)]


@define
class _Gatherer:
    models: Models
    written: set[Object]
    documents: set[Object]
    bodies: set[Object]
    instead: dict[Object, Object] = Factory(dict)
    """What is replaced, and by what."""
    groups: dict[Object, list[Model]] = Factory(dict)
    """New model → those that it is merged from."""
    docs: dict[Object, str] = Factory(dict)
    modules: dict[Object, str] = Factory(dict)
    notes: list[str] = Factory(list)
    made: Models = Factory(dict)

    def sort(self) -> None:
        """Decide what becomes what."""
        types: dict[str, str] = {}
        for model in self.models.values():
            kind = resource_type(model)
            if kind is None:
                continue
            name = pascal_case(kind)
            if types.setdefault(name, kind) != kind or not name.isidentifier():
                raise CodegenError(f"the resource types {types[name]!r} and {kind!r} can't both be called {name}")
            wires, module = {field.wire for field in model.fields}, python_name(kind)
            if wires == _IDENTIFIER and not model.component and all(field.required for field in model.fields):
                self._put(
                    model, Object(f"{name}Identifier", "resources"), f"Type and id of a resource `{kind}`.", module
                )
            elif model.object not in self.written:
                self._put(model, Object(name, "resources"), f"The resource `{kind}`.", module)
        for model in self.models.values():
            if model.component or model.object in self.documents | self.bodies:
                continue  # it has a name of its own
            if (found := self._wrapped(model)) is not None:
                target, many = found
                what = f"`{target.name}`"
                name = base_name(
                    target.name.removesuffix("Identifier") if target.package == "resources" else target.name
                )
                self._put(
                    model,
                    Object(f"{name}{'ToMany' if many else 'ToOne'}", target.package),
                    f"A list of {what} as `data`." if many else f"One {what} as `data`.",
                    self.modules[target] if target in self.modules else self.models[target].module,
                )

        self._adopt()
        for name, kind in types.items():
            if Object(name, "resources") in self.groups and Object(f"{name}Identifier", "resources") not in self.groups:
                self._identifier(kind)  # no operation lists it in this revision

    def _adopt(self) -> None:
        """Take a relationship that one schema declares with its links alone for what another schema says it is."""
        for new, group in list(self.groups.items()):
            if new.name != pascal_case(self.modules[new]) or new.package != "resources":
                continue
            related: dict[str, set[Object]] = {}
            for part in {each for model in group for each in _objects_of(model, "relationships")} & self.models.keys():
                for field in self.models[part].fields:
                    related.setdefault(field.wire, set()).update(objects_in(field.type))
            for kinds in related.values():
                known = {self.instead[kind] for kind in kinds & self.instead.keys()}
                for kind in kinds - self.instead.keys() if len(known) == 1 else ():
                    model = self.models.get(kind)
                    if model is not None and not model.component and {each.wire for each in model.fields} <= _BARE:
                        (whole,) = known
                        self._put(model, whole, self.docs[whole], self.modules[whole])

    def _put(self, model: Model, new: Object, doc: str, module: str) -> None:
        if new in self.models and self.models[new].component:
            return  # a schema has the name
        self.instead[model.object] = new
        self.groups.setdefault(new, []).append(model)
        self.docs[new], self.modules[new] = doc, module

    def _wrapped(self, model: Model) -> tuple[Object, bool] | None:
        """What a model has as its data, where that is identifiers or a schema of a resource: and whether it is a list."""
        wires = {field.wire: field for field in model.fields}
        if "data" not in wires or not wires.keys() <= _WRAPPER:
            return None
        inside = members(wires["data"].type)
        if len(inside) != 1:
            return None
        many = isinstance(inside[0], Array)
        target = inside[0].item if isinstance(inside[0], Array) else inside[0]
        if not isinstance(target, Object) or target not in self.models:
            return None
        new = self.instead.get(target)
        if new is not None and new.package == "resources" and new.name.endswith("Identifier"):
            return new, many
        if self.models[target].component and new is None and resource_type(self.models[target]) is not None:
            return target, many
        return None

    def declare(self, found: Undeclared) -> None:
        """Take what no schema declares as one more schema of the resource."""
        resource = Object(pascal_case(found.type), "resources")
        if resource not in self.groups:
            return  # a revision without it
        known = {field.wire for model in self.groups[resource] for field in model.fields}
        parts: dict[str, list[Field]] = {"attributes": [], "relationships": []}
        for wire, scalar in found.attributes.items():
            parts["attributes"].append(_field(wire, OneOf((Scalar(scalar), NONE))))
        for wire, (target, many) in found.relationships.items():
            parts["relationships"].append(_field(wire, self._relationship(target, many=many)))
        fields = [_field("id", Scalar("str"))] if found.id and "id" not in known else []
        for wire, inside in parts.items():
            if inside:
                part = Object(f"{found.type}.{wire}")
                self.models[part] = Model(part, tuple(inside), component=False)
                fields.append(_field(wire, part))
        self.groups[resource].append(
            Model(Object(f"{found.type}.undeclared"), tuple(fields), component=False, module=self.modules[resource])
        )

    def _relationship(self, kind: str, *, many: bool) -> Object:
        """The relationship to resources of a type, made where there is none yet."""
        name = pascal_case(kind)
        new = Object(f"{name}{'ToMany' if many else 'ToOne'}", "resources")
        inline, wrapped = self._identifier(kind), Object(f"{kind}.{many}")
        self.models[wrapped] = Model(
            wrapped, (_field("data", Array(inline) if many else OneOf((inline, NONE))),), component=False
        )
        what = f"`{name}Identifier`"
        self._put(
            self.models[wrapped],
            new,
            f"A list of {what} as `data`." if many else f"One {what} as `data`.",
            python_name(kind),
        )
        return wrapped

    def _identifier(self, kind: str) -> Object:
        """The identifier of resources of a type."""
        inline = Object(f"{kind}.identifier")
        fields = (_field("type", Choice((kind,)), constants=(kind,)), _field("id", Scalar("str"), required=True))
        self.models[inline] = Model(inline, fields, component=False)
        self._put(
            self.models[inline],
            Object(f"{pascal_case(kind)}Identifier", "resources"),
            f"Type and id of a resource `{kind}`.",
            python_name(kind),
        )
        return inline

    # --- merging

    def merge(self) -> Models:
        """The models with the new ones in place of those they are merged from."""
        for new, group in sorted(self.groups.items()):
            group.sort(key=lambda model: (-len(model.fields), model.name))
            fields = self._fields(group, new, ())
            if new.package == "resources" and new.name.endswith(("Identifier", "ToOne", "ToMany")):
                self.made[new] = Model(new, fields, component=False, doc=self.docs[new], module=self.modules[new])
                continue
            if new.package == "resources":
                fields = self._of_resource(fields, group)
            self.made[new] = Model(new, fields, component=False, doc=self.docs[new], module=self.modules[new])
        kept = {key: model for key, model in self.models.items() if key not in self.instead}
        return changed(kept | self.made, self._instead)

    @staticmethod
    def _of_resource(fields: Iterable[Field], group: Sequence[Model]) -> tuple[Field, ...]:
        """A resource's own members, in JSON:API's order."""
        needed = {field.wire for model in group for field in model.fields if field.required}
        ordered = sorted(fields, key=lambda field: _MEMBERS.index(field.wire))
        # Whoever makes one, for a test say, has an id and attributes for it, and hardly links.
        return _always(
            (evolve(field, required=field.wire in needed - {"relationships", "links"}) for field in ordered),
            _ALWAYS_IN_RESOURCE,
        )

    def _instead(self, kind: Object | Choice) -> Type:
        return self.instead.get(kind, kind) if isinstance(kind, Object) else kind

    def _fields(self, group: Sequence[Model], owner: Object, path: tuple[str, ...]) -> tuple[Field, ...]:
        found: dict[str, list[tuple[Model, Field]]] = {}
        for model in group:
            for field in model.fields:
                found.setdefault(field.wire, []).append((model, field))
        fields = []
        for wire, each in found.items():
            same = [field for _, field in each]
            fields.append(
                evolve(
                    same[0],
                    type=self._type(each, owner, (*path, wire)),
                    required=len(same) == len(group) and all(field.required for field in same),
                    constants=_constants(same),
                    beside=next((field.beside for field in same if field.beside is not None), None),
                )
            )
        return distinct(evolve(each, name=field_name(each.wire)) for each in fields)

    def _type(self, found: Sequence[tuple[Model, Field]], owner: Object, path: tuple[str, ...]) -> Type:
        kinds = [(model.name, field.type) for model, field in found]
        if path == ("type",) and owner.package == "resources" and found[0][1].constants:
            return Choice(found[0][1].constants)
        if path in _PARTS and owner.package == "resources":
            # These two are the resource's own whether a document writes them inline or not.
            one = {part for _, kind in kinds for part in members(kind)}
            if all(isinstance(part, Object) for part in one):
                key = Object(f"{owner.name}{path[0].capitalize()}", "resources")
                own = sorted(part for part in one if isinstance(part, Object))
                for part in own:
                    if self.models[part].component and part not in self.written | self.documents:
                        self.instead.setdefault(part, key)
                return self._object([self.models[part] for part in own], owner, path, key)
        return self._merged(kinds, owner, path)

    def _merged(self, kinds: Sequence[tuple[str, Type]], owner: Object, path: tuple[str, ...]) -> Type:
        """The type that takes all of `kinds`, each with the schema that has it."""
        parts = [(name, self._replaced(kind)) for name, kind in kinds]
        if len({kind for _, kind in parts}) == 1 and not self._inline(parts[0][1]):
            return parts[0][1]
        null = any(NONE in _all(kind) for _, kind in parts)
        each = self._without_doubles([(name, members(kind)) for name, kind in parts])
        out: list[Type] = []
        array: Type | None = None
        arrays = [(name, kind.item) for name, some in each for kind in some if isinstance(kind, Array)]
        inline = [kind for _, some in each for kind in some if isinstance(kind, Object) and self._inline(kind)]
        alone = all(sum(isinstance(kind, Object) and self._inline(kind) for kind in some) <= 1 for _, some in each)
        for _, some in each:
            for kind in some:
                if isinstance(kind, Array):
                    array = array or Array(self._merged(arrays, owner, path))
                    new: Type = array
                elif isinstance(kind, Object) and self._inline(kind) and alone:
                    key = Object(".".join((owner.name, *path)), owner.package)
                    new = self._object([self.models[one] for one in dict.fromkeys(inline)], owner, path, key)
                else:
                    new = kind
                if new not in out:
                    out.append(new)
        if len({frozenset(map(self._shape, some)) for _, some in each}) > 1 and len(out) > 1:
            told = {" | ".join(sorted({self._shape(kind) for kind in some})): name for name, some in reversed(each)}
            self.notes.append(
                f"{owner.name}: {'.'.join(path)} is "
                + ", ".join(f"{shape} in {name}" for shape, name in sorted(told.items()))
                + ": the class accepts all of these"
            )
        return union([*out, *([NONE] if null else [])])

    def _without_doubles(self, each: Sequence[tuple[str, tuple[Type, ...]]]) -> list[tuple[str, tuple[Type, ...]]]:
        """Schemas with other names and the same content are one: that with the shortest name, or the first by alphabet."""
        first: dict[object, Type] = {}
        same: dict[Type, Type] = {}
        found = {kind for _, some in each for kind in some}
        for key in sorted((kind for kind in found if isinstance(kind, Object)), key=lambda key: (len(key.name), key)):
            if key in self.models and self.models[key].component:
                same[key] = first.setdefault(self.models[key].fields, key)
        for choice in sorted((kind for kind in found if isinstance(kind, Choice)), key=lambda kind: kind.alias or "~"):
            same[choice] = first.setdefault(choice.values, choice)
        return [(name, tuple(dict.fromkeys(same.get(kind, kind) for kind in some))) for name, some in each]

    def _object(self, group: Sequence[Model], owner: Object, path: tuple[str, ...], key: Object) -> Object:
        if key not in self.made:
            self.made[key] = Model(key, (), component=False)  # in case it contains itself
            ordered = sorted(group, key=lambda model: (-len(model.fields), model.name))
            own = path in _PARTS and owner.package == "resources"
            doc = f"The {path[0]} of `{owner.name}`." if own else ""
            self.made[key] = Model(
                key, self._fields(ordered, owner, path), component=False, doc=doc, module=self.modules[owner]
            )
        return key

    def _replaced(self, kind: Type) -> Type:
        return mapped(kind, self._instead)

    def _shape(self, kind: Type) -> str:
        """What kind of value it is, to compare by and to tell. What is inside lists and objects is compared there."""
        if isinstance(kind, Object):
            return "an object" if self._inline(kind) else kind.name
        if isinstance(kind, Array):
            return "a list"
        if isinstance(kind, Mapping):
            return "a mapping"
        if isinstance(kind, Scalar):
            return kind.python
        if isinstance(kind, Choice):
            return kind.alias or "one of some values"
        return "a time"

    def _inline(self, kind: Type) -> bool:
        return any(
            each in self.models and not self.models[each].component and each not in self.made
            for each in objects_in(kind)
        )


def _all(kind: Type) -> tuple[Type, ...]:
    return (*members(kind), *([NONE] if kind == NONE or NONE in getattr(kind, "members", ()) else []))


def _field(wire: str, kind: Type, *, required: bool = False, constants: tuple[Any, ...] = ()) -> Field:
    return Field(wire=wire, name=field_name(wire), type=kind, required=required, constants=constants)


def _constants(same: Sequence[Field]) -> tuple[Any, ...]:
    if not all(field.constants for field in same):
        return ()
    return tuple(dict.fromkeys(value for field in same for value in field.constants))


def _always(fields: Iterable[Field], names: set[str]) -> tuple[Field, ...]:
    return tuple(
        evolve(field, always=True, type=union(members(field.type) or [field.type])) if field.wire in names else field
        for field in fields
    )
