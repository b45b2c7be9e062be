"""One class for each resource type, and what is inside schemas named after what it is."""

from __future__ import annotations

import importlib
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import attrs
import pytest

from codegen.errors import CodegenError
from codegen.generating.emit import generate
from codegen.generating.interface.naming import LONGEST, candidates
from codegen.generating.interface.settle import settle
from codegen.generating.ir import Array, Object
from codegen.generating.parse import engine
from codegen.generating.parse.normalise import normalise
from codegen.generating.text.render import annotation
from codegen.specs import undeclared
from codegen.specs.assemble import known_revisions, load_revision
from klaviyo_async import REVISION, operations, resources
from klaviyo_async._model import Document, Model
from tests.codegen.conftest import PROJECT
from tests.codegen.places import places

if TYPE_CHECKING:
    from codegen.generating.interface.resources import Gathered

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
SPECS = PROJECT / "specs"
REVISIONS = known_revisions(SPECS)
NAMES: list[str] = vars(resources)["__all__"]


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def obj(required: tuple[str, ...] = (), /, **properties: Schema) -> Schema:
    named = {name.replace("__", "-"): schema for name, schema in properties.items()}
    return {"type": "object", "properties": named} | ({"required": list(required)} if required else {})


def listed(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def resource(kind: str, required: tuple[str, ...] = ("type", "id", "attributes"), /, **properties: Schema) -> Schema:
    """A schema of a resource, or with nothing more an identifier."""
    return obj(required, type={"type": "string", "enum": [kind]}, id=TEXT, **properties)


def identifier(kind: str) -> Schema:
    return resource(kind, ("type", "id"))


def document(reads: dict[str, Schema], writes: dict[str, Schema] | None = None, **schemas: Schema) -> Schema:
    """A document with a GET for each schema of `reads` and a POST for each of `writes`."""
    paths: Schema = {}
    for method, roots in (("get", reads), ("post", writes or {})):
        for name in roots:
            content = {"application/vnd.api+json": {"schema": ref(name)}}
            operation: Schema = {"operationId": f"{method}_{name.lower()}", "tags": ["x"], "responses": {}}
            if method == "get":
                operation["responses"]["200"] = {"description": "", "content": content}
            else:
                operation["responses"]["204"] = {"description": ""}
                operation["requestBody"] = {"content": content}
            paths[f"/{method}/{name}"] = {method: operation}
    components = {"schemas": reads | (writes or {}) | schemas}
    return {"openapi": "3.0.2", "info": {"title": "", "version": ""}, "paths": paths, "components": components}


def settled(whole: Schema, besides: list[undeclared.Undeclared] | None = None) -> Gathered:
    found = normalise(whole)
    parsed = engine.parse(found, Path("specs"))
    reader = engine.Reader(parsed, found["components"]["schemas"])
    gathered, _ = settle(
        reader.models,
        reader.aliases,
        documents=[Object(name) for name in parsed.roots.results.values() if name],
        bodies=[Object(name) for name in parsed.roots.bodies.values() if name],
        undeclared=besides or (),
    )
    return gathered


def fields(gathered: Gathered, name: str, package: Literal["models", "resources"] = "resources") -> dict[str, str]:
    """The fields of a class with their annotations."""
    return {each.wire: annotation(each.type) for each in gathered.models[Object(name, package)].fields}


def names(gathered: Gathered, package: str) -> set[str]:
    return {key.name for key in gathered.models if key.package == package}


# --- the merge


def notes(**attributes: Schema) -> Schema:
    return resource("sticky-note", attributes=obj(**attributes))


def test_schemas_of_a_type_are_one_class_with_all_that_any_of_them_has() -> None:
    gathered = settled(
        document(
            {
                "GetNote": obj(data=notes(text=TEXT, pin=obj(x=NUMBER))),
                "GetNotes": obj(data=listed(ref("NoteResource"))),
                "GetBoard": obj(data=resource("board"), included=listed(ref("NoteResource"))),
            },
            NoteResource=notes(text=TEXT, color=TEXT, pin=obj(y=NUMBER)),
        )
    )
    assert fields(gathered, "StickyNote") == {
        "type": "Literal['sticky-note']",
        "id": "str",
        "attributes": "StickyNoteAttributes",
    }
    assert fields(gathered, "StickyNoteAttributes") == {"text": "str", "color": "str", "pin": "StickyNotePin"}
    assert fields(gathered, "StickyNotePin") == {"x": "float", "y": "float"}
    assert fields(gathered, "GetNote", "models")["data"] == "StickyNote"
    assert fields(gathered, "GetNotes", "models")["data"] == "list[StickyNote]"
    assert fields(gathered, "GetBoard", "models")["included"] == "list[StickyNote]"
    assert gathered.aliases == {"NoteResource": Object("StickyNote", "resources")}
    assert names(gathered, "models") == {"GetNote", "GetNotes", "GetBoard"}
    assert gathered.notes == []


def test_all_of_a_resource_has_one_module() -> None:
    related = obj(friends=obj(data=listed(identifier("sticky-note"))))
    note = resource("sticky-note", attributes=obj(pin=obj(x=NUMBER)), relationships=related)
    gathered = settled(document({"GetNote": obj(data=note)}))
    assert {model.module for model in gathered.models.values() if model.object.package == "resources"} == {
        "sticky_note"
    }
    assert names(gathered, "resources") == {
        *("StickyNote", "StickyNoteAttributes", "StickyNoteRelationships"),
        *("StickyNoteIdentifier", "StickyNoteToMany", "StickyNotePin"),
    }


def test_a_contradiction_is_a_union_and_is_told() -> None:
    gathered = settled(document({"GetA": obj(data=notes(size=TEXT)), "GetB": obj(data=notes(size=NUMBER))}))
    assert fields(gathered, "StickyNoteAttributes") == {"size": "str | float"}
    (note,) = gathered.notes
    assert note.startswith("StickyNote: attributes.size is ")
    assert "str in GetADataAttributes" in note
    assert "float in GetBDataAttributes" in note


def test_contradictions_inside_lists_and_objects_are_found_there() -> None:
    first, second = notes(pins=listed(obj(x=NUMBER))), notes(pins=listed(obj(x=TEXT)))
    gathered = settled(document({"GetA": obj(data=first), "GetB": obj(data=second)}))
    assert fields(gathered, "StickyNoteAttributes") == {"pins": "list[StickyNotePinsItem]"}
    assert fields(gathered, "StickyNotePinsItem") == {"x": "float | str"}
    assert len(gathered.notes) == 1


def test_null_and_unions_stay() -> None:
    size = {"oneOf": [TEXT, NUMBER]}
    gathered = settled(
        document({"GetA": obj(data=notes(size=size)), "GetB": obj(data=notes(size=size | {"nullable": True}))})
    )
    assert fields(gathered, "StickyNoteAttributes") == {"size": "str | float | None"}
    assert gathered.notes == []


def test_schemas_of_other_names_and_the_same_content_are_no_contradiction() -> None:
    gathered = settled(
        document(
            {"GetA": obj(data=notes(pin=ref("PinSubObject"))), "GetB": obj(data=notes(pin=ref("Pin")))},
            Pin=obj(x=NUMBER),
            PinSubObject=obj(x=NUMBER),
        )
    )
    assert fields(gathered, "StickyNoteAttributes") == {"pin": "Pin"}
    assert gathered.notes == []
    assert {"Pin", "PinSubObject"} < names(gathered, "models")


def test_what_only_some_documents_require_may_be_missing() -> None:
    both = resource("sticky-note", attributes=obj(("text", "color"), text=TEXT, color=TEXT))
    one = resource("sticky-note", attributes=obj(("text",), text=TEXT))
    gathered = settled(document({"GetA": obj(data=both), "GetB": obj(data=one)}))
    found = {each.wire: each.required for each in gathered.models[Object("StickyNoteAttributes", "resources")].fields}
    assert found == {"text": True, "color": False}


def test_resources_and_documents_always_have_what_json_api_asks_for() -> None:
    links = {"type": "object", "properties": {"self": TEXT}}
    note = resource("sticky-note", (), attributes=obj(text=TEXT) | {"nullable": True}, links=links, meta=links)
    gathered = settled(document({"GetA": obj(data={"allOf": [note], "nullable": True}, links=links, meta=links)}))
    resource_class, result = gathered.models[Object("StickyNote", "resources")], gathered.models[Object("GetA")]
    assert {each.wire for each in resource_class.fields if each.always} == {"type", "id", "attributes", "links"}
    assert {each.wire for each in result.fields if each.always} == {"data", "links"}
    assert fields(gathered, "StickyNote")["attributes"] == "StickyNoteAttributes"
    assert fields(gathered, "GetA", "models")["data"] == "StickyNote"


def test_request_bodies_keep_their_schemas() -> None:
    create = obj(data=ref("NoteCreateQueryResourceObject"))
    gathered = settled(
        document(
            {"GetNote": obj(data=notes(text=TEXT))},
            {"NoteCreateQuery": create},
            NoteCreateQueryResourceObject=obj(
                type={"type": "string", "enum": ["sticky-note"]}, attributes=obj(text=TEXT, pin=obj(x=NUMBER))
            ),
        )
    )
    assert {"NoteCreateQuery", "NoteCreateQueryResourceObject"} < names(gathered, "models")
    assert fields(gathered, "NoteCreateQueryResourceObject", "models")["attributes"] == "NoteCreateQueryAttributes"
    assert fields(gathered, "NoteCreateQueryAttributes", "models")["pin"] == "NoteCreateQueryPin"
    sides = {key.name: (model.reads, model.writes) for key, model in gathered.models.items()}
    assert sides["NoteCreateQueryPin"] == (False, True)
    assert sides["StickyNoteAttributes"] == (True, False)


def test_relationships_are_one_class_for_reading_and_writing() -> None:
    read = resource("sticky-note", relationships=obj(board=obj(data=identifier("board"), links=obj(self=TEXT))))
    write = obj(
        type={"type": "string", "enum": ["sticky-note"]}, relationships=obj(board=obj(data=identifier("board")))
    )
    body = obj(data=write | {"properties": write["properties"] | {"id": TEXT}})
    gathered = settled(document({"GetNote": obj(data=read)}, {"NoteQuery": body}))
    assert fields(gathered, "BoardToOne").keys() == {"data", "links"}
    found = gathered.models[Object("BoardToOne", "resources")]
    assert (found.reads, found.writes) == (True, True)
    assert fields(gathered, "BoardIdentifier") == {"type": "Literal['board']", "id": "str"}


def test_a_body_inside_a_body_is_named_after_its_content() -> None:
    note = obj(type={"type": "string", "enum": ["sticky-note"]}, attributes=obj(text=TEXT))
    bulk = obj(data=obj(notes=obj(data=listed(ref("NoteQueryResourceObject")))))
    gathered = settled(document({}, {"Bulk": bulk, "Other": bulk}, NoteQueryResourceObject=note))
    assert "NoteQueryToMany" in names(gathered, "models")
    assert (
        fields(gathered, "BulkData", "models")
        == fields(gathered, "OtherData", "models")
        == {"notes": "NoteQueryToMany"}
    )


def test_types_that_would_share_a_class_are_refused() -> None:
    whole = document({"GetA": obj(data=resource("sticky-note")), "GetB": obj(data=resource("sticky_note"))})
    with pytest.raises(CodegenError, match="can't both be called StickyNote"):
        settled(whole)


def test_a_schema_and_a_resource_may_have_one_name() -> None:
    note = resource("coupon", attributes=obj(block=ref("Coupon")))
    gathered = settled(document({"GetA": obj(data=note)}, Coupon=obj(code=TEXT)))
    assert Object("Coupon", "models") in gathered.models
    assert Object("Coupon", "resources") in gathered.models
    block = next(
        each for each in gathered.models[Object("CouponAttributes", "resources")].fields if each.wire == "block"
    )
    assert block.type == Object("Coupon", "models")


# --- what no schema declares


def test_what_overrides_add_is_like_what_is_declared() -> None:
    besides = undeclared.Undeclared(
        "sticky-note", True, {"hash": "str"}, {"board": ("board", False), "pins": ("pin", True)}
    )
    gathered = settled(document({"GetNote": obj(data=notes(text=TEXT))}), [besides, undeclared.Undeclared("gone")])
    assert fields(gathered, "StickyNoteAttributes") == {"text": "str", "hash": "str | None"}
    assert fields(gathered, "StickyNoteRelationships") == {"board": "BoardToOne", "pins": "PinToMany"}
    assert fields(gathered, "BoardToOne") == {"data": "BoardIdentifier | None"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('type = "a"', "why and type are required"),
        ('why = "x"\ntype = "a"\nmore = 1', "a [[resource]] can have"),
        ('why = "x"\ntype = "a"\nattributes.b = "text"', "not an attribute type: text"),
        ('why = "x"\ntype = "a"\nrelationships.b = "c"', "a relationship must have type"),
    ],
)
def test_an_override_that_can_not_be_understood_is_refused(text: str, problem: str, tmp_path: Path) -> None:
    file = tmp_path / "overrides.toml"
    file.write_text(f"[[resource]]\n{text}\n", encoding="utf-8")
    with pytest.raises(CodegenError) as caught:
        undeclared.load(file, REVISION)
    assert problem in str(caught.value)
    assert caught.value.place == "/resource/0"


