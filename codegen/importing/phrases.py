"""How Klaviyo puts limits and caps into words, and the fact that each way means."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_N = r"[*`]*([\d,]+)[*`]*"
_SIZE = r"(\d+)\s?(KB|MB)"


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def _bytes(count: str, unit: str) -> int:
    return int(count) * {"KB": 1_000, "MB": 1_000_000}[unit.upper()]


# --- operations

_ROWS = [
    re.compile(rf"\baccepts (?:up to|a maximum of) {_N} [\w -]+ per (?:request|call)\.?$", re.IGNORECASE),
    re.compile(rf"^Max number of [\w ]+ per job we allow for is {_N}\.?$"),
    re.compile(rf"^Maximum number of profiles? (?:can be submitted for \w+|per call): {_N}\.?$"),
    re.compile(rf"^Email address(?:es)? per request limit: {_N}\.?$"),
    re.compile(r"^This endpoint accepts only (one) source profile\.$"),
]
_BYTES = {
    "bytes": re.compile(rf"^The maximum allowed payload size is {_SIZE}\.$"),
    "row_bytes": re.compile(rf"^The maximum allowed payload size per-(?:profile|record) is {_SIZE}\.$"),
    "string_bytes": re.compile(rf"^A single string cannot exceed {_SIZE}\.$"),
}
_JOBS = [
    re.compile(rf"^The maximum number of jobs in progress at one time is {_N}\.$"),
    re.compile(rf"^Max number of jobs queued at once we allow for is {_N}\.$"),
]
_RETENTION = re.compile(r"^Logs are retained for (\d+) days;")
_PAGE_ROWS = [
    re.compile(rf"\bReturns a maximum of {_N} [\w -]+ per (?:request|page)(?: \(default (\d+)\))?\b.*$"),
    re.compile(rf"\bwith a fixed page size of {_N}\.$"),
]


def operation_fact(sentence: str, operation: dict[str, Any]) -> str | None:
    """Put the fact of a sentence on the operation. None where understood, else the reason why it isn't."""
    for pattern in _ROWS:
        if match := pattern.search(sentence):
            return _cap(operation, "rows", 1 if match[1] == "one" else _number(match[1]))
    for key, pattern in _BYTES.items():
        if match := pattern.search(sentence):
            return _cap(operation, key, _bytes(match[1], match[2]))
    for pattern in _JOBS:
        if match := pattern.search(sentence):
            return _cap(operation, "jobs", _number(match[1]))
    for pattern in _PAGE_ROWS:
        if match := pattern.search(sentence):
            default = match[2] if (match.lastindex or 0) > 1 else None
            return _page_rows(operation, _number(match[1]), default)
    if match := _PAGE_SIZE.search(sentence):
        for parameter in operation.get("parameters", ()):
            if parameter.get("name") == "page[size]" and isinstance(parameter.get("schema"), dict):
                return _set(parameter["schema"], {_KEYWORDS[match[1]]: int(match[2])})
    if match := _RETENTION.search(sentence):
        operation["x-retention-days"] = int(match[1])
        return None
    return "looks like a limit"


def _cap(operation: dict[str, Any], key: str, value: int) -> str | None:
    caps = operation.setdefault("x-caps", {})
    if caps.setdefault(key, value) != value:
        return f"{key} is {caps[key]} elsewhere in the description"
    return None


def _page_rows(operation: dict[str, Any], rows: int, default: str | None) -> str | None:
    for parameter in operation.get("parameters", ()):
        if parameter.get("name") in {"page[size]", "page_size"} and isinstance(parameter.get("schema"), dict):
            schema = parameter["schema"]
            if default is not None:
                schema.setdefault("default", int(default))
            if "maximum" not in schema:
                schema["maximum"] = rows
            elif rows not in (schema["maximum"], schema.get("default")):
                return f"page[size] has default {schema.get('default')} and maximum {schema['maximum']}"
            return None
    if operation.setdefault("x-page-rows", rows) != rows:
        return f"x-page-rows is {operation['x-page-rows']}"
    return None


# --- parameters and schemas

_PAGE_SIZE = re.compile(r"^\**(Default|Min|Max)\**(?:: | = )(\d+)\.?$")
_KEYWORDS = {"Default": "default", "Min": "minimum", "Max": "maximum"}


def schema_fact(sentence: str, schema: dict[str, Any]) -> str | None:
    """Put the fact of a sentence on the schema. None where understood, else the reason why it isn't."""
    for pattern, facts in _SCHEMA_FACTS:
        if match := pattern.search(sentence):
            return _set(schema, facts(match, schema))
    return "looks like a limit"


def _set(schema: dict[str, Any], facts: dict[str, Any] | None) -> str | None:
    if facts is None:
        return "the schema is of another type"
    for key, value in facts.items():
        if schema.setdefault(key, value) != value:
            return f"{key} is {schema[key]} in the schema"
    return None


