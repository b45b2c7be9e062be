"""The two loopback servers of the tests: one that writes planned bytes as they are, and one of aiohttp with a handler."""

from __future__ import annotations

import asyncio
import inspect
import json
from typing import TYPE_CHECKING, Any

from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

MEDIA_TYPE = "application/vnd.api+json"


class Received:
    """One request as it came over the wire: nothing is decoded but the header lines."""

    def __init__(self, head: bytes, body: bytes) -> None:
        first, *lines = head.decode("utf-8", "surrogateescape").split("\r\n")
        self.raw = head + b"\r\n\r\n" + body
        self.method, self.target, _ = first.split(" ", 2)
        pairs = (line.partition(":") for line in lines if line)
        self.headers = CIMultiDict((name.lower(), value.strip()) for name, _, value in pairs)
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def path(self) -> str:
        """The decoded path."""
        return self._url.path

    @property
    def query(self) -> Any:
        """The decoded query."""
        return self._url.query

    @property
    def raw_query(self) -> str:
        return self.target.partition("?")[2]

    @property
    def _url(self) -> URL:
        return URL(self.target, encoded=True)


# --- bytes


class Connection:
    """What one client connection did: its requests, and how it ended."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.closed = False


class RawServer:
    """Replies to each request with the next of `replies`, and with the last one again and again.

    Bytes are written as they are. A function gets the request and the writer, and returns whether the connection ends.
    """

    def __init__(self) -> None:
        self.replies: list[Any] = []
        self.requests: list[Received] = []
        self.connections: list[Connection] = []
        self.url = ""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = 0

    def plan(self, *replies: Any) -> None:
        """What to reply from now on."""
        self.replies = list(replies)
        self._turn = 0

    def always(self, status: int, document: Any) -> None:
        """Reply with this from now on (None: no body), and forget the requests so far."""
        body = b"" if document is None else json.dumps(document).encode()
        self.plan(reply(status, body, content_type=None if document is None else MEDIA_TYPE))
        self.requests.clear()

    async def start(self, **options: Any) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, **options)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'https' if options.get('ssl') else 'http'}://127.0.0.1:{port}"

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # The transports' own callbacks, which close the sockets.
        for _ in range(3):
            await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        connection = Connection()
        self.connections.append(connection)
        try:
            while True:
                request = await _receive(reader)
                connection.requests.append(request)
                self.requests.append(request)
                planned = self.replies[min(self._turn, len(self.replies) - 1)]
                self._turn += 1
                if isinstance(planned, bytes):
                    writer.write(planned)
                    await writer.drain()
                elif await planned(request, writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            connection.closed = True
            self._tasks.discard(task)
            writer.close()


async def _receive(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n"))[:-4]
    headers = Received(head, b"").headers
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int((await reader.readuntil(b"\r\n")).strip(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")
    else:
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Received(head, body)


def reply(
    status: int = 200,
    body: bytes = b"",
    *,
    content_type: str | None = MEDIA_TYPE,
    length: int | None = None,
    **headers: str,
) -> bytes:
    """The bytes of a whole HTTP response; `length` where its Content-Length is to be wrong."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body) if length is None else length}"]
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


# --- aiohttp

Reply = web.StreamResponse | dict[str, Any] | int
if TYPE_CHECKING:
    Handler = Callable[[web.BaseRequest], Reply | Awaitable[Reply]]


class WebServer:
    """Responds with what `replies` has next, and when it is empty with what `handler` returns.

    A mapping is a document with status 200, a number a status without a body; a function in `replies` is a handler.
    """

    def __init__(self) -> None:
        self.replies: list[Reply | Handler] = []
        self.handler: Handler = lambda _: {"data": []}
        self.requests: list[Received] = []
        self.url = ""
        self._runner: web.ServerRunner | None = None

    async def start(self) -> None:
        server = web.Server(self._handle, request_factory=_request, access_log=None, max_line_size=65536)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        head = b"\r\n".join(
            [
                f"{request.method} {request.raw_path} HTTP/1.1".encode(),
                *(name + b": " + value for name, value in request.raw_headers),
            ]
        )
        self.requests.append(Received(head, await request.read()))
        found: Any = self.replies.pop(0) if self.replies else self.handler
        if callable(found) and not isinstance(found, web.StreamResponse):
            found = found(request)
        if inspect.isawaitable(found) and not isinstance(found, web.StreamResponse):
            found = await found
        if isinstance(found, int):
            return web.Response(status=found)
        return document(found) if isinstance(found, dict) else found

    @property
    def json(self) -> Any:
        """The body of the last request."""
        return self.requests[-1].json


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=100_000_000)


def document(value: Any, status: int = 200, **headers: str) -> web.Response:
    """A response with a JSON body."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return web.Response(status=status, body=json.dumps(value).encode(), headers=named, content_type=MEDIA_TYPE)


async def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for something that happens soon; TimeoutError where it doesn't, not even on a busy machine."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
