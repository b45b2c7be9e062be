"""What users do, by the numbers of the table in docs/from-klaviyo-api.md, typed as they would type it, against FakeKlaviyo."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest

from klaviyo_async import (
    APIError,
    Conflict,
    F,
    Klaviyo,
    NotFound,
    QueryError,
    RequestOptions,
    Unauthorized,
    filters,
    models,
)
from klaviyo_async.testing import FakeKlaviyo

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
SUBSCRIBED: dict[str, Any] = {"email": {"marketing": {"consent": "SUBSCRIBED"}}}


@pytest.fixture
def seeded(fake: FakeKlaviyo) -> FakeKlaviyo:
    fake.seed(profiles=30, lists=2, events=60, items=3)
    return fake


async def test_01_events_of_one_metric_newest_first(seeded: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    metric = (await klaviyo.metrics.get_metrics()).data[0]
    page = await klaviyo.events.get_events(
        fields={"event": ["event_properties"]}, filter=F("metric_id") == metric.id, sort="-datetime"
    )
    assert page.data
    assert set(page.data[0].attributes.to_dict()) == {"event_properties"}


async def test_02_profiles_updated_between(seeded: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    span = (F("updated") > dt.datetime(2023, 1, 1, tzinfo=dt.UTC)) & (F("updated") < NOW + dt.timedelta(days=1))
    assert len(await klaviyo.profiles.get_profiles(filter=span).collect()) == 30
    with pytest.raises(QueryError, match=r"time zone|naive|aware"):
        _ = F("updated") > dt.datetime(2023, 1, 1)  # noqa: DTZ001


async def test_03_the_whole_next_link_as_cursor(seeded: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    first = await klaviyo.profiles.get_profiles(page_size=20)
    second = await klaviyo.profiles.get_profiles(page_size=20, page_cursor=first.links.next)
    assert len(second.data) == 10
    assert not {one.id for one in first.data} & {one.id for one in second.data}


async def test_04_a_profile_with_everything(seeded: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    some = (await klaviyo.profiles.get_profiles()).data[0]
    page = await klaviyo.profiles.get_profile(
        some.id, additional_fields={"profile": ["predictive_analytics"]}, include=["lists"]
    )
    (list_,) = page.related(page.data, "lists")
    assert list_.attributes.name
    assert page.data.attributes.predictive_analytics is not None
    ids = [row.id async for row in klaviyo.profiles.get_list_ids_for_profile(some.id)]  # 5
    assert ids == [list_.id]


async def test_06_campaign_ids_for_a_tag(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    tag = await klaviyo.tags.create_tag(name="Sale")
    campaign = await _campaign(klaviyo)
    await klaviyo.tags.tag_campaigns(tag.data.id, [campaign.data.id])
    ids = await klaviyo.tags.get_campaign_ids_for_tag(tag.data.id).collect()
    assert [one.id for one in ids] == [campaign.data.id]


async def test_08_catching_errors(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    with pytest.raises(APIError) as caught:
        await klaviyo.profiles.get_profile("nobody")
    assert caught.value.status == 404
    assert json.loads(caught.value.body)["errors"][0]["status"] == 404
    assert caught.value.headers["Date"]


async def test_10_a_raw_dict(seeded: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    raw = await klaviyo.request("GET", "/api/profiles", params={"page[size]": 5})
    assert raw == (await klaviyo.profiles.get_profiles(page_size=5)).to_dict()


async def test_11_another_key(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    """A client of another key costs next to nothing: it is how another account is called."""
    async with Klaviyo("pk_other", base_url=fake.url) as other:
        await other.lists.get_lists()
    await klaviyo.lists.get_lists()
    sent = [call.headers["Authorization"] for call in fake.calls("get_lists")]
    assert sent == ["Klaviyo-API-Key pk_other", "Klaviyo-API-Key pk_test"]


async def test_14_and_37_patch_properties(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    await klaviyo.profiles.create_profile(email="a@x.com", properties={"a": 1, "b": 2, "tags": ["x"]})
    await klaviyo.profiles.create_or_update_profile(
        email="a@x.com", meta={"patch_properties": {"unset": ["a", "b"], "append": {"tags": "y"}}}
    )
    (found,) = await klaviyo.profiles.get_profiles(filter=F("email") == "a@x.com").collect()
    assert found.attributes.properties == {"tags": ["x", "y"]}
    await klaviyo.profiles.create_or_update_profile(
        email="a@x.com", meta={"patch_properties": {"unappend": {"tags": "x"}}}
    )
    (found,) = await klaviyo.profiles.get_profiles(filter=F("email") == "a@x.com").collect()
    assert found.attributes.properties == {"tags": ["y"]}


async def _campaign(klaviyo: Klaviyo) -> Any:
    group = await klaviyo.lists.create_list(name="All")
    return await klaviyo.campaigns.create_campaign(
        name="June",
        audiences={"included": [group.data.id]},
        send_strategy={"method": "static", "datetime": NOW + dt.timedelta(days=2)},
        campaign_messages=[
            {
                "definition": {
                    "channel": "email",
                    "label": "M",
                    "content": {"subject": "Hi", "from_email": "me@shop.com", "from_label": "Shop"},
                }
            }
        ],
    )


async def test_15_28_and_45_a_campaign_from_nothing_to_sent(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    for number in range(30):
        await klaviyo.profiles.create_profile(email=f"{number}@shop.com")
    template = await klaviyo.templates.create_template(name="T", editor_type="CODE", html="<p>Hi</p>")
    campaign = await _campaign(klaviyo)
    (message,) = await klaviyo.campaigns.get_messages_for_campaign(campaign.data.id).collect()
    definition = message.attributes.definition
    assert isinstance(definition, models.EmailMessageDefinition)
    assert isinstance(definition.content, models.EmailContent)
    assert definition.content.subject == "Hi"
    await klaviyo.campaigns.assign_template_to_campaign_message(id=message.id, template=template.data.id)
    sent = await klaviyo.campaigns.send_campaign(id=campaign.data.id)
    job = await klaviyo.campaigns.get_campaign_send_job(sent.data.id)
    assert job.data.attributes.status
    listed = await klaviyo.campaigns.get_campaigns(filter=filters.GetCampaigns.messages.channel == "email").collect()
    assert [one.id for one in listed] == [campaign.data.id]
    metric = await _metric(klaviyo)
    report = await klaviyo.reporting.query_campaign_values(
        statistics=["opens", "clicks"], timeframe={"key": "last_30_days"}, conversion_metric_id=metric
    )
    assert report.data.attributes.results is not None


async def test_28_a_draft_is_deleted(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    campaign = await _campaign(klaviyo)
    assert await klaviyo.campaigns.delete_campaign(campaign.data.id) is None
    with pytest.raises(NotFound):
        await klaviyo.campaigns.get_campaign(campaign.data.id)


async def _metric(klaviyo: Klaviyo) -> str:
    await klaviyo.events.create_event(
        metric={"name": "Placed Order"}, profile={"email": "buyer@shop.com"}, properties={"a": 1}, unique_id="m"
    )
    return next(
        one.id for one in await klaviyo.metrics.get_metrics().collect() if one.attributes.name == "Placed Order"
    )


async def test_16_events_from_both_sides(fake: FakeKlaviyo) -> None:
    async with Klaviyo("pk_test", company_id="AbC123", base_url=fake.url) as klaviyo:
        event: dict[str, Any] = {
            "metric": {"name": "Reset password"},
            "profile": {"email": "a@shop.com"},
            "properties": {"link": "x"},
            "value": 1.5,
            "unique_id": "1",
        }
        assert await klaviyo.events.create_event(**event) is None
        assert await klaviyo.client.create_client_event(**{**event, "unique_id": "2"}) is None
        (person,) = await klaviyo.profiles.get_profiles().collect()
        events = await klaviyo.events.get_events(
            filter=F("profile_id") == person.id, include=["metric"]
        ).collect()  # 21
    assert len(events) == 2


async def test_17_subscribe_and_unsubscribe(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    group = await klaviyo.lists.create_list(name="Newsletter")
    phone: dict[str, Any] = {"sms": {"marketing": {"consent": "SUBSCRIBED"}}}
    await klaviyo.profiles.bulk_subscribe_profiles(
        profiles=[
            {"email": "a@shop.com", "subscriptions": SUBSCRIBED},
            {"phone_number": "+15005550006", "subscriptions": phone},
        ],
        list=group.data.id,
        custom_source="Checkout",
    )
    fake.finish_jobs()
    members = await klaviyo.lists.get_profiles_for_list(
        group.data.id, additional_fields={"profile": ["subscriptions"]}
    ).collect()
    assert {one.attributes.email or one.attributes.phone_number for one in members} == {"a@shop.com", "+15005550006"}
    await klaviyo.profiles.bulk_unsubscribe_profiles(
        profiles=[{"email": "a@shop.com", "subscriptions": {"email": {"marketing": {"consent": "UNSUBSCRIBED"}}}}],
        list=group.data.id,
    )
    fake.finish_jobs()
    assert len(await klaviyo.lists.get_profiles_for_list(group.data.id).collect()) == 1


async def test_18_suppress_and_unsuppress(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    await klaviyo.profiles.create_profile(email="a@shop.com")
    job = await klaviyo.profiles.bulk_suppress_profiles(profiles=[{"email": "a@shop.com"}])
    fake.finish_jobs()
    done = await klaviyo.profiles.get_bulk_suppress_profiles_job(job.data.id)
    assert done.data.attributes.status == "complete"
    await klaviyo.profiles.bulk_unsuppress_profiles(profiles=[{"email": "a@shop.com"}])
    group = await klaviyo.lists.create_list(name="L")
    assert await klaviyo.profiles.bulk_suppress_profiles(list=group.data.id)


async def test_19_and_43_change_and_clear(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    made = await klaviyo.profiles.create_profile(email="a@shop.com", first_name="A", last_name="B", properties={"x": 1})
    await klaviyo.profiles.update_profile(made.data.id, first_name=None, title="Boss")
    found = (await klaviyo.profiles.get_profile(made.data.id)).data.attributes
    assert (found.first_name, found.last_name, found.title) == (None, "B", "Boss")
    (by_email,) = (await klaviyo.profiles.get_profiles(filter=F("email") == "a@shop.com")).data
    await klaviyo.profiles.update_profile(by_email.id, properties={"y": 2})
    assert (await klaviyo.profiles.get_profile(made.data.id)).data.attributes.properties == {"x": 1, "y": 2}


async def test_20_related_of_an_event(seeded: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    event = (await klaviyo.events.get_events()).data[0]
    metric = await klaviyo.events.get_metric_for_event(event.id)
    person = await klaviyo.events.get_profile_for_event(event.id)
    assert metric.data.attributes.name
    assert person.data.attributes.email
    assert (await klaviyo.events.get_metric_id_for_event(event.id)).data.id == metric.data.id


async def test_22_and_34_catalog_jobs(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    job = await klaviyo.catalogs.bulk_create_catalog_items(
        items=[
            {"external_id": f"SKU/{n}", "title": f"T{n}", "description": "D", "url": "https://x.com", "price": 9.5}
            for n in range(3)
        ]
    )
    fake.finish_jobs()
    done = await klaviyo.catalogs.get_bulk_create_catalog_items_job(job.data.id, include=["items"])
    assert done.data.attributes.status == "complete"
    assert done.data.attributes.errors == []
    item = await klaviyo.catalogs.get_catalog_item("$custom:::$default:::SKU/1")
    assert item.data.attributes.title == "T1"
    some = F("ids").any(["$custom:::$default:::SKU/0", "$custom:::$default:::SKU/2"])
    assert len(await klaviyo.catalogs.get_catalog_items(filter=some).collect()) == 2
    job = await klaviyo.catalogs.bulk_delete_catalog_items(items=["$custom:::$default:::SKU/0"])
    fake.finish_jobs()
    assert len(await klaviyo.catalogs.get_catalog_items().collect()) == 2
    category = await klaviyo.catalogs.create_catalog_category(external_id="C", name="Shirts", items=[item.data.id])
    assert [one.id async for one in klaviyo.catalogs.get_item_ids_for_catalog_category(category.data.id)] == [
        item.data.id
    ]


async def test_23_back_in_stock(seeded: FakeKlaviyo) -> None:
    async with Klaviyo("pk_test", company_id="AbC123", base_url=seeded.url) as klaviyo:
        variant = (await klaviyo.catalogs.get_catalog_variants()).data[0]
        facts: dict[str, Any] = {"channels": ["EMAIL"], "profile": {"email": "a@shop.com"}, "variant": variant.id}
        assert await klaviyo.catalogs.create_back_in_stock_subscription(**facts) is None
        assert await klaviyo.client.create_client_back_in_stock_subscription(**facts) is None
    sent = [seeded.calls(name)[0].body for name in
            ("create_back_in_stock_subscription", "create_client_back_in_stock_subscription")]  # fmt: skip
    assert sent[0] == sent[1]
    assert sent[0]["data"]["relationships"]["variant"]["data"] == {"type": "catalog-variant", "id": variant.id}


@pytest.mark.parametrize(
    "kind",
    ["campaign_values", "flow_values", "flow_series", "form_values", "form_series", "segment_values", "segment_series"],
)
async def test_24_reports(fake: FakeKlaviyo, klaviyo: Klaviyo, kind: str) -> None:
    facts: dict[str, Any] = {"statistics": ["opens", "clicks"], "timeframe": {"key": "last_7_days"}}
    if kind.startswith("form"):
        facts["statistics"] = ["viewed_form"]
    elif kind.startswith("segment"):
        facts["statistics"] = ["total_members"]
    else:
        facts["conversion_metric_id"] = await _metric(klaviyo)
    if kind.endswith("series"):
        facts["interval"] = "daily"
    report = await getattr(klaviyo.reporting, f"query_{kind}")(**facts)
    assert report.data.attributes.results is not None


async def test_25_metrics_by_integration_and_their_flows(seeded: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    found = await klaviyo.metrics.get_metrics(filter=F("integration.name") == "API").collect()
    for metric in found:
        assert await klaviyo.metrics.get_flows_triggered_by_metric(metric.id).collect() is not None


async def test_26_an_incremental_sync(seeded: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    seen = [one.attributes.updated async for one in klaviyo.profiles.get_profiles(sort="updated", page_size=10)]
    assert seen == sorted(each for each in seen if each is not None)
    count = 0
    async for page in klaviyo.events.get_events(include=["metric", "profile"], sort="datetime", page_size=25).pages():
        count += len(page.data)
        assert page.related(page.data[0], "metric")
    assert count == 60
    for channel in ("email", "sms", "mobile_push"):
        assert await klaviyo.campaigns.get_campaigns(filter=F("messages.channel") == channel).collect() == []


async def test_27_a_segment(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    condition = {
        "type": "profile-property",
        "property": "properties['tier']",
        "filter": {"type": "string", "operator": "equals", "value": "gold"},
    }
    made = await klaviyo.segments.create_segment(
        name="Gold", definition={"condition_groups": [{"conditions": [condition]}]}
    )
    changed = await klaviyo.segments.update_segment(made.data.id, name="Golden")
    assert changed.data.attributes.name == "Golden"
    assert changed.data.attributes.definition is not None
    assert changed.data.attributes.definition.to_dict()["condition_groups"][0]["conditions"] == [condition]
    await klaviyo.segments.delete_segment(made.data.id)


async def test_29_merge_and_forget(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    one = await klaviyo.profiles.create_profile(email="a@shop.com")
    two = await klaviyo.profiles.create_profile(email="b@shop.com")
    merged = await klaviyo.profiles.merge_profiles(id=one.data.id, profiles=[two.data.id])
    assert merged.data.id == one.data.id
    subjects: list[dict[str, Any]] = [{"email": "a@shop.com"}, {"phone_number": "+15005550006"}, {"id": one.data.id}]
    for who in subjects:
        assert await klaviyo.data_privacy.request_profile_deletion(profile=who) is None


async def test_30_coupons(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    coupon = await klaviyo.coupons.create_coupon(external_id="10OFF", description="Ten")
    code = await klaviyo.coupons.create_coupon_code(
        unique_code="ABC", coupon=coupon.data.id, expires_at=NOW + dt.timedelta(days=30)
    )
    assert code.data.attributes.expires_at == NOW + dt.timedelta(days=30)
    codes = await klaviyo.coupons.get_coupon_codes(filter=F("coupon.id") == "10OFF").collect()
    assert [one.attributes.unique_code for one in codes] == ["ABC"]


async def test_31_create_or_patch(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    made = await klaviyo.profiles.create_profile(email="a@shop.com")
    try:
        await klaviyo.profiles.create_profile(email="a@shop.com", first_name="A")
    except Conflict as error:
        if error.duplicate_profile_id is None:
            raise
        changed = await klaviyo.profiles.update_profile(error.duplicate_profile_id, first_name="A")
        assert changed.data.id == made.data.id
        assert changed.data.attributes.first_name == "A"
    else:
        pytest.fail("no conflict")


async def test_32_is_the_key_right() -> None:
    async with FakeKlaviyo(api_keys=["pk_right"], limits=False) as fake:
        for key, error in (("pk_wrong", Unauthorized), ("pk_right", NotFound)):
            async with Klaviyo(key, base_url=fake.url) as klaviyo:
                with pytest.raises(error):
                    await klaviyo.lists.get_list("none")


async def test_33_orders_with_time_and_unique_id(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    for name in ("Order Completed", "Product Viewed", "Order Refunded", "Order Completed"):
        await klaviyo.events.create_event(
            metric={"name": name},
            profile={"email": "a@shop.com", "external_id": "c1"},
            properties={"OrderId": "1", "Items": [{"SKU": "x"}]},
            time=NOW - dt.timedelta(days=1),
            value=99.95,
            value_currency="USD",
            unique_id=f"{name}-1",
        )
    events = await klaviyo.events.get_events().collect()
    assert len(events) == 3
    assert all(one.attributes.datetime == NOW - dt.timedelta(days=1) for one in events)


async def test_35_an_import_into_a_list(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    group = await klaviyo.lists.create_list(name="L")
    rows = [{"email": f"{n}@shop.com", "first_name": str(n), "properties": {"n": n}} for n in range(200)]
    job = await klaviyo.profiles.bulk_import_profiles(profiles=rows, lists=[group.data.id])
    fake.finish_jobs()
    assert (await klaviyo.profiles.get_bulk_import_profiles_job(job.data.id)).data.attributes.failed_count == 0
    assert await klaviyo.profiles.get_errors_for_bulk_import_profiles_job(job.data.id).collect() == []
    assert len(await klaviyo.lists.get_profile_ids_for_list(group.data.id, page_size=100).collect()) == 200


async def test_36_events_in_bulk(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    await klaviyo.events.bulk_create_events(
        events_bulk_create=[
            {
                "profile": {"email": f"{n}@shop.com"},
                "events": [
                    {"metric": {"name": "X"}, "properties": {"n": n, "m": m}, "unique_id": f"{n}-{m}"} for m in range(2)
                ],
            }
            for n in range(3)
        ]
    )
    fake.finish_jobs()
    assert len(await klaviyo.events.get_events().collect()) == 6


async def test_38_a_full_extraction(seeded: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    lists: list[Callable[[], Any]] = [
        klaviyo.lists.get_lists,
        klaviyo.segments.get_segments,
        klaviyo.templates.get_templates,
        klaviyo.metrics.get_metrics,
        klaviyo.flows.get_flows,
        lambda: klaviyo.events.get_events(filter=F("datetime") > NOW - dt.timedelta(days=90)),
        lambda: klaviyo.campaigns.get_campaigns(filter="and(equals(messages.channel,'email'),equals(archived,true))"),
    ]
    found = await asyncio.gather(*(make().collect() for make in lists))
    assert len(found[0]) == 2
    assert len(found[5]) >= 50


async def test_39_the_escape_hatch(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    made = await klaviyo.request("POST", "/api/lists/", json={"data": {"type": "list", "attributes": {"name": "x"}}})
    assert made["data"]["attributes"]["name"] == "x"
    assert await klaviyo.request("DELETE", f"/api/lists/{made['data']['id']}") is None


async def test_41_a_list_by_name_and_its_size(seeded: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    name = (await klaviyo.lists.get_lists()).data[0].attributes.name
    (found,) = await klaviyo.lists.get_lists(filter=F("name") == name).collect()
    counted = await klaviyo.lists.get_list(found.id, additional_fields={"list": ["profile_count"]})
    assert counted.data.attributes.profile_count == 15


async def test_42_five_at_once_and_the_last_limits() -> None:
    async with FakeKlaviyo() as fake, Klaviyo("pk_task_42", base_url=fake.url) as klaviyo:
        fake.seed(profiles=10)
        ids = [one.id for one in (await klaviyo.profiles.get_profiles()).data][:5]
        found = await asyncio.gather(*(klaviyo.profiles.get_profile(id_) for id_ in ids))
        assert [one.data.id for one in found] == ids
        assert found[-1].http.headers["RateLimit-Limit"].startswith("75, 75;w=1, 750;w=60")
        assert int(found[-1].http.headers["RateLimit-Remaining"]) <= 70


async def test_44_a_webhook(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    topic = (await klaviyo.webhooks.get_webhook_topics()).data[0]
    made = await klaviyo.webhooks.create_webhook(
        name="W", endpoint_url="https://shop.com/hook", secret_key="0123456789abcdef", webhook_topics=[topic.id]
    )
    assert (await klaviyo.webhooks.get_webhook(made.data.id)).data.attributes.name == "W"
    assert "0123456789abcdef" not in repr(made)
    with pytest.raises((QueryError, APIError), match="secret"):
        await klaviyo.webhooks.create_webhook(
            name="W", endpoint_url="https://shop.com/hook", secret_key="short", webhook_topics=[topic.id]
        )


async def test_40_flows_and_names(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    flow = await klaviyo.flows.create_flow(
        name="Welcome",
        definition={
            "triggers": [{"type": "metric", "id": await _metric(klaviyo)}],
            "profile_filter": None,
            "actions": [
                {
                    "temporary_id": "1",
                    "type": "time-delay",
                    "links": {"next": None},
                    "data": {"unit": "days", "value": 1},
                }
            ],
            "entry_action_id": "1",
        },
    )
    changed = await klaviyo.flows.update_flow(flow.data.id, status="live")
    assert changed.data.attributes.status == "live"
    assert [one.attributes.name async for one in klaviyo.flows.get_flows()] == ["Welcome"]
    await klaviyo.flows.delete_flow(flow.data.id)


async def test_07_an_image(fake: FakeKlaviyo, klaviyo: Klaviyo, tmp_path: Path) -> None:
    (tmp_path / "a.gif").write_bytes(b"GIF89a" + bytes(20))
    made = await klaviyo.images.upload_image_from_file(file=tmp_path / "a.gif")
    assert made.data.attributes.name
    changed = await klaviyo.images.update_image(made.data.id, name="b", hidden=True)
    assert changed.data.attributes.hidden is True


async def test_13_retry_options() -> None:
    Klaviyo("pk_1", max_retries=2, timeout=5)
    RequestOptions(max_retries=0)
