"""Evaluates filters: the values that a field has in a record, and whether a condition holds for them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from attrs import evolve

from klaviyo_async.testing.behaviour.computed import subscriptions
from klaviyo_async.testing.clock import instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from klaviyo_async.filter import Condition
    from klaviyo_async.testing.record import Record
    from klaviyo_async.testing.store import Store

_ALIASES: Mapping[tuple[str, str], str] = {
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
    """The values of a field that the record alone tells; several where the path goes through a list, none if absent."""
    field = _ALIASES.get((record.type, field), field)
    if field in {"id", "ids"}:
        return [record.id]
    attributes, refs = record.load()
    if field.startswith("@"):
        value = refs.get(field[1:])
        return [] if value is None else [value]
    if field.endswith("~lower"):
        return [str(value).lower() for value in _walk(attributes, [field.removesuffix("~lower")])]
    if field.startswith("subscriptions."):
        attributes = {**attributes, "subscriptions": subscriptions(attributes)}
    if field.endswith("!"):
        return [str(value).replace("-", "_").upper() for value in _walk(attributes, field[:-1].split("."))]
    return _walk(attributes, field.split("."))


def self_contained(type: str, field: str) -> bool:
    """Whether a field's values are in the record itself, so that they can be indexed."""
    return not _ALIASES.get((type, field), field).startswith("~")


def field_values(store: Store, record: Record, field: str) -> list[Any]:
    """The values of a field, looked up in related resources where need be."""
    alias = _ALIASES.get((record.type, field), field)
    if not alias.startswith("~"):
        return values_of(record, field)
    name, _, attribute = alias[1:].partition("/")
    members = store.members(record, name)
    if not attribute:
        return [member.id for member in members]
    return [value for member in members for value in values_of(member, attribute)]


def _walk(value: Any, path: list[str]) -> list[Any]:
    for at, name in enumerate(path):
        if isinstance(value, list):
            return [found for one in value for found in _walk(one, path[at:])]
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
    time = _time(value)
    return (1, time) if time is not None else (2, str(value))


def _time(value: Any) -> float | None:
    if isinstance(value, datetime):
        return (value if value.tzinfo is not None else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp()
    if isinstance(value, str) and len(value) >= 10 and value[4] == "-" and value[7] == "-":
        found = instant(value)
        return None if found is None else found.timestamp()
    return None


def holds(condition: Condition, values: list[Any]) -> bool:
    """Whether a condition holds for a field with these values: for a list, when it holds for one of them."""
    operator = condition.operator
    if operator == "has":
        return bool(values)
    wanted = condition.value
    if operator in _ON_ALL:
        texts = [str(value) for value in values]
        return _ON_ALL[operator](_as_list(wanted), texts)
    if operator == "equals" and wanted is None:
        return not values
    if isinstance(wanted, tuple | list):
        return any(_equal(value, one) for value in values for one in wanted) or (not values and None in wanted)
    return any(_SINGLE[operator](value, wanted) for value in values)


def _as_list(wanted: Any) -> list[Any]:
    return list(wanted) if isinstance(wanted, tuple | list) else [wanted]


def _equal(value: Any, wanted: Any) -> bool:
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    if isinstance(wanted, datetime | date):
        return _time(value) == _time(wanted)
    return bool(value == wanted)


def _compare(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(value: Any, wanted: Any) -> bool:
        left, right = sort_key(value), sort_key(wanted)
        return left[0] == right[0] and test(left, right)

    return compare


_SINGLE: Mapping[str, Callable[[Any, Any], bool]] = {
    "equals": _equal,
    "greater-than": _compare(lambda left, right: left > right),
    "greater-or-equal": _compare(lambda left, right: left >= right),
    "less-than": _compare(lambda left, right: left < right),
    "less-or-equal": _compare(lambda left, right: left <= right),
    # Klaviyo's contains is the one operator that doesn't mind case
    "contains": lambda value, wanted: str(wanted).lower() in str(value).lower(),
    "starts-with": lambda value, wanted: str(value).startswith(str(wanted)),
    "ends-with": lambda value, wanted: str(value).endswith(str(wanted)),
}
_ON_ALL: Mapping[str, Callable[[list[Any], list[str]], bool]] = {
    "contains-any": lambda wanted, texts: any(str(one) in text for one in wanted for text in texts),
    "contains-all": lambda wanted, texts: all(any(str(one) in text for text in texts) for one in wanted),
}


def matches(
    store: Store, record: Record, conditions: Iterable[Condition], extra: Mapping[str, Any] | None = None
) -> bool:
    """Whether a record passes a filter. `extra` has values that belong to the listing, such as ``joined_group_at``."""
    entries: dict[str, list[Condition]] = {}
    for condition in conditions:
        path, _, leaf = condition.field.rpartition(".")
        if path.endswith(("suppressions", "suppression")):
            # conditions on suppressions hold together for one of them
            entries.setdefault(path, []).append(evolve(condition, field=leaf))
            continue
        if extra is not None and condition.field in extra:
            values = [extra[condition.field]]
        else:
            values = field_values(store, record, condition.field)
        if not holds(condition, values):
            return False
    return all(
        any(all(holds(one, _walk(entry, [one.field])) for one in together) for entry in values_of(record, path))
        for path, together in entries.items()
    )
