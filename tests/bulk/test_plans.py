"""Plans: parts that are plain JSON, run one by one, and reports that add up."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klaviyo_async import F, Klaviyo, QueryError
from klaviyo_async.bulk import ExportReport, merge
from klaviyo_async.bulk._export.export import Export, Setup
from klaviyo_async.bulk._export.plan import planned
from tests.bulk.lists import BEGIN, Lists
from tests.bulk.test_export import add_events, fake, klaviyo, uneven
from tests.bulk.test_export_files import rows_of
from tests.bulk.test_splitting import OFFERS, source, times
from tests.limiter.virtual import VirtualLoop, run

if TYPE_CHECKING:
    from pathlib import Path

    from klaviyo_async.testing import FakeKlaviyo

__all__ = ["fake", "klaviyo"]


async def test_the_parts_together_have_every_record_once(fake: FakeKlaviyo, klaviyo: Klaviyo, tmp_path: Path) -> None:
    ids = add_events(fake, uneven(600))
    plan = await klaviyo.bulk.plan_export(klaviyo.events.get_events, split_on="datetime", parts=8, page_size=50)
    assert 4 <= len(plan.parts) <= 8
    assert "pk_" not in json.dumps(plan.parts)
    got: list[str] = []
    reports = []
    for part in json.loads(json.dumps(plan.parts)):
        out = tmp_path / f"{part['number']}.ndjson"
        report = await klaviyo.bulk.run(part, out=out)
        reports.append(json.loads(json.dumps(report.to_dict())))
        got += [row["id"] for row in rows_of(out)]
    assert sorted(got) == sorted(ids)
    merged = merge(reports)
    assert merged.records == 600
    assert merged.missing == ()
    assert merged.requests == sum(report["requests"] for report in reports)
    assert len(merged.out) == len(plan.parts)
    assert merge(reports[1:]).missing == (0,)


async def test_a_part_that_is_run_twice_counts_once(fake: FakeKlaviyo, klaviyo: Klaviyo, tmp_path: Path) -> None:
    add_events(fake, list(range(100)))
    plan = await klaviyo.bulk.plan_export(klaviyo.events.get_events, parts=2, page_size=20)
    reports = [
        await klaviyo.bulk.run(part, out=tmp_path / f"{part['number']}.csv") for part in (*plan.parts, plan.parts[0])
    ]
    assert merge(reports).records == 100


async def test_a_part_carries_the_whole_call(fake: FakeKlaviyo, klaviyo: Klaviyo, tmp_path: Path) -> None:
    add_events(fake, list(range(50)))
    (profile,) = fake.store.all("profile")
    other = fake.store.add("profile", {"email": "two@example.com"})["id"]
    until = BEGIN + timedelta(days=1000)
    for wanted, count in ((profile["id"], 50), (other, 0)):
        plan = await klaviyo.bulk.plan_export(
            klaviyo.events.get_events,
            filter=F("profile_id").equals(wanted),
            fields={"event": ["uuid"]},
            until=until,
            parts=3,
        )
        got = []
        for part in plan.parts:
            out = tmp_path / "part.ndjson"
            await klaviyo.bulk.run(part, out=out)
            got += rows_of(out)
        assert len(got) == count
        assert all("event_properties" not in row["attributes"] for row in got)


async def test_what_can_not_be_split_is_one_part(fake: FakeKlaviyo, klaviyo: Klaviyo, tmp_path: Path) -> None:
    before = fake.store.count("tag")
    for number in range(70):
        fake.store.add("tag", {"name": f"{number}"})
    plan = await klaviyo.bulk.plan_export(klaviyo.tags.get_tags, parts=8)
    (part,) = plan.parts
    assert (await klaviyo.bulk.run(part, out=tmp_path / "tags.parquet")).records == before + 70


@settings(max_examples=40)
@given(found=times(fraction=True), page=st.integers(1, 7), offered=st.sampled_from(OFFERS), parts=st.integers(1, 9))
def test_plans_of_any_times(found: Any, page: int, offered: Any, parts: int) -> None:
    async def main(loop: VirtualLoop) -> None:
        lists = Lists(found, fraction=True, latency=lambda: 0.1)
        plan = await planned(source(lists, offered, page_size=page), (), parts)
        got: list[str] = []
        for part in plan.parts:
            bounds: dict[str, Any] = {
                name: None if part[name] is None else BEGIN.fromisoformat(part[name]) for name in ("since", "until")
            }
            got += [
                each.id async for each in Export(Setup(source(lists, offered, page_size=page, **bounds), concurrency=3))
            ]
        assert sorted(got) == lists.ids

    run(main)


def test_parts_are_about_even() -> None:
    async def main(loop: VirtualLoop) -> None:
        lists = Lists(map(float, uneven(30_000)), latency=lambda: 0.1)
        plan = await planned(source(lists), (), 16)
        sizes = Counter[int]()
        for part in plan.parts:
            since = BEGIN.fromisoformat(part["since"]) if part["since"] else BEGIN - timedelta(days=1)
            until = BEGIN.fromisoformat(part["until"]) if part["until"] else BEGIN + timedelta(days=1000)
            sizes[part["number"]] = sum(since <= BEGIN + timedelta(seconds=time) < until for time, _ in lists.entries)
        # A third of the records share one second, which no part can be less than; another third lies in two of 180 days.
        assert max(sizes.values()) < 10_000 + 2 * 30_000 / 16
        assert sorted(sizes.values())[-2] < 10_000
        assert len(sizes) > 8

    run(main)


async def test_what_is_no_part_is_refused(klaviyo: Klaviyo, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="not a part of a plan"):
        await klaviyo.bulk.run({"operation": "get_events"}, out=tmp_path / "x.csv")
    plan = await klaviyo.bulk.plan_export(klaviyo.events.get_events, parts=1)
    with pytest.raises(QueryError, match="another version"):
        await klaviyo.bulk.run({**plan.parts[0], "version": 99}, out=tmp_path / "x.csv")
    with pytest.raises(QueryError, match="import it first"):
        await klaviyo.bulk.run({**plan.parts[0], "package": "os.path"}, out=tmp_path / "x.csv")
    for parts in (0, 1001):
        with pytest.raises(QueryError, match="parts must be a whole number from 1 to 1,000"):
            await klaviyo.bulk.plan_export(klaviyo.events.get_events, parts=parts)
    with pytest.raises(QueryError, match="no reports"):
        merge([])
    with pytest.raises(QueryError, match="different plans"):
        merge([ExportReport(operation="a", plan="1"), ExportReport(operation="a", plan="2")])


@pytest.mark.parametrize("wrong", [None, "x", {"operation": "get_events"}, [1], [{}], [None], 5])
def test_what_is_no_reports_is_not_added_up(wrong: Any) -> None:
    with pytest.raises(QueryError, match="report"):
        merge(wrong)


@pytest.mark.parametrize("lacks", ["plan", "number", "of"])
async def test_a_part_that_lost_something_is_refused(
    fake: FakeKlaviyo, klaviyo: Klaviyo, tmp_path: Path, lacks: str
) -> None:
    plan = await klaviyo.bulk.plan_export(klaviyo.events.get_events, split_on="datetime", parts=1)
    part = {key: value for key, value in plan.parts[0].items() if key != lacks}
    with pytest.raises(QueryError, match="not a part of a plan"):
        await klaviyo.bulk.run(part, out=tmp_path / "events.ndjson")
