"""One attempt on the wire: aiohttp, its connections, and what its failures mean."""

from __future__ import annotations

import asyncio
import os
import warnings
import weakref
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

import aiohttp
from yarl import URL

from klaviyo_async.errors import ConfigurationError, ConnectionFailed, KlaviyoError, RequestTimeout
from klaviyo_async.message import Headers, Response

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from aiohttp.connector import Connection

    from klaviyo_async.message import Request

CONNECTIONS = 1000
"""Connections at once: 350 requests a second with answers after 300 ms need over 100, and several operations run side by side."""
KEEPALIVE = 30.0
"""Seconds that an idle connection is kept."""
DNS_CACHE = 300
"""Seconds that a looked-up address is used."""
CONNECT = 10.0
"""Seconds that making a connection may take, as far as `timeout` is longer."""


class Permit(Protocol):
    """What the limiter gave for this attempt; exactly one of the three is called."""

    def answered(self, status: int, headers: Mapping[str, str]) -> None: ...
    def unsent(self) -> None: ...
    def lost(self) -> None: ...


class _Trail:
    """How far an attempt got."""

    __slots__ = ("known", "sent")

    def __init__(self) -> None:
        self.known = False
        """Whether it is noted at all: a caller's own session doesn't, nor does one that is mocked."""
        self.sent = False


_trail: ContextVar[_Trail | None] = ContextVar("klaviyo_async_trail", default=None)


class _TrackedRequest(aiohttp.ClientRequest):
    """Notes that the request is about to be written, and refuses to be written twice.

    aiohttp repeats idempotent requests by itself when a kept-alive connection turns out to be dead. That second request
    would be neither counted by the limiter nor reported as an attempt: repeating is the session's business.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        trail = _trail.get()
        if trail is not None:
            trail.known = True

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        trail = _trail.get()
        if trail is not None and self.method != "CONNECT":
            if trail.sent:
                raise aiohttp.ServerDisconnectedError
            transport = conn.transport
            if transport is not None and not transport.is_closing():
                trail.sent = True
        return await super().send(conn)


class Transport:
    """Sends attempts through a session of its own, opened lazily in the running loop, or through the caller's."""

    def __init__(self, session: aiohttp.ClientSession | None, *, user_agent: str) -> None:
        self._given = session
        self._own: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._user_agent = user_agent
        self._discard: Callable[[], Any] | None = None

    async def send(
        self, request: Request, authorization: str | None, times: aiohttp.ClientTimeout, permit: Permit
    ) -> Response:
        """One attempt. Raises `RequestTimeout` or `ConnectionFailed`, whose `sent` tells what is known; settles the permit.

        Cancelled at any point it leaves neither an open connection nor an unsettled permit.
        """
        trail = _Trail()
        failure: Exception
        try:
            body = _body(request)
        except BaseException:
            permit.unsent()
            raise
        try:
            session = self._session()
            headers = request.headers.multi
            if authorization is not None:
                headers = headers.copy()
                headers["Authorization"] = authorization
            token = _trail.set(trail)
            try:
                answer = await session.request(
                    request.method,
                    URL(request.url, encoded=True),
                    headers=headers,
                    data=body,
                    timeout=times,
                    allow_redirects=False,
                    raise_for_status=False,
                    auto_decompress=True,
                )
            finally:
                _trail.reset(token)
        except asyncio.CancelledError:
            # Without a trail nobody knows; then the server may have counted it.
            permit.unsent() if trail.known and not trail.sent else permit.lost()
            raise
        except Exception as error:  # noqa: BLE001 - every failure becomes one of ours below, outside of this block
            failure = error
        else:
            return await self._receive(request, answer, permit, times)
        sent = _was_sent(failure, trail)
        permit.unsent() if sent is False else permit.lost()
        try:
            # Raised out here so that aiohttp's exception, which may hold the request's headers, is not chained by itself,
            # and is not left in this frame either.
            raise _translated(failure, request, sent, times)
        finally:
            del failure

    async def _receive(
        self, request: Request, answer: aiohttp.ClientResponse, permit: Permit, times: aiohttp.ClientTimeout
    ) -> Response:
        headers = Headers.of(answer.headers)
        # The server has counted the request by now, whatever becomes of the body.
        permit.answered(answer.status, headers)
        failure: Exception
        try:
            if answer.status < 300:
                body = await answer.read()
            else:
                body = await _read_what_there_is(answer)
        except asyncio.CancelledError:
            answer.close()
            raise
        except Exception as error:  # noqa: BLE001 - becomes one of ours below
            failure = error
            answer.close()
        else:
            return Response(status=answer.status, headers=headers, body=body)
        try:
            raise _translated(failure, request, True, times)
        finally:
            del failure

    def _session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._given is not None:
            return _checked(self._given, loop)
        if self._own is not None and self._loop is loop and not self._own.closed:
            return self._own
        self._abandon()
        self._own = session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, ttl_dns_cache=DNS_CACHE, keepalive_timeout=KEEPALIVE),
            cookie_jar=aiohttp.DummyCookieJar(),
            request_class=_TrackedRequest,
            headers={"User-Agent": self._user_agent},
        )
        if hasattr(session, "_retry_connection"):
            # See _TrackedRequest, which is what catches it where a version of aiohttp has no such switch.
            session._retry_connection = False
        self._loop = loop
        keeper = _keep(session)
        # Runs up to its yield at once, and registers with the loop on the way.
        with suppress(StopIteration):
            keeper.__anext__().send(None)
        self._discard = weakref.finalize(self, _discard, session, keeper, loop, os.getpid())
        return session

    def _abandon(self) -> None:
        if self._discard is not None:
            self._discard()
            self._discard = None
        self._own = self._loop = None

    async def close(self) -> None:
        """Close the own session; the caller's is left alone. Connections are shut down properly where their loop still runs."""
        own, loop = self._own, self._loop
        if own is not None and loop is asyncio.get_running_loop():
            await _close(own)
        self._abandon()


