"""A short cut for building bodies: the envelope around values that orjson can write by itself.

Most bodies are plain values, and checking each of them in Python costs more than the rest of the call. So orjson gets them as
they are, and anything unusual (a relationship, a model, a subclass, NaN) returns None, which means that `bodies` must take the
careful path. The result is byte for byte what the careful path would produce; values that it would refuse are never let
through.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from klaviyo_async._model.unset import UNSET

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klaviyo_async.operation import Body, Resource

__all__ = ["quick_body", "quick_json", "quick_resource"]

# Types that orjson would write in its own way go to `_default` instead.
_OPTIONS: Final = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_SUBCLASS


class _Unusual(Exception):  # noqa: N818 - no error: the other way is taken
    """The careful path is needed."""


def quick_body(shape: Body, body: object, given: Mapping[str, object], own_id: str | None) -> bytes | None:
    """The body of an operation as JSON; None if the careful path is needed.

    `given` are the keywords, `own_id` the id if the path identifies the resource that is written.
    """
    resource = shape.resource
    try:
        if shape.kind == "resource" and resource is not None:
            if body is UNSET:
                if not given:
                    return None
                return quick_json({"data": _from_keywords(resource, given, own_id)})
            return quick_json(body) if type(body) is dict and "data" in body else None
        if shape.kind == "identifiers" and resource is not None and shape.many and not given and type(body) is list:
            return quick_json({"data": [_identifier(resource.type, each) for each in body]})
        if shape.kind == "json" and not given and type(body) in (dict, list):
            return quick_json(body)
    except _Unusual:
        pass
    return None


def quick_json(value: object) -> bytes | None:
    """The value as JSON; None if the careful path is needed."""
    try:
        text = orjson.dumps(value, _default, _OPTIONS)
    except TypeError:
        # Integers beyond 64 bits, lone surrogates, keys that are not text, and what `_default` refuses.
        return None
    # orjson writes NaN as null, and null in a body clears a field.
    return None if b"null" in text else text


def quick_resource(resource: Resource, value: object) -> dict[str, Any] | None:
    """A resource object inside a body, from a mapping of its contents; None if the careful path is needed.

    Its values are checked when it is written as JSON.
    """
    try:
        return _resource(resource, value)
    except _Unusual:
        return None


def _from_keywords(resource: Resource, given: Mapping[str, object], own_id: str | None) -> dict[str, object]:
    for name in resource.required:
        if name not in given and not (name == "id" and own_id):
            raise _Unusual
    data: dict[str, object] = {"type": resource.type}
    if own_id is not None:
        data["id"] = own_id
    attributes = _attributes(resource, given)
    if attributes or resource.wraps_attributes:
        data["attributes"] = attributes
    return data


def _attributes(resource: Resource, given: Mapping[Any, object]) -> dict[str, object]:
    known, nested, filters = resource.attributes, resource.nested, resource.filters
    attributes: dict[str, object] = {}
    for name, value in given.items():
        wire = known.get(name)
        if wire is None:
            raise _Unusual
        if (nested and name in nested) or (filters and name in filters):
            value = _special(resource, name, value)
        attributes[wire] = value
    return attributes


def _special(resource: Resource, name: str, value: object) -> object:
    """The value of an attribute that is a resource, or a filter."""
    nested = resource.nested.get(name)
    if nested is not None and nested.resource is not None and value is not None:
        if nested.kind == "resource":
            return {"data": _resource(nested.resource, value)}
        if nested.kind == "resources" and type(value) is list:
            return {"data": [_resource(nested.resource, each) for each in value]}
    raise _Unusual


def _resource(resource: Resource, value: Any) -> dict[str, Any]:
    """A nested resource, from a mapping of its id and attributes."""
    # With a type it may already be a complete resource, with data an envelope.
    if type(value) is not dict or "type" in value or "data" in value:
        raise _Unusual
    for name in resource.required:
        if name not in value:
            raise _Unusual
    data: dict[str, Any] = {"type": resource.type}
    if "id" in value:
        if resource.id == "none" or "id" in resource.attributes or type(value["id"]) is not str or not value["id"]:
            raise _Unusual
        data["id"] = value["id"]
        value = {name: member for name, member in value.items() if name != "id"}
    attributes = _attributes(resource, value)
    if attributes or resource.wraps_attributes:
        data["attributes"] = attributes
    return data


def _identifier(kind: str, value: object) -> dict[str, object]:
    if type(value) is not str or not value:
        raise _Unusual
    return {"type": kind, "id": value}


def _default(value: Any) -> str:
    # orjson wraps what is raised here in a TypeError.
    if type(value) is datetime and value.utcoffset() is not None:
        return value.isoformat()
    raise _Unusual
