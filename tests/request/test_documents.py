"""Bodies: what keywords, ids, mappings and models become, and what is refused before anything is sent."""

from __future__ import annotations

import enum
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from attrs import evolve

from klaviyo_async import models
from klaviyo_async._model import UNSET
from klaviyo_async._request.prepare import prepare
from klaviyo_async.errors import QueryError
from klaviyo_async.filter import F
from klaviyo_async.operation import Body, Limits, Nested, Operation, Rate, Relationship, Resource
from klaviyo_async.operation_table import operations

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def sent(operation: str, *path: str, body: object = UNSET, **write: object) -> Any:
    prepared = prepare(operations[operation], path, {}, body=body, write=write)
    assert prepared.payload is not None
    assert isinstance(prepared.payload.content, bytes)
    return json.loads(prepared.payload.content)


def refused(operation: str, *path: str, body: object = UNSET, **write: object) -> str:
    with pytest.raises(QueryError) as caught:
        prepare(operations[operation], path, {}, body=body, write=write)
    return str(caught.value)


class Status(enum.Enum):
    LIVE = "live"


# --- the examples of the contract ---


def test_create_profile() -> None:
    assert sent("create_profile", email="sarah@example.com", properties={"tier": "gold"}) == {
        "data": {"type": "profile", "attributes": {"email": "sarah@example.com", "properties": {"tier": "gold"}}}
    }


def test_none_clears_and_unset_leaves_alone() -> None:
    assert sent("update_profile", "01GD", phone_number=None, email=UNSET) == {
        "data": {"type": "profile", "id": "01GD", "attributes": {"phone_number": None}}
    }


def test_nothing_is_added() -> None:
    assert sent("update_profile", "01GD") == {"data": {"type": "profile", "id": "01GD", "attributes": {}}}
    assert sent("create_profile") == {"data": {"type": "profile", "attributes": {}}}


def test_identifiers() -> None:
    wanted = {"data": [{"type": "profile", "id": "01H"}, {"type": "profile", "id": "01J"}]}
    listed = ["01H", "01J"]
    for body in (
        listed,
        tuple(listed),
        (each for each in listed),
        [{"id": "01H"}, {"type": "profile", "id": "01J"}],
        wanted,
    ):
        assert sent("add_profiles_to_list", "Y6nRLr", body=body) == wanted
    assert sent("add_profiles_to_list", "Y6nRLr", body="01H") == {"data": [{"type": "profile", "id": "01H"}]}
    assert sent("add_profiles_to_list", "Y6nRLr", body=[]) == {"data": []}
    with_meta = [{"id": "01H", "meta": {"at": NOON}}, "01J"]
    assert sent("add_profiles_to_list", "Y6nRLr", body=with_meta)["data"][0] == {
        "type": "profile",
        "id": "01H",
        "meta": {"at": "2026-01-01T12:00:00+00:00"},
    }
    assert sent("update_image_for_campaign_message", "01", body="77") == {"data": {"type": "image", "id": "77"}}
    assert sent("update_image_for_campaign_message", "01", body=None) == {"data": None}


@pytest.mark.parametrize("body", [[""], [None], [5.5], [{"meta": {}}], 5.5, [{"id": "x", "attributs": {}}], [["x"]]])
def test_what_is_no_identifier_is_refused(body: object) -> None:
    assert "/data" in refused("add_profiles_to_list", "Y6nRLr", body=body)


def test_create_event() -> None:
    assert sent(
        "create_event",
        metric={"name": "Placed Order"},
        profile={"email": "sarah@example.com", "id": "01", "anonymous_id": "a", "made_up": 1},
        properties={"OrderId": "1"},
        value=9.5,
        unique_id="1",
        time=NOON,
    ) == {
        "data": {
            "type": "event",
            "attributes": {
                "metric": {"data": {"type": "metric", "attributes": {"name": "Placed Order"}}},
                "profile": {
                    "data": {
                        "type": "profile",
                        "id": "01",
                        "attributes": {"email": "sarah@example.com", "anonymous_id": "a", "made_up": 1},
                    }
                },
                "properties": {"OrderId": "1"},
                "value": 9.5,
                "unique_id": "1",
                "time": "2026-01-01T12:00:00+00:00",
            },
        }
    }


