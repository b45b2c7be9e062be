"""State: the store that tests use, seeded data, the clock, and the file that outlives a process."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sqlite3
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from klaviyo_async import REVISION, ConfigurationError, operations
from klaviyo_async.testing import Clock, FakeKlaviyo
from klaviyo_async.testing.database import _TABLES
from klaviyo_async.testing.schemas import load

ROOT = Path(__file__).resolve().parents[2]


def test_the_store_is_looked_at_and_changed():
    store = FakeKlaviyo(limits=False).store
    profile = store.add("profile", {"email": "a@x.com"}, id="P")
    assert profile == store.get("profile", "P")
    assert profile["attributes"]["email"] == "a@x.com"
    with pytest.raises(ValueError, match="already"):
        store.add("profile", {}, id="P")
    profile["attributes"]["email"] = "changed"
    found = store.find("profile", email="a@x.com")
    assert found is not None
    assert found["id"] == "P"
    store.update("profile", "P", {"first_name": "A"})
    found = store.get("profile", "P")
    assert found is not None
    assert found["attributes"]["email"] == "a@x.com"
    group = store.add("list", {"name": "L"}, relationships={"profiles": ["P"]})["id"]
    assert store.related("profile", "P", "lists") == [group]
    store.unlink("list", group, "profiles", ["P", "nobody"])
    store.link("list", group, "profiles", ["P"])
    with pytest.raises(KeyError):
        store.link("list", group, "profiles", ["nobody"])
    with pytest.raises(KeyError):
        store.add("list", {}, relationships={"profiles": ["nobody"]})
    store.remove("profile", "P")
    assert store.related("list", group, "profiles") == []
    assert store.get("profile", "P") is None
    assert store.find("profile", email="a@x.com") is None
    with pytest.raises(KeyError):
        store.remove("profile", "P")


def test_an_id_that_is_taken_is_made_again(monkeypatch):
    store = FakeKlaviyo(limits=False).store
    made = iter(["A", "A", "B"])
    monkeypatch.setattr(store.ids, "make", lambda _: next(made))
    assert [store.add("list", {"name": name})["id"] for name in "xy"] == ["A", "B"]
    first = store.get("list", "A")
    assert first is not None
    assert first["attributes"]["name"] == "x"


def test_indexes_follow_changes():
    store = FakeKlaviyo(limits=False).store
    table = store.table("profile")
    ids = [store.add("profile", {"email": f"{n}@x.com"})["id"] for n in (3, 1, 2)]
    assert len(table.sorted_by("email")) == 3
    assert table.having("email", "1@x.com") == [table.records[ids[1]].seq]
    store.update("profile", ids[1], {"email": "9@x.com"})
    store.remove("profile", ids[0])
    store.add("profile", {"email": "1@x.com"})
    assert [table.by_seq[seq].attributes["email"] for _, seq in table.sorted_by("email")] == [
        "1@x.com",
        "2@x.com",
        "9@x.com",
    ]
    assert len(table.having("email", "1@x.com")) == 1
    assert table.having("email", "3@x.com") == []


def test_a_seed_repeats_itself():
    def data(seed):
        fake = FakeKlaviyo(limits=False, seed=seed)
        fake.clock.freeze(datetime(2026, 1, 1, tzinfo=UTC))
        fake.seed(profiles=40, lists=2, events=20, items=3)
        return [
            [(one["id"], one["attributes"]) for one in fake.store.all(kind)]
            for kind in ("profile", "catalog-item", "catalog-variant")
        ]

    assert data(1) == data(1) != data(2)
    fake = FakeKlaviyo(limits=False)
    fake.seed(profiles=40, lists=2, events=20, items=3)
    fake.seed(profiles=10)
    assert [fake.store.count(kind) for kind in ("profile", "list", "event", "catalog-item", "catalog-variant")] == [
        50,
        2,
        20,
        3,
        6,
    ]
    emails = [one["attributes"]["email"] for one in fake.store.all("profile")]
    assert len(set(emails)) == 50
    assert [len(fake.store.related("list", one["id"], "profiles")) for one in fake.store.all("list")] == [20, 20]


async def test_seeded_profiles_are_right_by_the_schema(send, fake):
    fake.seed(profiles=20, events=5, items=2)
    for path, name in (
        ("/api/profiles", operations["get_profiles"].response),
        ("/api/events", "GetEventResponseCollectionCompoundDocument"),
        ("/api/catalog-items?include=variants", "GetCatalogItemResponseCollectionCompoundDocument"),
    ):
        answer = await send("GET", path)
        assert len(answer.data) > 1
        assert name is not None
        problems = load().problems(name, answer.json, strict=False)
        assert [one for one in problems if "/links/" not in one["source"]["pointer"]] == []


def test_the_clock():
    clock = Clock()
    before = clock.now()
    clock.advance(3600)
    assert timedelta(hours=1) <= clock.now() - before < timedelta(hours=1, seconds=5)
    clock.freeze(datetime(2026, 1, 1, tzinfo=UTC))
    assert clock.now() == clock.now() == datetime(2026, 1, 1, tzinfo=UTC)
    clock.advance(timedelta(days=1))
    assert clock.now() == datetime(2026, 1, 2, tzinfo=UTC)
    clock.resume()
    assert datetime(2026, 1, 2, tzinfo=UTC) <= clock.now() < datetime(2026, 1, 2, 0, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="forward"):
        clock.advance(-1)
    with pytest.raises(ValueError, match="aware"):
        clock.freeze(datetime(2026, 1, 1))  # noqa: DTZ001


async def test_a_reset_forgets_everything_but_the_furniture(send, fake, body):
    await send("POST", "/api/lists", json=body("list", name="L"))
    fake.fail(status=500)
    fake.reset()
    assert fake.store.count("list") == 0
    assert fake.requests == []
    assert not fake.responses
    assert len((await send("GET", "/api/accounts")).data) == 1
    assert fake.responses == {200: 1}


async def test_state_in_a_file_outlives_the_fake(tmp_path, make_sender, body):
    path = tmp_path / "state.sqlite"
    async with FakeKlaviyo(limits=False, database=path) as fake, make_sender(fake) as send:
        profile = (await send("POST", "/api/profiles", json=body("profile", email="a@x.com"))).data["id"]
        gone = (await send("POST", "/api/profiles", json=body("profile", email="b@x.com"))).data["id"]
        group = (await send("POST", "/api/lists", json=body("list", name="L"))).data["id"]
        members = [{"type": "profile", "id": one} for one in (profile, gone)]
        await send("POST", f"/api/lists/{group}/relationships/profiles", json={"data": members})
        account = next(fake.store.all("account"))["id"]
        rows = [{"type": "profile", "attributes": {"email": "c@x.com"}}]
        job = {"data": {"type": "profile-bulk-import-job", "attributes": {"profiles": {"data": rows}}}}
        pending = (await send("POST", "/api/profile-bulk-import-jobs", json=job)).data["id"]
        fake.store.remove("profile", gone)
    async with FakeKlaviyo(limits=False, database=path) as fake, make_sender(fake) as send:
        assert fake.store.related("list", group, "profiles") == [profile]
        assert fake.store.related("profile", profile, "lists") == [group]
        assert [one["id"] for one in fake.store.all("account")] == [account]
        assert (await send("POST", "/api/profiles", json=body("profile", email="A@x.com"))).status == 409
        new = (await send("POST", "/api/profiles", json=body("profile", email="d@x.com"))).data["id"]
        assert [one["id"] for one in (await send("GET", "/api/profiles")).data][-1] == new
        fake.clock.advance(5)
        done = await send("GET", f"/api/profile-bulk-import-jobs/{pending}")
        assert done.data["attributes"]["status"] == "complete"
        assert fake.store.find("profile", email="c@x.com") is not None


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_the_stand_alone_server_survives_its_end(tmp_path, how, body):
    async def run(*more):
        command = [
            sys.executable,
            "-m",
            "klaviyo_async.testing",
            "--port",
            "0",
            "--database",
            str(tmp_path / "x.sqlite"),
            *more,
        ]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, cwd=ROOT)
        assert process.stdout is not None
        async with asyncio.timeout(20):
            line = b""
            while b"http://" not in line:
                line = await process.stdout.readline()
                assert line
        return process, line.decode().split()[-1]

    async def stop(process, signal=signal.SIGTERM):
        process.send_signal(signal)
        async with asyncio.timeout(20):
            await process.communicate()
        return process.returncode

    headers = {"Authorization": "Klaviyo-API-Key pk_x", "revision": REVISION}
    process, url = await run("--profiles", "3")
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.post(f"{url}/api/lists", json=body("list", name="L")) as answer:
            assert answer.status == 201
        assert await stop(process, how) == (0 if how == signal.SIGTERM else -9)
        process, url = await run("--profiles", "3")
        try:
            async with session.get(f"{url}/api/lists") as answer:
                assert len((await answer.json(content_type=None))["data"]) == 1
            async with session.get(f"{url}/api/profiles") as answer:
                assert len((await answer.json(content_type=None))["data"]) == 3
        finally:
            await stop(process)


def other_programs_file(path, *statements):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    return path


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE customers (id INTEGER)"],
        ["CREATE TABLE record (mine TEXT)"],
        ["CREATE TABLE record (a)", "CREATE TABLE pair (b)", "CREATE TABLE more (c)"],
        ["CREATE TABLE record (a)", "CREATE TABLE pair (b)", "PRAGMA application_id=7"],
        ["PRAGMA application_id=7"],
    ],
)
def test_the_database_of_another_program_is_left_alone(tmp_path, statements):
    path = other_programs_file(tmp_path / "shop.sqlite", *statements)
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match=r"shop\.sqlite is the SQLite file of another program"):
        FakeKlaviyo(database=path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["shop.sqlite"]


def test_what_is_no_database_is_left_alone_too(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("no database at all, " * 100)
    for wrong in (path, tmp_path, tmp_path / "missing" / "x.sqlite"):
        with pytest.raises(ConfigurationError, match="can't be used"):
            FakeKlaviyo(database=wrong)
    assert path.read_text() == "no database at all, " * 100


async def test_files_of_earlier_versions_and_empty_ones_are_taken(tmp_path):
    earlier = other_programs_file(tmp_path / "earlier.sqlite", *_TABLES.strip().removesuffix(";").split(";\n"))
    (tmp_path / "empty.sqlite").touch()
    for path in (earlier, tmp_path / "empty.sqlite"):
        for count in (1, 2):
            async with FakeKlaviyo(limits=False, database=path) as fake:
                fake.store.add("list", {"name": f"L{count}"})
                assert fake.store.count("list") == count
