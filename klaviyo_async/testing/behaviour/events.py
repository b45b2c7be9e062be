"""Events: each makes its metric and its profile; a repeat is dropped without a word, as the real server does it."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from klaviyo_async.testing.behaviour import people
from klaviyo_async.testing.behaviour.generic import success
from klaviyo_async.testing.behaviour.registry import handles
from klaviyo_async.testing.call import Response
from klaviyo_async.testing.clock import instant, stamp
from klaviyo_async.testing.problems import invalid
from klaviyo_async.testing.resources import IDENTIFIERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klaviyo_async.testing.call import Call
    from klaviyo_async.testing.record import Record
    from klaviyo_async.testing.store import Store
    from klaviyo_async.testing.world import World

_MOST_PROPERTIES = 400
_LONGEST_UNIQUE_ID = 255


@handles("create_event", "create_client_event")
def create(call: Call) -> Response:
    """One event."""
    profile = call.attributes["profile"]["data"]
    _check_profile(profile, "/data/attributes/profile/data")
    _check(call.attributes, "/data/attributes")
    record = _profile(call.world.store, profile)
    note(call.world, record, call.attributes)
    return Response(status=success(call))


@handles("bulk_create_events")
def create_many(call: Call) -> Response:
    """Events of several profiles; done at once, the job can't be looked at."""
    rows = call.attributes["events-bulk-create"]["data"]
    for number, row in enumerate(rows):
        _check_batch(row["attributes"], f"/data/attributes/events-bulk-create/data/{number}/attributes")
    for row in rows:
        _note_batch(call.world, row["attributes"])
    return Response(status=success(call))


@handles("bulk_create_client_events")
def create_many_from_client(call: Call) -> Response:
    """Events of one profile, from the browser."""
    _check_batch(call.attributes, "/data/attributes")
    _note_batch(call.world, call.attributes)
    return Response(status=success(call))


def _check_batch(attributes: Mapping[str, Any], pointer: str) -> None:
    _check_profile(attributes["profile"]["data"], f"{pointer}/profile/data")
    for number, event in enumerate(attributes["events"]["data"]):
        _check(event["attributes"], f"{pointer}/events/data/{number}/attributes")


def _note_batch(world: World, attributes: Mapping[str, Any]) -> None:
    record = _profile(world.store, attributes["profile"]["data"])
    for event in attributes["events"]["data"]:
        record = note(world, record, event["attributes"])


def _check_profile(profile: Mapping[str, Any], pointer: str) -> None:
    attributes = profile.get("attributes") or {}
    people.check(attributes, f"{pointer}/attributes")
    people.check_identified(attributes, profile.get("id"), f"{pointer}/attributes")


def _check(attributes: Mapping[str, Any], pointer: str) -> None:
    name = attributes["metric"]["data"]["attributes"]["name"]
    if not 0 < len(name) < 128:
        raise invalid(
            "A metric name must be 1 to 127 characters long.", pointer=f"{pointer}/metric/data/attributes/name"
        )
    if len(attributes["properties"]) > _MOST_PROPERTIES:
        raise invalid(f"An event may have at most {_MOST_PROPERTIES} properties.", pointer=f"{pointer}/properties")
    unique = attributes.get("unique_id")
    if unique is not None and not 0 < len(unique) <= _LONGEST_UNIQUE_ID:
        raise invalid(f"unique_id must be 1 to {_LONGEST_UNIQUE_ID} characters long.", pointer=f"{pointer}/unique_id")


def _profile(store: Store, profile: Mapping[str, Any]) -> Record:
    attributes = dict(profile.get("attributes") or {})
    meta = attributes.pop("meta", None) or profile.get("meta")
    found = people.find(store, attributes, profile.get("id"))
    if found is not None and not set(attributes) - set(IDENTIFIERS) and meta is None:
        known = found.attributes
        if all(known.get(name) == value for name, value in attributes.items()):
            # nothing new about the profile: it is not touched
            return found
    return people.upsert(store, attributes, id=profile.get("id"), meta=meta)[0]


def metric(world: World, name: str, service: str | None) -> Record:
    """The metric of that name, made when it is first seen."""
    store = world.store
    for seq in store.table("metric").having("name", name):
        record = store.table("metric").by_seq[seq]
        if service is None or record.attributes["integration"]["key"] == service:
            return record
    key = service or "api"
    integration = {
        "object": "integration",
        "id": store.ids.make("short"),
        "key": key,
        "name": "API" if key == "api" else key.replace("_", " ").title(),
        "category": "API" if key == "api" else "Internal",
    }
    record = store.insert("metric", {"name": name, "integration": integration})
    topic = topic_of(record)
    if store.record("webhook-topic", topic) is None:
        store.insert("webhook-topic", {}, id=topic)
    return record


def topic_of(record: Record) -> str:
    """The webhook topic of a metric."""
    attributes = record.attributes
    key = attributes["integration"]["key"]
    return f"event:{key}.{re.sub(r'[^a-z0-9]+', '_', attributes['name'].lower()).strip('_')}"


def note(world: World, profile: Record, attributes: Mapping[str, Any]) -> Record:
    """Record an event of a profile, unless it is a repeat; the profile as it is afterwards."""
    store = world.store
    given = attributes["metric"]["data"]["attributes"]
    of = metric(world, given["name"], given.get("service"))
    # the time of an event is kept in whole seconds
    when = instant(attributes["time"]) if attributes.get("time") else None
    seconds = int(when.timestamp() if when is not None else world.clock.time())
    unique = attributes.get("unique_id") or str(seconds)
    # one event for each unique_id of a metric and profile; without one, one each second
    mark = hashlib.blake2b(f"{of.id}\0{profile.id}\0{unique}".encode(), digest_size=16).hexdigest()
    if store.first("event", "uuid~mark", mark) is not None:
        return profile
    properties = dict(attributes["properties"])
    if attributes.get("value") is not None:
        properties["$value"] = attributes["value"]
    if attributes.get("value_currency") is not None:
        properties["$value_currency"] = attributes["value_currency"]
    properties["$event_id"] = unique
    record = store.insert(
        "event",
        {
            "timestamp": seconds,
            "event_properties": properties,
            "datetime": stamp(seconds),
            "uuid": store.ids.uuid(),
            "uuid~mark": mark,
        },
        relationships={"profile": profile.id, "metric": of.id},
    )
    _note_properties(store, of, properties)
    for listener in world.on_event:
        listener(record.id, topic_of(of))
    last = profile.attributes.get("last_event_date")
    if last is None or last < stamp(seconds):
        return store.change(profile, {"last_event_date": stamp(seconds)})
    return profile


def _note_properties(store: Store, of: Record, properties: Mapping[str, Any]) -> None:
    for name, value in properties.items():
        id = hashlib.blake2b(f"{of.id}/{name}".encode(), digest_size=8).hexdigest()  # noqa: A001
        if store.record("metric-property", id) is None:
            kinds = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}
            store.insert(
                "metric-property",
                {
                    "label": name,
                    "property": name,
                    "inferred_type": kinds.get(type(value), "string"),
                    "sample_values": [value] if isinstance(value, str | int | float | bool) else [],
                },
                id=id,
                relationships={"metric": of.id},
            )
