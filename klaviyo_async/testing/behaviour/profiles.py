"""Operations on profiles: create, upsert, update, merge, and the deletion that privacy asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klaviyo_async.testing import render
from klaviyo_async.testing.behaviour import people
from klaviyo_async.testing.behaviour.generic import cascade, document, require, same_id, wanted
from klaviyo_async.testing.behaviour.registry import handles
from klaviyo_async.testing.call import Response
from klaviyo_async.testing.problems import invalid
from klaviyo_async.testing.resources import IDENTIFIERS

if TYPE_CHECKING:
    from klaviyo_async.testing.call import Call


@handles("create_profile")
def create(call: Call) -> Response:
    """A new profile; 409 where an identifier is taken."""
    people.check_identified(call.attributes)
    people.check(call.attributes)
    people.check_free(call.world.store, call.attributes)
    return document(call, call.world.store.insert("profile", people.merged(None, call.attributes)), 201)


@handles("create_or_update_profile")
def upsert(call: Call) -> Response:
    """200 for a profile that is there, 201 for a new one."""
    given = call.data.get("id")
    people.check_identified(call.attributes, given)
    people.check(call.attributes)
    if given is not None:
        record = require(call.world.store, "profile", given)
        people.check_free(call.world.store, call.attributes, record)
    record, new = people.upsert(call.world.store, call.attributes, id=given, meta=call.data.get("meta"))
    return document(call, record, 201 if new else 200)


@handles("update_profile")
def update(call: Call) -> Response:
    """Null clears, what isn't named stays."""
    record = wanted(call)
    same_id(call)
    people.check(call.attributes)
    people.check_free(call.world.store, call.attributes, record)
    left = {**record.attributes, **call.attributes}
    if not any(left.get(name) for name in IDENTIFIERS):
        raise invalid("A profile must keep at least one identifier.", pointer="/data/attributes")
    changed = people.merged(record, call.attributes, call.data.get("meta"))
    return document(call, call.world.store.change(record, changed), 200)


@handles("merge_profiles")
def merge(call: Call) -> Response:
    """What the source has and the destination lacks goes over; the source is gone."""
    store = call.world.store
    target = require(store, "profile", call.data["id"])
    sources = call.related_ids("profiles")
    if len(sources) != 1:
        raise invalid("Exactly one source profile must be provided.", pointer="/data/relationships/profiles/data")
    source = require(store, "profile", sources[0])
    if source.id == target.id:
        raise invalid("A profile can't be merged into itself.", pointer="/data/relationships/profiles/data/0/id")
    old, new = source.attributes, target.attributes
    events = [store.table("event").by_seq[seq] for seq in store.table("event").having("@profile", source.id)]
    for event in events:
        store.change(event, {}, relationships={"profile": target.id})
    tokens = list(store.members(source, "push-tokens"))
    for token in tokens:
        store.change(token, {}, relationships={"profile": target.id})
    for name in ("lists", "segments"):
        for group in list(store.members(source, name)):
            store.join(target, name, group)
    cascade(store, source)
    kept = {name: value for name, value in old.items() if value is not None and new.get(name) is None}
    kept["properties"] = {**(old.get("properties") or {}), **(new.get("properties") or {})}
    target = store.change(target, kept)
    # the documents say 201; the real server responds 202 and gives no attributes
    data = {
        "type": "profile",
        "id": target.id,
        "attributes": {},
        "links": {"self": f"{call.origin}/api/profiles/{target.id}/"},
    }
    return Response(status=202, document={"data": data, "links": {"self": render.self_link(call)}})


@handles("request_profile_deletion")
def forget(call: Call) -> Response:
    """Delete a profile named by exactly one identifier; does nothing if there is no such profile."""
    store = call.world.store
    profile = call.attributes["profile"]["data"]
    attributes = profile.get("attributes") or {}
    given = [value for value in (profile.get("id"), *attributes.values()) if value is not None]
    if len(given) != 1:
        raise invalid(
            "Exactly one identifier (id, email or phone_number) must be provided.",
            pointer="/data/attributes/profile/data/attributes",
        )
    record = people.find(store, attributes, profile.get("id"))
    if record is not None:
        for seq in store.table("event").having("@profile", record.id):
            store.delete(store.table("event").by_seq[seq])
        cascade(store, record)
    return Response(status=202)
