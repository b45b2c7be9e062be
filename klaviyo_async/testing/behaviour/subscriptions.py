"""Consent: subscribing and unsubscribing in bulk and from the browser, back-in-stock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from klaviyo_async.testing.behaviour import people
from klaviyo_async.testing.behaviour.generic import require, success
from klaviyo_async.testing.behaviour.registry import handles
from klaviyo_async.testing.call import Response
from klaviyo_async.testing.problems import invalid

if TYPE_CHECKING:
    from klaviyo_async.testing.call import Call
    from klaviyo_async.testing.record import Record


@handles("bulk_subscribe_profiles")
def subscribe(call: Call) -> Response:
    """Done at once: the job can't be looked at."""
    store = call.world.store
    list_id = call.related_id("list")
    target = None if list_id is None else require(store, "list", list_id)
    historical = bool(call.attributes.get("historical_import"))
    rows = call.attributes["profiles"]["data"]
    for number, row in enumerate(rows):
        pointer = f"/data/attributes/profiles/data/{number}/attributes"
        people.check(row["attributes"], pointer)
        people.check_identified(row["attributes"], row.get("id"), pointer)
        dated = any(
            given.get("consented_at")
            for purposes in (row["attributes"].get("subscriptions") or {}).values()
            for given in (purposes or {}).values()
            if isinstance(given, dict)
        )
        if dated and not historical:
            raise invalid("consented_at may only be given with historical_import.", pointer=f"{pointer}/subscriptions")
    for row in rows:
        _one(call, row, target, call.attributes.get("custom_source"))
    return Response(status=202)


def _one(call: Call, row: dict[str, Any], target: Record | None, source: str | None) -> None:
    store = call.world.store
    attributes = dict(row.get("attributes") or {})
    channels = attributes.pop("subscriptions", None) or {}
    attributes.pop("age_gated_date_of_birth", None)
    record, _ = people.upsert(store, attributes, id=row.get("id"), meta=attributes.pop("meta", None))
    record = people.subscribe(store, record, channels, detail=source)
    if target is not None:
        store.join(target, "profiles", record)


@handles("bulk_unsubscribe_profiles")
def unsubscribe(call: Call) -> Response:
    """Who is not on the list is unsubscribed altogether, as the real server does it."""
    store = call.world.store
    list_id = call.related_id("list")
    target = None if list_id is None else require(store, "list", list_id)
    rows = call.attributes["profiles"]["data"]
    for number, row in enumerate(rows):
        pointer = f"/data/attributes/profiles/data/{number}/attributes"
        people.check(row["attributes"], pointer)
        people.check_identified(row["attributes"], None, pointer)
    for row in rows:
        attributes = dict(row["attributes"])
        channels = attributes.pop("subscriptions", None) or {}
        record, _ = people.upsert(store, attributes)
        member = target is not None and record.seq in store.group(target, "profiles").members
        people.unsubscribe(store, record, channels, list_id if member else None)
        if member and target is not None:
            store.part(target, "profiles", record)
    return Response(status=202)


@handles("create_client_subscription")
def subscribe_from_client(call: Call) -> Response:
    """One profile to one list, from the browser."""
    target = require(call.world.store, "list", call.needed_id("list"))
    row = call.attributes["profile"]["data"]
    pointer = "/data/attributes/profile/data/attributes"
    people.check(row["attributes"], pointer)
    people.check_identified(row["attributes"], row.get("id"), pointer)
    if not row["attributes"].get("subscriptions"):
        channels = {"email": "email", "phone_number": "sms"}
        given = {
            channel: {"marketing": {"consent": "SUBSCRIBED"}}
            for name, channel in channels.items()
            if row["attributes"].get(name)
        }
        row = {**row, "attributes": {**row["attributes"], "subscriptions": given}}
    _one(call, row, target, call.attributes.get("custom_source"))
    return Response(status=202)


@handles("create_back_in_stock_subscription", "create_client_back_in_stock_subscription", coverage="accepted")
def back_in_stock(call: Call) -> Response:
    """The profile is made, the subscription itself can't be looked at."""
    profile = call.attributes.get("profile")
    if profile is not None:
        row = profile["data"]
        attributes = row.get("attributes") or {}
        people.check(attributes, "/data/attributes/profile/data/attributes")
        people.upsert(call.world.store, attributes, id=row.get("id"))
    return Response(status=success(call))
