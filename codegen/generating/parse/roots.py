"""What operations give and take: the schemas of their success documents and request bodies, each under a name.

The engine needs to see no operation: of its endpoints we would use these two alone, and it copies every class for each of
them. So it gets the schemas, those that stand inline in an operation among them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import Factory, define

from codegen.errors import CodegenError
from codegen.names import pascal_case
from codegen.openapi import METHODS, escape
from codegen.references import References, schema_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@define
class Roots:
    """The models by which each operation begins."""

    results: dict[str, str | None] = Factory(dict)
    """operationId → model of the success document; None where there is no body."""
    bodies: dict[str, str | None] = Factory(dict)
    """operationId → model of the request body."""


def roots(document: dict[str, Any]) -> tuple[dict[str, Any], Roots]:
    """A copy of a normalised document without operations, its schemas with those that stood in operations, and the roots.

    Raises CodegenError for a document or body that is no object: nothing could be made of it.
    """
    found = Roots()
    schemas = dict(document.get("components", {}).get("schemas", {}))
    finder = _Finder(document, schemas)
    for operation, place in _operations(document):
        name = operation["operationId"]
        found.results[name] = finder.model(finder.success(operation), f"{name}_response", f"{place}/responses")
        found.bodies[name] = finder.model(finder.body(operation), f"{name}_body", f"{place}/requestBody")
    components = dict(document.get("components", {})) | {"schemas": schemas}
    return document | {"paths": {}, "components": components}, found


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield item[method], f"/paths/{escape(path)}/{method}"


@define
class _Finder:
    document: dict[str, Any]
    schemas: dict[str, Any]

    def success(self, operation: Mapping[str, Any]) -> Any:
        """The schema of the first success that has JSON."""
        for status, response in sorted(operation.get("responses", {}).items()):
            if status.startswith("2"):
                for kind, media in References(self.document).behind(response).get("content", {}).items():
                    if "json" in kind and "schema" in media:
                        return media["schema"]
        return None

    def body(self, operation: Mapping[str, Any]) -> Any:
        """The schema of the request body, of whatever media type."""
        content = References(self.document).behind(operation.get("requestBody", {})).get("content", {})
        return next((media["schema"] for media in content.values() if "schema" in media), None)

    def model(self, schema: Any, name: str, place: str) -> str | None:
        """The name of an object's schema, which gets one where it has none."""
        if schema is None:
            return None
        known = ""
        while isinstance(schema, dict) and (inner := _passed_on(schema)) is not None:
            known, schema = schema_name(inner), self.schemas[schema_name(inner)]
        if not isinstance(schema, dict) or not ("properties" in schema or schema.get("type") == "object"):
            raise CodegenError("only an object can be a document or a body", place=place)
        if known:
            return known
        name = pascal_case(name)
        while name in self.schemas:
            name = f"{name}X"
        self.schemas[name] = schema
        return name


def _passed_on(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """The reference that a schema is, alone or as the only member of a union or `allOf`."""
    if schema_name(schema):
        return dict(schema)
    members = [each for key in ("allOf", "oneOf", "anyOf") for each in schema.get(key, ())]
    return dict(members[0]) if len(members) == 1 and schema_name(members[0]) else None
