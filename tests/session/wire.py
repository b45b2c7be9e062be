"""A loopback server that answers as told, byte for byte where need be, and clients of it."""

from __future__ import annotations

import asyncio
from typing import Any

from klaviyo_async.limiter import Limiter


class Connection:
    """What one client connection did: the raw requests, and how it ended."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.closed = False


class Received:
    """One request as it came over the wire."""

    def __init__(self, head: bytes, body: bytes) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = first.split(" ", 2)
        self.headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)
        }
        self.body = body


class Server:
    """Answers each request with the next of `answers`; the last one again and again. Bytes are written as they are."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.connections: list[Connection] = []
        self.url = ""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = 0

    @property
    def requests(self) -> list[Received]:
        return [request for connection in self.connections for request in connection.requests]

    def plan(self, *answers: Any) -> None:
        self.answers = list(answers)
        self._turn = 0

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
        await asyncio.sleep(0.01)

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
                answer = self.answers[min(self._turn, len(self.answers) - 1)]
                self._turn += 1
                if isinstance(answer, bytes):
                    writer.write(answer)
                    await writer.drain()
                elif await answer(request, writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            connection.closed = True
            self._tasks.discard(task)
            writer.close()


async def _receive(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n"))[:-4]
    request = Received(head, b"")
    if request.headers.get("transfer-encoding") == "chunked":
        while size := int((await reader.readuntil(b"\r\n")).strip(), 16):
            request.body += (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")
    else:
        request.body = await reader.readexactly(int(request.headers.get("content-length", 0)))
    return request


def answer(
    status: int = 200,
    body: bytes = b"",
    *,
    content_type: str | None = "application/vnd.api+json",
    length: int | None = None,
    **headers: str,
) -> bytes:
    """A whole HTTP answer."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body) if length is None else length}"]
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


class Recorder(Limiter):
    """A limiter that lets everything through and notes what became of each permit."""

    def __init__(self, waits: float = 0.0) -> None:
        self.permits: list[Recorded] = []
        self.asked: list[dict[str, Any]] = []
        self.waits = waits

    async def acquire(self, account: str, operation: Any, triggered: Any = (), **facts: Any) -> Any:
        self.asked.append({"account": account, "operation": operation.name, "triggered": triggered, **facts})
        permit = Recorded(self.waits)
        self.permits.append(permit)
        return permit

    def snapshot(self) -> Any:
        return self.fates

    @property
    def fates(self) -> list[Any]:
        return [permit.fate for permit in self.permits]


class Recorded:
    """A permit; settling it twice is an error, and so is not settling it, which `fates` shows as None."""

    def __init__(self, waited: float) -> None:
        self.waited = waited
        self.fate: Any = None

    def _settle(self, fate: Any) -> None:
        assert self.fate is None, f"settled as {self.fate}, then as {fate}"
        self.fate = fate

    def answered(self, status: int, headers: Any) -> None:
        assert headers.get("content-length") is None or int(headers["CONTENT-LENGTH"]) >= 0
        self._settle(status)

    def unsent(self) -> None:
        self._settle("unsent")

    def lost(self) -> None:
        self._settle("lost")


PROFILE = b'{"data":{"type":"profile","id":"01","attributes":{"email":"sarah@example.com"}},"links":{"self":"x"}}'
PROFILES = b'{"data":[{"type":"profile","id":"01","attributes":{"email":"sarah@example.com"}}],"links":{"next":null}}'