def test_a_profile_of_an_event_by_its_id_alone_keeps_its_attributes() -> None:
    for given in ("01", {"id": "01"}):
        data = sent("create_event", metric={"name": "x"}, profile=given, properties={})["data"]["attributes"]["profile"]
        assert data == {"data": {"type": "profile", "id": "01", "attributes": {}}}


def test_meta_finds_its_place() -> None:
    meta = {"patch_properties": {"append": {"a": "b"}}}
    assert sent("update_profile", "01", meta=meta)["data"] == {
        "type": "profile",
        "id": "01",
        "attributes": {},
        "meta": meta,
    }
    # The profile of an event has it among its attributes, says the document.
    profile = sent("create_event", metric={"name": "x"}, profile={"email": "e", "meta": meta}, properties={})
    assert profile["data"]["attributes"]["profile"]["data"]["attributes"] == {"email": "e", "meta": meta}
    rows = sent("bulk_import_profiles", profiles=[{"email": "e", "meta": meta, "_kx": "k"}])
    assert rows["data"]["attributes"]["profiles"]["data"] == [
        {"type": "profile", "attributes": {"email": "e", "_kx": "k"}, "meta": meta}
    ]


def test_whole_resources_are_taken_as_they_are() -> None:
    whole = {"type": "profile", "id": "01", "attributes": {"email": "x"}, "meta": {}}
    for given in (whole, {"data": whole}):
        event = sent("create_event", metric={"name": "x"}, profile=given, properties={})
        assert event["data"]["attributes"]["profile"] == {"data": whole}
    for rows in ([whole], {"data": [whole]}, (each for each in [whole]), whole):
        job = sent("bulk_import_profiles", profiles=rows)
        assert job["data"]["attributes"]["profiles"] == {"data": [whole]}


def test_two_levels() -> None:
    order = {"metric": {"name": "Placed Order"}, "properties": {}, "time": NOON}
    made = sent("bulk_create_events", events_bulk_create=[{"profile": {"email": "x"}, "events": [order]}])
    (row,) = made["data"]["attributes"]["events-bulk-create"]["data"]
    assert row == {
        "type": "event-bulk-create",
        "attributes": {
            "profile": {"data": {"type": "profile", "attributes": {"email": "x"}}},
            "events": {
                "data": [
                    {
                        "type": "event",
                        "attributes": {
                            "metric": {"data": {"type": "metric", "attributes": {"name": "Placed Order"}}},
                            "properties": {},
                            "time": "2026-01-01T12:00:00+00:00",
                        },
                    }
                ]
            },
        },
    }


def test_relationships() -> None:
    wanted = {"coupon": {"data": {"type": "coupon", "id": "10OFF"}}}
    for given in (
        "10OFF",
        {"id": "10OFF"},
        {"type": "coupon", "id": "10OFF"},
        {"data": {"type": "coupon", "id": "10OFF"}},
    ):
        assert sent("create_coupon_code", unique_code="x", coupon=given)["data"]["relationships"] == wanted
    codes = sent("bulk_create_coupon_codes", coupon_codes=[{"unique_code": "x", "coupon": "10OFF", "expires_at": NOON}])
    assert codes["data"]["attributes"]["coupon-codes"]["data"] == [
        {
            "type": "coupon-code",
            "attributes": {"unique_code": "x", "expires_at": "2026-01-01T12:00:00+00:00"},
            "relationships": wanted,
        }
    ]
    topics = {"webhook-topics": {"data": [{"type": "webhook-topic", "id": "a"}, {"type": "webhook-topic", "id": "b"}]}}
    for several in (["a", "b"], ({"id": each} for each in "ab")):
        assert sent("update_webhook", "1", webhook_topics=several)["data"]["relationships"] == topics
    assert sent("update_webhook", "1", webhook_topics=[])["data"]["relationships"] == {"webhook-topics": {"data": []}}
    assert sent("update_mapped_metric", "added_to_cart", metric=None) == {
        "data": {"type": "mapped-metric", "id": "added_to_cart", "relationships": {"metric": {"data": None}}}
    }


