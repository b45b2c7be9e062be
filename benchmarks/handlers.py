"""Web handlers that make three calls each, 200 requests at once: ours against raw aiohttp in the same framework.

python -m benchmarks.handlers [--rounds N] [--requests N]

The application, Klaviyo's stand-in and the load each have a process of their own. p50 and p99 of the handlers' response times, as
ratios to the same handlers on raw aiohttp + orjson, interleaved round by round.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

from benchmarks.environments import ROOT
from benchmarks.loopback import server
from klaviyo_async import REVISION, Klaviyo, LocalLimiter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

_RATES = {"burst": "1000000/s", "steady": "60000000/m"}
_HEADERS = {
    "Authorization": "Klaviyo-API-Key pk_bench",
    "revision": REVISION,
    "accept": "application/vnd.api+json",
    "content-type": "application/vnd.api+json",
}
_EVENT = {"OrderId": "1", "Items": ["a", "b"], "Total": 9.5}
_FRAMEWORKS = ("aiohttp.web", "FastAPI")


class Ours:
    """The three calls by klaviyo_async, limiter and checks on."""

    def __init__(self, url: str) -> None:
        limiter = LocalLimiter(overrides=dict.fromkeys(("get_list", "get_lists", "create_event"), _RATES))
        self._klaviyo = Klaviyo("pk_bench", base_url=url, limiter=limiter)

    async def handle(self) -> dict[str, str | None]:
        """What the handler does."""
        found = await self._klaviyo.lists.get_list("Y6nRLr")
        await self._klaviyo.events.create_event(
            metric={"name": "Placed Order"},
            profile={"email": "a@example.org"},
            properties=_EVENT,
            value=9.5,
            unique_id="1",
        )
        again = await self._klaviyo.lists.get_list("Y6nRLr")
        return {"id": found.data.id, "name": again.data.attributes.name}

    async def close(self) -> None:
        """Close the connections."""
        await self._klaviyo.close()


class Raw:
    """The same by aiohttp and orjson."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = aiohttp.ClientSession(headers=_HEADERS, connector=aiohttp.TCPConnector(limit=1000))

    async def handle(self) -> dict[str, str | None]:
        """What the handler does."""
        found = await self._get()
        attributes = {
            "metric": {"data": {"type": "metric", "attributes": {"name": "Placed Order"}}},
            "profile": {"data": {"type": "profile", "attributes": {"email": "a@example.org"}}},
            "properties": _EVENT,
            "value": 9.5,
            "unique_id": "1",
        }
        body = orjson.dumps({"data": {"type": "event", "attributes": attributes}})
        async with self._session.post(f"{self._url}/api/events", data=body) as response:
            response.raise_for_status()
            await response.read()
        again = await self._get()
        return {"id": found["data"]["id"], "name": again["data"]["attributes"]["name"]}

    async def _get(self) -> Any:
        async with self._session.get(f"{self._url}/api/lists/Y6nRLr") as response:
            response.raise_for_status()
            return orjson.loads(await response.read())

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()


_CLIENTS: dict[str, Callable[[str], Ours | Raw]] = {"ours": Ours, "raw": Raw}


def serve(framework: str, client: str, url: str, descriptor: int) -> None:
    """An application, on a socket that listens already."""
    listening = socket.socket(fileno=descriptor)
    asyncio.run({"aiohttp.web": _aiohttp, "FastAPI": _fastapi}[framework](_CLIENTS[client], url, listening))


async def _aiohttp(client: Callable[[str], Ours | Raw], url: str, listening: socket.socket) -> None:
    from aiohttp import web  # noqa: PLC0415 - each process loads its own framework

    made = client(url)

    async def handler(_: web.Request) -> web.Response:
        return web.json_response(await made.handle())

    app = web.Application()
    app.router.add_get("/", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    await asyncio.Event().wait()


async def _fastapi(client: Callable[[str], Ours | Raw], url: str, listening: socket.socket) -> None:
    import uvicorn  # noqa: PLC0415
    from fastapi import FastAPI  # noqa: PLC0415

    made = client(url)
    app = FastAPI()

    @app.get("/")
    async def handler() -> dict[str, str | None]:
        return await made.handle()

    await uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False)).serve(sockets=[listening])


@contextmanager
def _application(framework: str, client: str, url: str) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        code = f"from benchmarks.handlers import serve; serve({framework!r}, {client!r}, {url!r}, {listening.fileno()})"
        command = [sys.executable, "-c", code]
        process = subprocess.Popen(command, cwd=ROOT, pass_fds=(listening.fileno(),), env={**os.environ})
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            process.terminate()
            process.wait()


async def _load(url: str, requests: int, tasks: int = 200) -> list[float]:
    """Seconds that each request took."""
    taken: list[float] = []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=tasks)) as session:

        async def one() -> None:
            start = time.perf_counter()
            async with session.get(url) as response:
                assert response.status == 200, response.status
                await response.read()
            taken.append(time.perf_counter() - start)

        async def spread(count: int) -> None:
            left = iter(range(count))

            async def worker() -> None:
                for _ in left:
                    await one()

            workers: list[Awaitable[None]] = [worker() for _ in range(tasks)]
            await asyncio.gather(*workers)

        await spread(requests // 5)
        taken.clear()
        await spread(requests)
    return taken


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=3000)
    arguments = parser.parse_args()
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    with server() as address:
        for _ in range(arguments.rounds):
            for framework in _FRAMEWORKS:
                for client in ("raw", "ours"):
                    with _application(framework, client, address.http) as url:
                        times = asyncio.run(_load(url, arguments.requests))
                    cuts = statistics.quantiles(times, n=100)
                    found.setdefault((framework, client), []).append((cuts[49], cuts[98]))
    print("| 200 at once, 3 calls each | p50 raw | p99 raw | p50 ours / raw | p99 ours / raw |\n|---|---|---|---|---|")
    for framework in _FRAMEWORKS:
        raw, ours = found[framework, "raw"], found[framework, "ours"]
        absolute = [statistics.median(each[place] for each in raw) * 1e3 for place in (0, 1)]
        ratios = [
            statistics.median(mine[place] / other[place] for mine, other in zip(ours, raw, strict=True))
            for place in (0, 1)
        ]
        cells = [*(f"{ms:.0f} ms" for ms in absolute), *(f"{ratio:.2f}" for ratio in ratios)]
        print(f"| {framework} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
