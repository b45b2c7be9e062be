"""The session with the real limiter: what a 429 does to it, what cancelling costs, what `max_wait` does."""

from __future__ import annotations

import asyncio
import time

import pytest

from klaviyo_async import ConnectionFailed, Klaviyo, LocalLimiter, RateLimitWait, RequestOptions
from tests.http.wire import PROFILE
from tests.support.servers import RawServer, reply

FAST = {"get_profile": {"burst": "5/s", "steady": "1000/m"}}


async def test_a_429_pauses_and_then_goes_on(server: RawServer) -> None:
    server.plan(reply(429, Retry_After="1"), reply(200, PROFILE))
    async with Klaviyo("pk_limits_1", base_url=server.url, limiter=LocalLimiter(overrides=FAST)) as klaviyo:
        started = time.monotonic()
        document = await klaviyo.profiles.get_profile("01")
        assert time.monotonic() - started >= 1
        assert document.http.attempts == 2
        assert 1 <= document.http.waited < 3


async def test_a_burst_waits_its_turn_and_http_tells_how_long(server: RawServer) -> None:
    server.plan(reply(200, PROFILE))
    async with Klaviyo("pk_limits_2", base_url=server.url, limiter=LocalLimiter(overrides=FAST)) as klaviyo:
        documents = await asyncio.gather(*(klaviyo.profiles.get_profile(str(n)) for n in range(8)))
        waits = sorted(document.http.waited for document in documents)
        assert waits[4] < 0.5
        assert waits[5] > 0.9
        assert {document.http.attempts for document in documents} == {1}
        bucket = klaviyo.limiter.snapshot().bucket("get_profile")
        assert bucket is not None
        assert bucket.in_flight == 0
        hurried = (klaviyo.profiles.get_profile("01", options=RequestOptions(max_wait=0)) for _ in range(6))
        with pytest.raises(RateLimitWait) as caught:
            await asyncio.gather(*hurried)
        assert 0 < caught.value.seconds <= 1.5
        assert caught.value.operation == "get_profile"


async def test_a_call_cancelled_while_it_waits_costs_nothing(server: RawServer) -> None:
    server.plan(reply(200, PROFILE))
    async with Klaviyo("pk_limits_3", base_url=server.url, limiter=LocalLimiter(overrides=FAST)) as klaviyo:
        await asyncio.gather(*(klaviyo.profiles.get_profile(str(n)) for n in range(5)))
        waiting = [asyncio.create_task(klaviyo.profiles.get_profile(str(n))) for n in range(20)]
        await asyncio.sleep(0.05)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        bucket = klaviyo.limiter.snapshot().bucket("get_profile")
        assert bucket is not None
        assert sum(bucket.waiting.values()) == 0
        assert bucket.in_flight == 0
    assert len(server.requests) == 5


async def test_a_refused_connection_gives_its_permit_back(naps: list[float]) -> None:
    async with Klaviyo(
        "pk_limits_4", base_url="http://127.0.0.1:1", limiter=LocalLimiter(overrides=FAST), max_retries=20
    ) as klaviyo:
        with pytest.raises(ConnectionFailed, match="21 attempts") as caught:
            await klaviyo.profiles.get_profile("01")
        assert caught.value.__cause__ is not None
        # With 5 a second, 21 requests that counted would have waited four seconds.
        bucket = klaviyo.limiter.snapshot().bucket("get_profile")
        assert bucket is not None
        assert [window.spent for window in bucket.windows] == [0, 0]


async def test_an_unknown_operation_has_the_limits_of_tier_s(server: RawServer) -> None:
    server.plan(reply(200, b"{}"))
    async with Klaviyo("pk_limits_5", base_url=server.url, limiter=LocalLimiter()) as klaviyo:
        for number in range(3):
            await klaviyo.request("GET", f"/api/brand-new/{number}")
        bucket = klaviyo.limiter.snapshot().bucket("GET /api/brand-new")
        assert bucket is not None
        assert [str(window.rate) for window in bucket.windows] == ["3/s", "60/m"]
        with pytest.raises(RateLimitWait):
            await klaviyo.request("GET", "/api/brand-new/4", options=RequestOptions(max_wait=0.01))


async def test_an_override_names_it(server: RawServer) -> None:
    server.plan(reply(200, b"{}"))
    limiter = LocalLimiter(overrides={"GET /api/brand-new": {"burst": "50/s", "steady": "100/m"}})
    async with Klaviyo("pk_limits_6", base_url=server.url, limiter=limiter) as klaviyo:
        await asyncio.gather(
            *(klaviyo.request("GET", f"/api/brand-new/{n}", options=RequestOptions(max_wait=0.01)) for n in range(20))
        )
