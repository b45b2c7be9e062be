"""What Redis can do to those who share limits through it: forget, fail over, evict, set its clock back, refuse the password."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import itertools
import logging
import pathlib
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from klaviyo_async.errors import ConfigurationError, RateLimitWait
from tests.limiter.redis_server import MovingAddress, RedisServer, needs_server
from tests.limiter.virtual import FixedWindowServer, operation

pytest.importorskip("redis", reason="redis-py is not installed: pip install 'klaviyo-async[redis]'")

from klaviyo_async.limiter import RedisLimiter
from klaviyo_async.limiter import _sharing as module

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from klaviyo_async.operation import Operation

pytestmark = needs_server
ROOT = pathlib.Path(__file__).resolve().parents[2]
TEN = operation("get_things", "10/s", "150/m")


@pytest.fixture
def server() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    yield server
    server.kill()


async def admin(server: RedisServer, *command: Any) -> Any:
    client = importlib.import_module("redis.asyncio")
    async with client.Redis.from_url(server.url) as connection:
        return await connection.execute_command(*command)


class Traffic:
    """Tasks that send all the time through several limiters to a server that counts; when each response came."""

    def __init__(self, limiters: list[RedisLimiter], called: Operation, *, tasks: int = 10) -> None:
        self.limiters = limiters
        self.called = called
        self.told = FixedWindowServer(time.monotonic, (0.4, 30.0))
        self.moments: list[float] = []
        self.refused = 0
        self._tasks = [asyncio.ensure_future(self._send(limiter)) for limiter in limiters for _ in range(tasks)]

    async def _send(self, limiter: RedisLimiter) -> None:
        while True:
            permit = await limiter.acquire("account", self.called)
            await asyncio.sleep(0.01)
            status, headers = self.told.count({"b": self.called.limits.rates})
            await asyncio.sleep(0.01)
            permit.answered(status, headers)
            self.moments.append(time.monotonic())
            self.refused += status == 429

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        outcomes = await asyncio.gather(*self._tasks, return_exceptions=True)
        assert [outcome for outcome in outcomes if not isinstance(outcome, asyncio.CancelledError)] == []

    def since(self, moment: float) -> int:
        return sum(1 for other in self.moments if other >= moment)

    def longest_gap(self, since: float) -> float:
        moments = [since, *(moment for moment in self.moments if moment > since), time.monotonic()]
        return max(later - earlier for earlier, later in itertools.pairwise(moments))


@contextlib.asynccontextmanager
async def traffic(url: str, called: Operation, *, limiters: int, tasks: int = 10) -> AsyncIterator[Traffic]:
    made = [RedisLimiter(url, command_timeout=0.3) for _ in range(limiters)]
    sending = Traffic(made, called, tasks=tasks)
    try:
        yield sending
    finally:
        await sending.stop()
        for limiter in made:
            await limiter.close()


@pytest.mark.parametrize("limiters", [1, 2])
async def test_data_lost_while_calls_wait_stops_nobody(server, caplog, limiters: int) -> None:
    caplog.set_level(logging.WARNING, "klaviyo_async")
    async with traffic(server.url, operation(burst="10/s", steady="1500/m"), limiters=limiters, tasks=20) as sending:
        await asyncio.sleep(1.2)
        await admin(server, "FLUSHALL")
        lost = time.monotonic()
        await asyncio.sleep(2)
        assert sending.longest_gap(lost) < 1.5
        assert sending.since(lost) > 9
        assert sending.refused == 0
    assert 0 < len([r for r in caplog.records if "lost" in r.getMessage()]) <= limiters


async def test_after_a_failover_the_limits_are_shared_through_the_new_primary(server) -> None:
    replica = RedisServer()
    replica.start("--replicaof", "127.0.0.1", str(server.port))
    address = MovingAddress(server.port)
    try:
        async with address as url:
            limiter = RedisLimiter(url, command_timeout=0.5)
            for _ in range(3):
                (await limiter.acquire("account", TEN)).answered(200, {})
            await admin(replica, "REPLICAOF", "NO", "ONE")
            await admin(server, "REPLICAOF", "127.0.0.1", str(replica.port))
            address.port = replica.port
            await asyncio.sleep(0.1)
            (await limiter.acquire("account", TEN)).answered(200, {})
            for _ in range(30):
                await asyncio.sleep(0.1)
                if limiter.snapshot().shared:
                    break
            (await limiter.acquire("account", TEN)).answered(200, {})
            assert limiter.snapshot().shared
            await limiter.close()
    finally:
        replica.kill()


async def test_no_single_key_that_is_evicted_gives_a_limit_twice(server) -> None:
    keys: list[str] = []
    for evicted in range(4):
        first, second = (RedisLimiter(server.url, prefix=f"p{evicted}") for _ in range(2))
        called = operation(burst="1000/s", steady="60/m")
        for _ in range(40):
            (await first.acquire("account", called)).answered(200, {})
        for _ in range(20):
            (await second.acquire("account", called)).answered(200, {})
        await asyncio.sleep(0.05)
        keys = sorted(await admin(server, "KEYS", f"p{evicted}:*"))
        more = 0
        await admin(server, "DEL", keys[min(evicted, len(keys) - 1)])
        for limiter in (first, second, first, second):
            with contextlib.suppress(RateLimitWait):
                while True:
                    (await limiter.acquire("account", called, max_wait=0)).answered(200, {})
                    more += 1
        assert more == 0, keys[min(evicted, len(keys) - 1)]
        await first.close()
        await second.close()
    assert len(keys) == 4


async def test_scores_of_a_clock_that_was_set_back_stop_nobody(server) -> None:
    limiter = RedisLimiter(server.url)
    for _ in range(5):
        (await limiter.acquire("account", TEN)).answered(200, {})
    await asyncio.sleep(0.05)
    for key in await admin(server, "KEYS", "*"):
        if await admin(server, "TYPE", key) == b"zset":
            # As if requests had been entered by a clock that ran ten minutes ahead.
            others = [part for number in range(200) for part in ((time.time() + 600) * 1e6, f"other-{number}")]
            await admin(server, "ZADD", key, *others)
    (await limiter.acquire("account", TEN, max_wait=0.2)).answered(200, {})
    await limiter.close()


async def test_a_clock_that_is_set_back_is_lost_data_for_all(server, caplog) -> None:
    first, second = RedisLimiter(server.url), RedisLimiter(server.url)
    called = operation(burst="1000/s", steady="20/m")
    for limiter in (first, second):
        for _ in range(5):
            (await limiter.acquire("account", called)).answered(200, {})
    await asyncio.sleep(0.05)
    # Ten minutes back for the clock are ten minutes ahead for all times that were written before.
    for key in await admin(server, "KEYS", "*"):
        if await admin(server, "TYPE", key) == b"zset":
            members = await admin(server, "ZRANGE", key, 0, -1)
            for member in members:
                await admin(server, "ZINCRBY", key, 600e6, member)
        else:
            for field in await admin(server, "HKEYS", key):
                if (value := await admin(server, "HGET", key, field)).isdigit() and int(value) > 1e12:
                    await admin(server, "HSET", key, field, int(value) + 600_000_000)
    for limiter in (first, second):
        for _ in range(5):
            (await limiter.acquire("account", called, max_wait=0.5)).answered(200, {})
    for limiter in (first, second):
        with pytest.raises(RateLimitWait):  # what both had sent before still counts
            await limiter.acquire("account", called, max_wait=0.5)
    assert "lost rate limit data" in caplog.text
    await first.close()
    await second.close()


async def test_a_wrong_password_is_a_mistake_of_the_configuration(server) -> None:
    await admin(server, "CONFIG", "SET", "requirepass", "right")
    for url in (server.url, server.url.replace("//", "//:wrong@")):
        limiter = RedisLimiter(url)
        for _ in range(2):
            with pytest.raises(ConfigurationError, match=r"(?i)password") as caught:
                await limiter.acquire("account", TEN)
            assert "wrong@" not in str(caught.value)
        await limiter.close()


async def test_a_missing_permission_is_a_mistake_of_the_configuration(server) -> None:
    url = server.url.replace("//", "//sharer:pass@")
    for rules in (["+@all", "-evalsha", "-eval", "~*"], ["+@all", "~other:*"], ["+@all", "-zadd", "~*"]):
        await admin(server, "ACL", "SETUSER", "sharer", "reset", "on", ">pass", *rules)
        limiter = RedisLimiter(url)
        with pytest.raises(ConfigurationError, match="permission"):
            await limiter.acquire("account", TEN)
        await limiter.close()


async def test_a_password_changed_while_running_is_an_outage(server) -> None:
    limiter = RedisLimiter(server.url)
    (await limiter.acquire("account", TEN)).answered(200, {})
    await limiter.close()
    await admin(server, "CONFIG", "SET", "requirepass", "new")
    (await limiter.acquire("account", TEN)).answered(200, {})
    assert limiter.snapshot().shared is False
    await limiter.close()


async def test_one_restart_is_one_warning_and_no_gap(server, caplog, monkeypatch) -> None:
    monkeypatch.setattr(module, "_RETRY", 0.5)
    monkeypatch.setattr(module, "_RECOVERY", 1.0)
    caplog.set_level(logging.INFO, "klaviyo_async")
    async with traffic(server.url, operation(burst="20/s", steady="1500/m"), limiters=4) as sending:
        await asyncio.sleep(1)
        server.kill()
        began = time.monotonic()
        await asyncio.sleep(1.5)
        server.start()
        back = time.monotonic()
        await asyncio.sleep(2.5)
        assert sending.longest_gap(began) < 2
        assert sending.since(back) > 0.6 * 20 * 2.5
        assert sending.refused == 0
        assert all(limiter.snapshot().shared for limiter in sending.limiters)
    messages = [record.getMessage() for record in caplog.records]
    assert len([message for message in messages if "local limits" in message]) == 4
    assert len([message for message in messages if "shared again" in message]) == 4


async def test_of_a_killed_process_nothing_is_left_after_the_lease(server, monkeypatch) -> None:
    monkeypatch.setattr(module, "_LEASE", 0.6)
    code = f"""
import asyncio
from klaviyo_async.limiter import RedisLimiter
from klaviyo_async.limiter import _sharing as module
from tests.limiter.virtual import operation
module._LEASE, module._RENEWAL = 0.6, 0.15
async def main():
    limiter = RedisLimiter({server.url!r})
    permits = [await limiter.acquire("account", operation("get_things", "10/s", "150/m")) for _ in range(10)]
    print("ready", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    command = [sys.executable, "-c", code]
    worker = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)  # noqa: ASYNC220 - it starts at once
    assert worker.stdout is not None
    assert worker.stdout.readline() == b"ready\n"
    limiter = RedisLimiter(server.url)
    with pytest.raises(RateLimitWait):
        await limiter.acquire("account", TEN, max_wait=0)
    await asyncio.sleep(2.0)  # a lease and a window, and some more
    with pytest.raises(RateLimitWait):  # it lives, and holds them all the same
        await limiter.acquire("account", TEN, max_wait=0)
    worker.kill()
    worker.communicate()
    killed = time.monotonic()
    (await limiter.acquire("account", TEN)).answered(200, {})
    assert 0.9 < time.monotonic() - killed < 3.5
    await limiter.close()
