"""Writes as people write them: both type checkers have to take every line, without casts."""

from __future__ import annotations

import csv
import gzip
import zipfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO

from klaviyo_async import UNSET, Klaviyo, RequestOptions, api

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    import pandas as pd

    from klaviyo_async.models import EventCreateQueryV2, ListCreateQuery


async def send_events(klaviyo: Klaviyo, email: str, order: Mapping[str, Any]) -> None:
    """A password reset and an order, from the server."""
    await klaviyo.events.create_event(
        metric={"name": "Reset Password"},
        profile={"email": email},
        properties={"PasswordResetLink": "https://shop.example/reset"},
        unique_id="reset-1",
    )
    await klaviyo.events.create_event(
        metric={"name": "Placed Order", "service": "shop"},
        profile={"email": email, "properties": {"tier": "gold"}, "location": {"city": "Boston", "zip": "02110"}},
        properties=order,
        value=9.5,
        value_currency="USD",
        time=datetime(2026, 1, 1, tzinfo=UTC),
        unique_id=str(order["id"]),
    )
    # A time as text, a profile by its id, the metric whole.
    await klaviyo.events.create_event(
        metric={"data": {"type": "metric", "attributes": {"name": "Placed Order"}}},
        profile="01GDDKASAP8TKDDA2GRZDSVP4H",
        properties={},
        time="2026-01-01T00:00:00Z",
    )
    await klaviyo.events.create_event(
        metric={"type": "metric", "attributes": {"name": "Placed Order"}},
        profile={"type": "profile", "attributes": {"email": email}},
        properties={},
    )


async def send_client_events(klaviyo: Klaviyo, email: str) -> None:
    """The same from where only the public key is known."""
    await klaviyo.client.create_client_event(
        company_id="ABC123", metric={"name": "Viewed Product"}, profile={"email": email}, properties={"SKU": "a"}
    )
    await klaviyo.client.bulk_create_client_events(
        profile={"email": email}, events=[{"metric": {"name": "Viewed Product"}, "properties": {"SKU": "a"}}]
    )


async def send_many_events(klaviyo: Klaviyo, orders: list[dict[str, Any]]) -> None:
    """Bulk jobs, the rows made on the way."""
    await klaviyo.events.bulk_create_events(
        events_bulk_create=[
            {
                "profile": {"email": order["email"]},
                "events": [{"metric": {"name": "Placed Order"}, "properties": order, "value": order["total"]}],
            }
            for order in orders
        ]
    )
    rows: list[dict[str, Any]] = [{"profile": {"email": order["email"]}, "events": []} for order in orders]
    await klaviyo.events.bulk_create_events(events_bulk_create=rows)


async def upsert(klaviyo: Klaviyo, row: dict[str, Any], phone: str | None) -> None:
    """Profiles: created, updated, cleared, patched."""
    await klaviyo.profiles.create_profile(email="sarah@example.com", properties={"tier": "gold"})
    await klaviyo.profiles.create_profile(**row)
    await klaviyo.profiles.create_profile(email="sarah@example.com", **row)
    await klaviyo.profiles.create_profile({"data": {"type": "profile", "attributes": row}})
    await klaviyo.profiles.create_profile(body={"data": {"type": "profile", "attributes": row}})
    await klaviyo.profiles.update_profile("01GD", phone_number=None, location={"city": "Boston", "country": None})
    await klaviyo.profiles.update_profile("01GD", phone_number=phone or UNSET)
    await klaviyo.profiles.update_profile("01GD", location=row)
    await klaviyo.profiles.create_or_update_profile(
        email="sarah@example.com",
        meta={"patch_properties": {"append": {"skus": "92538"}, "unset": ["tier"]}},
    )
    await klaviyo.profiles.create_or_update_profile(meta={"patch_properties": {"unset": "tier"}}, **row)


