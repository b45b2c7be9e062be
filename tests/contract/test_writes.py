"""docs/contract.md, section 6: writes."""

from __future__ import annotations

import datetime as dt
import inspect
import math
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from klaviyo_async import UNSET, Klaviyo, QueryError, RequestOptions, models, operations

if TYPE_CHECKING:
    from klaviyo_async.testing import FakeKlaviyo
    from tests.support.servers import WebServer


@pytest.fixture(autouse=True)
def accepting(server: WebServer) -> None:
    server.handler = lambda _: web.Response(status=204)


def resource(type_: str, attributes: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"type": type_}
    if attributes is not None:
        made["attributes"] = attributes
    return {"data": {**made, **more}}


async def test_create_profile(server: WebServer, client: Klaviyo) -> None:
    await client.profiles.create_profile(email="sarah@example.com", properties={"tier": "gold"})
    assert server.json == resource("profile", {"email": "sarah@example.com", "properties": {"tier": "gold"}})
    assert server.requests[0].headers["Content-Type"].startswith("application/vnd.api+json")


async def test_update_profile_clears_just_that(server: WebServer, client: Klaviyo) -> None:
    await client.profiles.update_profile("01GD", phone_number=None)
    assert server.json == resource("profile", {"phone_number": None}, id="01GD")
    assert (server.requests[0].method, server.requests[0].path) == ("PATCH", "/api/profiles/01GD")
    await client.profiles.update_profile("01GD", phone_number=None, email=UNSET, properties={})
    assert server.json == resource("profile", {"phone_number": None, "properties": {}}, id="01GD")


async def test_create_list(server: WebServer, client: Klaviyo) -> None:
    await client.lists.create_list(name="VIP")
    assert server.json == resource("list", {"name": "VIP"})


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (["01H…", "01J…"], [{"type": "profile", "id": "01H…"}, {"type": "profile", "id": "01J…"}]),
        (("a",), [{"type": "profile", "id": "a"}]),
        ("a", [{"type": "profile", "id": "a"}]),
        ([{"id": "a", "meta": {"x": 1}}], [{"type": "profile", "id": "a", "meta": {"x": 1}}]),
        ([{"type": "profile", "id": "a"}], [{"type": "profile", "id": "a"}]),
        ({"data": [{"type": "profile", "id": "a"}]}, [{"type": "profile", "id": "a"}]),
        (["a", {"id": "b"}], [{"type": "profile", "id": "a"}, {"type": "profile", "id": "b"}]),
    ],
)
async def test_identifiers(server: WebServer, client: Klaviyo, given: Any, sent: Any) -> None:
    for call in (client.lists.add_profiles_to_list, client.lists.remove_profiles_from_list):
        assert await call("Y6nRLr", given) is None
        assert server.json == {"data": sent}
        assert await call("Y6nRLr", body=given) is None
        assert server.json == {"data": sent}


async def test_identifiers_as_a_model(server: WebServer, client: Klaviyo) -> None:
    body = operations["add_profiles_to_list"].body
    assert body is not None
    assert body.model is not None
    model = getattr(models, body.model)
    made = model.from_dict({"data": [{"type": "profile", "id": "a"}]})
    await client.lists.add_profiles_to_list("Y6nRLr", made)
    assert server.json == {"data": [{"type": "profile", "id": "a"}]}


@pytest.mark.parametrize("given", [[], [""], [None], [{}], {"data": []}, "", [5.5], [{"meta": {}}]])
async def test_identifiers_that_can_not_be(server: WebServer, client: Klaviyo, given: Any) -> None:
    before = len(server.requests)
    try:
        await client.lists.add_profiles_to_list("Y6nRLr", given)
    except (QueryError, TypeError):
        assert len(server.requests) == before
    else:
        assert server.json == {"data": []}


async def test_create_event(server: WebServer, client: Klaviyo) -> None:
    await client.events.create_event(
        metric={"name": "Placed Order"},
        profile={"email": "sarah@example.com"},
        properties={"OrderId": "1"},
        value=9.5,
        unique_id="1",
    )
    assert server.json == resource(
        "event",
        {
            "metric": resource("metric", {"name": "Placed Order"}),
            "profile": resource("profile", {"email": "sarah@example.com"}),
            "properties": {"OrderId": "1"},
            "value": 9.5,
            "unique_id": "1",
        },
    )


