"""What users of a revision have, as one value: functions, classes, lists of values, and the limits that the documents set.

It is made of the generator's own intermediate form, so what the documents write in another way than before (a value
inline or as a schema of its own, an `allOf` of one) makes no difference here, and what gets another name does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import Factory, define, frozen

from codegen.diffing.types import has_none
from codegen.generating.ir import Array, Mapping, Object, Type, members, objects_in
from codegen.generating.plan import plan
from codegen.generating.text import bulk_methods, endpoints
from codegen.names import pascal_case
from codegen.specs.extensions import EXTENSIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Mapping as AnyMapping
    from pathlib import Path

    from codegen.generating.interface.bodies import Keyword
    from codegen.generating.ir import Endpoint, Models
    from codegen.generating.plan import Plan
    from codegen.specs.assemble import Spec
    from klaviyo_async.operation import Operation

_STRUCTURE = frozenset(
    {"$ref", "type", "enum", "const", "x-enum", "oneOf", "anyOf", "allOf", "properties", "items", "required", "nullable",
     "x-decided-by"}
)  # fmt: skip
"""Keys of a schema that the types of the intermediate form say."""
_IN_THE_TABLE = frozenset(name for name, each in EXTENSIONS.items() if each.field)
"""Extensions that the operation table says."""
_NOTES = frozenset({"title", "description", "example", "examples", "externalDocs", "xml"})
"""Keys that nothing depends on."""
_OF_OBJECTS = frozenset({"additionalProperties", "minProperties", "maxProperties"})


@define
class Field:
    """A field of a class."""

    wire: str
    name: str
    type: Type
    required: bool
    """Whether a constructor asks for it."""
    reads_none: bool
    """Whether it may read as None."""
    facts: dict[str, list[Any]] = Factory(dict)
    """Key of the schemas (`maxLength`, `default`, an extension) → what they say, each once."""
    sent: set[str] = Factory(set)
    """Functions whose request body has it."""
    received: set[str] = Factory(set)
    """Functions whose response has it."""
    keywords: dict[str, str] = Factory(dict)
    """Function → the keyword argument that it is of it."""


@define
class Class:
    """A class of `models` or `resources`."""

    name: str
    """With its package: `resources.Profile`."""
    fields: dict[str, Field]
    facts: dict[str, list[Any]] = Factory(dict)
    sent: set[str] = Factory(set)
    received: set[str] = Factory(set)


@frozen
class Function:
    """An endpoint function."""

    operation: Operation
    keywords: tuple[tuple[Keyword, Type], ...]
    body: str | None
    result: str | None
    item: Type | None
    parameters: AnyMapping[str, AnyMapping[str, Any]]
    """Wire name → what the document says of the parameter and of its schema, besides what the operation has."""
    extensions: AnyMapping[str, Any]
    """The vendor extensions that the operation has no place for."""
    successes: AnyMapping[str, str]
    """Status → media type of a success, `nothing` without a body."""
    media: str
    """Media type of the request body, empty without one."""


@define
class Interface:
    """What users of a revision have."""

    revision: str
    functions: dict[str, Function]
    aliases: dict[str, str]
    """Other name of a function → the function; a function of the name wins."""
    classes: dict[str, Class]
    values: dict[str, tuple[Any, ...]]
    """Type alias in `models` → the values that it knows."""
    instead: dict[str, str]
    """Name of a schema in `models` → the class that it is an alias of."""
    bulk: dict[str, tuple[str, ...]]
    """Method of `klaviyo.bulk` → its arguments."""
    types: set[str]
    """Names in `api.types`."""
    notes: list[str] = Factory(list)

    def names(self) -> set[str]:
        """The public names, from `api.profiles.get_profiles` to `models.ProfileCreateQueryAttributes.email`."""
        found = {f"api.types.{name}" for name in self.types}
        for name, function in self.functions.items():
            operation = function.operation
            found |= {f"api.{operation.tag}", f"api.{operation.tag}.{name}", f"operations[{name}]"}
            found |= {f"api.{operation.tag}.{name}({argument})" for argument in arguments(function)}
            if operation.filters:
                found.add(f"filters.{filters_class(name)}")
        found |= {f"api.{self.functions[name].operation.tag}.{alias}" for alias, name in self.aliases.items()}
        found |= {f"models.{name}" for name in (*self.values, *self.instead)}
        for method, given in self.bulk.items():
            found |= {f"bulk.{method}", *(f"bulk.{method}({argument})" for argument in given)}
        for each in self.classes.values():
            found |= {each.name, *(f"{each.name}.{field.name}" for field in each.fields.values())}
        return found


def filters_class(function: str) -> str:
    """The class of the filters that a function takes."""
    return pascal_case(function)


def arguments(function: Function) -> list[str]:
    """The names of a function's arguments, in order."""
    body = function.operation.body
    return [
        *function.operation.path_parameters,
        *(["body"] if body is not None and body.kind != "multipart" else []),
        *(keyword.name for keyword, _ in function.keywords),
        *(parameter.name for parameter in function.operation.parameters),
        "options",
    ]


