"""Exports: time and requests for 100,000 events unevenly spread over a year, at 150 ms latency under the real limits.

python -m benchmarks.bulk_exports [--events N] [--minute]

A server in a process of its own counts in fixed windows as Klaviyo does (350/s and 3500/m for get_events) and takes 150 ms for each
response. Beside our export: the same client reading page after page, timed on its first pages and multiplied; and all pages at once by
cursors that nobody can know in advance, which is the best that the limits permit. `--minute` adds a limit that binds for a minute
(75/s and 750/m, pages of 100, as for profiles).
"""

from __future__ import annotations

import argparse
import asyncio
import math
import multiprocessing
import random
import time
from bisect import bisect_left
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from klaviyo_async import Klaviyo, LocalLimiter
from klaviyo_async.filter import Filter
from klaviyo_async.operation import Rate
from klaviyo_async.operation_table import operations

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

LATENCY = 0.15
BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
DAY = 86_400


def uneven(count: int) -> list[int]:
    """Seconds into the year: half of the events rise towards its end, 30 % lie in four days of a sale, 20 % in four hours."""
    chance = random.Random(1)
    found = []
    for _ in range(count):
        kind = chance.random()
        if kind < 0.5:
            found.append(int(chance.betavariate(6, 2) * 365 * DAY))
        elif kind < 0.8:
            found.append(328 * DAY + chance.randrange(4 * DAY))
        else:
            found.append(chance.choice((40, 111, 222, 300)) * DAY + chance.randrange(3600))
    return sorted(found)


def serve(count: int, rates: tuple[str, str], told: Connection) -> None:
    """The stand-in, until it is killed."""
    times = uneven(count)
    events = [
        orjson.dumps(
            {
                "type": "event",
                "id": f"{number:08}",
                "attributes": {
                    "datetime": (BEGIN + timedelta(seconds=at)).isoformat(),
                    "timestamp": int(BEGIN.timestamp()) + at,
                    "event_properties": {"OrderId": f"{number}", "Items": ["Lamp", "Chair"], "$value": 19.5},
                    "uuid": f"{number:032x}",
                },
                "relationships": {"profile": {"data": {"type": "profile", "id": f"{number % 997:026}"}}},
            }
        )
        for number, at in enumerate(times)
    ]
    limits = [Rate(rate) for rate in rates]
    phases = [random.Random(2).random() * limit.seconds for limit in limits]
    used: dict[tuple[int, int], int] = {}
    seen = {"requests": 0, "refused": 0}

    def refused() -> float | None:
        now = time.monotonic()
        keys = [(index, math.floor((now - phases[index]) / limit.seconds)) for index, limit in enumerate(limits)]
        full = [index for index, key in enumerate(keys) if used.get(key, 0) >= limits[index].count]
        if full:
            return max((keys[index][1] + 1) * limits[index].seconds + phases[index] - now for index in full)
        for key in keys:
            used[key] = used.get(key, 0) + 1
        return None

    async def page(request: web.Request) -> web.Response:
        await asyncio.sleep(LATENCY / 2)
        seen["requests"] += 1
        wait = refused()
        if wait is not None:
            seen["refused"] += 1
            await asyncio.sleep(LATENCY / 2)
            return web.Response(status=429, headers={"Retry-After": str(math.ceil(wait))})
        query = request.query
        size = int(query["page[size]"])
        start, end = 0, len(times)
        for condition in Filter.parse(query["filter"]).conditions if "filter" in query else ():
            at = (condition.value - BEGIN).total_seconds()  # type: ignore[operator]
            if condition.operator == "greater-or-equal":
                start = bisect_left(times, at)
            else:
                end = bisect_left(times, at)
        start = max(start, int(query.get("page[cursor]", "0")))
        last = min(end, start + size)
        following = None if last >= end else str(request.url.update_query({"page[cursor]": str(last)}))
        body = (
            b'{"data":['
            + b",".join(events[start:last])
            + b'],"links":'
            + orjson.dumps({"self": "x", "next": following})
            + b"}"
        )
        await asyncio.sleep(LATENCY / 2)
        return web.Response(body=body, content_type="application/vnd.api+json")

    async def report(_: web.Request) -> web.Response:
        found = dict(seen)
        seen.update(requests=0, refused=0)
        used.clear()
        return web.json_response(found)

    async def main() -> None:
        app = web.Application()
        app.add_routes([web.get("/api/events", page), web.get("/api/seen", report)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        told.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(main())


@contextmanager
def server(count: int, rates: tuple[str, str]) -> Iterator[str]:
    """The stand-in's URL."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(count, rates, theirs), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.kill()
        process.join()


def client(url: str, rates: tuple[str, str]) -> Klaviyo:
    """A client with a limiter of its own, so that no run knows of another."""
    overrides = {"get_events": {"burst": rates[0], "steady": rates[1]}}
    return Klaviyo("pk_bench", base_url=url, limiter=LocalLimiter(overrides, clock=time.monotonic))


async def compare(url: str, count: int, size: int, rates: tuple[str, str]) -> None:
    """One row of the table."""
    pages = math.ceil(count / size)

    async def timed(run: Any) -> tuple[float, dict[str, int]]:
        async with client(url, rates) as klaviyo:
            await klaviyo.request("GET", "/api/seen")
            began = time.perf_counter()
            await run(klaviyo)
            took = time.perf_counter() - began
            return took, await klaviyo.request("GET", "/api/seen")

    async def one_by_one(klaviyo: Klaviyo) -> None:
        found = 0
        async for _ in klaviyo.events.get_events(page_size=size, sort="datetime").pages():
            found += 1
            if found == 20:
                break

    async def export(klaviyo: Klaviyo) -> None:
        ids = [event.id async for event in klaviyo.bulk.export(klaviyo.events.get_events, page_size=size)]
        assert len(ids) == len(set(ids)) == count, (len(ids), len(set(ids)))

    async def at_once(klaviyo: Klaviyo) -> None:
        calls = (
            klaviyo.events.get_events(page_size=size, page_cursor=str(number * size) if number else None)
            for number in range(pages)
        )
        await asyncio.gather(*calls)

    slow, _ = await timed(one_by_one)
    slow *= pages / 20
    best, best_seen = await timed(at_once)
    await asyncio.sleep(61 if pages > Rate(rates[1]).count / 2 else 1.1)  # a window of the server of its own
    ours, seen = await timed(export)
    print(
        f"| {size} | {', '.join(rates)} | {slow:.1f} s | {best:.2f} s | {ours:.2f} s | {slow / ours:.1f} × | {ours / best:.2f} × "
        f"| {seen['requests'] - 1} for {pages} pages | {seen['refused']} (at once: {best_seen['refused']}) | {count / ours:,.0f} |",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--minute", action="store_true")
    given = parser.parse_args()
    limits = operations["get_events"].limits
    rows = [(1000, (str(limits.burst), str(limits.steady))), (200, (str(limits.burst), str(limits.steady)))]
    if given.minute:
        rows.append((100, ("75/s", "750/m")))
    print(f"{given.events:,} events, {LATENCY * 1000:.0f} ms\n")
    print("| page size | limits | one by one | all at once | export | faster | of the best | requests | 429 | rows/s |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for size, rates in rows:
        with server(given.events, rates) as url:
            asyncio.run(compare(url, given.events, size, rates))


if __name__ == "__main__":
    main()
