"""The example of many workers, run as its users run it: saq's workers, a real redis-server, and one worker killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from klaviyo_async.testing import FakeKlaviyo
from tests.bulk.test_export import add_events, uneven
from tests.limiter.redis_server import RedisServer, needs_server
from tests.support.servers import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytest.importorskip("saq", reason="saq is not installed")
pytest.importorskip("redis", reason="redis-py is not installed")
parquet: Any = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")

pytestmark = needs_server
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    yield server
    server.kill()


def names_in(folder: Path, ending: str) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.endswith(ending))


def taken(folder: Path, accounts: list[str]) -> list[list[str]]:
    return [
        [json.loads(line)["id"] for line in (folder / f"{account}.ndjson").read_text().splitlines()]
        for account in accounts
    ]


class Machines:
    """Workers and programs of the example, in processes of their own."""

    def __init__(self, redis: RedisServer, fake: FakeKlaviyo, **environment: str) -> None:
        self.environment = {
            **os.environ,
            "REDIS_URL": redis.url,
            "KLAVIYO_BASE_URL": fake.url,
            "HEARTBEAT": "5",
            "CONCURRENCY": "2",
            "PYTHONPATH": str(EXAMPLES),
            **environment,
        }
        self.workers: list[asyncio.subprocess.Process] = []

    async def worker(self) -> None:
        self.workers.append(await self.start("-m", "saq", "distributed.work.settings", out=subprocess.DEVNULL))

    async def start(self, *arguments: str, out: int = subprocess.PIPE) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, *arguments, env=self.environment, stdout=out, stderr=subprocess.STDOUT
        )

    async def run(self, *arguments: str) -> str:
        process = await self.start(*arguments)
        try:
            async with asyncio.timeout(240):
                said, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0, said.decode()
        return said.decode()


@asynccontextmanager
async def machines(redis: RedisServer, fake: FakeKlaviyo, **environment: str) -> AsyncIterator[Machines]:
    made = Machines(redis, fake, **environment)
    try:
        yield made
    finally:
        for worker in made.workers:
            if worker.returncode is None:
                worker.kill()
            await worker.wait()


async def test_a_worker_is_killed_and_nothing_is_lost_or_twice(redis: RedisServer, tmp_path: Path) -> None:
    async with FakeKlaviyo(latency=0.2) as fake, machines(redis, fake, KLAVIYO_API_KEY="pk_test") as here:
        ids = add_events(fake, uneven(1500))
        for _ in range(3):
            await here.worker()
        asked = asyncio.create_task(
            here.run("-m", "distributed.one_account", str(tmp_path), "--parts", "12", "--page-size", "20")
        )
        try:
            await until(lambda: asked.done() or len(names_in(tmp_path, ".partial")) >= 5, 120)
            here.workers[0].send_signal(signal.SIGKILL)
            said = await asked
        finally:
            asked.cancel()
            await asyncio.wait([asked])
        assert "1,500 records" in said
        assert "missing" not in said
        found = [
            row["id"]
            for name in names_in(tmp_path, ".parquet")
            for row in parquet.read_table(tmp_path / name).to_pylist()
        ]
        assert sorted(found) == sorted(ids)
        assert fake.responses[429] == 0


async def test_many_accounts_take_what_is_new_each_night(redis: RedisServer, tmp_path: Path) -> None:
    accounts = [f"shop{number}" for number in range(6)]
    keys = {f"KLAVIYO_API_KEY_{account.upper()}": f"pk_{account}" for account in accounts}
    folder, names = tmp_path / "out", tmp_path / "accounts.txt"
    folder.mkdir()
    names.write_text("\n".join(accounts))
    async with FakeKlaviyo() as fake, machines(redis, fake, **keys) as here:
        add_events(fake, [200 * 86400 + number for number in range(40)])
        await here.worker()
        await here.worker()
        sync = ("-m", "distributed.many_accounts", str(folder), str(names), "--day")
        # A job that a busy machine kept from touching is run once more, and finds nothing new: the files tell.
        assert "6 accounts: " in await here.run(*sync, "2026-11-01")
        assert [len(ids) for ids in taken(folder, accounts)] == [40] * 6
        assert "6 accounts: " in await here.run(*sync, "2026-11-01")
        assert [len(ids) for ids in taken(folder, accounts)] == [40] * 6, "started twice, it takes nothing twice"
        fake.clock.advance(timedelta(days=1))
        now = fake.clock.now().replace(microsecond=0).isoformat()
        fake.store.add("event", {"datetime": now, "timestamp": 0, "event_properties": {}, "uuid": "new"})
        assert "6 accounts: " in await here.run(*sync, "2026-11-02")
        assert [(len(ids), len(set(ids))) for ids in taken(folder, accounts)] == [(41, 41)] * 6
        assert fake.responses[429] == 0