async def subscribe(klaviyo: Klaviyo, emails: list[str], phones: dict[str, str]) -> None:
    """Consent, suppression and their ends."""
    await klaviyo.profiles.bulk_subscribe_profiles(
        profiles=[
            {"email": email, "subscriptions": {"email": {"marketing": {"consent": "SUBSCRIBED"}}}} for email in emails
        ],
        list="Y6nRLr",
        custom_source="Checkout",
    )
    await klaviyo.profiles.bulk_subscribe_profiles(
        profiles=[
            {
                "email": email,
                "phone_number": phone,
                "subscriptions": {
                    "email": {"marketing": {"consent": "SUBSCRIBED"}},
                    "sms": {"marketing": {"consent": "SUBSCRIBED"}, "transactional": {"consent": "SUBSCRIBED"}},
                },
            }
            for email, phone in phones.items()
        ],
        historical_import=False,
        list="Y6nRLr",
    )
    await klaviyo.profiles.bulk_unsubscribe_profiles(
        profiles=[{"email": emails[0], "subscriptions": {"email": {"marketing": {"consent": "UNSUBSCRIBED"}}}}],
        list="Y6nRLr",
    )
    await klaviyo.profiles.bulk_suppress_profiles(profiles=[{"email": email} for email in emails])
    await klaviyo.profiles.bulk_suppress_profiles(list="Y6nRLr")
    await klaviyo.profiles.bulk_unsuppress_profiles(segment="ABC")
    await klaviyo.client.create_client_subscription(
        profile={
            "email": emails[0],
            "subscriptions": {"email": {"marketing": {"consent": "SUBSCRIBED"}}},
        },
        list="Y6nRLr",
        custom_source="Homepage footer",
        company_id="ABC123",
    )


async def keep_lists(klaviyo: Klaviyo, ids: list[str], chosen: set[str], row: dict[str, Any]) -> None:
    """Lists, segments, tags and flows."""
    await klaviyo.lists.create_list(name="VIP")
    await klaviyo.lists.create_list(name="VIP", opt_in_process="double_opt_in")
    await klaviyo.lists.create_list(**row)
    await klaviyo.lists.update_list("Y6nRLr", name="Very important")
    await klaviyo.lists.add_profiles_to_list("Y6nRLr", ids)
    await klaviyo.lists.add_profiles_to_list("Y6nRLr", chosen)
    await klaviyo.lists.remove_profiles_from_list("Y6nRLr", (each for each in ids))
    await klaviyo.lists.remove_profiles_from_list("Y6nRLr", [{"id": each} for each in ids])
    await klaviyo.lists.add_profiles_to_list("Y6nRLr", ids[0])
    await api.lists.create_list(klaviyo, name="VIP")
    await api.lists.create_list(klaviyo.lists, name="VIP")
    await klaviyo.segments.create_segment(
        name="Engaged",
        definition={
            "condition_groups": [
                {
                    "conditions": [
                        {
                            "type": "profile-property",
                            "property": "properties['tier']",
                            "filter": {"type": "string", "operator": "equals", "value": "gold"},
                        }
                    ]
                }
            ]
        },
    )
    await klaviyo.segments.create_segment(name="Engaged", definition=row)
    await klaviyo.segments.update_segment("ABC", name="Engaged", is_starred=True)
    await klaviyo.flows.update_flow("FLOW", status="draft")
    await klaviyo.tags.create_tag(name="spring")
    await klaviyo.tags.tag_campaigns("TAG", ["01A", "01B"])
    await klaviyo.lists.delete_list("Y6nRLr", options=RequestOptions(max_retries=0))


