"""The one timer for the total times of all requests of a loop."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from klaviyo_async._http.deadlines import Deadlines
from tests.limiter.virtual import VirtualLoop, run


def test_each_ends_in_its_own_time() -> None:
    async def body(loop: VirtualLoop) -> None:
        deadlines = Deadlines(loop)
        begin = loop.time()
        ended: dict[float, float] = {}

        async def one(seconds: float) -> None:
            with pytest.raises(TimeoutError), deadlines.within(seconds):
                await asyncio.sleep(1000)
            ended[seconds] = loop.time() - begin

        totals = (30.0, 5.0, 60.0, 5.5, 0.001)
        await asyncio.gather(*map(one, totals))
        assert ended == pytest.approx({seconds: seconds for seconds in totals})

    run(body)


def test_those_in_time_leave_the_others_alone() -> None:
    async def body(loop: VirtualLoop) -> None:
        deadlines = Deadlines(loop)

        async def quick(number: int) -> None:
            await asyncio.sleep(number / 10)
            with deadlines.within(3):
                await asyncio.sleep(2.9)

        async def slow() -> float:
            await asyncio.sleep(5)
            begin = loop.time()
            with pytest.raises(TimeoutError), deadlines.within(3):
                await asyncio.sleep(1000)
            return loop.time() - begin

        *_, seconds = await asyncio.gather(*map(quick, range(200)), slow())
        assert seconds == pytest.approx(3)

    run(body)


@pytest.mark.parametrize("seconds", [None, 0])
def test_without_a_limit_it_takes_as_long_as_it_takes(seconds: float | None) -> None:
    async def body(loop: VirtualLoop) -> None:
        with Deadlines(loop).within(seconds):
            await asyncio.sleep(1_000_000)

    run(body)


def test_a_cancellation_of_the_callers_own_stays_one() -> None:
    async def body(loop: VirtualLoop) -> None:
        deadlines = Deadlines(loop)

        async def one() -> None:
            with deadlines.within(5):
                await asyncio.sleep(1000)

        before, at_once = asyncio.create_task(one()), asyncio.create_task(one())
        loop.call_later(1, before.cancel)
        loop.call_at(loop.time() + 5, at_once.cancel)  # in the same moment as the deadline
        for task in (before, at_once):
            with pytest.raises(asyncio.CancelledError):
                await task
            assert task.cancelled()

    run(body)


def test_many_requests_keep_few_timers() -> None:
    async def body(loop: VirtualLoop) -> None:
        deadlines = Deadlines(loop)
        made: list[float] = []
        call_at = loop.call_at
        loop.call_at = lambda when, *args, **kwargs: made.append(when) or call_at(when, *args, **kwargs)  # type: ignore[method-assign,func-returns-value]
        for _ in range(1000):
            with deadlines.within(30):
                await asyncio.sleep(0)
        assert len(made) == 1
        with deadlines.within(10):
            pass
        assert len(made) == 2
        assert all(later < earlier for earlier, later in pairwise(made))

    run(body)