def test_where_the_path_does_not_name_the_resource_the_id_is_a_keyword() -> None:
    assert sent("send_campaign", id="01") == {"data": {"type": "campaign-send-job", "id": "01"}}
    assert sent("send_campaign", body="01") == {"data": {"type": "campaign-send-job", "id": "01"}}
    assert sent("render_template", id="T", context={"a": None}) == {
        "data": {"type": "template", "id": "T", "attributes": {"context": {"a": None}}}
    }
    assert sent("merge_profiles", id="to", profiles=["from"]) == {
        "data": {
            "type": "profile-merge",
            "id": "to",
            "relationships": {"profiles": {"data": [{"type": "profile", "id": "from"}]}},
        }
    }
    assert sent("cancel_campaign_send", "01", action="cancel")["data"]["id"] == "01"
    with pytest.raises(TypeError, match="'id'"):
        sent("clone_template", name="x")
    with pytest.raises(TypeError, match="'id'"):
        sent("update_profile", "01", id="02")


def test_a_taken_name_gets_an_underscore() -> None:
    made = sent("create_conversation_message", body_="Hello", conversation="01")
    assert made["data"]["attributes"] == {"body": "Hello"}
    assert made["data"]["relationships"] == {"conversation": {"data": {"type": "conversation", "id": "01"}}}


# --- filters inside bodies ---


def test_filters_in_bodies() -> None:
    report: dict[str, Any] = {
        "statistics": ["opens"],
        "timeframe": {"key": "last_30_days"},
        "conversion_metric_id": "m",
    }
    expression = (F.send_channel == "email") & F.campaign_id.contains_any(["a", "b"])
    made = sent("query_campaign_values", filter=expression, **report)
    assert (
        made["data"]["attributes"]["filter"] == 'and(equals(send_channel,"email"),contains-any(campaign_id,["a","b"]))'
    )
    assert sent("query_campaign_values", filter=None, **report)["data"]["attributes"]["filter"] is None
    assert "no `or`" in refused("query_campaign_values", filter="or(has(a),has(b))", **report)
    assert "/data/attributes/filter" in refused("query_campaign_values", filter=5, **report)

    twice = (F.campaign_id == "a") & (F.campaign_id == "b")
    for given in (twice, str(twice)):
        assert "only one condition on 'campaign_id'" in refused("query_campaign_values", filter=given, **report)
    many = F.campaign_id.contains_any([str(number) for number in range(101)])
    assert "at most 100 values" in refused("query_campaign_values", filter=many, **report)

    aggregate: dict[str, Any] = {"metric_id": "m", "measurements": ["count"]}
    since = F.datetime >= NOON
    until = F.datetime < datetime(2026, 2, 1, tzinfo=UTC)
    wanted = [str(since), str(until)]
    for given in (
        since & until,
        [since, until],
        [since, str(until)],
        (each for each in (since, until)),
        [since & until],
    ):
        assert sent("query_metric_aggregates", filter=given, **aggregate)["data"]["attributes"]["filter"] == wanted
    assert sent("query_metric_aggregates", filter=str(since), **aggregate)["data"]["attributes"]["filter"] == wanted[:1]
    assert "/data/attributes/filter/1" in refused("query_metric_aggregates", filter=[since, "nonsense"], **aggregate)
    assert "list" in refused("query_metric_aggregates", filter=5, **aggregate)
    whole = {"data": {"type": "metric-aggregate", "attributes": {**aggregate, "filter": [since, until]}}}
    assert sent("query_metric_aggregates", body=whole)["data"]["attributes"]["filter"] == wanted


# --- values ---


