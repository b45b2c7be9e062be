"""The figures that exports are held to, in virtual time: 100,000 events unevenly spread over a year, 150 ms latency."""

from __future__ import annotations

import asyncio
import math
import random
from typing import Any

import pytest

from klaviyo_async.bulk._export.export import Export, Setup
from klaviyo_async.limiter import LocalLimiter
from klaviyo_async.operation import Rate
from tests.bulk.lists import Lists
from tests.bulk.test_splitting import source
from tests.limiter.virtual import FixedWindowServer, VirtualLoop, run

DAY = 86_400
EVENTS = 100_000
LATENCY = 0.15


def uneven(chance: random.Random) -> list[float]:
    """Half of them rise towards the end of the year, 30 % lie in four days of a sale, 20 % in four hours."""
    found = []
    for _ in range(EVENTS):
        kind = chance.random()
        if kind < 0.5:
            at = chance.betavariate(6, 2) * 365 * DAY
        elif kind < 0.8:
            at = (328 + 4 * chance.random()) * DAY
        else:
            at = chance.choice((40, 111, 222, 300)) * DAY + chance.random() * 3600
        found.append(float(int(at)))
    return found


class Server(FixedWindowServer):
    """Fixed windows of one operation with other limits than the documented ones."""

    rates = ("350/s", "3500/m")

    def count(self, buckets: dict[str, tuple[Rate, ...]]) -> tuple[int, dict[str, str]]:
        return super().count(dict.fromkeys(buckets, tuple(map(Rate, self.rates))))


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    ("page", "rates", "faster", "share"),
    [
        # A page takes 150 ms, and there are so few that the limit hardly counts: what counts is how many are read at once.
        (1000, ("350/s", "3500/m"), 5.0, None),
        # The limit of the minute binds.
        (100, ("75/s", "750/m"), 2.0, 1.1),
    ],
)
def test_what_the_limits_permit_is_used(seed: int, page: int, rates: Any, faster: float, share: float | None) -> None:
    chance = random.Random(seed)
    times = uneven(chance)
    phases = (chance.random(), chance.random() * 60)
    pages = math.ceil(EVENTS / page)

    def limited(loop: VirtualLoop) -> tuple[LocalLimiter, Server]:
        overrides = {"get_events": {"burst": rates[0], "steady": rates[1]}}
        server = Server(loop.time, phases, style="burst")
        server.rates = rates
        return LocalLimiter(overrides, clock=loop.time), server

    async def export(loop: VirtualLoop) -> float:
        limiter, server = limited(loop)
        lists = Lists(times, limiter=limiter, server=server, latency=lambda: LATENCY)
        began = loop.time()
        ids = [record.id async for record in Export(Setup(source(lists, page_size=page)))]
        assert len(ids) == len(set(ids)) == EVENTS
        assert server.refused == []
        return loop.time() - began

    async def at_once(loop: VirtualLoop) -> float:
        """What the limits permit: as many requests, all of them known before."""
        limiter, server = limited(loop)
        operation = source(Lists([])).operation

        async def one() -> None:
            permit = await limiter.acquire("a", operation, priority="bulk")
            await asyncio.sleep(LATENCY / 2)
            status, headers = server.count({operation.name: ()})
            await asyncio.sleep(LATENCY / 2)
            permit.answered(status, headers)

        began = loop.time()
        await asyncio.gather(*(one() for _ in range(pages)))
        return loop.time() - began

    took, best = run(export), run(at_once)
    assert pages * LATENCY / took >= faster
    assert share is None or took <= share * best
