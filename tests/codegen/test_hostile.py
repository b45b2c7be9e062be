"""Documents that mean harm or are merely odd: refused with file and place, or generated as data that nothing executes."""

from __future__ import annotations

import copy
import importlib
import inspect
import json
import pickle
import sys
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from codegen.__main__ import main
from codegen.names import module_name, python_name
from klaviyo_async import Klaviyo
from klaviyo_async._model import Model, UnknownModel
from klaviyo_async.pages import records_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import ModuleType

REVISION = "2026-04-15"
REF = "#/components/schemas/"

# Texts that would break out of a string, a comment, a docstring, a template or a folder.
TEXTS = [
    '"', '"""', "'''", "'", "\\", '\\"', "line\nbreak", "\r\n", "{{ 7*7 }}", "{% raw %}", "{% endraw %}", "{# c #}",
    "{{ cycler.__init__.__globals__.os.system('touch PWNED') }}", "__import__('os').system('touch PWNED')",
    '""" + __import__("os").system("touch PWNED") + """', "x\"; import os; os.system('touch PWNED') #", "../../etc/passwd",
    "/etc/passwd", "C:\\x", "ü日本\u2028\u2029", "\x00\x1b[31m", "\u202e", "\\N{BULLET}", "\\x41", "{x!r}", "%s", "$(x)", "`x`",
    "a]b", "a | None | b", "end\\", 'end"', "]", "'] | __import__('os')", " ", "",
]  # fmt: skip


def document() -> dict[str, Any]:
    """A good document: a list and a write of one resource."""
    limits = {"burst": "10/s", "steady": "150/m"}

    def answer(name: str) -> dict[str, Any]:
        return {"description": "d", "content": {"application/vnd.api+json": {"schema": {"$ref": REF + name}}}}

    resource = {
        "type": "object",
        "required": ["type", "id", "attributes"],
        "properties": {
            "type": {"$ref": REF + "NoteEnum"},
            "id": {"type": "string"},
            "attributes": {"type": "object", "properties": {"name": {"type": "string"}}},
        },
    }
    query = {
        "type": "object",
        "required": ["data"],
        "properties": {
            "data": {
                "type": "object",
                "required": ["type", "attributes"],
                "properties": {
                    "type": {"$ref": REF + "NoteEnum"},
                    "attributes": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
                },
            }
        },
    }
    return {
        "openapi": "3.0.2",
        "info": {"title": "Klaviyo API", "version": REVISION},
        "servers": [{"url": "https://a.klaviyo.com"}],
        "security": [{"Klaviyo-API-Key": []}],
        "tags": [{"name": "Notes"}],
        "paths": {
            "/api/notes": {
                "get": {
                    "operationId": "get_notes",
                    "summary": "Get Notes",
                    "tags": ["Notes"],
                    "parameters": [
                        {"name": "filter", "in": "query", "schema": {"type": "string"}},
                        {"name": "sort", "in": "query", "schema": {"type": "string", "enum": ["name", "-name"]}},
                    ],
                    "responses": {"200": answer("GetNoteResponseCollection")},
                    "x-klaviyo-ratelimit": limits,
                    "x-klaviyo-scopes": ["notes:read"],
                    "x-klaviyo-filters": {"name": {"operators": {"single": ["equals"]}, "value": {"type": "string"}}},
                },
                "post": {
                    "operationId": "create_note",
                    "summary": "Create Note",
                    "tags": ["Notes"],
                    "parameters": [],
                    "requestBody": {
                        "required": True,
                        "content": {"application/vnd.api+json": {"schema": {"$ref": REF + "NoteCreateQuery"}}},
                    },
                    "responses": {"201": answer("PostNoteResponse")},
                    "x-klaviyo-ratelimit": limits,
                },
            }
        },
        "components": {
            "schemas": {
                "NoteEnum": {"type": "string", "enum": ["note"]},
                "NoteResource": resource,
                "GetNoteResponseCollection": {
                    "type": "object",
                    "required": ["data"],
                    "properties": {"data": {"type": "array", "items": {"$ref": REF + "NoteResource"}}},
                },
                "PostNoteResponse": {
                    "type": "object",
                    "required": ["data"],
                    "properties": {"data": {"$ref": REF + "NoteResource"}},
                },
                "NoteCreateQuery": query,
            },
            "securitySchemes": {"Klaviyo-API-Key": {"type": "apiKey", "in": "header", "name": "Authorization"}},
        },
    }


