"""What browsers and apps call with the public key: profiles, reviews, geofences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from klaviyo_async.testing import listing, render
from klaviyo_async.testing.behaviour import people
from klaviyo_async.testing.behaviour.registry import handles
from klaviyo_async.testing.call import Response

if TYPE_CHECKING:
    from klaviyo_async.testing.call import Call


@handles("create_client_profile")
def profile(call: Call) -> Response:
    """Upsert."""
    people.check_identified(call.attributes, call.data.get("id"))
    people.check(call.attributes)
    people.upsert(call.world.store, call.attributes, id=call.data.get("id"), meta=call.data.get("meta"))
    return Response(status=202)


@handles("create_client_review")
def review(call: Call) -> Response:
    """A review that waits for approval."""
    given = dict(call.attributes)
    product: dict[str, Any] = given.pop("product", None) or {}
    store = call.world.store
    item = store.record("catalog-item", f"$custom:::$default:::{product.get('external_id')}")
    store.insert(
        "review",
        {
            "email": given["email"],
            "author": given["author"],
            "content": given["content"],
            "title": given.get("title"),
            "rating": given.get("rating"),
            "review_type": given["review_type"],
            "images": given.get("images") or [],
            "status": {"value": "pending"},
            "verified": False,
            "public_reply": None,
            "smart_quote": None,
            "product": None
            if not product
            else {"external_id": product["external_id"], "name": product["external_id"], "url": "", "image_url": None},
        },
        relationships={} if item is None else {"item": item.id},
    )
    return Response(status=202)


@handles("get_client_reviews")
def reviews(call: Call) -> Response:
    """Published and featured reviews; nobody sees the others."""
    shown = [
        record
        for record in call.world.store.records("review")
        if (record.attributes.get("status") or {}).get("value") in {"published", "featured"}
    ]
    page = listing.page_of_members(call.world.store, "review", call.query, shown)
    return Response(status=200, document=render.many(call, page, paged=True))


@handles("get_client_geofences")
def geofences(call: Call) -> Response:
    """All geofences of the store: distances are not computed."""
    from attrs import evolve  # noqa: PLC0415 - only this operation filters by place

    page = listing.page_of_type(call.world.store, "geofence", evolve(call.query, conditions=()))
    return Response(status=200, document=render.many(call, page, paged=True))


@handles("create_conversation_message", coverage="accepted")
def message(_: Call) -> Response:
    """Taken; conversations can't be read by id."""
    return Response(status=202)
