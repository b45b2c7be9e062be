"""A bare aiohttp server on loopback that answers what a test tells it to."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web

ROOT = Path(__file__).resolve().parents[2]

Answer = web.StreamResponse | dict[str, Any] | int
Handler = Callable[[web.Request], Answer | Awaitable[Answer]]


class Server:
    """Listens on loopback, keeps what was asked, and answers what the test's handler gives (a mapping is a 200)."""

    def __init__(self) -> None:
        self.asked: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.handler: Handler = lambda _: {"data": []}
        self.url = ""
        self._runner: web.ServerRunner | None = None

    async def start(self) -> None:
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.bodies.append(await request.read())
        self.asked.append(request)  # type: ignore[arg-type]
        found = self.handler(request)  # type: ignore[arg-type]
        if inspect.isawaitable(found):
            found = await found
        if isinstance(found, int):
            return web.Response(status=found)
        if isinstance(found, dict):
            return document(found)
        return found

    @property
    def json(self) -> Any:
        """The body of the last request."""
        return json.loads(self.bodies[-1])


def document(value: Any, status: int = 200, **headers: str) -> web.Response:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return web.Response(
        status=status, body=json.dumps(value).encode(), headers=named, content_type="application/vnd.api+json"
    )


def errors(status: int, code: str = "code", headers: dict[str, str] | None = None, **more: Any) -> web.Response:
    error = {
        "id": "3a1c7e50-0000-0000-0000-000000000000",
        "status": status,
        "code": code,
        "title": "A title",
        "detail": "A detail.",
        "source": {"pointer": "/data/attributes/email"},
        "links": {},
        "meta": {},
        **more,
    }
    return document({"errors": [error]}, status, **(headers or {}))


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
