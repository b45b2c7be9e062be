"""Checks of a call before anything is sent, and the ids, headers and limits of its request."""

from __future__ import annotations

import json
import math
import pickle
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from klaviyo_async import models
from klaviyo_async._model import UNSET
from klaviyo_async._request.prepare import prepare, quote_segment
from klaviyo_async.errors import QueryError
from klaviyo_async.filter import F, Fields
from klaviyo_async.operation_table import operations

WILD = Path(__file__).resolve().parents[2] / ".." / "shared" / "fixtures" / "filters.tsv"
PROFILES = operations["get_profiles"]


def problems(operation: str, params: dict[str, Any], **options: Any) -> tuple[str, ...]:
    with pytest.raises(QueryError) as caught:
        prepare(operations[operation], ["x"] * len(operations[operation].path_parameters), params, **options)
    assert caught.value.operation == operation
    assert str(caught.value).startswith(f"{operation}: ")
    return tuple(map(str, caught.value.problems))


def test_all_problems_of_a_call_come_at_once() -> None:
    found = problems(
        "get_profiles",
        {
            "filter": (F.emial == "x") & F.email.contains("y") & (F.created == 5),
            "sort": "craeted",
            "fields": {"profle": ["email"], "profile": ["emial"]},
            "additional_fields": {"profile": ["predictive"]},
            "page_size": 1000,
            "page_cursor": 5,
        },
    )
    assert len(found) == 9
    text = "\n".join(found)
    for nearest in ("'email'", "'created'", "'profile'", "'predictive_analytics'", "1 to 100"):
        assert nearest in text


def test_one_problem_reads_as_one_sentence() -> None:
    with pytest.raises(QueryError) as caught:
        prepare(PROFILES, (), {"sort": "craeted"})
    assert str(caught.value).startswith("get_profiles: sort: 'craeted' is not a sort key here; did you mean 'created'?")
    assert "validate=False" in str(caught.value)
    with pytest.raises(QueryError) as caught:
        prepare(PROFILES, (), {"page_size": "x"})
    assert "validate=False" not in str(caught.value)


@pytest.mark.parametrize(
    ("operation", "expression", "message"),
    [
        ("get_profiles", F.email == 5, "takes text"),
        ("get_profiles", F.email.any(["a", 5]), "takes text"),
        ("get_profiles", F.created > "2026-01-01T00:00:00Z", "without quotes"),
        ("get_profiles", F.created > "yesterday", "takes a datetime"),
        ("get_profiles", F.created >= 5, "does not take greater-or-equal"),
        ("get_profiles", F.email.has(), "does not take has"),
        ("get_profiles", F.subscriptions.email.marketing.suppression.reason.equals(["x"]), "one value"),
        ("get_campaigns", (F.messages.channel == "fax"), "mobile_push"),
        ("get_campaigns", (F.archived == "yes"), "True or False"),
        ("get_campaigns", F.name.contains("x"), "'messages.channel'"),
        ("get_coupon_codes", F.status == "USED", "'coupon.id' or 'profile.id'"),
        ("get_images", F.size > 1.5, "whole number"),
        ("get_images", F.size > True, "whole number"),
        ("get_events", F.profile == "x", "does not take equals"),
        ("get_client_geofences", F.lat > 5, "lat"),
        ("get_client_geofences", F.latt == 5, "'lat'"),
    ],
)
def test_filters_are_checked_as_expression_and_as_text(operation: str, expression: Any, message: str) -> None:
    params = {"company_id": "x"} if operation.startswith("get_client") else {}
    if operations[operation].filter_requires and message != "'messages.channel'" and operation == "get_campaigns":
        expression = expression & (F.messages.channel == "email")
    for given_as in (expression, str(expression)):
        text = "\n".join(problems(operation, {**params, "filter": given_as}))
        assert message in text
    prepare(operations[operation], (), {**params, "filter": expression}, validate=False)


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        ("get_profiles", "equals(email,['a'])"),
        ("get_profiles", "equals(email,null)"),
        ("get_profiles", "greater-than(created,2026-01-01)"),
        ("get_coupon_codes", "equals(coupon.id,'10OFF')"),
        ("get_coupon_codes", "equals(coupon.id,['10OFF'])"),
        ("get_lists", "equals(name,'x')"),
        ("get_events", "has(profile)"),
        ("get_campaigns", "equals(messages.channel,'email'),any(status,['Sent','Draft'])"),
    ],
)
def test_both_forms_of_equals_and_the_odd_ones_are_taken(operation: str, text: str) -> None:
    prepare(operations[operation], (), {"filter": text})


