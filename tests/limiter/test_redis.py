"""The shared limiter against a real redis-server, which comes and goes."""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import logging
import os
import pathlib
import re
import sys
import time

import pytest

from klaviyo_async.errors import ConfigurationError, RateLimitWait
from tests.limiter.redis_server import RedisServer, free_port, needs_server
from tests.limiter.virtual import FixedWindowServer, bucket_of, operation, parameter

pytest.importorskip("redis", reason="redis-py is not installed: pip install 'klaviyo-async[redis]'")

from klaviyo_async.limiter import RedisLimiter
from klaviyo_async.limiter import _scheduler as scheduler_module
from klaviyo_async.limiter import _shared as shared_module
from klaviyo_async.limiter import _sharing as module
from klaviyo_async.limiter._shared import SharedAccount

ROOT = pathlib.Path(__file__).resolve().parents[2]
ONE = operation("get_one", "1/s", "15/m")
TEN = operation("get_things", "10/s", "150/m")


@pytest.fixture
def redis():
    server = RedisServer()
    server.start()
    yield server
    server.kill()


@needs_server
async def test_two_limiters_share_the_buckets(redis) -> None:
    first, second = RedisLimiter(redis.url), RedisLimiter(redis.url)
    began = time.monotonic()
    held = await first.acquire("account", ONE)
    with pytest.raises(RateLimitWait) as caught:
        await second.acquire("account", ONE, max_wait=0.2)
    assert time.monotonic() - began < 0.5
    assert 0.5 < caught.value.seconds < 1.2
    (await second.acquire("other", ONE, max_wait=0)).unsent()
    held.unsent()
    for _ in range(100):
        try:
            permit = await second.acquire("account", ONE, max_wait=0)
        except RateLimitWait:
            await asyncio.sleep(0.01)
        else:
            permit.answered(200, {})
            break
    else:
        pytest.fail("the other limiter gets no permit")
    waited = (await first.acquire("account", ONE)).waited
    assert 0.9 < waited < 1.6
    assert first.snapshot().shared is True
    await first.close()
    await second.close()


@needs_server
async def test_parameters_share_a_bucket_of_their_own_and_all_is_taken_or_nothing(redis) -> None:
    slow = parameter("profile_count", "1/s", "15/m")
    first, second = RedisLimiter(redis.url), RedisLimiter(redis.url)
    (await first.acquire("account", TEN, [slow])).answered(200, {})
    other = operation("get_list", "10/s", "150/m")
    with pytest.raises(RateLimitWait):
        await second.acquire("account", other, [slow], max_wait=0.1)
    for _ in range(10):  # nothing of the operation's own was taken by that
        (await second.acquire("account", other, max_wait=0)).answered(200, {})
    await first.close()
    await second.close()


@needs_server
async def test_a_429_pauses_everybody(redis) -> None:
    first, second = RedisLimiter(redis.url), RedisLimiter(redis.url)
    (await first.acquire("account", TEN)).answered(429, {"Retry-After": "1"})
    await asyncio.sleep(0.1)
    waited = (await second.acquire("account", TEN)).waited
    assert 0.7 < waited < 1.5
    await first.close()
    await second.close()


@needs_server
async def test_a_day_spent_by_another_process_raises(redis) -> None:
    daily = operation("query_report", "10/s", "20/m", "2/d")
    first, second = RedisLimiter(redis.url), RedisLimiter(redis.url)
    for _ in range(2):
        (await first.acquire("account", daily)).answered(200, {})
    with pytest.raises(RateLimitWait) as caught:
        await second.acquire("account", daily)
    assert caught.value.seconds > 80_000
    await first.close()
    await second.close()


@needs_server
async def test_all_keys_expire_and_lie_on_one_slot(redis) -> None:
    client = importlib.import_module("redis.asyncio")
    limiter = RedisLimiter(redis.url, prefix="mine")
    slow = parameter("profile_count", "1/s", "15/m")
    permits = [await limiter.acquire("digest", TEN, [slow] if number == 0 else []) for number in range(3)]
    permits[0].answered(429, {"Retry-After": "1"})
    permits[1].answered(200, {})
    await asyncio.sleep(0.1)
    async with client.Redis.from_url(redis.url) as look:
        keys = [key.decode() for key in await look.keys("*")]
        assert len(keys) >= 6
        for key in keys:
            assert key.startswith("mine:{digest}:")
            assert 0 < await look.pttl(key) < 300_000
    await limiter.close()


