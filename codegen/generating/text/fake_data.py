"""The schemas that FakeKlaviyo checks requests with and makes responses from, packed for the wheel."""

from __future__ import annotations

import bz2
import json
from typing import TYPE_CHECKING, Any

from codegen.references import References, schema_name

if TYPE_CHECKING:
    from collections.abc import Iterable

FILE = "operation_table/schemas.json.bz2"
"""Where the packed schemas go in the package."""

_PREFIX = "#/components/schemas/"
_KEPT = (
    "type",
    "enum",
    "format",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "multipleOf",
    "required",
    "default",
    "example",
)
_METHODS = ("get", "post", "patch", "put", "delete")


def render(document: dict[str, Any]) -> bytes:
    """Pack the schemas of a merged OpenAPI document: JSON, compressed, the same bytes for the same document.

    The JSON holds ``revision``, ``operations`` (operationId → ``request`` and ``response`` schema names, ``media`` type
    of the request, ``success`` statuses, ``method`` and ``path``) and ``schemas`` in JSON Schema 2020-12.  OpenAPI's
    ``nullable`` becomes a null type, and ``oneOf`` becomes ``anyOf``: Klaviyo's variants overlap (an integer is both an
    ``integer`` and a ``number``), which ``oneOf`` would refuse.
    """
    schemas: dict[str, Any] = dict(document["components"]["schemas"])
    operations = {}
    wanted: set[str] = set()
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method not in item:
                continue
            facts = _operation(method, path, item[method], schemas)
            operations[item[method]["operationId"]] = facts
            wanted.update(name for name in (facts["request"], facts["response"]) if name)
    packed = {
        "revision": document["info"]["version"],
        "operations": operations,
        "schemas": {
            name: convert(schemas[name])
            for name in sorted(wanted | _reached(document, [schemas[name] for name in wanted]))
        },
    }
    # bzip2 has one implementation, so the bytes are the same everywhere; those of deflate depend on who built zlib
    return bz2.compress(json.dumps(packed, sort_keys=True, separators=(",", ":")).encode(), 9)


def _operation(method: str, path: str, raw: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    # A range (2XX) is answered with its first status.
    by_status = {
        int(status.replace("XX", "00")): found for status, found in raw["responses"].items() if status[0] == "2"
    }
    successes = sorted(by_status)
    media, request = _content(raw.get("requestBody", {}), f"{raw['operationId']}.request", schemas)
    _, response = _content(by_status[successes[0]], f"{raw['operationId']}.response", schemas)
    return {
        "method": method.upper(),
        "path": path,
        "media": media,
        "request": request,
        "required": bool(raw.get("requestBody", {}).get("required", request is not None)),
        "response": response,
        "success": successes,
    }


def _reached(document: dict[str, Any], wanted: Iterable[Any]) -> set[str]:
    known = References(document)
    return {name for each in wanted for section, name in known.reached(each, "schema") if section == "schemas"}


def _content(holder: dict[str, Any], place: str, schemas: dict[str, Any]) -> tuple[str | None, str | None]:
    """Media type and schema of a body; a schema that stands inline goes into `schemas` under its place."""
    for media, content in holder.get("content", {}).items():
        name = schema_name(content.get("schema"))
        if not name and "schema" in content:
            name = place
            schemas[name] = content["schema"]
        return media, name or None
    return None, None


def convert(schema: Any) -> Any:
    """One OpenAPI 3.0 schema as JSON Schema 2020-12, without what only people read."""
    if not isinstance(schema, dict):
        return schema
    nullable = schema.get("nullable") is True
    if "$ref" in schema:
        reference = {"$ref": schema["$ref"].replace(_PREFIX, "#/$defs/")}
        return {"anyOf": [reference, {"type": "null"}]} if nullable else reference
    result: dict[str, Any] = {key: schema[key] for key in _KEPT if key in schema}
    for key in ("minimum", "maximum"):
        exclusive = "exclusive" + key.capitalize()
        if schema.get(exclusive) is True and key in result:
            result[exclusive] = result.pop(key)
        elif not isinstance(schema.get(exclusive, True), bool):
            result[exclusive] = schema[exclusive]
    if "properties" in schema:
        result["properties"] = {name: convert(value) for name, value in schema["properties"].items()}
    if "items" in schema:
        result["items"] = convert(schema["items"])
    if "additionalProperties" in schema:
        result["additionalProperties"] = convert(schema["additionalProperties"])
    variants = [convert(one) for key in ("oneOf", "anyOf") for one in schema.get(key, ())]
    if "allOf" in schema:
        result["allOf"] = [convert(one) for one in schema["allOf"]]
    if nullable:
        _allow_null(result, variants)
    if variants:
        result["anyOf"] = variants
    if nullable and "allOf" in result:
        # a null would have to pass every part of allOf: let it pass beside them instead
        return {"anyOf": [result, {"type": "null"}]}
    return result


def _allow_null(result: dict[str, Any], variants: list[Any]) -> None:
    if "enum" in result and None not in result["enum"]:
        result["enum"] = [*result["enum"], None]
    if variants:
        variants.append({"type": "null"})
    if isinstance(result.get("type"), str):
        result["type"] = [result["type"], "null"]
    elif not result and not variants:
        # nothing but `nullable`: only null is meant
        result["type"] = "null"
