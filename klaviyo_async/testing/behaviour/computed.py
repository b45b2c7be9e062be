"""Attributes that are computed on request: consent, predictions, counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from klaviyo_async.testing.consent import subscriptions

if TYPE_CHECKING:
    from klaviyo_async.testing.record import Record
    from klaviyo_async.testing.world import World

_LOCATION = ("address1", "address2", "city", "country", "latitude", "longitude", "region", "zip", "timezone", "ip")
_PREDICTIONS = (
    "historic_number_of_orders",
    "predicted_number_of_orders",
    "average_days_between_orders",
    "average_order_value",
    "historic_clv",
    "predicted_clv",
    "total_clv",
    "churn_probability",
    "expected_date_of_next_order",
    "ranked_channel_affinity",
)


def computed(world: World, record: Record, stored: dict[str, Any], asked: set[str]) -> dict[str, Any]:
    """The computed attributes of a record; the costly ones only on request."""
    if record.type == "profile":
        result: dict[str, Any] = {"location": {**dict.fromkeys(_LOCATION), **(stored.get("location") or {})}}
        if "subscriptions" in asked:
            result["subscriptions"] = subscriptions(stored)
        if "predictive_analytics" in asked:
            result["predictive_analytics"] = {
                **dict.fromkeys(_PREDICTIONS),
                **(stored.get("predictive_analytics") or {}),
            }
        return result
    if record.type in {"list", "segment"} and "profile_count" in asked:
        return {"profile_count": len(world.store.group(record, "profiles").members)}
    if record.type == "webhook":
        return {"endpoint_url": _masked(stored.get("endpoint_url", ""))}
    if record.type == "metric-property" and "sample_values" in asked:
        return {"sample_values": stored.get("sample_values", [])}
    return {}


def _masked(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}/*****"
