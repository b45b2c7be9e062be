"""What the values of extensions must be like: each gives what is wrong with a value, or None."""

from __future__ import annotations

import re
from keyword import iskeyword
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = re.compile(r"[a-z][a-z0-9_]{0,119}")
"""An operationId or an alias."""
_RATE = re.compile(r"[1-9][0-9]{0,8}/[smhd]")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,119}")
_WINDOWS = {"burst", "steady", "daily"}
CAPS = {"rows", "bytes", "row_bytes", "string_bytes", "jobs"}
_BULK = {"counts", "same_by", "identified_by", "instead", "global_without"}
_STYLES = {"none", "cursor", "post-query", "post-body"}


def is_name(value: Any) -> bool:
    """Whether it can name a function."""
    return isinstance(value, str) and NAME.fullmatch(value) is not None and not iskeyword(value)


def rates(value: Any) -> str | None:
    if not isinstance(value, dict) or value.keys() - _WINDOWS or not {"burst", "steady"} <= value.keys():
        return "must be an object with burst, steady and perhaps daily"
    for window, rate in value.items():
        if not isinstance(rate, str) or _RATE.fullmatch(rate) is None:
            return f'{window} is {rate!r}; a limit reads "75/s"'
    return None


def names(value: Any) -> str | None:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return "must be a list of names"
    return None


def aliases(value: Any) -> str | None:
    problem = names(value)
    if problem is None:
        problem = next((f"{alias!r} is no alias" for alias in value if not is_name(alias)), None)
    return problem


def filters(value: Any) -> str | None:
    if not isinstance(value, dict):
        return "must be an object"
    for name, facts in value.items():
        if _FIELD.fullmatch(name) is None:
            return f"{name!r} is no field"
        operators = facts.get("operators") if isinstance(facts, dict) else None
        if not isinstance(operators, dict) or operators.keys() - {"single", "list", "none"}:
            return f"{name} needs operators of the kinds single, list or none"
        for listed in operators.values():
            if names(listed) or not all(re.fullmatch(r"[a-z]+(?:-[a-z]+)*", item) for item in listed):
                return f"the operators of {name} must be lists of names"
        kind = facts.get("value", {"type": "string"})
        if not isinstance(kind, dict) or kind.get("type") not in ("string", "integer", "number", "boolean"):
            return f"the value of {name} needs a type"
        if not isinstance(kind.get("format", ""), str) or not isinstance(kind.get("enum", []), list):
            return f"the value of {name} has a wrong format or enum"
        if any(isinstance(item, (dict, list)) for item in kind.get("enum", ())):
            return f"the enum of {name} must hold plain values"
    return None


def parameter_limits(value: Any) -> str | None:
    if not isinstance(value, list):
        return "must be a list"
    for limit in value:
        if not isinstance(limit, dict):
            return "must be a list of objects"
        keys = {"parameter", "value", "resource"}
        if not all(isinstance(limit.get(key, ""), str) for key in keys) or not {"parameter", "value"} <= limit.keys():
            return "each limit needs a parameter, a value and a resource"
        if problem := rates({key: rate for key, rate in limit.items() if key not in keys}):
            return problem
    return None


def whole(minimum: int) -> Callable[[Any], str | None]:
    def check(value: Any) -> str | None:
        if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
            return f"must be a whole number from {minimum} on, is {value!r}"
        return None

    return check


def numbers(keys: set[str]) -> Callable[[Any], str | None]:
    def check(value: Any) -> str | None:
        if not isinstance(value, dict) or value.keys() - keys:
            return f"must be an object of {', '.join(sorted(keys))}"
        return next((f"{key} {problem}" for key, item in value.items() if (problem := whole(1)(item))), None)

    return check


def pagination(value: Any) -> str | None:
    if not isinstance(value, dict) or value.keys() != {"style", "records"} or value["style"] not in tuple(_STYLES):
        return f"must have records and a style, one of {', '.join(sorted(_STYLES))}"
    return names(value["records"])


def bulk(value: Any) -> str | None:
    if not isinstance(value, dict) or value.keys() - _BULK:
        return f"must be an object of {', '.join(sorted(_BULK))}"
    for key, item in value.items():
        problem = keyword(item) if key in {"counts", "global_without"} else names(item)
        if problem:
            return f"{key} {problem}"
    return None


def flag(value: Any) -> str | None:
    return None if isinstance(value, bool) else "must be true or false"


def keyword(value: Any) -> str | None:
    return None if is_name(value) else "must be a keyword"


def texts(value: Any) -> str | None:
    if isinstance(value, str):
        return None
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        return "must be text, or an object of texts"
    return None


def decided_by(value: Any) -> str | None:
    if not isinstance(value, dict) or value.keys() != {"property", "values"} or not isinstance(value["property"], str):
        return "must have a property and values"
    return texts(value["values"]) if isinstance(value["values"], dict) else "must have values by text"
