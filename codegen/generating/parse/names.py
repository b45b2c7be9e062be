"""Names that the engine takes as they are, for what the document names otherwise, and the way back.

The engine names classes in PascalCase and fields in snake_case, refuses two of one name, and says nothing of where a name
came from. Schemas such as `Ab_test_campaignEnum` and properties such as `foo-bar` beside `foo_bar` are good names all the
same. So it gets a copy of the document in which every name is one that it leaves alone, and unique:

- a schema that it would call something else, or like another one: a free name in PascalCase
- what stands inline: the name that it would make of the place, as a `title`, with a number where that is taken
- a property whose Python name another one of the object has: a name with a number
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import Factory, define
from openapi_python_client.strings import ClassName, PythonIdentifier, pascal_case

from codegen.names import field_name
from codegen.references import schema_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PREFIX = "#/components/schemas/"
_RENAMED = "renamed_property_"
FIELD_PREFIX = "field_"
"""What the engine puts before a name that would be none in Python."""


@define
class Names:
    """What the engine's names stand for."""

    schemas: dict[str, str] = Factory(dict)
    """Name that the engine has for a schema → the document's, where these differ."""
    properties: dict[str, str] = Factory(dict)
    """Name that the engine has for a property → the document's, where these differ."""

    def schema(self, name: object) -> str:
        """What the document calls a schema; other classes have the engine's name."""
        return self.schemas.get(str(name), str(name))

    def property(self, name: str) -> str:
        """What the document calls a property."""
        return self.properties.get(name, name)


def disguise(document: dict[str, Any]) -> tuple[dict[str, Any], Names]:
    """A copy of a normalised document with names for the engine, and what they stand for. `document` stays as it is."""
    renamer = _Renamer(document.get("components", {}).get("schemas", {}))
    out = dict(document)
    schemas = {
        renamer.engine[name]: renamer.schema(schema, renamer.engine[name], "")
        for name, schema in document["components"]["schemas"].items()
    }
    # Responses, parameters and headers are operations' business, which the engine doesn't see.
    out["components"] = {"schemas": schemas}
    return out, renamer.names


class _Renamer:
    def __init__(self, schemas: Mapping[str, Any]) -> None:
        self.names = Names()
        self.engine: dict[str, str] = {}
        """Schema → what the engine calls it."""
        # Names that may stay are given first, so that no other takes one of them.
        good = [name for name in schemas if str(ClassName(name, FIELD_PREFIX)) == name]
        self._taken = set(good)
        self.engine = {name: name if name in self._taken else self._free(_class(name)) for name in schemas}
        self.names.schemas = {made: name for name, made in self.engine.items() if made != name}

    def _free(self, wanted: str) -> str:
        made, number = wanted, 1
        while made in self._taken or str(ClassName(made, FIELD_PREFIX)) != made:
            number += 1
            made = f"{wanted.rstrip('_')}N{number}"
        self._taken.add(made)
        return made

    def schema(self, schema: Any, owner: str, name: str) -> Any:
        """A schema under its `name` in the class `owner`; with an empty name the class itself."""
        if not isinstance(schema, dict):
            return schema
        if "$ref" in schema:
            target = schema_name(schema)
            return schema | {"$ref": _PREFIX + self.engine[target]} if target in self.engine else schema
        out = dict(schema)
        if name and _has_class(out):
            wanted = str(ClassName(f"{pascal_case(owner)}{pascal_case(out.get('title', name))}", FIELD_PREFIX))
            made = self._free(wanted)
            if made != wanted:
                out["title"] = f"{out.get('title', name)}{made[len(wanted.rstrip('_')) :]}"
            owner = made if "properties" in out else owner
        inner = owner
        for key in ("allOf", "oneOf", "anyOf"):
            if key in out:
                out[key] = [self.schema(part, inner, f"{name}_type_{i}") for i, part in enumerate(out[key])]
        if "items" in out:
            out["items"] = self.schema(out["items"], inner, f"{name}_item")
        if "additionalProperties" in out:
            out["additionalProperties"] = self.schema(out["additionalProperties"], inner, "AdditionalProperty")
        if "properties" in out:
            keys = self._keys(out["properties"])
            out["properties"] = {
                keys[wire]: self.schema(part, inner, keys[wire]) for wire, part in out["properties"].items()
            }
            if "required" in out:
                out["required"] = [keys.get(wire, wire) for wire in out["required"]]
        return out

    def _keys(self, wires: Iterable[str]) -> dict[str, str]:
        """Property → what the engine calls it: something else where its Python name is that of one before it."""
        keys: dict[str, str] = {}
        taken: set[str] = set()
        for wire in wires:
            keys[wire] = wire
            if wire.startswith(_RENAMED) or _python_names(wire) & taken:
                keys[wire] = f"{_RENAMED}{len(self.names.properties)}"
                self.names.properties[keys[wire]] = wire
            taken |= _python_names(keys[wire])
        return keys


def _class(name: str) -> str:
    made = str(ClassName(name, FIELD_PREFIX))
    return made if made.isidentifier() else "Schema"


def _python_names(wire: str) -> set[str]:
    """What a property would be called, by us and by the engine."""
    return {field_name(wire), str(PythonIdentifier(wire, FIELD_PREFIX))}


def _has_class(schema: Mapping[str, Any]) -> bool:
    """Whether the engine makes a class or an alias of a schema that stands inline."""
    return "enum" in schema or "properties" in schema or schema.get("type") == "object"