def timeout_of(timeout: float | aiohttp.ClientTimeout) -> aiohttp.ClientTimeout:
    """`timeout` in aiohttp's terms: seconds are for the whole attempt, of which connecting gets a share."""
    if isinstance(timeout, aiohttp.ClientTimeout):
        return timeout
    return aiohttp.ClientTimeout(total=timeout, sock_connect=min(timeout, CONNECT))


def _body(request: Request) -> Any:
    body = request.body
    return body if body is None or isinstance(body, bytes) else body.payload()


async def _read_what_there_is(answer: aiohttp.ClientResponse) -> bytes:
    """The body of an error: its status counts even where the body is cut off, stalls or is packed wrongly."""
    chunks: list[bytes] = []
    try:
        async for chunk in answer.content.iter_any():
            chunks.append(chunk)  # noqa: PERF401 - keeps what came before a failure
    except (aiohttp.ClientError, TimeoutError, OSError):
        answer.close()
    else:
        answer.release()
    return b"".join(chunks)


def _checked(session: aiohttp.ClientSession, loop: asyncio.AbstractEventLoop) -> aiohttp.ClientSession:
    if session.closed:
        raise ConfigurationError(
            "The aiohttp session given to the client is closed: close it after the client's last call."
        )
    bound = getattr(session, "_loop", loop)
    if bound is not loop:
        raise ConfigurationError(
            "The aiohttp session given to the client belongs to another event loop: make the session and the client in the"
            " loop that uses them, or leave `session` out, then the client opens one in each loop by itself."
        )
    return session


def _was_sent(failure: Exception, trail: _Trail) -> bool | None:
    if trail.known:
        return trail.sent
    if isinstance(
        failure,
        ConfigurationError | ValueError | TypeError | aiohttp.ClientConnectorError | aiohttp.ClientHttpProxyError,
    ):
        return False
    # "connection timeout": waiting for a free connection, or making one
    return False if isinstance(failure, getattr(aiohttp, "ConnectionTimeoutError", ())) else None


def _translated(failure: Exception, request: Request, sent: bool | None, times: aiohttp.ClientTimeout) -> Exception:
    """The failure as one of ours, with its cause freed of everything that could show a header."""
    own = failure if isinstance(failure, KlaviyoError) else failure.__cause__
    if isinstance(own, KlaviyoError):  # a body that could not be read, for instance
        return own
    name = request.operation.name
    origin = str(URL(request.url, encoded=True).origin())
    fate = {
        False: "It never left, so it is safe to call again.",
        True: "It was sent, so Klaviyo may have carried it out.",
        None: "It may have been sent, so Klaviyo may have carried it out.",
    }[sent]
    error: KlaviyoError
    if isinstance(failure, TimeoutError):
        limit = _limit(failure, times)
        phase = "the connection was not made" if sent is False else "no complete answer came"
        error = RequestTimeout(
            f"{name}: {phase} within {limit}. {fate} Raise `timeout` if it needs longer.", operation=name, sent=sent
        )
    elif isinstance(failure, aiohttp.ClientError | OSError):
        error = ConnectionFailed(f"{name}: {_what(failure, origin)} {fate}", operation=name, sent=sent)
    elif isinstance(failure, ValueError | TypeError):
        # aiohttp refused to put the request together: a middleware's URL or header, or the session's own settings.
        return _caused(
            ConfigurationError(
                f"{name}: aiohttp refused the request before it was sent ({type(failure).__name__}: {failure})."
            ),
            failure,
        )
    else:
        return failure
    return _caused(error, failure)


