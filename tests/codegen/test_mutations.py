"""A document with anything wrong anywhere goes through import and generate, or is refused with its place: never a traceback."""

from __future__ import annotations

import contextlib
import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codegen.errors import CodegenError
from codegen.generating import package
from codegen.generating.target import Target
from codegen.importing.importer import import_documents
from tests.codegen.test_hostile import REF, REVISION, attributes, document, schemas

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LIMITS = {"burst": "10/s", "steady": "150/m"}
ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}


def listed(name: str, values: list[str]) -> dict[str, Any]:
    items = {"type": "string", "enum": values}
    return {"name": name, "in": "query", "explode": False, "schema": {"type": "array", "items": items}}


def identifier(kind: str) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["type", "id"],
        "properties": {"type": {"type": "string", "enum": [kind]}, "id": {"type": "string"}},
    }


def operation(name: str, tag: str, parameters: list[Any], responses: Any, **more: Any) -> dict[str, Any]:
    found = {"operationId": name, "summary": name, "tags": [tag], "parameters": parameters, "responses": responses}
    made: dict[str, Any] = copy.deepcopy(found | {"x-klaviyo-ratelimit": LIMITS} | more)
    return made


def body(name: str, media: str = "application/vnd.api+json") -> dict[str, Any]:
    return {"required": True, "content": {media: {"schema": {"$ref": REF + name}}}}


def rich() -> dict[str, Any]:
    """A document with one of each: reads, writes, relationships, pages, forms, unions, filters in words."""
    spec = document()
    known = schemas(spec)
    one = {
        "200": {
            "description": "",
            "content": {"application/vnd.api+json": {"schema": {"$ref": f"{REF}PostNoteResponse"}}},
        }
    }
    many = copy.deepcopy(one)
    many["200"]["content"]["application/vnd.api+json"]["schema"]["$ref"] = f"{REF}GetNoteResponseCollection"
    attributes(spec).update(
        created={"type": "string", "format": "date-time"},
        kind={"oneOf": [{"$ref": f"{REF}First"}, {"$ref": f"{REF}Second"}]},
        numbers={"type": "array", "items": {"type": "integer"}},
        free={"type": "object", "additionalProperties": True},
    )
    links = {"type": "object", "properties": {"next": {"type": "string", "nullable": True}}}
    known["NoteResource"]["properties"]["relationships"] = {
        "type": "object",
        "properties": {"owner": {"type": "object", "properties": {"data": identifier("user"), "links": links}}},
    }
    known["NoteCreateQuery"]["properties"]["data"]["properties"]["relationships"] = {
        "type": "object",
        "properties": {
            "owner": {"type": "object", "properties": {"data": identifier("user")}},
            "tags": {"type": "object", "properties": {"data": {"type": "array", "items": identifier("tag")}}},
        },
    }
    known["GetNoteResponseCollection"]["properties"] |= {
        "included": {"type": "array", "items": {"oneOf": [{"$ref": f"{REF}NoteResource"}]}},
        "links": links,
    }
    known |= {
        "First": {
            "type": "object",
            "properties": {"kind": {"type": "string", "enum": ["a"]}, "x": {"type": "number", "nullable": True}},
        },
        "Second": {"allOf": [{"$ref": f"{REF}Base"}, {"required": ["y"], "properties": {"y": {"type": "boolean"}}}]},
        "Base": {"type": "object", "properties": {"kind": {"type": "string", "enum": ["b"]}}},
        "File": {
            "type": "object",
            "required": ["file"],
            "properties": {"file": {"type": "string", "format": "binary"}, "name": {"type": "string"}},
        },
        "TagsQuery": {
            "type": "object",
            "required": ["data"],
            "properties": {"data": {"type": "array", "items": identifier("tag")}},
        },
    }
    pages = [
        {"name": "page[cursor]", "in": "query", "schema": {"type": "string"}},
        {
            "name": "page[size]",
            "in": "query",
            "description": "Default: 20. Min: 1. Max: 100.",
            "schema": {"type": "integer", "default": 20, "minimum": 1, "maximum": 100},
        },
        {
            "name": "filter",
            "in": "query",
            "description": "Allowed field(s)/operator(s):<br>`name`: `any`, `equals`<br>`created`: `greater-than`",
            "schema": {"type": "string"},
        },
    ]
    spec["paths"] |= {
        "/api/notes/{id}": {
            "patch": operation(
                "update_note",
                "Notes",
                [ID, listed("fields[note]", ["name"]), listed("include", ["owner"])],
                one,
                requestBody=body("NoteCreateQuery"),
            ),
            "delete": operation("delete_note", "Notes", [ID], {"204": {"description": ""}}),
        },
        "/api/pages/": {
            "get": operation("list_notes", "Notes", pages, many, **{"x-klaviyo-operation-aliases": ["all_notes"]})
        },
        "/api/files": {"post": operation("upload", "Files", [], one, requestBody=body("File", "multipart/form-data"))},
        "/api/notes/{id}/relationships/tags": {
            "post": operation("add_tags", "Notes", [ID], {"204": {"description": ""}}, requestBody=body("TagsQuery"))
        },
    }
    return spec


