"""The shape of the `x-…` keys that later steps build on, upstream's and our own: checked once, wherever they come from."""

from __future__ import annotations

import keyword
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME = re.compile(r"[a-z][a-z0-9_]{0,119}")
"""An operationId or an alias."""
_RATE = re.compile(r"[1-9][0-9]{0,8}/[smhd]")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,119}")
_WINDOWS = {"burst", "steady", "daily"}
_CAPS = {"rows", "bytes", "row_bytes", "string_bytes", "jobs"}
_STYLES = {"none", "cursor", "post-query", "post-body"}


def is_name(value: Any) -> bool:
    """Whether it can name a function."""
    return isinstance(value, str) and NAME.fullmatch(value) is not None and not keyword.iskeyword(value)


def problems(operation: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(key, what is wrong with its value) for each extension of the operation that is not as it must be."""
    for key, check in _CHECKS.items():
        if key in operation:
            problem = check(operation[key])
            if problem:
                yield key, problem


def _rates(value: Any) -> str | None:
    if not isinstance(value, dict) or value.keys() - _WINDOWS or not {"burst", "steady"} <= value.keys():
        return "must be an object with burst, steady and perhaps daily"
    for window, rate in value.items():
        if not isinstance(rate, str) or _RATE.fullmatch(rate) is None:
            return f'{window} is {rate!r}; a limit reads "75/s"'
    return None


def _names(value: Any) -> str | None:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return "must be a list of names"
    return None


def _aliases(value: Any) -> str | None:
    problem = _names(value)
    if problem is None:
        problem = next((f"{alias!r} is no alias" for alias in value if not is_name(alias)), None)
    return problem


def _filters(value: Any) -> str | None:
    if not isinstance(value, dict):
        return "must be an object"
    for name, facts in value.items():
        if _FIELD.fullmatch(name) is None:
            return f"{name!r} is no field"
        operators = facts.get("operators") if isinstance(facts, dict) else None
        if not isinstance(operators, dict) or operators.keys() - {"single", "list", "none"}:
            return f"{name} needs operators of the kinds single, list or none"
        for names in operators.values():
            if _names(names) or not all(re.fullmatch(r"[a-z]+(?:-[a-z]+)*", item) for item in names):
                return f"the operators of {name} must be lists of names"
        kind = facts.get("value", {"type": "string"})
        if not isinstance(kind, dict) or kind.get("type") not in ("string", "integer", "number", "boolean"):
            return f"the value of {name} needs a type"
        if not isinstance(kind.get("format", ""), str) or not isinstance(kind.get("enum", []), list):
            return f"the value of {name} has a wrong format or enum"
        if any(isinstance(item, (dict, list)) for item in kind.get("enum", ())):
            return f"the enum of {name} must hold plain values"
    return None


def _parameter_limits(value: Any) -> str | None:
    if not isinstance(value, list):
        return "must be a list"
    for limit in value:
        if not isinstance(limit, dict):
            return "must be a list of objects"
        keys = {"parameter", "value", "resource"}
        if not all(isinstance(limit.get(key, ""), str) for key in keys) or not {"parameter", "value"} <= limit.keys():
            return "each limit needs a parameter, a value and a resource"
        if problem := _rates({key: rate for key, rate in limit.items() if key not in keys}):
            return problem
    return None


def _whole(minimum: int) -> Callable[[Any], str | None]:
    def check(value: Any) -> str | None:
        if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
            return f"must be a whole number from {minimum} on, is {value!r}"
        return None

    return check


def _numbers(keys: set[str]) -> Callable[[Any], str | None]:
    def check(value: Any) -> str | None:
        if not isinstance(value, dict) or value.keys() - keys:
            return f"must be an object of {', '.join(sorted(keys))}"
        return next((f"{key} {problem}" for key, item in value.items() if (problem := _whole(1)(item))), None)

    return check


def _pagination(value: Any) -> str | None:
    if not isinstance(value, dict) or value.keys() != {"style", "records"} or value["style"] not in tuple(_STYLES):
        return f"must have records and a style, one of {', '.join(sorted(_STYLES))}"
    return _names(value["records"])


def _flag(value: Any) -> str | None:
    return None if isinstance(value, bool) else "must be true or false"


def _keyword(value: Any) -> str | None:
    return None if is_name(value) else "must be a keyword"


_CHECKS: dict[str, Callable[[Any], str | None]] = {
    "x-klaviyo-ratelimit": _rates,
    "x-klaviyo-scopes": _names,
    "x-klaviyo-operation-aliases": _aliases,
    "x-klaviyo-filters": _filters,
    "x-header-filters": _filters,
    "x-filter-requires": _names,
    "x-parameter-limits": _parameter_limits,
    "x-caps": _numbers(_CAPS),
    "x-page-rows": _whole(1),
    "x-page-size": _numbers({"default", "minimum", "maximum"}),
    "x-pagination": _pagination,
    "x-retention-days": _whole(1),
    "x-safe-to-repeat": _flag,
    "x-safe-with": _keyword,
}