async def test_keys_of_a_nested_resource_find_their_places(server: WebServer, client: Klaviyo) -> None:
    await client.events.create_event(
        metric={"name": "X"},
        # `meta` is an attribute in this schema, and only in this one
        profile={
            "id": "01H",
            "email": "a@x.com",
            "meta": {"patch_properties": {"unset": ["a"]}},
            "properties": {"b": 1},
        },
        properties={},
        time=dt.datetime(2026, 1, 2, tzinfo=dt.UTC),
    )
    attributes = server.json["data"]["attributes"]
    assert attributes["profile"] == {
        "data": {
            "type": "profile",
            "id": "01H",
            "attributes": {
                "email": "a@x.com",
                "properties": {"b": 1},
                "meta": {"patch_properties": {"unset": ["a"]}},
            },
        }
    }
    await client.profiles.bulk_import_profiles(
        profiles=[{"email": "a@x.com", "meta": {"patch_properties": {"unset": "a"}}}]
    )
    assert server.json["data"]["attributes"]["profiles"]["data"] == [
        {"type": "profile", "attributes": {"email": "a@x.com"}, "meta": {"patch_properties": {"unset": "a"}}}
    ]
    assert dt.datetime.fromisoformat(attributes["time"]) == dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
    assert attributes["properties"] == {}


async def test_a_whole_resource_is_taken_as_it_is(server: WebServer, client: Klaviyo) -> None:
    whole = {"type": "profile", "attributes": {"email": "a@x.com", "first_name": "A"}}
    await client.events.create_event(metric={"name": "X"}, profile=whole, properties={})
    assert server.json["data"]["attributes"]["profile"] == {"data": whole}
    await client.events.create_event(metric={"name": "X"}, profile={"data": whole}, properties={})
    assert server.json["data"]["attributes"]["profile"] == {"data": whole}


async def test_a_list_of_nested_resources(server: WebServer, client: Klaviyo) -> None:
    consent: dict[str, Any] = {"email": {"marketing": {"consent": "SUBSCRIBED"}}}
    await client.profiles.bulk_subscribe_profiles(
        profiles=[
            {"email": "a@x.com", "subscriptions": consent},
            {"id": "01H", "email": "b@x.com", "subscriptions": consent},
        ],
        list="Y6nRLr",
        custom_source="Checkout",
    )
    assert server.json == resource(
        "profile-subscription-bulk-create-job",
        {
            "custom_source": "Checkout",
            "profiles": {
                "data": [
                    {"type": "profile", "attributes": {"email": "a@x.com", "subscriptions": consent}},
                    {"type": "profile", "id": "01H", "attributes": {"email": "b@x.com", "subscriptions": consent}},
                ]
            },
        },
        relationships={"list": {"data": {"type": "list", "id": "Y6nRLr"}}},
    )


async def test_relationships_take_an_id_or_ids(server: WebServer, client: Klaviyo) -> None:
    await client.catalogs.create_catalog_item(
        external_id="1", title="T", description="D", url="https://x.com", categories=["a", "b"]
    )
    assert server.json["data"]["relationships"] == {
        "categories": {"data": [{"type": "catalog-category", "id": "a"}, {"type": "catalog-category", "id": "b"}]}
    }
    await client.catalogs.create_catalog_variant(
        external_id="1", title="T", description="D", url="u", sku="s", inventory_quantity=1, price=1.0, item="i"
    )
    assert server.json["data"]["relationships"] == {"item": {"data": {"type": "catalog-item", "id": "i"}}}
    await client.coupons.create_coupon_code(unique_code="ABC", coupon="10OFF", expires_at=None)
    assert server.json == resource(
        "coupon-code",
        {"unique_code": "ABC", "expires_at": None},
        relationships={"coupon": {"data": {"type": "coupon", "id": "10OFF"}}},
    )


async def test_a_relationship_that_is_cleared(server: WebServer, client: Klaviyo) -> None:
    await client.metrics.update_mapped_metric("revenue", metric=None)
    assert server.json == {
        "data": {"type": "mapped-metric", "id": "revenue", "relationships": {"metric": {"data": None}}}
    }


async def test_meta_of_an_upsert(server: WebServer, client: Klaviyo) -> None:
    await client.profiles.create_or_update_profile(
        email="a@x.com", meta={"patch_properties": {"unset": ["a", "b"], "append": {"c": "d"}}}
    )
    assert server.json == resource(
        "profile",
        {"email": "a@x.com"},
        meta={"patch_properties": {"unset": ["a", "b"], "append": {"c": "d"}}},
    )


async def test_id_is_a_keyword_where_the_path_has_none(server: WebServer, client: Klaviyo) -> None:
    await client.templates.render_template(id="T1", context={"first_name": "A"})
    assert server.json == resource("template", {"context": {"first_name": "A"}}, id="T1")
    await client.templates.clone_template(id="T1", name="Copy")
    assert server.json == resource("template", {"name": "Copy"}, id="T1")
    await client.campaigns.send_campaign(id="C1")
    assert server.json["data"] == {"type": "campaign-send-job", "id": "C1"}
    await client.campaigns.cancel_campaign_send("C1", action="revert")
    assert server.json["data"] == {"type": "campaign-send-job", "id": "C1", "attributes": {"action": "revert"}}
    await client.profiles.merge_profiles(id="target", profiles=["source"])
    assert server.json["data"] == {
        "type": "profile-merge",
        "id": "target",
        "relationships": {"profiles": {"data": [{"type": "profile", "id": "source"}]}},
    }