@pytest.mark.parametrize(
    "value", [True, 5, F.email, ["equals(a,1)"], {"email": "x"}, "", "email=x", b"equals(a,1)", "or(has(a),has(b))"]
)
def test_what_is_no_filter_is_refused(value: Any) -> None:
    assert problems("get_profiles", {"filter": value})[0].startswith("filter: ")


@pytest.mark.parametrize(
    ("params", "start"),
    [
        ({"sort": ["created", "email"]}, "sort: "),
        ({"sort": F.created}, "sort: "),
        ({"fields": ["email"]}, "fields: "),
        ({"fields": {"profile": 5}}, "fields[profile]: "),
        ({"fields": {5: ["email"]}}, "fields: "),
        ({"page_size": 0}, "page_size: "),
        ({"page_size": True}, "page_size: "),
        ({"page_size": 10.0}, "page_size: "),
        ({"page_cursor": ""}, "page_cursor: "),
        ({"page_cursor": "\ud800"}, "page_cursor: "),
    ],
)
def test_wrong_types_are_problems_too(params: dict[str, Any], start: str) -> None:
    assert problems("get_profiles", params)[0].startswith(start)
    if params != {"page_size": 0}:  # what has a form on the wire is let through
        with pytest.raises(QueryError):
            prepare(PROFILES, (), params, validate=False)


@pytest.mark.parametrize("validate", [True, False])
def test_a_number_of_too_many_digits_is_a_problem_as_any_other(validate: bool) -> None:
    """Python doesn't write an int of more than 4300 digits, not even into the message."""
    for path, params, start in [
        ((), {"page_size": 10**5000}, "get_profiles: page_size: "),
        ((), {"page_size": [10**5000]}, "get_profiles: page_size: expected an int"),
        ((10**5000,), {}, "get_profile: id: "),
    ]:
        operation = operations["get_profile" if path else "get_profiles"]
        with pytest.raises(QueryError) as caught:
            prepare(operation, path, params, validate=validate)
        assert str(caught.value).startswith(start)
    with pytest.raises(QueryError, match="update_profile: id: "):
        prepare(operations["update_profile"], (10**5000,), write={"email": "a@x.com"}, validate=validate)


def test_required_parameters() -> None:
    assert "messages.channel" in problems("get_campaigns", {})[0]
    assert "company_id" in problems("get_client_reviews", {})[0]
    assert len(problems("get_client_review_values_reports", {"timeframe": "x"})) >= 4
    prepare(operations["get_campaigns"], (), {}, validate=False)


def test_names_of_types_may_have_underscores_and_one_name_may_stand_alone() -> None:
    wanted = "/api/profiles?fields%5Bpush-token%5D=token&fields%5Bprofile%5D=email,first_name"
    for fields in (
        {"push-token": ["token"], "profile": ["email", "first_name"]},
        {"push_token": "token", "profile": "email,first_name"},
        Fields(push_token=["token"], profile=("email", "first_name")),
    ):
        assert prepare(PROFILES, (), {"fields": fields}).target == wanted


def test_an_unknown_argument_is_a_type_error_with_the_nearest() -> None:
    with pytest.raises(TypeError, match="page_size"):
        prepare(PROFILES, (), {"pagesize": 5})
    with pytest.raises(TypeError, match="path arguments"):
        prepare(operations["get_profile"], ())
    with pytest.raises(TypeError, match="no body"):
        prepare(PROFILES, (), {}, body={})
    with pytest.raises(TypeError, match="no body"):
        prepare(PROFILES, (), {}, write={"email": "x"})
    assert prepare(PROFILES, (), {"page_size": UNSET, "sort": None}).target == "/api/profiles"


@pytest.mark.parametrize("bad", ["", ".", "..", None, True, 1.5, b"x", ["x"], "\ud800"])
def test_what_can_be_no_id_is_refused(bad: Any) -> None:
    with pytest.raises(QueryError, match="id"):
        prepare(operations["get_profile"], [bad])
    with pytest.raises(QueryError, match="id"):
        prepare(operations["get_profile"], [bad], validate=False)


