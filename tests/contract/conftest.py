"""Fixtures of the contract tests: a FakeKlaviyo with its client, a bare server with another, a fresh interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from klaviyo_async import Klaviyo
from klaviyo_async.testing import FakeKlaviyo
from klaviyo_async.testing.plugin import fake_klaviyo  # noqa: F401 - where the package is not installed, no plugin gives it
from tests.contract.wire import ROOT
from tests.support.servers import WebServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KLAVIYO_API_KEY", raising=False)
    monkeypatch.delenv("KLAVIYO_BASE_URL", raising=False)


@pytest.fixture
async def server() -> AsyncIterator[WebServer]:
    made = WebServer()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def client(server: WebServer) -> AsyncIterator[Klaviyo]:
    """A client of the bare server, with the default limiter left out."""
    async with Klaviyo("pk_contract_key", base_url=server.url, limiter=False, timeout=5) as made:
        yield made


@pytest.fixture
async def fake() -> AsyncIterator[FakeKlaviyo]:
    async with FakeKlaviyo(limits=False) as made:
        yield made


@pytest.fixture
async def klaviyo(fake: FakeKlaviyo) -> AsyncIterator[Klaviyo]:
    async with Klaviyo("pk_test", base_url=fake.url) as made:
        yield made


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between attempts: noted instead of slept."""
    slept: list[float] = []

    async def nap(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("klaviyo_async._http.session.sleep", nap)
    return slept


def _run(source: str, **environment: str) -> str:
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    env.pop("KLAVIYO_API_KEY", None)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", source],
        capture_output=True,
        check=False,
        text=True,
        env=env,
        timeout=60,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def fresh() -> Callable[..., str]:
    """Runs source in an interpreter of its own; gives what it printed."""
    return _run
