"""All extensions of OpenAPI that are known, Klaviyo's and our own: the one table that says what becomes of each.

A new one is an entry here: what it is about (for the diff and the import's report), what its value must be like, which field
of the operation table it goes into, and what it says in a function's docstring. One without a field is kept in the specs,
and the diff tells of it. One that isn't here is reported by the import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from codegen.openapi import walk
from codegen.specs import extension_values as values
from klaviyo_async.operation import Caps, FilterField, Limits, PageSize, Pagination, ParameterLimit, Rate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_WINDOWS = ("burst", "steady", "daily")
_UNITS = {
    "rows": "rows",
    "bytes": "bytes",
    "row_bytes": "bytes per row",
    "string_bytes": "bytes per string",
    "jobs": "jobs in progress",
}


@frozen(kw_only=True)
class Extension:
    """What is known of one extension."""

    about: str
    check: Callable[[Any], str | None] | None = None
    """Gives what is wrong with a value; None where nothing builds on it."""
    field: str = ""
    """Field of the operation table that holds it; empty where none does."""
    read: Callable[[Any], Any] | None = None
    """Value of the extension → value of the field; None where more than the extension makes it."""
    says: Callable[[Any], str] | None = None
    """Value of the extension → its sentences in the docstring."""
    apart: bool = False
    """Whether these are a paragraph of their own."""


def fields(operation: Mapping[str, Any]) -> dict[str, Any]:
    """What the extensions of an operation are in the operation table: field → value."""
    found: dict[str, Any] = {}
    for name, extension in EXTENSIONS.items():
        if name in operation and extension.read is not None:
            value = extension.read(operation[name])
            if name == "x-parameter-limits":
                if "limits" in found:
                    found["limits"] = evolve(found["limits"], by_parameter=value)
            else:
                found[extension.field] = value
    return found


def sentences(operation: Mapping[str, Any], *, apart: bool) -> Iterator[str]:
    """What the extensions of an operation say in its docstring: those with a paragraph of their own, or the others."""
    for name, extension in EXTENSIONS.items():
        if operation.get(name) and extension.says is not None and extension.apart == apart:
            yield extension.says(operation[name])


def problems(node: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(key, what is wrong with its value) for each extension of an operation or a schema that is not as it must be."""
    for key, extension in EXTENSIONS.items():
        if key in node and extension.check is not None and (problem := extension.check(node[key])):
            yield key, problem


def names_in(document: Any) -> Iterator[str]:
    """The extensions of a document, each as often as it is there."""
    for _, _, node in walk(document, "document"):
        if isinstance(node, dict):
            yield from (key for key in node if key.startswith("x-"))


def _limits(value: Mapping[str, str]) -> Limits:
    daily = Rate(value["daily"]) if "daily" in value else None
    return Limits(burst=Rate(value["burst"]), steady=Rate(value["steady"]), daily=daily)


def _parameter_limits(value: list[Mapping[str, str]]) -> tuple[ParameterLimit, ...]:
    return tuple(
        ParameterLimit(
            parameter=each["parameter"],
            value=each["value"],
            resource=each["resource"],
            rates=tuple(Rate(each[key]) for key in _WINDOWS if key in each),
        )
        for each in value
    )


def _filters(value: Mapping[str, Any]) -> dict[str, FilterField]:
    found = {}
    for name, facts in value.items():
        operators, kind = facts["operators"], facts.get("value", {})
        found[name] = FilterField(
            single=tuple(operators.get("single", ())),
            list=tuple(operators.get("list", ())),
            none=tuple(operators.get("none", ())),
            type=kind.get("type"),
            format=kind.get("format"),
            enum=tuple(kind.get("enum", ())),
        )
    return found


def _pagination(value: Mapping[str, Any]) -> Pagination:
    return Pagination(style=value["style"], records=tuple(value["records"]))


# --- in docstrings


def _say_scopes(value: list[str]) -> str:
    return f"Scopes: {', '.join(f'`{scope}`' for scope in value)}."


def _say_limits(value: Mapping[str, str]) -> str:
    return f"Limits: {', '.join(value[key] for key in _WINDOWS if key in value)}."


