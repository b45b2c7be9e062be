"""Addresses: looked up once at a time, kept for seconds, forgotten when they can't be reached."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from klaviyo_async import Klaviyo, TransportError
from klaviyo_async._http import addresses
from klaviyo_async._http.addresses import Addresses
from tests.http.test_faults import _closed_port
from tests.http.wire import PROFILE
from tests.support.servers import RawServer, reply


class Names:
    """Instead of DNS: what each name is at the moment, and how often it was looked up."""

    def __init__(self) -> None:
        self.ports: dict[str, int] = {}
        self.looked_up: list[str] = []
        self.failing = False

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[Any]:
        self.looked_up.append(host)
        await asyncio.sleep(0.01)
        if self.failing:
            raise OSError("no such host")
        real = self.ports.get(host, port)
        return [
            {"hostname": host, "host": f"127.0.0.{number}", "port": real, "family": 2, "proto": 0, "flags": 4}
            for number in (1, 2)
        ]

    async def close(self) -> None: ...


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    made = Names()
    monkeypatch.setattr(addresses, "DefaultResolver", lambda: made)
    return made


async def test_one_lookup_at_a_time_and_for_ten_seconds(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    known = Addresses()
    found = await asyncio.gather(*(known.resolve("a.test", 443) for _ in range(5)))
    assert names.looked_up == ["a.test"]
    assert {entry[0]["host"] for entry in found} == {"127.0.0.1", "127.0.0.2"}
    clock = addresses.time.monotonic
    monkeypatch.setattr(addresses.time, "monotonic", lambda: clock() + addresses.KEPT + 1)
    await known.resolve("a.test", 443)
    assert names.looked_up == ["a.test", "a.test"]


async def test_a_failed_lookup_and_a_cancelled_one(names: Names) -> None:
    known = Addresses()
    names.failing = True
    for _ in range(2):
        with pytest.raises(OSError, match="no such host"):
            await known.resolve("a.test")
    names.failing = False
    first = asyncio.create_task(known.resolve("a.test"))
    second = asyncio.create_task(known.resolve("a.test"))
    await asyncio.sleep(0)
    first.cancel()
    assert len(await second) == 2
    assert len(names.looked_up) == 3


async def test_a_service_that_moves_is_found_at_once(server: RawServer, names: Names, naps: list[float]) -> None:
    server.plan(reply(200, PROFILE))
    names.ports["api.test"] = _closed_port()
    async with Klaviyo("pk_x", base_url="http://api.test:80", limiter=False) as klaviyo:
        with pytest.raises(TransportError):
            await klaviyo.with_options(max_retries=0).profiles.get_profile("01")
        names.ports["api.test"] = int(server.url.rpartition(":")[2])
        assert (await klaviyo.with_options(max_retries=0).profiles.get_profile("01")).data.id == "01"
    assert names.looked_up == ["api.test", "api.test"]
