"""``klaviyo-async limits``: what is left of the account's rate limits, according to Klaviyo or to Redis."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import click

from klaviyo_async.cli.arguments import OperationName
from klaviyo_async.cli.call import endpoint
from klaviyo_async.cli.connection import Connection, connected, machine_option
from klaviyo_async.cli.output import emit, is_terminal, note, table
from klaviyo_async.errors import Forbidden, KlaviyoError, Unauthorized
from klaviyo_async.limiter._readings import read
from klaviyo_async.operation_table import operations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from klaviyo_async.client import Klaviyo
    from klaviyo_async.limiter.base import BucketSnapshot, Snapshot, WindowSnapshot
    from klaviyo_async.operation import Operation

_USUAL = (
    "get_accounts",
    "get_profiles",
    "get_events",
    "get_lists",
    "get_segments",
    "get_metrics",
    "get_flows",
    "get_templates",
    "get_catalog_items",
)
_FRAME = 0.5
"""Seconds between two updates of the bars."""

_EXAMPLES = """
\b
  klaviyo-async limits                           the usual operations, one request each
  klaviyo-async limits get_profiles get_events   these operations
  klaviyo-async limits --watch                   as live bars
  klaviyo-async limits --redis redis://…         use by all processes that share Redis; nothing is sent to Klaviyo