def of(spec: Spec, source: Path) -> Interface:
    """The interface that the generator makes of a revision. Raises CodegenError."""
    return of_plan(spec, plan(spec, source))


def of_plan(spec: Spec, plan: Plan) -> Interface:
    """As `of`, of a revision that is parsed already."""
    models = plan.gathered.models
    classes = {_key(key): _class(key, models) for key in models}
    functions = {each.operation.name: _function(each, spec) for each in plan.table}
    tags = {each.operation.tag: spec.operations[each.operation.name]["tags"][0] for each in plan.table}
    aliases: dict[str, str] = {}
    for name, function in functions.items():
        for alias in function.operation.aliases:
            if alias not in functions:
                aliases.setdefault(alias, name)
    types = endpoints.types_of(plan.table, models)
    endpoints.pages_of(plan.table, tags, types)
    interface = Interface(
        revision=spec.revision,
        functions=functions,
        aliases=aliases,
        classes=classes,
        values={name: choice.values for name, choice in plan.aliases.items()},
        instead={name: _key(key) for name, key in plan.gathered.aliases.items()},
        bulk=bulk_methods.arguments_of(plan.table, types),
        types={name for name, _ in (*types.literals, *types.fieldsets)} | types.inputs.dicts.keys(),
        notes=list(plan.gathered.notes),
    )
    _Walk(interface, plan).run(spec)
    return interface


def _key(key: Object) -> str:
    return f"{key.package}.{key.name}"


def _class(key: Object, models: Models) -> Class:
    fields = {
        each.wire: Field(
            wire=each.wire,
            name=each.name,
            type=each.type,
            required=each.required,
            reads_none=has_none(each.type) or not (each.required or each.always),
        )
        for each in models[key].fields
    }
    return Class(_key(key), fields)


def _function(endpoint: Endpoint, spec: Spec) -> Function:
    operation = endpoint.operation
    raw = spec.operations[operation.name]
    successes = {
        status: ", ".join(sorted(response.get("content", {}))) or "nothing"
        for status, response in raw.get("responses", {}).items()
        if status.startswith("2")
    }
    return Function(
        operation=operation,
        keywords=endpoint.keywords,
        body=endpoint.body,
        result=endpoint.result,
        item=endpoint.item,
        parameters={each["name"]: _parameter(each) for each in raw.get("parameters", ()) if each["name"] != "revision"},
        extensions={key: value for key, value in raw.items() if key.startswith("x-") and key not in _IN_THE_TABLE},
        successes=successes,
        media=", ".join(sorted(raw.get("requestBody", {}).get("content", {}))),
    )


def _parameter(raw: AnyMapping[str, Any]) -> dict[str, Any]:
    """What a parameter and its schema say; the types and values of plain ones included."""
    left_out = {"name", "schema", *_NOTES}
    found = {key: value for key, value in raw.items() if key not in left_out}
    for prefix, schema in (("", raw.get("schema", {})), ("items.", raw.get("schema", {}).get("items", {}))):
        found |= {
            f"{prefix}{key}": value for key, value in schema.items() if key not in _NOTES | {"items", "properties"}
        }
    return found


@define
class _Slice:
    """What one schema says of the fields of classes, up to the schemas that it refers to."""

    fields: list[tuple[Object, str, AnyMapping[str, Any]]] = Factory(list)
    objects: list[tuple[Object, AnyMapping[str, Any]]] = Factory(list)
    references: set[str] = Factory(set)