@needs_server
async def test_it_works_on_a_cluster(tmp_path) -> None:
    server = RedisServer()
    # By default a cluster's bus is at the port plus 10000, which may be no port at all.
    bus = ["--cluster-port", str(free_port())]
    server.start("--cluster-enabled", "yes", "--dir", str(tmp_path), *bus)
    client = importlib.import_module("redis.asyncio")
    async with client.Redis.from_url(server.url) as admin:
        await admin.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        for _ in range(200):
            if (await admin.execute_command("CLUSTER INFO"))["cluster_state"] == "ok":
                break
            await asyncio.sleep(0.05)
    slow = parameter("profile_count", "1/s", "15/m")
    ready = client.RedisCluster.from_url(server.url)
    first, second = RedisLimiter(server.url, cluster=True), RedisLimiter(ready)
    try:
        (await first.acquire("digest", TEN, [slow])).answered(200, {})
        with pytest.raises(RateLimitWait):
            await second.acquire("digest", TEN, [slow], max_wait=0.1)
        assert first.snapshot().shared
        assert second.snapshot().shared
    finally:
        await first.close()
        await second.close()
        await ready.aclose()
        server.kill()


@needs_server
async def test_redis_away_is_one_warning_and_local_limits_at_a_share_until_it_is_back(
    redis, caplog, monkeypatch
) -> None:
    monkeypatch.setattr(module, "_RETRY", 0.2)
    monkeypatch.setattr(module, "_RECOVERY", 0.6)
    caplog.set_level(logging.WARNING, "klaviyo_async")
    told = FixedWindowServer(time.monotonic, (0.4, 30.0))
    limiters = [RedisLimiter(redis.url, command_timeout=0.3) for _ in range(2)]
    called = operation(burst="10/s", steady="1500/m")
    sent: list[tuple[float, int]] = []
    slowest = 0.0
    going = True

    async def worker(limiter: RedisLimiter) -> None:
        nonlocal slowest
        while going:
            permit = await limiter.acquire("account", called)
            slowest = max(slowest, permit.waited)
            await asyncio.sleep(0.01)
            status, headers = told.count({"b": called.limits.rates})
            sent.append((time.monotonic(), status))
            await asyncio.sleep(0.01)
            permit.answered(status, headers)

    tasks = [asyncio.ensure_future(worker(limiter)) for limiter in limiters for _ in range(10)]
    await asyncio.sleep(1)
    redis.kill()
    gone = time.monotonic()
    await asyncio.sleep(2.5)
    assert [limiter.snapshot().shared for limiter in limiters] == [False, False]
    away = [moment for moment, _ in sent if moment > gone + 1]
    assert 0.5 * 10 * 1.5 < len(away) <= 10 * 2.5  # both go on, together within the limit
    redis.start()
    await asyncio.sleep(1.8)
    back = len([1 for moment, _ in sent if moment > time.monotonic() - 1.3])
    assert [limiter.snapshot().shared for limiter in limiters] == [True, True]
    assert back > 5
    going = False
    await asyncio.gather(*tasks)
    for limiter in limiters:
        await limiter.close()
    assert [status for _, status in sent if status == 429] == []
    assert slowest < 8  # nobody hangs: a place in the queue may be lost, not more
    warnings = [
        record.getMessage() for record in caplog.records if "continuing with local limits" in record.getMessage()
    ]
    assert len(warnings) == 2  # one for each limiter
    assert all("1/2" in warning for warning in warnings)
    assert len([r for r in caplog.records if "shared again" in r.getMessage()]) == 2


@needs_server
async def test_a_redis_that_hangs_hangs_nobody(redis) -> None:
    limiter = RedisLimiter(redis.url, command_timeout=0.3)
    (await limiter.acquire("account", TEN)).answered(200, {})
    redis.stop_responding()
    began = time.monotonic()
    (await limiter.acquire("account", TEN)).answered(200, {})
    assert time.monotonic() - began < 2
    began = time.monotonic()
    await limiter.close()
    assert time.monotonic() - began < 2


