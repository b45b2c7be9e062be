"""docs/contract.md, section 8: rate limits."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

import pytest

from klaviyo_async import (
    ApiKey,
    ConfigurationError,
    Klaviyo,
    LocalLimiter,
    RateLimited,
    RateLimitWait,
    RedisLimiter,
    RequestOptions,
    operations,
)
from klaviyo_async.testing import FakeKlaviyo
from tests.contract.wire import errors
from tests.support.servers import WebServer, document, until

if TYPE_CHECKING:
    from klaviyo_async.limiter import BucketSnapshot, Snapshot

_keys = iter(range(1_000_000))


def own() -> LocalLimiter:
    """A limiter that shares nothing, so that its snapshot shows nobody else's buckets."""
    return LocalLimiter(clock=time.monotonic)


def key() -> str:
    """A key of its own: limits are shared by all clients of a key in the process."""
    return f"pk_limits_{next(_keys)}"


def bucket_of(snapshot: Snapshot, name: str) -> BucketSnapshot:
    """The bucket of that name, which has to be there."""
    bucket = snapshot.bucket(name)
    assert bucket is not None, name
    return bucket


async def _quick(klaviyo: Klaviyo, count: int) -> list[Any]:
    return await asyncio.gather(*(klaviyo.lists.get_list("x") for _ in range(count)), return_exceptions=True)


async def test_alone_it_is_never_answered_429() -> None:
    async with FakeKlaviyo() as fake, Klaviyo(key(), base_url=fake.url) as klaviyo:
        begun = time.monotonic()
        # get_accounts is 1/s: three calls take two seconds and something
        await asyncio.gather(*(klaviyo.accounts.get_accounts() for _ in range(3)))
        # get_profiles is 75/s
        await asyncio.gather(*(klaviyo.profiles.get_profiles() for _ in range(100)))
        took = time.monotonic() - begun
        assert fake.responses[429] == 0
        assert fake.responses[200] == 103
    assert 2 <= took < 15


async def test_clients_with_the_same_credentials_share() -> None:
    same = key()
    async with (
        FakeKlaviyo() as fake,
        Klaviyo(same, base_url=fake.url) as one,
        Klaviyo(auth=ApiKey(same), base_url=fake.url) as two,
    ):
        await asyncio.gather(*(client.profiles.get_profiles() for client in (one, two) for _ in range(60)))
        assert fake.responses[429] == 0
        assert fake.responses[200] == 120


async def test_without_a_limiter_the_server_refuses(naps: list[float]) -> None:
    async with FakeKlaviyo() as fake, Klaviyo(key(), base_url=fake.url, limiter=False, max_retries=0) as klaviyo:
        found = await asyncio.gather(
            *(klaviyo.accounts.get_accounts(options=None) for _ in range(20)), return_exceptions=True
        )
        refused = [one for one in found if isinstance(one, RateLimited)]
        assert refused
        assert all(one.retry_after is not None and one.retry_after >= 1 for one in refused)
        with pytest.raises(ConfigurationError):
            _ = klaviyo.limiter


async def test_a_parameters_bucket_is_shared_by_the_operations_that_trigger_it() -> None:
    async with FakeKlaviyo() as fake, Klaviyo(key(), base_url=fake.url, limiter=own()) as klaviyo:
        made = await klaviyo.lists.create_list(name="VIP")
        fields = {"profile": ["predictive_analytics"]}
        await klaviyo.profiles.get_profiles(additional_fields=fields)
        await klaviyo.lists.get_profiles_for_list(made.data.id, additional_fields=fields)
        shot = klaviyo.limiter.snapshot()
        extra = [bucket for bucket in shot.buckets if "predictive_analytics" in bucket.name]
        (bucket,) = extra
        assert bucket.windows[0].rate == "10/s"
        assert bucket.windows[1].spent == 2
        assert bucket_of(shot, "get_profiles").windows[1].spent == 1
        await klaviyo.profiles.get_profiles()
        again = klaviyo.limiter.snapshot()
        assert bucket_of(again, bucket.name).windows[1].spent == 2
        assert bucket_of(again, "get_profiles").windows[1].spent == 2


