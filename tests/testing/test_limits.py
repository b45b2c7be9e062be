"""Limits: fixed windows of random phase, counted per account and operation, told in headers, refused with a 429."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klaviyo_async import operations
from klaviyo_async.limiter import _unlimited
from klaviyo_async.testing import Clock, FakeKlaviyo
from klaviyo_async.testing.limits import RateLimits
from klaviyo_async.testing.problems import Problem


@pytest.fixture
async def limited():
    async with FakeKlaviyo(seed=1) as fake:
        fake.clock.freeze(datetime(2026, 1, 1, tzinfo=UTC))
        yield fake


async def test_headers_tell_the_first_window(limited, make_sender):
    async with make_sender(limited) as send:
        first = await send("GET", "/api/profiles")
        assert first.headers["RateLimit-Limit"] == "75, 75;w=1, 750;w=60"
        assert first.headers["RateLimit-Remaining"] == "74"
        assert first.headers["RateLimit-Reset"] == "0"
        assert (await send("GET", "/api/profiles")).headers["RateLimit-Remaining"] == "73"
        refused = await send("GET", "/api/profiles?nonsense=1")
        assert (refused.status, refused.headers["RateLimit-Remaining"]) == (400, "72")
        daily = await send("POST", "/api/campaign-values-reports", json={})
        assert daily.headers["RateLimit-Limit"] == "1, 1;w=1, 2;w=60, 225;w=86400"
        assert daily.headers["RateLimit-Remaining-Daily"] == "224"
        wrong = await send("GET", "/api/profiles", headers={"Authorization": "Klaviyo-API-Key nope"})
        assert "RateLimit-Limit" not in wrong.headers


async def test_past_the_limit_there_is_only_a_retry_after(limited, make_sender):
    async with make_sender(limited) as send:
        answers = [await send("GET", "/api/accounts") for _ in range(2)]
        assert [one.status for one in answers] == [200, 429]
        refused = answers[1]
        assert refused.headers["Retry-After"] == "1"
        assert not [name for name in refused.headers if name.lower().startswith("ratelimit")]
        assert refused.error["code"] == "throttled"
        assert refused.error["detail"] == "Request was throttled. Expected available in 1 second."
        assert refused.error["links"]["type"].startswith("https://developers.klaviyo.com")
        limited.clock.advance(1)
        assert (await send("GET", "/api/accounts")).status == 200
        assert limited.responses[429] == 1


async def test_the_steady_window_asks_for_more_patience(limited, make_sender):
    async with make_sender(limited) as send:
        statuses = []
        for _ in range(16):
            statuses.append(await send("GET", "/api/accounts"))
            limited.clock.advance(1)
        refused = [one for one in statuses if one.status == 429]
        assert len(refused) <= 1
        while not refused:
            answer = await send("GET", "/api/accounts")
            limited.clock.advance(1)
            refused = [answer] if answer.status == 429 else []
        assert 1 <= int(refused[0].headers["Retry-After"]) <= 60
        limited.clock.advance(int(refused[0].headers["Retry-After"]))
        assert (await send("GET", "/api/accounts")).status == 200


async def test_parameters_have_buckets_that_operations_share(limited, make_sender):
    async with make_sender(limited) as send:
        predictive = "additional-fields[profile]=predictive_analytics"
        first = await send("GET", f"/api/profiles?{predictive}")
        assert first.headers["RateLimit-Limit"] == "10, 10;w=1, 150;w=60"
        group = limited.store.add("list", {"name": "L"})["id"]
        for _ in range(9):
            assert (await send("GET", f"/api/lists/{group}/profiles?{predictive}")).status == 200
        assert (await send("GET", f"/api/profiles?{predictive}")).status == 429
        assert (await send("GET", "/api/profiles")).status == 200


async def test_accounts_and_apps_have_their_own_quota(limited, make_sender):
    token = limited.oauth.issue()["access_token"]
    async with make_sender(limited) as send:
        assert (await send("GET", "/api/accounts")).status == 200
        other = await send("GET", "/api/accounts", headers={"Authorization": "Klaviyo-API-Key pk_another"})
        assert other.status == 429
        app = await send("GET", "/api/accounts", headers={"Authorization": f"Bearer {token}"})
        assert app.status == 200


async def test_limits_scale_and_go(make_sender):
    async with FakeKlaviyo(limits=10) as fake, make_sender(fake) as send:
        fake.clock.freeze(datetime(2026, 1, 1, tzinfo=UTC))
        assert [(await send("GET", "/api/accounts")).status for _ in range(10)] == [200] * 10
        assert (await send("GET", "/api/accounts")).status == 429
    async with FakeKlaviyo(limits=False) as fake, make_sender(fake) as send:
        answers = [await send("GET", "/api/accounts") for _ in range(30)]
        assert {one.status for one in answers} == {200}
        assert "RateLimit-Limit" not in answers[0].headers


@settings(max_examples=80)
@given(steps=st.lists(st.floats(0, 3, allow_nan=False), min_size=1, max_size=300), seed=st.integers(0, 1000))
def test_no_window_ever_takes_more_than_its_limit(steps, seed):
    clock = Clock()
    clock.freeze(datetime(2026, 1, 1, tzinfo=UTC))
    limits = RateLimits(clock, random.Random(seed))
    operation = operations["get_accounts"]
    taken = []
    for step in steps:
        clock.advance(step)
        try:
            limits.take("account", operation, {})
        except Problem as problem:
            # what it promises is kept
            clock.advance(int(problem.headers["Retry-After"]))
            limits.take("account", operation, {})
        taken.append(clock.time())
    for window in next(iter(limits._sets.values())):
        counts = {}
        for one in taken:
            number = (one - window.phase) // window.seconds
            counts[number] = counts.get(number, 0) + 1
        assert max(counts.values()) <= window.limit


def test_phases_differ_and_a_seed_repeats_them():
    def phases(seed):
        limits = RateLimits(Clock(), random.Random(seed))
        limits.take("account", operations["get_accounts"], {})
        limits.take("account", operations["get_lists"], {})
        return [window.phase for windows in limits._sets.values() for window in windows]

    assert len(set(phases(1))) == 4
    assert phases(1) == phases(1) != phases(2)


async def test_without_limits_the_clients_of_this_process_are_told(make_sender):
    others = set(_unlimited.ORIGINS)  # of tests that were interrupted
    async with FakeKlaviyo(limits=False) as fake:
        assert {fake.url, fake.url.replace("127.0.0.1", "localhost")} <= _unlimited.ORIGINS
        async with FakeKlaviyo() as limited:
            assert limited.url not in _unlimited.ORIGINS
    assert others >= _unlimited.ORIGINS
    with FakeKlaviyo(limits=False) as threaded:
        assert threaded.url in _unlimited.ORIGINS
    assert others >= _unlimited.ORIGINS
