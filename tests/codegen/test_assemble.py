"""Specs and overrides → one document, and that as the engine can read it."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from openapi_python_client.config import Config, ConfigFile, MetaType
from openapi_python_client.parser import GeneratorData
from openapi_python_client.parser.errors import GeneratorError

from codegen.errors import CodegenError
from codegen.generating.parse.normalise import normalise
from codegen.importing.importer import import_documents
from codegen.revisions import shipped_revision
from codegen.specs import tables
from codegen.specs.assemble import Spec, check_overrides, known_revisions, load_revision

REVISION = "2026-04-15"


@pytest.fixture(scope="module")
def spec(specs: Path) -> Spec:
    return load_revision(specs, REVISION)


# --- merging


def test_a_revision_is_one_document(spec: Spec) -> None:
    assert (len(spec.operations), len(spec.document["components"]["schemas"])) == (309, 1198)
    assert list(spec.operations) == sorted(spec.operations)
    profile = spec.operations["get_profile"]
    assert (profile["method"], profile["path"]) == ("GET", "/api/profiles/{id}")
    assert "method" not in spec.document["paths"]["/api/profiles/{id}"]["get"]
    assert set(spec.document["paths"]["/api/profiles/{id}"]) == {"get", "patch"}
    assert len({tag["name"] for tag in spec.document["tags"]}) == len(spec.document["tags"]) == 23


def test_an_unknown_revision_names_those_there_are(specs: Path) -> None:
    with pytest.raises(CodegenError, match=r"available: 2026-04-15, 2026-07-15"):
        load_revision(specs, "2020-01-01")
    assert known_revisions(specs) == ["2026-04-15", "2026-07-15"]
    assert known_revisions(specs / "gone") == []


def _edit(path: Path, change: Any) -> None:
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(json.dumps(value), encoding="utf-8")


@pytest.fixture
def two(document: dict[str, Any], tmp_path: Path) -> Path:
    """Specs of two operations that share a schema, without overrides."""
    second = copy.deepcopy(document["paths"]["/api/notes/{id}"]["patch"])
    second |= {"operationId": "get_notes", "parameters": second["parameters"][1:]}
    document["paths"]["/api/notes"] = {"get": second}
    (tmp_path / "a.json").write_text(json.dumps(document), encoding="utf-8")
    specs = tmp_path / "specs"
    specs.mkdir()
    (specs / "overrides.toml").write_text("", encoding="utf-8")
    import_documents(tmp_path / "a.json", REVISION, specs)
    return specs


def test_files_that_contradict_each_other(two: Path) -> None:
    def change(value: dict[str, Any]) -> None:
        value["components"]["schemas"]["Note"]["required"] = []

    _edit(two / REVISION / "update_note.json", change)
    with pytest.raises(CodegenError, match=r"defined differently in get_notes.json") as caught:
        load_revision(two, REVISION)
    assert caught.value.place == "/components/schemas/Note"


def test_a_file_must_hold_its_own_operation(two: Path) -> None:
    (two / REVISION / "update_note.json").rename(two / REVISION / "other.json")
    with pytest.raises(CodegenError, match=r"must contain the operation other"):
        load_revision(two, REVISION)


# --- overrides


def overrides(two: Path, text: str) -> Spec:
    """As of the shipped revision, which overrides must fit."""
    (two / "overrides.toml").write_text(text, encoding="utf-8")
    return load_revision(two, REVISION, strict=True)


def test_later_overrides_win_and_lists_grow(two: Path) -> None:
    spec = overrides(
        two,
        """
        [[override]]
        why = "rule"
        where = { methods = ["GET", "PATCH"] }
        set = { x-a = 1 }
        add = { x-list = [1, 2] }
        [[override]]
        why = "exception"
        operations = ["get_notes"]
        expect = { x-a = 1, x-none = false }
        set = { x-a = 2 }
        add = { x-list = [2, 3] }
        [[override]]
        why = "by path"
        where = { path = "/api/notes/*" }
        drop = ["x-list"]
        """,
    )
    get, update = spec.operations["get_notes"], spec.operations["update_note"]
    assert (get["x-a"], get["x-list"], update["x-a"]) == (2, [1, 2, 3], 1)
    assert "x-list" not in update


def test_overrides_of_other_revisions_do_not_apply(two: Path) -> None:
    text = """
        [[override]]
        why = "later"
        since = "2026-07-15"
        operations = ["get_notes", "not_there_yet"]
        set = { x-a = 1 }
        [[override]]
        why = "earlier"
        until = "2026-01-15"
        where = { methods = ["GET"] }
        set = { x-a = 1 }
        """
    assert "x-a" not in overrides(two, text).operations["get_notes"]
    check_overrides(two)


def test_an_expectation_that_no_longer_holds(two: Path) -> None:
    text = '[[override]]\nwhy = "because"\noperations = ["get_notes"]\nexpect = { summary = "Old" }\nset = { x-a = 1 }'
    with pytest.raises(
        CodegenError, match=r"get_notes is expected to have summary = 'Old'.*upstream has changed.*because"
    ):
        overrides(two, text)


def test_elsewhere_what_does_not_fit_is_left_out_and_told(two: Path) -> None:
    text = """
        [[override]]
        why = "because"
        operations = ["get_notes"]
        expect = { summary = "Old" }
        set = { x-a = 1 }
        [[override]]
        why = "as well"
        operations = ["get_notes"]
        set = { x-b = 1 }
        add.x-parameter-limits = [{ parameter = "include", value = "x", resource = "note", burst = "1/s", steady = "1/m" }]
        [[union]]
        why = "because"
        schema = "Note"
        property = "zeta"
        beside = "description"
        values = { a = "Gone" }
        [[union]]
        why = "because"
        schema = "NotHere"
        property = "zeta"
        beside = "description"
        values = { a = "Gone" }
        """
    (two / "overrides.toml").write_text(text, encoding="utf-8")
    assert shipped_revision() != REVISION
    spec = load_revision(two, REVISION)
    found = spec.operations["get_notes"]
    assert ("x-a" in found, found["x-b"], found["x-parameter-limits"]) == (False, 1, [])
    told = [text.partition("overrides.toml")[2] for text in spec.skipped]
    assert [text.partition(": ")[0] for text in told] == [" at /override/0", "", " at /union/0"]
    assert "has a limit for include=x" in told[1]
    for wrong in (text, text.replace("[[override]]", "[[resource]]", 1)):
        with pytest.raises(CodegenError):
            overrides(two, wrong)


def test_a_name_means_the_family(document: dict[str, Any], tmp_path: Path) -> None:
    """A beta, and what has a new name and the old one as an alias; but not where another operation has that name."""
    update = document["paths"]["/api/notes/{id}"].pop("patch")
    for number, (name, aliases) in enumerate(
        [("get_notes_beta", []), ("list_tags", ["get_tags"]), ("get_lists", []), ("all_lists", ["get_lists"]),
         ("find_flows_beta", ["get_flows_beta"]), ("get_forms", []), ("get_forms_beta", [])]
    ):  # fmt: skip
        found = {**update, "operationId": name, "parameters": [], "x-klaviyo-operation-aliases": aliases}
        document["paths"][f"/api/x{number}"] = {"get": found}
    document["paths"].pop("/api/notes/{id}")
    (tmp_path / "a.json").write_text(json.dumps(document), encoding="utf-8")
    specs = tmp_path / "specs"
    specs.mkdir()
    names = ["get_notes", "get_tags", "get_lists", "get_flows", "get_forms"]
    text = f'[[override]]\nwhy = "x"\noperations = {json.dumps(names)}\nset = {{ x-a = 1 }}'
    (specs / "overrides.toml").write_text(text, encoding="utf-8")
    import_documents(tmp_path / "a.json", REVISION, specs)
    found = load_revision(specs, REVISION).operations
    assert [name for name in found if "x-a" in found[name]] == [
        "find_flows_beta", "get_forms", "get_lists", "get_notes_beta", "list_tags",
    ]  # fmt: skip
    check_overrides(specs)


@pytest.mark.parametrize(
    ("since", "until", "revisions"),
    [
        ("2026-04-15", None, ["2026-04-15", "2026-04-15.pre", "2026-07-15"]),
        (None, "2026-04-15", ["2026-01-15", "2026-04-15", "2026-04-15.pre"]),
        ("2026-04-15.pre", "2026-04-15.pre", ["2026-04-15.pre"]),
        (None, None, ["2026-01-15", "2026-04-15", "2026-04-15.pre", "2026-07-15"]),
    ],
)
def test_periods(since: str | None, until: str | None, revisions: list[str], tmp_path: Path) -> None:
    given = {key: bound for key, bound in (("since", since), ("until", until)) if bound is not None}
    found = tables.period(given, tmp_path, "")
    assert [
        name for name in ("2026-01-15", "2026-04-15", "2026-04-15.pre", "2026-07-15") if found.covers(name)
    ] == revisions


@pytest.mark.parametrize(
    ("table", "rest"),
    [
        ("override", 'operations = ["get_notes"]\nset = { x-a = 1 }'),
        ("ignore", 'pattern = "x"'),
        ("resource", 'type = "note"'),
        ("union", 'schema = "Note"\nproperty = "zeta"\nbeside = "description"\nvalues = {}'),
    ],
)
@pytest.mark.parametrize(
    ("bounds", "problem"),
    [
        ('since = "soon"', "since: 'soon' is not a revision"),
        ("until = 2026-04-15", "until must be text"),
        ('since = "2026-07-15"\nuntil = "2026-04-15"', "since is later than until"),
    ],
)
def test_periods_that_are_none(
    table: str, rest: str, bounds: str, problem: str, two: Path, document: dict[str, Any]
) -> None:
    """Of all kinds; and an import refuses them before it writes."""
    (two / "overrides.toml").write_text(f'[[{table}]]\nwhy = "x"\n{rest}\n{bounds}', encoding="utf-8")
    before = {path: path.read_bytes() for path in two.rglob("*.json")}
    document["paths"]["/api/notes/{id}"]["patch"]["summary"] = "Other"
    (two.parent / "a.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(CodegenError, match=problem):
        import_documents(two.parent / "a.json", REVISION, two)
    assert {path: path.read_bytes() for path in two.rglob("*.json")} == before


def test_an_override_that_hits_nothing_in_any_revision(two: Path) -> None:
    overrides(two, '[[override]]\nwhy = "x"\noperations = ["get_notes", "gone"]\nset = { x-a = 1 }')
    with pytest.raises(CodegenError, match=r"no such operation: gone"):
        check_overrides(two)
    overrides(two, '[[override]]\nwhy = "x"\nwhere = { accepts = "nothing" }\nset = { x-a = 1 }')
    with pytest.raises(CodegenError, match=r"matches no operation"):
        check_overrides(two)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('operations = ["a"]\nset = { x = 1 }', "needs a why"),
        ('why = "x"\nset = { x = 1 }', "specify the operations"),
        ('why = "x"\noperations = ["a"]', "has no effect"),
        ('why = "x"\noperations = ["a"]\nset = { x = 1 }\nsett = 1', "unknown keys: sett"),
        ('why = "x"\nwhere = { tag = "a" }\nset = { x = 1 }', "where accepts"),
        ('why = "x"\noperations = "a"\nset = { x = 1 }', "operations must be a list"),
        ('why = "x"\noperations = ["a"]\nadd = { x = 1 }', "add accepts lists"),
    ],
)
def test_overrides_that_are_wrong(text: str, problem: str, two: Path) -> None:
    with pytest.raises(CodegenError, match=problem):
        overrides(two, f"[[override]]\n{text}")


LIMIT = 'parameter = "include", value = "lists", resource = "note", burst = "1/s", steady = "15/m"'


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        (f"x-parameter-limits = [{{ {LIMIT} }}]", "include=lists, which isn't one of its parameters"),
        ('x-parameter-limits = [{ parameter = "a", value = "b" }]', "burst, steady and perhaps daily"),
        ('x-parameter-limits = [{ burst = "1/s", steady = "1/m" }]', "a parameter, a value and a resource"),
        ("x-caps = { row = 5 }", "must be an object of"),
        ('x-caps = { rows = "5" }', "rows must be a whole number"),
        ('x-pagination = { style = "offset", records = ["data"] }', "a style, one of cursor"),
        ('x-pagination = { style = "none", records = "data" }', "must be a list of names"),
        ('x-safe-to-repeat = "yes"', "must be true or false"),
        ('x-safe-with = "a b"', "must be a keyword"),
        ("x-page-rows = 0", "whole number from 1 on"),
        ('x-klaviyo-ratelimit = { burst = "1/s" }', "with burst, steady"),
        ('x-header-filters = { a = { operators = { single = "equals" } } }', "must be lists of names"),
        ('x-header-filters = { a = { operators = { one = ["equals"] } } }', "kinds single, list or none"),
        ('x-header-filters = { a = { operators = {}, value = { type = "object" } } }', "the value of a needs a type"),
    ],
)
def test_facts_that_later_steps_could_not_use(facts: str, problem: str, two: Path) -> None:
    with pytest.raises(CodegenError, match=problem):
        overrides(two, f'[[override]]\nwhy = "wrong"\noperations = ["get_notes"]\n[override.set]\n{facts}')


def test_the_projects_overrides_fit_the_revisions(specs: Path) -> None:
    check_overrides(specs)
    check_overrides(Path(__file__).resolve().parents[2] / "specs")


# --- facts decided in the overrides


SAFE = {
    "get_profiles", "update_profile", "delete_list", "add_profiles_to_list",
    "remove_profiles_from_list", "tag_campaigns", "create_or_update_profile", "bulk_import_profiles",
    "query_campaign_values", "query_metric_aggregates", "render_template", "cancel_campaign_send", "create_push_token",
    "create_client_profile", "update_categories_for_catalog_item", "bulk_update_catalog_items",
    "bulk_unsubscribe_profiles",
}  # fmt: skip
UNSAFE = {
    "send_campaign", "create_profile", "create_event", "create_client_event", "bulk_create_events", "create_campaign",
    "create_conversation_message", "bulk_subscribe_profiles", "create_client_subscription", "merge_profiles",
    "request_profile_deletion", "assign_template_to_campaign_message", "clone_template", "create_campaign_clone",
    "upload_image_from_file", "bulk_create_coupon_codes", "bulk_create_catalog_items", "bulk_delete_catalog_items",
    "create_coupon_code", "create_tag", "create_list",
}  # fmt: skip


def test_which_operations_are_safe_to_repeat(spec: Spec) -> None:
    safe = {name for name, operation in spec.operations.items() if operation["x-safe-to-repeat"] is True}
    assert safe >= SAFE
    assert spec.operations.keys() - safe >= UNSAFE
    others = [name for name in spec.operations if spec.operations[name]["method"] in {"GET", "DELETE", "PATCH"}]
    assert set(others) <= safe
    keys = {name: op["x-safe-with"] for name, op in spec.operations.items() if "x-safe-with" in op}
    assert keys == {"create_event": "unique_id", "create_client_event": "unique_id"}


def test_definitions_of_relationships_are_no_membership(specs: Path) -> None:
    later = load_revision(specs, "2026-07-15").operations
    assert later["create_object_schema_relationship"]["x-safe-to-repeat"] is False
    assert later["bulk_delete_object_records"]["x-safe-to-repeat"] is True


def test_pagination(spec: Spec) -> None:
    styles: dict[str, list[str]] = {}
    for name, operation in spec.operations.items():
        if "x-pagination" in operation:
            styles.setdefault(operation["x-pagination"]["style"], []).append(name)
    assert {style: len(names) for style, names in styles.items()} == {
        "cursor": 60, "none": 43, "post-query": 3, "post-body": 1,
    }  # fmt: skip
    assert styles["post-query"] == ["query_campaign_values", "query_flow_series", "query_flow_values"]
    rows = ["data", "attributes", "results"]
    assert spec.operations["query_form_values"]["x-pagination"] == {"style": "none", "records": rows}
    assert spec.operations["query_metric_aggregates"]["x-pagination"]["records"] == ["data", "attributes", "data"]
    assert spec.operations["get_profiles"]["x-pagination"] == {"style": "cursor", "records": ["data"]}
    assert "x-pagination" not in spec.operations["get_profile"]


def test_what_a_filter_must_name(spec: Spec) -> None:
    wanted = {name: op["x-filter-requires"] for name, op in spec.operations.items() if "x-filter-requires" in op}
    assert wanted == {"get_campaigns": ["messages.channel"], "get_coupon_codes": ["coupon.id", "profile.id"]}
    for name, fields in wanted.items():
        assert set(fields) <= spec.operations[name]["x-klaviyo-filters"].keys()
    assert spec.operations["get_client_geofences"]["x-header-filters"].keys() == {"lat", "lng"}


# --- normalising


def norm(schema: dict[str, Any], **others: Any) -> Any:
    document = {"paths": {}, "components": {"schemas": {"S": schema, **others}}}
    before = copy.deepcopy(document)
    out = normalise(document)
    assert document == before
    return out["components"]["schemas"]["S"]


NULL = {"type": "null"}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"nullable": True}, NULL),
        ({"nullable": True, "example": 1}, {"example": 1, **NULL}),
        ({"enum": [None]}, NULL),
        ({"$ref": "#/components/schemas/T", "nullable": True, "example": 1},
         {"example": 1, "oneOf": [NULL, {"$ref": "#/components/schemas/T"}]}),
        ({"$ref": "#/components/schemas/T", "example": 1}, {"$ref": "#/components/schemas/T"}),
        ({"type": "string", "enum": ["a"], "nullable": True}, {"oneOf": [NULL, {"type": "string", "enum": ["a"]}]}),
        ({"type": "string", "enum": ["a", None], "nullable": True, "default": "a"},
         {"default": "a", "oneOf": [NULL, {"type": "string", "enum": ["a"]}]}),
        ({"type": "boolean", "enum": [True]}, {"const": True}),
        ({"type": "boolean", "enum": [False], "nullable": True}, {"oneOf": [NULL, {"const": False}]}),
        ({"type": "boolean", "enum": [True, False], "nullable": True}, {"type": "boolean", "nullable": True}),
        ({"type": "integer", "enum": [0]}, {"type": "integer", "enum": [0]}),
        ({"oneOf": [{"type": "string"}], "nullable": True}, {"oneOf": [NULL, {"type": "string"}]}),
        ({"type": "string", "nullable": True}, {"type": "string", "nullable": True}),
        ({"type": "object", "nullable": True}, {"oneOf": [NULL, {"type": "object"}]}),
        ({"properties": {"a": {"type": "object", "nullable": True}}},
         {"type": "object", "properties": {"a": {"oneOf": [NULL, {"title": "a", "type": "object"}]}}}),
        ({"allOf": [{"$ref": "#/components/schemas/T"}], "nullable": True},
         {"oneOf": [NULL, {"allOf": [{"$ref": "#/components/schemas/T"}]}]}),
        ({"type": "object", "additionalProperties": True}, {"type": "object", "additionalProperties": True}),
    ],
)  # fmt: skip
def test_rewrites(schema: dict[str, Any], expected: dict[str, Any]) -> None:
    assert norm(schema, T={"type": "object"}) == expected


def test_all_of_becomes_one_object() -> None:
    resource = {
        "type": "object",
        "required": ["type", "attributes"],
        "properties": {
            "type": {"type": "string", "enum": ["note"]},
            "id": {"type": "string"},
            "attributes": {"type": "object", "required": ["title"], "properties": {"title": {"type": "string"}}},
        },
    }
    inline = {
        "required": ["id"],
        "properties": {
            "type": {"type": "string", "enum": ["note"]},
            "attributes": {"required": ["count"], "properties": {"count": {"type": "integer", "nullable": True}}},
        },
    }
    merged = norm({"allOf": [inline, {"$ref": "#/components/schemas/T"}], "nullable": True}, T=resource)
    assert merged["oneOf"][0] == NULL
    note = merged["oneOf"][1]
    assert note["required"] == ["id", "type", "attributes"]
    assert list(note["properties"]) == ["type", "attributes", "id"]
    attributes = note["properties"]["attributes"]
    assert attributes["required"] == ["count", "title"]
    assert attributes["properties"] == {"count": {"type": "integer", "nullable": True}, "title": {"type": "string"}}


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        ([{"type": "object"}, {"type": "string"}], "type is 'object' and 'string'"),
        ([{"enum": ["a"]}, {"enum": ["b"]}], "without a common value"),
        ([{"oneOf": [{"type": "string"}]}, {"type": "string"}], "can't be merged"),
        ([{"$ref": "#/components/schemas/S"}, {"type": "object"}], "can't be merged|leads back"),
    ],
)
def test_all_of_that_contradicts_itself(parts: list[Any], problem: str) -> None:
    with pytest.raises(CodegenError, match=problem) as caught:
        norm({"allOf": parts})
    assert caught.value.place.startswith("/components/schemas/S/allOf")


def test_paths_parameters_and_answers(two: Path) -> None:
    spec = load_revision(two, REVISION)
    update = spec.document["paths"]["/api/notes/{id}"]["patch"]
    update["parameters"][0]["schema"]["nullable"] = True
    update["parameters"][1]["schema"] = {"type": "string", "enum": ["a"], "nullable": True}
    out = normalise(spec.document)["paths"]["/api/notes/{id}"]["patch"]
    assert out["parameters"][0]["schema"] == {"type": "string"}
    assert out["parameters"][1]["schema"]["oneOf"][1] == {"title": "description", "type": "string", "enum": ["a"]}
    assert out["responses"]["200"]["description"] == ""


# --- the engine


def parse(document: dict[str, Any]) -> GeneratorData:
    config = Config.from_sources(
        ConfigFile(literal_enums=True), MetaType.NONE, Path("unused"), "utf-8", overwrite=True, output_path=None
    )
    data = GeneratorData.from_dict(document, config=config)
    assert not isinstance(data, GeneratorError), data.detail
    return data


@pytest.mark.parametrize(("revision", "operations", "schemas"), [(REVISION, 309, 1198), ("2026-07-15", 345, 1290)])
def test_the_engine_reads_all_of_it(specs: Path, revision: str, operations: int, schemas: int) -> None:
    document = normalise(load_revision(specs, revision).document)
    data = parse(document)
    assert data.errors == []
    collections = data.endpoint_collections_by_tag.values()
    assert [error for collection in collections for error in collection.parse_errors] == []
    endpoints = {endpoint.name for collection in collections for endpoint in collection.endpoints}
    assert endpoints == load_revision(specs, revision).operations.keys()
    assert len(endpoints) == operations
    names = {model.class_info.name for model in (*data.models, *data.enums)}
    assert len(document["components"]["schemas"].keys() & names) == schemas
    assert not [name for name in names if name.endswith(("Type1Type0", "Type0Type0"))]


def test_the_engine_sees_null(specs: Path) -> None:
    data = parse(normalise(load_revision(specs, REVISION).document))
    models = {str(model.class_info.name): model for model in data.models}

    def kind(model: str, field: str) -> str:
        found = models[model]
        properties = [*(found.required_properties or ()), *(found.optional_properties or ())]
        return next(
            item.get_type_string().as_unembedded_code()
            for item in properties
            if item.name.get_untrusted_value() == field
        )

    assert "None" in kind("ProfileMeta", "patch_properties")  # beside a $ref
    assert "None" in kind("DeviceMetadata", "klaviyo_sdk")  # beside an enum without null
    assert kind("CodeAction", "data").startswith("None")  # null alone
    assert "None" in kind("GetCouponResponse", "data")  # beside allOf of one
    attributes = models["GetProfileResponseCollectionDataItemAttributes"]
    fields = {item.name.get_untrusted_value() for item in attributes.optional_properties or ()}
    assert {"email", "subscriptions", "predictive_analytics"} <= fields  # of both members of an allOf