async def campaign(klaviyo: Klaviyo, template: str) -> None:
    """A campaign with its message, its template, and off it goes."""
    await klaviyo.campaigns.create_campaign(
        name="Spring sale",
        audiences={"included": ["Y6nRLr"], "excluded": []},
        send_strategy={"method": "static", "datetime": "2026-05-01T09:00:00Z"},
        send_options={"use_smart_sending": True},
        campaign_messages=[
            {
                "definition": {
                    "channel": "email",
                    "label": "Spring",
                    "content": {
                        "subject": "It is spring",
                        "preview_text": "And everything is new",
                        "from_email": "store@example.com",
                        "from_label": "The store",
                    },
                }
            }
        ],
    )
    await klaviyo.campaigns.assign_template_to_campaign_message(id="01MESSAGE", template=template)
    await klaviyo.campaigns.send_campaign(id="01CAMPAIGN")
    await klaviyo.campaigns.cancel_campaign_send("01CAMPAIGN", action="cancel")
    await klaviyo.templates.create_template(name="Spring", editor_type="CODE", html="<p>{{ first_name }}</p>")


async def merge_and_forget(klaviyo: Klaviyo) -> None:
    """Two profiles into one, and one that wants to be forgotten."""
    await klaviyo.profiles.merge_profiles(id="01DESTINATION", profiles=["01SOURCE"])
    await klaviyo.data_privacy.request_profile_deletion(profile={"email": "sarah@example.com"})
    await klaviyo.data_privacy.request_profile_deletion(profile="01GDDKASAP8TKDDA2GRZDSVP4H")


async def sell(klaviyo: Klaviyo) -> None:
    """Coupons, catalogs, waiting lists."""
    await klaviyo.coupons.create_coupon(external_id="10OFF", description="10 % off")
    await klaviyo.coupons.create_coupon_code(
        unique_code="ASD325FHK324UJDOI2M3JNES99", expires_at=datetime(2027, 1, 1, tzinfo=UTC), coupon="10OFF"
    )
    await klaviyo.catalogs.create_catalog_item(
        external_id="SAMPLE-1",
        title="Coffee",
        description="Ground",
        url="https://shop.example/coffee",
        price=4.5,
        categories=["$custom:::$default:::drinks"],
    )
    await klaviyo.catalogs.bulk_create_catalog_items(
        items=[
            {
                "external_id": "SAMPLE-1",
                "title": "Coffee",
                "description": "Ground",
                "url": "https://shop.example/coffee",
                "categories": ["$custom:::$default:::drinks"],
            }
        ]
    )
    await klaviyo.catalogs.bulk_delete_catalog_variants(variants=[{"id": "$custom:::$default:::SAMPLE-1-S"}])
    await klaviyo.catalogs.bulk_delete_catalog_variants(variants=["$custom:::$default:::SAMPLE-1-S"])
    await klaviyo.profiles.bulk_import_profiles(
        profiles=[{"email": "a@x.com", "properties": {"n": 1}}, {"external_id": "b"}], lists=["Y6nRLr"]
    )


async def stock(klaviyo: Klaviyo) -> None:
    """Tell me when it is back."""
    await klaviyo.events.create_event(metric={"name": "Viewed"}, profile={"email": "a@x.com"}, properties={})
    await klaviyo.profiles.create_push_token(
        token="t0ken", platform="ios", vendor="apns", profile={"email": "a@x.com"}, enablement_status="AUTHORIZED"
    )
    await klaviyo.client.create_client_back_in_stock_subscription(
        channels=["EMAIL"],
        profile={"email": "a@x.com"},
        variant="$custom:::$default:::SAMPLE-1-S",
        company_id="ABC123",
    )


async def report(klaviyo: Klaviyo, since: datetime) -> None:
    """What campaigns, flows, forms and segments did."""
    await klaviyo.reporting.query_campaign_values(
        statistics=["opens", "open_rate", "conversion_value"],
        timeframe={"key": "last_30_days"},
        conversion_metric_id="RESQ6t",
        filter='equals(send_channel,"email")',
    )
    await klaviyo.reporting.query_flow_series(
        statistics=("opens",),
        timeframe={"start": since, "end": "2026-02-01T00:00:00Z"},
        interval="weekly",
        conversion_metric_id="RESQ6t",
    )
    await klaviyo.reporting.query_form_values(statistics=["submits"], timeframe={"key": "last_7_days"})
    await klaviyo.reporting.query_segment_series(
        statistics=["total_members"], timeframe={"key": "last_7_days"}, interval="daily"
    )
    await klaviyo.metrics.query_metric_aggregates(
        metric_id="RESQ6t",
        measurements=["count", "sum_value"],
        filter=["greater-or-equal(datetime,2026-01-01)", "less-than(datetime,2026-02-01)"],
        interval="day",
        by=["$message"],
    )


