"""The programs in examples/ run against FakeKlaviyo, as their users would run them."""

from __future__ import annotations

import asyncio
import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from klaviyo_async import Klaviyo
from klaviyo_async.testing import FakeKlaviyo

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
async def fake() -> AsyncIterator[FakeKlaviyo]:
    async with FakeKlaviyo(limits=False) as made:
        yield made


@pytest.fixture
def fake_in_thread() -> Iterator[FakeKlaviyo]:
    with FakeKlaviyo(limits=False) as made:
        yield made


@pytest.fixture
def default_client(fake_in_thread: FakeKlaviyo, monkeypatch: pytest.MonkeyPatch) -> FakeKlaviyo:
    """Clients that say nothing of where to call this fake."""
    monkeypatch.setenv("KLAVIYO_API_KEY", "pk_examples")
    defaults: Any = Klaviyo.__init__.__kwdefaults__
    monkeypatch.setitem(defaults, "base_url", fake_in_thread.url)
    return fake_in_thread


def test_fastapi(default_client: FakeKlaviyo) -> None:
    pytest.importorskip("httpx")
    testclient = pytest.importorskip("fastapi.testclient")
    app = importlib.import_module("examples.fastapi_app").app
    with testclient.TestClient(app) as browser:
        made = browser.post("/signup", json={"email": "sarah@shop.com", "first_name": "Sarah"})
        assert made.status_code == 201
        read = browser.get(f"/profiles/{made.json()['id']}")
        assert read.json()["attributes"]["first_name"] == "Sarah"
        found = browser.get("/profiles", params={"email": "sarah@shop.com"})
        assert [one["id"] for one in found.json()] == [made.json()["id"]]
        assert browser.get("/profiles/nobody").status_code == 404
        default_client.fail("get_profile", times=20, status=400)
        assert browser.get("/profiles/x").status_code == 502
        assert browser.get("/openapi.json").json()["paths"]["/profiles/{id}"]
    assert default_client.store.count("event") == 1


async def test_aiohttp_web(fake: FakeKlaviyo) -> None:
    app = importlib.import_module("examples.aiohttp_app").application(api_key="pk_test", base_url=fake.url)
    async with TestClient(TestServer(app)) as browser:
        made = await browser.post("/signup", json={"email": "sarah@shop.com"})
        assert made.status == 201
        read = await browser.get(f"/profiles/{(await made.json())['id']}")
        assert (await read.json())["attributes"]["email"] == "sarah@shop.com"
        assert (await browser.get("/profiles/nobody")).status == 404


