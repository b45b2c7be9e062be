"""Fixtures: a loopback server, and clients of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from klaviyo_async import Klaviyo
from tests.http.wire import Recorder
from tests.support.servers import RawServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


SENDS_NOTHING = {"test_import", "test_decisions"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test runs on both ways of a request, but for modules and hypothesis tests that send none."""
    module = metafunc.function.__module__.rpartition(".")[2]
    alone = module in SENDS_NOTHING or getattr(metafunc.function, "is_hypothesis_test", False)
    metafunc.parametrize("way", ["direct"] if alone else ["direct", "usual"], indirect=True)


@pytest.fixture(autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The way of a request; programs that a test starts learn of it from the environment."""
    monkeypatch.setattr("klaviyo_async._http.transport.DIRECT", request.param == "direct")
    monkeypatch.setenv("KLAVIYO_ASYNC_DIRECT", str(int(request.param == "direct")))
    return str(request.param)


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    made = RawServer()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KLAVIYO_API_KEY", raising=False)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
async def klaviyo(server: RawServer, recorder: Recorder) -> AsyncIterator[Klaviyo]:
    async with Klaviyo("pk_very_secret", base_url=server.url, limiter=recorder, timeout=5) as made:
        yield made


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Retries don't sleep, but say for how long they would have."""
    slept: list[float] = []

    async def nap(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("klaviyo_async._http.session.sleep", nap)
    return slept
