"""One loopback server that keeps what it was sent byte for byte, and one client of it, for all tests of a module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from codegen.specs.assemble import load_revision
from klaviyo_async import REVISION, Klaviyo
from tests.operations.expected import SPECS
from tests.support.servers import RawServer
from tests.support.synthesis import Synthesiser

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEY = "pk_test_of_every_operation"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def recorder() -> AsyncIterator[RawServer]:
    made = RawServer()
    await made.start()
    yield made
    await made.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def klaviyo(recorder: RawServer) -> AsyncIterator[Klaviyo]:
    async with Klaviyo(KEY, company_id="COMPA1", base_url=recorder.url, limiter=False, max_retries=0) as client:
        yield client


@pytest.fixture(scope="session")
def synthesiser() -> Synthesiser:
    return Synthesiser(load_revision(SPECS, REVISION).document)
