"""``klaviyo-async call``: any operation, JSON in and out."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import click

from klaviyo_async.cli.arguments import (
    OfOperation,
    OperationName,
    additional_values,
    body_keywords,
    fieldset_values,
    filter_values,
    parameter_values,
    read_json,
    read_text,
)
from klaviyo_async.cli.connection import Connection, connected, machine_option
from klaviyo_async.cli.keywords import collect
from klaviyo_async.cli.output import compact, emit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from klaviyo_async.client import Klaviyo
    from klaviyo_async.operation import Operation

_EXAMPLES = """
\b
  klaviyo-async call get_profiles --page-size 5 --sort -updated
  klaviyo-async call get_profile 01GDDKASAP8TKDDA2GRZDSVP4H --fields profile=email,phone_number
  klaviyo-async call get_events --filter 'greater-than(datetime,2026-01-01)' --all > events.json
  klaviyo-async call create_profile --param email=sarah@example.com --param 'properties:={"tier": "gold"}'
  klaviyo-async call add_profiles_to_list Y6nRLr --body '["01H…", "01J…"]'
  jq -c '{data: .}' profile.json | klaviyo-async call create_profile --body -
"""


@click.command("call", epilog=_EXAMPLES)
@click.argument("operation", type=OperationName())
@click.argument("arguments", nargs=-1, metavar="[PATH ARGUMENTS…]")
@click.option(
    "--param",
    "-p",
    "params",
    multiple=True,
    metavar="NAME=VALUE",
    type=OfOperation(parameter_values),
    help="A parameter, or a keyword of the body, by its Python or wire name; NAME:=JSON for values other than strings. Repeatable.",
)
@click.option(
    "--body",
    "-b",
    metavar="JSON",
    help="The request body: JSON, @FILE, or - for standard input. Ids may be a list of strings.",
)
@click.option(
    "--filter",
    "-f",
    "filters",
    multiple=True,
    metavar="CONDITION",
    type=OfOperation(filter_values),
    help="A filter in Klaviyo's syntax: 'equals(email,\"a@x.com\")'. Several are joined by and.",
)
@click.option(
    "--fields",
    multiple=True,
    metavar="TYPE=FIELD,…",
    type=OfOperation(fieldset_values),
    help="Only these fields of a resource type. Repeatable.",
)
@click.option(
    "--additional-fields",
    multiple=True,
    metavar="TYPE=FIELD,…",
    type=OfOperation(additional_values),
    help="Fields that are only returned on request. Repeatable.",
)
@click.option(
    "--sort", metavar="KEY", type=OfOperation(lambda one: one.sort), help="Sort key; - in front for descending."
)
@click.option(
    "--include",
    metavar="NAME,…",
    type=OfOperation(lambda one: one.include, listed=True),
    help="Related resources to include.",
)
@click.option("--page-size", type=int, help="Records per page.")
@click.option("--page-cursor", metavar="CURSOR", help="Page to start with.")
@click.option("--all", "every", is_flag=True, help="All pages, as one document with one record per line.")
@click.option(
    "--limit", type=click.IntRange(min=0), metavar="N", help="At most N records, from as many pages as necessary."
)
@click.option("--ndjson", is_flag=True, help="Only the records, one per line, without the document around them.")
@machine_option
@connected
def command(
    *,
    connection: Connection,
    operation: Operation,
    arguments: tuple[str, ...],
    params: tuple[str, ...],
    body: str | None,
    filters: tuple[str, ...],
    fields: tuple[str, ...],
    additional_fields: tuple[str, ...],
    sort: str | None,
    include: str | None,
    page_size: int | None,
    page_cursor: str | None,
    every: bool,
    limit: int | None,
    ndjson: bool,
    machine: bool,
) -> None:
    """Call an operation and print its response document.

    Everything is checked against the operation before it is sent, the call waits for its rate limits, and what is safe to
    repeat is retried. With --json the document is printed on one line; an operation without a response body prints null.
    """
    check_path(operation, arguments)
    several = every or ndjson or limit is not None
    if several and operation.pagination is None:
        raise click.UsageError(
            f"{operation.name} doesn't return a list of records: --all, --limit and --ndjson don't apply."
        )
    keywords = collect(
        operation,
        params=params,
        filters=filters,
        fields=fields,
        additional_fields=additional_fields,
        sort=sort,
        include=include.split(",") if include is not None else None,
        page_size=page_size,
        page_cursor=page_cursor,
    )
    if body is not None:
        keywords["body"] = read_json(read_text(body, "--body"), "--body")
    _require_body(operation, keywords)
    asyncio.run(
        _call(
            connection.client(public=operation.public),
            operation,
            arguments,
            keywords,
            several=several,
            every=every,
            limit=limit,
            ndjson=ndjson,
            machine=machine,
        )
    )


async def _call(
    klaviyo: Klaviyo,
    operation: Operation,
    arguments: tuple[str, ...],
    keywords: dict[str, Any],
    *,
    several: bool,
    every: bool,
    limit: int | None,
    ndjson: bool,
    machine: bool,
) -> None:
    async with klaviyo:
        call = endpoint(klaviyo, operation)
        with _usage(operation):
            pending = call(*arguments, **keywords)
            if several:
                await _print_records(pending, operation, every=every or limit is not None, limit=limit, ndjson=ndjson)
                return
            document = await pending
        if document is not None or machine:
            emit(None if document is None else document.to_dict(), machine=machine)


@contextlib.contextmanager
def _usage(operation: Operation) -> Iterator[None]:
    """Keywords that can't be combined are a TypeError in Python, and a usage error here."""
    try:
        yield
    except TypeError as failure:
        if str(failure).startswith(operation.name):
            raise click.UsageError(str(failure)) from failure
        raise


