"""Checks of a request's query against its operation, as strict as the real server: what doesn't fit is a 400."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from attrs import field, frozen

from klaviyo_async.errors import QueryError
from klaviyo_async.filter import Condition, Filter
from klaviyo_async.testing.problems import Problem, error, invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klaviyo_async.operation import FilterField, Operation, Parameter

_FAMILY = re.compile(r"(fields|additional-fields)\[([^\]]*)\]")
_PAGE_DEFAULT = 20
_MARKETING = "subscriptions.email.marketing"


@frozen(kw_only=True)
class Query:
    """What a request asks for, checked."""

    conditions: tuple[Condition, ...] = ()
    sort: str | None = None
    """Sort key as given, with its minus sign."""
    include: tuple[str, ...] = ()
    fields: Mapping[str, tuple[str, ...]] = field(factory=dict)
    additional: Mapping[str, tuple[str, ...]] = field(factory=dict)
    size: int = _PAGE_DEFAULT
    cursor: str | None = None
    values: Mapping[str, tuple[str, ...]] = field(factory=dict)
    """Every parameter by its name on the wire, split at commas."""


def pairs(raw_query: str) -> list[tuple[str, str]]:
    """Names and values of a query, decoded, in order."""
    return parse_qsl(raw_query, keep_blank_values=True)


def check(operation: Operation, raw_query: str, headers: Mapping[str, str]) -> Query:
    """Read and check the query.

    Raises:
        Problem: 400 with one error object for each parameter that doesn't fit.
    """
    problems: list[dict[str, Any]] = []
    known = {parameter.wire: parameter for parameter in operation.parameters}
    values: dict[str, str] = {}
    for name, value in pairs(raw_query):
        if name in values:
            problems.append(error(400, f"The parameter '{name}' was given more than once.", parameter=name))
        values[name] = value
    found: dict[str, Any] = {"fields": {}, "additional": {}}
    for name, value in values.items():
        try:
            _one(operation, known, name, value, found)
        except Problem as problem:
            problems.extend(problem.errors)
    for parameter in operation.parameters:
        if parameter.place == "header" and parameter.wire in headers and parameter.kind == "filter":
            try:
                found["conditions"] = conditions(operation, headers[parameter.wire], parameter.wire)
            except Problem as problem:
                problems.extend(problem.errors)
        absent = parameter.wire not in (headers if parameter.place == "header" else values)
        if parameter.required and absent:
            problems.append(error(400, f"The parameter '{parameter.wire}' is required.", parameter=parameter.wire))
    named = {condition.field for condition in found.get("conditions", ())}
    wanted = operation.filter_requires
    if wanted and named.isdisjoint(wanted) and not any(one["source"].get("parameter") == "filter" for one in problems):
        names = " or ".join(f"'{name}'" for name in wanted)
        problems.append(error(400, f"A filter on {names} is required.", parameter="filter"))
    if problems:
        raise Problem.of(400, problems)
    if "size" not in found:
        found["size"] = (operation.page_size.default if operation.page_size else None) or _PAGE_DEFAULT
    return Query(values={name: tuple(value.split(",")) for name, value in values.items()}, **found)


def _one(operation: Operation, known: Mapping[str, Parameter], name: str, value: str, found: dict[str, Any]) -> None:
    family = _FAMILY.fullmatch(name)
    if family is not None:
        allowed = operation.fields if family[1] == "fields" else operation.additional_fields
        if family[2] not in allowed:
            raise _unknown(name, [f"{family[1]}[{one}]" for one in allowed])
        names = tuple(part for part in value.split(",") if part)
        _all_of(names, allowed[family[2]], name)
        found["fields" if family[1] == "fields" else "additional"][family[2]] = names
        return
    parameter = known.get(name)
    if parameter is None or parameter.place == "header" or parameter.kind in {"fields", "additional_fields"}:
        raise _unknown(name, [one.wire for one in known.values() if one.place == "query"])
    if parameter.kind == "filter":
        found["conditions"] = conditions(operation, value, name)
    elif parameter.kind == "sort":
        _all_of((value,), operation.sort, name)
        found["sort"] = value
    elif parameter.kind == "include":
        names = tuple(part for part in value.split(",") if part)
        _all_of(names, operation.include, name)
        found["include"] = names
    elif parameter.kind == "page_size":
        found["size"] = _size(operation, value, name)
    elif parameter.kind == "page_cursor":
        found["cursor"] = value
    elif parameter.kind == "boolean" and value not in {"true", "false"}:
        raise invalid(f"'{value}' is not a boolean: give true or false.", parameter=name)
    elif parameter.kind == "integer" and not re.fullmatch(r"-?\d+", value):
        raise invalid(f"'{value}' is not an integer.", parameter=name)
    elif parameter.enum:
        _all_of(tuple(value.split(",")), parameter.enum, name)


def _size(operation: Operation, value: str, name: str) -> int:
    bounds = operation.page_size
    low = bounds.minimum if bounds else 1
    high = bounds.maximum if bounds and bounds.maximum is not None else None
    if not re.fullmatch(r"\d{1,9}", value) or int(value) < low or (high is not None and int(value) > high):
        limit = f"between {low} and {high}" if high is not None else f"of at least {low}"
        raise invalid(f"'{value}' is not a valid page size: it must be an integer {limit}.", parameter=name)
    return int(value)


def _all_of(names: tuple[str, ...], allowed: tuple[str, ...], parameter: str) -> None:
    for name in names:
        if name not in allowed:
            listed = ", ".join(allowed) or "none"
            raise invalid(f"'{name}' is not a valid choice for '{parameter}'. Allowed: {listed}", parameter=parameter)


def _unknown(name: str, allowed: list[str]) -> Problem:
    listed = ", ".join(allowed) or "none"
    return invalid(f"'{name}' is not a valid parameter of this endpoint. Allowed: {listed}", parameter=name)


def conditions(operation: Operation, text: str, parameter: str) -> tuple[Condition, ...]:
    """The conditions of a filter, each checked against the operation.

    Raises:
        Problem: 400 for a filter that can't be read, or a condition that the operation doesn't take.
    """
    try:
        parsed = Filter.parse(text).conditions
    except QueryError as failure:
        raise invalid(f"Invalid filter provided: {failure}", parameter=parameter) from failure
    for condition in parsed:
        facts = operation.filters.get(condition.field)
        if facts is None:
            if not operation.filters:
                continue
            listed = ", ".join(operation.filters)
            raise invalid(f"'{condition.field}' is not a filterable field. Allowed: {listed}", parameter=parameter)
        if condition.operator not in facts.operators:
            listed = ", ".join(facts.operators)
            raise invalid(
                f"'{condition.operator}' is not an allowed filter operator for {condition.field}.  "
                f"Allowed operators are {listed}",
                parameter=parameter,
            )
        if condition.operator != "has":
            _value(condition, facts, parameter)
    _suppressions({condition.field for condition in parsed}, parameter)
    return parsed


def _suppressions(fields: set[str], parameter: str) -> None:
    """The rules of filters on suppressions that the operation table doesn't have."""
    of_lists = {field for field in fields if field.startswith(f"{_MARKETING}.list_suppressions.")}
    if of_lists and any(field.startswith(f"{_MARKETING}.suppression.") for field in fields):
        raise invalid("Filters on list suppressions and on global suppressions can't be mixed.", parameter=parameter)
    if of_lists and f"{_MARKETING}.list_suppressions.list_id" not in of_lists:
        raise invalid(f"A filter on '{_MARKETING}.list_suppressions.list_id' is required.", parameter=parameter)