def schemas(spec: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = spec["components"]["schemas"]
    return found


def attributes(spec: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schemas(spec)["NoteResource"]["properties"]["attributes"]["properties"]
    return found


def operation(spec: dict[str, Any], method: str = "get") -> dict[str, Any]:
    ((_, item),) = spec["paths"].items()
    found: dict[str, Any] = item[method]
    return found


class Generated:
    """A generated package, all of it imported."""

    def __init__(self, name: str, folder: Path) -> None:
        self.folder = folder
        self.models: ModuleType = importlib.import_module(f"{name}.models")
        self.api: ModuleType = importlib.import_module(f"{name}.api")
        self.operations = importlib.import_module(f"{name}.operation_table").operations
        for each in self.models.__all__:
            getattr(self.models, each)
        for each in self.operations:
            self.function(each)
        for path in folder.rglob("*.py"):
            compile(path.read_bytes(), str(path), "exec")
        for path in folder.rglob("*.pyi"):
            compile(path.read_bytes(), str(path), "exec")

    def function(self, name: str) -> Any:
        return getattr(getattr(self.api, self.operations[name].tag), name)


Generate = "Callable[[dict[str, Any]], Generated | str]"


@pytest.fixture
def generate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[[dict[str, Any]], Generated | str]]:
    """Import and generate a document: the package, or the message it was refused with.

    Checks that nothing is written where it is refused, nothing is written elsewhere, and nothing is executed.
    """
    count = 0
    monkeypatch.chdir(tmp_path)

    def run(spec: dict[str, Any]) -> Generated | str:
        nonlocal count
        count += 1
        name, folder = f"hostile_{count}", tmp_path / f"run{count}"
        folder.mkdir()
        (folder / "document.json").write_text(json.dumps(spec), encoding="utf-8")
        specs, out = folder / "specs", folder / "out"
        code = main(["import", str(folder / "document.json"), "--revision", REVISION, "--specs", str(specs)])
        if code:
            assert not specs.exists()
        else:
            code = main(
                ["generate", "--revision", REVISION, "--specs", str(specs), "--out", str(out), "--package", name]
            )
        message = capsys.readouterr().err
        try:
            if code:
                assert code == 2
                assert message.startswith("codegen ")
                assert not out.exists()
                return message
            assert {path.name for path in out.iterdir()} == {name}
            monkeypatch.syspath_prepend(str(out))
            return Generated(name, out / name)
        finally:
            assert {path.name for path in folder.iterdir()} <= {"document.json", "specs", "out"}
            assert {path.name for path in tmp_path.iterdir()} == {f"run{number + 1}" for number in range(count)}

    yield run
    for module in [module for module in sys.modules if module.startswith("hostile_")]:
        del sys.modules[module]


def accepted(found: Generated | str) -> Generated:
    assert isinstance(found, Generated), found
    return found


def refused(found: Generated | str, *texts: str) -> None:
    assert isinstance(found, str)
    for text in texts:
        assert text in found


def round_trip(cls: Any, value: dict[str, Any]) -> Any:
    """Decode a value, read every field, and check that nothing of it is lost or changed."""
    decoded = cls.from_json(json.dumps(value).encode())
    assert decoded.to_dict() == value
    for field in attrs.fields(type(decoded)):
        getattr(decoded, field.name)
    assert decoded.to_dict() == value
    assert decoded.additional_properties == {}
    assert pickle.loads(pickle.dumps(decoded)) == decoded
    assert type(decoded)(**{each.alias: getattr(decoded, each.name) for each in attrs.fields(type(decoded))}) == decoded
    assert repr(decoded)
    return decoded


def test_the_good_document_is_good(generate: Any) -> None:
    found = accepted(generate(document()))
    assert set(found.operations) == {"get_notes", "create_note"}
    note = round_trip(found.models.NoteResource, {"type": "note", "id": "1", "attributes": {"name": "x"}})
    assert note.attributes.name == "x"


# --- text as data


def test_property_names_are_data(generate: Any) -> None:
    spec = document()
    for number, text in enumerate(TEXTS):  # each in a schema of its own, since some share a Python name
        properties = {text: {"type": "string"}, "name": {"type": "string"}}
        schemas(spec)[f"Holder{number}"] = {"type": "object", "properties": properties}
        attributes(spec)[f"holder{number}"] = {"$ref": f"{REF}Holder{number}"}
    found = accepted(generate(spec))
    for number, text in enumerate(TEXTS):
        holder = round_trip(getattr(found.models, f"Holder{number}"), {text: "x", "name": "y"})
        fields = [each.name for each in attrs.fields(type(holder))]
        (field,) = (each for each in fields if each not in {"name", "additional_properties"})
        assert getattr(holder, field) == "x"
        assert field.isidentifier()


def test_enum_values_are_data(generate: Any) -> None:
    spec = document()
    for number, text in enumerate(TEXTS):
        attributes(spec)[f"p{number}"] = {
            "type": "string", "enum": [text, "x"], "default": text, "example": text, "title": text, "description": text,
        }  # fmt: skip
    schemas(spec)["Listed"] = {"type": "string", "enum": TEXTS}
    attributes(spec)["listed"] = {"$ref": f"{REF}Listed"}
    attributes(spec)["long"] = {"type": "string", "enum": [*TEXTS, "more"], "nullable": True}
    found = accepted(generate(spec))
    known = {value for member in found.models.Listed.__args__ if member is not str for value in member.__args__}
    assert known == set(TEXTS)
    assert str in found.models.Listed.__args__
    value = {f"p{number}": text for number, text in enumerate(TEXTS)} | {"listed": TEXTS[0], "long": TEXTS[1]}
    round_trip(found.models.NoteResource, {"type": "note", "id": "1", "attributes": value})


def test_constants_decide_unions_whatever_is_in_them(generate: Any) -> None:
    spec = document()
    for number, text in enumerate(TEXTS):
        schemas(spec)[f"Kind{number}"] = {
            "type": "object",
            "required": ["type"],
            "properties": {"type": {"type": "string", "enum": [text]}, f"p{number}": {"type": "string"}},
        }
    attributes(spec)["kind"] = {"oneOf": [{"$ref": f"{REF}Kind{number}"} for number in range(len(TEXTS))]}
    found = accepted(generate(spec))
    for number, text in enumerate(TEXTS):
        value = {"type": "note", "id": "1", "attributes": {"kind": {"type": text, f"p{number}": "x"}}}
        kind = round_trip(found.models.NoteResource, value).attributes.kind
        assert type(kind).__name__ == f"Kind{number}"
        assert attrs.fields_dict(type(kind))["type"].default == text
    unknown = found.models.NoteResource.from_dict({"attributes": {"kind": {"type": "none of them"}}}).attributes.kind
    assert type(unknown) is UnknownModel


def test_summaries_and_scopes_are_text(generate: Any) -> None:
    spec = document()
    good = operation(spec)
    blank = [text for text in TEXTS if not text.strip()]
    texts = {f"get_notes_{number}": text for number, text in enumerate(text for text in TEXTS if text not in blank)}
    for name, text in texts.items():
        of_text = {"operationId": name, "summary": text, "x-klaviyo-scopes": [text]}
        spec["paths"][f"/api/{name}"] = {"get": copy.deepcopy(good) | of_text}
    found = accepted(generate(spec))
    for name, text in texts.items():
        assert (found.operations[name].summary, found.operations[name].scopes) == (text, (text,))
        told = inspect.getdoc(found.function(name))
        assert told is not None
        assert f"`GET /api/{name}`" in told
        assert "49" not in told
    for text in blank:
        spec = document()
        operation(spec).update({"summary": text, "x-klaviyo-scopes": [text]})
        found = generate(spec)
        if not isinstance(found, str):
            assert found.operations["get_notes"].summary in {text, "get_notes"}
            assert found.operations["get_notes"].scopes == (text,)


def test_sort_keys_and_fieldsets_and_filter_values_are_data(generate: Any) -> None:
    spec = document()
    parameters = operation(spec)["parameters"]
    parameters[1]["schema"]["enum"] = TEXTS
    values = {"type": "array", "items": {"type": "string", "enum": TEXTS}}
    parameters.append({"name": "fields[note]", "in": "query", "explode": False, "schema": values})
    parameters.append({"name": "include", "in": "query", "explode": False, "schema": values})
    parameters.append({"name": "kind", "in": "query", "schema": {"type": "string", "enum": TEXTS}})
    operation(spec)["x-klaviyo-filters"]["name"]["value"]["enum"] = TEXTS
    found = generate(spec)
    if isinstance(found, str):
        assert "get_notes" in found
        return
    known = found.operations["get_notes"]
    assert (known.sort, known.include, known.fields["note"]) == (tuple(TEXTS),) * 3
    assert known.filters["name"].enum == tuple(TEXTS)


# --- names


@pytest.mark.parametrize("text", [*TEXTS, "class", "None", "0note", "Note", "get notes", "ünicode", "__init__", "self"])
def test_operation_ids_are_names_of_functions(generate: Any, text: str) -> None:
    spec = document()
    operation(spec)["operationId"] = text
    found = generate(spec)
    if isinstance(found, str):
        refused(found, "operationId", "/paths/~1api~1notes/get", "document.json")
    else:
        assert text.isidentifier()
        assert callable(found.function(text))


@pytest.mark.parametrize(
    "text",
    [*TEXTS, "class", "None", "True", "0notes", "types", "close", "request", "limiter", "Bulk", "import", "Web Feeds"],
)
def test_tags_are_names_of_modules(generate: Any, text: str) -> None:
    spec = document()
    spec["tags"].append({"name": text})
    operation(spec)["tags"] = [text]
    found = generate(spec)
    if isinstance(found, str):
        assert "tag" in found
        return
    module = found.operations["get_notes"].tag
    assert module.isidentifier()
    assert (found.folder / "api" / f"{module}.py").exists()
    # A client has nothing of that name already.
    assert module not in dir(Klaviyo) or module == "web_feeds"


@pytest.mark.parametrize("text", [*TEXTS, "class", "None", "foo", "Foo_Bar", "foo-bar", "0Foo", "Ünicode", "__init__"])
def test_schema_names_are_names_of_classes(generate: Any, text: str) -> None:
    spec = document()
    schemas(spec)[text] = {"type": "object", "properties": {"x": {"type": "string"}}}
    pointer = REF + text.replace("~", "~0").replace("/", "~1")
    attributes(spec)["odd"] = {"$ref": pointer}
    found = generate(spec)
    if text in {"foo", "Foo_Bar"}:
        # The engine would call them otherwise; they are names of classes all the same.
        assert round_trip(getattr(accepted(found).models, text), {"x": "y"}).x == "y"
        return
    refused(found, "/components/schemas" if "odd" not in str(found) else "document.json")


OURS = [
    "Model", "Document", "Union", "Variant", "Many", "Values", "One", "Unset", "UNSET", "UnknownModel", "Any", "Date", "List",
    "Dict", "Str", "Object", "Type", "Time", "Field", "Nested", "Enums", "Init", "Class", "Import", "Pages", "Sequence",
    "Mapping", "Filter", "Fields", "RequestOptions", "Caller", "Namespace", "Namespaces", "Notes", "Models", "Api", "Async",
]  # fmt: skip


@pytest.mark.parametrize("name", OURS)
def test_schemas_called_like_what_the_package_needs_itself(generate: Any, name: str) -> None:
    spec = document()
    schemas(spec)[name] = {
        "type": "object",
        "properties": {
            "when": {"type": "string", "format": "date-time"},
            "day": {"type": "string", "format": "date"},
            "a-b": {"type": "string"},
            "inner": {
                "type": "object",
                "properties": {
                    "notes": {"type": "array", "items": {"$ref": f"{REF}NoteResource"}},
                    "free": {"type": "object", "additionalProperties": {"$ref": f"{REF}NoteResource"}},
                    "deep": {"type": "object", "properties": {"x": {"type": "string", "format": "date-time"}}},
                },
            },
            "either": {"oneOf": [{"$ref": f"{REF}NoteResource"}, {"$ref": f"{REF}{name}"}]},
        },
    }
    attributes(spec)["odd"] = {"$ref": REF + name}
    attributes(spec)["odds"] = {"type": "array", "items": {"$ref": REF + name}}
    attributes(spec)["time"] = {"type": "string", "format": "date-time"}
    found = generate(spec)
    if isinstance(found, str):
        assert name == "Any"
        refused(found, f"/components/schemas/{name}: a schema can't be called {name}")
        return
    note = {"type": "note", "id": "1", "attributes": {}}
    odd = {
        "when": "2026-01-02T03:04:05Z", "day": "2026-01-02", "a-b": "x",
        "inner": {"notes": [note], "free": {"k": note}, "deep": {"x": "2026-01-02T03:04:05Z"}}, "either": note,
    }  # fmt: skip
    cls = getattr(found.models, name)
    assert cls.__name__ == name
    assert issubclass(cls, Model)
    decoded = round_trip(cls, odd)
    assert decoded.when.year == decoded.day.year == decoded.inner.deep.x.year == 2026
    assert (
        type(decoded.inner.notes[0])
        is type(decoded.inner.free["k"])
        is type(decoded.either)
        is found.models.NoteResource
    )
    assert getattr(cls(), "when") is None  # noqa: B009 - for type checkers a Model
    value = {"type": "note", "id": "1", "attributes": {"odd": odd, "odds": [odd], "time": "2026-01-02T03:04:05Z"}}
    whole = round_trip(found.models.NoteResource, value)
    assert type(whole.attributes.odds[0]) is cls


@pytest.mark.parametrize("name", ["Literal", "TypeAlias"])
def test_enums_called_like_what_their_module_needs(generate: Any, name: str) -> None:
    spec = document()
    schemas(spec)[name] = {"type": "string", "enum": ["a", "b"]}
    attributes(spec)["odd"] = {"$ref": REF + name}
    refused(generate(spec), f"/components/schemas/{name}", "can't be called")


PROPERTIES = [
    "from_dict", "from_json", "to_dict", "to_json", "additional_properties", "http", "related", "preload", "_decode", "_extra",
    "_wires", "_values", "_wire", "_of", "_http", "_raw_x", "__class__", "__init__", "__slots__", "__dict__", "__attrs_attrs__",
    "__getattr__", "__eq__", "__reduce__", "__hash__", "__weakref__", "self", "cls", "field", "nested", "time", "day", "model",
    "list", "str", "int", "dict", "datetime", "date", "type", "id", "object", "property", "None", "True", "class", "def",
    "lambda", "match", "get", "value", "new", "mro", "wires", "known", "decode", "a-b", "$ref", "1", "x", "annotations",
]  # fmt: skip


def odd_schema(names: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A schema with a time, a text and a resource in turn, and a value of it."""
    kinds: list[dict[str, Any]] = [
        {"type": "string", "format": "date-time"},
        {"type": "string"},
        {"$ref": f"{REF}NoteResource"},
    ]
    values: list[Any] = ["2026-01-02T03:04:05Z", "text", {"type": "note", "id": "1", "attributes": {}}]
    properties = {name: kinds[index % 3] for index, name in enumerate(names)}
    return {"type": "object", "properties": properties}, {name: values[index % 3] for index, name in enumerate(names)}


@pytest.mark.parametrize("shift", range(3))
def test_properties_called_like_what_models_have_themselves(generate: Any, shift: int) -> None:
    """All of them in one class, each once as a time, a text and a resource."""
    names = PROPERTIES[shift:] + PROPERTIES[:shift]
    spec = document()
    schemas(spec)["Odd"], value = odd_schema(names)
    attributes(spec)["odd"] = {"$ref": f"{REF}Odd"}
    found = accepted(generate(spec))
    odd = round_trip(found.models.Odd, value)
    for index, name in enumerate(names):
        (field,) = (
            each
            for each in attrs.fields(type(odd))
            if each.name in {name, f"{name}_", f"{python_name(name)}_", python_name(name)}
            and each.name != "additional_properties"
        )
        got = getattr(odd, field.name)
        assert got == "text" if index % 3 == 1 else got.year == 2026 if index % 3 == 0 else got.id == "1", name
    # What every model has still works.
    assert type(odd).from_dict(value) == odd
    assert isinstance(odd.to_json(), bytes)


def test_properties_of_documents_called_like_what_documents_have(generate: Any) -> None:
    spec = document()
    schemas(spec)["PostNoteResponse"]["properties"] |= {"http": {"type": "string"}, "related": {"type": "string"}}
    schemas(spec)["NoteResource"]["properties"] |= {"http": {"type": "string"}, "related": {"type": "string"}}
    found = accepted(generate(spec))
    whole = {"data": {"type": "note", "id": "1", "http": "a", "related": "b"}, "http": "c", "related": "d"}
    decoded = round_trip(found.models.PostNoteResponse, whole)
    assert (decoded.data.http, decoded.data.related) == ("a", "b")
    assert (decoded.http_, decoded.related_, decoded.http) == ("c", "d", None)


@pytest.mark.parametrize(
    ("first", "second"), [("a-b", "a_b"), ("aB", "a_b"), ("to_dict", "to_dict_"), ("class", "class_")]
)
def test_properties_that_share_a_python_name(generate: Any, first: str, second: str) -> None:
    spec = document()
    schemas(spec)["Odd"] = {"type": "object", "properties": {first: {"type": "string"}, second: {"type": "string"}}}
    attributes(spec)["odd"] = {"$ref": f"{REF}Odd"}
    found = accepted(generate(spec))
    value = {first: "1", second: "2"}
    odd = round_trip(found.models.Odd, value)
    names = [each.name for each in attrs.fields(type(odd)) if each.name != "additional_properties"]
    assert [getattr(odd, name) for name in names] == ["1", "2"]
    # The second in the document's order has an underscore more.
    assert names[1] == f"{names[0]}_"


@pytest.mark.parametrize(
    ("first", "second"), [("FooBar", "FooBAR"), ("FooBar", "Foobar"), ("Enums", "Enum"), ("SMSKind", "SmsKind")]
)
def test_schemas_whose_modules_share_a_name(generate: Any, first: str, second: str) -> None:
    spec = document()
    for number, name in enumerate((first, second)):
        schemas(spec)[name] = {"type": "object", "properties": {f"p{number}": {"type": "string", "format": "date"}}}
        attributes(spec)[f"q{number}"] = {"$ref": REF + name}
    found = accepted(generate(spec))
    for number, name in enumerate((first, second)):
        round_trip(getattr(found.models, name), {f"p{number}": "2026-01-02"})
    value = {"type": "note", "id": "1", "attributes": {"q0": {"p0": "2026-01-02"}, "q1": {"p1": "2026-01-02"}}}
    note = round_trip(found.models.NoteResource, value)
    assert (type(note.attributes.q0).__name__, type(note.attributes.q1).__name__) == (first, second)
    assert module_name("FooBar") == module_name("FooBAR")


# --- calls


@pytest.mark.parametrize(
    "name", ["self", "body", "options", "operations", "class", "id", "meta", "filter", "write", "UNSET", "a-b"]
)
def test_attributes_called_like_arguments(generate: Any, name: str) -> None:
    spec = document()
    data = schemas(spec)["NoteCreateQuery"]["properties"]["data"]["properties"]
    data["attributes"]["properties"][name] = {"type": "string"}
    operation(spec, "post")["parameters"] = [{"name": "filter", "in": "query", "schema": {"type": "string"}}]
    found = accepted(generate(spec))
    keywords = [each.name for each in inspect.signature(found.function("create_note")).parameters.values()]
    assert len(set(keywords)) == len(keywords)
    resource = found.operations["create_note"].body.resource
    (keyword,) = (keyword for keyword, wire in resource.attributes.items() if wire == name)
    assert keyword in keywords
    assert keyword.isidentifier()


@pytest.mark.parametrize("name", ["self", "body", "options", "operations", "class", "UNSET", *TEXTS])
def test_parameters_called_like_arguments(generate: Any, name: str) -> None:
    spec = document()
    operation(spec, "post")["parameters"] = [{"name": name, "in": "query", "schema": {"type": "string"}}]
    found = generate(spec)
    if isinstance(found, str):
        refused(found, "create_note", "/paths/~1api~1notes/post")
        return
    parameters = inspect.signature(found.function("create_note")).parameters
    assert len(parameters) == 5


@pytest.mark.parametrize(
    "path",
    [f"/api/{text}" for text in TEXTS]
    + [
        "/api/{class}",
        "/api/{self}",
        "/api/{body}",
        "/api/{options}",
        "/api/{a b}",
        '/api/{a"b}',
        "/api/{id}/{id}",
        "/api/../x",
    ]
    + ["/api/./x", "//evil.example/x", "https://evil.example/x", "api/x", "/api/{operations}"],
)
def test_paths(generate: Any, path: str) -> None:
    spec = document()
    spec["paths"][path] = spec["paths"].pop("/api/notes")
    name = path.partition("{")[2].partition("}")[0]
    for method in ("get", "post"):
        if name:
            parameter = {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            operation(spec, method)["parameters"].append(parameter)
    found = generate(spec)
    if isinstance(found, str):
        return
    assert found.operations["get_notes"].path == path
    assert path.startswith("/api/")
    assert not {".", ".."} & set(path.split("/"))


async def test_a_path_parameter_called_like_the_table(generate: Any) -> None:
    """What the function needs itself is not hidden by its argument."""
    spec = document()
    spec["paths"]["/api/notes/{operations}"] = spec["paths"].pop("/api/notes")
    for method in ("get", "post"):
        parameter = {"name": "operations", "in": "path", "required": True, "schema": {"type": "string"}}
        operation(spec, method)["parameters"].append(parameter)
    found = accepted(generate(spec))
    async with Klaviyo("pk_test") as klaviyo:
        with pytest.warns(RuntimeWarning, match="get_notes was never awaited"):
            kind = type(found.function("get_notes")(klaviyo, "x"))
    assert kind.__name__ == "Pages"


# --- aliases


def test_a_real_operation_wins_over_an_alias(generate: Any) -> None:
    spec = document()
    operation(spec)["x-klaviyo-operation-aliases"] = ["create_note", "list_notes", "get_notes"]
    operation(spec, "post")["x-klaviyo-operation-aliases"] = ["list_notes", "make_note"]
    found = accepted(generate(spec))
    notes = found.api.notes
    assert notes.create_note.__name__ == "create_note"
    assert notes.get_notes.__name__ == "get_notes"
    assert notes.make_note is notes.create_note
    assert notes.list_notes in {notes.get_notes, notes.create_note}
    assert notes.Notes.make_note is notes.create_note


@pytest.mark.parametrize("text", [*TEXTS, "class", "None"])
def test_aliases_are_names(generate: Any, text: str) -> None:
    spec = document()
    operation(spec)["x-klaviyo-operation-aliases"] = [text]
    refused(generate(spec), "document.json", "x-klaviyo-operation-aliases")


# --- types


def test_unions_of_lists_and_objects(generate: Any) -> None:
    """A property that is one resource or a list of them is decoded either way."""
    spec = document()
    one = {"$ref": f"{REF}NoteResource"}
    attributes(spec)["some"] = {"oneOf": [one, {"type": "array", "items": one}, {"type": "string"}]}
    attributes(spec)["deep"] = {"type": "array", "items": {"type": "array", "items": one}}
    attributes(spec)["free"] = {"type": "object", "additionalProperties": {"type": "array", "items": one}}
    found = accepted(generate(spec))
    cls, note = found.models.NoteResource, {"type": "note", "id": "1", "attributes": {}}

    def decoded(**values: Any) -> Any:
        return round_trip(cls, {"type": "note", "id": "1", "attributes": values}).attributes

    assert type(decoded(some=note).some) is cls
    assert type(decoded(some=[note]).some[0]) is cls
    assert decoded(some="x").some == "x"
    assert type(decoded(deep=[[note], []]).deep[0][0]) is cls
    assert type(decoded(free={"a": [note]}).free["a"][0]) is cls


def test_a_schema_that_holds_itself(generate: Any) -> None:
    spec = document()
    tree = {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": f"{REF}Tree"}}}
    schemas(spec)["Tree"] = {"type": "object", "properties": tree | {"parent": {"$ref": f"{REF}Tree"}}}
    attributes(spec)["tree"] = {"$ref": f"{REF}Tree"}
    found = accepted(generate(spec))
    value: dict[str, Any] = {"name": "leaf"}
    for _ in range(50):
        value = {"name": "branch", "children": [value, {"name": "x"}], "parent": {"name": "up"}}
    round_trip(found.models.Tree, value)
    found.models.Tree.preload()


# --- what the next revision may bring


def test_schemas_that_are_neither_objects_nor_enums(generate: Any) -> None:
    """They are written out where they are used."""
    spec = document()
    schemas(spec).update(
        {
            "Email": {"type": "string", "format": "email"},
            "Emails": {"type": "array", "items": {"$ref": f"{REF}Email"}},
            "Anything": {"type": "array"},
            "Pin": {"type": "object", "properties": {"x": {"type": "number"}}},
            "Either": {"oneOf": [{"type": "string"}, {"$ref": f"{REF}Pin"}]},
            "Same": {"$ref": f"{REF}Pin"},
        }
    )
    for name in ("Email", "Emails", "Anything", "Either", "Same"):
        attributes(spec)[name.lower()] = {"$ref": REF + name}
    found = accepted(generate(spec))
    given = {"email": "a@b.c", "emails": ["d@e.f"], "anything": [1, {"x": 2}], "either": {"x": 1.5}, "same": {"x": 2.5}}
    note = round_trip(found.models.NoteResource, {"type": "note", "id": "1", "attributes": given}).attributes
    assert (note.emails, note.anything, note.either.x, note.same.x) == (["d@e.f"], [1, {"x": 2}], 1.5, 2.5)


def test_a_list_operation_whose_document_says_one_object(generate: Any) -> None:
    spec = document()
    cursor = {"name": "page[cursor]", "in": "query", "schema": {"type": "string"}}
    operation(spec)["parameters"].append(cursor)
    schemas(spec)["GetNoteResponseCollection"]["properties"]["data"] = {"$ref": f"{REF}NoteResource"}
    found = accepted(generate(spec))
    assert found.operations["get_notes"].pagination.style == "cursor"
    page = found.models.GetNoteResponseCollection.from_dict({"data": {"type": "note", "id": "1", "attributes": {}}})
    assert [each.id for each in records_of(page, ("data",))] == ["1"]


def test_an_id_beside_the_one_of_the_path(generate: Any) -> None:
    spec = document()
    ((path, item),) = spec["paths"].items()
    post = item.pop("post")
    post["parameters"] = [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}]
    spec["paths"][f"{path}/{{id}}/clone/"] = {"post": post}
    data = schemas(spec)["NoteCreateQuery"]["properties"]["data"]
    data["properties"]["id"] = {"type": "string"}
    data["required"].append("id")
    found = accepted(generate(spec))
    made = found.operations["create_note"]
    assert (made.path, made.body.resource.id_keyword) == (f"{path}/{{id}}/clone/", "id_")
    assert {"id", "id_", "name"} <= inspect.signature(found.function("create_note")).parameters.keys()


def test_bodies_and_successes_that_stand_in_their_operation(generate: Any) -> None:
    spec = document()
    post = operation(spec, "post")
    body, success = (
        {"type": "object", "properties": {"data": {"$ref": f"{REF}NoteResource"}}, "required": ["data"]} for _ in "12"
    )
    post["requestBody"]["content"]["application/vnd.api+json"]["schema"] = body
    post["responses"]["201"]["content"]["application/vnd.api+json"]["schema"] = success
    found = accepted(generate(spec))
    made = found.operations["create_note"]
    for name in (made.body.model, made.response):
        round_trip(getattr(found.models, name), {"data": {"type": "note", "id": "1", "attributes": {"name": "a"}}})
