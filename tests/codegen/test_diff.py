"""What changed between two revisions, and what breaks."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

from codegen.diff import Diff, compare
from codegen.errors import CodegenError
from codegen.upstream import import_documents

if TYPE_CHECKING:
    from pathlib import Path

OLD, NEW = "2026-04-15", "2026-07-15"


@pytest.fixture(scope="module")
def real(specs: Path) -> Diff:
    return compare(specs, OLD, NEW)


def texts(changes: Any) -> list[str]:
    return [f"{'! ' if change.breaking else ''}{change.text}" for change in changes]


# --- the two revisions there are


def test_real_revisions_in_numbers(real: Diff) -> None:
    assert real.counts == {"operations": (309, 345), "schemas": (1198, 1290)}
    assert (len(real.added), len(real.removed), len(real.renamed)) == (36, 0, 0)
    assert (len(real.schemas_added), real.schemas_removed) == (
        94,
        ["GetProfileResponseCollectionCompoundDocument", "GetProfileResponseCompoundDocument"],
    )
    assert real.problems == []


def test_real_revisions_by_name(real: Diff) -> None:
    assert real.added["get_client_ip_allowlist"] == "GET /client/ip-allowlists/{id} (Client; no scopes; 75/s, 750/m)"
    assert "custom-objects:write; 3/s, 60/m; not safe to repeat" in real.added["create_object_type"]
    assert '! `include`: + "conversations" − "conversation"' in texts(real.changed["get_profile"])
    assert any("PluralConversations" in text for text in texts(real.changed["get_profiles"]))
    assert texts(real.schemas_changed["GetAccountResponse"]) == ["`meta` added: ResponseMeta"]
    assert texts(real.schemas_changed["StreetAddress"]) == ["`city` is no longer required", "`city` may be null"]
    assert texts(real.schemas_changed["FlowSms"]) == [
        "! `message_hierarchy[]`: object → MessageHierarchyRcsItem | MessageHierarchySmsItem | string"
    ]
    assert texts(real.schemas_changed["ThrottledSendStrategy"]) == ["`throttle_percentage`: + 1, 2, 5"]
    assert "create_flow" in real.users["FlowSms"]


def test_the_way_back_breaks_more(specs: Path) -> None:
    back = compare(specs, NEW, OLD)
    assert len(back.removed) == 36
    assert all(change.breaking for change in back.removed.values())
    assert texts(back.schemas_changed["ThrottledSendStrategy"]) == ["! `throttle_percentage`: − 1, 2, 5"]


def test_the_report_for_people(real: Diff) -> None:
    report = real.as_markdown()
    assert report.startswith("# 2026-04-15 → 2026-07-15\n")
    assert "| operations | 309 | 345 | 36 | 0 | 2 |" in report
    assert "7 changes break our users." in report
    assert "### The same in 228 schemas\n\n- `meta` added: ResponseMeta" in report
    assert report.index("## Breaking for our users") < report.index("## Operations added")
    assert "### get_profile\n\n- **breaking** `include`" in report
    assert len(report.splitlines()) < 400


def test_the_report_for_machines(real: Diff) -> None:
    data = json.loads(real.as_json())
    assert len(data["breaking"]) == 7
    assert data["counts"]["operations"] == {"old": 309, "new": 345}
    assert {
        "name": "GetProfileResponseCompoundDocument",
        "area": "class",
        "text": "class removed",
        "breaking": True,
    } in data["breaking"]
    assert data["schemas"]["changed"]["StreetAddress"][0]["area"] == "required"


def test_no_difference(specs: Path) -> None:
    same = compare(specs, OLD, OLD)
    assert not same
    assert same.as_markdown().endswith("No difference.")


# --- one change at a time


@pytest.fixture
def change(document: dict[str, Any], tmp_path: Path) -> Any:
    """The difference that a change to the small document makes."""
    specs = tmp_path / "specs"
    specs.mkdir()
    (specs / "overrides.toml").write_text("", encoding="utf-8")

    def run(edit: Any, base: Any = None) -> Diff:
        before = copy.deepcopy(document)
        if base is not None:
            base(before)
        after = copy.deepcopy(before)
        edit(after)
        for revision, value in ((OLD, before), (NEW, after)):
            (tmp_path / "a.json").write_text(json.dumps(value), encoding="utf-8")
            import_documents(tmp_path / "a.json", revision, specs)
        return compare(specs, OLD, NEW)

    return run


def op(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(iter(next(iter(document["paths"].values())).values()))
    return found


def note(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"]["Note"]
    return found


def _query(name: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema}


OPERATION_CHANGES: dict[str, tuple[Any, list[str]]] = {
    "summary": (lambda d: op(d).update(summary="Other"), ["summary: Update Note → Other"]),
    "tag": (lambda d: op(d).update(tags=["Other"]), ['! tag: ["Notes"] → ["Other"]']),
    "deprecated": (lambda d: op(d).update(deprecated=True), ["deprecated: none → true"]),
    "scope": (lambda d: op(d).update({"x-klaviyo-scopes": ["a:read"]}), ['scopes: + "a:read" − "notes:write"']),
    "limits": (
        lambda d: op(d).update({"x-klaviyo-ratelimit": {"burst": "1/s", "steady": "150/m", "daily": "9/d"}}),
        ["burst limit: 10/s → 1/s", "daily limit: none → 9/d"],
    ),
    "parameter removed": (lambda d: op(d)["parameters"].pop(), ["! parameter `description` removed"]),
    "parameter added": (
        lambda d: op(d)["parameters"].append(_query("sort", type="string", enum=["a", "-a"])),
        ['parameter `sort` added: "a", "-a"'],
    ),
    "required parameter": (
        lambda d: op(d)["parameters"].append(_query("company_id", type="string") | {"required": True}),
        ["! required parameter `company_id` added"],
    ),
    "now required": (
        lambda d: op(d)["parameters"][1].update(required=True),
        ["! parameter `description` is now required"],
    ),
    "parameter type": (
        lambda d: op(d)["parameters"][1].update(schema={"type": "integer"}),
        ["! `description`: string → integer"],
    ),
    "filter operator": (
        lambda d: op(d)["x-klaviyo-filters"]["description"]["operators"].update(single=["any"]),
        ['! filter field `description`: + "any" − "equals"'],
    ),
    "filter field": (
        lambda d: op(d).update({"x-klaviyo-filters": {"title": {"operators": {"list": ["any"], "none": ["has"]}}}}),
        ["! filter field `description` removed", "filter field `title` added: any (list), has (none)"],
    ),
    "filter value": (
        lambda d: op(d)["x-klaviyo-filters"]["description"].update(value={"type": "integer"}),
        ['! filter field `description`: value none → {"type": "integer"}'],
    ),
    "body gone": (lambda d: op(d).pop("requestBody"), ["! body: Note → none"]),
    "body required": (lambda d: op(d)["requestBody"].update(required=True), ["! body is now required"]),
    "no answer": (
        lambda d: op(d).update(responses={"204": {"description": ""}}),
        ["! success: 200 Note → 204 without body"],
    ),
    "alias": (lambda d: op(d).update({"x-klaviyo-operation-aliases": ["patch_note"]}), ["alias `patch_note` added"]),
    "caps": (
        lambda d: op(d).update(description="Accepts up to 10 notes per request."),
        ["! cap on rows: none → 10"],
    ),
}


@pytest.mark.parametrize("case", OPERATION_CHANGES)
def test_changes_of_an_operation(case: str, change: Any) -> None:
    edit, expected = OPERATION_CHANGES[case]
    diff = change(edit)
    assert texts(diff.changed["update_note"]) == expected
    assert bool(list(diff.breaking())) == any(text.startswith("!") for text in expected)
    assert all(text.removeprefix("! ") in diff.as_markdown() for text in expected)


SCHEMA_CHANGES: dict[str, tuple[Any, list[str]]] = {
    "added": (
        lambda d: note(d)["properties"].update(new={"type": "string", "nullable": True}),
        ["`new` added: string | null"],
    ),
    "required added": (
        lambda d: (note(d)["properties"].update(new={"type": "string"}), note(d)["required"].append("new")),
        ["! `new` added: required string"],
    ),
    "removed": (lambda d: note(d)["properties"].pop("properties"), ["! `properties` removed"]),
    "type": (
        lambda d: note(d)["properties"]["description"].update(type="integer"),
        ["! `description`: string → integer"],
    ),
    "wider type": (
        lambda d: note(d)["properties"].update(
            zeta={"oneOf": [{"$ref": "#/components/schemas/description"}, {"type": "integer"}]}
        ),
        ["`zeta`: description → description | integer"],
    ),
    "nullable": (lambda d: note(d)["properties"]["description"].update(nullable=True), ["`description` may be null"]),
    "required": (lambda d: note(d)["required"].append("zeta"), ["! `zeta` is now required"]),
    "optional": (lambda d: note(d)["required"].remove("description"), ["`description` is no longer required"]),
    "enum": (
        lambda d: note(d)["properties"]["$ref"].update(enum=["a", "description"]),
        ['`$ref`: + "a"'],
    ),
    "enum narrowed": (lambda d: note(d)["properties"]["$ref"].update(enum=["a"]), ['! `$ref`: + "a" − "description"']),
    "enum gone": (lambda d: note(d)["properties"]["$ref"].pop("enum"), ["`$ref` no longer lists its values"]),
    "default": (
        lambda d: note(d)["properties"]["description"].update(default="b"),
        ['`description`: default "kept" → "b"'],
    ),
    "narrowed": (
        lambda d: note(d)["properties"]["description"].update(maxLength=9),
        ["! `description`: maxLength none → 9".replace("none", "null")],
    ),
    "nested": (
        lambda d: note(d)["properties"]["properties"].update(
            properties={"a": {"properties": {"b": {"type": "string"}}}}
        ),
        ["`properties.a` added: object"],
    ),
}


@pytest.mark.parametrize("case", SCHEMA_CHANGES)
def test_changes_of_a_schema(case: str, change: Any) -> None:
    edit, expected = SCHEMA_CHANGES[case]
    diff = change(edit)
    assert texts(diff.schemas_changed["Note"]) == expected
    assert diff.users["Note"] == ["update_note"]
    assert "- schemas: `Note`" in diff.as_markdown()


def test_what_is_only_answered_may_ask_for_more(change: Any) -> None:
    diff = change(lambda d: note(d)["required"].append("zeta"), base=lambda d: op(d).pop("requestBody"))
    assert texts(diff.schemas_changed["Note"]) == ["`zeta` is now required"]


def test_renamed_operations(change: Any) -> None:
    diff = change(lambda d: op(d).update(operationId="change_note"))
    assert texts([diff.renamed["update_note"]]) == ["! is now `change_note`"]
    assert (diff.added, diff.removed) == ({}, {})
    diff = change(
        lambda d: op(d).update({"operationId": "change_note", "x-klaviyo-operation-aliases": ["update_note"]})
    )
    assert texts([diff.renamed["update_note"]]) == ["is now `change_note`, the old name still works"]


def test_moved_operations(change: Any) -> None:
    def move(document: dict[str, Any]) -> None:
        document["paths"] = {"/api/memos/{id}": document["paths"].pop("/api/notes/{id}")}

    assert texts([change(move).renamed["update_note"]]) == ["PATCH /api/notes/{id} → PATCH /api/memos/{id}"]

    def rename(document: dict[str, Any]) -> None:
        document["paths"] = {"/api/notes/{key}": document["paths"].pop("/api/notes/{id}")}
        op(document)["parameters"][0]["name"] = "key"

    assert change(rename).renamed["update_note"].breaking


def _with_alias(document: dict[str, Any]) -> None:
    op(document)["x-klaviyo-operation-aliases"] = ["get_notes"]


def _second(document: dict[str, Any]) -> None:
    second = copy.deepcopy(op(document)) | {"operationId": "get_notes", "parameters": []}
    second.pop("x-klaviyo-operation-aliases", None)
    document["paths"]["/api/notes"] = {"get": second}


def test_an_alias_that_becomes_an_operation_of_its_own(change: Any) -> None:
    """As get_campaign_messages did: callers of the alias would reach something else."""
    diff = change(_second, base=_with_alias)
    told = "! alias `get_notes` is a function of its own now and calls GET /api/notes"
    assert texts(diff.changed["update_note"]) == [told]
    assert "get_notes" in diff.added


def test_an_alias_that_goes(change: Any) -> None:
    diff = change(lambda d: op(d).pop("x-klaviyo-operation-aliases"), base=_with_alias)
    assert texts(diff.changed["update_note"]) == ["! alias `get_notes` removed"]


def test_a_removed_operation_whose_name_another_has_as_alias(change: Any) -> None:
    def drop(document: dict[str, Any]) -> None:
        document["paths"].pop("/api/notes")
        _with_alias(document)

    diff = change(drop, base=_second)
    assert texts([diff.removed["get_notes"]]) == ["! removed; the name now stands for update_note"]


def test_limits_of_parameters(change: Any) -> None:
    words = (
        "Rate limits when using the `description=x` parameter in your API request:<br>Burst: `1/s`<br>Steady: `15/m`"
    )

    def add(document: dict[str, Any]) -> None:
        op(document)["description"] = words
        op(document)["parameters"][1]["schema"]["enum"] = ["x"]

    diff = change(add)
    assert "limit with description=x: none → 1/s, 15/m" in texts(diff.changed["update_note"])
    # The resource isn't in the words, so the specs ask for an override; the report says so and goes on.
    assert len(diff.problems) == 1
    assert "add an override" in diff.as_markdown()


def test_folders_can_be_compared(specs: Path) -> None:
    assert compare(specs, str(specs / OLD), NEW).counts["operations"] == (309, 345)


def test_what_is_neither_a_revision_nor_a_folder(specs: Path) -> None:
    with pytest.raises(CodegenError, match=r"neither a revision of the specs .2026-04-15, 2026-07-15. nor a folder"):
        compare(specs, "2020-01-01", NEW)
    with pytest.raises(CodegenError, match="neither"):
        compare(specs, OLD, "elsewhere")
