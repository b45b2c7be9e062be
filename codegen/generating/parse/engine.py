"""openapi-python-client as the engine: its parser reads the document, this module turns what it found into our form.

The engine knows nothing of vendor extensions and throws no error where it drops something, so everything that it may
lose is counted against the document here.
"""

from __future__ import annotations

import keyword
import logging
import re
from typing import TYPE_CHECKING, Any, cast

from attrs import frozen
from openapi_python_client.config import Config, ConfigFile, MetaType
from openapi_python_client.parser.errors import GeneratorError
from openapi_python_client.parser.openapi import GeneratorData
from openapi_python_client.parser.properties.any import AnyProperty
from openapi_python_client.parser.properties.boolean import BooleanProperty
from openapi_python_client.parser.properties.const import ConstProperty
from openapi_python_client.parser.properties.date import DateProperty
from openapi_python_client.parser.properties.datetime import DateTimeProperty
from openapi_python_client.parser.properties.file import FileProperty
from openapi_python_client.parser.properties.float import FloatProperty
from openapi_python_client.parser.properties.int import IntProperty
from openapi_python_client.parser.properties.list_property import ListProperty
from openapi_python_client.parser.properties.literal_enum_property import LiteralEnumProperty
from openapi_python_client.parser.properties.model_property import ModelProperty
from openapi_python_client.parser.properties.none import NoneProperty
from openapi_python_client.parser.properties.string import StringProperty
from openapi_python_client.parser.properties.union import UnionProperty
from openapi_python_client.parser.properties.uuid import UuidProperty

from codegen.errors import CodegenError
from codegen.generating.ir import (
    Array,
    Choice,
    Field,
    Mapping,
    Model,
    Models,
    Object,
    OneOf,
    Scalar,
    Time,
    Type,
    distinct,
    union,
)
from codegen.generating.parse.field_facts import sentences
from codegen.generating.parse.names import FIELD_PREFIX, disguise
from codegen.generating.parse.roots import roots
from codegen.names import field_name
from codegen.openapi import escape

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from codegen.generating.parse.names import Names
    from codegen.generating.parse.roots import Roots

_SCALARS: dict[type, Type] = {
    AnyProperty: Scalar("Any"),
    BooleanProperty: Scalar("bool"),
    FileProperty: Scalar("bytes"),
    FloatProperty: Scalar("float"),
    IntProperty: Scalar("int"),
    NoneProperty: Scalar("None"),
    StringProperty: Scalar("str"),
    UuidProperty: Scalar("str"),
    DateTimeProperty: Time(),
    DateProperty: Time(day=True),
}
_ADDRESS = re.compile(r"<[\w.]+ object at 0x[0-9a-f]+>")


@frozen
class Parsed:
    """What the engine made of a document."""

    data: GeneratorData
    config: Config
    names: Names
    """What its names stand for."""
    roots: Roots
    """The models by which operations begin."""


def parse(document: dict[str, Any], source: Path) -> Parsed:
    """The engine's parse of a normalised document. Raises CodegenError for anything that it would drop."""
    _check_names(document)
    alone, found = roots(document)
    disguised, names = disguise(alone)
    logging.getLogger("openapi_python_client").setLevel(logging.ERROR)
    config = Config.from_sources(
        ConfigFile(literal_enums=True, field_prefix=FIELD_PREFIX),
        MetaType.NONE,
        source,
        "utf-8",
        overwrite=False,
        output_path=None,
    )
    data = GeneratorData.from_dict(disguised, config=config)
    if isinstance(data, GeneratorError):
        raise CodegenError(f"the engine refuses the document: {data.header} {data.detail}", file=source)
    problems = [f"{error.header or ''} {error.detail or ''}".strip() for error in data.errors]
    if problems:
        listed = _ADDRESS.sub("…", "; ".join(" ".join(problem.split()) for problem in problems[:5]))
        raise CodegenError(f"the engine would drop {len(problems)} things: {listed}", file=source)
    return Parsed(data, config, names, found)


def _check_names(document: dict[str, Any]) -> None:
    """Classes are named as the schemas are, so these must be names of classes."""
    for name in document.get("components", {}).get("schemas", {}):
        if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("__"):
            raise CodegenError(f"a class can't be called {name!r}", place=f"/components/schemas/{escape(name)}")


