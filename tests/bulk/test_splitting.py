"""Every record once, whatever the times, the page size and what the operation's filter offers; in virtual time."""

from __future__ import annotations

import asyncio
import gc
import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klaviyo_async.bulk._export.export import Export, Setup
from klaviyo_async.bulk._export.source import Source
from klaviyo_async.operation import FilterField
from tests.bulk.lists import BEGIN, Lists, offering
from tests.limiter.virtual import VirtualLoop, run

if TYPE_CHECKING:
    from pathlib import Path

ALL = ("greater-or-equal", "greater-than", "less-or-equal", "less-than")
OFFERS = [
    ALL,
    ("greater-than", "less-than"),
    ("greater-than",),
    ("greater-or-equal", "less-or-equal"),
    ("greater-or-equal",),
]
YEAR = 365 * 86400


def times(fraction: bool) -> Any:
    """Many at one time, clusters of a few seconds, and times spread over a year."""
    moment = st.integers(0, 40) | st.integers(0, YEAR) | st.sampled_from([0, 5, 86400, 86401, YEAR])
    if fraction:
        moment = st.tuples(moment, st.integers(0, 999_999)).map(lambda pair: pair[0] + pair[1] / 1_000_000)
    runs = st.lists(st.tuples(moment, st.integers(1, 20)), max_size=12)
    return runs.map(lambda found: [float(time) for time, count in found for _ in range(count)])


def source(
    lists: Lists,
    offered: tuple[str, ...] = ALL,
    *,
    sort: bool = True,
    since: Any = None,
    until: Any = None,
    **params: Any,
) -> Source:
    client = lists.client()
    field = FilterField(single=offered, type="string", format="date-time")
    call = offering(client, "get_events", filters={"datetime": field}, **({} if sort else {"sort": ()}))
    return Source(client, call, (), params, split_on=None, since=since, until=until)


async def exported(source: Source, **options: Any) -> list[str]:
    return [record.id async for record in Export(Setup(source, **options))]


@settings(max_examples=60)
@given(
    data=st.data(),
    fraction=st.booleans(),
    shown=st.booleans(),
    offered=st.sampled_from(OFFERS),
    page=st.integers(1, 7),
    readers=st.integers(1, 12),
    seed=st.integers(0, 1000),
)
def test_every_record_comes_once(data, fraction, shown, offered, page, readers, seed) -> None:
    found = data.draw(times(fraction))
    random_ = random.Random(seed)

    async def main(loop: VirtualLoop) -> None:
        lists = Lists(found, fraction=fraction and shown, latency=lambda: random_.uniform(0.01, 0.3))
        assert sorted(await exported(source(lists, offered, page_size=page), concurrency=readers)) == lists.ids
        assert lists.most <= readers

    run(main)


@settings(max_examples=30)
@given(
    found=times(fraction=False),
    page=st.integers(1, 7),
    ends=st.tuples(st.integers(0, 60), st.integers(1, YEAR)),
    offered=st.sampled_from(OFFERS),
)
def test_a_range_gives_what_lies_in_it(found, page, ends, offered) -> None:
    since, until = ends[0], ends[0] + ends[1]

    async def main(loop: VirtualLoop) -> None:
        lists = Lists(found, latency=lambda: 0.1)
        bounds: dict[str, Any] = {"since": BEGIN + timedelta(seconds=since), "until": BEGIN + timedelta(seconds=until)}
        ids = await exported(source(lists, offered, page_size=page, **bounds), concurrency=5)
        assert sorted(ids) == sorted(key for time, key in lists.entries if since <= time < until)

    run(main)


@settings(max_examples=30)
@given(
    found=times(fraction=False),
    late=times(fraction=False),
    page=st.integers(1, 7),
    offered=st.sampled_from(OFFERS),
    seed=st.integers(0, 1000),
)
def test_records_that_come_meanwhile_disturb_nothing(found, late, page, offered, seed) -> None:
    """What was there from the beginning comes once, what was added comes at most once."""
    random_ = random.Random(seed)

    async def main(loop: VirtualLoop) -> None:
        lists = Lists(found, latency=lambda: random_.uniform(0.01, 0.3))
        before = set(lists.ids)
        waiting = list(late)

        def add(_: int) -> None:
            for _ in range(min(len(waiting), random_.randrange(4))):
                lists.add(waiting.pop())

        lists.before = add
        ids = await exported(source(lists, offered, page_size=page), concurrency=6)
        assert len(ids) == len(set(ids))
        assert before <= set(ids)

    run(main)