def test_django(default_client: FakeKlaviyo) -> None:
    pytest.importorskip("django")
    program = """
import asyncio, json, sys
from klaviyo_async import Klaviyo
Klaviyo.__init__.__kwdefaults__["base_url"] = sys.argv[1]
from examples import django_app
from django.test import AsyncClient

async def main():
    browser = AsyncClient()
    made = await browser.post("/signup", {"email": "sarah@shop.com"}, content_type="application/json")
    assert made.status_code == 201, made.content
    read = await browser.get("/profiles/" + json.loads(made.content)["id"])
    assert json.loads(read.content)["attributes"]["email"] == "sarah@shop.com"
    assert (await browser.get("/profiles/nobody")).status_code == 404
    await django_app.klaviyo().close()

asyncio.run(main())
"""
    # Django is configured once a process: in one of its own.
    done = subprocess.run(
        [sys.executable, "-c", program, default_client.url],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


async def test_an_event_stream(fake: FakeKlaviyo, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = importlib.import_module("examples.event_stream")
    monkeypatch.setattr(stream, "MOST", 10)
    monkeypatch.setattr(stream, "PATIENCE", 0.01)
    queue: asyncio.Queue[Any] = asyncio.Queue()
    for number in range(25):
        queue.put_nowait(
            {"id": str(number), "email": f"{number % 3}@shop.com", "metric": "Viewed", "properties": {"n": 1}}
        )
    queue.put_nowait(None)
    async with Klaviyo("pk_test", base_url=fake.url) as klaviyo:
        assert await stream.send(klaviyo, queue) == (25, 0)
    fake.finish_jobs()
    assert fake.store.count("event") == 25
    assert len(fake.calls("bulk_create_events")) == 3


async def test_an_event_stream_sends_what_waits_though_no_more_comes(
    fake: FakeKlaviyo, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = importlib.import_module("examples.event_stream")
    monkeypatch.setattr(stream, "PATIENCE", 0.01)
    queue: asyncio.Queue[Any] = asyncio.Queue()
    queue.put_nowait({"id": "1", "email": "a@shop.com", "metric": "Viewed"})
    async with Klaviyo("pk_test", base_url=fake.url) as klaviyo:
        sending = asyncio.create_task(stream.send(klaviyo, queue))
        async with asyncio.timeout(10):
            while not fake.calls("bulk_create_events"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        queue.put_nowait(None)
        assert await sending == (1, 0)


async def test_a_report_and_its_plot(fake: FakeKlaviyo, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pandas")
    pytest.importorskip("matplotlib")
    report = importlib.import_module("examples.report_plot")
    fake.store.add("metric", {"name": "Placed Order"})
    async with Klaviyo("pk_test", base_url=fake.url) as klaviyo:
        audience = await klaviyo.lists.create_list(name="All")
        content: dict[str, Any] = {"subject": "Hi", "from_email": "me@shop.com", "from_label": "Shop"}
        for name in ("May", "June"):
            await klaviyo.campaigns.create_campaign(
                name=name,
                audiences={"included": [audience.data.id]},
                campaign_messages=[{"definition": {"channel": "email", "label": name, "content": content}}],
            )
    frame = await report.main(tmp_path / "plot.svg", api_key="pk_test", base_url=fake.url)
    assert list(frame.columns) == ["campaign", "opens", "clicks", "conversion_value"]
    assert set(frame["campaign"]) == {"May", "June"}
    assert "<svg" in (tmp_path / "plot.svg").read_text("utf-8")
    assert "conversion_value" in capsys.readouterr().out


async def test_a_nightly_sync_twice(fake: FakeKlaviyo, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pyarrow")
    nightly = importlib.import_module("examples.nightly_sync")
    fake.seed(profiles=50, events=120)
    customers = tmp_path / "customers.csv"
    customers.write_text("email,first_name,properties.tier\nsarah@shop.com,Sarah,gold\nno address,Jo,silver\n", "utf-8")
    client = {"api_key": "pk_test", "base_url": fake.url}
    # One address is none: Klaviyo refuses that row, and the exit code says so.
    assert await nightly.main(customers, tmp_path / "out", **client) == 1
    assert "1 succeeded, 1 failed" in capsys.readouterr().out
    assert '"no address"' in (tmp_path / "out" / "refused.ndjson").read_text("utf-8")
    events = (tmp_path / "out" / "events.ndjson").read_text("utf-8").splitlines()
    assert len({json.loads(line)["id"] for line in events}) == len(events) == 120
    # The second run of the night sends nothing again, and takes no event twice.
    assert await nightly.main(customers, tmp_path / "out", **client) == 1
    assert len(fake.calls("bulk_import_profiles")) == 1
    assert len((tmp_path / "out" / "events.ndjson").read_text("utf-8").splitlines()) == 120


def test_every_example_is_run_by_a_test() -> None:
    named = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    programs = [path.stem for path in (ROOT / "examples").glob("*.py")]
    assert [name for name in programs if name not in named] == []


def test_the_notebook_runs_and_has_its_outputs() -> None:
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(ROOT / "examples" / "notebook.ipynb", as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    kept = [[output.get("data", {}).get("text/plain") for output in cell.outputs] for cell in cells]
    assert any("text/html" in output.get("data", {}) for cell in cells for output in cell.outputs)
    nbclient.NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(ROOT)}}).execute()
    # What it prints depends on the seed alone.
    made = [[output.get("data", {}).get("text/plain") for output in cell.outputs] for cell in cells]
    assert [len(outputs) for outputs in made] == [len(outputs) for outputs in kept]