@pytest.mark.parametrize(
    ("given", "segment"),
    [
        ("01GD", "01GD"),
        (5, "5"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("../x", "..%2Fx"),
        ("a/../../b", "a%2F..%2F..%2Fb"),
        ("$custom:::$default:::A/B 1", "$custom:::$default:::A%2FB%201"),
        ("a?b#c", "a%3Fb%23c"),
        ("%2e%2e", "%252e%252e"),
        ("ü\\\r\n", "%C3%BC%5C%0D%0A"),
        ("...", "..."),
    ],
)
def test_an_id_is_one_segment(given: Any, segment: str) -> None:
    assert prepare(operations["get_profile"], [given]).target == f"/api/profiles/{segment}"


@given(st.text())
def test_no_id_escapes_its_segment(text: str) -> None:
    try:
        segment = quote_segment(text)
    except QueryError:
        assert text in ("", ".", "..")
        return
    url = URL(f"https://a.klaviyo.com/api/profiles/{segment}/lists", encoded=True)
    assert url.raw_parts == ("/", "api", "profiles", segment, "lists")
    assert url.host == "a.klaviyo.com"
    assert url.parts[3] == text
    assert str(url) == f"https://a.klaviyo.com/api/profiles/{segment}/lists"


def test_the_header_filter_travels_in_its_header() -> None:
    geofences = operations["get_client_geofences"]
    prepared = prepare(geofences, (), {"company_id": "x", "filter": (F.lat == 40.7128) & (F.lng == -74.006)})
    assert prepared.headers == {"X-Klaviyo-API-Filters": "and(equals(lat,40.7128),equals(lng,-74.006))"}
    assert "lat" not in prepared.target
    with pytest.raises(QueryError, match="header"):
        prepare(geofences, (), {"company_id": "x", "filter": 'equals(lat,"a\r\nX: y")'}, validate=False)


def test_limits_that_a_parameter_sets_off() -> None:
    expensive = {"additional_fields": {"profile": ["subscriptions", "predictive_analytics"]}}
    (limit,) = prepare(PROFILES, (), expensive).triggered
    assert (limit.resource, limit.value) == ("profile", "predictive_analytics")
    assert prepare(PROFILES, (), {"additional_fields": {"profile": ["subscriptions"]}}).triggered == ()
    both = prepare(operations["get_profile"], ["x"], {"include": ["lists", "segments"], **expensive}).triggered
    assert {each.value for each in both} == {"lists", "segments", "predictive_analytics"}


def test_a_unique_id_makes_an_event_safe_to_repeat() -> None:
    create = operations["create_event"]
    keywords: dict[str, Any] = {"metric": {"name": "x"}, "profile": {"email": "x"}, "properties": {}}
    assert not prepare(create, (), {}, write=keywords).safe_to_repeat
    assert prepare(create, (), {}, write={**keywords, "unique_id": "1"}).safe_to_repeat
    assert not prepare(create, (), {}, write={**keywords, "unique_id": None}).safe_to_repeat
    body = {"data": {"type": "event", "attributes": {**keywords, "unique_id": "1"}}}
    assert prepare(create, (), {}, body=body).safe_to_repeat
    assert not prepare(create, (), {}, body=b"{}").safe_to_repeat
    assert prepare(PROFILES).safe_to_repeat


async def test_every_character_arrives_at_a_real_server(send: Any) -> None:
    characters = [
        chr(code) for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF and (code < 0x800 or code % 251 == 0)
    ]
    for start in range(0, len(characters), 500):
        expression = F.email == "".join(characters[start : start + 500])
        seen = await send(prepare(PROFILES, (), {"filter": expression}))
        assert unquote(seen.target.removeprefix("/api/profiles?filter="), errors="strict") == str(expression)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_arrives_as_it_was(text: str) -> None:
    prepared = prepare(PROFILES, (), {"filter": F.email == text})
    url = URL("https://a.klaviyo.com" + prepared.target, encoded=True)
    assert str(url) == "https://a.klaviyo.com" + prepared.target
    assert url.query["filter"] == str(F.email == text)


async def test_legal_filters_in_the_wild_arrive_as_they_were_written(send: Any) -> None:
    if not WILD.exists():
        pytest.skip("the recorded filters are not here")
    refused = {
        # not the grammar: no brackets, quoted field, text without quotes
        'any(status,"Sent","Draft","Cancelled")',
        'equals("email","someone@example.com")',
        "equals(email,me@test.com)",
        # times in quotes
        "and(equals(messages.channel,'email'),greater-or-equal(created_at,'2024-08-01T00:00:00-07:00'))",
        'greater-than(joined_group_at,"2024-01-01T00:00:00Z")',
        # without the channel that is required
        'contains(name,"Say \\"Hello\\"")',
        'equals(status,"Sent"),equals(archived,false),contains(name,"welcome")',
        'equals(status,"Sent"),greater-or-equal(created_at,2024-01-01T00:00Z)',
        # operators and fields that are not there
        'equals(messages.channel,"email"),equals(name,"sdk-smoke-09048514-c")',
        'equals(consent_status,"SUBSCRIBED")',
        "has(phone_number)",
    }
    legal = 0
    for line in WILD.read_text("utf-8").splitlines()[1:]:
        name, text = line.split("\t")[0], json.loads(line.split("\t")[1])
        if name not in operations or operations[name].method != "GET":
            continue
        path = ["x"] * len(operations[name].path_parameters)
        if text in refused:
            with pytest.raises(QueryError, match=name):
                prepare(operations[name], path, {"filter": text})
        else:
            legal += 1
            seen = await send(prepare(operations[name], path, {"filter": text}))
            assert unquote(seen.target.partition("?filter=")[2]) == text
        # Klaviyo may know better: unchecked, all of them can be sent.
        assert unquote(prepare(operations[name], path, {"filter": text}, validate=False).target).endswith(f"={text}")
    assert legal == 53


def test_client_side_operations_tell_the_account_that_they_are_for() -> None:
    operation = operations["create_client_event"]
    body = {"data": {"type": "event", "attributes": {}}}
    assert prepare(operation, (), {"company_id": "AbC123"}, body=body).company_id == "AbC123"
    assert prepare(operations["get_lists"]).company_id is None


def test_problems_are_values() -> None:
    with pytest.raises(QueryError) as caught:
        prepare(
            operations["get_profiles"],
            (),
            {
                "filter": (F.emial == "x") & F.email.equals(5),
                "sort": 5,
                "page_size": 500,
                "fields": {"profile": ["emial"]},
                "page_cursor": "https://elsewhere.test/api/profiles?page%5Bcursor%5D=1",
            },
            origin="https://a.klaviyo.com",
        )
    found = caught.value.problems
    assert [(each.pointer, each.kind, each.maybe_new) for each in found] == [
        ("filter", "unknown", True),
        ("filter", "mismatch", True),
        ("sort", "type", False),
        ("page_size", "range", True),
        ("fields[profile]", "unknown", True),
        ("page_cursor", "value", False),
    ]
    assert str(found[2]) == "sort: expected one sort key, a str, got int."
    assert all(str(each) in str(caught.value) for each in found)
    assert pickle.loads(pickle.dumps(caught.value)).problems == found
    # What may be new is let through, the rest is not.
    with pytest.raises(QueryError) as caught:
        prepare(operations["get_profiles"], (), {"filter": F.emial == "x", "sort": 5, "page_size": 500}, validate=False)
    assert [each.pointer for each in caught.value.problems] == ["sort"]
    assert "validate=False" not in str(caught.value)


def test_problems_of_bodies_have_json_pointers() -> None:
    profiles: list[Any] = [{"email": "a@x.com"}, {"email": math.nan}, 5, {"properties": {"a/b": {"~": object()}}}]
    with pytest.raises(QueryError) as caught:
        prepare(operations["bulk_import_profiles"], write={"profiles": profiles})
    place = "/data/attributes/profiles/data"
    assert [(each.pointer, each.kind) for each in caught.value.problems] == [
        (f"{place}/1/attributes/email", "value"),
        (f"{place}/2", "type"),
        (f"{place}/3/attributes/properties/a~1b/~0", "type"),
    ]


def test_a_problem_without_a_place_is_the_sentence() -> None:
    with pytest.raises(QueryError) as caught:
        F.email.any([])
    (problem,) = caught.value.problems
    assert (problem.pointer, str(problem)) == ("", str(caught.value))


def test_a_number_that_a_model_holds_and_json_has_not() -> None:
    body = models.EventCreateQueryV2.from_dict(
        {"data": {"type": "event", "attributes": {"properties": {}, "metric": {}, "profile": {}, "value": 1.0}}}
    )
    body.data.attributes.value = math.nan
    with pytest.raises(QueryError) as caught:
        prepare(operations["create_event"], body=body)
    assert [each.pointer for each in caught.value.problems] == ["/data/attributes/value"]


def test_a_private_key_never_stands_in_the_url() -> None:
    with pytest.raises(QueryError) as caught:
        prepare(operations["create_client_event"], (), {"company_id": "pk_secret"}, body={"data": {}})
    assert "pk_secret" not in str(caught.value)
