"""The values that a field has in a record, and keys that order values of any type."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from klaviyo_async.testing.clock import instant
from klaviyo_async.testing.consent import subscriptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klaviyo_async.testing.record import Record

ALIASES: Mapping[tuple[str, str], str] = {
    ("event", "metric_id"): "@metric",
    ("event", "profile_id"): "@profile",
    ("event", "metric"): "@metric",
    ("event", "profile"): "@profile",
    ("profile", "profile_id"): "id",
    ("catalog-category", "item.id"): "~items",
    ("catalog-item", "category.id"): "~categories",
    ("catalog-variant", "item.id"): "@item",
    ("review", "item.id"): "@item",
    ("coupon-code", "coupon.id"): "@coupon",
    ("coupon-code", "profile.id"): "@profile",
    ("push-token", "profile.id"): "@profile",
    ("profile", "push_token"): "~push-tokens/token",
    ("campaign", "messages.channel"): "~campaign-messages/definition.channel",
    ("flow-action", "action_type"): "definition.type!",
    ("flow-action", "status"): "definition.data.status",
    ("flow-message", "name"): "definition.name",
    ("object-ingestion-log", "record_id"): "record~id",
    ("review", "status"): "status.value",
    **{
        (f"profile-suppression-bulk-{verb}-job", f"{name}_id"): f"~{name}s"
        for verb in ("create", "delete")
        for name in ("list", "segment")
    },
}
"""Where a filter's or sort key's field is not simply an attribute: ``@`` is a to-one relationship kept in the record,
``~`` the members of another one (or, after ``/``, an attribute of theirs), ``!`` an upper-snake spelling."""


def values_of(record: Record, field: str) -> list[Any]:
    """The values of a field as far as the record itself has them: several if the path goes through a list, none if absent."""
    field = ALIASES.get((record.type, field), field)
    if field in {"id", "ids"}:
        return [record.id]
    attributes, refs = record.load()
    if field.startswith("@"):
        value = refs.get(field[1:])
        return [] if value is None else [value]
    if field.endswith("~lower"):
        return [str(value).lower() for value in walk(attributes, [field.removesuffix("~lower")])]
    if field.startswith("subscriptions."):
        attributes = {**attributes, "subscriptions": subscriptions(attributes)}
    if field.endswith("!"):
        return [str(value).replace("-", "_").upper() for value in walk(attributes, field[:-1].split("."))]
    return walk(attributes, field.split("."))


def self_contained(type: str, field: str) -> bool:
    """Whether a field's values are in the record itself, so that they can be indexed."""
    return not ALIASES.get((type, field), field).startswith("~")


def walk(value: Any, path: list[str]) -> list[Any]:
    """The values at the end of a path of member names; lists on the way are searched item by item."""
    for at, name in enumerate(path):
        if isinstance(value, list):
            return [found for one in value for found in walk(one, path[at:])]
        if not isinstance(value, dict):
            return []
        value = value.get(name)
        if value is None:
            return []
    return value if isinstance(value, list) else [value]


def sort_key(value: Any) -> tuple[Any, ...]:
    """A key that orders values of any type: absent ones first, then numbers and times, then texts."""
    if value is None:
        return (0,)
    if isinstance(value, bool | int | float):
        return (1, value)
    time = time_of(value)
    return (1, time) if time is not None else (2, str(value))


def time_of(value: Any) -> float | None:
    """Seconds since 1970 of a date, a datetime or a text that is one; None for anything else."""
    if isinstance(value, datetime):
        return (value if value.tzinfo is not None else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp()
    if isinstance(value, str) and len(value) >= 10 and value[4] == "-" and value[7] == "-":
        found = instant(value)
        return None if found is None else found.timestamp()
    return None
