"""An OpenAPI 3.0 document → the same said in a way that openapi-python-client 0.29.1 understands without loss.

Each rewrite is for one thing that the engine drops or refuses (`reference/generator-engine.md` of the project's
papers, section 3.3):

- `nullable` beside `$ref`, an enum, an object or nothing at all → an explicit union with `{"type": "null"}`
- `{"enum": [null]}` and `{"nullable": true}` alone → `{"type": "null"}`, for only null is meant
- enums of booleans → `const`, or a plain boolean where both values are allowed
- nullable path parameters → not nullable, for a path can't carry null
- `allOf` of several members → one object schema, overlapping members merged
- arrays that don't say of what → of anything
- responses without the description that OpenAPI demands → an empty one

Unions and their members keep readable class names by a `title`, which the engine otherwise makes up (`…Type1`).
"""

from __future__ import annotations

import copy
from typing import Any

from codegen.errors import CodegenError
from codegen.openapi import METHODS, escape
from codegen.references import schema_name

_NULL = {"type": "null"}
_ONLY_NOTES = frozenset({"example", "readOnly", "writeOnly", "deprecated", "default", "title"})


def normalise(document: dict[str, Any]) -> dict[str, Any]:
    """A rewritten copy of `document`; the original stays as it is. Raises CodegenError where `allOf` contradicts itself."""
    out = copy.deepcopy(document)
    schemas = out.get("components", {}).get("schemas", {})
    rewriter = _Rewriter(copy.deepcopy(schemas))
    for name in schemas:
        schemas[name] = rewriter.schema(schemas[name], f"/components/schemas/{escape(name)}", None)
    for section in ("responses", "parameters", "requestBodies", "headers"):
        for name, part in out.get("components", {}).get(section, {}).items():
            if section == "responses" and "$ref" not in part:
                part.setdefault("description", "")
            rewriter.holder(part, f"/components/{section}/{escape(name)}")
    for path, item in out.get("paths", {}).items():
        for method in METHODS:
            if method in item:
                rewriter.operation(item[method], f"/paths/{escape(path)}/{method}")
    return out