@needs_server
async def test_a_restart_without_data_between_two_calls_is_noticed(redis) -> None:
    limiters = [RedisLimiter(redis.url) for _ in range(2)]
    (await limiters[0].acquire("account", ONE)).answered(200, {})
    spender = await limiters[0].acquire("account", TEN)
    spender.answered(200, {})
    await asyncio.sleep(0.05)
    redis.kill()
    redis.start()
    for _ in range(9):
        (await limiters[0].acquire("account", TEN)).answered(200, {})
    waited = (await limiters[0].acquire("account", ONE)).waited
    assert waited > 0.5  # its own scheduler knows, and Redis was told again
    for limiter in limiters:
        await limiter.close()


async def test_without_any_redis_calls_go_through(caplog) -> None:
    limiter = RedisLimiter("redis://127.0.0.1:1/0", processes=5, command_timeout=0.3)
    for _ in range(2):
        (await limiter.acquire("account", TEN, max_wait=0.5)).answered(200, {})
    with pytest.raises(RateLimitWait):
        await limiter.acquire("account", TEN, max_wait=0.5)
    assert bucket_of(limiter.snapshot(), "get_things").windows[0].spent == 2  # a fifth of ten
    assert "1/5" in caplog.text
    await limiter.close()


@needs_server
def test_one_event_loop_after_the_other(redis) -> None:
    limiter = RedisLimiter(redis.url)

    async def main() -> float:
        permit = await limiter.acquire("account", ONE)
        permit.answered(200, {})
        await limiter.close()
        return permit.waited

    assert asyncio.run(main()) < 0.5
    assert 0.5 < asyncio.run(main()) < 2


@needs_server
async def test_cancelled_calls_leave_nothing_behind(redis) -> None:
    first, second = RedisLimiter(redis.url), RedisLimiter(redis.url)
    held = await first.acquire("account", ONE)
    quitters = [asyncio.ensure_future(second.acquire("account", ONE)) for _ in range(5)]
    await asyncio.sleep(0.1)
    for task in quitters:
        task.cancel()
    await asyncio.gather(*quitters, return_exceptions=True)
    held.answered(200, {})
    assert (await second.acquire("account", ONE)).waited < 2.5
    assert bucket_of(second.snapshot(), "get_one").in_flight == 1
    await first.close()
    await second.close()


@needs_server
async def test_four_processes_with_fifty_tasks_each_are_never_refused(redis) -> None:
    burst, steady, seconds = "40/s", "6000/m", 3
    told = FixedWindowServer(time.monotonic, (0.37, 12.3))
    rates = operation(burst=burst, steady=steady).limits.rates

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            status, _ = told.count({"b": rates})
            writer.write(b"%d\n" % status)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "tests.limiter.redis_worker",
        redis.url,
        str(port),
        "50",
        str(seconds),
        burst,
        steady,
    ]
    processes = [
        await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE) for _ in range(4)
    ]
    results = [json.loads((await process.communicate())[0]) for process in processes]
    server.close()
    await server.wait_closed()
    assert sum(result["refused"] for result in results) == 0
    assert told.refused == []
    assert all(result["shared"] for result in results)
    # One second of the limit at a time, each 1.05 s after the answers to the last: the floor is loose for a loaded machine, the
    # figure for the minute's limit (95 % and more) is in benchmarks/limits.py.
    assert sum(result["accepted"] for result in results) > 0.6 * 40 * seconds
    assert min(result["accepted"] for result in results) > 0


def test_a_bad_url_and_bad_options_are_named() -> None:
    with pytest.raises(ConfigurationError, match="redis://"):
        RedisLimiter("localhost:6379")
    with pytest.raises(ConfigurationError, match="processes"):
        RedisLimiter("redis://localhost", processes=0)
    with pytest.raises(ConfigurationError, match="burst"):
        RedisLimiter("redis://localhost", overrides={"get_things": {"burst": "x"}})


def test_without_redis_py_it_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'klaviyo-async\[redis\]'"):
        RedisLimiter("redis://localhost")


def test_the_url_never_shows() -> None:
    assert "secret" not in repr(RedisLimiter("redis://:secret@localhost"))


@needs_server
def test_what_an_interrupted_loop_held_comes_back(redis, monkeypatch) -> None:
    for place in (scheduler_module, shared_module):
        monkeypatch.setattr(place, "LOST", 0.5)
    limiter = RedisLimiter(redis.url)
    held = []

    async def interrupted() -> None:
        held.append(await limiter.acquire("account", ONE))
        waiting = asyncio.ensure_future(limiter.acquire("account", ONE))
        await asyncio.sleep(0.1)
        asyncio.get_running_loop().stop()
        await waiting

    async def main() -> float:
        permit = await limiter.acquire("account", ONE)
        permit.answered(200, {})
        await limiter.close()
        return permit.waited

    loop = asyncio.new_event_loop()
    task = loop.create_task(interrupted())
    loop.run_forever()
    left_open = limiter._limits._connection._client
    assert 0.5 < asyncio.run(main()) < 4
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    held[0].answered(200, {})  # too late: it counts as lost
    for left in asyncio.all_tasks(loop):
        left.cancel()
    loop.run_until_complete(left_open.aclose())  # what belongs to a loop can only be closed in it
    loop.close()


