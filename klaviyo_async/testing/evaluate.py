"""Evaluates filters: whether a condition holds for the values of a field, and a whole filter for a record."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from attrs import evolve

from klaviyo_async.testing.values import ALIASES, sort_key, time_of, values_of, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from klaviyo_async.filter import Condition
    from klaviyo_async.testing.record import Record
    from klaviyo_async.testing.store import Store


def field_values(store: Store, record: Record, field: str) -> list[Any]:
    """The values of a field, looked up in related resources where need be."""
    alias = ALIASES.get((record.type, field), field)
    if not alias.startswith("~"):
        return values_of(record, field)
    name, _, attribute = alias[1:].partition("/")
    members = store.members(record, name)
    if not attribute:
        return [member.id for member in members]
    return [value for member in members for value in values_of(member, attribute)]


def _there(store: Store, record: Record, field: str) -> list[Any]:
    """As `field_values`; a resource that is related and no longer there doesn't count."""
    alias = ALIASES.get((record.type, field), field)
    return (
        [member.id for member in store.members(record, alias[1:])]
        if alias.startswith("@")
        else field_values(store, record, field)
    )


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
        return time_of(value) == time_of(wanted)
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
        elif condition.operator == "has":
            values = _there(store, record, condition.field)
        else:
            values = field_values(store, record, condition.field)
        if not holds(condition, values):
            return False
    return all(
        any(all(holds(one, walk(entry, [one.field])) for one in together) for entry in values_of(record, path))
        for path, together in entries.items()
    )
