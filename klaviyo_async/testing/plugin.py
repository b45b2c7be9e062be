"""The pytest plugin: fixtures `fake_klaviyo` and `klaviyo`. Loaded in every pytest run, so it imports almost nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from klaviyo_async import Klaviyo
    from klaviyo_async.testing import FakeKlaviyo

try:
    # pytest-asyncio's strict mode needs its own decorator
    from pytest_asyncio import fixture as _async_fixture
except ImportError:  # pragma: no cover - anyio's plugin accepts plain async fixtures
    _async_fixture = pytest.fixture  # type: ignore[assignment]


@pytest.fixture
def fake_klaviyo() -> Iterator[FakeKlaviyo]:
    """An empty fake Klaviyo on loopback, without rate limits, in a separate thread, so that it works with async tests,
    sync tests and test clients that run their own event loop."""
    from klaviyo_async.errors import ConfigurationError  # noqa: PLC0415 - only loaded when the fixture is used
    from klaviyo_async.testing.server import FakeKlaviyo  # noqa: PLC0415

    fake = FakeKlaviyo(limits=False)
    try:
        fake.start_thread()
    except ConfigurationError as failure:
        pytest.fail(str(failure), pytrace=False)
    try:
        yield fake
    finally:
        fake.stop_thread()


@_async_fixture
async def klaviyo(fake_klaviyo: FakeKlaviyo) -> AsyncIterator[Klaviyo]:
    """A client for the fake, closed after the test."""
    from klaviyo_async import Klaviyo  # noqa: PLC0415 - only loaded when the fixture is used

    async with Klaviyo("pk_test", base_url=fake_klaviyo.url) as client:
        yield client