@needs_server
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_takes_part_under_an_id_of_its_own(redis) -> None:
    limiter = RedisLimiter(redis.url)
    before = limiter._limits._id

    async def main() -> float:
        permit = await limiter.acquire("account", ONE)
        permit.answered(200, {})
        await limiter.close()
        return permit.waited

    assert asyncio.run(main()) < 0.5
    child = os.fork()
    if child == 0:
        waited = asyncio.run(main())
        os._exit(0 if 0.3 < waited < 2 and limiter._limits._id != before else 1)
    assert os.waitpid(child, 0)[1] == 0


# -- existing clients -----------------------------------------------------------------------------------------------------------


@needs_server
async def test_a_ready_client_is_used_and_not_closed(redis) -> None:
    client_class = importlib.import_module("redis.asyncio").Redis
    for options in ({}, {"decode_responses": True}):
        async with client_class.from_url(redis.url, **options) as client:
            first, second = RedisLimiter(client, prefix=str(options)), RedisLimiter(redis.url, prefix=str(options))
            (await first.acquire("account", ONE)).answered(200, {})
            with pytest.raises(RateLimitWait):
                await second.acquire("account", ONE, max_wait=0.1)
            await first.close()
            await second.close()
            assert await client.ping()
            (await first.acquire("other", ONE)).answered(200, {})
            assert first.snapshot().shared
            await first.close()


@needs_server
async def test_a_ready_client_of_a_sentinel_follows_it(redis, tmp_path) -> None:
    sentinel = RedisServer()
    file = tmp_path / "sentinel.conf"
    file.write_text(f"sentinel monitor main 127.0.0.1 {redis.port} 1\n")
    sentinel.start("--sentinel", config=str(file))
    asyncio_client = importlib.import_module("redis.asyncio")
    try:
        watcher = asyncio_client.Sentinel([("127.0.0.1", sentinel.port)])
        async with watcher.master_for("main") as client:
            limiter = RedisLimiter(client)
            (await limiter.acquire("account", ONE)).answered(200, {})
            assert limiter.snapshot().shared
            await limiter.close()
        for node in watcher.sentinels:
            await node.aclose()
    finally:
        sentinel.kill()


@needs_server
def test_a_ready_client_works_in_one_event_loop_only(redis) -> None:
    client = importlib.import_module("redis.asyncio").Redis.from_url(redis.url)
    limiter = RedisLimiter(client)

    async def main() -> None:
        try:
            (await limiter.acquire("account", TEN)).answered(200, {})
            await limiter.close()
        finally:
            await client.aclose()

    asyncio.run(main())
    with pytest.raises(ConfigurationError, match=r"existing client.*for each event loop"):
        asyncio.run(main())


async def test_a_node_of_a_cluster_is_no_redis_by_itself() -> None:
    errors = importlib.import_module("redis.exceptions")

    class Node(importlib.import_module("redis.asyncio").Redis):  # type: ignore[misc]
        async def evalsha(self, *_: object) -> None:
            raise errors.MovedError("866 127.0.0.1:7001")

    async with Node() as client:
        with pytest.raises(ConfigurationError, match="cluster=True"):
            await RedisLimiter(client).acquire("account", TEN)


def test_what_is_no_url_and_no_client_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="got dict"):
        RedisLimiter({"host": "localhost"})  # type: ignore[arg-type]


# -- looking -----------------------------------------------------------------------------------------------------------------