def _value(condition: Condition, facts: FilterField, parameter: str) -> None:
    value = condition.value
    many = isinstance(value, tuple)
    if condition.operator in facts.list and condition.operator not in facts.single:
        # `equals` of a field that documents it for lists only is taken with one value as well
        if not many and condition.operator != "equals":
            raise invalid(f"'{condition.operator}' on {condition.field} takes a list: [\"…\"]", parameter=parameter)
    elif many and condition.operator not in facts.list:
        raise invalid(f"'{condition.operator}' on {condition.field} takes one value, not a list", parameter=parameter)
    for one in value if isinstance(value, tuple) else (value,):
        if one is not None and not _fits(one, facts):
            wanted = facts.format or facts.type
            hint = " Times are not quoted." if facts.format == "date-time" and isinstance(one, str) else ""
            raise invalid(f"Invalid value for {condition.field}: it must be a {wanted}.{hint}", parameter=parameter)
        if one is not None and facts.enum and one not in facts.enum:
            listed = ", ".join(map(str, facts.enum))
            raise invalid(f"'{one}' is not a valid choice for {condition.field}: {listed}", parameter=parameter)


def _fits(value: Any, facts: FilterField) -> bool:
    if facts.format == "date-time":
        return isinstance(value, datetime | date)
    if facts.type == "boolean":
        return isinstance(value, bool)
    if facts.type == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if facts.type == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, str)
