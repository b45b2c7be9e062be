"""Data to start with: what every account has, and any number of realistic profiles, lists, events and items."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from klaviyo_async.testing.behaviour.events import metric
from klaviyo_async.testing.clock import stamp
from klaviyo_async.testing.ids import ulid
from klaviyo_async.testing.resources import MAPPED_METRICS, WEBHOOK_TOPICS

if TYPE_CHECKING:
    from klaviyo_async.testing.record import Record
    from klaviyo_async.testing.world import World

_FIRST = [
    "Sarah",
    "Omar",
    "Mei",
    "Lucas",
    "Aisha",
    "Noah",
    "Elena",
    "Kofi",
    "Ingrid",
    "Mateo",
    "Yuki",
    "Fatima",
    "Liam",
    "Priya",
    "Jonas",
    "Amara",
    "Chloé",
    "Ravi",
    "Søren",
    "Zoë",
    "Hugo",
    "Leila",
    "Oscar",
    "Nadia",
    "Emil",
    "Tariq",
    "Alma",
    "Diego",
    "Freya",
    "Kenji",
]
_LAST = [
    "Mason",
    "Hassan",
    "Chen",
    "Silva",
    "Khan",
    "Smith",
    "Petrova",
    "Mensah",
    "Larsen",
    "García",
    "Tanaka",
    "Nasser",
    "Murphy",
    "Sharma",
    "Weber",
    "Okafor",
    "Dubois",
    "Patel",
    "Nielsen",
    "Bakker",
    "Rossi",
    "Haddad",
    "Lindqvist",
    "Popescu",
    "Holm",
    "Aziz",
    "Berg",
    "Morales",
    "Jensen",
    "Sato",
]
_CITIES = (
    ("Boston", "Massachusetts", "United States", "America/New_York", 42.36, -71.06, "02108"),
    ("London", "England", "United Kingdom", "Europe/London", 51.51, -0.13, "EC1A 1BB"),
    ("Copenhagen", "Capital Region", "Denmark", "Europe/Copenhagen", 55.68, 12.57, "1050"),
    ("São Paulo", "São Paulo", "Brazil", "America/Sao_Paulo", -23.55, -46.63, "01310-100"),
    ("Tokyo", "Tokyo", "Japan", "Asia/Tokyo", 35.68, 139.69, "100-0001"),
    ("Melbourne", "Victoria", "Australia", "Australia/Melbourne", -37.81, 144.96, "3000"),
)
_LOCALES = ("en-US", "en-GB", "da-DK", "pt-BR", "ja-JP", "en-AU")
_TIERS = ("bronze", "silver", "gold")
_METRICS = ("Placed Order", "Viewed Product", "Added to Cart", "Started Checkout")
_GOODS = ("Shirt", "Mug", "Lamp", "Chair", "Notebook", "Scarf", "Teapot", "Backpack")
_COLOURS = ("Ocean Blue", "Forest Green", "Sand", "Charcoal", "Coral")
_LISTS = ("Newsletter", "VIP", "Back in Stock", "Beta Testers", "Wholesale")
_START = 1_672_531_200  # 2023-01-01
_SPAN = 3 * 365 * 86400


def furnish(world: World) -> None:
    """What every account has from its first day; nothing where it has it already."""
    store = world.store
    if next(store.records("account"), None) is not None:
        return
    account = store.insert(
        "account",
        {
            "test_account": True,
            "contact_information": {
                "default_sender_name": "Fake Klaviyo",
                "default_sender_email": "hello@example.com",
                "website_url": "https://shop.example.com",
                "organization_name": "Fake Klaviyo",
                "street_address": {
                    "address1": "1 Test Street",
                    "address2": None,
                    "city": "Boston",
                    "region": "MA",
                    "country": "United States",
                    "zip": "02108",
                },
            },
            "industry": "Software / SaaS",
            "timezone": "US/Eastern",
            "preferred_currency": "USD",
            "public_api_key": "",
            "locale": "en-US",
        },
    )
    store.change(account, {"public_api_key": account.id})
    plain = {"flow": {"type": "dynamic", "value": "message_name"}, "campaign": {"type": "static", "value": "klaviyo"}}
    store.insert(
        "tracking-setting",
        {"auto_add_parameters": False, "utm_source": plain, "utm_medium": plain, "custom_parameters": []},
        id=account.id,
    )
    store.insert("tag-group", {"name": "Default", "exclusive": False, "default": True})
    for name in MAPPED_METRICS:
        store.insert("mapped-metric", {}, id=name)
    store.insert(
        "ip-allowlist",
        {"prefixes": ["203.0.113.0/24"], "sync_token": "e1ccc194a521a754", "created": stamp(_START)},
        id="integration-egress",
    )
    for topic in WEBHOOK_TOPICS:
        store.insert("webhook-topic", {}, id=topic)
    store.flush()


def seed(world: World, number: int, *, profiles: int, lists: int, events: int, items: int) -> None:
    """Put in data that a seed repeats."""
    store = world.store
    start = store.count("profile")
    chance = random.Random(f"data {number} {start}")  # noqa: S311 - it must be reproducible
    made = [_profile(world, chance, start + index) for index in range(profiles)]
    groups = [store.insert("list", {"name": _LISTS[n % 5] + (f" {n // 5}" if n >= 5 else "")}) for n in range(lists)]
    for index, profile in enumerate(made):
        if groups:
            store.join(groups[index % len(groups)], "profiles", profile)
    _events(world, chance, made or list(store.records("profile")), events)
    for index in range(items):
        _item(world, chance, store.count("catalog-item") + 1, index)


def _profile(world: World, chance: random.Random, index: int) -> Record:
    first, last = chance.choice(_FIRST), chance.choice(_LAST)
    place = chance.randrange(len(_CITIES))
    city, region, country, zone, latitude, longitude, code = _CITIES[place]
    created = _START + chance.randrange(_SPAN)
    attributes: dict[str, Any] = {
        "email": f"{_ascii(first)}.{_ascii(last)}.{index}@example.com",
        "phone_number": f"+1500555{index:07d}"[:15] if chance.random() < 0.4 else None,
        "external_id": f"customer-{index}" if chance.random() < 0.7 else None,
        "first_name": first,
        "last_name": last,
        "locale": _LOCALES[place],
        "organization": f"{last} & Co" if chance.random() < 0.2 else None,
        "location": {
            "address1": f"{chance.randrange(1, 200)} {chance.choice(_LAST)} Street",
            "city": city,
            "region": region,
            "country": country,
            "timezone": zone,
            "latitude": latitude,
            "longitude": longitude,
            "zip": code,
        },
        "properties": {
            "tier": chance.choice(_TIERS),
            "orders": chance.randrange(40),
            "newsletter": chance.random() < 0.6,
        },
        "created": stamp(created),
        "updated": stamp(created + chance.randrange(86400)),
    }
    return world.store.insert("profile", attributes, id=ulid(created * 1000, chance))


def _ascii(name: str) -> str:
    table = str.maketrans({"é": "e", "ø": "oe", "ë": "e", "í": "i"})
    return name.lower().translate(table)


def _events(world: World, chance: random.Random, profiles: list[Record], count: int) -> None:
    store = world.store
    metrics = [metric(world, name, None) for name in _METRICS] if count else []
    now = int(world.clock.time())
    for index in range(count):
        at = now - chance.randrange(90 * 86400)
        store.insert(
            "event",
            {
                "timestamp": at,
                "event_properties": {
                    "OrderId": str(index),
                    "Items": [chance.choice(_GOODS)],
                    "$value": round(chance.uniform(5, 200), 2),
                    "$event_id": f"seed-{index}",
                },
                "datetime": stamp(at),
                "uuid": store.ids.uuid(),
            },
            relationships={"profile": chance.choice(profiles).id, "metric": chance.choice(metrics).id},
        )


def _item(world: World, chance: random.Random, number: int, index: int) -> None:
    title = f"{chance.choice(_COLOURS)} {chance.choice(_GOODS)}"
    price = round(chance.uniform(5, 200), 2)
    shared = {
        "description": f"{title}, number {number}",
        "url": f"https://shop.example.com/{number}",
        "image_full_url": f"https://shop.example.com/{number}.png",
        "image_thumbnail_url": f"https://shop.example.com/{number}-small.png",
        "price": price,
        "published": index % 10 != 9,
    }
    item = world.store.insert(
        "catalog-item",
        {"external_id": f"SKU-{number}", "title": title, **shared},
        id=f"$custom:::$default:::SKU-{number}",
    )
    for size in ("S", "M"):
        external = f"SKU-{number}-{size}"
        world.store.insert(
            "catalog-variant",
            {
                "external_id": external,
                "title": f"{title} {size}",
                "sku": external,
                "inventory_quantity": chance.randrange(100),
                **shared,
            },
            id=f"$custom:::$default:::{external}",
            relationships={"item": item.id},
        )
