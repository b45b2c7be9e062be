"""The rows that all clients import. Nothing but the standard library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def rows(count: int) -> Iterator[dict[str, Any]]:
    """Profiles as they come from a database: about 200 bytes each."""
    for number in range(count):
        yield {
            "email": f"person.{number}@example.org",
            "external_id": f"C-{number:08d}",
            "first_name": "Sarah",
            "last_name": "Mason",
            "location": {"city": "Boston", "country": "United States"},
            "properties": {"tier": "gold", "orders": number % 17, "newsletter": True},
        }
