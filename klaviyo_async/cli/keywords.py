"""Converts command line options to keywords of an endpoint function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from klaviyo_async._did_you_mean import nearest, shown
from klaviyo_async.cli.arguments import body_keywords, read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from klaviyo_async.operation import Operation, Parameter


def collect(
    operation: Operation,
    *,
    params: Iterable[str],
    filters: tuple[str, ...],
    fields: Iterable[str],
    additional_fields: Iterable[str],
    **given: Any,
) -> dict[str, Any]:
    """All keywords: those of options with a value, and those of ``--param``. Options that don't apply are refused."""
    keywords: dict[str, Any] = {}
    for text in params:
        put(keywords, *assignment(operation, text))
    if filters:
        put(keywords, "filter", joined(filters))
    for name, sets in (("fields", fields), ("additional_fields", additional_fields)):
        for text in sets:
            kind, wanted = fieldset(operation, name, text)
            put(keywords, name, {kind: wanted})
    for name, value in given.items():
        if value is not None:
            put(keywords, name, value)
    known = {one.name for one in operation.parameters}
    for name in ("filter", "fields", "additional_fields", *given):
        if name in keywords and name not in known and name not in body_keywords(operation):
            option = f"--{name.replace('_', '-')}"
            takes = ", ".join(sorted(known)) or "none of these"
            raise click.UsageError(f"{operation.name} has no {option}; it takes {takes}.")
    return keywords


def put(keywords: dict[str, Any], name: str, value: Any) -> None:
    """Add a keyword; fieldsets of several types are merged."""
    if name in {"fields", "additional_fields"} and isinstance(value, dict) and isinstance(keywords.get(name), dict):
        for kind, wanted in value.items():
            keywords[name].setdefault(kind, []).extend(wanted)
    elif name in keywords:
        raise click.UsageError(f"{name} was given more than once.")
    else:
        keywords[name] = value


def joined(filters: tuple[str, ...]) -> Any:
    """The conditions, joined by *and*."""
    from klaviyo_async.filter import Filter

    return filters[0] if len(filters) == 1 else Filter.all([Filter.parse(text) for text in filters])


def fieldset(operation: Operation, name: str, text: str) -> tuple[str, list[str]]:
    """``profile=email,created``; the type may be omitted if only one has these fields."""
    sets = operation.fields if name == "fields" else operation.additional_fields
    kind, equals, wanted = text.partition("=")
    if not equals:
        wanted = text
        fitting = [one for one, fields in sets.items() if set(_split(text)) <= set(fields)]
        if len(fitting) != 1 and len(sets) != 1:
            raise click.UsageError(
                f"--{name.replace('_', '-')} {shown(text)}: {_why_not(operation, sets, fitting, text)}"
            )
        kind = fitting[0] if fitting else next(iter(sets))
    return kind, _split(wanted)


def _why_not(operation: Operation, sets: Mapping[str, Sequence[str]], fitting: Sequence[str], text: str) -> str:
    """Why it is unclear which type's fields are meant."""
    known = sorted({field for fields in sets.values() for field in fields})
    for field in _split(text):
        if field not in known:
            return f"{operation.name} has no field {shown(field)}{nearest(field, known)}"
    if not fitting:
        return f"no type has all of these: give the option as TYPE=… for each of {', '.join(sets)}."
    # What the operation is about is in its path: the lists of get_lists, before the tags that have names too.
    example = min(fitting, key=lambda one: one not in operation.path)
    return f"name the type too ({', '.join(fitting[:-1])} or {fitting[-1]}), for instance {example}={text}."


def _split(text: str) -> list[str]:
    return [one for one in text.split(",") if one]


def parted(text: str) -> tuple[str, str, bool]:
    """Name and value of ``NAME=VALUE`` or ``NAME:=JSON``, and whether it is JSON."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.BadParameter(f"{text!r} is neither NAME=VALUE nor NAME:=JSON.", param_hint="--param")
    return name.removesuffix(":"), value, name.endswith(":")


def assignment(operation: Operation, text: str) -> tuple[str, Any]:
    """Keyword and value of one ``--param``."""
    name, value, raw = parted(text)
    wire, bracket, kind = name.partition("[")
    if bracket and wire in {"fields", "additional-fields"}:
        return wire.replace("-", "_"), {kind.removesuffix("]"): _split(value)}
    parameter = next((one for one in operation.parameters if name in {one.name, one.wire}), None)
    if parameter is not None:
        read = read_json(value, f"--param {name}") if raw else _value(parameter, value)
        return parameter.name, _family(operation, parameter.name, read)
    keywords = body_keywords(operation)
    keyword = next((one for one in keywords if name in {one, _wire(operation, one)}), None)
    if keyword is None:
        allowed = [*(one.name for one in operation.parameters), *keywords]
        raise click.BadParameter(f"{operation.name} has no {name!r}{nearest(name, allowed)}", param_hint="--param")
    if raw:
        return keyword, read_json(value, f"--param {name}")
    if operation.body is not None and operation.body.kind == "multipart":
        return keyword, {"true": True, "false": False}.get(value, value.removeprefix("@"))
    return keyword, value


def _family(operation: Operation, name: str, value: Any) -> Any:
    if name not in {"fields", "additional_fields"} or not isinstance(value, str):
        return value
    kind, wanted = fieldset(operation, name, value)
    return {kind: wanted}


def _value(parameter: Parameter, text: str) -> Any:
    if parameter.kind == "boolean" and text in {"true", "false"}:
        return text == "true"
    if parameter.kind in {"integer", "page_size"}:
        try:
            return int(text)
        except ValueError as failure:
            raise click.BadParameter(
                f"{parameter.name} must be a whole number, not {text!r}.", param_hint="--param"
            ) from failure
    return text.split(",") if parameter.kind == "include" else text


def _wire(operation: Operation, keyword: str) -> str | None:
    resource = operation.body.resource if operation.body is not None else None
    if resource is None:
        return None
    relationship = resource.relationships.get(keyword)
    return relationship.wire if relationship is not None else resource.attributes.get(keyword)
