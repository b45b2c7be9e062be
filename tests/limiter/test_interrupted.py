"""Event loops that are left by an exception, closed with calls pending, or never run again: nobody else is held up by them."""

from __future__ import annotations

import asyncio
import gc
import threading
import time

import pytest

from klaviyo_async.errors import RateLimitWait
from klaviyo_async.limiter import LocalLimiter, _scheduler
from tests.limiter.virtual import bucket_of, operation, run

ONE = operation("get_one", "1/s", "15/m")


@pytest.fixture(autouse=True)
def _quickly_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_scheduler, "LOST", 0.1)


@pytest.fixture
def limiter() -> LocalLimiter:
    return LocalLimiter(clock=time.monotonic)


@pytest.fixture
def loop():
    loop = asyncio.new_event_loop()
    yield loop
    if not loop.is_closed():
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


async def call(limiter: LocalLimiter, lasting: float = 0.0) -> float:
    permit = await limiter.acquire("a", ONE)
    await asyncio.sleep(lasting)
    permit.answered(200, {})
    return permit.waited


def interrupt(loop: asyncio.AbstractEventLoop, *calls) -> list[asyncio.Task[float]]:
    """Leave the loop while these calls are under way in it."""

    async def main() -> None:
        tasks.extend(asyncio.ensure_future(one) for one in calls)
        for _ in range(3):
            await asyncio.sleep(0)
        raise KeyboardInterrupt

    tasks: list[asyncio.Task[float]] = []
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(main())
    return tasks


def elsewhere(limiter: LocalLimiter, calls: int = 1) -> list[float]:
    async def main() -> list[float]:
        async with asyncio.timeout(10):
            return await asyncio.gather(*(call(limiter) for _ in range(calls)))

    return asyncio.run(main())


def test_a_request_in_flight_in_a_loop_that_was_left_is_given_up(limiter, loop) -> None:
    tasks = interrupt(loop, call(limiter, 60))
    (waited,) = elsewhere(limiter)
    assert 0.9 < waited < 3
    assert bucket_of(limiter.snapshot(), "get_one").in_flight == 0
    assert not tasks[0].done()


def test_a_request_in_flight_in_a_closed_loop_is_given_up(limiter, loop) -> None:
    tasks = interrupt(loop, call(limiter, 60))
    loop.close()
    assert 0.9 < elsewhere(limiter)[0] < 3
    del tasks


def test_who_waits_in_a_loop_that_was_left_holds_up_nobody_and_goes_on_when_it_runs_again(limiter, loop) -> None:
    interrupted = interrupt(loop, call(limiter), call(limiter), call(limiter))
    assert limiter.snapshot().waiting["interactive"] == 2
    waits = elsewhere(limiter, 2)
    assert max(waits) < 3
    assert bucket_of(limiter.snapshot(), "get_one").in_flight == 0
    assert [task.done() for task in interrupted] == [True, False, False]
    assert len(loop.run_until_complete(asyncio.wait_for(asyncio.gather(*interrupted), 10))) == 3
    assert limiter.snapshot().waiting["interactive"] == 0


def test_who_waited_in_a_closed_loop_is_forgotten(limiter, loop) -> None:
    tasks = interrupt(loop, call(limiter), call(limiter), call(limiter))
    loop.close()
    assert max(elsewhere(limiter, 2)) < 3
    assert limiter.snapshot().waiting["interactive"] == 0
    del tasks


def test_a_loop_that_was_dropped_with_its_calls_leaves_nothing(limiter) -> None:
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # "Task was destroyed but it is pending"
    interrupt(loop, call(limiter, 60), call(limiter))
    loop.close()
    del loop
    gc.collect()
    assert bucket_of(limiter.snapshot(), "get_one").in_flight == 0
    assert max(elsewhere(limiter)) < 3
    assert limiter.snapshot().waiting["interactive"] == 0


def test_a_thread_that_died_in_the_middle_of_its_calls_holds_up_nobody(limiter) -> None:
    loop = asyncio.new_event_loop()

    def die() -> None:
        interrupt(loop, call(limiter, 60), call(limiter))

    thread = threading.Thread(target=die)
    thread.start()
    thread.join()
    assert max(elsewhere(limiter, 2)) < 4
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def test_a_permit_that_is_dropped_wakes_who_waits_for_it() -> None:
    async def main(loop):
        limiter = LocalLimiter(clock=loop.time)
        permit = await limiter.acquire("a", ONE)
        waiting = asyncio.ensure_future(limiter.acquire("a", ONE))
        await asyncio.sleep(100)
        assert not waiting.done()
        began = loop.time()
        del permit
        gc.collect()
        (await waiting).unsent()
        return loop.time() - began

    assert run(main) == pytest.approx(1.15, abs=0.01)


def test_a_permit_that_is_kept_and_never_settled_ages_out() -> None:
    async def main(loop):
        limiter = LocalLimiter(clock=loop.time)
        kept = await limiter.acquire("a", ONE)
        other = await limiter.acquire("a", ONE)
        other.unsent()
        kept.answered(200, {})  # comes too late to count
        return other.waited, bucket_of(limiter.snapshot(), "get_one").in_flight

    waited, in_flight = run(main)
    assert waited == pytest.approx(_scheduler.OLDEST + 1.15, abs=_scheduler._RECLAIM + 0.1)
    assert in_flight == 0


async def test_a_permit_settled_by_garbage_collection_inside_the_lock_blocks_nothing(limiter) -> None:
    first, second = [await limiter.acquire("a", operation("get_many", "9/s", "99/m")) for _ in range(2)]
    with limiter._scheduler._lock:
        # A coroutine that is closed by the collector settles its permit here, in the thread that holds the lock.
        first.lost()
        second.unsent()
        del first, second
    bucket = bucket_of(limiter.snapshot(), "get_many")
    assert (bucket.in_flight, bucket.windows[0].spent) == (0, 1)


async def test_a_coroutine_that_is_closed_while_it_waits_leaves_its_place(limiter) -> None:
    held = await limiter.acquire("a", ONE)
    waiting = limiter.acquire("a", ONE)
    waiting.send(None)
    assert limiter.snapshot().waiting["interactive"] == 1
    with limiter._scheduler._lock:
        waiting.close()
    assert limiter.snapshot().waiting["interactive"] == 0
    held.unsent()


def test_what_is_given_up_is_given_up_before_a_call_with_max_wait_is_refused(limiter, loop) -> None:
    tasks = interrupt(loop, call(limiter, 60))
    with pytest.raises(RateLimitWait) as caught:
        asyncio.run(_hurried(limiter))
    assert caught.value.seconds < 2
    time.sleep(1.3)
    assert asyncio.run(_hurried(limiter)) == 0
    del tasks


async def _hurried(limiter: LocalLimiter) -> float:
    permit = await limiter.acquire("a", ONE, max_wait=0.2)
    permit.unsent()
    return permit.waited
