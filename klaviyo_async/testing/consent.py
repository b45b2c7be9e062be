"""The consent of a profile, in the shape that the API gives it."""

from __future__ import annotations

from typing import Any


def subscriptions(stored: dict[str, Any]) -> dict[str, Any]:
    """The ``subscriptions`` of a profile: without a known consent it is NEVER_SUBSCRIBED."""
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