async def test_snapshot_tells_what_is_left_and_who_waits() -> None:
    async with FakeKlaviyo() as fake, Klaviyo(key(), base_url=fake.url, limiter=own()) as klaviyo:
        calls = [asyncio.create_task(klaviyo.accounts.get_account("x")) for _ in range(3)]
        bulk = asyncio.create_task(klaviyo.accounts.get_account("x", options=RequestOptions(priority="bulk")))
        await asyncio.sleep(0.1)
        shot = klaviyo.limiter.snapshot()
        bucket = bucket_of(shot, "get_account")
        assert bucket.left == 0
        assert dict(bucket.waiting) == {"interactive": 2, "bulk": 1}
        for call in (*calls, bulk):
            call.cancel()
        await asyncio.gather(*calls, bulk, return_exceptions=True)
        bucket = bucket_of(klaviyo.limiter.snapshot(), "get_account")
        assert dict(bucket.waiting) == {"interactive": 0, "bulk": 0}


async def test_interactive_before_bulk_and_first_come_first_served(server: WebServer) -> None:
    server.handler = lambda _: {"data": []}
    limiter = LocalLimiter(overrides={"get_profiles": {"burst": "2/s", "steady": "1000/m"}})
    async with Klaviyo(key(), base_url=server.url, limiter=limiter) as klaviyo:
        bulk = RequestOptions(priority="bulk", headers={"X-Who": "bulk"})
        calls = [asyncio.create_task(_first(klaviyo, bulk)) for _ in range(4)]
        await asyncio.sleep(0.05)
        calls += [asyncio.create_task(_first(klaviyo, RequestOptions(headers={"X-Who": str(n)}))) for n in range(3)]
        await asyncio.gather(*calls)
    order = [request.headers["X-Who"] for request in server.requests]
    assert order[:2] == ["bulk", "bulk"]
    assert order[2:5] == ["0", "1", "2"]
    assert order[5:] == ["bulk", "bulk"]


async def _first(klaviyo: Klaviyo, options: RequestOptions) -> Any:
    return await klaviyo.profiles.get_profiles(options=options)


async def test_cancelling_a_waiting_call_costs_nothing() -> None:
    async with FakeKlaviyo() as fake, Klaviyo(key(), base_url=fake.url) as klaviyo:
        await klaviyo.accounts.get_accounts()
        waiting = [asyncio.create_task(_accounts(klaviyo)) for _ in range(10)]
        await asyncio.sleep(0.05)
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        second = await klaviyo.accounts.get_accounts()
        assert second.http.waited < 5  # ten, had each of the ten its second
        assert len(fake.calls("get_accounts")) == 2


async def _accounts(klaviyo: Klaviyo) -> Any:
    return await klaviyo.accounts.get_accounts()


async def test_a_spent_daily_limit_raises_without_max_wait(server: WebServer) -> None:
    server.handler = lambda _: document({"data": {"type": "list", "id": "1", "attributes": {}}}, 201)
    limiter = LocalLimiter(overrides={"create_list": {"daily": "3/d"}}, clock=time.monotonic)
    async with Klaviyo(key(), base_url=server.url, limiter=limiter) as klaviyo:
        assert operations["create_list"].limits.burst != "1/s"
        for _ in range(3):
            await klaviyo.lists.create_list(name="x")
        with pytest.raises(RateLimitWait) as caught:
            await klaviyo.lists.create_list(name="x")
        assert caught.value.seconds > 600
        assert len(server.requests) == 3
        assert bucket_of(klaviyo.limiter.snapshot(), "create_list").left == 0


async def test_overrides(server: WebServer) -> None:
    server.handler = lambda _: {"data": []}
    limiter = LocalLimiter(overrides={"get_profiles": {"burst": "150/s", "steady": "1500/m"}})
    async with Klaviyo(key(), base_url=server.url, limiter=limiter) as klaviyo:
        await asyncio.gather(*(_first(klaviyo, RequestOptions(max_wait=0)) for _ in range(150)))
        with pytest.raises(RateLimitWait):
            await _first(klaviyo, RequestOptions(max_wait=0))
    assert len(server.requests) == 150


@pytest.mark.parametrize(
    "overrides",
    [
        {"get_profiles": {"burst": "1/m"}},
        {"get_profiles": {"burst": "x"}},
        {"get_profiles": {"burst": "0/s"}},
        {"get_profiles": {"hourly": "1/h"}},
        {"get_profiles": "1/s"},
        {"get_profiles": {"burst": 150}},
    ],
)
def test_overrides_that_can_not_be(overrides: Any) -> None:
    with pytest.raises((ConfigurationError, ValueError, TypeError)):
        LocalLimiter(overrides=overrides)


