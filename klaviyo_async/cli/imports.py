"""``klaviyo-async import``: send the rows of a file with a bulk operation."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import asdict
from click.shell_completion import CompletionItem

from klaviyo_async._did_you_mean import nearest
from klaviyo_async.bulk.progress import counted
from klaviyo_async.cli.arguments import read_json
from klaviyo_async.cli.connection import Connection, connected, machine_option
from klaviyo_async.cli.failures import ROWS, Interrupted, redacted
from klaviyo_async.cli.keywords import parted, put
from klaviyo_async.cli.output import emit, note
from klaviyo_async.operation_table import operations

if TYPE_CHECKING:
    from klaviyo_async.bulk import Report
    from klaviyo_async.client import Klaviyo
    from klaviyo_async.operation import Operation

_KINDS = {
    "profiles": "bulk_import_profiles",
    "events": "bulk_create_events",
    "subscriptions": "bulk_subscribe_profiles",
    "unsubscriptions": "bulk_unsubscribe_profiles",
    "suppressions": "bulk_suppress_profiles",
    "coupon-codes": "bulk_create_coupon_codes",
    "catalog-items": "bulk_create_catalog_items",
    "catalog-variants": "bulk_create_catalog_variants",
    "catalog-categories": "bulk_create_catalog_categories",
    "records": "bulk_create_data_source_records",
}
"""Short names; every bulk operation can also be named in full, with and without ``bulk_``."""
_SHOWN = 20

_EXAMPLES = """
\b
  klaviyo-async import people.csv --as profiles --map "E-mail=email" --map "City=location.city" --map "Notes="
  klaviyo-async import people.csv --as profiles --list Y6nRLr --checkpoint people.sqlite --failed failed.ndjson
  klaviyo-async import orders.ndjson --as events --dry-run
  klaviyo-async import left.csv --as unsubscriptions --list Y6nRLr