def test_values_that_python_has_and_json_has_not() -> None:
    properties = {
        "aware": NOON,
        "day": date(2026, 1, 1),
        "price": Decimal("9.50"),
        "whole": Decimal(12),
        "uuid": UUID(int=1),
        "set": {"b", "a"},
        "tuple": (1, None, True),
        "enum": Status.LIVE,
        "left out": UNSET,
        "$value": 1.0,
        "ü": {"nested": [NOON]},
        "big": 2**70,
    }
    assert sent("create_profile", properties=properties)["data"]["attributes"]["properties"] == {
        "aware": "2026-01-01T12:00:00+00:00",
        "day": "2026-01-01",
        "price": 9.5,
        "whole": 12,
        "uuid": "00000000-0000-0000-0000-000000000001",
        "set": ["a", "b"],
        "tuple": [1, None, True],
        "enum": "live",
        "$value": 1.0,
        "ü": {"nested": ["2026-01-01T12:00:00+00:00"]},
        "big": 2**70,
    }


def test_what_can_not_be_sent_is_named_by_its_pointer_all_at_once() -> None:
    loop: list[Any] = []
    loop.append(loop)
    message = refused(
        "create_profile",
        properties={
            "naive": datetime(2026, 1, 1),  # noqa: DTZ001
            "a/b~c": [1, float("nan")],
            "inf": float("inf"),
            "bytes": b"x",
            "object": object(),
            "exact": Decimal("0.12345678901234567890"),
            "none": Decimal("NaN"),
            "keys": {5: 1},
        },
    )
    for pointer in ("naive", "a~1b~0c/1", "inf", "bytes", "object", "exact", "none", "keys"):
        assert f"/data/attributes/properties/{pointer}: " in message
    assert "8 problems" in message
    assert "contains itself" in refused("create_profile", properties={"loop": loop})


def test_nested_resources_say_what_is_missing_or_wrong() -> None:
    assert "'name' is missing" in refused("create_event", metric={}, profile={}, properties={})
    assert "expected a mapping" in refused("create_event", metric="Placed Order", profile={}, properties={})
    message = refused("bulk_import_profiles", profiles=[{"email": "x"}, 5, {"properties": {"a": float("nan")}}])
    assert "/data/attributes/profiles/data/1: " in message
    assert "/data/attributes/profiles/data/2/attributes/properties/a: " in message
    assert "expected a list" in refused("bulk_import_profiles", profiles="x")
    rows = prepare(
        operations["create_event"], (), {}, write={"metric": {}, "profile": {}, "properties": {}}, validate=False
    )
    assert rows.payload is not None


# --- models ---


def test_models_are_bodies_and_parts_of_bodies() -> None:
    whole = {"data": {"type": "list", "attributes": {"name": "VIP"}}}
    body = models.ListCreateQuery.from_dict(whole)
    assert sent("create_list", body=body) == whole
    profile = models.GetProfileResponse.from_dict(
        {"data": {"type": "profile", "id": "01", "attributes": {"email": "x"}}}
    )
    event = sent("create_event", metric={"name": "x"}, profile=profile.data, properties={})
    assert event["data"]["attributes"]["profile"]["data"]["attributes"] == {"email": "x"}
    members = sent("add_profiles_to_list", "L", body=[{"id": "01"}])
    assert members == {"data": [{"type": "profile", "id": "01"}]}


def test_naive_times_and_nan_in_models_are_found_as_well() -> None:
    body = models.ListCreateQuery.from_dict({"data": {"type": "list", "attributes": {"name": "VIP"}}})
    body.data.attributes.additional_properties["at"] = float("nan")
    assert "/data/attributes/at" in refused("create_list", body=body)


# --- mistakes in the call ---


def test_body_and_keywords_exclude_each_other() -> None:
    with pytest.raises(TypeError, match="either body or keywords, not both: name"):
        sent("create_list", body={"data": {}}, name="VIP")
    with pytest.raises(TypeError, match=r"missing the required keyword 'name'"):
        sent("create_list")
    with pytest.raises(TypeError, match=r"keywords 'metric_id', 'measurements', 'filter'"):
        sent("query_metric_aggregates")
    with pytest.raises(TypeError, match="did you mean 'email'"):
        sent("create_profile", emial="x")
    with pytest.raises(TypeError, match="needs a body"):
        sent("add_profiles_to_list", "L")
    with pytest.raises(TypeError, match="give its data as body"):
        sent("add_profiles_to_list", "L", id="x")


