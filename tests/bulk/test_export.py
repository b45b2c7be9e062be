"""Exports as users write them, against `FakeKlaviyo`."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

import klaviyo_async
from klaviyo_async import CheckpointError, F, Klaviyo, QueryError
from klaviyo_async.resources import Event
from klaviyo_async.testing import FakeKlaviyo

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def fake() -> AsyncIterator[FakeKlaviyo]:
    async with FakeKlaviyo(limits=False) as started:
        yield started


@pytest.fixture
async def klaviyo(fake: FakeKlaviyo) -> AsyncIterator[Klaviyo]:
    async with Klaviyo("pk_test", base_url=fake.url) as client:
        yield client


def add_events(fake: FakeKlaviyo, seconds: list[int]) -> list[str]:
    profile = fake.store.add("profile", {"email": "one@example.com"})["id"]
    metric = fake.store.add("metric", {"name": "Placed Order"})["id"]
    made = []
    for number, after in enumerate(seconds):
        at = BEGIN + timedelta(seconds=after)
        attributes = {
            "timestamp": int(at.timestamp()),
            "event_properties": {"number": number},
            "datetime": at.isoformat(),
            "uuid": f"{number}",
        }
        made.append(fake.store.add("event", attributes, relationships={"profile": profile, "metric": metric})["id"])
    return made


def uneven(count: int) -> list[int]:
    """Times over half a year, most of them in a few days, many in one and the same second."""
    chance = random.Random(7)
    spread = [chance.randrange(180 * 86400) for _ in range(count // 3)]
    sale = [100 * 86400 + chance.randrange(2 * 86400) for _ in range(count // 3)]
    return [*spread, *sale, *([150 * 86400] * (count - len(spread) - len(sale)))]


async def test_every_event_comes_once(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    ids = add_events(fake, uneven(900))
    got = []
    export = klaviyo.bulk.export(klaviyo.events.get_events, page_size=50)
    async for event in export:
        assert isinstance(event, Event)
        got.append(event.id)
    assert sorted(got) == sorted(ids)
    assert export.report.records == 900
    assert export.report.requests == len(fake.calls("get_events"))


async def test_since_and_until_are_a_half_open_range(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    ids = add_events(fake, list(range(100)))
    since, until = BEGIN + timedelta(seconds=10), BEGIN + timedelta(seconds=60)
    got = await klaviyo.bulk.export(
        klaviyo.events.get_events, split_on="datetime", since=since, until=until, page_size=7
    ).collect()
    assert sorted(event.id for event in got) == sorted(ids[10:60])


async def test_conditions_and_fieldsets_of_the_caller_hold(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    add_events(fake, uneven(100))
    profile = fake.store.add("profile", {"email": "two@example.com"})["id"]
    got = await klaviyo.bulk.export(
        klaviyo.events.get_events, filter=F("profile_id").equals(profile), fields={"event": ["uuid"]}
    ).collect()
    assert got == []
    got = await klaviyo.bulk.export(klaviyo.events.get_events, fields={"event": ["uuid"]}, page_size=30).collect()
    assert len({event.id for event in got}) == 100
    assert all(event.attributes.uuid and event.attributes.event_properties is None for event in got)


@pytest.mark.parametrize("name", ["get_lists", "get_segments", "get_templates", "get_flows", "get_tags", "get_metrics"])
async def test_collections_of_every_kind(fake: FakeKlaviyo, klaviyo: Klaviyo, name: str) -> None:
    """Those with greater-than only, those with all operators, those without any time."""
    kind = name.removeprefix("get_").removesuffix("s")
    before = fake.store.count(kind)
    for number in range(40):
        fake.clock.advance(3600 if number % 5 else 0)
        fake.store.add(
            kind, {"name": f"{number}", "editor_type": "CODE"} if kind == "template" else {"name": f"{number}"}
        )
    got: list[Any] = await klaviyo.bulk.export(name).collect()
    assert len({each.id for each in got}) == len(got) == before + 40


async def test_members_of_a_list_and_their_ids(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    fake.seed(profiles=300, lists=1)
    (vip,) = (each["id"] for each in fake.store.all("list"))
    members = await klaviyo.bulk.export(klaviyo.lists.get_profiles_for_list, vip, page_size=20).collect()
    ids = await klaviyo.bulk.export(klaviyo_async.api.lists.get_profile_ids_for_list, vip, page_size=20).collect()
    assert len(members) == 300
    assert sorted(each.id for each in ids) == sorted(each.id for each in members)


async def test_profiles_have_strict_operators_only(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    fake.seed(profiles=500)
    since = datetime(2024, 1, 1, tzinfo=UTC)
    got = await klaviyo.bulk.export(klaviyo.profiles.get_profiles, since=since, page_size=20).collect()
    wanted = {
        each["id"]
        for each in fake.store.all("profile")
        if datetime.fromisoformat(each["attributes"]["created"]) >= since
    }
    assert {each.id for each in got} == wanted
    assert len(got) == len(wanted)


async def test_requests_go_with_priority_bulk(fake: FakeKlaviyo) -> None:
    seen = []

    class Limiter:
        async def acquire(self, *arguments: Any, priority: str, **_: Any) -> Any:
            seen.append(priority)
            raise RuntimeError("enough")

        def snapshot(self, accounts: Any) -> Any: ...

        def take(self, *_: Any) -> None: ...

    async with Klaviyo("pk_test", base_url="http://127.0.0.1:9", limiter=Limiter()) as client:  # type: ignore[arg-type]
        with pytest.raises(RuntimeError, match="enough"):
            await client.bulk.export(client.events.get_events).collect()
    assert seen == ["bulk"]


async def test_progress_is_told(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    add_events(fake, uneven(200))
    told: list[Any] = []
    await klaviyo.bulk.export(klaviyo.events.get_events, page_size=20, progress=told.append).collect()
    assert told[-1].finished
    assert told[-1].done == told[-1].total == 200
    assert told[-1].operation == "get_events"


async def test_what_a_progress_callback_raises_ends_the_export(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    add_events(fake, uneven(200))

    def fail(_: Any) -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await klaviyo.bulk.export(klaviyo.events.get_events, page_size=20, progress=fail).collect()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"split_on": "datetme"}, "did you mean 'datetime'"),
        ({"since": datetime(2026, 1, 1)}, "since must be an aware datetime"),  # noqa: DTZ001
        ({"since": BEGIN, "until": BEGIN}, "since must be before until"),
        ({"sort": "datetime"}, "sort can't be passed"),
        ({"include": ["profile"]}, "include can't be passed"),
        ({"filter": "greater-than(datetime,2026-01-01T00:00:00+00:00)"}, "pass since and until"),
        ({"filter": "equals(profil_id,'x')"}, "profile_id"),
        ({"page_size": 5000}, "page_size"),
        ({"concurrency": 0}, "concurrency"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
async def test_bad_arguments_are_refused_before_anything_is_sent(
    fake: FakeKlaviyo, klaviyo: Klaviyo, arguments: dict[str, Any], says: str
) -> None:
    with pytest.raises((QueryError, TypeError), match=says):
        klaviyo.bulk.export(klaviyo.events.get_events, **arguments)
    assert fake.requests == []


async def test_only_lists_can_be_exported(klaviyo: Klaviyo) -> None:
    with pytest.raises(QueryError, match="list operation"):
        klaviyo.bulk.export(klaviyo.events.get_event, "id")  # type: ignore[arg-type]
    with pytest.raises(QueryError, match="get_events"):
        klaviyo.bulk.export("get_event_s")
    with pytest.raises(QueryError, match="doesn't filter by time"):
        klaviyo.bulk.export(klaviyo.tags.get_tags, since=BEGIN)


async def test_a_checkpoint_of_another_export_is_refused(fake: FakeKlaviyo, klaviyo: Klaviyo, tmp_path: Any) -> None:
    add_events(fake, uneven(200))
    path = tmp_path / "export.sqlite"
    async for _ in klaviyo.bulk.export(klaviyo.events.get_events, page_size=20, checkpoint=path):
        break
    with pytest.raises(CheckpointError, match="another export: its since"):
        async for _ in klaviyo.bulk.export(klaviyo.events.get_events, page_size=20, checkpoint=path, since=BEGIN):
            pass
    other = tmp_path / "other.sqlite"
    other.write_bytes(b"not SQLite at all" * 100)
    with pytest.raises(CheckpointError, match=r"other\.sqlite can't be used"):
        aiter(klaviyo.bulk.export(klaviyo.events.get_events, checkpoint=other))
