"""Limiters that are left, with their event loop or by whoever held them: others of the process go on where they were."""

from __future__ import annotations

import asyncio
import gc
import importlib
import sys
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from klaviyo_async.errors import RateLimitWait
from tests.limiter.redis_server import RedisServer, needs_server
from tests.limiter.virtual import operation

pytest.importorskip("redis", reason="redis-py is not installed: pip install 'klaviyo-async[redis]'")

from klaviyo_async.limiter import RedisLimiter
from klaviyo_async.limiter import redis as module

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from klaviyo_async.limiter import Permit

pytestmark = [needs_server, pytest.mark.filterwarnings("ignore::ResourceWarning")]
FEW = operation("get_things", "100/s", "20/m")
OTHER = operation("get_others", "100/s", "150/m")


@pytest.fixture
def server() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    yield server
    server.kill()


@pytest.fixture(autouse=True)
def _swept() -> Iterator[None]:
    """Sockets of loops that are left are closed by nobody else."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def ignored(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is raised where nobody can catch it."""
    errors: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: errors.append((what.object, what.exc_value)))
    return errors


def flush(server: RedisServer) -> None:
    with importlib.import_module("redis").Redis.from_url(server.url) as client:
        client.flushall()


def leave(work: Coroutine[Any, Any, Any]) -> tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]:
    """Run it until it stops its loop; the loop, and what didn't come to its end."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(work)
    loop.run_forever()
    return loop, task


def end(loop: asyncio.AbstractEventLoop) -> None:
    """End what goes on in a loop, and close it."""
    if tasks := asyncio.all_tasks(loop):
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.close()


async def send(limiter: RedisLimiter, number: int) -> None:
    for _ in range(number):
        (await limiter.acquire("account", FEW, max_wait=0.5)).answered(200, {})


async def sent_at_once(limiter: RedisLimiter) -> int:
    """How many more requests may be sent."""
    sent = 0
    try:
        while True:
            (await limiter.acquire("account", FEW, max_wait=0.5)).answered(200, {})
            sent += 1
    except RateLimitWait:
        return sent
    finally:
        await limiter.close()


@pytest.mark.parametrize("left", ["interrupted", "closed", "in flight"])
@pytest.mark.parametrize("lost", ["flushed", "away"])
def test_what_a_left_limiter_sent_still_counts_when_redis_loses_it(server, left: str, lost: str) -> None:
    held: list[Permit] = []
    loop: asyncio.AbstractEventLoop | None = None

    async def interrupted() -> None:
        limiter = RedisLimiter(server.url, command_timeout=0.3)
        await send(limiter, 10)
        if left == "in flight":
            held.extend([await limiter.acquire("account", FEW) for _ in range(5)])
        await asyncio.sleep(0.05)
        if left == "closed":
            await limiter.close()
        else:
            asyncio.get_running_loop().stop()
            await asyncio.sleep(0)

    if left == "closed":
        asyncio.run(interrupted())
    else:
        loop, _ = leave(interrupted())
    if lost == "flushed":
        flush(server)
    else:
        server.kill()
    more = asyncio.run(sent_at_once(RedisLimiter(server.url, command_timeout=0.3)))
    assert more == (5 if left == "in flight" else 10)
    if loop is not None:
        end(loop)


async def test_a_request_whose_permit_was_dropped_still_counts_when_redis_loses_it(server) -> None:
    first, second = RedisLimiter(server.url), RedisLimiter(server.url)
    for _ in range(20):
        await first.acquire("account", FEW)
    gc.collect()
    flush(server)
    (await first.acquire("account", OTHER)).answered(200, {})
    assert await sent_at_once(second) == 0
    await first.close()


@pytest.mark.parametrize("same", [False, True])
def test_a_loop_that_is_collected_with_calls_in_it_disturbs_nobody(server, ignored, *, same: bool) -> None:
    limiter = RedisLimiter(server.url)

    async def interrupted() -> None:
        mine = limiter if same else RedisLimiter(server.url)
        (await mine.acquire("account", OTHER)).answered(200, {})
        holder = RedisLimiter(server.url)
        held = [await holder.acquire("account", FEW) for _ in range(15)]
        waiting = [asyncio.ensure_future(mine.acquire("account", FEW)) for _ in range(15)]
        await asyncio.sleep(0.1)
        for permit in held:
            permit.answered(200, {})  # its report is under way when the loop is left
        asyncio.get_running_loop().stop()
        await asyncio.gather(*waiting)

    async def main() -> int:
        permits = [await limiter.acquire("account", OTHER, max_wait=2) for _ in range(2)]
        gc.collect()  # closes the coroutines of the loop that is gone
        for permit in permits:
            permit.answered(200, {})
        return await sent_at_once(limiter)

    loop, task = leave(interrupted())
    loop.close()
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    del loop, task
    # Five of them were granted to calls that are gone, and may have been sent. Those that only waited count for nothing.
    assert asyncio.run(main()) == 0
    gc.collect()
    assert [error for error in ignored if not isinstance(error[1], ResourceWarning)] == []


def test_calls_of_a_loop_that_goes_on_later_get_their_turn(server) -> None:
    one = operation("get_one", "2/s", "100/m")

    async def call(limiter: RedisLimiter) -> None:
        permit = await limiter.acquire("account", one)
        await asyncio.sleep(0.01)
        permit.answered(200, {})

    async def interrupted() -> None:
        limiter = RedisLimiter(server.url)
        other = RedisLimiter(server.url)
        taken = [await other.acquire("account", one) for _ in range(2)]
        waiting = [asyncio.ensure_future(call(limiter)) for _ in range(2)]
        await asyncio.sleep(0.1)
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0)
        for permit in taken:
            permit.answered(200, {})
        async with asyncio.timeout(20):
            await asyncio.gather(*waiting)
        await limiter.close()
        await other.close()

    loop, task = leave(interrupted())

    async def main() -> None:
        limiters = [RedisLimiter(server.url) for _ in range(2)]
        for limiter in limiters:
            (await limiter.acquire("other", one)).answered(200, {})
            await limiter.close()

    asyncio.run(main())
    loop.run_until_complete(task)
    end(loop)


def test_limits_that_were_left_and_are_idle_are_forgotten(server) -> None:
    short = operation("get_short", "10/s", "20/s")

    async def main(prefix: str) -> None:
        limiter = RedisLimiter(server.url, prefix=prefix)
        (await limiter.acquire("account", short)).answered(200, {})
        await limiter.close()
        await asyncio.sleep(1.1)

    before = len(module._made)
    for prefix in ("a", "b", "c"):
        asyncio.run(main(prefix))
    assert len(module._made) <= before + 1


def test_calls_that_waited_in_a_loop_that_was_left_cost_nothing(server) -> None:
    async def interrupted() -> None:
        limiter, other = RedisLimiter(server.url), RedisLimiter(server.url)
        taken = [await other.acquire("account", FEW) for _ in range(20)]
        waiting = [asyncio.ensure_future(limiter.acquire("account", FEW)) for _ in range(20)]
        await asyncio.sleep(0.1)
        for permit in taken:
            permit.unsent()
        await other.close()
        for task in waiting:
            assert not task.done()
        asyncio.get_running_loop().stop()
        await asyncio.gather(*waiting)

    loop, task = leave(interrupted())
    assert not task.done()
    assert asyncio.run(sent_at_once(RedisLimiter(server.url))) == 20
    end(loop)


@pytest.mark.parametrize("where", ["no loop", "another loop"])
def test_a_loop_that_is_collected_while_redis_was_asked_disturbs_nobody(server, ignored, where: str) -> None:
    async def interrupted() -> None:
        limiter = RedisLimiter(server.url)
        (await limiter.acquire("account", OTHER)).answered(200, {})
        await asyncio.sleep(0.05)
        server.stop_responding()
        waiting = [asyncio.ensure_future(limiter.acquire("account", called)) for called in (FEW, OTHER) * 3]
        await asyncio.sleep(0.1)
        asyncio.get_running_loop().stop()
        await asyncio.gather(*waiting)

    async def main() -> bool | None:
        limiter = RedisLimiter(server.url)
        (await limiter.acquire("account", OTHER, max_wait=2)).answered(200, {})
        gc.collect()
        await asyncio.sleep(0.1)
        await limiter.close()
        return limiter.snapshot().shared

    gc.disable()
    try:
        loop, task = leave(interrupted())
        loop.close()
        del loop, task
        server.go_on()
        if where == "no loop":
            gc.collect()
        assert asyncio.run(main()) is True
    finally:
        gc.enable()
    assert [error for error in ignored if not isinstance(error[1], ResourceWarning)] == []