def test_overrides_are_about_revisions(tmp_path: Path) -> None:
    file = tmp_path / "overrides.toml"
    assert undeclared.load(file, "2026-04-15") == []
    file.write_text(
        '[[resource]]\nwhy = "x"\ntype = "a"\nsince = "2026-04-15"\nuntil = "2026-04-15"\n', encoding="utf-8"
    )
    revisions = ("2026-01-15", "2026-04-15", "2026-07-15")
    assert [len(undeclared.load(file, revision)) for revision in revisions] == [0, 1, 0]


# --- names


def test_a_name_says_what_a_thing_is_and_not_who_else_has_it() -> None:
    first = document({"GetNote": obj(data=notes(pin=obj(x=NUMBER)))}, {"Query": obj(pin=obj(x=NUMBER))})
    more = document(
        {"GetNote": obj(data=notes(pin=obj(x=NUMBER))), "AGet": obj(data=notes(pin=obj(x=NUMBER)), pin=obj(x=NUMBER))},
        {"AQuery": obj(pin=obj(x=NUMBER)), "Query": obj(pin=obj(x=NUMBER))},
    )
    before, after = settled(first), settled(more)
    assert before.models.keys() <= after.models.keys()
    assert after.models.keys() - before.models.keys() == {
        Object(name) for name in ("AGet", "AGetPin", "AQuery", "AQueryPin")
    }


