"""The intermediate form between the engine's parse and the templates: types, models, operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import define, field, frozen

if TYPE_CHECKING:
    from codegen.shapes import Keyword
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


@frozen
class Object:
    """A reference to a model, by its name."""

    name: str


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


@frozen
class Field:
    """A property of a model."""

    wire: str
    name: str
    type: Type
    required: bool
    constants: tuple[Any, ...] = ()
    """All the values it may have, where the document lists them: what unions are decided by."""
    beside: tuple[str, tuple[tuple[str, str], ...]] | None = None
    """What tells the members of a union apart that nothing in them does: the wire name of the property beside it, and
    its text (lower case, letters and digits only) → the member."""
    facts: tuple[str, ...] = ()
    """What the document says beyond the type, for the docstring."""


@define
class Model:
    """A class to emit."""

    name: str
    fields: tuple[Field, ...]
    component: bool
    """Whether it is a schema of its own or stands inline in one."""
    owner: str
    """The component that it stands in (its own name for a component)."""
    document: bool = False
    """Whether it is the success document of an operation."""

    @property
    def constants(self) -> dict[str, tuple[Any, ...]]:
        """The fields with listed values, by wire name."""
        return {each.wire: each.constants for each in self.fields if each.constants}

    @property
    def required(self) -> tuple[str, ...]:
        """Wire names of the fields that the document requires."""
        return tuple(each.wire for each in self.fields if each.required)


@define
class Endpoint:
    """An endpoint function to emit."""

    operation: Operation
    result: str | None
    """Name of the success document's model."""
    item: Type | None
    """What a page holds, where the result is a list of records."""
    body: str | None
    """Name of the request body's model."""
    keywords: tuple[tuple[Keyword, Type], ...] = field(default=())
    """Keyword arguments of the write, with their types."""


@define
class Api:
    """All that is emitted for one revision."""

    revision: str
    models: dict[str, Model]
    aliases: dict[str, Choice]
    endpoints: list[Endpoint]
