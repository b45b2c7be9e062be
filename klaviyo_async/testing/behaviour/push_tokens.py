"""Push tokens: they belong to the profile that they came with last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klaviyo_async.testing.behaviour import people
from klaviyo_async.testing.behaviour.generic import cascade
from klaviyo_async.testing.behaviour.registry import handles
from klaviyo_async.testing.call import Response

if TYPE_CHECKING:
    from klaviyo_async.testing.call import Call


@handles("create_push_token", "create_client_push_token")
def push_token(call: Call) -> Response:
    """A token belongs to the profile that it came with last."""
    store = call.world.store
    given = dict(call.attributes)
    profile = given.pop("profile")["data"]
    metadata = given.pop("device_metadata", None)
    attributes = dict(profile.get("attributes") or {})
    people.check(attributes, "/data/attributes/profile/data/attributes")
    meta = attributes.pop("meta", None)
    owner, _ = people.upsert(store, attributes, id=profile.get("id"), meta=meta)
    values = {**given, "metadata": metadata, "recorded_date": owner.attributes["updated"]}
    old = store.first("push-token", "token", given["token"])
    if old is None:
        store.insert("push-token", values, relationships={"profile": owner.id})
    else:
        store.change(old, values, relationships={"profile": owner.id})
    return Response(status=202)


@handles("unregister_client_push_token")
def unregister(call: Call) -> Response:
    """The token is gone."""
    store = call.world.store
    token = store.first("push-token", "token", call.attributes["token"])
    if token is not None:
        cascade(store, token)
    return Response(status=202)