async def hook(klaviyo: Klaviyo, secret: str) -> None:
    """A webhook."""
    await klaviyo.webhooks.create_webhook(
        name="orders",
        endpoint_url="https://shop.example/klaviyo",
        secret_key=secret,
        webhook_topics=["event:klaviyo.sent_sms"],
    )


async def import_rows(klaviyo: Klaviyo, path: Path, frame: pd.DataFrame) -> None:
    """Bulk imports of what other packages give."""
    await klaviyo.bulk.import_profiles([{"email": "a@x.com", "properties": {"n": 1}}], lists=["Y6nRLr"])
    await klaviyo.bulk.import_profiles(path)
    await klaviyo.bulk.import_profiles(frame)
    await klaviyo.bulk.import_profiles(frame.to_dict("records"))
    with path.open(encoding="utf-8", newline="") as file:
        await klaviyo.bulk.import_profiles(csv.DictReader(file))
        await klaviyo.bulk.import_profiles(list(csv.DictReader(file)))
    people = [{"email": f"user{number}@example.com"} for number in range(1000)]
    await klaviyo.bulk.import_profiles(people)
    await klaviyo.bulk.import_profiles({"email": each["email"], "properties": {"n": 1}} for each in people)
    items = [{"external_id": "1", "title": "Shirt", "price": 9.5, "categories": ["a", "b"]}]
    await klaviyo.bulk.create_catalog_items(items)
    await klaviyo.bulk.create_catalog_items([{**item, "title": "x"} for item in items])


async def upload(klaviyo: Klaviyo, path: Path, content: bytes, file: BinaryIO) -> None:
    """Images from a path, bytes, an open file."""
    await klaviyo.images.upload_image_from_file(file=path)
    await klaviyo.images.upload_image_from_file(file=str(path), hidden=True)
    await klaviyo.images.upload_image_from_file(file=content, name="logo.png")
    await klaviyo.images.upload_image_from_file(file=file, name="logo.png")
    await klaviyo.images.upload_image_from_url(import_from_url="https://shop.example/logo.png")


async def upload_unpacked(klaviyo: Klaviyo, path: Path) -> None:
    """Images out of compressed files."""
    with gzip.open(path) as packed, zipfile.ZipFile(path) as archive, archive.open("logo.png") as inside:
        await klaviyo.images.upload_image_from_file(file=packed)
        await klaviyo.images.upload_image_from_file(file=inside)


async def with_models(
    klaviyo: Klaviyo, event: EventCreateQueryV2, wanted: ListCreateQuery, stored: AsyncIterator[EventCreateQueryV2]
) -> None:
    """Whole bodies as models."""
    await klaviyo.events.create_event(event)
    await klaviyo.events.create_event(body=event, options=RequestOptions(priority="bulk"))
    await klaviyo.lists.create_list(wanted)
    async for each in stored:
        await klaviyo.events.create_event(each)


async def read_by_variables(
    klaviyo: Klaviyo, sort: str, fields: dict[str, list[str]], given: dict[str, Any], wanted: bool
) -> None:
    """Arguments that come from elsewhere, as plain types."""
    await klaviyo.profiles.get_profiles(sort=sort, fields=fields)
    await klaviyo.profiles.get_profiles(**given)
    await klaviyo.events.get_events(fields={"event": ["event_properties"]}, sort="-datetime")
    await klaviyo.profiles.get_profiles(fields=fields if wanted else None, sort=sort if wanted else None)
