"""A page of profiles as Klaviyo sends it, made up: every attribute, subscriptions, predictive analytics, 12 properties."""

from __future__ import annotations

import random
from typing import Any

import orjson

_TIME = "2026-{:02}-{:02}T{:02}:{:02}:{:02}+00:00"


def profiles_page(count: int = 100, *, seed: int = 1) -> bytes:
    """The JSON of a page of `count` profiles, the same for the same seed."""
    chance = random.Random(seed)
    origin = "https://a.klaviyo.com/api"
    page = {
        "data": [_profile(index, chance, origin) for index in range(count)],
        "links": {
            "self": f"{origin}/profiles?page%5Bsize%5D={count}",
            "next": f"{origin}/profiles?page%5Bsize%5D={count}&page%5Bcursor%5D=bmV4dDo6aWQ6Ok5nV2FyYg",
            "prev": None,
        },
    }
    return orjson.dumps(page)


def _profile(index: int, chance: random.Random, origin: str) -> dict[str, Any]:
    def time() -> str:
        return _TIME.format(
            chance.randint(1, 12),
            chance.randint(1, 28),
            chance.randint(0, 23),
            chance.randint(0, 59),
            chance.randint(0, 59),
        )

    def consent(**more: Any) -> dict[str, Any]:
        return {"consent": "SUBSCRIBED", "consent_timestamp": time(), "last_updated": time(), **more}

    def channel() -> dict[str, Any]:
        return consent(
            can_receive=True, created_timestamp=time(), metadata={}, valid_until=None, phone_number="+15005550006"
        )

    key = f"01GDDKASAP8TKDDA{index:010}"
    return {
        "type": "profile",
        "id": key,
        "attributes": {
            "email": f"sarah.mason.{index}@klaviyo-demo.com",
            "phone_number": f"+1500555{index:04}",
            "external_id": f"63f64a2b-c6bf-40c7-b81f-{index:012}",
            "first_name": "Sarah",
            "last_name": f"Mason {index}",
            "organization": "Example Corporation",
            "locale": "en-US",
            "title": "Regional Manager",
            "image": f"https://images.pexels.com/photos/{index}/pexels-photo-{index}.jpeg",
            "created": time(),
            "updated": time(),
            "last_event_date": time(),
            "location": {
                "address1": f"{index} E 42nd St",
                "address2": "1st floor",
                "city": "New York",
                "country": "United States",
                "latitude": f"{chance.uniform(-90, 90):.4f}",
                "longitude": f"{chance.uniform(-180, 180):.4f}",
                "region": "NY",
                "zip": f"{chance.randint(10000, 99999)}",
                "timezone": "America/New_York",
                "ip": f"192.0.2.{index % 256}",
            },
            "properties": {
                f"Custom property {number}": chance.choice([chance.random(), f"some text {chance.random()}", True])
                for number in range(12)
            },
            "subscriptions": {
                "email": {
                    "marketing": consent(
                        can_receive_email_marketing=True,
                        method="PREFERENCE_PAGE",
                        method_detail="mydomain.com/signup",
                        custom_method_detail="marketing drive",
                        double_optin=True,
                        suppression=[],
                        list_suppressions=[],
                    ),
                    "open_tracking": consent(can_receive=True, created_timestamp=time(), metadata={}, valid_until=None),
                },
                "sms": {
                    "marketing": consent(can_receive_sms_marketing=True, method="TEXT", method_detail=""),
                    "transactional": consent(can_receive_sms_transactional=True, method="TEXT", method_detail=""),
                },
                "mobile_push": {
                    "marketing": {
                        "can_receive_push_marketing": True,
                        "consent": "SUBSCRIBED",
                        "consent_timestamp": time(),
                    }
                },
                "whatsapp": {"marketing": channel(), "transactional": channel(), "conversational": channel()},
            },
            "predictive_analytics": {
                "historic_clv": round(chance.uniform(0, 999), 2),
                "predicted_clv": round(chance.uniform(0, 999), 2),
                "total_clv": round(chance.uniform(0, 999), 2),
                "historic_number_of_orders": chance.randint(0, 99),
                "predicted_number_of_orders": round(chance.uniform(0, 9), 2),
                "average_days_between_orders": chance.randint(1, 99),
                "average_order_value": round(chance.uniform(0, 99), 2),
                "churn_probability": round(chance.random(), 2),
                "expected_date_of_next_order": "2026-11-08T00:00:00",
                "ranked_channel_affinity": ["sms", "email", "push"],
            },
        },
        "links": {"self": f"{origin}/profiles/{key}/"},
        "relationships": {
            name: {
                "links": {
                    "self": f"{origin}/profiles/{key}/relationships/{name}/",
                    "related": f"{origin}/profiles/{key}/{name}/",
                }
            }
            for name in ("lists", "segments", "push-tokens")
        },
    }
