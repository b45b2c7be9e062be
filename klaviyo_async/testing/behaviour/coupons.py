"""Coupon codes: their ids are made of their code and their coupon's id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from klaviyo_async.testing.behaviour.generic import document, references
from klaviyo_async.testing.behaviour.registry import handles
from klaviyo_async.testing.clock import instant, stamp
from klaviyo_async.testing.problems import Problem, invalid

if TYPE_CHECKING:
    from klaviyo_async.testing.call import Call, Response
    from klaviyo_async.testing.record import Record
    from klaviyo_async.testing.world import World

_YEAR = 365 * 86400


@handles("create_coupon_code")
def create(call: Call) -> Response:
    """One code of a coupon."""
    return document(call, create_one(call.world, None, call.data))


def create_one(world: World, _: Record | None, row: dict[str, Any]) -> Record:
    """One code of a coupon; without an expiry it lasts a year."""
    attributes = dict(row["attributes"])
    coupon = references(world.store, "coupon-code", row)
    if coupon.get("coupon") is None:
        raise invalid("The field 'coupon' is required.", pointer="/data/relationships/coupon/data")
    given = attributes.get("expires_at")
    expires = instant(given) if given else None
    attributes["expires_at"] = stamp(expires.timestamp() if expires else world.clock.time() + _YEAR)
    id = f"{attributes['unique_code']}-{coupon['coupon']}"  # noqa: A001 - the API's own word
    if world.store.record("coupon-code", id) is not None:
        raise Problem(
            409,
            f"A coupon code with unique_code '{attributes['unique_code']}' already exists for this coupon.",
            pointer="/data/attributes/unique_code",
        )
    return world.store.insert("coupon-code", attributes, id=id, relationships=coupon)