"""


class _Kind(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    name = "kind"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Operation:
        """The bulk operation."""
        from klaviyo_async.operation import Operation

        if isinstance(value, Operation):
            return value
        text = value.replace("_", "-")
        name = _KINDS.get(text) or next((one for one in (value, f"bulk_{value}") if one in operations), None)
        if name is None or operations[name].bulk is None:
            self.fail(f"rows can't be imported as {value!r}{nearest(value, _names())}", param, ctx)
        return operations[name]

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """Kinds that start with this text."""
        return [CompletionItem(name) for name in _names() if name.startswith(incomplete)]


def _names() -> list[str]:
    bulk = [one.name.removeprefix("bulk_") for one in operations.values() if one.bulk is not None]
    return [*_KINDS, *bulk]


@click.command("import", epilog=_EXAMPLES)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--as",
    "operation",
    type=_Kind(),
    required=True,
    metavar="KIND",
    help=f"What the rows are: {', '.join(_KINDS)}, or the name of a bulk operation.",
)
@click.option(
    "--map",
    "maps",
    multiple=True,
    metavar="COLUMN=NAME",
    help="Rename a column; dotted for nested values (location.city); nothing after = leaves it out. Repeatable.",
)
@click.option(
    "--list", "lists", multiple=True, metavar="ID", help="List to add to, or to remove from. Repeatable for profiles."
)
@click.option(
    "--param", "-p", "params", multiple=True, metavar="NAME=VALUE", help="Another keyword of the operation. Repeatable."
)
@click.option("--confirm-global", is_flag=True, help="Unsubscribe from everything, if no list is given.")
@click.option("--checkpoint", type=click.Path(dir_okay=False), help="SQLite file from which the same command resumes.")
@click.option("--failed", type=click.Path(dir_okay=False), help="NDJSON file for the rows that did not get through.")
@click.option("--dry-run", is_flag=True, help="Check every row, and estimate how long it would take; nothing is sent.")
@machine_option
@connected
def command(
    *,
    connection: Connection,
    file: Path,
    operation: Operation,
    maps: tuple[str, ...],
    lists: tuple[str, ...],
    params: tuple[str, ...],
    confirm_global: bool,
    checkpoint: str | None,
    failed: str | None,
    dry_run: bool,
    machine: bool,
) -> None:
    """Import the rows of a file: .ndjson, .csv or .parquet; the first two also with .gz or .zst.

    Columns are named like the operation's attributes, with dots for nested values (location.city, properties.tier). Empty cells
    are left out. Rows are numbered from 0. Each row is checked before any of it is sent, jobs are followed until they finish, and
    every row that did not get through is reported with the reason; the exit code is then 6. With --checkpoint the same command
    resumes where an earlier run stopped, even after Ctrl-C.
    """
    from klaviyo_async.bulk import RowsFile

    client = connection.offline() if dry_run else connection.client(public=operation.public)
    method = getattr(client.bulk, operation.name.removeprefix("bulk_"))
    keywords: dict[str, Any] = {}
    for name, value, raw in map(parted, params):
        put(keywords, name, read_json(value, f"--param {name}") if raw else value)
    keywords |= _lists(operation, method, lists)
    if confirm_global:
        keywords["confirm_global"] = True
    unknown = next((name for name in keywords if name not in inspect.signature(method).parameters), None)
    if unknown is not None:
        takes = [name for name in inspect.signature(method).parameters if name not in _OWN]
        raise click.UsageError(f"{operation.name} has no {unknown!r}{nearest(unknown, takes)}")
    rows = RowsFile(file, dict(_mapping(text) for text in maps)) if maps else file
    try:
        report = asyncio.run(
            _import(
                client,
                method,
                rows,
                checkpoint=checkpoint,
                failed_to=failed,
                dry_run=dry_run,
                progress=not machine,
                **keywords,
            )
        )
    except KeyboardInterrupt:
        raise Interrupted(checkpoint) from None
    _tell(report, failed, machine=machine)
    if report.failed or not (report.ok or dry_run):
        click.get_current_context().exit(ROWS)


_OWN = {"rows", "checkpoint", "progress", "failed_to", "dry_run", "options"}


async def _import(client: Klaviyo, method: Any, rows: Any, **keywords: Any) -> Report:
    async with client:
        report: Report = await method(rows, **keywords)
        return report


def _mapping(text: str) -> tuple[str, str]:
    # The last one: column names may contain =, attribute names don't.
    column, equals, name = text.rpartition("=")
    if not equals or not column:
        raise click.BadParameter(f"{text!r} is not COLUMN=NAME.", param_hint="--map")
    return column, name


def _lists(operation: Operation, method: Any, lists: tuple[str, ...]) -> dict[str, Any]:
    if not lists:
        return {}
    takes = inspect.signature(method).parameters
    if "lists" in takes:
        return {"lists": list(lists)}
    if "list" not in takes:
        raise click.UsageError(f"{operation.name} has no --list.")
    only, *more = lists
    if more:
        raise click.UsageError(f"{operation.name} takes one --list.")
    return {"list": only}


def _tell(report: Report, failed: str | None, *, machine: bool) -> None:
    if machine:
        plain = asdict(report, recurse=False)
        plain["errors"] = [{**asdict(one), "detail": redacted(one.detail or "")} for one in report.errors]
        plain["unknown"] = [asdict(one) for one in report.unknown]
        emit({**plain, "ok": not report.failed if report.dry_run else report.ok}, machine=True)
        return
    for number, one in enumerate(report.errors):
        if number == _SHOWN:
            note(
                f"… and {len(report.errors) - _SHOWN:,} more{'' if failed else ': --failed FILE keeps them, --json shows all'}."
            )
            break
        name = f" ({one.id})" if one.id else ""
        where = f" at {one.pointer}" if one.pointer else ""
        note(redacted(f"row {one.row}{name}: {one.code or one.state}{where}: {one.detail or 'no reason was given'}"))
    if not report.dry_run:
        click.echo(redacted(str(report)))
        return
    requests = f"{report.requests:,} request{'' if report.requests == 1 else 's'}"
    click.echo(
        f"{report.operation}: {counted(report.submitted, 'rows')} checked, {report.failed:,} can't be sent. Nothing was sent."
    )
    if report.requests:
        click.echo(f"It would take {requests}, and {_span(report.seconds)} under the limits.")


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"about {max(1, round(seconds))} s"
    return f"about {round(seconds / 60)} min" if seconds < 7200 else f"about {seconds / 3600:.1f} h"
