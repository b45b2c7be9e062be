"""What documents must be like to be imported: nothing that goes on from here can escape its folder or its string, or
leave a later step guessing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from codegen import documents, references
from codegen.errors import CodegenError
from codegen.openapi import METHODS, SHAPE, escape, walk
from codegen.specs import extensions
from codegen.specs.extension_values import is_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codegen.references import References

_COMPONENT = re.compile(r"[A-Za-z0-9._-]{1,120}")
_TAG = re.compile(r"[A-Za-z][A-Za-z0-9 _-]{0,59}")
_PATH = re.compile(r"(?:/(?:[A-Za-z0-9._~$-]+|\{[A-Za-z_][A-Za-z0-9_]*\}))+/?")
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,79}(?:\[[A-Za-z0-9_.-]{1,80}\])?")
_STYLES = {"query": "form", "path": "simple", "header": "simple"}
"""How a value of each place is written; what is written otherwise would be sent wrongly."""
_STATUS = re.compile(r"[1-5](?:[0-9]{2}|XX)|default")
_JSON = re.compile(r"application/(?:[\w.+-]+\+)?json")
_BODY = re.compile(rf"{_JSON.pattern}|multipart/form-data")


def check_document(document: dict[str, Any], file: str) -> None:
    """Raise CodegenError for a document whose parts aren't of the kinds that OpenAPI has there."""
    version = document.get("openapi")
    if not isinstance(version, str) or re.fullmatch(r"3\.0\.\d+", version) is None:
        raise CodegenError(f"openapi is {version!r}; only 3.0.x documents can be read", file=file, place="/openapi")
    mapping(document.get("info"), file, "/info")
    for section, part in mapping(document.get("components", {}), file, "/components").items():
        for key in mapping(part, file, f"/components/{escape(section)}"):
            if _COMPONENT.fullmatch(key) is None:
                raise CodegenError(
                    f"{key!r} is not a component name", file=file, place=f"/components/{escape(section)}"
                )
    if not mapping(document.get("paths"), file, "/paths"):
        raise CodegenError("the document has no operations", file=file, place="/paths")
    for place, kind, node in walk(document, "document"):
        if kind == "schema" and isinstance(node, bool) and place.endswith("/additionalProperties"):
            continue
        _check_shapes(mapping(node, file, place or "/"), kind, file, place)
    references.check(document, file)


_SHAPES: dict[str, dict[str, type | tuple[type, ...]]] = {
    "document": {"security": list},
    "operation": {"tags": list, "summary": str, "parameters": list, "responses": dict, "deprecated": bool, "security": list},
    "parameter": {"name": str, "in": str, "required": bool, "explode": bool},
    "request body": {"content": dict, "required": bool},
    "response": {"content": dict},
    "tag": {"name": str},
    "schema": {
        "type": str, "format": str, "enum": list, "required": list, "properties": dict, "nullable": bool, "pattern": str,
        "allOf": list, "oneOf": list, "anyOf": list, "discriminator": dict, "title": str,
        **dict.fromkeys(("readOnly", "writeOnly", "deprecated", "uniqueItems", "exclusiveMinimum", "exclusiveMaximum"), bool),
        **dict.fromkeys(("minimum", "maximum", "multipleOf"), (int, float)),
        **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), int),
    },
}  # fmt: skip
_KINDS = {str: "text", list: "a list", dict: "an object", bool: "true or false", int: "a whole number"}


def _check_shapes(node: dict[str, Any], kind: str, file: str, place: str) -> None:
    for key, inner in SHAPE[kind].items():
        if key in node and inner[0] in "{[" and not isinstance(node[key], dict if inner[0] == "{" else list):
            text = f"{key} must be {'an object' if inner[0] == '{' else 'a list'}"
            raise CodegenError(text, file=file, place=f"{place}/{key}")
    for key, expected in _SHAPES.get(kind, {}).items():
        if key in node and (
            not isinstance(node[key], expected) or (isinstance(node[key], bool) and expected is not bool)
        ):
            wanted = _KINDS[expected] if isinstance(expected, type) else "a number"
            raise CodegenError(f"{key} must be {wanted}", file=file, place=f"{place}/{key}")
    if kind == "schema":
        if any(not isinstance(name, str) for name in node.get("required", ())):
            raise CodegenError("required must list names", file=file, place=f"{place}/required")
        if node.get("enum") == []:
            raise CodegenError("an enum without values", file=file, place=f"{place}/enum")
    for key, problem in extensions.problems(node):
        raise CodegenError(f"{key} {problem}", file=file, place=f"{place}/{key}")


