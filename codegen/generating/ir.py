"""The intermediate form between the engine's parse and the templates: types, models, operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from attrs import define, evolve, field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from codegen.generating.interface.bodies import Keyword
    from klaviyo_async.operation import Operation


@frozen
class Scalar:
    """A plain value, by its Python type: str, int, float, bool, None, bytes or Any."""

    python: str


@frozen
class Time:
    """A `date-time` (or, with `day`, a `date`)."""

    day: bool = False


@frozen
class Choice:
    """One of some known values. Strings are open: Klaviyo adds values within a revision."""

    values: tuple[str | int | float | bool | None, ...]
    alias: str | None = None
    """Name of the schema, where the enum has one."""


@frozen(order=True)
class Object:
    """A reference to a model."""

    name: str
    """The name of its class."""
    package: Literal["models", "resources"] = "models"


@frozen
class Array:
    """A list."""

    item: Type


@frozen
class Mapping:
    """An object with free keys."""

    value: Type


@frozen
class OneOf:
    """A union; None is an ordinary member."""

    members: tuple[Type, ...]


Type: TypeAlias = Scalar | Time | Choice | Object | Array | Mapping | OneOf
NONE = Scalar("None")


def members(kind: Type) -> tuple[Type, ...]:
    """The members of a union, or the type itself, without None."""
    found = kind.members if isinstance(kind, OneOf) else (kind,)
    return tuple(member for member in found if member != NONE)


def union(members: Iterable[Type]) -> Type:
    """A union made flat, without doubles; None last."""
    flat = list(dict.fromkeys(_flatten(members)))
    if Scalar("Any") in flat:
        return Scalar("Any")
    flat = [member for member in flat if member != NONE] + ([NONE] if NONE in flat else [])
    return flat[0] if len(flat) == 1 else OneOf(tuple(flat))


def _flatten(members: Iterable[Type]) -> Iterator[Type]:
    for member in members:
        if isinstance(member, OneOf):
            yield from _flatten(member.members)
        else:
            yield member


def objects_in(kind: Type) -> Iterator[Object]:
    """The models that a type refers to."""
    if isinstance(kind, Object):
        yield kind
    elif isinstance(kind, Array):
        yield from objects_in(kind.item)
    elif isinstance(kind, Mapping):
        yield from objects_in(kind.value)
    elif isinstance(kind, OneOf):
        for member in kind.members:
            yield from objects_in(member)


def mapped(kind: Type, change: Callable[[Object | Choice], Type]) -> Type:
    """The type with each model and each choice in it changed."""
    if isinstance(kind, Object | Choice):
        return change(kind)
    if isinstance(kind, Array):
        return Array(mapped(kind.item, change))
    if isinstance(kind, Mapping):
        return Mapping(mapped(kind.value, change))
    if isinstance(kind, OneOf):
        return union(mapped(member, change) for member in kind.members)
    return kind


@frozen
class Field:
    """A property of a model."""

    wire: str
    name: str
    type: Type
    required: bool
    """Whether the documents require it, and a constructor does."""
    always: bool = field(default=False, kw_only=True)
    """Whether responses always have it, whatever the documents require: its type tells of no None."""
    constants: tuple[Any, ...] = ()
    """All the values it may have, where the document lists them: what unions are decided by."""
    beside: tuple[str, tuple[tuple[str, str], ...]] | None = None
    """What tells the members of a union apart that nothing in them does: the wire name of the property beside it, and
    its text (lower case, letters and digits only) → the member."""
    facts: tuple[str, ...] = field(default=(), eq=False)
    """What the document says beyond the type, for the docstring: sentences."""


def distinct(fields: Iterable[Field]) -> tuple[Field, ...]:
    """The fields, an underscore behind each name that one before it has."""
    taken: set[str] = set()
    out = []
    for each in fields:
        name = each.name
        while name in taken:
            name = f"{name}_"
        taken.add(name)
        out.append(each if name == each.name else evolve(each, name=name))
    return tuple(out)


@define
class Model:
    """A class to emit."""

    object: Object
    """What refers to it."""
    fields: tuple[Field, ...]
    component: bool
    """Whether it is a schema of its own or stands inline in one."""
    document: bool = False
    """Whether it is the success document of an operation."""
    doc: str = ""
    """What it is, for people."""
    module: str = ""
    """Name of the module that it is written into."""
    reads: bool = True
    """Whether responses have it."""
    writes: bool = False
    """Whether request bodies have it."""

    @property
    def name(self) -> str:
        """The name of the class."""
        return self.object.name

    @property
    def constants(self) -> dict[str, tuple[Any, ...]]:
        """The fields with listed values, by wire name."""
        return {each.wire: each.constants for each in self.fields if each.constants}

    @property
    def required(self) -> tuple[str, ...]:
        """Wire names of the fields that the document requires."""
        return tuple(each.wire for each in self.fields if each.required)


Models: TypeAlias = dict[Object, Model]


def reachable(models: Models, roots: Iterable[Object]) -> set[Object]:
    """The models that can be reached from the roots, these included."""
    seen: set[Object] = set()
    stack = [each for each in roots if each in models]
    while stack:
        each = stack.pop()
        if each not in seen:
            seen.add(each)
            stack += [other for field in models[each].fields for other in objects_in(field.type)]
    return seen


def changed(models: Models, change: Callable[[Object | Choice], Type]) -> Models:
    """The models with each reference and each choice in their fields changed."""
    return {
        key: evolve(model, fields=tuple(evolve(each, type=mapped(each.type, change)) for each in model.fields))
        for key, model in models.items()
    }


@define
class Endpoint:
    """An endpoint function to emit."""

    operation: Operation
    result: str | None
    """Name of the success document's model (in `models`)."""
    item: Type | None
    """What a page holds, where the result is a list of records."""
    body: str | None
    """Name of the request body's model."""
    keywords: tuple[tuple[Keyword, Type], ...] = field(default=())
    """Keyword arguments of the write, with their types."""
    example: str = ""
    """A call of it, as a Python statement."""
    says: tuple[str, ...] = ()
    """Sentences of its extensions, side by side."""
    paragraphs: tuple[str, ...] = ()
    """Those that are paragraphs of their own."""
