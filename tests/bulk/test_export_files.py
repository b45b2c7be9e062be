"""Exports to files: what is in them, and that they are there whole or not at all."""

from __future__ import annotations

import asyncio
import csv
import gzip
import json
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klaviyo_async import ConfigurationError, Klaviyo, QueryError, ServerError, operations
from klaviyo_async.bulk._export.checkpoint import Checkpoint
from klaviyo_async.bulk._export.columns import TEXTS, TYPED, Layout
from klaviyo_async.testing import FakeKlaviyo
from tests.bulk.test_export import add_events, fake, klaviyo, uneven

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["fake", "klaviyo"]

pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
parquet: Any = pytest.importorskip("pyarrow.parquet")

ROOT = Path(__file__).parents[2]


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The rows of a file in any format."""
    name = path.name
    content = path.read_bytes()
    if name.endswith(".gz"):
        content = gzip.decompress(content)
    elif name.endswith(".zst"):
        zstandard = pytest.importorskip("zstandard")
        content = zstandard.ZstdDecompressor().decompressobj().decompress(content)
    if ".parquet" in name:
        found: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
        return found
    if ".csv" in name:
        return list(csv.DictReader(content.decode().splitlines()))
    return [json.loads(line) for line in content.splitlines()]


def names_in(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


FORMATS = ["ndjson", "jsonl", "csv", "parquet", "ndjson.gz", "csv.gz", "ndjson.zst", "csv.zst"]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("resumable", [False, True])
async def test_every_format(fake: FakeKlaviyo, klaviyo: Klaviyo, tmp_path: Path, name: str, resumable: bool) -> None:
    ids = add_events(fake, uneven(200))
    out = tmp_path / f"events.{name}"
    checkpoint = tmp_path / "events.sqlite" if resumable else None
    told: list[Any] = []
    report = await klaviyo.bulk.export_to(
        out, klaviyo.events.get_events, page_size=30, checkpoint=checkpoint, progress=told.append
    )
    assert (told[-1].finished, told[-1].done) == (True, 200)
    assert sorted(row["id"] for row in rows_of(out)) == sorted(ids)
    assert report.records == 200
    assert report.out == (str(out),)
    assert report.bytes == out.stat().st_size
    assert names_in(tmp_path) == [out.name]


async def test_columns_do_not_depend_on_the_data(fake: FakeKlaviyo, klaviyo: Klaviyo, tmp_path: Path) -> None:
    empty, full = tmp_path / "empty.parquet", tmp_path / "full.parquet"
    await klaviyo.bulk.export_to(empty, klaviyo.profiles.get_profiles)
    fake.seed(profiles=20)
    await klaviyo.bulk.export_to(full, klaviyo.profiles.get_profiles)
    schema = parquet.read_schema(full)
    assert parquet.read_schema(empty) == schema
    assert schema.field("created").type == pyarrow.timestamp("us", tz="UTC")
    assert schema.field("location.city").type == pyarrow.string()
    assert not any(name.startswith("subscriptions") for name in schema.names)
    first = parquet.read_table(full).to_pylist()[0]
    stored = fake.store.get("profile", first["id"])
    assert stored is not None
    assert first["created"] == datetime.fromisoformat(stored["attributes"]["created"])
    assert json.loads(first["properties"]) == stored["attributes"]["properties"]


async def test_columns_are_those_that_the_call_asks_for(fake: FakeKlaviyo, klaviyo: Klaviyo, tmp_path: Path) -> None:
    fake.seed(profiles=3)
    out = tmp_path / "profiles.csv"
    await klaviyo.bulk.export_to(
        out,
        klaviyo.profiles.get_profiles,
        fields={"profile": ["email", "location.city"]},
        additional_fields={"profile": ["subscriptions"]},
    )
    names = list(rows_of(out)[0])
    assert names[:2] == ["id", "type"]
    assert {"email", "location.city", "created", "subscriptions.email.marketing.consent"} <= set(names)
    assert "first_name" not in names
    assert "location.region" not in names


async def test_events_know_their_profile_and_metric(fake: FakeKlaviyo, klaviyo: Klaviyo, tmp_path: Path) -> None:
    add_events(fake, [1])
    out = tmp_path / "events.csv"
    await klaviyo.bulk.export_to(out, klaviyo.events.get_events)
    (row,) = rows_of(out)
    (profile,), (metric,) = fake.store.all("profile"), fake.store.all("metric")
    assert (row["relationships.profile"], row["relationships.metric"]) == (profile["id"], metric["id"])
    assert row["_extra"] == ""


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside, max_size=3),
    max_leaves=5,
)
names = st.sampled_from(["email", "created", "location", "properties", "joined_group_at", "new_field", "updated"])


@settings(max_examples=200)
@given(
    attributes=st.dictionaries(names, json_values, max_size=6),
    location=st.dictionaries(st.sampled_from(["city", "latitude", "planet"]), json_values),
)
@pytest.mark.parametrize("convert", [TEXTS, TYPED])
def test_what_does_not_fit_its_column_is_not_lost(convert: Any, attributes: Any, location: Any) -> None:
    """Every value but null is in its column, or in `_extra` where it came from."""
    if location:
        attributes = {**attributes, "location": location}
    try:
        json.dumps(attributes).encode()
        layout = Layout(operations["get_profiles"], {})
        values = layout.row({"type": "profile", "id": "1", "attributes": attributes}, convert)
    except (TypeError, UnicodeError):  # beyond 64 bits is not JSON to the codec
        return
    row = dict(zip((column.name for column in layout.columns), values, strict=True))
    extra = json.loads(row["_extra"] or "{}").get("attributes", {})
    for name, value in _leaves(attributes):
        inside: Any = extra
        for key in name:
            inside = inside.get(key, {}) if isinstance(inside, dict) else {}
        column = row.get(".".join(name))
        assert inside == value or column == value or _same(column, value), (name, value, row)


def _leaves(attributes: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in attributes.items():
        if name == "location" and isinstance(value, dict):
            yield from (((name, key), each) for key, each in value.items() if each is not None)
        elif value is not None:
            yield (name,), value


def _same(column: Any, value: Any) -> bool:
    if isinstance(column, datetime):
        return isinstance(value, str)
    return isinstance(column, str) and json.loads(column) == value


async def test_a_file_is_there_whole_or_not_at_all(fake: FakeKlaviyo, klaviyo: Klaviyo, tmp_path: Path) -> None:
    add_events(fake, uneven(200))
    out = tmp_path / "events.ndjson"
    out.write_text("of yesterday\n")
    fake.fail("get_events", status=500, times=None, after=5)
    options: dict[str, Any] = {"page_size": 10, "concurrency": 2}
    with pytest.raises(ServerError):
        await klaviyo.with_options(max_retries=0).bulk.export_to(
            out, klaviyo.with_options(max_retries=0).events.get_events, **options
        )
    assert out.read_text() == "of yesterday\n"
    assert names_in(tmp_path) == [out.name]
    fake.clear_faults()
    await klaviyo.bulk.export_to(out, klaviyo.events.get_events, **options)
    assert len(rows_of(out)) == 200


async def test_a_cancelled_export_leaves_its_checkpoint(fake: FakeKlaviyo, klaviyo: Klaviyo, tmp_path: Path) -> None:
    ids = add_events(fake, uneven(200))
    out, checkpoint = tmp_path / "events.csv.gz", tmp_path / "events.sqlite"
    call = {"page_size": 10, "concurrency": 2, "checkpoint": checkpoint}
    enough = asyncio.Event()

    def told(progress: Any) -> None:
        if progress.done:
            enough.set()

    fake.latency = 0.02
    task = asyncio.create_task(klaviyo.bulk.export_to(out, klaviyo.events.get_events, progress=told, **call))
    waiting = asyncio.create_task(enough.wait())
    await asyncio.wait((task, waiting), timeout=30, return_when=asyncio.FIRST_COMPLETED)
    task.cancel()
    waiting.cancel()
    await asyncio.wait((task, waiting))
    report = await klaviyo.bulk.export_to(out, klaviyo.events.get_events, **call)
    assert sorted(row["id"] for row in rows_of(out)) == sorted(ids)
    assert report.records == 200
    assert names_in(tmp_path) == [out.name]


async def test_an_export_that_ended_after_its_last_record_counts_them_all(
    fake: FakeKlaviyo, klaviyo: Klaviyo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_events(fake, uneven(50))
    out, checkpoint = tmp_path / "events.ndjson", tmp_path / "events.sqlite"

    def killed(_: Checkpoint) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "remove", killed)
        with pytest.raises(RuntimeError, match="killed"):
            await klaviyo.bulk.export_to(out, klaviyo.events.get_events, checkpoint=checkpoint)
    report = await klaviyo.bulk.export_to(out, klaviyo.events.get_events, checkpoint=checkpoint)
    assert (report.records, report.earlier, report.requests) == (50, 50, 0)
    assert len(rows_of(out)) == 50
    assert names_in(tmp_path) == [out.name]


@pytest.mark.parametrize(
    ("name", "kills"),
    [
        ("events.ndjson", [(1, "before"), (3, "after"), (5, "before"), (8, "after"), (0, "")]),
        ("events.parquet", [(2, "before"), (6, "after"), (0, "")]),
    ],
)
async def test_killed_at_any_write_of_the_checkpoint_nothing_is_lost_or_twice(
    tmp_path: Path, name: str, kills: list[tuple[int, str]]
) -> None:
    async with FakeKlaviyo(limits=False) as fake:
        ids = add_events(fake, uneven(300))
        out, checkpoint = tmp_path / name, tmp_path / "events.sqlite"
        for number, when in kills:
            arguments = [fake.url, str(out), str(checkpoint), str(number), when]
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.bulk.export_worker", *arguments, cwd=ROOT, stderr=subprocess.PIPE
            )
            _, said = await process.communicate()
            assert process.returncode in (-signal.SIGKILL, 0), said.decode()
            if process.returncode == 0:
                break
        assert sorted(row["id"] for row in rows_of(out)) == sorted(ids)
        assert not checkpoint.exists()


@pytest.mark.parametrize("name", ["events.ndjson", "events.csv", "events.csv.gz"])
async def test_a_growing_file_is_appended_to(fake: FakeKlaviyo, klaviyo: Klaviyo, tmp_path: Path, name: str) -> None:
    out, mark = tmp_path / name, tmp_path / "mark"
    ids: list[str] = []
    for day in range(3):
        ids += add_more(fake, day)
        report = await klaviyo.bulk.export_to(out, klaviyo.events.get_events, watermark=mark, page_size=10)
        assert report.records == 25
        assert sorted(row["id"] for row in rows_of(out)) == sorted(ids)
        fake.clock.advance(86400)
    # A run that was killed while it appended is cut off again.
    kept = json.loads(mark.read_text())
    mark.write_text(json.dumps({**kept, "appending": out.stat().st_size}))
    with out.open("ab") as file:
        file.write(b"half a li")
    ids += add_more(fake, 3)
    await klaviyo.bulk.export_to(out, klaviyo.events.get_events, watermark=mark, page_size=10)
    assert sorted(row["id"] for row in rows_of(out)) == sorted(ids)
    # What somebody else wrote is not.
    with out.open("ab") as file:
        file.write(b"mine\n")
    with pytest.raises(ConfigurationError, match="has changed since the last run"):
        await klaviyo.bulk.export_to(out, klaviyo.events.get_events, watermark=mark)


def add_more(fake: FakeKlaviyo, day: int) -> list[str]:
    at = fake.clock.now() - timedelta(minutes=5)
    made = []
    for number in range(25):
        time = (at + timedelta(seconds=number // 3)).replace(microsecond=0)
        attributes = {
            "timestamp": int(time.timestamp()),
            "event_properties": {},
            "datetime": time.isoformat(),
            "uuid": f"{day}",
        }
        made.append(fake.store.add("event", attributes)["id"])
    return made


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("events.xlsx", "must end in"),
        ("events", "must end in"),
        ("events.parquet.gz", "already compressed"),
        ("none/events.csv", "there is no folder"),
    ],
)
async def test_bad_names_are_refused(fake: FakeKlaviyo, klaviyo: Klaviyo, tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(QueryError, match=says):
        await klaviyo.bulk.export_to(tmp_path / name, klaviyo.events.get_events)
    assert fake.requests == []


async def test_two_processes_do_not_write_one_file(fake: FakeKlaviyo, klaviyo: Klaviyo, tmp_path: Path) -> None:
    add_events(fake, uneven(200))
    fake.latency = 0.02
    out = tmp_path / "events.ndjson"
    first = asyncio.create_task(klaviyo.bulk.export_to(out, klaviyo.events.get_events, page_size=10, concurrency=1))
    while not (tmp_path / "events.ndjson.partial").exists():  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    with pytest.raises(ConfigurationError, match="being written by another process"):
        await klaviyo.bulk.export_to(out, klaviyo.events.get_events)
    assert (await first).records == 200
    assert len(rows_of(out)) == 200


def test_csv_tells_null_from_empty(tmp_path: Path) -> None:
    from klaviyo_async.bulk._export.formats import Csv  # noqa: PLC0415

    path = tmp_path / "x.csv"
    with path.open("wb") as file:
        writer = Csv(file, Layout(operations["get_profiles"], {"fields": {"profile": ["email", "title"]}}), header=True)
        writer.write([{"id": "1", "type": "profile", "attributes": {"email": "", "title": None}}])
        writer.write([{"id": "2", "type": "profile", "attributes": {"email": 'a,"b"\n', "title": " x "}}])
    head, *lines = path.read_text().split("\n", 1)
    assert head.startswith("id,type,email,title,relationships.")
    assert lines == ['1,profile,"",,,,,,,\n2,profile,"a,""b""\n"," x ",,,,,,\n']
