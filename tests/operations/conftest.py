"""One loopback server that keeps what it was sent byte for byte, and one client of it, for all tests of a module."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import pytest_asyncio

from codegen.assemble import load_revision
from klaviyo_async import REVISION, Klaviyo
from tests.models.synthesis import Synthesiser
from tests.operations.expected import SPECS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEY = "pk_test_of_every_operation"


@attrs.frozen
class Received:
    """One request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Recorder:
    """Answers every request with `status` and `answer`, and keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.status = 200
        self.answer: Any = None
        self.url = ""

    def reply(self, status: int, answer: Any) -> None:
        """What to answer from now on; None for no body."""
        self.status, self.answer = status, answer
        self.requests.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                first, *lines = head[:-4].decode("latin-1").split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                if headers.get("transfer-encoding") == "chunked":
                    body = b""
                    while size := int((await reader.readuntil(b"\r\n")).strip(), 16):
                        body += (await reader.readexactly(size + 2))[:-2]
                    await reader.readuntil(b"\r\n")
                else:
                    body = await reader.readexactly(int(headers.get("content-length", 0)))
                method, target, _ = first.split(" ", 2)
                self.requests.append(Received(method, target, headers, body, head + body))
                answer = b"" if self.answer is None else json.dumps(self.answer).encode()
                kind = "" if self.answer is None else "Content-Type: application/vnd.api+json\r\n"
                writer.write(
                    f"HTTP/1.1 {self.status} X\r\n{kind}Content-Length: {len(answer)}\r\n\r\n".encode() + answer
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def recorder() -> AsyncIterator[Recorder]:
    made = Recorder()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield made
    server.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def klaviyo(recorder: Recorder) -> AsyncIterator[Klaviyo]:
    async with Klaviyo(KEY, company_id="COMPA1", base_url=recorder.url, limiter=False, max_retries=0) as client:
        yield client


@pytest.fixture(scope="session")
def synthesiser() -> Synthesiser:
    return Synthesiser(load_revision(SPECS, REVISION).document)