async def test_a_429_pauses_the_operation_for_all(server: WebServer) -> None:
    left = [429]
    server.handler = lambda _: errors(left.pop(), headers={"Retry-After": "2"}) if left else document({"data": []})
    async with Klaviyo(key(), base_url=server.url, limiter=own()) as klaviyo:
        first = asyncio.create_task(_first(klaviyo, RequestOptions()))
        await until(lambda: any(bucket.frozen_for > 0 for bucket in klaviyo.limiter.snapshot().buckets))
        second = await _first(klaviyo, RequestOptions())
        assert second.http.waited > 0.4
        await first


async def test_headers_correct_the_picture(server: WebServer) -> None:
    server.handler = lambda _: document(
        {"data": []},
        RateLimit_Limit="75, 75;w=1, 750;w=60",
        RateLimit_Remaining="3",
        RateLimit_Reset="1",
    )
    async with Klaviyo(key(), base_url=server.url, limiter=own()) as klaviyo:
        await klaviyo.profiles.get_profiles()
        assert bucket_of(klaviyo.limiter.snapshot(), "get_profiles").left <= 74


@pytest.mark.parametrize(
    "headers",
    [
        {"RateLimit_Limit": "", "RateLimit_Remaining": "", "RateLimit_Reset": ""},
        {"RateLimit_Limit": "x", "RateLimit_Remaining": "-5", "RateLimit_Reset": "soon"},
        {"RateLimit_Limit": "1, 1;w=1, 2;w=60, 225;w=86400", "RateLimit_Remaining": "0", "RateLimit_Reset": "0"},
        {"RateLimit_Limit": "999999999999999999999", "RateLimit_Remaining": "1e9", "RateLimit_Reset": "nan"},
    ],
)
async def test_odd_headers_stop_nothing(server: WebServer, headers: dict[str, str]) -> None:
    server.handler = lambda _: document({"data": []}, 200, **headers)
    async with Klaviyo(key(), base_url=server.url, max_wait=70) as klaviyo:
        assert (await klaviyo.profiles.get_profiles()).data == []
        klaviyo.limiter.snapshot()


async def test_a_call_cancelled_after_sending_keeps_its_token(server: WebServer) -> None:
    arrived = asyncio.Event()

    async def hang(_: Any) -> int:
        arrived.set()
        await asyncio.sleep(5)
        return 200

    server.handler = hang
    async with Klaviyo(key(), base_url=server.url, limiter=own()) as klaviyo:
        call = asyncio.create_task(_first(klaviyo, RequestOptions()))
        await arrived.wait()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await asyncio.sleep(0.05)
        assert bucket_of(klaviyo.limiter.snapshot(), "get_profiles").windows[1].spent == 1


async def test_waited_is_told(server: WebServer) -> None:
    server.handler = lambda _: {"data": {"type": "account", "id": "1", "attributes": {}}}
    async with Klaviyo(key(), base_url=server.url) as klaviyo:
        first = await klaviyo.accounts.get_account("1")
        second = await klaviyo.accounts.get_account("1")
    assert first.http.waited < 0.2
    assert 0.5 < second.http.waited < 3


async def test_redis_that_is_not_there(server: WebServer, caplog: pytest.LogCaptureFixture) -> None:
    server.handler = lambda _: {"data": []}
    limiter = RedisLimiter("redis://:a-password@127.0.0.1:1/0")
    assert "a-password" not in repr(limiter)
    with caplog.at_level(logging.WARNING, "klaviyo_async"):
        async with Klaviyo(key(), base_url=server.url, limiter=limiter) as klaviyo:
            assert (await klaviyo.profiles.get_profiles()).data == []
            assert (await klaviyo.profiles.get_profiles()).data == []
            assert klaviyo.limiter.snapshot().shared is False
    await limiter.close()
    warnings = [
        record for record in caplog.records if record.levelno == logging.WARNING and "edis" in record.getMessage()
    ]
    assert len(warnings) == 1
    assert "a-password" not in caplog.text


def test_limiters_that_can_not_be() -> None:
    for limiter in (True, 5, "redis://localhost"):
        with pytest.raises(ConfigurationError):
            Klaviyo("pk_1", limiter=limiter)  # type: ignore[arg-type]
