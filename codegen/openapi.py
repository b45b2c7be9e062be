"""OpenAPI 3.0 documents: which key holds what kind of object, and walking them by that.

Everything that walks documents goes by this table and not by key names alone: a *property named* `description` is a
schema and no description, and what an example, an enum or an extension holds is data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

# Kind of object → key → kind of its value. "{kind}" is a mapping from names to that kind, "[kind]" a list of it.
# A key that isn't here holds plain data.
SHAPE: dict[str, dict[str, str]] = {
    "document": {
        "info": "info",
        "servers": "[server]",
        "tags": "[tag]",
        "paths": "{path item}",
        "components": "components",
        "externalDocs": "external",
    },
    "info": {},
    "server": {"variables": "{server variable}"},
    "server variable": {},
    "tag": {"externalDocs": "external"},
    "external": {},
    "components": {
        "schemas": "{schema}",
        "responses": "{response}",
        "parameters": "{parameter}",
        "examples": "{example}",
        "requestBodies": "{request body}",
        "headers": "{header}",
        "securitySchemes": "{security scheme}",
        "links": "{link}",
        "callbacks": "{{path item}}",
    },
    "path item": {
        "servers": "[server]",
        "parameters": "[parameter]",
        **dict.fromkeys(("get", "put", "post", "delete", "options", "head", "patch", "trace"), "operation"),
    },
    "operation": {
        "servers": "[server]",
        "parameters": "[parameter]",
        "requestBody": "request body",
        "responses": "{response}",
        "callbacks": "{{path item}}",
        "externalDocs": "external",
    },
    "parameter": {"schema": "schema", "content": "{media type}", "examples": "{example}"},
    "header": {"schema": "schema", "content": "{media type}", "examples": "{example}"},
    "request body": {"content": "{media type}"},
    "response": {"headers": "{header}", "content": "{media type}", "links": "{link}"},
    "media type": {"schema": "schema", "examples": "{example}", "encoding": "{encoding}"},
    "encoding": {"headers": "{header}"},
    "example": {},
    "link": {"server": "server"},
    "security scheme": {},
    "schema": {
        "properties": "{schema}",
        "items": "schema",
        "additionalProperties": "schema",
        "not": "schema",
        "allOf": "[schema]",
        "oneOf": "[schema]",
        "anyOf": "[schema]",
        "externalDocs": "external",
    },
}

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")

_PROSE = frozenset({"description", "externalDocs"})
_PROSE_OF = {
    "info": frozenset({"description", "termsOfService", "contact", "license"}),
}


def escape(name: str) -> str:
    """A name as one part of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def children(node: Any, kind: str, place: str = "") -> Iterator[tuple[str, str, Any]]:
    """What is directly inside `node`: (place, kind, object), data left out."""
    if isinstance(node, dict):
        for key, inner in SHAPE[kind].items():
            if key in node:
                yield from _unpacked(node[key], inner, f"{place}/{key}")


def _unpacked(value: Any, kind: str, place: str) -> Iterator[tuple[str, str, Any]]:
    if kind[0] == "{":
        if isinstance(value, dict):
            for name, item in value.items():
                yield from _unpacked(item, kind[1:-1], f"{place}/{escape(str(name))}")
    elif kind[0] == "[":
        if isinstance(value, list):
            for index, item in enumerate(value):
                yield from _unpacked(item, kind[1:-1], f"{place}/{index}")
    else:
        yield place, kind, value


def walk(node: Any, kind: str, place: str = "") -> Iterator[tuple[str, str, Any]]:
    """`node` and all that is inside it, outermost first: (place, kind, object)."""
    yield place, kind, node
    for inner_place, inner_kind, item in children(node, kind, place):
        yield from walk(item, inner_kind, inner_place)


def without_prose(node: Any, kind: str) -> Any:
    """A copy of `node` without what only people read: descriptions, links to documentation, contact, licence."""
    if kind[0] == "{":
        if not isinstance(node, dict):
            return node
        return {name: without_prose(item, kind[1:-1]) for name, item in node.items()}
    if kind[0] == "[":
        return [without_prose(item, kind[1:-1]) for item in node] if isinstance(node, list) else node
    if not isinstance(node, dict):
        return node
    shape, prose = SHAPE[kind], _PROSE_OF.get(kind, _PROSE)
    return {
        key: without_prose(value, shape[key]) if key in shape else value
        for key, value in node.items()
        if key not in prose
    }
