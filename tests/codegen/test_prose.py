"""Limits and caps that upstream says in words, as data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from codegen.errors import CodegenError
from codegen.importing.importer import ImportReport, import_documents
from codegen.importing.prose import Rules, split
from codegen.specs.assemble import Spec, load_revision

if TYPE_CHECKING:
    from pathlib import Path

REVISIONS = ("2026-04-15", "2026-07-15")
PREDICTIVE = ("additional-fields[profile]", "predictive_analytics", "profile", "10/s", "150/m")


@pytest.fixture(scope="module", params=REVISIONS)
def spec(request: pytest.FixtureRequest, specs: Path) -> Spec:
    return load_revision(specs, request.param)


def raw(specs: Path, revision: str, name: str) -> dict[str, Any]:
    """An operation as the import wrote it, before the overrides."""
    document = json.loads((specs / revision / f"{name}.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = next(iter(next(iter(document["paths"].values())).values()))
    return found


def limits(operation: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (limit["parameter"], limit["value"], limit["resource"], limit["burst"], limit["steady"])
        for limit in operation.get("x-parameter-limits", ())
    ]


def test_every_sentence_is_understood_or_knowingly_ignored(imported: tuple[Path, dict[str, ImportReport]]) -> None:
    for report in imported[1].values():
        assert [str(sentence) for sentence in report.sentences] == []
        assert report.facts > 500


# --- limits that depend on parameters


def test_the_words_give_the_limits_they_name(specs: Path) -> None:
    for name in ("get_profiles", "get_profiles_for_list", "get_profile_ids_for_list"):
        assert limits(raw(specs, "2026-04-15", name)) == [PREDICTIVE]
    assert limits(raw(specs, "2026-04-15", "get_list")) == [
        ("additional-fields[list]", "profile_count", "list", "1/s", "15/m")
    ]
    written = raw(specs, "2026-04-15", "get_profile")["x-parameter-limits"]
    assert written == [
        {"parameter": "include", "value": "list", "burst": "1/s", "steady": "15/m"},
        {"parameter": "include", "value": "segment", "burst": "1/s", "steady": "15/m"},
    ]


def test_the_overrides_put_them_right(spec: Spec) -> None:
    found = {name: limits(operation) for name, operation in spec.operations.items() if limits(operation)}
    for name in (
        "create_or_update_profile",
        "create_profile",
        "get_profile_for_event",
        "get_profile_for_push_token",
        "get_profiles",
        "get_profiles_for_bulk_import_profiles_job",
        "get_profiles_for_list",
        "get_profiles_for_segment",
        "update_profile",
    ):
        assert found.pop(name) == [PREDICTIVE]
    assert found == {
        "get_profile": [
            ("include", "lists", "profile", "1/s", "15/m"),
            ("include", "segments", "profile", "1/s", "15/m"),
            PREDICTIVE,
        ],
        "get_list": [("additional-fields[list]", "profile_count", "list", "1/s", "15/m")],
        "get_segment": [("additional-fields[segment]", "profile_count", "segment", "1/s", "15/m")],
    }


# --- caps and pages, against the table in the project's facts

CAPS = {
    "bulk_import_profiles": {"rows": 10_000, "bytes": 5_000_000, "row_bytes": 100_000},
    "bulk_subscribe_profiles": {"rows": 1_000},
    "bulk_unsubscribe_profiles": {"rows": 100},
    "bulk_suppress_profiles": {"rows": 100},
    "bulk_unsuppress_profiles": {"rows": 100},
    "bulk_create_events": {"rows": 1_000, "bytes": 5_000_000, "string_bytes": 100_000},
    "bulk_create_client_events": {"rows": 1_000, "bytes": 5_000_000, "string_bytes": 100_000},
    "create_event": {"bytes": 5_000_000, "string_bytes": 100_000},
    "create_client_event": {"bytes": 5_000_000, "string_bytes": 100_000},
    "bulk_create_coupon_codes": {"rows": 1_000, "jobs": 100},
    "create_data_source_record": {"row_bytes": 512_000},
    "bulk_create_data_source_records": {"rows": 500, "bytes": 4_000_000, "row_bytes": 512_000},
    "add_profiles_to_list": {"rows": 1_000},
    "remove_profiles_from_list": {"rows": 1_000},
    "merge_profiles": {"rows": 1},
    "upload_image_from_file": {"row_bytes": 5_000_000},
    **{
        name: {"bytes": 100_000}
        for name in ("create_or_update_profile", "create_profile", "create_push_token", "update_profile")
    },
    **{
        f"bulk_{verb}_catalog_{kind}": {"rows": 100, "bytes": 5_000_000, "jobs": 500}
        for verb in ("create", "update", "delete")
        for kind in ("categories", "items", "variants")
    },
}


def test_caps(spec: Spec) -> None:
    expected = dict(CAPS)
    if spec.revision == "2026-07-15":
        expected["bulk_delete_object_records"] = {"rows": 500, "bytes": 5_000_000}
    assert {name: op["x-caps"] for name, op in spec.operations.items() if "x-caps" in op} == expected


def test_rows_of_pages_without_a_size(spec: Spec) -> None:
    rows = {name: op["x-page-rows"] for name, op in spec.operations.items() if "x-page-rows" in op}
    assert rows.pop("get_metrics") == 200
    if spec.revision == "2026-07-15":
        for name in ("get_ingestion_logs_for_object_type", "get_ingestion_log_ids_for_object_type"):
            assert rows.pop(name) == 50
            assert spec.operations[name]["x-retention-days"] == 14
    assert set(rows.values()) == {100}
    assert len(rows) == 10  # nine kinds of catalog jobs, and coupon codes


PAGES = {
    "get_lists": (10, 10), "get_segments": (10, 10), "get_templates": (10, 10), "get_web_feeds": (5, 20),
    "get_tag_groups": (25, 25), "get_tags": (50, 50), "get_flows": (50, 50), "get_actions_for_flow": (50, 50),
    "get_action_ids_for_flow": (50, 50), "get_events": (200, 1000), "get_campaigns": (100, 100),
    "get_catalog_items": (100, 100), "get_coupons": (100, 100), "get_tracking_settings": (1, 1),
    "get_profiles": (20, 100), "get_client_geofences": (20, 100),
}  # fmt: skip


def test_page_sizes(spec: Spec) -> None:
    for name, (default, maximum) in PAGES.items():
        schemas = [item["schema"] for item in spec.operations[name]["parameters"] if item["name"] == "page[size]"]
        assert [(schema["default"], schema["minimum"], schema["maximum"]) for schema in schemas] == [
            (default, 1, maximum)
        ]


def test_daily_limits_stay(spec: Spec) -> None:
    assert spec.operations["upload_image_from_file"]["x-klaviyo-ratelimit"]["daily"] == "500/d"
    assert spec.operations["create_list"]["x-klaviyo-ratelimit"]["daily"] == "150/d"
    assert sum("daily" in op.get("x-klaviyo-ratelimit", {}) for op in spec.operations.values()) == 16


# --- facts about fields


def test_facts_about_fields_are_standard_keywords(spec: Spec) -> None:
    schemas = spec.document["components"]["schemas"]
    metric = schemas["MetricCreateQueryResourceObject"]["properties"]["attributes"]["properties"]
    assert metric["name"]["maxLength"] == 127
    event = schemas["EventCreateQueryV2ResourceObject"]["properties"]["attributes"]["properties"]
    assert (event["properties"]["maxProperties"], event["properties"]["x-max-bytes"]) == (400, 5_000_000)
    webhook = schemas["WebhookCreateQueryResourceObject"]["properties"]["attributes"]["properties"]
    assert webhook["endpoint_url"]["pattern"] == "^https://"
    title = schemas["DataSourceCreateQueryResourceObject"]["properties"]["attributes"]["properties"]["title"]
    assert (title["minLength"], title["maxLength"]) == (1, 255)
    assert schemas["ImageUploadQuery"]["properties"]["file"]["x-max-bytes"] == 5_000_000
    series = schemas["FlowSeriesRequestDTOResourceObject"]["properties"]["attributes"]["properties"]
    assert series["interval"]["x-max-timeframe"] == {"hourly": "7 days", "daily": "60 days", "monthly": "52 weeks"}
    assert series["group_by"]["x-required-items"] == ["flow_message_id", "flow_id"]
    assert series["filter"]["x-max-filter-items"] == 100


# --- the reader itself


def take(text: str, **operation: Any) -> tuple[dict[str, Any], list[str]]:
    rules = Rules()
    taken = rules.take({"operationId": "get_notes", "description": text, **operation}, {})
    return taken.operation, [str(sentence) for sentence in rules.unknown()]


def test_a_sentence_that_looks_like_a_limit_is_reported() -> None:
    _, unknown = take("Get notes. At most 7 notes may be read per hour.<br><br>Nice notes.")
    assert unknown == ["get_notes /description (looks like a limit): At most 7 notes may be read per hour."]


def test_limits_in_words_that_contradict_the_data_are_reported() -> None:
    text = "Get notes.<br><br>*Rate limits*:<br>Burst: `3/s`<br>Steady: `60/m`"
    _, unknown = take(text, **{"x-klaviyo-ratelimit": {"burst": "1/s", "steady": "15/m"}})
    assert unknown == [
        "get_notes /description (x-klaviyo-ratelimit says otherwise): rate limits burst 3/s, steady 60/m"
    ]
    assert take(text, **{"x-klaviyo-ratelimit": {"burst": "3/s", "steady": "60/m"}})[1] == []


def test_limits_that_stand_only_in_words_become_data() -> None:
    operation, unknown = take("*Rate limits*:\nBurst: `3/s`\nSteady: `60/m`\nDaily: `9/d`")
    assert operation["x-klaviyo-ratelimit"] == {"burst": "3/s", "steady": "60/m", "daily": "9/d"}
    assert unknown == []


def test_two_caps_in_one_description() -> None:
    operation, unknown = take("Accepts up to 1,000 notes per request. The maximum allowed payload size is 4MB.")
    assert (operation["x-caps"], unknown) == ({"rows": 1000, "bytes": 4_000_000}, [])
    _, unknown = take("Accepts up to 10 notes per request. Accepts up to 20 notes per request.")
    assert len(unknown) == 1


def test_a_page_size_in_words_against_the_parameter() -> None:
    size = {"name": "page[size]", "in": "query", "schema": {"type": "integer", "default": 5, "maximum": 20}}
    _, unknown = take("Returns a maximum of 30 notes per page.", parameters=[size])
    assert "page[size] has default 5 and maximum 20" in unknown[0]
    operation, unknown = take("Returns a maximum of 30 notes per page.")
    assert (operation["x-page-rows"], unknown) == (30, [])


def test_the_original_stays_as_it_is() -> None:
    operation = {"operationId": "get_notes", "description": "Accepts up to 10 notes per request."}
    Rules().take(operation, {})
    assert "x-caps" not in operation


def test_sentences_are_put_together_over_line_breaks() -> None:
    text = "Logs are kept for\n14 days. See [our guide](https://example.com/x. y).<br>- one\n- two\n\nLast"
    assert list(split(text)) == ["Logs are kept for 14 days.", "See our guide.", "- one", "- two", "Last"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[[ignore]]\npattern = "("\nwhy = "x"', "not a regular expression"),
        ('[[ignore]]\npattern = "x"', "a pattern and a why"),
        ("[[ignore]", "not TOML"),
    ],
)
def test_bad_ignore_rules(text: str, problem: str, tmp_path: Path, document: dict[str, Any]) -> None:
    (tmp_path / "overrides.toml").write_text(text, encoding="utf-8")
    (tmp_path / "a.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(CodegenError, match=problem):
        import_documents(tmp_path / "a.json", "2026-04-15", tmp_path)
