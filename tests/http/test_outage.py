"""An outage: what is logged, what is held back, and how requests start again."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

import pytest

from klaviyo_async import ConnectionFailed, Klaviyo, NotFound, RequestOptions, ServerError
from klaviyo_async._http.outage import IN_A_ROW, Outage
from klaviyo_async.middleware import Response
from tests.http.wire import PROFILE
from tests.support.servers import RawServer, Received, reply

if TYPE_CHECKING:
    from collections.abc import Callable

OK = Response(status=200)
BROKEN = Response(status=502)
NO_RETRIES = RequestOptions(max_retries=0)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def struck(clock: Callable[[], float] = time.monotonic) -> Outage:
    outage = Outage(clock=clock)
    for _ in range(IN_A_ROW):
        assert not outage.holds
        outage.note("get_profile", BROKEN)
    assert outage.holds
    return outage


def test_only_failures_in_a_row_are_an_outage() -> None:
    outage = Outage()
    for _ in range(IN_A_ROW * 5):
        outage.note("get_profile", BROKEN)
        outage.note("get_profile", Response(status=404))
    assert not outage.holds
    for _ in range(IN_A_ROW * 2):
        outage.note("get_profile", Response(status=429))
    assert not outage.holds


async def test_requests_start_again_as_a_ramp() -> None:
    outage = struck()
    most: list[int] = []
    out = 0

    async def make() -> Response:
        nonlocal out
        out += 1
        most.append(out)
        await asyncio.sleep(0.001)
        out -= 1
        outage.note("get_profile", OK)
        return OK

    async def call() -> None:
        await (outage.hold("get_profile", make, 60) if outage.holds else make())

    await asyncio.gather(*(call() for _ in range(200)))
    assert most[0] == most[1] == 1
    assert max(most[:4]) <= 4
    assert not outage.holds
    assert outage.fine
    assert len(most) == 200


async def test_while_it_lasts_one_request_at_a_time_finds_out() -> None:
    outage = struck()
    at_once: list[int] = []
    out = 0

    async def make() -> Response:
        nonlocal out
        out += 1
        at_once.append(out)
        await asyncio.sleep(0)
        outage.note("get_profile", BROKEN)
        out -= 1
        return BROKEN

    await asyncio.gather(*(outage.hold("get_profile", make, 60) for _ in range(10)))
    assert at_once == [1] * 10
    assert outage.holds


async def test_a_cancelled_waiter_takes_no_turn() -> None:
    outage = struck()
    turn = asyncio.Event()

    async def wait() -> Response:
        await turn.wait()
        return OK

    first = asyncio.create_task(outage.hold("get_profile", wait, 60))
    await asyncio.sleep(0)
    others = [asyncio.create_task(outage.hold("get_profile", wait, 60)) for _ in range(3)]
    await asyncio.sleep(0)
    others[0].cancel()
    turn.set()
    await asyncio.gather(first, *others[1:])
    assert outage._out == 0
    assert not outage._waiting


async def test_no_one_waits_longer_than_it_may() -> None:
    outage = struck()

    async def make() -> Response:
        return OK

    async def stall() -> Response:
        await asyncio.sleep(30)
        return OK

    stalled = asyncio.create_task(outage.hold("get_profile", stall, 60))
    await asyncio.sleep(0)
    async with asyncio.timeout(2):
        await outage.hold("get_profile", make, 0.01)
    stalled.cancel()


def test_one_warning_a_minute_and_operation(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "klaviyo_async")
    clock = Clock()
    outage = Outage(clock=clock)
    for _ in range(120):
        for operation in ("get_profile", "get_lists"):
            outage.gave_up(operation, BROKEN)
            outage.gave_up(operation, Response(status=404))
        clock.now += 1
    for operation in ("get_profile", "get_lists", "get_profile"):
        outage.note(operation, OK)
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert said == [
        ("WARNING", "get_profile fails (status 502): 1 call since 0 s."),
        ("WARNING", "get_lists fails (status 502): 1 call since 0 s."),
        ("WARNING", "get_profile fails (status 502): 61 calls since 60 s."),
        ("WARNING", "get_lists fails (status 502): 61 calls since 60 s."),
        ("WARNING", "get_profile works again, after 120 s."),
        ("WARNING", "get_lists works again, after 120 s."),
    ]
    assert outage.fine


async def test_an_outage_with_many_tasks(
    server: RawServer, caplog: pytest.LogCaptureFixture, naps: list[float]
) -> None:
    caplog.set_level(logging.INFO, "klaviyo_async")
    at_once = most = 0

    async def busy(_request: Received, writer: asyncio.StreamWriter) -> bool:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.002)
        at_once -= 1
        writer.write(reply(200, PROFILE))
        return False

    server.plan(reply(502))
    async with Klaviyo("pk_x", base_url=server.url, limiter=False) as klaviyo:

        async def call() -> Any:
            try:
                return await klaviyo.profiles.get_profile("01", options=RequestOptions(max_retries=2))
            except ServerError as error:
                return error

        ended = await asyncio.gather(*(call() for _ in range(50)))
        assert all(isinstance(error, ServerError) for error in ended)
        assert len(caplog.records) <= 2
        caplog.clear()
        server.plan(busy)
        await asyncio.gather(*(call() for _ in range(50)))
        assert most <= 32
        await asyncio.gather(*(call() for _ in range(20)))
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "works again" in caplog.text
        assert klaviyo._session.outage.fine


async def test_an_error_of_the_requests_own_is_no_trouble(server: RawServer, caplog: pytest.LogCaptureFixture) -> None:
    server.plan(reply(404))
    async with Klaviyo("pk_x", base_url=server.url, limiter=False) as klaviyo:
        for _ in range(30):
            with pytest.raises(NotFound):
                await klaviyo.profiles.get_profile("01")
        assert klaviyo._session.outage.fine
    assert caplog.records == []


async def test_a_refused_connection_is(caplog: pytest.LogCaptureFixture) -> None:
    async with Klaviyo("pk_x", base_url="http://127.0.0.1:1", limiter=False) as klaviyo:
        with pytest.raises(ConnectionFailed):
            await klaviyo.profiles.get_profile("01", options=NO_RETRIES)
    assert [record.getMessage() for record in caplog.records] == [
        "get_profile fails (ConnectionFailed): 1 call since 0 s."
    ]