@settings(max_examples=30)
@given(found=times(fraction=True), page=st.integers(1, 7), sort=st.booleans(), readers=st.integers(1, 12))
def test_records_that_show_no_time_are_split_by_the_filter(found, page, sort, readers) -> None:
    async def main(loop: VirtualLoop) -> None:
        lists = Lists(found, hidden=True, latency=lambda: 0.1)
        made = source(lists, sort=sort, page_size=page)
        made.mode = "halving"
        assert sorted(await exported(made, concurrency=readers)) == lists.ids

    run(main)


def test_records_without_a_time_are_not_lost() -> None:
    """A range leaves out what has no time, so an export that meets such a record reads on in one sequence."""

    async def main(loop: VirtualLoop) -> None:
        lists = Lists(map(float, range(50)))
        shown = lists.record

        def record(time: float, id: str) -> dict[str, Any]:
            return shown(time, id) if time else {"type": "event", "id": id, "attributes": {}}

        lists.record = record  # type: ignore[method-assign]
        assert sorted(await exported(source(lists, page_size=7), concurrency=5)) == lists.ids

    run(main)


def test_more_than_a_page_in_one_second_is_read_by_its_cursor() -> None:
    async def main(loop: VirtualLoop) -> None:
        lists = Lists([100.0] * 95 + [200.0] * 3)
        assert sorted(await exported(source(lists, page_size=10))) == lists.ids
        assert len(lists.targets) < 30

    run(main)


@settings(max_examples=30)
@given(
    found=times(fraction=False),
    page=st.integers(1, 7),
    offered=st.sampled_from(OFFERS),
    stops=st.lists(st.integers(0, 60), min_size=1, max_size=5),
    kill=st.booleans(),
)
def test_a_checkpoint_goes_on_where_it_stopped(tmp_path_factory, found, page, offered, stops, kill) -> None:
    """Left early, nothing comes twice but the record at hand; killed, no more than the page at hand."""
    path = tmp_path_factory.mktemp("checkpoint") / "export.sqlite"
    got: list[str] = []
    again = 0

    async def main(loop: VirtualLoop) -> None:
        nonlocal again
        lists = Lists(found, latency=lambda: 0.1)
        for stop in [*stops, None]:
            before = set(got)
            records = aiter(Export(Setup(source(lists, offered, page_size=page), checkpoint=path, concurrency=5)))
            taken = 0
            async for record in records:
                taken += 1
                got.append(record.id)
                again += record.id in before
                if taken == stop:
                    break
            else:
                assert set(got) == set(lists.ids)
                assert not path.exists()
                break
            if kill:
                assert records._engine.checkpoint is not None
                records._engine.checkpoint.close()
                records._engine.checkpoint = None
            await records.aclose()
        assert again <= len(stops) * (page if kill else 1)

    run(main)


def test_leaving_the_loop_leaves_nothing_pending() -> None:
    async def main(loop: VirtualLoop) -> None:
        lists = Lists(map(float, range(0, 100_000, 10)), latency=lambda: 0.1)
        async for _ in Export(Setup(source(lists, page_size=100))):
            if lists.running > 5:
                break
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert lists.running == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main)


def test_an_interrupted_loop_keeps_its_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "export.sqlite"
    lists = Lists(map(float, range(0, 100_000, 100)), latency=lambda: 0.1)
    first: list[str] = []

    async def interrupted(loop: VirtualLoop) -> None:
        async for record in Export(Setup(source(lists, page_size=20), checkpoint=path)):
            first.append(record.id)
            if len(first) == 110:
                raise KeyboardInterrupt

    async def again(loop: VirtualLoop) -> None:
        got = [record.id async for record in Export(Setup(source(lists, page_size=20), checkpoint=path))]
        assert sorted(first[:-1] + got) == lists.ids

    with pytest.raises(KeyboardInterrupt):
        run(interrupted)
    gc.collect()
    run(again)


def test_a_slow_consumer_holds_the_readers_back() -> None:
    async def main(loop: VirtualLoop) -> None:
        lists = Lists(map(float, range(0, 1_000_000, 10)), latency=lambda: 0.05)
        seen = 0
        async for _ in Export(Setup(source(lists, page_size=100), concurrency=10)):
            seen += 1
            if seen % 100 == 0:
                await asyncio.sleep(10)
                # What was read and not used yet: the queue, a page for each reader, and what was beside their parts.
                assert lists.served - seen <= (4 + 10 + 10) * 100
            if seen == 3000:
                break

    run(main)


def test_an_error_comes_after_the_records_before_it() -> None:
    async def main(loop: VirtualLoop) -> None:
        lists = Lists(map(float, range(1000)), latency=lambda: 0.1)

        def fail(number: int) -> None:
            if number == 9:
                raise OSError("gone")

        lists.before = fail
        seen = 0

        async def read() -> None:
            nonlocal seen
            async for _ in Export(Setup(source(lists, page_size=10))):
                seen += 1

        with pytest.raises(OSError, match="gone"):
            await read()
        assert seen
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main)