"""


def can_be_asked(operation: Operation) -> bool:
    """Whether the operation can be called as it is, only to see what is left: a GET without required arguments."""
    return (
        operation.method == "GET"
        and not operation.public
        and not operation.path_parameters
        and not operation.filter_requires
        and not any(parameter.required for parameter in operation.parameters)
    )


@click.command("limits", epilog=_EXAMPLES)
@click.argument("names", nargs=-1, metavar="[OPERATION…]", type=OperationName(can_be_asked))
@click.option("--all", "every", is_flag=True, help="Ask every operation that can be called without arguments.")
@click.option(
    "--watch", is_flag=True, help="Continue until Ctrl-C: live bars on a terminal, a line for each round elsewhere."
)
@click.option(
    "--every",
    "interval",
    type=click.FloatRange(min=1),
    default=15.0,
    show_default=True,
    help="With --watch: seconds between two rounds of requests to Klaviyo.",
)
@machine_option
@connected
def command(
    *,
    connection: Connection,
    names: tuple[Operation, ...],
    every: bool,
    watch: bool,
    interval: float,
    machine: bool,
) -> None:
    """Show what the account has left of its rate limits.

    A new process can't know what others have used. So each operation is called once with the smallest page, which counts
    as one request, and the response headers show what is left. They cover only one of the windows: ≤ marks an upper bound
    for the other one. With --redis, the limits that processes share there are shown instead: every bucket used recently, and
    nothing is sent to Klaviyo.
    """
    if connection.redis_url is not None and (names or every):
        raise click.UsageError("with --redis nothing is sent to Klaviyo: name no operations.")
    asked = names or tuple(one for one in operations.values() if (can_be_asked(one) if every else one.name in _USUAL))
    wrong = [one.name for one in asked if not can_be_asked(one)]
    if wrong:
        raise click.UsageError(
            f"{wrong[0]} can't be called only to see its limits: that takes a GET without required arguments. Each operation"
            f" has limits of its own: 'klaviyo-async operations {wrong[0]}' shows them."
        )
    view = _View(asked, from_redis=connection.redis_url is not None, machine=machine)
    asyncio.run(_run(connection.client(), view, watch=watch, interval=interval))


async def _run(klaviyo: Klaviyo, view: _View, *, watch: bool, interval: float) -> None:
    async with klaviyo:
        if not watch:
            await view.look(klaviyo)
            view.print()
        elif view.machine or not is_terminal():
            while True:
                await view.look(klaviyo)
                view.print()
                await asyncio.sleep(interval)
        else:
            await _live(view, klaviyo, interval)


async def _live(view: _View, klaviyo: Klaviyo, interval: float) -> None:
    from rich.live import Live

    from klaviyo_async.cli.output import console

    with Live(console=console(), auto_refresh=False, transient=False) as live:
        asked_at = float("-inf")
        while True:
            if view.from_redis or time.monotonic() - asked_at >= interval:
                await view.look(klaviyo)
                asked_at = time.monotonic()
            else:
                # Between two rounds tokens are returned: the client's own estimate advances.
                view.snapshot = klaviyo.limiter.snapshot()
            live.update(view.bars(), refresh=True)
            await asyncio.sleep(_FRAME)


class _View:
    """What was requested, and what is known."""

    def __init__(self, asked: Sequence[Operation], *, from_redis: bool, machine: bool) -> None:
        self.asked = asked
        self.machine = machine
        self.from_redis = from_redis
        self.snapshot: Snapshot | None = None
        self.failed: dict[str, str] = {}
        self._reported: dict[str, set[int]] = {}

    async def look(self, klaviyo: Klaviyo) -> None:
        """Ask once."""
        if self.from_redis:
            self.snapshot = await klaviyo.limiter.survey()
            return
        self.failed.clear()
        results = await asyncio.gather(*(self._ask(klaviyo, one) for one in self.asked), return_exceptions=True)
        for operation, result in zip(self.asked, results, strict=True):
            if isinstance(result, KlaviyoError):
                self.failed[operation.name] = _reason(operation, result)
            elif isinstance(result, BaseException):
                raise result
        failures = [one for one in results if isinstance(one, KlaviyoError)]
        if len(failures) == len(self.asked):
            # Nothing to show: fail like any other call.
            raise failures[0]
        self.snapshot = klaviyo.limiter.snapshot()

    async def _ask(self, klaviyo: Klaviyo, operation: Operation) -> None:
        size = operation.page_size
        sized = size is not None and any(parameter.kind == "page_size" for parameter in operation.parameters)
        smallest = {"page_size": size.minimum} if size is not None and sized else {}
        document = await endpoint(klaviyo, operation)(**smallest)
        found = read(document.http.headers) if document is not None else None
        self._reported[operation.name] = {one.seconds for one in found[1]} if found is not None else set()

    @property
    def buckets(self) -> list[BucketSnapshot]:
        """The requested buckets; from Redis all of them."""
        if self.snapshot is None:
            return []
        names = {one.name for one in self.asked} - self.failed.keys()
        return [one for one in self.snapshot.buckets if self.from_redis or one.name in names]

    def is_reported(self, bucket: BucketSnapshot, window: WindowSnapshot) -> bool:
        """Whether what is left is known exactly, and not only an upper bound."""
        return self.from_redis or window.rate.seconds in self._reported.get(bucket.name, ())

    def _left(self, bucket: BucketSnapshot, window: WindowSnapshot) -> str:
        return str(window.left) if self.is_reported(bucket, window) else f"≤ {window.left}"

    def _row(self, bucket: BucketSnapshot) -> list[str]:
        rates = [f"{self._left(bucket, window)} of {window.rate} left" for window in bucket.windows]
        return [bucket.name, *rates, *_remarks(bucket)]

    def print(self) -> None:
        """Once, as JSON, a table or plain lines."""
        if self.machine:
            emit(self._plain(), machine=True)
            return
        if not self.buckets:
            note("Nothing was used recently: the limits are fully available.")
        elif is_terminal():
            from klaviyo_async.cli.output import console

            console().print(self.bars())
            return
        else:
            table((), [self._row(one) for one in self.buckets])
        for name, reason in self.failed.items():
            note(f"{name}: {reason}")

    def bars(self) -> RenderableType:
        """A bar for each rate of each bucket."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        made = Table(box=None, pad_edge=False, header_style="bold")
        made.add_column("operation", no_wrap=True)
        made.add_column("rate", justify="right")
        made.add_column("left", justify="right")
        made.add_column("", width=24)
        made.add_column("")
        for bucket in self.buckets:
            for number, window in enumerate(bucket.windows):
                share = window.left / max(1, window.rate.count)
                style = "green" if share > 0.5 else "yellow" if share > 0.1 else "red"
                bar = ProgressBar(
                    total=window.rate.count, completed=window.left, width=24, complete_style=style, finished_style=style
                )
                made.add_row(
                    "" if number else bucket.name,
                    str(window.rate),
                    self._left(bucket, window),
                    bar,
                    "" if number else "; ".join(_remarks(bucket)),
                )
        foot = [f"{name}: {reason}" for name, reason in self.failed.items()]
        if self.snapshot is not None and self.snapshot.limiters is not None:
            foot.append(f"{self.snapshot.limiters} processes share these limits through Redis.")
        if not self.buckets:
            foot.append("Nothing was used recently: the limits are fully available.")
        return Group(made, *(Text(line, style="dim") for line in foot))

    def _plain(self) -> dict[str, Any]:
        made: dict[str, Any] = {
            "source": "redis" if self.from_redis else "api",
            "buckets": [
                {
                    "name": bucket.name,
                    "left": bucket.left,
                    "windows": [
                        {
                            "rate": window.rate,
                            "count": window.rate.count,
                            "seconds": window.rate.seconds,
                            "left": window.left,
                            "spent": window.spent,
                            "foreign": window.foreign,
                            "next_in": window.next_in,
                            "reported": self.is_reported(bucket, window),
                        }
                        for window in bucket.windows
                    ],
                    "waiting": dict(bucket.waiting),
                    "frozen_for": bucket.frozen_for,
                }
                for bucket in self.buckets
            ],
            "failed": dict(self.failed),
        }
        if self.snapshot is not None and self.snapshot.limiters is not None:
            made["processes"] = self.snapshot.limiters
        return made


def _remarks(bucket: BucketSnapshot) -> list[str]:
    found: list[str] = []
    if bucket.frozen_for > 0:
        found.append(f"paused by a 429 for {bucket.frozen_for:.0f} s")
    foreign = max(window.foreign for window in bucket.windows)
    if foreign:
        found.append(f"{foreign} used by others")
    waiting = sum(bucket.waiting.values())
    if waiting:
        found.append(f"{waiting} wait")
    return found


def _reason(operation: Operation, failure: KlaviyoError) -> str:
    if isinstance(failure, Forbidden):
        return f"the key lacks the scope {', '.join(operation.scopes) or 'for it'}"
    if isinstance(failure, Unauthorized):
        return "the key was rejected"
    return str(failure)
