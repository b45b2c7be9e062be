"""Checks the conditions of a filter against what an operation filters on."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from klaviyo_async.suggest import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from klaviyo_async.filter import Condition
    from klaviyo_async.operation import FilterField, Operation

__all__ = ["check_filter", "check_value"]

_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float, Decimal),
    "boolean": (bool,),
}
_WANTED = {"string": "text", "integer": "a whole number", "number": "a number", "boolean": "True or False"}


def check_filter(operation: Operation, conditions: Sequence[Condition]) -> list[str]:
    """What of the conditions the operation doesn't take, one sentence each."""
    problems: list[str] = []
    fields = operation.filters
    if not fields:
        return problems
    for condition in conditions:
        field = fields.get(condition.field)
        if field is None:
            problems.append(f"{condition.field!r} can't be filtered on here{nearest(condition.field, fields)}")
            continue
        problem = check_condition(condition, field)
        if problem is not None:
            problems.append(problem)
    wanted = operation.filter_requires
    if wanted and not any(condition.field in wanted for condition in conditions):
        problems.append(f"it has to have a condition on {' or '.join(map(repr, wanted))}")
    return problems


def check_condition(condition: Condition, field: FilterField) -> str | None:
    """What is wrong with a condition on this field; None where nothing is."""
    operator, name, value = condition.operator, condition.field, condition.value
    if operator == "has":
        if "has" in field.none:
            return None
        return f"{name!r} does not take has{nearest('has', field.operators)}"
    if isinstance(value, tuple):
        if operator not in field.list:
            if operator in field.single:
                return f"{operator} of {name!r} takes one value, not a list" + (
                    "; use any" if "any" in field.list else ""
                )
            return f"{name!r} does not take {operator}{nearest(operator, field.operators)}"
        for member in value:
            problem = check_value(member, field)
            if problem is not None:
                return f"{operator} of {name!r} {problem}"
        return None
    # `equals` is documented with one value even where the extension has it under `list` only.
    if operator not in field.single and not (operator == "equals" and operator in field.list):
        return f"{name!r} does not take {operator}{nearest(operator, field.operators)}"
    problem = check_value(value, field)
    return None if problem is None else f"{operator} of {name!r} {problem}"


def check_value(value: object, field: FilterField) -> str | None:
    """What is wrong with a value for this field, as the end of a sentence; None where nothing is."""
    if value is None or field.type is None:
        return None
    if field.format == "date-time":
        if isinstance(value, date):
            return None
        if isinstance(value, str) and _is_time(value):
            return f"takes a datetime, and {value!r} is text: times go without quotes"
        return f"takes a datetime, not {_shown(value)}"
    kinds = _KINDS.get(field.type)
    if kinds is None:
        return None
    if not isinstance(value, kinds) or (isinstance(value, bool) and field.type != "boolean"):
        return f"takes {_WANTED[field.type]}, not {_shown(value)}"
    if field.enum and value not in field.enum:
        return f"does not know {_shown(value)}{nearest(str(value), map(str, field.enum))}"
    return None


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _shown(value: object) -> str:
    if isinstance(value, str | bool | int | float):
        return repr(value) if len(repr(value)) <= 60 else repr(value)[:60] + "…"
    return str(value)
