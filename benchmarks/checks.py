"""What the checks of a call cost: preparing typical requests, in microseconds. Goal: 20 µs for a typical call.

    python benchmarks/checks.py

Prints one line for each case: the best of several runs, so that other work on the machine counts as little as can be.
"""

from __future__ import annotations

import timeit
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from klaviyo_async import F
from klaviyo_async._request.prepare import prepare
from klaviyo_async.operation_table import operations

if TYPE_CHECKING:
    from collections.abc import Callable

GOAL = 20.0
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
ORIGIN = "https://a.klaviyo.com"

get_profiles = operations["get_profiles"]
create_profile = operations["create_profile"]
create_event = operations["create_event"]
FILTER = F("email").any(["sarah.mason@example.com", "bob@example.com"]) & (F("created") > SINCE)
TYPICAL: dict[str, Any] = {
    "additional_fields": None,
    "fields": {"profile": ["email", "first_name", "last_name"]},
    "filter": FILTER,
    "page_cursor": None,
    "page_size": 100,
    "sort": "-created",
}
EVENT: dict[str, Any] = {
    "metric": {"name": "Placed Order"},
    "profile": {"email": "sarah.mason@example.com"},
    "properties": {"OrderId": "1", "Items": [{"SKU": "a", "Price": 9.5}, {"SKU": "b", "Price": 1.25}]},
    "value": 10.75,
    "time": SINCE,
    "unique_id": "1",
}

CASES: dict[str, Callable[[], object]] = {
    "typical list call (filter, sort, fields, page size)": lambda: prepare(get_profiles, (), TYPICAL, origin=ORIGIN),
    "  … with the filter as text": lambda: prepare(get_profiles, (), {**TYPICAL, "filter": str(FILTER)}, origin=ORIGIN),
    "  … unchecked": lambda: prepare(get_profiles, (), TYPICAL, origin=ORIGIN, validate=False),
    "one record by id": lambda: prepare(operations["get_profile"], ("01GDDKASAP8TKDDA2GRZDSVP4H",), {}),
    "create_profile by keywords": lambda: prepare(
        create_profile, (), {}, write={"email": "sarah@example.com", "properties": {"tier": "gold"}}
    ),
    "create_event by keywords": lambda: prepare(create_event, (), {}, write=EVENT),
    "building the filter expression": lambda: F("email").any(["a@x.com", "b@x.com"]) & (F("created") > SINCE),
}


def measure(case: Callable[[], object]) -> float:
    """Microseconds of one run, the best of several."""
    case()
    number = 2000
    return min(timeit.repeat(case, number=number, repeat=7)) / number * 1e6


def main() -> None:
    """Measure every case and say whether the goal is met."""
    figures = {name: measure(case) for name, case in CASES.items()}
    for name, figure in figures.items():
        print(f"{name:<55} {figure:7.1f} µs")
    typical = next(iter(figures.values()))
    print(f"goal for the typical call: {GOAL:.0f} µs, {'met' if typical <= GOAL else 'missed'}")


if __name__ == "__main__":
    main()