def _positive(match: re.Match[str], schema: dict[str, Any]) -> dict[str, Any] | None:
    del match
    if schema.get("type") == "integer":
        return {"minimum": 1}
    return {"pattern": "^[1-9][0-9]*$"} if schema.get("type") == "string" else None


def _between(match: re.Match[str], schema: dict[str, Any]) -> dict[str, Any] | None:
    known = schema.get("type") in ("integer", "number")
    return {"minimum": int(match[1]), "maximum": int(match[2])} if known else None


def _above_zero(match: re.Match[str], schema: dict[str, Any]) -> dict[str, Any] | None:
    if schema.get("type") == "integer":
        return {"minimum": 1, "maximum": int(match[1])}
    known = schema.get("type") == "number"
    return {"minimum": 0, "exclusiveMinimum": True, "maximum": int(match[1])} if known else None


def _of(kind: str, facts: Callable[[re.Match[str]], dict[str, Any]]) -> Callable[[Any, Any], dict[str, Any] | None]:
    def take(match: re.Match[str], schema: dict[str, Any]) -> dict[str, Any] | None:
        return facts(match) if schema.get("type") == kind else None

    return take


def _timeframe(match: re.Match[str], schema: dict[str, Any]) -> dict[str, Any]:
    return {"x-max-timeframe": {**schema.pop("x-max-timeframe", {}), match[1]: match[2]}}


_SCHEMA_FACTS: list[tuple[re.Pattern[str], Callable[[re.Match[str], dict[str, Any]], dict[str, Any] | None]]] = [
    (_PAGE_SIZE, _of("integer", lambda m: {_KEYWORDS[m[1]]: int(m[2])})),
    (re.compile(r"^Must be less than (\d+) characters\.?$"), _of("string", lambda m: {"maxLength": int(m[1]) - 1})),
    (re.compile(r"\(max (\d+) characters\)$"), _of("string", lambda m: {"maxLength": int(m[1])})),
    (
        re.compile(r"^Must be between (\d+) and (\d+) characters\b"),
        _of("string", lambda m: {"minLength": int(m[1]), "maxLength": int(m[2])}),
    ),
    (re.compile(r"\(max (\d+), positions\b"), _of("array", lambda m: {"maxItems": int(m[1])})),
    (re.compile(r"\(must not exceed (\d+) properties\)"), _of("object", lambda m: {"maxProperties": int(m[1])})),
    (re.compile(r"^Must be between (\d+) and (\d+)\.$"), _between),
    (re.compile(r"^Must be greater than 0 and at most (\d+)\.$"), _above_zero),
    (re.compile(r"^Must be non-empty\.$"), _of("string", lambda _: {"minLength": 1})),
    (
        re.compile(r"^This must not exceed (\d+) event properties\.$"),
        _of("object", lambda m: {"maxProperties": int(m[1])}),
    ),
    (re.compile(rf"^This must not exceed {_SIZE}\.$"), lambda m, _: {"x-max-bytes": _bytes(m[1], m[2])}),
    (
        re.compile(rf"^A single string cannot be larger than {_SIZE}\.$"),
        lambda m, _: {"x-max-string-bytes": _bytes(m[1], m[2])},
    ),
    (re.compile(r"^The max length a timeframe can be is (\d+ \w+)\.?$"), lambda m, _: {"x-max-timeframe": m[1]}),
    (re.compile(r"^Must be a posi?tive integer\.?$"), _positive),
    (re.compile(r"^Must be https\.?$"), _of("string", lambda m: {"pattern": "^https://"} if m else {})),
    (
        re.compile(
            rf"^The size of the event payload must not exceed {_SIZE}, and each string cannot be larger than {_SIZE}\."
        ),
        lambda m, _: {"x-max-bytes": _bytes(m[1], m[2]), "x-max-string-bytes": _bytes(m[3], m[4])},
    ),
    (re.compile(rf"^Maximum image size: {_SIZE}\.?$"), lambda m, _: {"x-max-bytes": _bytes(m[1], m[2])}),
    (re.compile(r"^May not exceed (\d+)(kb)\.?$"), lambda m, _: {"x-max-bytes": _bytes(m[1], m[2])}),
    (re.compile(rf"^Max of {_N} \w+ per (?:list|ANY) filter\.?$"), lambda m, _: {"x-max-filter-items": _number(m[1])}),
    (re.compile(r"^If (\w+) is used, the timeframe cannot be longer than (\d+ \w+)\.$"), _timeframe),
    (re.compile(r"\(Max length: (\d+ \w+)\)\.$"), lambda m, _: {"x-max-timeframe": m[1]}),
    (
        re.compile(r"^The following group by attributes are required: ([a-z_]+(?:, [a-z_]+)*)\.?$"),
        _of("array", lambda m: {"x-required-items": m[1].split(", ")}),
    ),
    (re.compile(r"^Only one trigger is supported\.$"), _of("array", lambda _: {"maxItems": 1})),
]