class _Rewriter:
    def __init__(self, schemas: dict[str, Any]) -> None:
        self._schemas = schemas  # as they were, for allOf
        self._whole: dict[str, tuple[dict[str, Any], frozenset[str]]] = {}
        """Schema → itself with its allOf merged, and the schemas that it led through."""

    def operation(self, operation: dict[str, Any], place: str) -> None:
        for index, parameter in enumerate(operation.get("parameters", ())):
            if parameter.get("in") == "path" and isinstance(parameter.get("schema"), dict):
                parameter["schema"].pop("nullable", None)
            self.holder(parameter, f"{place}/parameters/{index}")
        if "requestBody" in operation:
            self.holder(operation["requestBody"], f"{place}/requestBody")
        for status, response in operation.get("responses", {}).items():
            if "$ref" not in response:
                response.setdefault("description", "")
            self.holder(response, f"{place}/responses/{escape(status)}")

    def holder(self, node: Any, place: str) -> None:
        """Rewrite the schemas of a parameter, request body, response or header."""
        if not isinstance(node, dict) or "$ref" in node:
            return
        if "schema" in node:
            node["schema"] = self.schema(node["schema"], f"{place}/schema", node.get("name"))
        for kind, media in node.get("content", {}).items():
            if "schema" in media:
                media["schema"] = self.schema(media["schema"], f"{place}/content/{escape(kind)}/schema", None)
        for name, header in node.get("headers", {}).items():
            self.holder(header, f"{place}/headers/{escape(name)}")

    def schema(self, schema: Any, place: str, name: str | None) -> Any:
        """`schema` rewritten; `name` is what the engine would call it: the property's name, if it is one."""
        if not isinstance(schema, dict):
            return schema  # additionalProperties: true
        schema = dict(schema)
        schema.pop("title", None)  # prose, which the engine would name classes after
        nullable = schema.pop("nullable", False) is True
        if "$ref" in schema:
            # The engine takes a $ref alone and drops what stands beside it.
            return self._or_null({"$ref": schema["$ref"]}, schema, name) if nullable else {"$ref": schema["$ref"]}
        if nullable and not schema.keys() - _ONLY_NOTES:
            return {**schema, **_NULL}
        if "enum" in schema:
            return self._enum(schema, nullable=nullable, name=name)
        if len(schema.get("allOf", ())) > 1 or ("allOf" in schema and schema.keys() & {"properties", "required"}):
            schema = self._merged(schema, place, frozenset())
        for key in ("allOf", "oneOf", "anyOf"):
            if key in schema:
                schema[key] = [self.schema(part, f"{place}/{key}/{i}", None) for i, part in enumerate(schema[key])]
        if "properties" in schema:
            schema.setdefault("type", "object")
            schema["properties"] = {
                key: self.schema(part, f"{place}/properties/{escape(key)}", key)
                for key, part in schema["properties"].items()
            }
        if schema.get("type") == "array":
            schema.setdefault("items", {})
        for key, suffix in (("items", "_item"), ("additionalProperties", ""), ("not", "")):
            if key in schema:
                schema[key] = self.schema(schema[key], f"{place}/{key}", f"{name}{suffix}" if name and suffix else None)
        if not nullable:
            return schema
        for key in ("oneOf", "anyOf"):
            if key in schema:
                if _NULL not in schema[key]:
                    schema[key] = [_NULL, *schema[key]]
                return schema
        if "allOf" in schema or schema.get("type") == "object":
            return self._or_null(schema, {}, name)
        if schema.get("type") == "array" and name:
            # The union would be named after its member, and the items after that.
            items = schema.get("items")
            if isinstance(items, dict) and "$ref" not in items:
                items.setdefault("title", f"{name}_item")
        return {**schema, "nullable": True}

    def _or_null(self, schema: dict[str, Any], outer: dict[str, Any], name: str | None) -> dict[str, Any]:
        if name and "$ref" not in schema:
            schema = {"title": name, **schema}
        moved = {key: outer[key] for key in outer if key in _ONLY_NOTES or key.startswith("x-")}
        return {**moved, "oneOf": [dict(_NULL), schema]}

    def _enum(self, schema: dict[str, Any], *, nullable: bool, name: str | None) -> dict[str, Any]:
        values = [value for value in schema["enum"] if value is not None]
        nullable = nullable or len(values) < len(schema["enum"])
        notes = {key: value for key, value in schema.items() if key in _ONLY_NOTES - {"default", "title"}}
        if not values:
            return {**notes, **_NULL}
        if any(isinstance(value, bool) for value in values):
            bare = {key: value for key, value in schema.items() if key not in {"enum", "type"}}
            if len(values) > 1:
                return {**bare, "type": "boolean", **({"nullable": True} if nullable else {})}
            inner: dict[str, Any] = {**bare, "const": values[0]}
        else:
            inner = {**schema, "enum": values}
        if not nullable:
            return inner
        default = {"default": inner.pop("default")} if "default" in inner else {}
        union = self._or_null(inner, notes, name)
        return {**default, **union}

    # --- allOf

    def _merged(self, schema: dict[str, Any], place: str, above: frozenset[str]) -> dict[str, Any]:
        out: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
        for index, part in enumerate(schema["allOf"]):
            out = self._merge(out, part, f"{place}/allOf/{index}", above)
        return out

    def _merge(self, first: Any, second: Any, place: str, above: frozenset[str]) -> Any:
        """What satisfies both schemas, as far as objects, constants and equal schemas go."""
        if first == second:
            return first
        first, above = self._resolved(first, place, above)
        second, above = self._resolved(second, place, above)
        if not first:
            return second
        if not second:
            return first
        if any(key in schema for schema in (first, second) for key in ("oneOf", "anyOf", "not")):
            raise CodegenError("can't be merged with its siblings in allOf", place=place)
        out = dict(first)
        for key, value in second.items():
            if key == "properties":
                mine = first.get("properties", {})
                merged = {
                    name: self._merge(mine[name], value[name], f"{place}/properties/{escape(name)}", above)
                    if name in value
                    else mine[name]
                    for name in mine
                }
                out["properties"] = merged | {name: part for name, part in value.items() if name not in mine}
            elif key == "required":
                out["required"] = list(dict.fromkeys([*first.get("required", ()), *value]))
            elif key == "enum" and "enum" in first:
                out["enum"] = [item for item in first["enum"] if item in value]
                if not out["enum"]:
                    raise CodegenError("allOf of enums without a common value", place=place)
            elif key in _ONLY_NOTES or key not in first:
                out.setdefault(key, value)
            elif key == "nullable":
                out["nullable"] = first["nullable"] and value
            elif first[key] != value:
                raise CodegenError(f"{key} is {first[key]!r} and {value!r} in one allOf", place=place)
        if "nullable" in first and "nullable" not in second:
            out.pop("nullable")
        return out

    def _resolved(self, schema: Any, place: str, above: frozenset[str]) -> tuple[dict[str, Any], frozenset[str]]:
        """The schema itself instead of a reference to it or an allOf; `above` guards against going in circles."""
        if not isinstance(schema, dict):
            raise CodegenError("only objects can be merged", place=place)
        if "$ref" in schema:
            name = schema_name(schema)
            if name not in self._schemas or name in above:
                raise CodegenError(f"$ref to {schema['$ref']} can't be merged", place=place)
            if name not in self._whole:
                # Once each: schemas that take each other twice would double the work from one to the next.
                found, passed = self._resolved(self._schemas[name], place, above | {name})
                self._whole[name] = found, passed - above
            found, passed = self._whole[name]
            return found, above | passed
        if "allOf" in schema:
            return self._merged(schema, place, above), above
        return schema, above
