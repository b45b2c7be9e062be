"""The revision header."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from klaviyo_async import REVISION


@pytest.mark.parametrize("revision", [REVISION, "2025-04-15", "2031-01-15", f"{REVISION}.pre"])
async def test_a_well_formed_revision_is_served_as_its_own(send, revision):
    answer = await send("GET", "/api/lists", headers={"revision": revision})
    assert answer.status == 200
    assert answer.headers["X-Klaviyo-Api-Revision"] == revision
    retirement = f"{int(revision[:4]) + 2}-{revision[5:10]}"
    assert answer.headers["X-Klaviyo-Api-Retirement-Date"] == retirement


@pytest.mark.parametrize("revision", ["", "latest", "2026-13-01", "2026-4-15", "20260415"])
async def test_others_are_refused(send, revision):
    answer = await send("GET", "/api/lists", headers={"revision": revision})
    assert answer.status == 400
    assert answer.error["source"] == {"parameter": "revision"}


async def test_a_retired_revision_falls_forward_unless_it_must_not(send, fake):
    fake.clock.freeze(datetime(2027, 4, 15, tzinfo=UTC))
    old = {"revision": "2025-04-15"}
    assert (await send("GET", "/api/lists", headers=old)).status == 200
    gone = await send("GET", "/api/lists", headers={**old, "X-Klaviyo-Revision-Fall-Forward-Opt-Out": "1"})
    assert gone.status == 410
    later = {"revision": "2025-04-16", "X-Klaviyo-Revision-Fall-Forward-Opt-Out": "1"}
    assert (await send("GET", "/api/lists", headers=later)).status == 200
