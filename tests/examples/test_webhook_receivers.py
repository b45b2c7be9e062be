"""The receivers of examples/ take what FakeKlaviyo delivers, and nothing else."""

from __future__ import annotations

import asyncio
import importlib
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from klaviyo_async import Klaviyo
from klaviyo_async.testing import FakeKlaviyo

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SECRET = "whsec-0123456789abcdef"
TOPIC = "event:api.placed_order"


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLAVIYO_WEBHOOK_SECRET", SECRET)


async def place_orders(url: str, count: int) -> list[tuple[str, int | None]]:
    """Subscribe `url` to orders and place some; which webhook got which status."""
    async with FakeKlaviyo(limits=False) as fake, Klaviyo("pk_test", base_url=fake.url) as klaviyo:
        await klaviyo.webhooks.create_webhook(
            name="Orders", endpoint_url=url, secret_key=SECRET, webhook_topics=[TOPIC]
        )
        for number in range(count):
            await klaviyo.events.create_event(
                metric={"name": "Placed Order"},
                profile={"email": "sarah@x.com"},
                properties={"OrderId": str(number)},
                unique_id=str(number),
            )
        await fake.settle()
        return fake.deliveries


@asynccontextmanager
async def fastapi_receiver() -> AsyncIterator[tuple[Any, str]]:
    pytest.importorskip("fastapi")
    uvicorn = pytest.importorskip("uvicorn")
    app = importlib.import_module("examples.webhooks_fastapi").app
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on"))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield app, f"http://127.0.0.1:{listening.getsockname()[1]}/klaviyo"
    finally:
        server.should_exit = True
        await serving
        listening.close()


@asynccontextmanager
async def aiohttp_receiver() -> AsyncIterator[tuple[Any, str]]:
    app = importlib.import_module("examples.webhooks_aiohttp").application()
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield app, f"http://127.0.0.1:{runner.addresses[0][1]}/klaviyo"
    finally:
        await runner.cleanup()


async def test_fastapi_handles_each_event_once() -> None:
    async with fastapi_receiver() as (app, url):
        delivered = await place_orders(url, 3)
        assert {status for _, status in delivered} == {202}
        await app.state.queue.join()
        handled = [(topic, email, properties["OrderId"]) for topic, email, properties in app.state.handled]
        assert sorted(handled) == [(TOPIC, "sarah@x.com", str(number)) for number in range(3)]


async def test_aiohttp_handles_each_event_once() -> None:
    receiver = importlib.import_module("examples.webhooks_aiohttp")
    async with aiohttp_receiver() as (app, url):
        delivered = await place_orders(url, 3)
        assert {status for _, status in delivered} == {202}
        assert list(app[receiver.HANDLED].values()) == [TOPIC] * 3


@pytest.mark.parametrize("receiver", [fastapi_receiver, aiohttp_receiver])
async def test_a_forged_delivery_is_refused(receiver: Any) -> None:
    async with receiver() as (_, url), aiohttp.ClientSession() as session:
        forged = {"Klaviyo-Signature": "0" * 64, "Klaviyo-Timestamp": "Tue, 21 Jul 2026 10:00:00 GMT"}
        for headers in ({}, forged):
            async with session.post(url, data=b'{"data": [], "meta": {}}', headers=headers) as response:
                assert response.status == 401