def check_path(operation: Operation, arguments: tuple[str, ...]) -> None:
    """Refuse too few or too many path arguments."""
    expected = operation.path_parameters
    if len(arguments) != len(expected):
        takes = f"the path arguments {', '.join(expected).upper()}" if expected else "no path arguments"
        raise click.UsageError(f"{operation.name} takes {takes}; {len(arguments)} were given.")


def endpoint(klaviyo: Klaviyo, operation: Operation) -> Callable[..., Any]:
    """The endpoint function of an operation, bound to the client."""
    function: Callable[..., Any] = getattr(getattr(klaviyo, operation.tag), operation.name)
    return function


async def _print_records(pages: Any, operation: Operation, *, every: bool, limit: int | None, ndjson: bool) -> None:
    """Records as they arrive, one per line: alone, or as the members of ``data`` of one document."""
    place = operation.pagination.records if operation.pagination is not None else ("data",)
    included: dict[tuple[str, str], Any] = {}
    written = 0
    if not ndjson:
        click.echo('{"data":[', nl=False)
    if limit == 0:
        pages.close()
    else:
        async with pages.pages() as iterator:
            async for page in iterator:
                document = page.to_dict()
                for record in _records(document, place):
                    if ndjson:
                        click.echo(compact(record))
                    else:
                        click.echo(f"{',' if written else ''}\n{compact(record)}", nl=False)
                    written += 1
                    if limit is not None and written >= limit:
                        break
                included |= {(one["type"], one["id"]): one for one in document.get("included") or ()}
                if not every or (limit is not None and written >= limit):
                    break
    if not ndjson:
        # Written last: a truncated document is invalid JSON, so nobody mistakes it for the whole.
        end = f',"included":{compact(list(included.values()))}' if included else ""
        click.echo(f"\n]{end}}}")


def _records(document: Any, place: Iterable[str]) -> list[Any]:
    for name in place:
        document = document.get(name) if isinstance(document, dict) else None
    return document if isinstance(document, list) else []


def _require_body(operation: Operation, keywords: dict[str, Any]) -> None:
    """Say what is missing if a body is required, in terms of this command rather than of Python."""
    names = body_keywords(operation)
    if operation.body is None:
        if "body" in keywords:
            raise click.UsageError(f"{operation.name} takes no body.")
    elif operation.body.required and "body" not in keywords and not any(name in keywords for name in names):
        also = f", or --param for its parts: {', '.join(names)}" if names else ""
        raise click.UsageError(f"{operation.name} needs a body: give --body{also}.")
