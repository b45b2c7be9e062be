"""``klaviyo-async export``: write a whole collection to a file."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from klaviyo_async.cli.arguments import (
    OfOperation,
    OperationName,
    additional_values,
    fieldset_values,
    filter_values,
    parameter_values,
)
from klaviyo_async.cli.call import check_path, endpoint
from klaviyo_async.cli.connection import Connection, connected, machine_option
from klaviyo_async.cli.failures import Interrupted
from klaviyo_async.cli.keywords import collect
from klaviyo_async.cli.output import emit

if TYPE_CHECKING:
    from klaviyo_async.client import Klaviyo
    from klaviyo_async.operation import Operation

_AGO = re.compile(r"(\d{1,5})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

_EXAMPLES = """
\b
  klaviyo-async export get_events --out events.parquet --since 2026-01-01 --checkpoint events.sqlite
  klaviyo-async export get_profiles --out profiles.csv.gz --fields email,created
  klaviyo-async export get_profiles_for_list Y6nRLr --out members.ndjson
  klaviyo-async export get_events --out events.ndjson --watermark events.mark    # what is new since the last run
"""


class _Time(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """An aware time."""
        if isinstance(value, datetime):
            return value
        ago = _AGO.fullmatch(value)
        if ago is not None:
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            self.fail(
                f"{value!r} is not a time: write 2026-01-01, 2026-01-01T12:00:00+01:00, or 30d for 30 days ago.",
                param,
                ctx,
            )
        return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


@click.command("export", epilog=_EXAMPLES)
@click.argument("operation", type=OperationName(lambda one: one.pagination is not None))
@click.argument("arguments", nargs=-1, metavar="[PATH ARGUMENTS…]")
@click.option(
    "--out",
    type=click.Path(dir_okay=False),
    required=True,
    help="File: .ndjson, .csv (both also .gz, .zst) or .parquet.",
)
@click.option(
    "--since",
    type=_Time(),
    help="Start of the range (inclusive): a date or time (UTC unless it has an offset), or an age such as 30d or 12h.",
)
@click.option("--until", type=_Time(), help="End of the range (exclusive).")
@click.option("--split-on", metavar="FIELD", help="The time field; by default when a record was created.")
@click.option("--checkpoint", type=click.Path(dir_okay=False), help="SQLite file from which the same command resumes.")
@click.option(
    "--watermark",
    type=click.Path(dir_okay=False),
    help="File that remembers how far the last run got: only what is new is exported.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    help="Parts read concurrently; by default enough to use the full limit.",
)
@click.option(
    "--filter",
    "-f",
    "filters",
    multiple=True,
    metavar="CONDITION",
    type=OfOperation(filter_values),
    help="Conditions in addition to the time. Repeatable.",
)
@click.option(
    "--fields",
    multiple=True,
    metavar="TYPE=FIELD,…",
    type=OfOperation(fieldset_values),
    help="Only these fields. Repeatable.",
)
@click.option(
    "--additional-fields",
    multiple=True,
    metavar="TYPE=FIELD,…",
    type=OfOperation(additional_values),
    help="Fields that are only returned on request. Repeatable.",
)
@click.option(
    "--param",
    "-p",
    "params",
    multiple=True,
    metavar="NAME=VALUE",
    type=OfOperation(parameter_values),
    help="Another parameter. Repeatable.",
)
@click.option("--page-size", type=int, help="Records per request; by default as many as the operation allows.")
@machine_option
@connected
def command(
    *,
    connection: Connection,
    operation: Operation,
    arguments: tuple[str, ...],
    out: str,
    since: datetime | None,
    until: datetime | None,
    split_on: str | None,
    checkpoint: str | None,
    watermark: str | None,
    concurrency: int | None,
    filters: tuple[str, ...],
    fields: tuple[str, ...],
    additional_fields: tuple[str, ...],
    params: tuple[str, ...],
    page_size: int | None,
    machine: bool,
) -> None:
    """Export a whole collection to a file, in parallel and as fast as the limits allow, each record once.

    The file gets its name once it is complete. With --checkpoint the same command resumes where an earlier run stopped, even
    after Ctrl-C; with --watermark each run exports what is new since the last one.
    """
    if operation.pagination is None:
        raise click.UsageError(
            f"{operation.name} doesn't return a list of records; 'klaviyo-async call {operation.name}' calls it."
        )
    check_path(operation, arguments)
    keywords = collect(
        operation,
        params=params,
        filters=filters,
        fields=fields,
        additional_fields=additional_fields,
        page_size=page_size,
    )
    try:
        report = asyncio.run(
            _export(
                connection.client(public=operation.public),
                operation,
                arguments,
                out,
                since=since,
                until=until,
                split_on=split_on,
                checkpoint=checkpoint,
                watermark=watermark,
                concurrency=concurrency,
                progress=not machine,
                **keywords,
            )
        )
    except KeyboardInterrupt:
        raise Interrupted(checkpoint) from None
    if machine:
        emit(report.to_dict(), machine=True)
    else:
        click.echo(str(report))


async def _export(klaviyo: Klaviyo, operation: Operation, arguments: tuple[str, ...], out: str, **keywords: Any) -> Any:
    async with klaviyo:
        return await klaviyo.bulk.export_to(out, endpoint(klaviyo, operation), *arguments, **keywords)