class Reader:
    """Turns the engine's properties into our types, collecting the models on the way."""

    def __init__(self, parsed: Parsed, components: Iterable[str]) -> None:
        data = parsed.data
        self.components = frozenset(components)
        self.notes: list[str] = []
        """Where two properties have one name in Python."""
        self._names = parsed.names
        self.models: Models = {}
        self.aliases: dict[str, Choice] = {}
        self._by_name = {self._name(each): each for each in data.models}
        for name, found in self._by_name.items():
            self._model(name, found)
        for enum in data.enums:
            name = self._name(enum)
            if name in self.components:
                self.aliases[name] = cast("Choice", self.type(enum))

    def _name(self, prop: Any) -> str:
        """What a class is called in the document; the engine's name for what has none there."""
        return self._names.schema(prop.class_info.name)

    def type(self, prop: object) -> Type:
        """Our type of a property."""
        if isinstance(prop, ListProperty):
            return Array(self.type(prop.inner_property))
        if isinstance(prop, UnionProperty):
            return union(self.type(member) for member in prop.inner_properties)
        if isinstance(prop, ModelProperty):
            name = self._name(prop)
            if name not in self.components and not _properties(prop):
                extra = prop.additional_properties
                return Mapping(self.type(extra) if extra is not None else Scalar("Any"))
            return Object(name)
        if isinstance(prop, LiteralEnumProperty):
            name = self._name(prop)
            # The engine keeps the values as a set.
            values = sorted((_plain(value) for value in prop.values), key=lambda value: (str(type(value)), value))
            return Choice(tuple(values), name if name in self.components else None)
        if isinstance(prop, ConstProperty):
            return Choice((_plain(prop.value.raw_value),))
        return _SCALARS[type(prop)]

    def _model(self, name: str, prop: ModelProperty) -> None:
        properties = _properties(prop)
        component = name in self.components
        if not component and not properties:
            return
        raw = prop.data.properties or {}
        order = {self._names.property(_plain(wire)): index for index, wire in enumerate(raw)}
        fields = []
        for each in properties:
            wire = self._names.property(_plain(each.name))
            kind = self.type(each)
            fields.append(
                Field(
                    wire=wire,
                    name=field_name(wire),
                    type=kind,
                    required=each.required,
                    constants=_constants(kind, raw.get(each.name)),
                    beside=_beside(name, raw, each.name),
                    facts=tuple(sentences(raw.get(each.name))),
                )
            )
        fields.sort(key=lambda each: order.get(each.wire, len(order)))
        told_apart = distinct(fields)
        self.notes += [
            f"{name}: {each.wire!r} is called {each.name}, for another property has the name {before.name}"
            for before, each in zip(fields, told_apart, strict=True)
            if before != each
        ]
        self.models[Object(name)] = Model(Object(name), fields=told_apart, component=component)


def _properties(prop: ModelProperty) -> list[Any]:
    return [*(prop.required_properties or ()), *(prop.optional_properties or ())]


def _plain(value: Any) -> Any:
    return value.get_untrusted_value() if hasattr(value, "get_untrusted_value") else value


def _constants(kind: Type, raw: Any) -> tuple[Any, ...]:
    """The values that a field may have, where the document lists them (booleans included, which the engine drops)."""
    listed = (getattr(raw, "model_extra", None) or {}).get("x-enum")
    if listed is not None:
        return tuple(listed)
    members = kind.members if isinstance(kind, OneOf) else (kind,)
    values: list[Any] = []
    for member in members:
        if isinstance(member, Choice):
            values += member.values
        elif member == Scalar("None"):
            values.append(None)
        else:
            return ()
    return () if values == [None] and raw is None else tuple(dict.fromkeys(values))


def _beside(model: str, properties: Any, name: str) -> tuple[str, tuple[tuple[str, str], ...]] | None:
    """The property that decides a union beside it, as `x-decided-by` (put there by specs/overrides.toml) says."""
    given = (getattr(properties.get(name), "model_extra", None) or {}).get("x-decided-by")
    if given is None:
        return None
    if given["property"] not in properties:
        raise CodegenError(f"schema {model}: {name} is decided by {given['property']}, which it doesn't have")
    return given["property"], tuple(sorted(given["values"].items()))