def _say_parameter_limits(value: list[Mapping[str, str]]) -> str:
    rates = (", ".join(each[key] for key in _WINDOWS if key in each) for each in value)
    return " ".join(
        f"With `{each['parameter']}={each['value']}` also {found}." for each, found in zip(value, rates, strict=True)
    )


def _say_filters(value: Mapping[str, Any]) -> str:
    allowed = (f"`{name}` ({', '.join(field.operators)})" for name, field in _filters(value).items())
    return f"Filters: {', '.join(allowed)}."


def _say_caps(value: Mapping[str, int]) -> str:
    return f"Caps: {', '.join(caps_of(Caps(**value)))}."


def caps_of(caps: Caps) -> Iterator[str]:
    """Each cap with its unit."""
    for name, unit in _UNITS.items():
        value = getattr(caps, name)
        if value is not None:
            yield f"{value:,} {unit}"


EXTENSIONS: dict[str, Extension] = {
    # Klaviyo's own
    "x-klaviyo-scopes": Extension(about="scopes", check=values.names, field="scopes", read=tuple, says=_say_scopes),
    "x-klaviyo-ratelimit": Extension(
        about="limits", check=values.rates, field="limits", read=_limits, says=_say_limits
    ),
    "x-klaviyo-operation-aliases": Extension(about="other names", check=values.aliases, field="aliases", read=tuple),
    "x-klaviyo-filters": Extension(
        about="filters", check=values.filters, field="filters", read=_filters, says=_say_filters, apart=True
    ),
    "x-klaviyo-pre-release": Extension(about="BETA, or the text None"),
    "x-klaviyo-subtag": Extension(about="heading in the reference"),
    "x-klaviyo-exclude-from-docs-on-date": Extension(about="when the reference leaves it out"),
    "x-readme": Extension(about="settings of the reference site"),
    "x-default": Extension(about="default of the reference's form"),
    # ours, from words or from the overrides
    "x-parameter-limits": Extension(
        about="limits that a parameter's value adds",
        check=values.parameter_limits,
        field="limits",
        read=_parameter_limits,
        says=_say_parameter_limits,
    ),
    "x-header-filters": Extension(
        about="filters in a header", check=values.filters, field="filters", read=_filters, says=_say_filters, apart=True
    ),
    "x-filter-requires": Extension(
        about="fields of which a filter must name one", check=values.names, field="filter_requires", read=tuple
    ),
    "x-page-rows": Extension(
        about="rows of a page",
        check=values.whole(1),
        field="page_size",
        read=lambda rows: PageSize(default=rows, maximum=rows),
    ),
    "x-page-size": Extension(
        about="page size in the body",
        check=values.numbers({"default", "minimum", "maximum"}),
        field="page_size",
        read=lambda value: PageSize(**value),
    ),
    "x-pagination": Extension(
        about="how pages follow each other", check=values.pagination, field="pagination", read=_pagination
    ),
    "x-caps": Extension(
        about="caps on a request",
        check=values.numbers(values.CAPS),
        field="caps",
        read=lambda value: Caps(**value),
        says=_say_caps,
        apart=True,
    ),
    "x-bulk": Extension(about="how rows and jobs of a bulk operation go together", check=values.bulk, field="bulk"),
    "x-retention-days": Extension(about="days that a list goes back", check=values.whole(1)),
    "x-safe-to-repeat": Extension(
        about="whether it may be sent again", check=values.flag, field="safe_to_repeat", read=bool
    ),
    "x-safe-with": Extension(
        about="keyword that makes it safe to send again", check=values.keyword, field="safe_with", read=str
    ),
    # ours, on schemas
    "x-max-bytes": Extension(about="size of a value", check=values.whole(1)),
    "x-max-string-bytes": Extension(about="size of each text in a value", check=values.whole(1)),
    "x-max-filter-items": Extension(about="values in a list of a filter", check=values.whole(1)),
    "x-max-timeframe": Extension(about="how long a report's time may be", check=values.texts),
    "x-required-items": Extension(about="what a list must hold", check=values.names),
    "x-decided-by": Extension(about="what decides a union beside it", check=values.decided_by),
}
"""Where two go into one field, the later one counts; sentences come in this order."""
