"""``klaviyo-async operations``: list and search operations, and show one in detail. Sends nothing, and needs no key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from klaviyo_async._did_you_mean import nearest
from klaviyo_async.cli.arguments import OperationName, body_keywords, find_operation
from klaviyo_async.cli.connection import machine_option
from klaviyo_async.cli.output import console, emit, is_terminal, note, table
from klaviyo_async.operation_table import operations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from klaviyo_async.operation import Operation


@click.command("operations")
@click.argument(
    "words",
    nargs=-1,
    metavar="[NAME | WORD…]",
    type=click.UNPROCESSED,
    shell_complete=lambda *given: OperationName().shell_complete(*given),
)
@click.option("--tag", metavar="TAG", help="Only operations of this group, for instance profiles.")
@click.option("--base-url", hidden=True, help="Accepted by every command; nothing is sent here.")
@machine_option
def command(words: tuple[str, ...], tag: str | None, base_url: str | None, machine: bool) -> None:  # noqa: ARG001
    """List operations, search them, or show one with its limits, scopes, filters and caps.

    Nothing is sent, and no key is needed. WORDs search names, paths, summaries and scopes; all of them must match.

    \b
      klaviyo-async operations                      all of them
      klaviyo-async operations bulk profiles        those that match both words
      klaviyo-async operations get_profiles         one in detail
      klaviyo-async operations events:read --json   what a scope allows, for a script
    """
    one = find_operation(words[0]) if len(words) == 1 else None
    if one is not None and tag is None:
        _show(one, machine=machine)
        return
    if tag is not None and all(tag != each.tag for each in operations.values()):
        tags = sorted({each.tag for each in operations.values()})
        raise click.BadParameter(f"there is no group {tag!r}{nearest(tag, tags)}", param_hint="--tag")
    found = [
        each
        for each in operations.values()
        if (tag is None or each.tag == tag) and all(_matches(each, word.lower()) for word in words)
    ]
    if not found:
        raise click.ClickException(f"no operation matches {' '.join(words)!r}{nearest(words[0], operations) or '.'}")
    if machine:
        emit([describe(each) for each in found], machine=True)
    else:
        table(
            ("name", "request", "limits", "summary"),
            [(each.name, f"{each.method} {each.path}", ", ".join(each.limits.rates), each.summary) for each in found],
        )
        if is_terminal():
            note(f"{len(found)} operations. 'klaviyo-async operations NAME' shows one.")


def _matches(operation: Operation, word: str) -> bool:
    return any(
        word in text.lower()
        for text in (
            operation.name,
            operation.path,
            operation.summary,
            operation.tag,
            *operation.scopes,
            *operation.aliases,
        )
    )


def describe(operation: Operation) -> dict[str, Any]:
    """An operation as plain JSON."""
    limits, caps, size, body = operation.limits, operation.caps, operation.page_size, operation.body
    return {
        "name": operation.name,
        "method": operation.method,
        "path": operation.path,
        "tag": operation.tag,
        "summary": operation.summary,
        "scopes": list(operation.scopes),
        "limits": {
            "burst": limits.burst,
            "steady": limits.steady,
            "daily": limits.daily,
            "by_parameter": [
                {"parameter": one.parameter, "value": one.value, "rates": list(one.rates)}
                for one in limits.by_parameter
            ],
        },
        "path_parameters": list(operation.path_parameters),
        "parameters": [
            {
                "name": one.name,
                "wire": one.wire,
                "place": one.place,
                "kind": one.kind,
                "required": one.required,
                "enum": list(one.enum),
            }
            for one in operation.parameters
        ],
        "filters": {
            name: {"operators": list(one.operators), "type": one.type, "format": one.format, "enum": list(one.enum)}
            for name, one in operation.filters.items()
        },
        "filter_requires": list(operation.filter_requires),
        "sort": list(operation.sort),
        "include": list(operation.include),
        "fields": {name: list(fields) for name, fields in operation.fields.items()},
        "additional_fields": {name: list(fields) for name, fields in operation.additional_fields.items()},
        "page_size": None
        if size is None
        else {"default": size.default, "minimum": size.minimum, "maximum": size.maximum},
        "paginated": operation.pagination is not None,
        "body": None
        if body is None
        else {"kind": body.kind, "required": body.required, "many": body.many, "keywords": body_keywords(operation)},
        "caps": {
            "rows": caps.rows,
            "bytes": caps.bytes,
            "row_bytes": caps.row_bytes,
            "string_bytes": caps.string_bytes,
            "jobs": caps.jobs,
        },
        "aliases": list(operation.aliases),
        "safe_to_repeat": operation.safe_to_repeat,
        "safe_with": operation.safe_with,
        "public": operation.public,
        "deprecated": operation.deprecated,
        "reference": operation.reference,
    }


def _show(operation: Operation, *, machine: bool) -> None:
    if machine:
        emit(describe(operation), machine=True)
        return
    title = f"{operation.name}: {operation.summary}"
    lines = list(_lines(operation))
    if not is_terminal():
        click.echo(title)
        for heading, values in lines:
            click.echo(f"{heading}: {'; '.join(values)}")
        return
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for heading, values in lines:
        grid.add_row(heading, Text("\n".join(values)))
    out = console()
    out.print(Text(title, style="bold"))
    out.print(grid)


def _lines(operation: Operation) -> Iterator[tuple[str, list[str]]]:
    """Heading and values of each known fact."""
    yield "request", [f"{operation.method} {operation.path}"]
    yield "in Python", [f"klaviyo.{operation.tag}.{operation.name}({', '.join(operation.path_parameters)})"]
    if operation.deprecated:
        yield "deprecated", ["yes"]
    yield "scopes", list(operation.scopes) or ["none: uses the public key" if operation.public else "none"]
    yield (
        "limits",
        [", ".join(operation.limits.rates)]
        + [f"{', '.join(one.rates)} with {one.parameter}={one.value}" for one in operation.limits.by_parameter],
    )
    caps = operation.caps
    carried = [
        f"{value:,} {what}"
        for value, what in (
            (caps.rows, "rows per request"),
            (caps.bytes, "bytes per request"),
            (caps.row_bytes, "bytes per row"),
            (caps.string_bytes, "bytes per string"),
            (caps.jobs, "jobs in parallel"),
        )
        if value is not None
    ]
    if carried:
        yield "caps", carried
    others = [
        f"{one.name}{' (required)' if one.required else ''}{': ' + ', '.join(one.enum) if one.enum else ''}"
        for one in operation.parameters
        if one.kind in {"string", "integer", "boolean"}
    ]
    if others:
        yield "parameters", others
    if operation.filters:
        yield (
            "filters",
            [
                f"{name}: {', '.join(one.operators)}{f' ({one.format or one.type})' if one.type else ''}"
                for name, one in operation.filters.items()
            ],
        )
    if operation.filter_requires:
        yield "filter requires", [" or ".join(operation.filter_requires)]
    if operation.sort:
        yield "sort", [", ".join(operation.sort)]
    if operation.include:
        yield "include", [", ".join(operation.include)]
    for heading, sets in (("fields", operation.fields), ("additional fields", operation.additional_fields)):
        if sets:
            yield heading, [f"{name}: {', '.join(fields)}" for name, fields in sets.items()]
    size = operation.page_size
    if size is not None:
        yield "page size", [f"{size.default or 'unknown'} by default, {size.minimum} to {size.maximum or 'any'}"]
    if operation.body is not None:
        keywords = body_keywords(operation)
        yield "body", [f"{operation.body.model}{': ' + ', '.join(keywords) if keywords else ''}"]
    safe = "yes" if operation.safe_to_repeat else f"with {operation.safe_with}" if operation.safe_with else "no"
    yield "safe to repeat", [safe]
    if operation.aliases:
        yield "also called", [", ".join(operation.aliases)]
    yield "reference", [operation.reference]
