"""Attributes that are worked out when asked for: consent, predictions, counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    """The computed attributes of a record; the costly ones only where asked for."""
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


def subscriptions(stored: dict[str, Any]) -> dict[str, Any]:
    """The ``subscriptions`` of a profile: what was never said is NEVER_SUBSCRIBED."""
    known = stored.get("subscriptions") or {}
    email = known.get("email", {})
    suppressed = bool(email.get("suppression"))
    return {
        "email": {
            "marketing": {
                "can_receive_email_marketing": not suppressed and bool(stored.get("email")),
                "consent": "NEVER_SUBSCRIBED",
                "consent_timestamp": None,
                "last_updated": None,
                "method": None,
                "method_detail": None,
                "custom_method_detail": None,
                "double_optin": None,
                "suppression": [],
                "list_suppressions": [],
                **email,
            },
            "open_tracking": _tracking(),
            "click_tracking": _tracking(),
        },
        "sms": {
            "marketing": _sms("marketing", known.get("sms", {})),
            "transactional": _sms("transactional", known.get("sms_transactional", {})),
        },
        "mobile_push": {
            "marketing": {
                "can_receive_push_marketing": known.get("push", {}).get("consent") == "SUBSCRIBED",
                "consent": "NEVER_SUBSCRIBED",
                "consent_timestamp": None,
                **{
                    key: value
                    for key, value in known.get("push", {}).items()
                    if key in {"consent", "consent_timestamp"}
                },
            }
        },
        "whatsapp": None if "whatsapp" not in known else _whatsapp(known["whatsapp"], stored.get("phone_number")),
    }


def _tracking() -> dict[str, Any]:
    return {
        "consent": "NEVER_SUBSCRIBED",
        "consent_timestamp": None,
        "last_updated": None,
        "created_timestamp": None,
        "metadata": None,
        "can_receive": False,
        "valid_until": None,
    }


def _sms(purpose: str, known: dict[str, Any]) -> dict[str, Any]:
    return {
        f"can_receive_sms_{purpose}": known.get("consent") == "SUBSCRIBED",
        "consent": "NEVER_SUBSCRIBED",
        "consent_timestamp": None,
        "method": None,
        "method_detail": None,
        "last_updated": None,
        **{
            key: value
            for key, value in known.items()
            if key in {"consent", "consent_timestamp", "method", "method_detail", "last_updated"}
        },
    }


def _whatsapp(known: dict[str, Any], phone: str | None) -> dict[str, Any]:
    return {
        purpose: {
            "consent": known.get("consent", "NEVER_SUBSCRIBED"),
            "consent_timestamp": known.get("consent_timestamp"),
            "last_updated": known.get("last_updated"),
            "created_timestamp": known.get("consent_timestamp"),
            "metadata": {},
            "can_receive": known.get("consent") == "SUBSCRIBED",
            "valid_until": None,
            "phone_number": phone or "",
        }
        for purpose in ("marketing", "transactional", "conversational")
    }


def _masked(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}/*****"