def test_a_mapping_that_is_no_document_is_refused() -> None:
    assert "keywords" in refused("create_profile", body={"email": "x"})
    assert "document" in refused("create_profile", body="01")
    assert "document" in refused("create_profile", body=["01"])
    assert prepare(operations["create_profile"], (), {}, body={"email": "x"}, validate=False).payload is not None


def test_no_body_is_no_body() -> None:
    assert sent("create_list", body=None, name="VIP")["data"]["attributes"] == {"name": "VIP"}


def test_a_request_does_not_show_its_body() -> None:
    prepared = prepare(operations["create_profile"], (), {}, write={"email": "sarah@example.com"})
    assert "sarah" not in repr(prepared)


def test_bytes_are_sent_as_they_are() -> None:
    payload = prepare(operations["create_profile"], (), {}, body=b'{"data": 1}').payload
    assert payload is not None
    assert (payload.content, payload.content_type) == (b'{"data": 1}', "application/vnd.api+json")


# --- shapes that no operation of this revision has ---

PART = Resource(type="part", id="optional", attributes={"name": "name", "type_": "type"}, required=("name",))
WHOLE = Operation(
    name="create_whole",
    method="POST",
    path="/api/wholes",
    tag="wholes",
    summary="Create Whole",
    limits=Limits(burst=Rate("1/s"), steady=Rate("15/m")),
    safe_to_repeat=False,
    reference="",
    body=Body(
        kind="resource",
        model="WholeCreateQuery",
        required=False,
        resource=Resource(
            type="whole",
            attributes={name: name for name in ("one", "several", "holder", "holders")},
            nested={
                "one": Nested(kind="bare", resource=PART),
                "several": Nested(kind="bares", resource=PART),
                "holder": Nested(kind="object", keys={"part": Nested(kind="resource", resource=PART)}),
                "holders": Nested(kind="objects", keys={"part": Nested(kind="bare", resource=PART)}),
            },
            relationships={
                "main_part": Relationship(wire="main-part", many=False, type="part", resource=PART),
                "parts": Relationship(wire="parts", many=True, type="part", resource=PART),
            },
            meta=True,
            meta_nested=Nested(kind="object", keys={"part": Nested(kind="bare", resource=PART)}),
        ),
    ),
)


def test_resources_without_envelope_inside_objects_and_in_relationships() -> None:
    made = {"type": "part", "attributes": {"name": "x"}}
    part = {"name": "x"}
    prepared = prepare(
        WHOLE,
        (),
        {},
        write={
            "one": part,
            "several": [part, {"name": "y", "id": "1", "type": "odd"}],
            "holder": {"part": part, "else": 1},
            "holders": [{"part": part}, {"part": None}],
            "main_part": part,
            "parts": [part, made],
            "meta": {"part": part},
        },
    )
    assert prepared.payload is not None
    assert isinstance(prepared.payload.content, bytes)
    assert json.loads(prepared.payload.content) == {
        "data": {
            "type": "whole",
            "attributes": {
                "one": made,
                "several": [made, {"type": "part", "id": "1", "attributes": {"name": "y", "type": "odd"}}],
                "holder": {"part": {"data": made}, "else": 1},
                "holders": [{"part": made}, {"part": None}],
            },
            "relationships": {"main-part": {"data": made}, "parts": {"data": [made, made]}},
            "meta": {"part": made},
        }
    }
    assert prepare(WHOLE).payload is None
    assert prepare(WHOLE, (), {}, write={"main_part": None}).payload is not None


def test_bodies_of_no_known_shape_are_sent_as_they_are() -> None:
    plain = evolve(WHOLE, body=Body(kind="json", model="X"))
    payload = prepare(plain, (), {}, body=[{"at": NOON}]).payload
    assert payload is not None
    assert payload.content == b'[{"at":"2026-01-01T12:00:00+00:00"}]'
    with pytest.raises(TypeError, match="needs a body"):
        prepare(plain)
    with pytest.raises(TypeError, match="as body"):
        prepare(plain, (), {}, write={"x": 1})
    assert prepare(evolve(plain, body=Body(kind="json", model="X", required=False))).payload is None
