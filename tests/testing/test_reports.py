"""Reports: a row for each campaign, flow, form or segment, with figures that stay the same."""

from __future__ import annotations

import pytest

from klaviyo_async import Klaviyo
from klaviyo_async.testing import FakeKlaviyo

LAST_WEEK = {"key": "last_7_days"}


@pytest.fixture
async def fake():
    async with FakeKlaviyo(limits=False) as made:
        yield made


@pytest.fixture
async def klaviyo(fake):
    async with Klaviyo("pk_test", base_url=fake.url) as made:
        yield made


@pytest.fixture
def metric(fake):
    return fake.store.add("metric", {"name": "Placed Order"})["id"]


async def campaign(klaviyo, name):
    audience = await klaviyo.lists.create_list(name=f"For {name}")
    content = {"subject": "Hi", "from_email": "me@shop.com", "from_label": "Shop"}
    made = await klaviyo.campaigns.create_campaign(
        name=name,
        audiences={"included": [audience.data.id]},
        campaign_messages=[{"definition": {"channel": "email", "label": name, "content": content}}],
    )
    return made.data.id


async def test_a_row_for_each_campaign(klaviyo, metric):
    ids = [await campaign(klaviyo, name) for name in ("May", "June")]

    async def ask(**facts):
        report = await klaviyo.reporting.query_campaign_values(
            statistics=["opens", "open_rate"], timeframe=LAST_WEEK, conversion_metric_id=metric, **facts
        )
        return report.to_dict()["data"]["attributes"]["results"]

    results = await ask()
    assert [one["groupings"]["campaign_id"] for one in results] == ids
    assert {one["groupings"]["send_channel"] for one in results} == {"email"}
    for one in results:
        assert one["statistics"].keys() == {"opens", "open_rate"}
        assert one["statistics"]["opens"].is_integer()
        assert 0 <= one["statistics"]["open_rate"] < 1
    assert results[0]["statistics"] != results[1]["statistics"]
    assert await ask() == results
    assert await ask(filter=f'equals(campaign_id,"{ids[1]}")') == results[1:]
    (one,) = await ask(group_by=["send_channel"])
    assert one["groupings"] == {"send_channel": "email"}


@pytest.mark.parametrize(
    ("interval", "timeframe", "count"),
    [
        ("daily", LAST_WEEK, 7),
        ("hourly", {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00"}, 24),
        ("weekly", {"start": "2026-01-01T00:00:00", "end": "2026-01-29T00:00:00"}, 4),
        ("monthly", {"start": "2026-01-01T00:00:00", "end": "2026-04-01T00:00:00"}, 3),
    ],
)
async def test_a_series_has_a_figure_for_each_date(klaviyo, fake, interval, timeframe, count):
    fake.store.add("segment", {"name": "Gold"})
    report = await klaviyo.reporting.query_segment_series(
        statistics=["total_members"], timeframe=timeframe, interval=interval
    )
    attributes = report.data.attributes
    assert len(attributes.date_times) == count
    (row,) = report.to_dict()["data"]["attributes"]["results"]
    assert len(row["statistics"]["total_members"]) == count