@pytest.mark.parametrize(
    ("base", "path", "name"),
    [
        ("Note", ("pin", "position"), "NotePinPosition"),
        ("Note", ("campaign-messages", "item"), "NoteCampaignMessagesItem"),
        ("ActionOutputSplitActionData", ("action_output_filter", "condition_groups", "item"), "ActionOutputSplitActionDataConditionGroupsItem"),
        ("ProfilePredictiveAnalyticsChannelAffinityPriorityCondition", ("x",), "AnalyticsChannelAffinityPriorityConditionX"),
    ],
)  # fmt: skip
def test_names_are_cut_at_the_front(base: str, path: tuple[str, ...], name: str) -> None:
    found = candidates(base, path)
    first = [next(found) for _ in range(8)]
    assert all(len(each) <= LONGEST and each.isidentifier() for each in first)
    assert len(set(first)) == 8
    assert first[0] == name


# --- the revisions at hand


@pytest.fixture(scope="module")
def revisions() -> dict[str, Gathered]:
    """What each of the project's revisions gathers, oldest first."""
    specs = {revision: load_revision(SPECS, revision) for revision in REVISIONS}
    return {revision: settled(spec.document, list(spec.undeclared)) for revision, spec in specs.items()}


@pytest.fixture(scope="module")
def shipped(revisions: dict[str, Gathered]) -> Gathered:
    return revisions[REVISION]


