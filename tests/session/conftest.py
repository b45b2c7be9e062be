"""Fixtures: a loopback server, and clients of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from klaviyo_async import Klaviyo
from tests.session.wire import Recorder, Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
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
async def klaviyo(server: Server, recorder: Recorder) -> AsyncIterator[Klaviyo]:
    async with Klaviyo("pk_very_secret", base_url=server.url, limiter=recorder, timeout=5) as made:
        yield made


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Retries don't sleep, but say for how long they would have."""
    slept: list[float] = []

    async def nap(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("klaviyo_async.session.sleep", nap)
    return slept
