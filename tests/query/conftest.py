"""A strict server on loopback, and the specs read on their own: what the generator made of them is what is tested."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web
from attrs import define, field
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

SPECS = Path(__file__).resolve().parents[2] / "specs" / "2026-04-15"


@define
class Spec:
    """One operation as its document has it."""

    name: str
    method: str
    path: str
    raw: dict[str, Any]
    resolve: Callable[[str], dict[str, Any]]

    def parameters(self, place: str) -> list[dict[str, Any]]:
        return [each for each in self.raw.get("parameters", ()) if each["in"] == place and each["name"] != "revision"]

    @property
    def body(self) -> dict[str, Any] | None:
        content = self.raw.get("requestBody", {}).get("content")
        return next(iter(content.values()))["schema"] if content else None


@cache
def specs() -> dict[str, Spec]:
    """All operations by name, straight from the JSON files."""
    found = {}
    for file in sorted(SPECS.glob("*.json")):
        document = json.loads(file.read_text("utf-8"))
        for path, item in document["paths"].items():
            for method, raw in item.items():

                def resolve(reference: str, document: dict[str, Any] = document) -> dict[str, Any]:
                    node: Any = document
                    for step in reference[2:].split("/"):
                        node = node[step]
                    return node

                raw["parameters"] = [
                    resolve(each["$ref"]) if "$ref" in each else each for each in raw.get("parameters", ())
                ]
                found[raw["operationId"]] = Spec(raw["operationId"], method.upper(), path, raw, resolve)
    return found


@pytest.fixture
def specifications() -> dict[str, Spec]:
    return specs()


@define
class Seen:
    """A request as the server saw it."""

    method: str
    target: str
    """Raw request target: nothing decoded."""
    headers: dict[str, str]
    body: bytes


@define
class Server:
    """Takes every request, keeps it, and answers with what `answers` has next (an empty document where it is empty)."""

    origin: str = ""
    seen: list[Seen] = field(factory=list)
    answers: list[Any] = field(factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name: value.encode("utf-8", "surrogateescape").decode() for name, value in request.headers.items()}
        self.seen.append(Seen(request.method, request.raw_path, headers, body))
        answer = self.answers.pop(0) if self.answers else {"data": []}
        if callable(answer):
            answer = await answer(request)
        if isinstance(answer, web.StreamResponse):
            return answer
        return web.json_response(answer, content_type="application/vnd.api+json")


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    strict = Server()
    app = web.Application(client_max_size=100_000_000)
    app.router.add_route("*", "/{anything:.*}", strict.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, max_line_size=65536)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    strict.origin = f"http://127.0.0.1:{port}"
    yield strict
    await runner.cleanup()


@pytest.fixture
async def send(server: Server) -> AsyncIterator[Callable[[Any], Any]]:
    """Sends a prepared request as the session does, and gives what the server saw."""
    async with aiohttp.ClientSession() as session:

        async def exchange(prepared: Any) -> Seen:
            headers = dict(prepared.headers)
            content = prepared.payload.content if prepared.payload else None
            if prepared.payload:
                headers["Content-Type"] = prepared.payload.content_type
            data = content if content is None or isinstance(content, bytes) else content.payload()
            url = URL(server.origin + prepared.target, encoded=True)
            async with session.request(prepared.operation.method, url, data=data, headers=headers) as response:
                assert response.status == 200
                await response.read()
            return server.seen[-1]

        yield exchange


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests that take `spec` run for every operation, those that take `writing` for every one with a JSON body."""
    if "spec" in metafunc.fixturenames:
        metafunc.parametrize("spec", list(_all(lambda _: True)), ids=lambda each: each.name)
    if "writing" in metafunc.fixturenames:
        metafunc.parametrize(
            "writing",
            list(_all(lambda each: each.body is not None and each.name != "upload_image_from_file")),
            ids=lambda each: each.name,
        )


def _all(wanted: Callable[[Spec], bool]) -> Iterator[Spec]:
    return (each for each in specs().values() if wanted(each))
