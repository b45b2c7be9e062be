"""The table of what is tried again, and how long each waits."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klaviyo_async import APIError, Klaviyo, NotFound, RateLimited, RateLimitWait, RequestOptions, ServerError
from klaviyo_async import _retry as retry
from tests.http.wire import PROFILE, Recorder
from tests.support.servers import RawServer, reply

SAFE = ("get_profile", "update_profile", "delete_list", "add_profiles_to_list", "create_or_update_profile")
UNSAFE = ("create_profile", "create_event", "send_campaign", "create_list")
TABLE = {
    400: (), 401: (), 403: (), 404: (), 405: (), 408: (), 409: (), 410: (), 413: (), 415: (), 422: (), 425: (),
    429: (*SAFE, *UNSAFE), 500: SAFE, 501: (), 502: SAFE, 503: (*SAFE, *UNSAFE), 504: SAFE, 520: SAFE, 521: SAFE, 522: SAFE,
    523: SAFE, 524: SAFE, 525: (), 530: (),
}  # fmt: skip


def call(klaviyo: Klaviyo, name: str, options: RequestOptions | None = None) -> Any:
    return {
        "get_profile": lambda: klaviyo.profiles.get_profile("01", options=options),
        "update_profile": lambda: klaviyo.profiles.update_profile("01", email="a@x.com", options=options),
        "delete_list": lambda: klaviyo.lists.delete_list("L", options=options),
        "add_profiles_to_list": lambda: klaviyo.lists.add_profiles_to_list("L", ["01"], options=options),
        "create_or_update_profile": lambda: klaviyo.profiles.create_or_update_profile(email="a@x.com", options=options),
        "create_profile": lambda: klaviyo.profiles.create_profile(email="a@x.com", options=options),
        "create_event": lambda: klaviyo.events.create_event(
            metric={"name": "m"}, profile={"email": "a@x.com"}, properties={}, options=options
        ),
        "send_campaign": lambda: klaviyo.campaigns.send_campaign(id="C", options=options),
        "create_list": lambda: klaviyo.lists.create_list(name="n", options=options),
    }[name]()


@pytest.mark.parametrize("status", TABLE)
async def test_the_table(server: RawServer, klaviyo: Klaviyo, naps: list[float], status: int) -> None:
    for name in (*SAFE, *UNSAFE):
        before = len(server.requests)
        server.plan(reply(status), reply(204, content_type=None))
        if name in TABLE[status]:
            await call(klaviyo, name)
            assert len(server.requests) - before == 2
            assert server.requests[-1].body == server.requests[-2].body
        else:
            with pytest.raises(APIError) as caught:
                await call(klaviyo, name)
            assert caught.value.status == status
            assert len(server.requests) - before == 1
    assert len(naps) == len(TABLE[status])


async def test_retries_end(server: RawServer, klaviyo: Klaviyo, recorder: Recorder, naps: list[float]) -> None:
    server.plan(reply(503))
    with pytest.raises(ServerError, match="6 attempts") as caught:
        await klaviyo.profiles.get_profile("01")
    assert caught.value.attempts == 6
    assert caught.value.waited == pytest.approx(sum(naps))
    assert len(naps) == 5
    assert recorder.fates == [503] * 6
    with pytest.raises(ServerError):
        await klaviyo.profiles.get_profile("01", options=RequestOptions(max_retries=0))
    assert len(naps) == 5


async def test_the_backoff_is_full_jitter_doubling_and_capped(
    server: RawServer, klaviyo: Klaviyo, naps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("klaviyo_async._retry.pause.__kwdefaults__", {"uniform": lambda low, high: low + high})
    server.plan(reply(503))
    with pytest.raises(ServerError):
        await klaviyo.profiles.get_profile("01", options=RequestOptions(max_retries=9))
    assert naps == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


@given(st.integers(1, 5000), st.floats(0, 1))
def test_a_backoff_is_within_its_bounds(attempt: int, draw: float) -> None:
    seconds = retry.backoff(attempt, uniform=lambda low, high: low + (high - low) * draw)
    assert 0 <= seconds <= min(retry.CAP, retry.BASE * 2 ** min(attempt - 1, 50))


def test_the_jitter_is_full() -> None:
    draws = sorted(retry.backoff(3) for _ in range(2000))
    assert draws[0] < 0.1
    assert draws[-1] > 1.9
    assert sum(draws) / len(draws) == pytest.approx(1.0, abs=0.1)


@given(st.integers(1, 50), st.none() | st.floats(0, 86400))
def test_a_pause_is_never_shorter_than_asked(attempt: int, asked: float | None) -> None:
    pause = retry.pause(attempt, asked)
    assert pause.seconds >= (asked or 0)
    assert pause.asked is bool(asked)
    assert pause.seconds <= max(retry.CAP, (asked or 0) + 0.25)


NOW = datetime(2026, 4, 15, 12, 0, 0, tzinfo=UTC)


@given(st.integers(0, 10**6))
def test_retry_after_in_seconds(seconds: int) -> None:
    assert retry.retry_after({"Retry-After": f" {seconds} "}) == seconds


@given(st.integers(-(10**6), 10**6))
def test_retry_after_as_a_date(offset: int) -> None:
    date = format_datetime(NOW + timedelta(seconds=offset), usegmt=True)
    assert retry.retry_after({"Retry-After": date}, NOW.timestamp()) == max(0, offset)
    # The server's clock is what the date is about, however far ours is off.
    answered = {"retry-after": date, "date": format_datetime(NOW, usegmt=True)}
    assert retry.retry_after(answered, NOW.timestamp() - 3600) == max(0, offset)
    assert retry.retry_after(answered) == max(0, offset)
    assert retry.retry_after({"Retry-After": date, "Date": "yesterday"}, NOW.timestamp()) == max(0, offset)


@given(st.text())
def test_a_retry_after_that_makes_no_sense_is_none(text: str) -> None:
    seconds = retry.retry_after({"Retry-After": text})
    assert seconds is None or (seconds >= 0 and math.isfinite(seconds))


@pytest.mark.parametrize("text", ["", "soon", "nan", "inf", "-inf", "1e999", "Wed, 99 Foo 2026", "12 34"])
def test_retry_afters_that_make_no_sense(text: str) -> None:
    assert retry.retry_after({"Retry-After": text}) is None


async def test_retry_after_is_obeyed(server: RawServer, klaviyo: Klaviyo, naps: list[float]) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    server.plan(reply(429, Retry_After="7"), reply(503, Retry_After=date), reply(200, PROFILE))
    document = await klaviyo.profiles.get_profile("01")
    assert 7 <= naps[0] <= 7.25
    assert 38 <= naps[1] <= 40.25
    assert document.http.attempts == 3
    assert document.http.waited == pytest.approx(sum(naps))


class TestMaxWait:
    async def test_a_longer_retry_after_raises_at_once(
        self, server: RawServer, klaviyo: Klaviyo, naps: list[float]
    ) -> None:
        server.plan(reply(429, Retry_After="60"))
        with pytest.raises(RateLimitWait, match=r"get_profile: .*60 s.*max_wait") as caught:
            await klaviyo.profiles.get_profile("01", options=RequestOptions(max_wait=10))
        assert caught.value.seconds == 60
        assert caught.value.operation == "get_profile"
        assert isinstance(caught.value.__cause__, RateLimited)
        assert naps == []

    async def test_counts_what_was_waited_already(self, server: RawServer, klaviyo: Klaviyo, naps: list[float]) -> None:
        server.plan(reply(429, Retry_After="6"))
        with pytest.raises(RateLimitWait):
            await klaviyo.profiles.get_profile("01", options=RequestOptions(max_wait=10))
        assert len(naps) == 1
        assert sum(naps) <= 10

    async def test_is_what_the_limiter_is_told(self, server: RawServer, naps: list[float]) -> None:
        recorder = Recorder(waits=2.0)
        server.plan(reply(429, Retry_After="3"), reply(200, PROFILE))
        async with Klaviyo("pk_x", base_url=server.url, limiter=recorder, max_wait=20) as klaviyo:
            document = await klaviyo.profiles.get_profile("01", options=RequestOptions(priority="bulk"))
        first, second = recorder.asked
        assert first["max_wait"] == 20
        assert second["max_wait"] == pytest.approx(20 - 2 - naps[0])
        assert first["priority"] == "bulk"
        assert document.http.waited == pytest.approx(4 + naps[0])

    async def test_backoffs_stay_inside_it(self, server: RawServer, klaviyo: Klaviyo, naps: list[float]) -> None:
        server.plan(reply(503))
        with pytest.raises(ServerError):
            await klaviyo.profiles.get_profile("01", options=RequestOptions(max_wait=0.2, max_retries=50))
        assert sum(naps) <= 0.2
        with pytest.raises(ServerError):
            await klaviyo.profiles.get_profile("01", options=RequestOptions(max_wait=0))

    async def test_can_be_lifted_for_one_call(self, server: RawServer, naps: list[float]) -> None:
        server.plan(reply(429, Retry_After="60"), reply(200, PROFILE))
        async with Klaviyo("pk_x", base_url=server.url, limiter=False, max_wait=1) as klaviyo:
            await klaviyo.profiles.get_profile("01", options=RequestOptions(max_wait=math.inf))

    async def test_hours_are_not_slept_through_without_it(
        self, server: RawServer, klaviyo: Klaviyo, naps: list[float]
    ) -> None:
        server.plan(reply(429, Retry_After="36000"))
        with pytest.raises(RateLimitWait, match="36000 s, longer than the client waits by itself") as caught:
            await klaviyo.profiles.get_profile("01")
        assert caught.value.seconds == 36000
        assert naps == []


async def test_the_last_429_tells_when(server: RawServer, klaviyo: Klaviyo, naps: list[float]) -> None:
    server.plan(reply(429, Retry_After="5"))
    with pytest.raises(RateLimited) as caught:
        await klaviyo.profiles.get_profile("01", options=RequestOptions(max_retries=1))
    assert caught.value.retry_after == 5
    assert (await _raised(server, klaviyo, reply(429))).retry_after is None


async def _raised(server: RawServer, klaviyo: Klaviyo, last: bytes) -> Any:
    server.plan(last)
    with pytest.raises(APIError) as caught:
        await klaviyo.profiles.get_profile("01", options=RequestOptions(max_retries=0))
    return caught.value


async def test_request_is_retried_like_the_others(server: RawServer, klaviyo: Klaviyo, naps: list[float]) -> None:
    server.plan(reply(504), reply(200, b"{}"))
    assert await klaviyo.request("GET", "/api/new") == {}
    server.plan(reply(504), reply(200, b"{}"))
    with pytest.raises(ServerError):
        await klaviyo.request("POST", "/api/new", json={})
    server.plan(reply(503), reply(200, b"{}"))
    assert await klaviyo.request("POST", "/api/new", json={}) == {}


@pytest.mark.parametrize("lost", [reply(500), reply(524), b"HTTP/1.1 20", reply(200, b"{", length=5)])
async def test_a_repeated_delete_that_finds_nothing_has_succeeded(
    server: RawServer, naps: list[float], lost: bytes
) -> None:
    seen: list[int] = []

    async def look(request: Any, call_next: Any) -> Any:
        response = await call_next(request)
        seen.append(response.status)
        return response

    async def break_off(_request: Any, writer: Any) -> bool:
        writer.write(lost)
        return not lost.startswith((b"HTTP/1.1 500", b"HTTP/1.1 524"))

    gone = reply(404, b'{"errors":[{"detail":"gone"}]}')
    async with Klaviyo("pk_x", base_url=server.url, limiter=False, middlewares=[look]) as klaviyo:
        for call in (lambda: klaviyo.lists.delete_list("L"), lambda: klaviyo.request("DELETE", "/api/new/1")):
            server.plan(break_off, gone)
            assert await call() is None
            server.plan(gone)
            with pytest.raises(NotFound):
                await call()
            server.plan(reply(503), gone)
            with pytest.raises(NotFound):
                await call()
    assert seen[-1] == 404


async def test_retries_are_logged_for_debugging_only(
    server: RawServer, klaviyo: Klaviyo, naps: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "klaviyo_async")
    server.plan(reply(503), reply(200, PROFILE))
    await klaviyo.profiles.get_profile("01")
    assert {record.levelname for record in caplog.records} == {"DEBUG"}
    assert "get_profile: attempt 2 in" in caplog.text
