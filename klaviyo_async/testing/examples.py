"""Values made from schemas: the examples that Klaviyo documents where it does, plausible ones elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from klaviyo_async.testing.schemas import Schemas

_FORMATS = {
    "date-time": "2026-01-01T00:00:00+00:00",
    "date": "2026-01-01",
    "time": "09:00:00",
    "uri": "https://example.com/",
    "binary": "",
}
_DEEPEST = 24


def example(schemas: Schemas, name: str, *, full: bool = True) -> Any:
    """A document that fits a schema: every declared member (`full`), or only the required ones."""
    return _value(schemas, {"$ref": f"#/$defs/{name}"}, full=full, trail=())


def _value(schemas: Schemas, schema: Any, *, full: bool, trail: tuple[str, ...]) -> Any:
    if "$ref" in schema:
        trail = (*trail, schema["$ref"])
        schema = schemas.definitions[schema["$ref"].rpartition("/")[2]]
    variants = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    if variants:
        chosen = next((one for one in variants if one.get("$ref") not in trail), variants[0])
        return _value(schemas, chosen, full=full, trail=trail)
    if "allOf" in schema:
        schema = schemas.resolve(schema)
    if schema.get("enum"):
        known = schema.get("example")
        return known if known in schema["enum"] else schema["enum"][0]
    kinds = schema.get("type")
    kind = next((one for one in kinds if one != "null"), "null") if isinstance(kinds, list) else kinds
    if kind == "object" or "properties" in schema:
        return _object(schemas, schema, full=full, trail=trail)
    if kind == "array":
        return _array(schemas, schema, full=full, trail=trail)
    known = schema.get("example", schema.get("default"))
    if known is not None and _fits(known, kind):
        return known
    if kind == "string":
        return _FORMATS.get(schema.get("format", ""), "string"[: schema.get("maxLength", 6)])
    if kind in {"integer", "number"}:
        return schema.get("minimum", 1 if kind == "integer" else 1.5)
    return True if kind == "boolean" else None


def _object(schemas: Schemas, schema: Any, *, full: bool, trail: tuple[str, ...]) -> Any:
    properties = schema.get("properties")
    if not properties:
        known = schema.get("example")
        return known if isinstance(known, dict) else {}
    required = schema.get("required", ())
    result = {}
    for name, one in properties.items():
        recursive = one.get("$ref") in trail or len(trail) > _DEEPEST
        if name in required or (full and not recursive):
            result[name] = _value(schemas, one, full=full, trail=trail)
    return result


def _array(schemas: Schemas, schema: Any, *, full: bool, trail: tuple[str, ...]) -> Any:
    known = schema.get("example")
    items = schema.get("items", {})
    if isinstance(known, list) and not any(isinstance(one, dict) for one in known) and known:
        return known
    if items.get("$ref") in trail or len(trail) > _DEEPEST:
        return []
    return [_value(schemas, items, full=full, trail=trail)]


def _fits(value: Any, kind: Any) -> bool:
    wanted: Any = {"string": str, "integer": int, "number": (int, float), "boolean": bool}.get(kind)
    return wanted is None or (isinstance(value, wanted) and (kind == "boolean" or not isinstance(value, bool)))