ODD: list[Any] = [
    None, True, False, 0, -1, 1.5, 10**30, "", "x", "../x", "\n\"\"\"'", "get", "{id}", "2026-04-15", [], [None], ["a"], ["a", 1],
    {}, {"a": 1}, {"$ref": 5}, {"$ref": f"{REF}NoteResource"}, {"$ref": f"{REF}NoteEnum"}, {"$ref": f"{REF}Gone"},
    {"type": "object"}, {"type": "string"}, {"type": "array"}, {"type": "array", "items": {}}, {"type": "strange"},
    {"nullable": True}, {"allOf": []}, {"allOf": [{"type": "string"}]}, {"anyOf": [{}]}, {"not": {}}, {"const": 1},
    {"oneOf": [{"type": "string"}, {"type": "object"}]}, {"enum": [{}]}, {"enum": ["a", "b"]}, {"enum": [1, "a"]},
    {"enum": [None]}, {"items": {}}, {"properties": {"type": {}}}, {"properties": {"data": {}}},
    {"additionalProperties": False}, {"discriminator": {"propertyName": "x"}}, {"type": "boolean", "enum": [True, False]},
    {"type": "string", "enum": ["a"], "default": "b"}, {"type": "integer", "default": "x"},
    {"type": "string", "format": "date-time", "default": "never"},
]  # fmt: skip
KEYS = [
    "nullable", "enum", "allOf", "oneOf", "anyOf", "items", "properties", "required", "additionalProperties", "type", "format",
    "$ref", "default", "minimum", "not", "discriminator", "readOnly", "description", "style", "explode", "schema", "content",
    "examples", "pattern", "example", "deprecated", "security", "servers", "title", "maxLength", "const", "in", "name",
    "x-klaviyo-new", "x-klaviyo-filters", "x-caps", "x-page-rows", "x-decided-by", "x-max-bytes", "x-bulk", "x-pagination",
    "x-safe-with", "x-parameter-limits", "x-header-filters", "x-filter-requires",
]  # fmt: skip


def places(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, item in inner for place in [(*above, key), *places(item, (*above, key))]]


def at(value: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        value = value[key]
    return value


def mutate(spec: dict[str, Any], data: st.DataObject) -> None:
    """Put something odd somewhere, take something away, add a key, or copy a part of the document to another place."""
    known = places(spec)
    place = data.draw(st.sampled_from(known))
    holder = at(spec, place[:-1])
    match data.draw(st.sampled_from(["put", "put", "take", "add", "copy"])):
        case "put":
            holder[place[-1]] = copy.deepcopy(data.draw(st.sampled_from(ODD)))
        case "take":
            del holder[place[-1]]
        case "add" if isinstance(holder[place[-1]], dict):
            holder[place[-1]][data.draw(st.sampled_from(KEYS))] = copy.deepcopy(data.draw(st.sampled_from(ODD)))
        case _:
            holder[place[-1]] = copy.deepcopy(at(spec, data.draw(st.sampled_from(known))))


def through(spec: dict[str, Any], folder: Path) -> Mapping[str, bytes]:
    """Import and generate."""
    (folder / "document.json").write_text(json.dumps(spec), encoding="utf-8")
    import_documents(folder / "document.json", REVISION, folder / "specs")
    files, _ = package.render(Target(folder / "package", REVISION, folder / "specs"))
    return files


@pytest.fixture(autouse=True)
def unformatted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Formatting takes most of the time and changes nothing here; the compiler tells what is no Python."""
    monkeypatch.setattr(package, "formatted", lambda texts: {name: text.encode() for name, text in texts.items()})


def test_the_document_itself_is_good(tmp_path: Path) -> None:
    assert {"api/notes.py", "api/files.py", "filters/__init__.py"} <= through(rich(), tmp_path).keys()


@given(data=st.data())
@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_no_mutation_ends_in_a_traceback(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    spec = rich()
    for _ in range(data.draw(st.integers(1, 3))):
        mutate(spec, data)
    folder = tmp_path_factory.mktemp("mutated")
    problem = None
    files: Mapping[str, bytes] = {}
    try:
        files = through(spec, folder)
    except CodegenError as error:
        problem = error
    if problem is not None:
        assert str(folder) in str(problem.file), problem
        assert not (folder / "package").exists()
        return
    for name, content in files.items():
        if name.endswith(".py"):
            compile(content, name, "exec")


def causes() -> dict[str, tuple[Any, str]]:
    """What once ended in a traceback, or in something that is no Python."""

    def note(spec: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = schemas(spec)["NoteCreateQuery"]["properties"]["data"]["properties"]
        return found

    return {
        "a relationship to no type": (
            lambda d: note(d)["relationships"]["properties"]["owner"]["properties"]["data"]["properties"].pop("type"),
            "the relationship owner must be to resources of one type",
        ),
        "a relationship to any type": (
            lambda d: note(d)["relationships"]["properties"]["owner"]["properties"]["data"]["properties"]["type"].pop(
                "enum"
            ),
            "the relationship owner must be to resources of one type",
        ),
        "an attribute that is null": (
            lambda d: note(d)["attributes"]["properties"].update(name={"nullable": True}),
            "",
        ),
        "sort keys that nobody lists": (
            lambda d: d["paths"]["/api/notes"]["get"]["parameters"][1]["schema"].pop("enum"),
            "",
        ),
        "includes that nobody lists": (
            lambda d: d["paths"]["/api/notes/{id}"]["patch"]["parameters"][2]["schema"]["items"].pop("enum"),
            "",
        ),
        "a type that is the resource": (
            lambda d: schemas(d).update(NoteEnum={"$ref": f"{REF}NoteResource"}),
            "",
        ),
        "a bound that is an object": (
            lambda d: attributes(d)["numbers"].update(maxItems={"a": 1}),
            "maxItems must be a whole number",
        ),
    }


@pytest.mark.parametrize("cause", causes())
def test_causes(cause: str, tmp_path: Path) -> None:
    spoil, problem = causes()[cause]
    spec = rich()
    spoil(spec)
    refused = pytest.raises(CodegenError, match=problem) if problem else contextlib.nullcontext()
    with refused:
        for name, content in through(spec, tmp_path).items():
            if name.endswith(".py"):
                compile(content, name, "exec")
