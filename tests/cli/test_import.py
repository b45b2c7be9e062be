"""`klaviyo-async import`: rows of files, mapped, checked, sent, and told of."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from klaviyo_async import QueryError
from klaviyo_async.bulk import RowsFile
from tests.cli.conftest import KEY, Commands

if TYPE_CHECKING:
    from pathlib import Path

    from klaviyo_async.testing import FakeKlaviyo

PEOPLE = """E-mail,City,Tier,Notes
a@example.com,Oslo,gold,"hello, you"
b@example.com,,silver,
"""
MAPS = ["--map", "E-mail=email", "--map", "City=location.city", "--map", "Tier=properties.tier", "--map", "Notes="]


@pytest.fixture
def people(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text(PEOPLE)
    return path


@pytest.fixture
def fast(fake: FakeKlaviyo) -> FakeKlaviyo:
    """Jobs are done at once, and polled once."""
    fake._world.jobs.seconds = 0.0
    return fake


def emails(fake: FakeKlaviyo) -> dict[str, Any]:
    return {one["attributes"]["email"]: one["attributes"] for one in fake.store.all("profile")}


def test_columns_are_mapped(run: Commands, fast: FakeKlaviyo, people: Path) -> None:
    vip = fast.store.add("list", {"name": "VIP"})["id"]
    done = run("import", str(people), "--as", "profiles", *MAPS, "--list", vip)
    assert done.out == "bulk_import_profiles: 2 rows, 2 succeeded, 0 failed\n"
    found = emails(fast)
    assert found["a@example.com"]["properties"] == {"tier": "gold"}
    assert found["a@example.com"]["location"]["city"] == "Oslo"
    assert len(fast.store.related("list", vip, "profiles")) == 2


@pytest.mark.parametrize("name", ["people.ndjson", "people.ndjson.gz", "people.json"])
def test_rows_of_json_are_mapped_too(run: Commands, fast: FakeKlaviyo, tmp_path: Path, name: str) -> None:
    rows = [{"mail": f"{n}@example.com", "City": "Oslo", "junk": 1} for n in range(3)]
    text = json.dumps(rows) if name.endswith(".json") else "".join(f"{json.dumps(row)}\n" for row in rows)
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    maps = ["--map", "mail=email", "--map", "City=location.city", "--map", "junk="]
    run("import", str(path), "--as", "import_profiles", *maps)
    assert [one["location"]["city"] for one in emails(fast).values()] == ["Oslo"] * 3


def test_rows_of_parquet_are_mapped_too(run: Commands, fast: FakeKlaviyo, tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'klaviyo-async[parquet]'")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = arrow.table({"E-mail": ["a@example.com"], "Notes": ["x"], "City": ["Oslo"]})
    parquet.write_table(table, tmp_path / "people.parquet")
    maps = ["--map", "E-mail=email", "--map", "Notes=", "--map", "City=location.city"]
    run("import", str(tmp_path / "people.parquet"), "--as", "profiles", *maps)
    assert emails(fast)["a@example.com"]["location"]["city"] == "Oslo"


def test_events(run: Commands, fake: FakeKlaviyo, tmp_path: Path) -> None:
    rows = [
        {
            "metric": {"name": "Placed Order"},
            "profile": {"email": "a@example.com"},
            "properties": {"n": n},
            "unique_id": str(n),
        }
        for n in range(3)
    ]
    (tmp_path / "orders.ndjson").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    done = run("import", str(tmp_path / "orders.ndjson"), "--as", "events", "--json").json
    assert (done["submitted"], done["succeeded"], done["ok"]) == (3, 3, True)
    assert fake.store.count("event") == 3


def test_rows_that_do_not_get_through_are_told_and_kept(
    run: Commands, fast: FakeKlaviyo, people: Path, tmp_path: Path
) -> None:
    people.write_text(PEOPLE + "no address,,,\n")
    failed = tmp_path / "failed.ndjson"
    done = run("import", str(people), "--as", "profiles", *MAPS, "--failed", str(failed), code=6)
    assert "2 succeeded, 1 failed" in done.out
    assert "row 2 (no address): invalid at /attributes/email: Invalid email address" in done.err
    assert json.loads(failed.read_text())["attributes"]["email"] == "no address"
    again = run("import", str(failed), "--as", "profiles", "--json", code=6).json
    assert [(one["row"], one["code"]) for one in again["errors"]] == [(0, "invalid")]
    assert fast.store.count("profile") == 2


def test_a_dry_run_needs_no_key_and_sends_nothing(run: Commands, people: Path) -> None:
    done = run("import", str(people), "--as", "profiles", *MAPS, "--dry-run", KLAVIYO_API_KEY=None).out
    assert "2 rows checked, 0 can't be sent. Nothing was sent." in done
    assert "1 request, and about 1 s" in done
    wrong = run("import", str(people), "--as", "profiles", "--dry-run", code=6)
    assert "row 0: invalid at /attributes/E-mail" in wrong.err
    assert "did you mean 'email'" in wrong.err
    machine = run("import", str(people), "--as", "profiles", "--dry-run", "--json", code=6).json
    assert (machine["dry_run"], machine["failed"], machine["ok"]) == (True, 2, False)
    assert run("import", str(people), "--as", "profiles", *MAPS, "--dry-run", "--json").json["ok"]
    assert not run.fake.requests


def test_a_checkpoint_sends_nothing_twice(run: Commands, fast: FakeKlaviyo, people: Path, tmp_path: Path) -> None:
    checkpoint = ["--checkpoint", str(tmp_path / "people.sqlite")]
    run("import", str(people), "--as", "profiles", *MAPS, *checkpoint)
    sent = len(fast.calls("bulk_import_profiles"))
    assert run("import", str(people), "--as", "profiles", *MAPS, *checkpoint, "--json").json["succeeded"] == 2
    assert len(fast.calls("bulk_import_profiles")) == sent
    people.write_text(PEOPLE.replace("a@", "c@"))
    assert "checkpoint" in run("import", str(people), "--as", "profiles", *MAPS, *checkpoint, code=2).err.lower()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--as", "profile"], "did you mean 'profiles'"),
        (["--as", "get_profiles"], "can't be imported"),
        ([], "Missing option '--as'"),
        (["--as", "profiles", "--map", "Email=email"], "did you mean 'E-mail'"),
        (["--as", "profiles", "--map", "email"], "not COLUMN=NAME"),
        (["--as", "profiles", "--map", "E-mail=email", "--map", "Notes=email"], "two columns are mapped to 'email'"),
        (["--as", "profiles", "--param", "lisst=x"], "did you mean 'lists'"),
        (["--as", "events", "--list", "x"], "has no --list"),
        (["--as", "subscriptions", "--list", "x", "--list", "y"], "takes one --list"),
        (["--as", "unsubscriptions", "--map", "E-mail=email"], "Give --list, or --confirm-global"),
    ],
)
def test_wrong_use(run: Commands, people: Path, arguments: list[str], said: str) -> None:
    assert said in run("import", str(people), *arguments, code=2).err
    assert not run.fake.requests


def test_a_file_of_another_kind(run: Commands, tmp_path: Path) -> None:
    (tmp_path / "people.xlsx").write_text("x")
    assert ".parquet" in run("import", str(tmp_path / "people.xlsx"), "--as", "profiles", code=2).err
    run("import", str(tmp_path / "none.csv"), "--as", "profiles", code=2)


def test_ctrl_c_keeps_the_checkpoint(fake: FakeKlaviyo, terminal: Any, tmp_path: Path) -> None:
    fake._world.jobs.seconds = 60.0
    rows = tmp_path / "rows.ndjson"
    rows.write_text("".join(f'{{"email": "{n}@example.com"}}\n' for n in range(100)))
    checkpoint = str(tmp_path / "rows.sqlite")
    env = {"KLAVIYO_BASE_URL": fake.url, "KLAVIYO_API_KEY": KEY}
    session = terminal("import", str(rows), "--as", "profiles", "--checkpoint", checkpoint, **env)
    session.until("1 job in progress")
    session.interrupt()
    assert session.ended() == 130
    assert "is kept: the same command resumes" in session.shown.replace("\r\n", " ").replace("\n", " ")
    assert "Traceback" not in session.shown
    fake._world.jobs.seconds = 0.0
    fake.finish_jobs()
    again = Commands(fake)("import", str(rows), "--as", "profiles", "--checkpoint", checkpoint, "--json").json
    assert again["succeeded"] == 100
    assert fake.store.count("profile") == 100
    assert len(fake.calls("bulk_import_profiles")) == 1


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(QueryError, match="two columns"):
        RowsFile("x.csv", {"a": "email", "b": "email"})