def test_no_name_is_long_but_where_the_document_has_it(revisions: dict[str, Gathered]) -> None:
    for gathered in revisions.values():
        assert [
            key.name for key, model in gathered.models.items() if len(key.name) > LONGEST and not model.component
        ] == []


@pytest.mark.parametrize(("earlier", "later"), list(pairwise(REVISIONS)))
def test_names_are_the_same_in_the_next_revision(revisions: dict[str, Gathered], earlier: str, later: str) -> None:
    """What both revisions have, by the schema or resource and the properties that lead to it, is called the same."""
    first, second = (dict(places(revisions[revision])) for revision in (earlier, later))
    both = first.keys() & second.keys()
    assert len(both) > 500
    assert [(place, first[place], second[place]) for place in both if first[place] != second[place]] == []
    gone = {key for key, model in revisions[earlier].models.items() if not model.component}
    assert gone - revisions[later].models.keys() == set()


def test_no_revision_contradicts_itself(revisions: dict[str, Gathered]) -> None:
    """Else look at the new note: is the union right, or does an override serve the user better?"""
    assert {revision: gathered.notes for revision, gathered in revisions.items()} == {
        revision: [] for revision in REVISIONS
    }


def test_every_resource_type_has_its_classes(shipped: Gathered) -> None:
    found = [key.name for key, model in shipped.models.items() if model.doc.startswith("The resource ")]
    assert len(found) > 60
    for name in found:
        cls = getattr(resources, name)
        assert issubclass(cls, Model)
        assert cls.__name__ == name
        assert cls.__module__.startswith("klaviyo_async.resources.")
        kind: Any = attrs.fields_dict(cls)["type"].default
        assert kind.title().replace("-", "") == name
        assert name in NAMES
        identifier = getattr(resources, f"{name}Identifier")(id="1")
        assert identifier.to_dict() == {"type": kind, "id": "1"}
    assert {"Profile", "Event", "List", "CampaignMessage", "ProfileBulkImportJob", "PushToken"} <= set(found)


