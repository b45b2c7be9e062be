"""Small revisions of our own, imported and generated as `python -m codegen` does it, as packages of this process."""

from __future__ import annotations

import importlib
import json
import sys
from typing import TYPE_CHECKING, Any

from codegen.__main__ import main

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import ModuleType

REF = "#/components/schemas/"
MEDIA = "application/vnd.api+json"
TEXT: dict[str, Any] = {"type": "string"}


class Document:
    """An OpenAPI document like Klaviyo's, put together from resource types and what is done with them."""

    def __init__(self, revision: str, *, slash: bool = False, ending: str = "") -> None:
        self.revision = revision
        self._slash = "/" if slash else ""
        self._ending = ending
        self._paths: dict[str, dict[str, Any]] = {}
        self._schemas: dict[str, Any] = {}
        self._resources: dict[str, tuple[str, str]] = {}

    def add(
        self,
        type: str,
        collection: str,
        attributes: Mapping[str, Any],
        *,
        actions: Sequence[str] = ("list", "create", "read", "update", "delete"),
        relationships: Mapping[str, tuple[str, bool]] | None = None,
        linkage: Sequence[str] = (),
        required: Sequence[str] = (),
        limits: tuple[str, str] = ("10/s", "150/m"),
    ) -> None:
        """A resource type with its operations.

        `relationships`: name → type and whether it is many; those in `linkage` have operations of their own.
        """
        name = _pascal(type)
        one, many = type.replace("-", "_"), collection.replace("-", "_")
        self._resources[type] = name, collection
        related = {
            key: {"type": "object", "properties": {"data": self._identifiers(other, several=several)}}
            for key, (other, several) in (relationships or {}).items()
        }
        resource = _object({"type": _constant(type), "id": TEXT, "attributes": _object(attributes)})
        created = _object({"type": _constant(type), "attributes": _object(attributes, required)})
        updated = _object({"type": _constant(type), "id": TEXT, "attributes": _object(attributes, ())})
        updated["required"] = ["type", "id", "attributes"]
        included = [
            _ref(f"{_pascal(other)}Resource")
            for other in dict.fromkeys(target for target, _ in (relationships or {}).values())
        ]
        if related:
            for schema in (resource, created, updated):
                schema["properties"]["relationships"] = _object(related, ())
        links = _object({key: {**TEXT, "nullable": True} for key in ("self", "next", "prev")}, ("self",))
        self._schemas |= {
            f"{name}Resource": resource,
            f"Get{name}ResponseCollection": _object(
                {
                    "data": _array(_ref(f"{name}Resource")),
                    **({"included": _array({"oneOf": included})} if included else {}),
                    "links": links,
                },
                ("data", "links"),
            ),
            f"Get{name}Response": _object({"data": _ref(f"{name}Resource")}),
            f"{name}CreateQuery": _object({"data": created}),
            f"{name}PartialUpdateQuery": _object({"data": updated}),
        }
        path, own = f"/api/{collection}", f"/api/{collection}/{{id}}"
        if "list" in actions:
            names = sorted(attributes)
            operation = self._operation("get", path, f"get_{many}", collection, limits, f"Get{name}ResponseCollection")
            operation["parameters"] += [
                _parameter("filter"),
                _parameter("sort", enum=[*names, *(f"-{each}" for each in names)]),
                _parameter("page[cursor]"),
                {
                    **_parameter("page[size]"),
                    "schema": {"type": "integer", "default": 20, "minimum": 1, "maximum": 100},
                },
            ]
            if related:
                operation["parameters"].append(_list_parameter("include", sorted(related)))
            operation["x-klaviyo-filters"] = {
                each: {"operators": {"single": ["equals"], "list": ["any"]}, "value": {"type": "string"}}
                for each in names
                if attributes[each].get("type") == "string"
            }
        for action, method, where, success, query in (
            ("create", "post", path, "201", "CreateQuery"),
            ("read", "get", own, "200", ""),
            ("update", "patch", own, "200", "PartialUpdateQuery"),
            ("delete", "delete", own, "204", ""),
        ):
            if action in actions:
                verb = {"read": "get"}.get(action, action)
                response = None if action == "delete" else f"Get{name}Response"
                operation = self._operation(method, where, f"{verb}_{one}", collection, limits, response, success)
                if query:
                    operation["requestBody"] = _body(f"{name}{query}")
        for key in linkage:
            self._link(own, key, *(relationships or {})[key], of=one, tag=collection, limits=limits)

    def _link(self, own: str, key: str, type: str, many: bool, *, of: str, tag: str, limits: tuple[str, str]) -> None:
        name = _pascal(type)
        schema = f"{name}RelationshipsResponseCollection" if many else f"{name}RelationshipResponse"
        word = key.replace("-", "_")
        self._schemas[schema] = _object({"data": self._identifiers(type, several=many)})
        path = f"{own}/relationships/{key}"
        self._operation("get", path, f"get_{word}_ids_for_{of}", tag, limits, schema)
        response = f"Get{name}ResponseCollection" if many else f"Get{name}Response"
        self._operation("get", f"{own}/{key}", f"get_{word}_for_{of}", tag, limits, response)
        for method, verb in (
            (("post", "add"), ("patch", "replace"), ("delete", "remove")) if many else (("patch", "replace"),)
        ):
            operation = self._operation(method, path, f"{verb}_{word}_of_{of}", tag, limits, None, "204")
            operation["requestBody"] = _body(schema)

    def _identifiers(self, type: str, *, several: bool) -> dict[str, Any]:
        one = _object({"type": _constant(type), "id": TEXT})
        return _array(one) if several else {**one, "nullable": True}

    def _operation(
        self,
        method: str,
        path: str,
        name: str,
        tag: str,
        limits: tuple[str, str],
        response: str | None,
        success: str = "200",
    ) -> dict[str, Any]:
        answer: dict[str, Any] = {"description": "Success"}
        if response is not None:
            answer["content"] = {MEDIA: {"schema": _ref(response)}}
        operation: dict[str, Any] = {
            "operationId": name + self._ending,
            "summary": name.replace("_", " ").title(),
            "tags": [tag.replace("-", " ").title()],
            "parameters": [
                {"name": part[1:-1], "in": "path", "required": True, "schema": TEXT}
                for part in path.split("/")
                if part.startswith("{")
            ],
            "responses": {success: answer},
            "x-klaviyo-ratelimit": {"burst": limits[0], "steady": limits[1]},
        }
        self._paths.setdefault(path + self._slash, {})[method] = operation
        return operation

    def as_json(self) -> dict[str, Any]:
        """The document."""
        return {
            "openapi": "3.0.2",
            "info": {"title": "Klaviyo API", "version": self.revision},
            "servers": [{"url": "https://a.klaviyo.com"}],
            "security": [{"Klaviyo-API-Key": []}],
            "paths": self._paths,
            "components": {
                "schemas": self._schemas,
                "securitySchemes": {"Klaviyo-API-Key": {"type": "apiKey", "in": "header", "name": "Authorization"}},
            },
        }


