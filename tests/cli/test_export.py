"""`klaviyo-async export`: a whole collection into a file."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.conftest import KEY, Commands

if TYPE_CHECKING:
    from klaviyo_async.testing import FakeKlaviyo


@pytest.fixture
def full(fake: FakeKlaviyo) -> FakeKlaviyo:
    fake.seed(profiles=30, lists=1, events=120)
    return fake


def lines(path: Path) -> list[dict[str, Any]]:
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in text.splitlines()]


def test_every_record_once(run: Commands, full: FakeKlaviyo, tmp_path: Path) -> None:
    done = run("export", "get_events", "--out", str(tmp_path / "events.ndjson"), "--page-size", "20")
    assert done.out.startswith("get_events: 120 records")
    assert sorted(one["id"] for one in lines(tmp_path / "events.ndjson")) == sorted(
        one["id"] for one in full.store.all("event")
    )
    report = run("export", "get_events", "--out", str(tmp_path / "events.csv"), "--json").json
    assert (report["records"], report["out"]) == (120, [str(tmp_path / "events.csv")])
    with (tmp_path / "events.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 120


def test_parquet(run: Commands, full: FakeKlaviyo, tmp_path: Path) -> None:
    parquet = pytest.importorskip(
        "pyarrow.parquet", reason="pyarrow is not installed: pip install 'klaviyo-async[parquet]'"
    )
    run("export", "get_profiles", "--out", str(tmp_path / "profiles.parquet"))
    assert parquet.read_table(tmp_path / "profiles.parquet").num_rows == full.store.count("profile")


def test_what_is_wanted(run: Commands, full: FakeKlaviyo, tmp_path: Path) -> None:
    out = tmp_path / "profiles.ndjson.gz"
    wanted = next(full.store.all("profile"))["attributes"]["email"]
    run("export", "get_profiles", "--out", str(out), "--filter", f'equals(email,"{wanted}")', "--fields", "email")
    assert [one["attributes"]["email"] for one in lines(out)] == [wanted]
    assert all("first_name" not in one["attributes"] for one in lines(out))
    member = next(full.store.all("list"))["id"]
    run("export", "get_profiles_for_list", member, "--out", str(tmp_path / "members.ndjson"))
    assert len(lines(tmp_path / "members.ndjson")) == 30


def test_a_range_of_time(run: Commands, full: FakeKlaviyo, tmp_path: Path) -> None:
    times = sorted(one["attributes"]["datetime"] for one in full.store.all("event"))
    out = str(tmp_path / "events.ndjson")
    until = times[60]
    run("export", "get_events", "--out", out, "--since", "2000-01-01", "--until", until, "--split-on", "datetime")
    assert sorted(one["attributes"]["datetime"] for one in lines(Path(out))) == [time for time in times if time < until]
    run("export", "get_events", "--out", out, "--since", "1h")
    assert [one for one in lines(Path(out)) if one["attributes"]["datetime"] < times[0]] == []


def test_only_what_is_new(run: Commands, full: FakeKlaviyo, tmp_path: Path) -> None:
    command = [
        "export",
        "get_events",
        "--out",
        str(tmp_path / "all.ndjson"),
        "--watermark",
        str(tmp_path / "mark"),
        "--json",
    ]
    assert run(*command).json["records"] == 120
    full.store.add(
        "event",
        {
            "datetime": full.clock.now().isoformat(),
            "timestamp": int(full.clock.time()),
            "event_properties": {},
            "uuid": "new",
        },
    )
    assert run(*command).json["records"] == 1
    assert len(lines(tmp_path / "all.ndjson")) == 121


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["get_account", "--out", "x.csv"], "return a list"),
        (["get_events"], "Missing option '--out'"),
        (["get_events", "--out", "x.xls"], ".parquet"),
        (["get_events", "--out", "x.csv", "--since", "yesterday"], "not a time"),
        (["get_events", "--out", "x.csv", "--split-on", "datetim"], "did you mean 'datetime'"),
        (["get_events", "--out", "x.csv", "--filter", 'equals(metrik,"x")'], "metric_id"),
        (["get_profiles_for_list", "--out", "x.csv"], "path arguments ID"),
        (["get_events", "--out", "x.csv", "--additional-fields", "event=x"], "has no --additional-fields"),
    ],
)
def test_wrong_use(
    run: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in run("export", *arguments, code=2).err
    assert not run.fake.requests
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_no_file(run: Commands, full: FakeKlaviyo, tmp_path: Path) -> None:
    full.fail("get_events", status=403, times=None)
    assert "get_events: 403" in run("export", "get_events", "--out", str(tmp_path / "events.csv"), code=3).err
    assert not (tmp_path / "events.csv").exists()


def test_ctrl_c_keeps_the_checkpoint(full: FakeKlaviyo, terminal: Any, tmp_path: Path) -> None:
    full.latency = 0.2
    out, checkpoint = str(tmp_path / "events.ndjson"), str(tmp_path / "events.sqlite")
    command = [
        "export",
        "get_events",
        "--out",
        out,
        "--checkpoint",
        checkpoint,
        "--page-size",
        "5",
        "--concurrency",
        "1",
    ]
    try:
        session = terminal(*command, KLAVIYO_BASE_URL=full.url, KLAVIYO_API_KEY=KEY)
        session.until("records, ")
        while len(full.calls("get_events")) < 5:
            session.until("/s")
        session.interrupt()
        assert session.ended() == 130
    finally:
        full.latency = None
    assert "events.sqlite is kept" in session.shown
    assert "Traceback" not in session.shown
    assert not Path(out).exists()
    assert Path(checkpoint).exists()
    report = Commands(full)(*command, "--json").json
    assert report["records"] == 120
    assert len({one["id"] for one in lines(Path(out))}) == 120
