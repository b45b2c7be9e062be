"""A server on loopback, and a session that sends prepared requests to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from yarl import URL

from klaviyo_async._http.multipart import MultipartPayload
from tests.support.servers import Received, WebServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


@pytest.fixture
async def server() -> AsyncIterator[WebServer]:
    made = WebServer()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def send(server: WebServer) -> AsyncIterator[Callable[[Any], Any]]:
    """Sends a prepared request as the session does, and gives what the server saw."""
    async with aiohttp.ClientSession() as session:

        async def exchange(prepared: Any) -> Received:
            headers = dict(prepared.headers)
            content = prepared.payload.content if prepared.payload else None
            if prepared.payload:
                headers["Content-Type"] = prepared.payload.content_type
            data = content if content is None or isinstance(content, bytes) else MultipartPayload(content)
            url = URL(server.url + prepared.target, encoded=True)
            async with session.request(prepared.operation.method, url, data=data, headers=headers) as response:
                assert response.status == 200
                await response.read()
            return server.requests[-1]

        yield exchange
