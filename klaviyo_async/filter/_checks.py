"""Checks the conditions of a filter against the fields and operators that an operation supports."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from klaviyo_async._did_you_mean import nearest, shown
from klaviyo_async.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

    from klaviyo_async.filter._grammar import Condition
    from klaviyo_async.operation import FilterField, Operation

__all__ = ["check_filter", "check_value"]

_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float, Decimal),
    "boolean": (bool,),
}
_TAKES = {"string": "text", "integer": "a whole number", "number": "a number", "boolean": "True or False"}


def check_filter(operation: Operation, conditions: Sequence[Condition]) -> list[Problem]:
    """The conditions that the operation doesn't support."""
    problems: list[Problem] = []
    fields = operation.filters
    if not fields:
        return problems
    for condition in conditions:
        field = fields.get(condition.field)
        if field is None:
            name = condition.field
            problems.append(_problem(f"{shown(name)} can't be filtered on here{nearest(name, fields)}"))
            continue
        problem = _check(condition, field)
        if problem is not None:
            problems.append(problem)
    required = operation.filter_requires
    if required and not any(condition.field in required for condition in conditions):
        problems.append(_problem(f"it must have a condition on {' or '.join(map(repr, required))}", "required"))
    return problems


def _problem(message: str, kind: Literal["unknown", "mismatch", "required"] = "unknown") -> Problem:
    # Whatever the parameter's wire name is, its keyword is `filter`.
    return Problem("filter", message, kind)


def _check(condition: Condition, field: FilterField) -> Problem | None:
    operator, name, value = condition.operator, condition.field, condition.value
    if operator == "has":
        return None if "has" in field.none else _untaken(operator, name, field)
    if isinstance(value, tuple):
        if operator not in field.list:
            if operator not in field.single:
                return _untaken(operator, name, field)
            hint = "; use any" if "any" in field.list else ""
            return _problem(f"{operator} of {name!r} takes one value, not a list{hint}", "mismatch")
        for member in value:
            if (problem := check_value(member, field, operator, name)) is not None:
                return problem
        return None
    # `equals` is documented with one value even where the extension has it under `list` only.
    if operator not in field.single and not (operator == "equals" and operator in field.list):
        return _untaken(operator, name, field)
    return check_value(value, field, operator, name)


def _untaken(operator: str, name: str, field: FilterField) -> Problem:
    return _problem(f"{name!r} does not take {operator}{nearest(operator, field.operators)}")


def check_value(value: object, field: FilterField, operator: str, name: str) -> Problem | None:
    """What is wrong with a value in a condition on this field; None if nothing is."""
    kind = field.type
    if value is None or kind is None:
        return None
    if field.format == "date-time":
        if isinstance(value, date):
            return None
        if isinstance(value, str) and (written := _as_time(value)) is not None:
            return _problem(
                f"{operator} of {name!r} takes a datetime, and {shown(value)} is text: write {written},"
                f" or, in a filter that is text, the time without quotes: {value}",
                "mismatch",
            )
        return _problem(f"{operator} of {name!r} takes a datetime, not {_named(value)}", "mismatch")
    types = _KINDS.get(kind)
    if types is None:
        return None
    if not isinstance(value, types) or (isinstance(value, bool) and kind != "boolean"):
        return _problem(f"{operator} of {name!r} takes {_TAKES[kind]}, not {_named(value)}", "mismatch")
    if field.enum and value not in field.enum:
        return _problem(
            f"{operator} of {name!r} does not know {_named(value)}{nearest(str(value), map(str, field.enum))}"
        )
    return None


def _as_time(text: str) -> str | None:
    """How to write the time in a text in Python; None if it isn't a time."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if len(text) == len("2026-01-01"):
        return f"date.fromisoformat({text!r})"
    return f"datetime.fromisoformat({text!r})" + ("" if moment.tzinfo is not None else ".replace(tzinfo=timezone.utc)")


def _named(value: object) -> str:
    return shown(value, 60) if isinstance(value, str | bool | int | float) else str(value)
