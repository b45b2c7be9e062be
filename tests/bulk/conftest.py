"""A fake Klaviyo without limits whose jobs are quick, and a client of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from klaviyo_async import Klaviyo
from klaviyo_async.bulk._import import jobs as jobs_module
from klaviyo_async.bulk._import import run as run_module
from klaviyo_async.testing import FakeKlaviyo

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are looked at sooner."""
    monkeypatch.setattr(jobs_module, "SHORTEST", 0.01)
    monkeypatch.setattr(run_module, "BUSY", 0.01)


@pytest.fixture
async def fake() -> AsyncIterator[FakeKlaviyo]:
    async with FakeKlaviyo(limits=False, job_seconds=0.01) as fake:
        yield fake


@pytest.fixture
async def klaviyo(fake: FakeKlaviyo) -> AsyncIterator[Klaviyo]:
    async with Klaviyo("pk_test", base_url=fake.url, company_id="AbC123") as klaviyo:
        yield klaviyo