class _Walk:
    """Puts what the resolved schemas say on the fields of the classes that they become."""

    def __init__(self, interface: Interface, plan: Plan) -> None:
        self.interface = interface
        self.models = plan.gathered.models
        self.instead = plan.gathered.aliases
        self.document = plan.document
        self.schemas: AnyMapping[str, Any] = plan.document.get("components", {}).get("schemas", {})
        self.slices: dict[str, _Slice] = {}

    def run(self, spec: Spec) -> None:
        for name, function in self.interface.functions.items():
            raw = spec.operations[name]
            operation = self.document["paths"][raw["path"]][raw["method"].lower()]
            for media in operation.get("requestBody", {}).get("content", {}).values():
                self._root(name, media.get("schema", {}), function.body, sent=True)
            for status, response in operation.get("responses", {}).items():
                for media in response.get("content", {}).values() if status.startswith("2") else ():
                    self._root(name, media.get("schema", {}), function.result, sent=False)
            self._keywords(name, function)
        for found in self.slices.values():
            self._put(found)

    def _root(self, name: str, schema: Any, model: str | None, *, sent: bool) -> None:
        found = _Slice()
        self._schema(schema, None if model is None else Object(model), found, ())
        self._put(found)
        seen: set[str] = set()
        stack = [found]
        while stack:
            one = stack.pop()
            for key, wire, _ in one.fields:
                field = self.interface.classes[_key(key)].fields[wire]
                (field.sent if sent else field.received).add(name)
            for key, _ in one.objects:
                each = self.interface.classes[_key(key)]
                (each.sent if sent else each.received).add(name)
            for reference in one.references - seen:
                seen.add(reference)
                stack.append(self._component(reference))

    def _put(self, found: _Slice) -> None:
        for key, wire, told in found.fields:
            _add(self.interface.classes[_key(key)].fields[wire].facts, told)
        for key, told in found.objects:
            _add(self.interface.classes[_key(key)].facts, told)

    def _component(self, name: str) -> _Slice:
        if name not in self.slices:
            found = self.slices[name] = _Slice()
            self._schema(self.schemas[name], self._object(name), found, (), top=True)
        return self.slices[name]

    def _object(self, name: str) -> Object | None:
        key = self.instead.get(name, Object(name))
        return key if key in self.models else None

    def _schema(
        self, schema: Any, kind: Type | None, found: _Slice, seen: tuple[str, ...], *, top: bool = False
    ) -> Iterable[tuple[str, Any]]:
        """Note what is inside; what the schema says of itself, for the field that has it."""
        if not isinstance(schema, dict):
            return ()
        told: list[tuple[str, Any]] = []
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            if self._object(name) is not None:
                found.references.add(name)
            elif name in self.schemas and name not in seen:
                told += self._schema(self.schemas[name], kind, found, (*seen, name))
            return told
        told += [(key, value) for key, value in schema.items() if key not in _STRUCTURE | _NOTES | _OF_OBJECTS]
        for key in ("oneOf", "anyOf", "allOf"):
            for member in schema.get(key, ()):
                told += self._schema(member, kind, found, seen)
        if "items" in schema:
            item = next((each.item for each in _arrays(kind)), None)
            told += [(f"items.{key}", value) for key, value in self._schema(schema["items"], item, found, seen)]
        properties = schema.get("properties", {})
        owners = [kind] if top and isinstance(kind, Object) else list(self._owners(kind, properties))
        limits = {key: value for key, value in schema.items() if key in _OF_OBJECTS and not isinstance(value, dict)}
        if isinstance(schema.get("additionalProperties"), dict):
            value = next((each.value for each in _mappings(kind)), None)
            inside = self._schema(schema["additionalProperties"], value, found, seen)
            told += [(f"additionalProperties.{key}", each) for key, each in inside]
        if not owners:
            told += limits.items()
        for owner in owners:
            found.objects.append((owner, limits))
            for wire, part in properties.items():
                field = self.interface.classes[_key(owner)].fields.get(wire)
                if field is not None:
                    found.fields.append((owner, wire, dict(self._schema(part, field.type, found, seen))))
        return told

    def _owners(self, kind: Type | None, properties: AnyMapping[str, Any]) -> Iterator[Object]:
        """The classes that an inline object has become: of several in a union, those with the same fields."""
        if kind is None or not properties:
            return
        objects = [each for each in dict.fromkeys(_objects(kind)) if each in self.models]
        wires = {each: {field.wire for field in self.models[each].fields} for each in objects}
        exact = [each for each in objects if wires[each] == set(properties)]
        yield from exact or [each for each in objects if set(properties) <= wires[each]]

    def _keywords(self, name: str, function: Function) -> None:
        """Note which fields are keyword arguments."""
        for keyword, _ in function.keywords:
            kind: Type | None = None if function.body is None else Object(function.body)
            for wire in keyword.wire[:-1]:
                inner = [self.models[each] for each in objects_in(kind) if each in self.models] if kind else []
                kind = next((field.type for model in inner for field in model.fields if field.wire == wire), None)
            for key in objects_in(kind) if kind is not None else ():
                field = self.interface.classes[_key(key)].fields.get(keyword.wire[-1]) if key in self.models else None
                if field is not None:
                    field.keywords[name] = keyword.name


def _add(facts_: dict[str, list[Any]], told: AnyMapping[str, Any]) -> None:
    for key, value in told.items():
        values = facts_.setdefault(key, [])
        if value not in values:
            values.append(value)


def _arrays(kind: Type | None) -> Iterator[Array]:
    yield from (each for each in _members(kind) if isinstance(each, Array))


def _mappings(kind: Type | None) -> Iterator[Mapping]:
    yield from (each for each in _members(kind) if isinstance(each, Mapping))


def _objects(kind: Type | None) -> Iterator[Object]:
    yield from (each for each in _members(kind) if isinstance(each, Object))


def _members(kind: Type | None) -> tuple[Type, ...]:
    return () if kind is None else members(kind)
