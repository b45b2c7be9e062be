"""The packed schemas of the wheel: loading, request validators, and what a resource's attributes are by default."""

from __future__ import annotations

import bz2
import functools
import importlib.resources
from typing import TYPE_CHECKING, Any

import orjson
from attrs import frozen

from klaviyo_async.errors import ConfigurationError
from klaviyo_async.testing.clock import instant
from klaviyo_async.testing.problems import error

if TYPE_CHECKING:
    from collections.abc import Mapping

_REFERENCE = "#/$defs/"
_TOLERATED: dict[str, Any] = {
    # accepted by the real server although the documents don't have it (any more)
    "anonymous_id": {},
}


@frozen(kw_only=True)
class Facts:
    """What the packed schemas say of one operation."""

    method: str
    path: str
    media: str | None
    request: str | None
    required: bool
    response: str | None
    success: tuple[int, ...]


class Schemas:
    """The packed schemas; read once per process by `load`."""

    def __init__(self, packed: Mapping[str, Any]) -> None:
        self.revision: str = packed["revision"]
        self.definitions: dict[str, Any] = packed["schemas"]
        self.operations: dict[str, Facts] = {
            name: Facts(**{**facts, "success": tuple(facts["success"])}) for name, facts in packed["operations"].items()
        }
        for definition in self.definitions.values():
            _allow_loopback(definition)
        self._validators: dict[tuple[str, bool], Any] = {}

    def resolve(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """The schema itself, references followed and null variants left out, ``allOf`` merged deeply."""
        while True:
            if "$ref" in schema:
                schema = dict(self.definitions[schema["$ref"].removeprefix(_REFERENCE)])
                continue
            variants = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
            if len(variants) == 1:
                schema = dict(variants[0])
                continue
            if "allOf" in schema:
                merged: dict[str, Any] = {}
                for part in schema["allOf"]:
                    merged = _merge(merged, self._expanded(part))
                return merged
            resolved: dict[str, Any] = dict(schema)
            return resolved

    def _expanded(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        schema = self.resolve(raw)
        attributes = schema.get("properties", {}).get("attributes")
        if attributes is not None:
            schema = {**schema, "properties": {**schema["properties"], "attributes": self.resolve(attributes)}}
        return schema

    def problems(self, name: str, document: Any, *, strict: bool = True) -> list[dict[str, Any]]:
        """What is wrong with a document against a schema, as error objects with JSON pointers; empty when right.

        `strict` refuses members that a declared object doesn't have, as the real server does.
        """
        validator = self._validator(name, strict=strict)
        if validator.is_valid(document):
            return []
        found: dict[str, dict[str, Any]] = {}
        for one in validator.iter_errors(document):
            cause = _deepest(one)
            for pointer, detail in _explain(cause):
                found.setdefault(pointer, error(400, detail, pointer=pointer))
        return list(found.values())

    def _validator(self, name: str, *, strict: bool) -> Any:
        validator = self._validators.get((name, strict))
        if validator is None:
            used = _slice(self.definitions, name)
            definitions = {key: _strict(used[key]) for key in used} if strict else used
            validator = _library().Draft202012Validator(
                {"$ref": f"{_REFERENCE}{name}", "$defs": definitions},
                validate_formats=True,
                formats={
                    "date-time": _is_time,
                    "uri": _is_text,
                    "date": _is_time,
                    "time": _is_text,
                    "binary": _is_text,
                },
            )
            self._validators[name, strict] = validator
        return validator

    def resource(self, response: str) -> dict[str, Any] | None:
        """The schema of the resource (or of one member of the list) in a response document."""
        data = self.resolve(self.definitions[response]).get("properties", {}).get("data")
        if data is None:
            return None
        data = self._expanded(data)
        return self._expanded(data["items"]) if data.get("type") == "array" or "items" in data else data


@functools.cache
def load(package: str = "klaviyo_async") -> Schemas:
    """The schemas of a generated package, from its own data.

    Raises:
        ConfigurationError: when the package has none.
    """
    try:
        data = importlib.resources.files(f"{package}.operation_table").joinpath("schemas.json.bz2").read_bytes()
    except (ImportError, OSError) as failure:
        raise ConfigurationError(
            f"FakeKlaviyo can't serve the operations of {package}: it has no schemas of their bodies. Give the `operations` of a"
            " package that `python -m codegen generate` made."
        ) from failure
    return Schemas(orjson.loads(bz2.decompress(data)))


@functools.cache
def _library() -> Any:
    try:
        import jsonschema_rs  # noqa: PLC0415 - the extra is only needed when a fake runs
    except ImportError as failure:
        raise ConfigurationError(
            "FakeKlaviyo checks requests with jsonschema-rs, which is not installed: pip install 'klaviyo-async[testing]'"
        ) from failure
    return jsonschema_rs


def require_library() -> None:
    """Fail early, and say what to install, where the extra is missing.

    Raises:
        ConfigurationError: when jsonschema-rs is not installed.
    """
    _library()


def _allow_loopback(node: Any) -> None:
    """Let webhooks be delivered to this machine without TLS, which is how tests receive them."""
    if isinstance(node, dict):
        url = (node.get("properties") or {}).get("endpoint_url")
        if isinstance(url, dict) and "pattern" in url:
            url["pattern"] = r"^(https://|http://(127\.|localhost[:/]|\[::1\]))"
        for value in node.values():
            _allow_loopback(value)


def _is_time(value: str) -> bool:
    return instant(value) is not None


def _is_text(value: str) -> bool:
    return isinstance(value, str)


def _slice(definitions: Mapping[str, Any], name: str) -> dict[str, Any]:
    used: dict[str, Any] = {}
    todo = [name]
    while todo:
        one = todo.pop()
        if one not in used:
            used[one] = definitions[one]
            todo.extend(_references(used[one]))
    return used


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = node.get("$ref")
        found = [own.removeprefix(_REFERENCE)] if isinstance(own, str) else []
        return found + [name for value in node.values() for name in _references(value)]
    if isinstance(node, list):
        return [name for value in node for name in _references(value)]
    return []


def _strict(schema: Any) -> Any:
    """The same schema, closed: an object takes only what it declares."""
    if isinstance(schema, list):
        return [_strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {
        key: value if key in {"example", "default", "enum"} else _strict(value)
        for key, value in schema.items()
        if key not in {"properties", "allOf"}
    }
    if "allOf" in schema:
        # parts of an allOf can't be closed one by one: what one declares the other would refuse
        closed["allOf"] = schema["allOf"]
    if "properties" in schema:
        closed["properties"] = {key: _strict(value) for key, value in schema["properties"].items()}
        if "additionalProperties" not in schema:
            closed["additionalProperties"] = False
        if "external_id" in closed["properties"] and "email" in closed["properties"]:
            # profiles: the real server takes a number as external id, and anonymous ids
            closed["properties"]["external_id"] = {"type": ["string", "integer", "null"]}
            closed["properties"] |= _TOLERATED
    return closed


def _merge(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    merged = {**left, **right}
    for key in ("properties",):
        if key in left and key in right:
            merged[key] = dict(left[key])
            for name, value in right[key].items():
                merged[key][name] = _merge(left[key][name], value) if name in left[key] else value
    if "required" in left and "required" in right:
        merged["required"] = sorted({*left["required"], *right["required"]})
    return merged


def _deepest(found: Any) -> Any:
    """For a union, the complaint of the variant that came furthest: that is the one the writer meant."""
    context = getattr(found.kind, "context", None)
    if not context:
        return found
    branches = [[_deepest(one) for one in branch] for branch in context if branch]
    if not branches:
        return found

    def depth(branch: list[Any]) -> tuple[int, int]:
        # a variant that fails on its own constant (type, operator …) is not the one that was meant
        constants = sum(type(one.kind).__name__ in {"Enum", "Constant", "Type"} for one in branch)
        return (-constants, max(len(one.instance_path) for one in branch))

    chosen = max(branches, key=depth)
    return max(chosen, key=lambda one: len(one.instance_path))


def _explain(found: Any) -> list[tuple[str, str]]:
    pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in found.instance_path) or "/"
    kind = type(found.kind).__name__
    under = pointer.rstrip("/")
    if kind == "Required":
        name = found.kind.property
        return [(f"{under}/{name}", f"The field '{name}' is required.")]
    if kind == "AdditionalProperties":
        return [
            (f"{under}/{name}", f"'{name}' is not a valid field for this resource.") for name in found.kind.unexpected
        ]
    if kind == "Type":
        return [(pointer, f"Invalid type: {found.message}.")]
    if kind == "Enum":
        return [(pointer, f"Invalid choice: {found.message}.")]
    return [(pointer, f"{found.message}.")]
