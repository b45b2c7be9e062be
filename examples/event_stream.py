"""Send a stream of events from a queue, as fast as the account's limits allow, without losing any when the program stops.

    pip install klaviyo-async
    tail -F orders.ndjson | KLAVIYO_API_KEY=pk_… python examples/event_stream.py

The queue is bounded: while the limits are spent, the source waits. Events go out in batches of `bulk_create_events`, of up to
as many as wait and as Klaviyo takes at once. Each carries a `unique_id`, so that a batch of unknown fate can be sent again.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any, Protocol

from klaviyo_async import APIError, Klaviyo, operations

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST = operations["bulk_create_events"].caps.rows or 1000
PATIENCE = 1.0
"""Seconds that an event waits to be sent together with others."""


class Source(Protocol):
    """A source of events: an `asyncio.Queue`, or a broker's client with such a method."""

    async def get(self) -> Mapping[str, Any] | None:
        """The next event; None at the end."""


async def send(klaviyo: Klaviyo, source: Source) -> tuple[int, int]:
    """Send everything from `source`, and return how many events were accepted and how many refused."""
    accepted = refused = 0
    ended = False
    while not ended:
        batch: list[Mapping[str, Any]] = []
        try:
            async with asyncio.timeout(None) as patience:
                while len(batch) < MOST:
                    event = await source.get()
                    if event is None:
                        ended = True
                        break
                    batch.append(event)
                    if len(batch) == 1:
                        patience.reschedule(asyncio.get_running_loop().time() + PATIENCE)
        except TimeoutError:
            pass
        if batch:
            try:
                await klaviyo.events.bulk_create_events(events_bulk_create=[*by_profile(batch)])
                accepted += len(batch)
            except APIError as error:
                refused += len(batch)
                print(f"{len(batch)} events refused: {error}", file=sys.stderr)
    return accepted, refused


def by_profile(events: Iterable[Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    """The events as rows for `bulk_create_events`, grouped by person."""
    grouped: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        grouped.setdefault(event["email"], []).append(
            {
                "metric": {"name": event["metric"]},
                "properties": event.get("properties", {}),
                "unique_id": event["id"],
            }
        )
    for email, found in grouped.items():
        yield {"profile": {"email": email}, "events": found}


async def main() -> None:
    """Send events from standard input, one JSON object per line: id, email, metric, properties."""
    queue: asyncio.Queue[Mapping[str, Any] | None] = asyncio.Queue(maxsize=10 * MOST)

    async def read() -> None:
        while line := await asyncio.to_thread(sys.stdin.readline):
            await queue.put(json.loads(line))
        await queue.put(None)

    async with Klaviyo() as klaviyo, asyncio.TaskGroup() as group:
        group.create_task(read())
        accepted, refused = await send(klaviyo.with_options(priority="bulk"), queue)
    print(f"{accepted} accepted, {refused} refused")


if __name__ == "__main__":
    asyncio.run(main())
