"""Arguments that name operations and their parameters: parsing, validation and completion."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from klaviyo_async._did_you_mean import nearest
from klaviyo_async.operation_table import operations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from klaviyo_async.operation import Operation, Parameter

    _Type = click.ParamType[Any]
else:
    _Type = click.ParamType  # in older versions of click it is generic to type checkers only

_FEW = 40
"""Up to this many operations are completed with their summaries, which requires loading their modules."""


def find_operation(name: str) -> Operation | None:
    """The operation with this name or alias."""
    if name in operations:
        return operations[name]
    return next((one for one in operations.values() if name in one.aliases), None)


class OperationName(_Type):
    """The name of an operation."""

    name = "operation"

    def __init__(self, fits: Callable[[Operation], bool] | None = None) -> None:
        self._fits = fits

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Operation:
        """The operation; a usage error with the nearest name if there is none."""
        from klaviyo_async.operation import Operation

        if isinstance(value, Operation):
            return value
        found = find_operation(value)
        if found is None:
            end = nearest(value, operations) or "."
            self.fail(f"there is no operation {value!r}{end} 'klaviyo-async operations WORD' searches.", param, ctx)
        return found

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """Names that start with this text."""
        names = [name for name in operations if name.startswith(incomplete)]
        if self._fits is not None:
            names = [name for name in names if self._fits(operations[name])]
        helped = len(names) <= _FEW
        return [CompletionItem(name, help=operations[name].summary if helped else None) for name in names]


class OfOperation(_Type):
    """Text whose completion depends on the operation before it."""

    name = "text"

    def __init__(self, values: Callable[[Operation], Iterable[str]], *, listed: bool = False) -> None:
        self._values = values
        self._listed = listed

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """Matching values of the operation; in a list, the last item is completed."""
        from klaviyo_async.operation import Operation

        # click stops parsing at an option that lacks its value; the rest is in `args`.
        given = ctx.params.get("operation") or next((one for one in ctx.args if one in operations), "")
        operation = given if isinstance(given, Operation) else find_operation(given)
        if operation is None:
            return []
        start, comma, last = incomplete.rpartition(",") if self._listed else ("", "", incomplete)
        taken = start.split(",")
        return [
            CompletionItem(f"{start}{comma}{value}")
            for value in self._values(operation)
            if value.startswith(last) and value not in taken
        ]


def fieldset_values(operation: Operation) -> list[str]:
    """Completions of ``--fields``: ``profile=email`` and so on."""
    return [f"{type}={field}" for type, fields in operation.fields.items() for field in fields]  # noqa: A001


def additional_values(operation: Operation) -> list[str]:
    """Completions of ``--additional-fields``."""
    return [f"{type}={field}" for type, fields in operation.additional_fields.items() for field in fields]  # noqa: A001


def filter_values(operation: Operation) -> list[str]:
    """Starts of the conditions that the operation supports."""
    return [f"{operator}({name}," for name, facts in operation.filters.items() for operator in facts.operators]


def parameter_values(operation: Operation) -> list[str]:
    """Completions of ``--param``: the operation's parameters with their values, and the keywords of its body."""
    found: list[str] = []
    for parameter in operation.parameters:
        values = allowed_values(operation, parameter)
        found += [f"{parameter.name}={value}" for value in values] if values else [f"{parameter.name}="]
    return found + [f"{keyword}=" for keyword in body_keywords(operation)]


def allowed_values(operation: Operation, parameter: Parameter) -> tuple[str, ...]:
    """The allowed values of a plain parameter, if they are known."""
    if parameter.kind == "sort":
        return operation.sort
    if parameter.kind == "include":
        return operation.include
    return parameter.enum or (("true", "false") if parameter.kind == "boolean" else ())


def body_keywords(operation: Operation) -> list[str]:
    """The keywords that make the body: attributes, relationships, ``id``, ``meta``, fields of a form."""
    body = operation.body
    if body is None:
        return []
    if body.kind == "multipart":
        return list(body.fields)
    resource = body.resource if body.kind == "resource" else None
    if resource is None:
        return []
    found = [*resource.attributes, *resource.relationships]
    if resource.id != "none" and body.id_from_path is None:
        found.append("id")
    return [*found, "meta"] if resource.meta else found


def read_text(given: str, option: str) -> str:
    """The given text or, for ``@file`` and ``-``, the content of the file or of standard input."""
    if given in {"-", "@-"}:
        return sys.stdin.read()
    if not given.startswith("@"):
        return given
    try:
        return Path(given[1:]).read_text(encoding="utf-8")
    except UnicodeDecodeError as failure:
        raise click.BadParameter(f"{given[1:]} is not UTF-8 text.", param_hint=option) from failure
    except OSError as failure:
        raise click.BadParameter(f"{given[1:]}: {failure.strerror}", param_hint=option) from failure


def read_json(text: str, option: str) -> Any:
    """The JSON value; a usage error with the position if it isn't valid JSON."""
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as failure:
        where = f" (line {failure.lineno}, column {failure.colno})" if isinstance(failure, json.JSONDecodeError) else ""
        what = failure.msg if isinstance(failure, json.JSONDecodeError) else "nested too deeply"
        raise click.BadParameter(f"this is not JSON: {what}{where}.", param_hint=option) from failure
