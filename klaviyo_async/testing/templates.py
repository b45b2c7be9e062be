"""What a resource's attributes are where nothing was ever given: every declared one, null where it may be."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from klaviyo_async.testing.schemas import Schemas

_UNDECLARED = {
    # the real server sends these, the documents don't have them
    "profile": {"anonymous_id": None, "whatsapp_bsuid": None},
}
_PLAIN: dict[str, Any] = {"string": "", "boolean": False, "integer": 0, "number": 0.0, "array": []}


def template(schemas: Schemas, type: str) -> dict[str, Any]:
    """Attribute → default value for a resource type; not to be changed."""
    return _templates(schemas).get(type, {})


@functools.lru_cache(maxsize=4)
def shown(schemas: Schemas) -> dict[str, frozenset[str]]:
    """Resource type → the relationships that its responses have."""
    found: dict[str, set[str]] = {"profile": {"conversation"}, "flow-message": {"image"}}
    for facts in schemas.operations.values():
        resource = schemas.resource(facts.response) if facts.response is not None else None
        properties = resource.get("properties", {}) if resource else {}
        constant = schemas.resolve(properties.get("type", {})).get("enum")
        if constant and "relationships" in properties:
            names = schemas.resolve(properties["relationships"]).get("properties", {})
            found.setdefault(constant[0], set()).update(names)
    return {kind: frozenset(names) for kind, names in found.items()}


@functools.lru_cache(maxsize=4)
def _templates(schemas: Schemas) -> dict[str, dict[str, Any]]:
    templates: dict[str, dict[str, Any]] = {}
    for name, facts in sorted(schemas.operations.items(), key=lambda item: item[1].method != "GET"):
        if facts.response is None or name.startswith(("query_", "get_client_")):
            continue
        resource = schemas.resource(facts.response)
        properties = resource.get("properties", {}) if resource else {}
        constant = schemas.resolve(properties.get("type", {})).get("enum")
        if not constant or "attributes" not in properties:
            continue
        attributes = schemas.resolve(properties["attributes"])
        known = templates.setdefault(constant[0], dict(_UNDECLARED.get(constant[0], {})))
        required = attributes.get("required", ())
        for attribute, schema in attributes.get("properties", {}).items():
            if attribute not in known and (attribute in required or nullable(schemas, schema)):
                known[attribute] = default(schemas, schema)
    templates.get("profile", {}).pop("joined_group_at", None)
    return templates


def nullable(schemas: Schemas, schema: dict[str, Any]) -> bool:
    """Whether null fits a schema."""
    kind = schema.get("type")
    if kind == "null" or (isinstance(kind, list) and "null" in kind):
        return True
    if "$ref" in schema:
        return nullable(schemas, schemas.definitions[schema["$ref"].rpartition("/")[2]])
    return any(one.get("type") == "null" for one in schema.get("anyOf", ()))


def default(schemas: Schemas, schema: dict[str, Any]) -> Any:
    """The plainest value that fits a schema."""
    if nullable(schemas, schema):
        return None
    schema = schemas.resolve(schema)
    if "default" in schema:
        return schema["default"]
    if schema.get("enum"):
        return schema["enum"][0]
    if schema.get("anyOf"):
        return default(schemas, schema["anyOf"][0])
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        required = schema.get("required", ())
        return {
            name: default(schemas, one)
            for name, one in schema.get("properties", {}).items()
            if name in required or nullable(schemas, one)
        }
    if schema.get("format") == "date-time":
        return "2020-01-01T00:00:00+00:00"
    value = _PLAIN.get(kind if isinstance(kind, str) else "", "")
    return list(value) if isinstance(value, list) else value
