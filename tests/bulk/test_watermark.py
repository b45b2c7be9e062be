"""Growing exports: each run takes what is new since the last one, and misses nothing at the edge."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klaviyo_async import CheckpointError, Klaviyo, QueryError
from klaviyo_async.bulk._export.export import Export, Setup
from klaviyo_async.testing import FakeKlaviyo
from tests.bulk.lists import BEGIN, Lists
from tests.bulk.test_splitting import source
from tests.limiter.virtual import VirtualLoop, run

if TYPE_CHECKING:
    from pathlib import Path


@settings(max_examples=40)
@given(
    runs=st.lists(st.lists(st.tuples(st.integers(0, 3600), st.integers(0, 600)), max_size=30), min_size=1, max_size=5),
    page=st.integers(1, 7),
)
def test_late_records_come_once_in_the_run_that_first_sees_them(tmp_path_factory: Any, runs: Any, page: int) -> None:
    """Each hour there are events, which become visible up to ten minutes late."""
    path = tmp_path_factory.mktemp("watermark") / "events.json"

    async def main(loop: VirtualLoop) -> None:
        lists = Lists([], latency=lambda: 0.1)
        hidden: list[tuple[int, int]] = []
        got: list[str] = []
        for hour, events in enumerate(runs):
            hidden += [(hour * 3600 + at, hour * 3600 + at + late) for at, late in events]
            end = (hour + 1) * 3600
            for at, visible in [each for each in hidden if each[1] < end]:
                lists.add(float(at))
                hidden.remove((at, visible))
            lists.now = BEGIN + timedelta(seconds=end)
            made = Setup(source(lists, page_size=page), watermark=path, overlap=timedelta(minutes=15))
            got += [record.id async for record in Export(made)]
            assert sorted(got) == lists.ids

    run(main)


async def test_a_record_that_changed_is_new(tmp_path: Path) -> None:
    async with FakeKlaviyo(limits=False) as fake, Klaviyo("pk_test", base_url=fake.url) as klaviyo:
        ids = [fake.store.add("profile", {"email": f"{number}@example.com"})["id"] for number in range(10)]

        async def new() -> list[str]:
            export = klaviyo.bulk.export(
                klaviyo.profiles.get_profiles, split_on="updated", watermark=tmp_path / "mark", page_size=3
            )
            return sorted([profile.id async for profile in export])

        assert await new() == sorted(ids)
        fake.clock.advance(60)
        assert await new() == []
        fake.store.update("profile", ids[3], {"first_name": "Sarah"})
        assert await new() == [ids[3]]
        fake.clock.advance(86400)
        assert await new() == []


async def test_a_run_that_was_left_takes_the_same_again(tmp_path: Path) -> None:
    async with FakeKlaviyo(limits=False) as fake, Klaviyo("pk_test", base_url=fake.url) as klaviyo:
        fake.seed(profiles=30)
        mark = tmp_path / "mark"
        async for _ in klaviyo.bulk.export(klaviyo.profiles.get_profiles, watermark=mark, page_size=3):
            break
        assert not mark.exists()
        assert len(await klaviyo.bulk.export(klaviyo.profiles.get_profiles, watermark=mark).collect()) == 30


async def test_a_watermark_of_another_export_is_refused(tmp_path: Path) -> None:
    async with FakeKlaviyo(limits=False) as fake, Klaviyo("pk_test", base_url=fake.url) as klaviyo:
        mark = tmp_path / "mark"
        await klaviyo.bulk.export(klaviyo.profiles.get_profiles, watermark=mark).collect()
        with pytest.raises(CheckpointError, match="another export"):
            aiter(klaviyo.bulk.export(klaviyo.profiles.get_profiles, watermark=mark, split_on="updated"))
        mark.write_text(json.dumps({"until": "then"}))
        with pytest.raises(CheckpointError, match=r"not a watermark file .*Give another name, or delete it"):
            aiter(klaviyo.bulk.export(klaviyo.profiles.get_profiles, watermark=mark))
        with pytest.raises(QueryError, match="listed by time"):
            klaviyo.bulk.export(klaviyo.tags.get_tags, watermark=mark)


async def test_a_run_that_ends_before_the_last_one_did_takes_nothing_twice(tmp_path: Path) -> None:
    async with FakeKlaviyo(limits=False) as fake, Klaviyo("pk_test", base_url=fake.url) as klaviyo:
        begin = fake.clock.now() - timedelta(days=10)
        for hour in range(200):
            fake.store.add(
                "profile", {"email": f"{hour}@example.com", "created": (begin + timedelta(hours=hour)).isoformat()}
            )

        async def taken(hours: int) -> int:
            until = begin + timedelta(hours=hours)
            found = klaviyo.bulk.export(
                klaviyo.profiles.get_profiles, split_on="created", until=until, watermark=tmp_path / "mark"
            )
            return len(await found.collect())

        assert [await taken(100), await taken(50), await taken(150)] == [100, 0, 50]