async def test_a_name_taken_already_gets_an_underscore(server: WebServer, client: Klaviyo) -> None:
    names = inspect.signature(client.conversations.create_conversation_message).parameters
    assert {"body", "body_"} <= set(names)
    facts = operations["create_conversation_message"].body
    assert facts is not None
    assert facts.resource is not None
    required: dict[str, Any] = {name: "x" for name in facts.resource.required if name != "body_"}
    await client.conversations.create_conversation_message(body_="Hello", **required)
    assert server.json["data"]["attributes"]["body"] == "Hello"


async def test_body_together_with_keywords_is_a_type_error(server: WebServer, client: Klaviyo) -> None:
    body = resource("profile", {"email": "a@x.com"})
    with pytest.raises(TypeError):
        await client.profiles.create_profile(body, email="a@x.com")  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError):
        await client.profiles.create_profile(body, email=None)  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError):
        await client.profiles.update_profile("1", body, properties={})  # pyright: ignore[reportCallIssue]
    assert not server.requests
    await client.profiles.create_profile(body, email=UNSET)  # pyright: ignore[reportCallIssue]
    assert server.json == body


async def test_a_missing_required_one_is_a_type_error(server: WebServer, client: Klaviyo) -> None:
    for call in (
        client.lists.create_list,
        lambda: client.events.create_event(metric={"name": "x"}),  # pyright: ignore[reportCallIssue]
        lambda: client.templates.clone_template(name="x"),  # pyright: ignore[reportCallIssue]
        client.profiles.get_profile,
        client.profiles.bulk_subscribe_profiles,
        lambda: client.coupons.create_coupon_code(unique_code="x"),  # pyright: ignore[reportCallIssue]
        lambda: client.lists.add_profiles_to_list("x"),  # type: ignore[call-arg]
    ):
        with pytest.raises(TypeError):
            await call()  # type: ignore[misc]
    assert not server.requests


async def test_a_body_as_model_and_as_mapping(server: WebServer, client: Klaviyo) -> None:
    mapping = resource("profile", {"email": "a@x.com", "first_name": None})
    model = models.ProfileCreateQuery.from_dict(mapping)
    await client.profiles.create_profile(model)
    assert server.json == mapping
    await client.profiles.create_profile(mapping)
    assert server.json == mapping
    await client.profiles.create_profile(body=mapping)
    assert server.json == mapping


async def test_unknown_keywords(server: WebServer, client: Klaviyo) -> None:
    with pytest.raises(TypeError):
        await client.profiles.create_profile(emial="a@x.com")  # type: ignore[call-arg]
    assert not server.requests


@pytest.mark.parametrize("value", [math.nan, math.inf, object(), b"x", 1j, dt.datetime(2026, 1, 1).time])  # noqa: DTZ001
async def test_values_that_are_no_json(server: WebServer, client: Klaviyo, value: Any) -> None:
    with pytest.raises((QueryError, TypeError)) as caught:
        await client.profiles.create_profile(email="a@x.com", properties={"deep": [{"x": value}]})
    assert isinstance(caught.value, (ValueError, TypeError))
    assert not server.requests


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"email": "\ud800@x.com"}, "/data/attributes/email"),
        ({"properties": {"a": ["\udfff"]}}, "/data/attributes/properties/a/0"),
        ({"properties": {"\ud800": 1}}, "/data/attributes/properties"),
        ({"location": {"\ud800": 1}}, "/data/attributes/location"),
        ({"body": {"data": {"type": "profile", "attributes": {"email": "\ud800"}}}}, "/data/attributes/email"),
    ],
)
async def test_text_that_can_not_be_encoded_is_not_sent(
    server: WebServer, client: Klaviyo, given: Any, place: str
) -> None:
    with pytest.raises(QueryError, match="lone surrogate") as caught:
        await client.profiles.create_profile(**given)
    assert [problem.pointer for problem in caught.value.problems] == [place]
    for call in (client.lists.add_profiles_to_list("L", ["\ud800"]), client.request("POST", "/api/x", json=["\ud800"])):
        with pytest.raises(QueryError, match="lone surrogate"):
            await call
    assert not server.requests