def _what(failure: Exception, origin: str) -> str:
    if isinstance(failure, aiohttp.ClientConnectorCertificateError | aiohttp.ServerFingerprintMismatch):
        return (
            f"the certificate of {origin} was not accepted. Check base_url, the machine's clock and its certificates."
        )
    if isinstance(failure, aiohttp.ClientHttpProxyError):
        return f"the proxy refused to connect to {origin} (status {failure.status})."
    if isinstance(failure, aiohttp.ClientConnectorSSLError):
        return f"no TLS connection to {origin} came about ({failure.os_error})."
    if isinstance(failure, aiohttp.ClientConnectorError):
        return f"no connection to {origin} came about ({failure.os_error.strerror or failure.os_error})."
    if isinstance(failure, aiohttp.ClientResponseError):
        said = " ".join(failure.message.split())
        return f"{origin} answered with something that is not HTTP ({said})."
    if isinstance(failure, aiohttp.ClientPayloadError):
        return f"the connection to {origin} broke in the middle of the answer."
    return f"the connection to {origin} broke ({failure or type(failure).__name__})."


def _limit(failure: TimeoutError, times: aiohttp.ClientTimeout) -> str:
    if isinstance(failure, getattr(aiohttp, "SocketTimeoutError", ())):
        seconds = times.sock_read
    elif isinstance(failure, getattr(aiohttp, "ConnectionTimeoutError", ())):
        seconds = times.sock_connect or times.connect
    else:
        seconds = times.total
    return f"{seconds:g} s" if seconds else "its time"


def _caused(error: KlaviyoError, cause: BaseException) -> KlaviyoError:
    """`error` with its cause, as far as that can't show a header: no frames of aiohttp, no request objects."""
    if isinstance(cause, aiohttp.ClientResponseError):  # has the request's headers as an attribute
        return error
    link: BaseException | None = cause
    while link is not None:
        link.__traceback__ = None
        if isinstance(link.__context__, aiohttp.ClientResponseError):
            link.__context__ = None
        link = link.__cause__ or link.__context__
    error.__cause__ = cause
    return error


async def _close(session: aiohttp.ClientSession) -> None:
    """Close a session in its loop, TLS included: before 3.12 aiohttp doesn't wait for that to shut down."""
    transports = [protocol.transport for protocol in _protocols(session.connector)]
    await session.close()
    for transport in transports:
        if transport is not None:
            transport.abort()


async def _keep(session: aiohttp.ClientSession) -> AsyncGenerator[None, None]:
    """Closes the session when its loop shuts down: loops close the asynchronous generators that were started in them.

    So a client that nobody closed leaves nothing behind at the end of ``asyncio.run``.
    """
    try:
        yield
    finally:
        await _close(session)


_parents: list[aiohttp.ClientSession] = []
"""Sessions of a parent process: closing them here would end TLS on connections that the parent still uses."""


def _discard(
    session: aiohttp.ClientSession, keeper: AsyncGenerator[None, None], loop: asyncio.AbstractEventLoop, owner: int
) -> None:
    """Let go of a session that wasn't closed, from wherever we are: its loop, another thread, or after its loop's end."""
    if owner != os.getpid():
        _parents.append(session)
        return
    try:
        running: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
    except RuntimeError:
        running = None
    if running is not loop and loop.is_running():
        # The loop may end between the question and the call.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_release, session, keeper)
        return
    _release(session, keeper, at_once=running is not loop)


def _release(session: aiohttp.ClientSession, keeper: AsyncGenerator[None, None], *, at_once: bool = False) -> None:
    connector = session.connector
    if connector is not None and not connector.closed:
        if at_once:
            _shut(connector)
        # The synchronous part of close(): whose awaitable nobody is here to await.
        close = getattr(connector, "_close", None)
        with suppress(RuntimeError):
            close() if close is not None else connector.close()
    session.detach()
    # With the session closed the generator ends without ever waiting.
    with suppress(StopIteration, StopAsyncIteration, RuntimeError):
        keeper.aclose().send(None)


def _protocols(connector: aiohttp.BaseConnector | None) -> list[Any]:
    """The connections of a pool, idle and in use."""
    idle = [protocol for queue in getattr(connector, "_conns", {}).values() for protocol, _ in queue]
    return [*idle, *getattr(connector, "_acquired", ())]


def _shut(connector: aiohttp.BaseConnector) -> None:
    """Close the sockets under connections whose loop will not run again: their transports can't do it any more."""
    for protocol in _protocols(connector):
        transport = getattr(protocol, "transport", None)
        if transport is None:
            continue
        with suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            transport.abort()
        inner = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None)
        for layer in filter(None, (transport, inner)):
            sock = getattr(layer, "_sock", None)
            if sock is not None:
                sock.close()
                with suppress(AttributeError):
                    layer._sock = None