def test_what_is_read_is_never_unset_and_what_is_always_there_never_none(shipped: Gathered) -> None:
    for operation in operations.values():
        if operation.response is None:
            continue
        document = getattr(importlib.import_module(operation.models), operation.response)
        assert issubclass(document, Document)
        for name in {"data", "links"} & attrs.fields_dict(document).keys():
            assert "None" not in document.__annotations__[name], (operation.response, name)
    read = [key for key, model in shipped.models.items() if model.reads]
    assert len(read) > 900
    for key in read:
        cls = getattr(importlib.import_module(f"klaviyo_async.{key.package}"), key.name)
        assert not any("Unset" in text for text in cls.__annotations__.values()), key
    for name in NAMES:
        cls = getattr(resources, name)
        if name.endswith(("Attributes", "Relationships", "ToOne", "ToMany")) or f"{name}Attributes" not in NAMES:
            continue
        for field in {"id", "type", "attributes", "links"} & attrs.fields_dict(cls).keys():
            assert "None" not in cls.__annotations__[field], (name, field)


def test_a_list_operation_gives_the_class_that_a_create_gives(shipped: Gathered) -> None:
    def data(name: str) -> object:
        return next(each.type for each in shipped.models[Object(name)].fields if each.wire == "data")

    profile = Object("Profile", "resources")
    for name in ("get_profiles", "get_profiles_for_list", "get_profiles_for_segment"):
        assert data(operations[name].response or "") == Array(profile)
    for name in (
        "create_profile",
        "update_profile",
        "get_profile",
        "create_or_update_profile",
        "get_profile_for_event",
    ):
        assert data(operations[name].response or "") == profile
    assert data(operations["get_profile_ids_for_list"].response or "") == Array(
        Object("ProfileIdentifier", "resources")
    )


def test_what_is_generated_tells_of_contradictions(tmp_path: Path) -> None:
    report = generate(REVISION, PROJECT / "specs", tmp_path, "other")
    report = attrs.evolve(report, gathered=attrs.evolve(report.gathered, notes=["a note"]))
    assert str(report).startswith("a note\nother: revision ")