def operations(document: dict[str, Any], file: str, known: References) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every operation of a document, checked: its path's own parameters and servers moved into it, and what it says by
    reference said in full."""
    for path, item in document["paths"].items():
        place = f"/paths/{escape(path)}"
        if _PATH.fullmatch(path) is None or {".", ".."} & set(path.split("/")):
            raise CodegenError(f"{path!r} is not a path of plain segments and {{parameters}}", file=file, place=place)
        if "$ref" in item:
            raise CodegenError("paths given by reference are not supported", file=file, place=place)
        for method in METHODS:
            if method not in item:
                continue
            operation = dict(item[method])
            operation["parameters"] = _parameters(item, operation, known)
            if "requestBody" in operation:
                operation["requestBody"] = known.behind(operation["requestBody"])
            if isinstance(operation.get("responses"), dict):
                operation["responses"] = {
                    status: known.behind(response) if status.startswith("2") else response
                    for status, response in operation["responses"].items()
                }
            if "servers" in item:
                operation.setdefault("servers", item["servers"])
            _check_operation(operation, path, file, f"{place}/{method}")
            yield path, method, operation


def _parameters(item: dict[str, Any], operation: dict[str, Any], known: References) -> list[Any]:
    own = [_parameter(parameter, known) for parameter in operation.get("parameters", ())]
    keys = {(parameter.get("name"), parameter.get("in")) for parameter in own}
    shared = [_parameter(parameter, known) for parameter in item.get("parameters", ())]
    return [parameter for parameter in shared if (parameter.get("name"), parameter.get("in")) not in keys] + own


def _parameter(parameter: dict[str, Any], known: References) -> dict[str, Any]:
    """A parameter said in full: without references, for what it takes is a fact about the operation."""
    parameter = dict(known.behind(parameter))
    schema = parameter.get("schema")
    if isinstance(schema, dict):
        parameter["schema"] = schema = dict(known.behind(schema))
        if isinstance(schema.get("items"), dict):
            schema["items"] = known.behind(schema["items"])
    return parameter


def _check_operation(operation: dict[str, Any], path: str, file: str, place: str) -> None:
    name = operation.get("operationId")
    if name is None:
        raise CodegenError("the operation has no operationId", file=file, place=place)
    if not is_name(name):
        raise CodegenError(
            f"{name!r} is not a valid operationId ([a-z][a-z0-9_]*, not a Python keyword)", file=file, place=place
        )
    tags = operation.get("tags")
    if not tags or any(not isinstance(tag, str) or _TAG.fullmatch(tag) is None for tag in tags):
        raise CodegenError(
            f"{name} needs a tag of letters, digits and spaces, has {tags!r}", file=file, place=f"{place}/tags"
        )
    seen: set[tuple[str, str]] = set()
    in_path: set[str] = set()
    for index, parameter in enumerate(operation["parameters"]):
        here = f"{place}/parameters/{index}"
        _check_parameter(parameter, name, file, here)
        key = (parameter["name"], parameter["in"])
        if key in seen:
            raise CodegenError(f"{name} has the parameter {key[0]} twice", file=file, place=here)
        seen.add(key)
        if key[1] == "path":
            in_path.add(key[0])
    for missing in sorted(set(re.findall(r"\{([^}]*)\}", path)) ^ in_path):
        raise CodegenError(
            f"{name}: {{{missing}}} must be in the path and among its parameters", file=file, place=place
        )
    _check_media(operation, name, file, place)


def _check_media(operation: dict[str, Any], name: str, file: str, place: str) -> None:
    """What is sent has one form, and what comes back is JSON or nothing: other answers would be lost without a word."""
    if "requestBody" in operation:
        content = operation["requestBody"].get("content", {})
        here = f"{place}/requestBody/content"
        if len(content) != 1:
            kinds = ", ".join(sorted(content)) or "none"
            raise CodegenError(f"{name} must have a body with a single media type, has {kinds}", file=file, place=here)
        ((kind, media),) = content.items()
        if _BODY.fullmatch(kind) is None:
            raise CodegenError(
                f"{name} has a body of type {kind}; only JSON and forms can be sent", file=file, place=here
            )
        if not isinstance(media.get("schema"), dict):
            raise CodegenError(f"{name} has a body without a schema", file=file, place=here)
    responses = operation.get("responses") or {}
    for status in responses:
        if _STATUS.fullmatch(status) is None:
            raise CodegenError(
                f"{name} responds with {status!r}, which is not a status", file=file, place=f"{place}/responses"
            )
    if not any(status.startswith("2") for status in responses):
        problem = "has no response for success" if responses else "has no responses"
        raise CodegenError(f"{name} {problem}", file=file, place=f"{place}/responses")
    for status, response in responses.items():
        content = response.get("content", {}) if status.startswith("2") else {}
        here = f"{place}/responses/{escape(status)}/content"
        for kind, media in content.items():
            if _JSON.fullmatch(kind) is None:
                raise CodegenError(f"{name} responds with {kind}; only JSON can be read", file=file, place=here)
            if not isinstance(media.get("schema"), dict):
                raise CodegenError(f"{name} responds with JSON without a schema", file=file, place=here)
        if len({documents.dumps(media.get("schema")) for media in content.values()}) > 1:
            kinds = ", ".join(sorted(content))
            raise CodegenError(f"{name} responds with one of {kinds}, each with its own schema", file=file, place=here)


def _check_parameter(parameter: dict[str, Any], name: str, file: str, place: str) -> None:
    """A parameter must have a plain name and a schema whose values have a type, for they become keywords."""
    wire, schema = parameter.get("name"), parameter.get("schema")
    if not isinstance(wire, str) or _PARAMETER.fullmatch(wire) is None:
        raise CodegenError(f"{name} has the parameter {wire!r}, which is not a name", file=file, place=place)
    if parameter.get("in") not in ("query", "header", "path"):
        raise CodegenError(f"{name}: {wire} must be in query, header or path", file=file, place=place)
    style = parameter.get("style", _STYLES[parameter["in"]])
    if style != _STYLES[parameter["in"]] or parameter.get("allowReserved"):
        said = "allowReserved" if style == _STYLES[parameter["in"]] else f"style {style!r}"
        raise CodegenError(f"{name}: {wire} has {said}, which is not supported", file=file, place=place)
    if not isinstance(schema, dict) or "$ref" in schema:
        raise CodegenError(f"{name}: {wire} needs a schema of its own", file=file, place=place)
    values = schema.get("items") if schema.get("type") == "array" else schema
    if not isinstance(values, dict) or values.get("type") not in ("string", "integer", "number", "boolean"):
        raise CodegenError(f"{name}: {wire} needs a type, or items of a type", file=file, place=f"{place}/schema")
    if any(not isinstance(value, (str, int, float, type(None))) for value in values.get("enum", ())):
        raise CodegenError(f"{name}: {wire} must list plain values", file=file, place=f"{place}/schema")
    if ("[" in wire and not wire.startswith("page[")) or wire == "include":
        family = schema.get("type") == "array" and all(isinstance(value, str) for value in values.get("enum", ()))
        if not family:
            raise CodegenError(f"{name}: {wire} must be a list of names", file=file, place=f"{place}/schema")


def mapping(value: Any, file: object, place: str) -> dict[str, Any]:
    """`value` itself; CodegenError unless it is an object."""
    if not isinstance(value, dict):
        raise CodegenError(f"must be an object, is {_kind(value)}", file=file, place=place)
    return value


def _kind(value: Any) -> str:
    if value is None:
        return "null or missing"
    return {bool: "true or false", str: "text", list: "a list"}.get(type(value), "a number")
