"""openapi-python-client as the engine: its parser reads the document, this module turns what it found into our form.

The engine knows nothing of vendor extensions and throws no error where it drops something, so everything that it may
lose is counted against the document here.
"""

from __future__ import annotations

import keyword
import logging
import re
from typing import TYPE_CHECKING, Any, cast

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
from openapi_python_client.strings import ClassName

from codegen.errors import CodegenError
from codegen.ir import Array, Choice, Field, Mapping, Model, Object, OneOf, Scalar, Time, Type
from codegen.names import python_name
from codegen.shape import escape
from klaviyo_async import model as runtime

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from openapi_python_client.parser.openapi import Endpoint as EngineEndpoint

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
_NO_SCHEMAS = frozenset({"example", "examples", "default", "enum", "const"})
_ADDRESS = re.compile(r"<[\w.]+ object at 0x[0-9a-f]+>")
_METHODS = frozenset(name for name in dir(runtime.Model) if not name.startswith("__")) | {"additional_properties"}
_RESERVED = frozenset({"_decode", "_extra", "_wire"})


def field_name(wire: str) -> str:
    """The name of a model's field: as `python_name`, apart from what every model has already."""
    name = python_name(wire)
    return f"{name}_" if name in _METHODS or name in _RESERVED or name.startswith(("__", "_raw_")) else name


def parse(document: dict[str, Any], source: Path) -> tuple[GeneratorData, Config]:
    """The engine's parse of a normalised document. Raises CodegenError for anything that it would drop."""
    _check_names(document)
    logging.getLogger("openapi_python_client").setLevel(logging.ERROR)
    config = Config.from_sources(
        ConfigFile(literal_enums=True), MetaType.NONE, source, "utf-8", overwrite=False, output_path=None
    )
    data = GeneratorData.from_dict(document, config=config)
    if isinstance(data, GeneratorError):
        raise CodegenError(f"the engine refuses the document: {data.header} {data.detail}", file=source)
    problems = [f"{error.header or ''} {error.detail or ''}".strip() for error in data.errors]
    for collection in data.endpoint_collections_by_tag.values():
        problems += [f"{error.header or ''} {error.detail or ''}".strip() for error in collection.parse_errors]
    if problems:
        listed = _ADDRESS.sub("…", "; ".join(" ".join(problem.split()) for problem in problems[:5]))
        raise CodegenError(f"the engine would drop {len(problems)} things: {listed}", file=source)
    return data, config


def _check_names(document: dict[str, Any]) -> None:
    """Classes are named as the schemas are, so these must be names of classes, and fields must be told apart."""
    for name, schema in document.get("components", {}).get("schemas", {}).items():
        made = str(ClassName(name, "field_"))
        if made != name or not name.isidentifier() or keyword.iskeyword(name):
            raise CodegenError(
                f"a class can't be called {name!r}, only something like {made!r}",
                place=f"/components/schemas/{escape(name)}",
            )
        _check_fields(schema, f"/components/schemas/{escape(name)}")


def _check_fields(node: Any, place: str) -> None:
    if isinstance(node, dict):
        properties = node.get("properties")
        if isinstance(properties, dict):
            names = [field_name(wire) for wire in properties]
            for name in names:
                if names.count(name) > 1:
                    raise CodegenError(f"has properties that share the Python name {name}", place=place)
        for key, inner in node.items():
            if key in _NO_SCHEMAS or key.startswith("x-"):
                continue
            _check_fields(inner, f"{place}/{escape(str(key))}")
    elif isinstance(node, list):
        for index, inner in enumerate(node):
            _check_fields(inner, f"{place}/{index}")


class Reader:
    """Turns the engine's properties into our types, collecting the models on the way."""

    def __init__(self, data: GeneratorData, components: Iterable[str]) -> None:
        self.components = {name: name for name in components}
        self.models: dict[str, Model] = {}
        self.aliases: dict[str, Choice] = {}
        self._by_name = {str(each.class_info.name): each for each in data.models}
        self.endpoints: dict[str, EngineEndpoint] = {
            endpoint.name: endpoint
            for collection in data.endpoint_collections_by_tag.values()
            for endpoint in collection.endpoints
        }
        for name, found in self._by_name.items():
            self._model(name, found)
        for enum in data.enums:
            name = str(enum.class_info.name)
            if name in self.components:
                self.aliases[name] = cast("Choice", self.type(enum))

    def result(self, operation: str) -> str | None:
        """Name of the model of an operation's success document; None where there is no body."""
        for response in self.endpoints[operation].responses.patterns:
            codes = response.status_code.range
            if codes is not None and 200 <= codes[0] < 300 and isinstance(response.prop, ModelProperty):
                return str(response.prop.class_info.name)
        return None

    def body(self, operation: str) -> str | None:
        """Name of the model of an operation's request body."""
        for body in self.endpoints[operation].bodies:
            if isinstance(body.prop, ModelProperty):
                return str(body.prop.class_info.name)
        return None

    def type(self, prop: object) -> Type:
        """Our type of a property."""
        if isinstance(prop, ListProperty):
            return Array(self.type(prop.inner_property))
        if isinstance(prop, UnionProperty):
            return union(self.type(member) for member in prop.inner_properties)
        if isinstance(prop, ModelProperty):
            name = str(prop.class_info.name)
            if name not in self.components and not _properties(prop):
                extra = prop.additional_properties
                return Mapping(self.type(extra) if extra is not None else Scalar("Any"))
            return Object(name)
        if isinstance(prop, LiteralEnumProperty):
            name = str(prop.class_info.name)
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
        order = {_plain(wire): index for index, wire in enumerate(raw)}
        fields = []
        for each in properties:
            wire = _plain(each.name)
            kind = self.type(each)
            fields.append(
                Field(
                    wire=wire,
                    name=field_name(wire),
                    type=kind,
                    required=each.required,
                    constants=_constants(kind, raw.get(each.name)),
                    beside=_beside(name, raw, each.name),
                )
            )
        fields.sort(key=lambda each: order.get(each.wire, len(order)))
        names = [each.name for each in fields]
        if len(set(names)) != len(names):
            raise CodegenError(
                f"has properties that share a Python name: {', '.join(sorted(names))}",
                place=f"/components/schemas/{escape(name)}",
            )
        self.models[name] = Model(name=name, fields=tuple(fields), component=component, owner=self._owner(name))

    def _owner(self, name: str) -> str:
        """The component whose name the engine has put in front of an inline schema's."""
        if name in self.components:
            return name
        return max((each for each in self.components if name.startswith(each)), key=len, default=name)


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


def union(members: Iterable[Type]) -> Type:
    """A union made flat, without doubles; None last."""
    flat = list(dict.fromkeys(_flatten(members)))
    if Scalar("Any") in flat:
        return Scalar("Any")
    none = Scalar("None")
    flat = [member for member in flat if member != none] + ([none] if none in flat else [])
    return flat[0] if len(flat) == 1 else OneOf(tuple(flat))


def _flatten(members: Iterable[Type]) -> Iterator[Type]:
    for member in members:
        if isinstance(member, OneOf):
            yield from _flatten(member.members)
        else:
            yield member
