"""The direct path of a request: the session's own connections and aiohttp's parser, without `ClientSession.request`.

`ClientSession.request` accounts for half the cost of a small request. It creates an object for the request and one for the
response, and supports redirects, proxies, cookies, tracing and middlewares. None of that happens here, so any request that
needs it takes the usual path (`usual.py`), as does everything that isn't stock aiohttp: see `aiohttp_internals.is_plain`.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from yarl import URL

from klaviyo_async._http import aiohttp_internals as internals
from klaviyo_async._http.bodies import ErrorBody, read_success
from klaviyo_async._http.deadlines import Deadlines
from klaviyo_async._http.usual import TrackedRequest
from klaviyo_async.headers import Headers
from klaviyo_async.middleware import Response

if TYPE_CHECKING:
    from klaviyo_async._http.deadlines import Deadline
    from klaviyo_async._http.sending import Sending
    from klaviyo_async.middleware import Request

LARGEST: Final = 2**16
"""Largest body that is written in one go, which is what a transport accepts before it asks to pause."""
_BODILESS: Final = frozenset({"GET", "HEAD"})
_UNTYPED: Final = frozenset({"GET", "HEAD", "DELETE"})
"""Methods for which aiohttp sets no content type if there is no body."""
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"})
_TARGET: Final = re.compile(r"/[!\"$-~]*")
"""A path with its query as it appears in the request line: printable ASCII without spaces, and no fragment."""
_SPECIAL: Final = (
    "Authorization", "Connection", "Content-Encoding", "Content-Length", "Cookie", "Expect", "Host", "TE", "Trailer",
    "Transfer-Encoding", "Upgrade",
)  # fmt: skip
"""Headers that change how a request is sent."""


class Direct:
    """The direct path to one origin through one session."""

    __slots__ = ("_connect", "_deadlines", "_key", "_parser", "origin", "session")

    def __init__(self, session: aiohttp.ClientSession, origin: str) -> None:
        connector = session.connector
        assert connector is not None  # noqa: S101 - for the type checkers: a plain session has one
        self.session = session
        self.origin = origin
        self._connect = connector.connect
        self._deadlines = Deadlines(asyncio.get_running_loop())
        # Never sent: it tells the connector the destination, and provides the headers that aiohttp adds.
        self._key = _request(session, URL(origin, encoded=True), {})
        self._parser = internals.parser_settings(session)

    @classmethod
    def of(cls, session: aiohttp.ClientSession, origin: str) -> Direct | None:
        """The direct path; None if the session needs the usual one."""
        if internals.is_plain(session, (aiohttp.ClientRequest, TrackedRequest)):
            return cls(session, origin)
        return None

    def head(self, request: Request) -> bytes | None:
        """The request up to its credential, as sent over the wire; None if the request needs the usual path."""
        body = request.body
        if body is not None and (type(body) is not bytes or len(body) > LARGEST):
            return None
        method = request.method
        origin = self.origin
        target = request.url[len(origin) :]
        if (
            method not in _METHODS
            or not request.url.startswith(origin)
            or not _TARGET.fullmatch(target)
            or not internals.unpatched(self.session)
        ):
            return None
        headers = request.headers
        made = headers._wire
        if made is None or made[0] is not self:
            made = headers._wire = (self, *self._serialized(headers))
        _, lines, typed = made
        if lines is None or not (typed or (body is None and method in _UNTYPED)):
            return None
        return b"%b %b HTTP/1.1\r\n%b" % (method.encode(), target.encode(), lines)

    def _serialized(self, headers: Headers) -> tuple[bytes | None, bool]:
        """The headers as aiohttp sends them, None if they need the usual path; and whether they have a content type."""
        given = headers.multi
        if any(name in given for name in _SPECIAL):
            return None, False
        full = _request(self.session, self._key.url, given).headers
        lines = "".join(f"{name}: {value}\r\n" for name, value in full.items())
        if lines.count("\n") != len(full) or lines.count("\r") != len(full) or "\0" in lines:
            return None, False
        return lines.encode(), "Content-Type" in given

    async def send(self, request: Request, head: bytes, sending: Sending) -> Response:
        """Send and receive. Raises what aiohttp raises, TimeoutError after the total time, and `TooLarge`."""
        body = request.body
        times = sending.times
        credential = sending.credential
        conn = None
        sending.sent = False
        try:
            with self._deadlines.within(times.total) as deadline:
                conn = await self._connection(times)
                protocol = conn.protocol
                protocol.set_response_params(
                    skip_payload=request.method == "HEAD",
                    read_until_eof=True,
                    read_timeout=times.sock_read,
                    **self._parser,
                )
                transport = protocol.transport
                if transport is None or transport.is_closing():
                    raise aiohttp.ClientConnectionResetError("the connection was closed before the request was written")
                sending.sent = True
                if isinstance(body, bytes):
                    length = b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
                else:
                    length = b"\r\n" if request.method in _BODILESS else b"Content-Length: 0\r\n\r\n"
                transport.write(b"".join((head, b"" if credential is None else credential.line, length)))
                protocol.start_timeout()
                message, content = await protocol.read()
                while 100 <= message.code < 200 and message.code != 101:
                    message, content = await protocol.read()
                status = message.code
                headers = Headers.of(message.headers)
                sending.answered(status, headers)
                if status < 300:
                    received = await read_success(content, sending.limit)
                else:
                    received = await _error_body(content, deadline)
                if content.is_eof() and not transport.get_write_buffer_size():
                    conn.release()
                # Otherwise it is closed below: what remains to be read or written must not mix with another request.
            return Response(status=status, headers=headers, body=received)
        finally:
            if conn is not None:
                conn.close()

    async def _connection(self, times: aiohttp.ClientTimeout) -> Any:
        while True:
            try:
                conn = await self._connect(self._key, [], times)
            except TimeoutError as error:
                raise aiohttp.ConnectionTimeoutError("no connection in time") from error
            protocol = conn.protocol
            if protocol is not None and not protocol.should_close:
                return conn
            # Data arrived while it was idle, and would be mistaken for the response to this request.
            conn.close()


async def _error_body(content: aiohttp.StreamReader, deadline: Deadline) -> bytes:
    body = ErrorBody()
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - for the type checkers
    before = task.cancelling()
    try:
        await body.read(content)
    except asyncio.CancelledError:
        # The attempt's timeout ends the body; a cancellation by the caller is passed on.
        if not deadline.expired or task.cancelling() > before + 1:
            raise
    return bytes(body)


def _request(session: aiohttp.ClientSession, url: URL, headers: Any) -> aiohttp.ClientRequest:
    loop = internals.loop_of(session)
    return aiohttp.ClientRequest("GET", url, headers=headers, loop=loop, session=session)