@needs_server
async def test_who_waits_for_redis_is_seen_and_logged_with_the_reason(redis, caplog) -> None:
    caplog.set_level(logging.INFO, "klaviyo_async")
    called = operation("get_slow", "5/s", "6/m")
    first, second = RedisLimiter(redis.url), RedisLimiter(redis.url)
    for _ in range(6):
        (await first.acquire("account", called, max_wait=5)).answered(200, {})
    waiting = [
        asyncio.ensure_future(second.acquire("account", called, priority=priority))
        for priority in ("interactive", "bulk", "bulk")
    ]
    await asyncio.sleep(0.2)
    bucket = second.snapshot(["account"]).bucket("get_slow")
    assert bucket is not None
    assert dict(bucket.waiting) == {"interactive": 1, "bulk": 2}
    assert bucket.in_flight == 0
    assert [window.spent for window in bucket.windows] == [0, 0]
    assert second.snapshot(["other"]).buckets == ()
    await asyncio.sleep(1.2)  # looks again, and logs nothing twice
    messages = [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]
    assert len(messages) == 3
    assert all(re.fullmatch(r"get_slow waits (59|60|61) s: 6/m spent", message) for message in messages)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert sum(second.snapshot().waiting.values()) == 0
    await first.close()
    await second.close()


@needs_server
async def test_bulk_calls_are_served_while_interactive_ones_keep_coming(redis) -> None:
    limiter, other = RedisLimiter(redis.url), RedisLimiter(redis.url)
    held = [await other.acquire("account", TEN) for _ in range(10)]
    order: list[str] = []

    async def call(priority: str) -> None:
        permit = await limiter.acquire("account", TEN, priority=priority)  # type: ignore[arg-type]
        order.append(priority)
        permit.answered(200, {})

    bulk = [asyncio.ensure_future(call("bulk")) for _ in range(2)]
    interactive = [asyncio.ensure_future(call("interactive")) for _ in range(28)]
    await asyncio.sleep(0.1)
    for permit in held:
        permit.unsent()
    await asyncio.gather(*bulk, *interactive)
    assert order[0] == "interactive"
    assert 5 < order.index("bulk") < 20
    await limiter.close()
    await other.close()


@needs_server
async def test_reset_ends_pauses_for_all(redis) -> None:
    first, second = RedisLimiter(redis.url), RedisLimiter(redis.url)
    (await first.acquire("account", TEN)).answered(429, {"Retry-After": "30"})
    await asyncio.sleep(0.1)
    with pytest.raises(RateLimitWait):
        await second.acquire("account", TEN, max_wait=1)
    first.reset(["other"])
    await asyncio.sleep(0.1)
    with pytest.raises(RateLimitWait):
        await second.acquire("account", TEN, max_wait=1)
    first.reset(["account"])
    await asyncio.sleep(0.1)
    (await first.acquire("account", TEN, max_wait=1)).answered(200, {})
    (await second.acquire("account", TEN, max_wait=1)).answered(200, {})
    await first.close()
    await second.close()


@needs_server
async def test_accounts_are_forgotten_when_they_are_idle(redis, monkeypatch) -> None:
    monkeypatch.setattr(module, "_MANY", 20)
    limiter = RedisLimiter(redis.url, command_timeout=10)
    called = operation(burst="10/s", steady="20/s")
    held = await limiter.acquire("held", called)
    for start in (0, 200):
        permits = [limiter.acquire(f"account-{start + number}", called) for number in range(200)]
        for permit in await asyncio.gather(*permits):
            permit.answered(200, {})
        await asyncio.sleep(1.2)
    (await limiter.acquire("last", called)).answered(200, {})
    assert sum(type(thing) is SharedAccount for thing in gc.get_objects()) < 300
    held.answered(200, {})
    (await limiter.acquire("held", called)).answered(200, {})
    await limiter.close()


@needs_server
async def test_the_phase_of_the_servers_windows_is_learned_beside_others(redis) -> None:
    # A window of a minute that ends in 2 s, as the headers tell. Blind, a token comes back a minute after its response.
    told = FixedWindowServer(time.monotonic, (0.0, (time.monotonic() + 2) % 60), style="steady")
    called = operation(burst="100/s", steady="10/m")
    limiters = [RedisLimiter(redis.url) for _ in range(2)]
    began = time.monotonic()
    for number in range(20):
        permit = await asyncio.wait_for(limiters[number % 2].acquire("account", called), 10)
        status, headers = told.count({"b": called.limits.rates})
        assert status == 200
        permit.answered(status, headers)
    assert 2 < time.monotonic() - began < 5
    assert len(told.accepted) == 20
    bucket = limiters[0].snapshot().bucket("get_things")
    assert bucket is not None
    assert [window.foreign for window in bucket.windows] == [0, 0]
    for limiter in limiters:
        await limiter.close()