async def test_nothing_is_added(server: WebServer, client: Klaviyo) -> None:
    await client.profiles.create_profile(email=None)
    assert server.json == resource("profile", {"email": None})
    await client.campaigns.create_campaign(
        name="C",
        audiences={"included": ["Y6nRLr"]},
        campaign_messages=[{"definition": {"channel": "email", "label": "M", "content": {"subject": "S"}}}],
        send_strategy={"method": "static", "datetime": "2026-12-01T00:00:00+00:00"},
    )
    assert server.json == resource(
        "campaign",
        {
            "name": "C",
            "audiences": {"included": ["Y6nRLr"]},
            "send_strategy": {"method": "static", "datetime": "2026-12-01T00:00:00+00:00"},
            "campaign-messages": {
                "data": [
                    {
                        "type": "campaign-message",
                        "attributes": {"definition": {"channel": "email", "label": "M", "content": {"subject": "S"}}},
                    }
                ]
            },
        },
    )


async def test_deletes_with_a_body(server: WebServer, client: Klaviyo) -> None:
    await client.tags.remove_tag_from_campaigns("T1", ["C1", "C2"])
    assert server.requests[0].method == "DELETE"
    assert server.json == {"data": [{"type": "campaign", "id": "C1"}, {"type": "campaign", "id": "C2"}]}


async def test_one_identifier_by_patch(server: WebServer, client: Klaviyo) -> None:
    await client.campaigns.update_image_for_campaign_message("M1", "I1")
    assert server.json == {"data": {"type": "image", "id": "I1"}}
    await client.campaigns.update_image_for_campaign_message("M1", {"id": "I1"})
    assert server.json == {"data": {"type": "image", "id": "I1"}}


async def test_data_privacy(server: WebServer, client: Klaviyo) -> None:
    await client.data_privacy.request_profile_deletion(profile={"email": "a@x.com"})
    assert server.json == resource("data-privacy-deletion-job", {"profile": resource("profile", {"email": "a@x.com"})})


async def test_suppressing_by_email_list_and_segment(server: WebServer, client: Klaviyo) -> None:
    await client.profiles.bulk_suppress_profiles(profiles=[{"email": "a@x.com"}])
    assert server.json == resource(
        "profile-suppression-bulk-create-job",
        {"profiles": {"data": [{"type": "profile", "attributes": {"email": "a@x.com"}}]}},
    )
    await client.profiles.bulk_suppress_profiles(list="L1")
    assert server.json["data"]["relationships"] == {"list": {"data": {"type": "list", "id": "L1"}}}
    assert server.json["data"]["attributes"] == {}
    await client.profiles.bulk_unsuppress_profiles(segment="S1")
    assert server.json["data"]["relationships"] == {"segment": {"data": {"type": "segment", "id": "S1"}}}


async def test_every_keyword_is_checked_by_the_fake(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    made = await klaviyo.profiles.create_profile(
        email="sarah@x.com",
        first_name="Sarah",
        location={"city": "Boston", "latitude": 1.5},
        properties={"a": [1, None]},
    )
    changed = await klaviyo.profiles.update_profile(made.data.id, first_name=None, location={"city": None})
    assert changed.data.attributes.first_name is None
    assert changed.data.attributes.email == "sarah@x.com"
    read = await klaviyo.profiles.get_profile(made.data.id)
    assert read.data.attributes.properties == {"a": [1, None]}


async def test_validate_false_sends_a_body_as_it_is(server: WebServer, client: Klaviyo) -> None:
    body = {"data": {"type": "profile", "attributes": {"brand_new": 1}, "brand": "new"}}
    await client.profiles.create_profile(body, options=RequestOptions(validate=False))  # type: ignore[arg-type]
    assert server.json == body


async def test_what_was_read_stands_for_its_identifier(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    fake.seed(profiles=4, items=1)
    group = await klaviyo.lists.create_list(name="VIP")
    people = (await klaviyo.profiles.get_profiles()).data
    await klaviyo.lists.add_profiles_to_list(group.data.id, people[:2])
    await klaviyo.lists.add_profiles_to_list(group.data.id, [one.to_dict() for one in people[2:]])
    assert fake.calls("add_profiles_to_list")[0].body == {
        "data": [{"type": "profile", "id": one.id} for one in people[:2]]
    }
    assert len(await klaviyo.lists.get_profiles_for_list(group.data.id).collect()) == 4
    await klaviyo.lists.remove_profiles_from_list(group.data.id, people[0])
    items = (await klaviyo.catalogs.get_catalog_items()).data
    await klaviyo.catalogs.create_catalog_category(external_id="C", name="C", items=items)
    assert fake.calls("create_catalog_category")[0].body["data"]["relationships"] == {
        "items": {"data": [{"type": "catalog-item", "id": items[0].id}]}
    }