def generated(document: dict[str, Any], package: str, folder: Path) -> ModuleType:
    """The package that `python -m codegen` makes of a document. `package` is dotted where it is to lie inside others."""
    source, revision = folder / "document.json", document["info"]["version"]
    folder.mkdir(parents=True, exist_ok=True)
    source.write_text(json.dumps(document), encoding="utf-8")
    return generated_from(imported(source, revision, folder / "specs"), revision, package, folder / "out")


def imported(source: Path, revision: str, specs: Path) -> Path:
    """The folder of specs, with those of a document in it."""
    assert main(["import", str(source), "--revision", revision, "--specs", str(specs)]) == 0
    return specs


def generated_from(specs: Path, revision: str, package: str, root: Path) -> ModuleType:
    """The package made of imported specs, below `root`."""
    *outer, name = package.split(".")
    out = root.joinpath(*outer)
    out.mkdir(parents=True, exist_ok=True)
    for depth in range(len(outer)):
        root.joinpath(*outer[: depth + 1], "__init__.py").touch()
    given = ["--revision", revision, "--specs", str(specs), "--out", str(out), "--package", name]
    assert main(["generate", *given]) == 0
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    return importlib.import_module(package)


def _pascal(type: str) -> str:
    return "".join(part.capitalize() for part in type.split("-"))


def _object(properties: Mapping[str, Any], required: Sequence[str] | None = None) -> dict[str, Any]:
    names = list(properties if required is None else required)
    return {"type": "object", "properties": dict(properties), **({"required": names} if names else {})}


def _array(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _constant(value: str) -> dict[str, Any]:
    return {"type": "string", "enum": [value]}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": REF + name}


def _parameter(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": {"type": "string", **more}}


def _list_parameter(name: str, values: list[str]) -> dict[str, Any]:
    schema = {"type": "array", "items": {"type": "string", "enum": values}}
    return {"name": name, "in": "query", "schema": schema, "explode": False}


def _body(schema: str) -> dict[str, Any]:
    return {"required": True, "content": {MEDIA: {"schema": _ref(schema)}}}
