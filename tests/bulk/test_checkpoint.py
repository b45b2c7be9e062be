"""Going on after whatever ended an import."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from klaviyo_async import CheckpointError
from klaviyo_async.bulk._import import batches as batches_module
from klaviyo_async.bulk._import import ledger as ledger_module

if TYPE_CHECKING:
    from collections.abc import Iterator

    from klaviyo_async import Klaviyo
    from klaviyo_async.testing import FakeKlaviyo


def people(count: int) -> list[dict[str, Any]]:
    return [{"email": f"p{number}@x.com"} for number in range(count)]


def emails(fake: FakeKlaviyo, operation: str = "bulk_import_profiles") -> Counter[str]:
    return Counter(
        row["attributes"]["email"]
        for request in fake.requests
        if request.operation == operation
        for row in request.body["data"]["attributes"]["profiles"]["data"]
    )


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten rows a request."""
    made = batches_module.Packer.__init__

    def smaller(self: Any, caps: Any, envelope: Any) -> None:
        made(self, caps, envelope)
        self._most_rows = 10

    monkeypatch.setattr(batches_module.Packer, "__init__", smaller)


@pytest.mark.parametrize("method", ["import_profiles", "subscribe_profiles"])
async def test_killed_at_each_step(fake: FakeKlaviyo, tmp_path: Path, method: str) -> None:
    """kill -9 before and after each write of the ledger: nothing is lost, and nothing is sent twice but what was in flight."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("crashing.py")),
        fake.url,
        str(tmp_path),
        method,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    reports = [json.loads(line) for line in out.splitlines()]
    assert len(reports) >= 12
    sent = emails(fake, f"bulk_{method}")
    seen_unknown = 0
    for report in reports:
        unknown = {row for row, _ in report["unknown"]}
        seen_unknown += len(unknown)
        assert report["submitted"] == 15 == report["succeeded"] + report["failed"] + len(unknown), report
        assert report["failed"] == 0
        for row in range(15):
            times = sent[f"{report['label']}-{row}@x.com"]
            if method == "import_profiles":
                # Safe to repeat: whatever was in flight was sent once more, and is listed.
                assert times == 1 or (times == 2 and row in unknown), (report, row, times)
            else:
                assert times == 1 or (times == 0 and row in unknown), (report, row, times)
        assert all(resent is (method == "import_profiles") for _, resent in report["unknown"])
    assert seen_unknown


async def test_a_run_that_has_ended_sends_nothing_again(klaviyo: Klaviyo, fake: FakeKlaviyo, tmp_path: Path) -> None:
    rows = people(30)
    rows[3] = {"email": "nonsense"}
    rows[4] = {"emial": "x"}
    path = tmp_path / "import.sqlite"
    first = await klaviyo.bulk.import_profiles(rows, checkpoint=path)
    fake.requests.clear()
    again = await klaviyo.bulk.import_profiles(iter(rows), checkpoint=str(path))
    assert not fake.requests
    assert (again.submitted, again.succeeded, again.failed, again.unsent) == (30, 28, 2, 1)
    assert list(again.errors) == list(first.errors)
    assert again.write_failed(tmp_path / "failed.ndjson") == 2


@pytest.mark.usefixtures("small")
async def test_cancelled_and_taken_up_again(klaviyo: Klaviyo, fake: FakeKlaviyo, tmp_path: Path) -> None:
    path = tmp_path / "import.sqlite"
    fake.fail("get_bulk_import_profiles_job", stall=True, times=None, after=1)
    task = asyncio.create_task(klaviyo.bulk.import_profiles(people(95), checkpoint=path))
    while sum(request.operation == "bulk_import_profiles" for request in fake.requests) < 10:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    fake.clear_faults()
    told: list[Any] = []
    report = await klaviyo.bulk.import_profiles(people(95), checkpoint=path, progress=told.append)
    assert report.ok, report
    assert report.requests == 0  # the jobs were followed to their end
    assert emails(fake) == Counter(row["email"] for row in people(95))
    assert told[-1].done == 95
    told.clear()
    await klaviyo.bulk.import_profiles(people(95), checkpoint=path, progress=told.append)
    assert {each.rate for each in told} == {0.0}  # this run did nothing


@pytest.mark.usefixtures("small")
async def test_an_error_and_on(klaviyo: Klaviyo, fake: FakeKlaviyo, tmp_path: Path) -> None:
    path = tmp_path / "import.sqlite"
    fake.fail("bulk_import_profiles", status=403, times=None, after=3)
    with pytest.raises(Exception, match="403"):
        await klaviyo.bulk.import_profiles(people(100), checkpoint=path)
    fake.clear_faults()
    fake.requests.clear()
    report = await klaviyo.bulk.import_profiles(people(100), checkpoint=path)
    assert report.ok
    assert sum(emails(fake).values()) == 70


@pytest.mark.usefixtures("small")
async def test_rows_that_waited_for_others_are_not_forgotten(
    klaviyo: Klaviyo, fake: FakeKlaviyo, tmp_path: Path
) -> None:
    path = tmp_path / "import.sqlite"
    rows: list[dict[str, Any]] = [{"email": f"p{number % 13}@x.com", "first_name": str(number)} for number in range(60)]
    fake.fail("bulk_import_profiles", status=403, times=None, after=1)
    with pytest.raises(Exception, match="403"):
        await klaviyo.bulk.import_profiles(rows, checkpoint=path)
    fake.clear_faults()
    report = await klaviyo.bulk.import_profiles(rows, checkpoint=path)
    assert report.ok
    found = {each.attributes.email: each.attributes.first_name async for each in klaviyo.profiles.get_profiles()}
    assert found == {f"p{number % 13}@x.com": str(number) for number in range(60)}


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    "other",
    [
        [{"email": "other@x.com"}, *people(94)],
        people(20),
        [*people(34), {"email": "other@x.com"}, *people(95)[35:]],
    ],
)
async def test_another_source_is_refused_before_anything_is_sent(
    klaviyo: Klaviyo, fake: FakeKlaviyo, tmp_path: Path, other: list[dict[str, Any]]
) -> None:
    path = tmp_path / "import.sqlite"
    fake.fail("bulk_import_profiles", status=403, times=None, after=3)
    with pytest.raises(Exception, match="403"):
        await klaviyo.bulk.import_profiles(people(95), checkpoint=path)
    fake.clear_faults()
    fake.requests.clear()
    with pytest.raises(CheckpointError, match="belongs to another source"):
        await klaviyo.bulk.import_profiles(other, checkpoint=path)
    assert not fake.requests
    assert (await klaviyo.bulk.import_profiles(people(95), checkpoint=path)).ok


async def test_another_job_is_refused(klaviyo: Klaviyo, fake: FakeKlaviyo, tmp_path: Path) -> None:
    path = tmp_path / "import.sqlite"
    await klaviyo.bulk.import_profiles(people(3), checkpoint=path)
    fake.requests.clear()
    with pytest.raises(CheckpointError, match="its operation is bulk_import_profiles, not bulk_suppress_profiles"):
        await klaviyo.bulk.suppress_profiles(["a@x.com"], checkpoint=path)
    with pytest.raises(CheckpointError, match=r"its request is .*, not .*lists") as caught:
        await klaviyo.bulk.import_profiles(people(3), lists=["L"], checkpoint=path)
    theirs, ours = str(caught.value).partition("its request is ")[2].split(", not ")
    assert theirs != ours[: len(theirs)]  # where they differ is what is shown
    assert not fake.requests


async def test_files_that_are_no_checkpoint(klaviyo: Klaviyo, fake: FakeKlaviyo, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database, and longer than a header of one would be" * 10)
    database = tmp_path / "shop.sqlite"
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE orders (id)")
    connection.close()
    for path, message in (
        (text, "can't be used"),
        (database, "another program"),
        (tmp_path, "can't be used"),
        (tmp_path / "no" / "where.sqlite", "can't be used"),
    ):
        with pytest.raises(CheckpointError, match=message):
            await klaviyo.bulk.import_profiles(people(3), checkpoint=path)
    newer = tmp_path / "newer.sqlite"
    await klaviyo.bulk.import_profiles(people(3), checkpoint=newer)
    with contextlib.closing(sqlite3.connect(newer)) as connection, connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(CheckpointError, match="newer klaviyo_async"):
        await klaviyo.bulk.import_profiles(people(3), checkpoint=newer)
    assert len(fake.requests) == 2


async def test_two_runs_cannot_share_a_checkpoint(klaviyo: Klaviyo, fake: FakeKlaviyo, tmp_path: Path) -> None:
    path = tmp_path / "import.sqlite"
    fake.fail("bulk_import_profiles", stall=True)
    task = asyncio.create_task(klaviyo.bulk.import_profiles(people(3), checkpoint=path))
    while not len(klaviyo._session.calls):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    with pytest.raises(CheckpointError, match="in use"):
        await klaviyo.bulk.import_profiles(people(3), checkpoint=path)
    fake.clear_faults()
    assert (await task).ok


async def test_the_report_outlives_the_checkpoint_as_far_as_it_is_at_hand(klaviyo: Klaviyo, tmp_path: Path) -> None:
    path = tmp_path / "import.sqlite"
    rows: Iterator[dict[str, Any]] = ({"emial": str(n)} for n in range(1500))
    report = await klaviyo.bulk.import_profiles(rows, checkpoint=path)
    assert len(list(report.errors)) == 1500
    for each in tmp_path.iterdir():  # noqa: ASYNC240
        each.unlink()
    assert report.errors[999].row == 999
    with pytest.raises(CheckpointError, match="Keep the file"):
        list(report.errors)


async def test_what_is_sent_is_on_the_disk_first(tmp_path: Path) -> None:
    """Power loss: every commit of a checkpoint waits for the disk."""
    ledger = await ledger_module.Ledger.open(tmp_path / "x.sqlite", {})
    async with ledger:
        pragmas = [ledger._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode")]
    assert pragmas == [2, "wal"]
