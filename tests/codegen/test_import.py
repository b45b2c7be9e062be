"""Upstream documents → specs: what is kept, what is dropped, what is refused."""

from __future__ import annotations

import contextlib
import copy
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codegen.errors import CodegenError
from codegen.generating.parse.normalise import normalise
from codegen.importing.importer import ImportReport, import_documents
from codegen.openapi import walk
from codegen.specs.assemble import known_revisions, load_revision
from tests.codegen.conftest import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

REVISION = "2026-04-15"
AS_RECEIVED = {"create_client_push_token", "get_profiles", "unregister_client_push_token"}


def write(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def take(document: dict[str, Any], tmp_path: Path, specs: Path | None = None) -> dict[str, Any]:
    specs = specs or tmp_path / "specs"
    import_documents(write(tmp_path / "document.json", document), REVISION, specs)
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((specs / REVISION).iterdir())}


def operation(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"]["/api/notes/{id}"]["patch"]
    return found


# --- what is kept and what is dropped


def test_descriptions_go_and_things_named_description_stay(document: dict[str, Any], tmp_path: Path) -> None:
    spec = take(document, tmp_path)["update_note"]
    assert "prose" not in json.dumps(spec)
    assert spec["info"] == {"title": "Klaviyo API", "version": REVISION}
    note = spec["components"]["schemas"]["Note"]
    assert list(note["properties"]) == ["zeta", "description", "properties", "$ref"]  # upstream's order
    assert note["properties"]["description"] == {"type": "string", "default": "kept"}
    assert note["properties"]["properties"]["example"] == {"description": "kept", "$ref": "kept"}
    assert note["required"] == ["description"]
    assert spec["components"]["schemas"]["description"] == {"type": "string"}
    update = operation(spec)
    assert update["parameters"][1]["name"] == "description"
    assert update["parameters"][1]["schema"]["example"] == {"description": "kept"}
    assert update["x-klaviyo-filters"] == {"description": {"operators": {"single": ["equals"]}}}
    media = update["requestBody"]["content"]["application/vnd.api+json"]
    assert media["examples"]["one"] == {"value": {"description": "kept"}}


def test_components_that_nothing_refers_to_are_left_out_and_noted(document: dict[str, Any], tmp_path: Path) -> None:
    report = import_documents(write(tmp_path / "document.json", document), REVISION, tmp_path / "specs")
    assert report.components == 2
    assert any("schemas/Unused" in note for note in report.notes)


def test_parameters_of_the_path_and_by_reference_become_the_operations_own(
    document: dict[str, Any], tmp_path: Path
) -> None:
    update = operation(document)
    document["components"]["parameters"] = {"Id": update["parameters"].pop(0)}
    document["paths"]["/api/notes/{id}"]["parameters"] = [
        {"$ref": "#/components/parameters/Id"},
        {"name": "description", "in": "query", "schema": {"type": "integer"}},
    ]
    parameters = operation(take(document, tmp_path)["update_note"])["parameters"]
    assert [(item["name"], item["schema"]["type"]) for item in parameters] == [
        ("id", "string"),
        ("description", "string"),
    ]


@pytest.mark.parametrize(("revision", "operations", "schemas"), [("2026-04-15", 309, 1198), ("2026-07-15", 345, 1290)])
def test_whole_revisions(
    imported: tuple[Path, dict[str, ImportReport]], revision: str, operations: int, schemas: int
) -> None:
    specs, reports = imported
    assert (reports[revision].operations, reports[revision].components) == (operations, schemas)
    assert len(list((specs / revision).glob("*.json"))) == operations
    assert reports[revision].notes == []


def _bare(value: Any) -> Any:
    """An upstream object without descriptions, by another rule than the importer's: a description is text beside a type."""
    if isinstance(value, list):
        return [_bare(item) for item in value]
    if not isinstance(value, dict):
        return value
    described = isinstance(value.get("description"), str)
    return {key: _bare(item) for key, item in value.items() if not (key == "description" and described)}


def _without(value: Any, added: Any) -> Any:
    """`value` without keys that `added` doesn't have where both are mappings."""
    if isinstance(value, dict) and isinstance(added, dict):
        return {key: _without(item, added[key]) for key, item in value.items() if key in added}
    if isinstance(value, list) and isinstance(added, list) and len(value) == len(added):
        return [_without(first, second) for first, second in zip(value, added, strict=True)]
    return value


def test_nothing_but_prose_is_lost(upstream: Path, specs: Path) -> None:
    lost = []
    for path in sorted((upstream / REVISION).glob("*.json")):
        before = _bare(json.loads(path.read_text(encoding="utf-8")))
        after = json.loads((specs / REVISION / path.name).read_text(encoding="utf-8"))
        for key in ("termsOfService", "contact", "license"):
            before["info"].pop(key)
        if "Klaviyo-API-Key" not in after["components"].get("securitySchemes", {}):
            before["components"].pop("securitySchemes")
        if _without(_bare(after), before) != before:
            lost.append(path.name)
    assert lost == []


def test_what_is_kept_holds_no_prose(specs: Path) -> None:
    """Sentences of the documents stay out; summaries, names, enums and examples are facts."""
    wordy = []
    for path in (specs / "2026-07-15").glob("*.json"):
        spec = json.loads(path.read_text(encoding="utf-8"))
        for place, kind, node in walk(spec, "document"):
            if not isinstance(node, dict):
                continue
            if "description" in node and kind != "schema" and isinstance(node["description"], str):
                wordy.append((path.name, place))
            if kind in {"schema", "parameter", "operation"}:
                facts = {"example", "enum", "default", "summary", "properties", "x-klaviyo-subtag", "tags"}
                wordy += [
                    (path.name, place, text)
                    for key, text in node.items()
                    if key not in facts and isinstance(text, str) and text.count(" ") > 2
                ]
    assert wordy == []


def test_importing_twice_gives_the_same_bytes(upstream: Path, specs: Path, tmp_path: Path) -> None:
    shutil.copytree(specs, tmp_path / "specs")
    again = import_documents(upstream / REVISION, REVISION, tmp_path / "specs")
    assert (again.operations, again.added, again.removed, again.changed) == (309, [], [], [])
    for path in (specs / REVISION).iterdir():
        assert path.read_bytes() == (tmp_path / "specs" / REVISION / path.name).read_bytes()


def test_importing_a_small_document_twice_gives_the_same_bytes(document: dict[str, Any], tmp_path: Path) -> None:
    source = write(tmp_path / "a.json", document)
    assert import_documents(source, REVISION, tmp_path / "specs").added == ["update_note"]
    first = (tmp_path / "specs" / REVISION / "update_note.json").read_bytes()
    again = import_documents(source, REVISION, tmp_path / "specs")
    assert (again.added, again.removed, again.changed) == ([], [], [])
    assert (tmp_path / "specs" / REVISION / "update_note.json").read_bytes() == first


@pytest.mark.parametrize("revision", known_revisions(PROJECT / "specs"))
def test_the_committed_specs_are_what_the_import_makes(specs: Path, revision: str) -> None:
    if not (specs / revision).is_dir():
        pytest.skip("the upstream documents of this revision are not on this machine")
    committed = PROJECT / "specs" / revision
    # Where they came from and their checksums stand beside them once they were fetched.
    ours = {path.name: path.read_bytes() for path in (specs / revision).glob("*.json")}
    assert {path.name: path.read_bytes() for path in committed.glob("*.json")} == ours


def test_components_and_paths_come_sorted_whatever_the_order_in_the_document(
    document: dict[str, Any], tmp_path: Path
) -> None:
    first = take(document, tmp_path)
    schemas = document["components"]["schemas"]
    document["components"] = {
        "securitySchemes": document["components"]["securitySchemes"],
        "responses": document["components"]["responses"],
        "schemas": dict(reversed(schemas.items())),
    }
    operation(document).update({key: operation(document).pop(key) for key in reversed(list(operation(document)))})
    assert json.dumps(take(document, tmp_path)) == json.dumps(first)


def test_bodies_and_answers_by_reference_are_said_in_full(document: dict[str, Any], tmp_path: Path) -> None:
    update = operation(document)
    document["components"]["requestBodies"] = {"Note": update["requestBody"]}
    document["components"]["responses"]["Note"] = update["responses"]["200"]
    wanted = take(document | {"paths": document["paths"]}, tmp_path)
    update["requestBody"] = {"$ref": "#/components/requestBodies/Note"}
    update["responses"]["200"] = {"$ref": "#/components/responses/Note"}
    assert take(document, tmp_path) == wanted


def test_a_final_slash_belongs_to_the_path(document: dict[str, Any], tmp_path: Path) -> None:
    document["paths"]["/api/notes/{id}/"] = document["paths"].pop("/api/notes/{id}")
    assert list(take(document, tmp_path)["update_note"]["paths"]) == ["/api/notes/{id}/"]


def test_extensions_that_nobody_knows_are_told(document: dict[str, Any], tmp_path: Path) -> None:
    operation(document)["x-klaviyo-cost"] = 3
    operation(document)["x-klaviyo-subtag"] = "Notes"
    for schema in _schemas(document).values():
        schema["x-klaviyo-pii"] = True
    report = import_documents(write(tmp_path / "a.json", document), REVISION, tmp_path / "specs")
    assert report.unknown == ["x-klaviyo-cost, 1 times", "x-klaviyo-pii, 3 times"]
    assert "extensions: 4 known, 2 not known" in str(report)
    assert "not known: x-klaviyo-cost" in str(report)
    # They are kept: what they mean may be told later.
    assert (
        operation(json.loads((tmp_path / "specs" / REVISION / "update_note.json").read_text()))["x-klaviyo-cost"] == 3
    )


# --- shapes of sources


def test_documents_as_received(upstream: Path, tmp_path: Path) -> None:
    """Raw line breaks inside strings; an overview and a list of links lie in the same folder."""
    report = import_documents(upstream / "as-received", REVISION, tmp_path)
    assert {path.stem for path in (tmp_path / REVISION).iterdir()} == AS_RECEIVED
    assert sorted(note.partition(" ")[0] for note in report.notes) == ["api-overview.txt", "llms.txt"]


def test_a_document_as_received_is_the_same_as_the_clean_one(upstream: Path, specs: Path, tmp_path: Path) -> None:
    import_documents(upstream / "as-received" / "create_client_push_token.txt", REVISION, tmp_path)
    name = "create_client_push_token.json"
    assert (tmp_path / REVISION / name).read_bytes() == (specs / REVISION / name).read_bytes()


def test_a_small_document_as_received_is_the_same_as_the_clean_one(document: dict[str, Any], tmp_path: Path) -> None:
    """Raw line breaks inside strings; an overview in the same folder."""
    clean = take(document, tmp_path)
    text = json.dumps(document).replace('"prose"', '"raw\nline\tbreaks"')
    (tmp_path / "received").mkdir()
    (tmp_path / "received" / "update_note.txt").write_text(text, encoding="utf-8")
    (tmp_path / "received" / "api-overview.txt").write_text("# Overview\n", encoding="utf-8")
    report = import_documents(tmp_path / "received", REVISION, tmp_path / "again")
    assert "api-overview.txt" in [note.partition(" ")[0] for note in report.notes]
    assert json.loads((tmp_path / "again" / REVISION / "update_note.json").read_text("utf-8")) == clean["update_note"]


def test_a_small_bundle_gives_the_same_files_as_single_documents(document: dict[str, Any], tmp_path: Path) -> None:
    second = copy.deepcopy(document)
    second["paths"] = {"/api/notes": {"get": {**operation(second), "operationId": "get_notes", "parameters": []}}}
    (tmp_path / "single").mkdir()
    write(tmp_path / "single" / "update_note.json", document)
    write(tmp_path / "single" / "get_notes.json", second)
    import_documents(tmp_path / "single", REVISION, tmp_path / "specs")
    import_documents(write(tmp_path / "all.json", _bundle(tmp_path / "single")), REVISION, tmp_path / "bundled")
    files = sorted((tmp_path / "specs" / REVISION).iterdir())
    assert [path.stem for path in files] == ["get_notes", "update_note"]
    for path in files:
        assert path.read_bytes() == (tmp_path / "bundled" / REVISION / path.name).read_bytes()


def _bundle(folder: Path) -> dict[str, Any]:
    bundle: dict[str, Any] = {}
    for path in sorted(folder.glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        bundle.setdefault("openapi", document["openapi"])
        for key in ("info", "servers", "security"):
            bundle.setdefault(key, document[key])
        tags = bundle.setdefault("tags", [])
        tags += [tag for tag in document["tags"] if tag not in tags]
        for route, item in document["paths"].items():
            bundle.setdefault("paths", {}).setdefault(route, {}).update(item)
        for section, part in document["components"].items():
            bundle.setdefault("components", {}).setdefault(section, {}).update(part)
    return bundle


def test_a_bundle_gives_the_same_files_as_single_documents(upstream: Path, specs: Path, tmp_path: Path) -> None:
    bundle = write(tmp_path / "stable.json", _bundle(upstream / REVISION))
    import_documents(bundle, REVISION, tmp_path / "specs")
    for path in (specs / REVISION).iterdir():
        assert json.loads((tmp_path / "specs" / REVISION / path.name).read_bytes()) == json.loads(path.read_bytes())


def test_a_list_of_documents(document: dict[str, Any], tmp_path: Path) -> None:
    second = copy.deepcopy(document)
    second["paths"] = {"/api/notes": {"get": {**operation(second), "operationId": "get_notes"}}}
    second["paths"]["/api/notes"]["get"]["parameters"] = []
    report = import_documents(write(tmp_path / "list.json", [document, second]), REVISION, tmp_path / "specs")
    assert report.added == ["get_notes", "update_note"]


def test_a_byte_order_mark_is_no_problem(document: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "marked.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(document).encode())
    assert import_documents(path, REVISION, tmp_path / "specs").operations == 1


@pytest.mark.parametrize("revision", ["2027-01-15", "2026-04-15.pre", "2025-04-15"])
def test_a_document_of_another_revision_is_refused(document: dict[str, Any], tmp_path: Path, revision: str) -> None:
    with pytest.raises(CodegenError, match=f"is for revision 2026-04-15, not {revision}") as caught:
        import_documents(write(tmp_path / "a.json", document), revision, tmp_path / "specs")
    assert caught.value.place == "/info/version"
    assert not (tmp_path / "specs").exists()


@pytest.mark.parametrize(
    ("version", "good"), [("2026-03-20.pre", True), ("2026-01-15.pre", False), ("2026-05-01.pre", False)]
)
def test_a_beta_may_still_call_itself_what_it_was_a_few_weeks_before(
    document: dict[str, Any], tmp_path: Path, version: str, good: bool
) -> None:
    document["info"]["version"] = version
    source = write(tmp_path / "a.json", document)
    if good:
        report = import_documents(source, "2026-04-15.pre", tmp_path / "specs")
        assert report.notes[0].endswith("is labelled '2026-03-20.pre', imported as 2026-04-15.pre")
    else:
        with pytest.raises(CodegenError, match="is for revision"):
            import_documents(source, "2026-04-15.pre", tmp_path / "specs")


# --- the folder


def test_the_import_replaces_the_whole_folder(document: dict[str, Any], tmp_path: Path) -> None:
    specs = tmp_path / "specs"
    take(document, tmp_path, specs)
    operation(document)["operationId"] = "change_note"
    report = import_documents(write(tmp_path / "document.json", document), REVISION, specs)
    assert (report.added, report.removed) == (["change_note"], ["update_note"])
    assert [path.name for path in specs.rglob("*")] == [REVISION, "change_note.json"]


def test_a_folder_that_holds_something_else_is_left_alone(document: dict[str, Any], tmp_path: Path) -> None:
    mine = tmp_path / "specs" / REVISION / "notes.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine", encoding="utf-8")
    with pytest.raises(CodegenError, match=r"notes\.txt.*is not a spec"):
        take(document, tmp_path)
    assert mine.read_text(encoding="utf-8") == "mine"


# --- what is refused, with nothing written


def _op(document: dict[str, Any]) -> dict[str, Any]:
    return operation(document)


def _schemas(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"]
    return found


def _query(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = _op(document)["parameters"][1]
    return found


def _body(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = _op(document)["requestBody"]["content"]
    return found


def _answer(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = _op(document)["responses"]["200"]
    return found


def _deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


HOSTILE: dict[str, tuple[Any, str]] = {
    "path traversal": (lambda d: _op(d).update(operationId="../../etc/passwd"), "not a valid operationId"),
    "absolute path": (lambda d: _op(d).update(operationId="/tmp/x"), "not a valid operationId"),
    "code in a name": (lambda d: _op(d).update(operationId="x():\n  import os"), "not a valid operationId"),
    "a trailing line break": (lambda d: _op(d).update(operationId="update_note\n"), "not a valid operationId"),
    "a Python keyword": (lambda d: _op(d).update(operationId="import"), "not a valid operationId"),
    "upper case": (lambda d: _op(d).update(operationId="UpdateNote"), "not a valid operationId"),
    "a number for a name": (lambda d: _op(d).update(operationId=7), "not a valid operationId"),
    "a name too long": (lambda d: _op(d).update(operationId="a" * 300), "not a valid operationId"),
    "no operationId": (lambda d: _op(d).pop("operationId"), "has no operationId"),
    "a hostile alias": (lambda d: _op(d).update({"x-klaviyo-operation-aliases": ["a; b"]}), "no alias"),
    "a hostile tag": (lambda d: _op(d).update(tags=["../x"]), "needs a tag"),
    "no tag": (lambda d: _op(d).pop("tags"), "needs a tag"),
    "a hostile component": (lambda d: _schemas(d).update({"../x": {"type": "string"}}), "not a component name"),
    "a hostile path": (lambda d: d["paths"].update({'/a"b': {}}), "not a path"),
    "wrong version": (lambda d: d.update(openapi="3.1.0"), "only 3.0.x"),
    "swagger": (lambda d: (d.pop("openapi"), d.update(swagger="2.0")), "only 3.0.x"),
    "no paths": (lambda d: d.update(paths={}), "no operations"),
    "paths is a list": (lambda d: d.update(paths=[]), "must be an object"),
    "operation is text": (lambda d: d["paths"]["/api/notes/{id}"].update(get="x"), "must be an object"),
    "schema is a list": (lambda d: _schemas(d).update(Note=[]), "must be an object"),
    "properties is a list": (lambda d: _schemas(d).update(Note={"properties": []}), "properties must be an object"),
    "type is a list": (lambda d: _schemas(d).update(Note={"type": ["string", "null"]}), "type must be text"),
    "an empty enum": (lambda d: _schemas(d).update(Note={"enum": []}), "enum without values"),
    "unresolvable": (lambda d: _schemas(d).update(Note={"$ref": "#/components/schemas/Gone"}), "doesn't have"),
    "another file": (lambda d: _schemas(d).update(Note={"$ref": "file:///etc/passwd"}), "doesn't have"),
    "another host": (lambda d: _schemas(d).update(Note={"$ref": "http://127.0.0.1/x.json"}), "doesn't have"),
    "to itself": (lambda d: _schemas(d).update(Note={"$ref": "#/components/schemas/Note"}), "refers back to itself"),
    "in a circle": (
        lambda d: _schemas(d).update(
            Note={"oneOf": [{"$ref": "#/components/schemas/B"}]}, B={"allOf": [{"$ref": "#/components/schemas/Note"}]}
        ),
        "refers back to itself: Note → B → Note",
    ),
    "absurdly deep": (lambda d: _schemas(d).update(Note=_deep(400)), "nested deeper"),
    "a rate that is none": (lambda d: _op(d)["x-klaviyo-ratelimit"].update(burst="all of them"), "is 'all of them'"),
    "rates in a list": (lambda d: _op(d).update({"x-klaviyo-ratelimit": ["1/s"]}), "must be an object"),
    "scopes as text": (lambda d: _op(d).update({"x-klaviyo-scopes": "all"}), "must be a list"),
    "a parameter twice": (lambda d: _op(d)["parameters"].append(dict(_op(d)["parameters"][1])), "twice"),
    "a path parameter that isn't": (lambda d: _op(d)["parameters"].pop(0), "must be in the path"),
    "no responses": (lambda d: _op(d).update(responses={}), "has no responses"),
    "no success": (lambda d: _op(d)["responses"].pop("200"), "has no response for success"),
    "a dot in a path": (lambda d: d["paths"].update({"/api/../x": {}}), "not a path"),
    "two slashes": (lambda d: d["paths"].update({"/api//x": {}}), "not a path"),
    "a style that isn't form": (
        lambda d: _query(d).update(style="pipeDelimited"),
        "style 'pipeDelimited', which is not",
    ),
    "spaces between values": (lambda d: _query(d).update(style="spaceDelimited"), "style 'spaceDelimited'"),
    "deep objects": (lambda d: _query(d).update(style="deepObject"), "style 'deepObject'"),
    "a matrix in the path": (lambda d: _op(d)["parameters"][0].update(style="matrix"), "style 'matrix'"),
    "a style that is none": (lambda d: _query(d).update(style=7), "style 7"),
    "reserved characters": (lambda d: _query(d).update(allowReserved=True), "allowReserved"),
    "two kinds of bodies": (
        lambda d: _body(d).update({"application/json": {"schema": {"type": "object"}}}),
        "must have a body with a single media type, has application/json, application/vnd.api+json",
    ),
    "no kind of body": (lambda d: _body(d).clear(), "must have a body with a single media type, has none"),
    "a body of text": (
        lambda d: _op(d)["requestBody"].update(content={"text/plain": {"schema": {}}}),
        "body of type text/plain",
    ),
    "a body without a schema": (lambda d: _body(d)["application/vnd.api+json"].pop("schema"), "body without a schema"),
    "success that is no JSON": (
        lambda d: _answer(d).update(content={"text/csv": {"schema": {"type": "string"}}}),
        "responds with text/csv; only JSON can be read",
    ),
    "success of two kinds": (
        lambda d: _answer(d)["content"].update({"application/json": {"schema": {"type": "object"}}}),
        "responds with one of application/json, application/vnd.api+json",
    ),
    "success without a schema": (
        lambda d: _answer(d).update(content={"application/json": {}}),
        "JSON without a schema",
    ),
    "a bound that is none": (
        lambda d: _schemas(d)["description"].update(maxLength="x"),
        "maxLength must be a whole number",
    ),
    "a bound that is true": (lambda d: _schemas(d)["description"].update(maximum=True), "maximum must be a number"),
    "an extension of ours": (
        lambda d: _schemas(d)["description"].update({"x-max-bytes": "x"}),
        "must be a whole number",
    ),
    "a lone surrogate": (lambda d: _op(d).update(summary="\ud800"), "surrogate"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_documents_are_refused_and_nothing_is_written(
    case: str, document: dict[str, Any], tmp_path: Path
) -> None:
    specs = tmp_path / "specs"
    take(document, tmp_path, specs)
    before = {path: path.read_bytes() for path in specs.rglob("*.json")}
    spoil, problem = HOSTILE[case]
    spoil(document)
    with pytest.raises(CodegenError) as caught:
        take(document, tmp_path, specs)
    assert problem in str(caught.value)
    assert caught.value.file is not None
    assert "document.json" in caught.value.file
    assert {path: path.read_bytes() for path in specs.rglob("*") if path.is_file()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["document.json", "specs"]


def test_errors_name_the_place(document: dict[str, Any], tmp_path: Path) -> None:
    _schemas(document)["Note"]["properties"]["zeta"] = {"$ref": "#/components/schemas/Gone"}
    with pytest.raises(CodegenError) as caught:
        take(document, tmp_path)
    assert caught.value.place == "/components/schemas/Note/properties/zeta"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "not JSON"),
        (b"{", "line 1 column 2"),
        (b"not json", "not JSON"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b'{"openapi": "3.0.2", "openapi": "3.0.3"}', "'openapi' is given twice"),
        (b'{"openapi": NaN}', "NaN"),
        (b'{"openapi": 1e999}', "too large"),
        (b'{"openapi": ' + b"9" * 5000 + b"}", "not a usable document"),
        (b"[" * 100_000, "nested deeper"),
        (b"[" * 2_000 + b"]" * 2_000, "nested deeper"),
        (b"7", "must be an object"),
        (b"[]", "empty list"),
        (b"[7]", "must be an object"),
        (b"null", "must be an object"),
    ],
)
def test_files_that_are_no_documents(text: bytes, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(text)
    with pytest.raises(CodegenError, match=problem) as caught:
        import_documents(path, REVISION, tmp_path / "specs")
    assert str(path) in str(caught.value)
    assert not (tmp_path / "specs").exists()


ODD = [
    None, True, 0, -1, 1.5, "", "x", "../x", "\n\"\"\"'", [], [None], ["a"], {}, {"a": 1}, {"$ref": 5}, {"type": "object"},
    {"$ref": "#/components/schemas/Gone"}, {"nullable": True}, {"allOf": []}, {"enum": [{}]}, {"items": {}},
]  # fmt: skip


def _places(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, item in inner for place in [(*above, key), *_places(item, (*above, key))]]


@given(data=st.data())
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_document_with_anything_anywhere_is_imported_or_refused(
    data: st.DataObject, document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Never any other error; and what the import took, the next steps take or refuse as well."""
    document = copy.deepcopy(document)
    for place in data.draw(st.lists(st.sampled_from(_places(document)), min_size=1, max_size=2)):
        odd = copy.deepcopy(data.draw(st.sampled_from(ODD)))
        holder: Any = document
        with contextlib.suppress(KeyError, IndexError, TypeError):  # an earlier draw took the place away
            for key in place[:-1]:
                holder = holder[key]
            holder[place[-1]] = odd
    specs = tmp_path_factory.mktemp("odd")
    with contextlib.suppress(CodegenError):
        import_documents(write(specs / "document.json", document), REVISION, specs / "specs")
        normalise(load_revision(specs / "specs", REVISION).document)


def test_an_operation_defined_twice_names_both_files(document: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "src"
    folder.mkdir()
    write(folder / "a.json", document)
    write(folder / "b.json", document)
    with pytest.raises(CodegenError, match=r"b\.json.*update_note is already defined in .*a\.json"):
        import_documents(folder, REVISION, tmp_path / "specs")


def test_one_route_for_two_operations(document: dict[str, Any], tmp_path: Path) -> None:
    other = {**copy.deepcopy(operation(document)), "operationId": "patch_note"}
    other["parameters"][0]["name"] = "key"
    document["paths"]["/api/notes/{key}"] = {"patch": other}
    with pytest.raises(CodegenError, match="patch_note has the same route as update_note"):
        take(document, tmp_path)


def test_documents_that_contradict_each_other(document: dict[str, Any], tmp_path: Path) -> None:
    second = copy.deepcopy(document)
    second["paths"] = {"/api/notes": {"get": {**operation(second), "operationId": "get_notes", "parameters": []}}}
    _schemas(second)["Note"]["properties"]["zeta"] = {"type": "integer"}
    with pytest.raises(CodegenError, match=r"Note is defined differently") as caught:
        import_documents(write(tmp_path / "two.json", [document, second]), REVISION, tmp_path / "specs")
    assert caught.value.place == "/components/schemas/Note"


@pytest.mark.parametrize(("key", "value"), [("security", []), ("servers", [{"url": "https://evil.example"}])])
def test_documents_of_two_apis(key: str, value: Any, document: dict[str, Any], tmp_path: Path) -> None:
    second = copy.deepcopy(document) | {key: value}
    second["paths"] = {"/api/notes": {"get": {**operation(second), "operationId": "get_notes", "parameters": []}}}
    with pytest.raises(CodegenError, match=f"{key} differs from"):
        import_documents(write(tmp_path / "two.json", [document, second]), REVISION, tmp_path / "specs")


def test_recursion_through_properties_is_fine(document: dict[str, Any], tmp_path: Path) -> None:
    _schemas(document)["Note"]["properties"]["zeta"] = {"type": "array", "items": {"$ref": "#/components/schemas/Note"}}
    assert list(take(document, tmp_path)) == ["update_note"]


@pytest.mark.parametrize("revision", ["", "latest", "2026-4-15", "2026-02-30", "2026-04-15/..", "2026-04-15\n", "../x"])
def test_revisions_that_are_none(revision: str, document: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(CodegenError, match="not a revision"):
        import_documents(write(tmp_path / "a.json", document), revision, tmp_path / "specs")


def test_sources_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(CodegenError, match=r"no such file"):
        import_documents(tmp_path / "gone", REVISION, tmp_path / "specs")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CodegenError, match=r"no .json or .txt"):
        import_documents(tmp_path / "empty", REVISION, tmp_path / "specs")
    (tmp_path / "empty" / "a.txt").write_text("text", encoding="utf-8")
    with pytest.raises(CodegenError, match="no OpenAPI document"):
        import_documents(tmp_path / "empty", REVISION, tmp_path / "specs")
