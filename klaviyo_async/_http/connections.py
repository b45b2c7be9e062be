"""The aiohttp session of a client: opened lazily in the running loop, and closed however the client is abandoned."""

from __future__ import annotations

import asyncio
import os
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from klaviyo_async._http import aiohttp_internals as internals
from klaviyo_async._http.addresses import Addresses
from klaviyo_async._http.calls import running_loop
from klaviyo_async._http.usual import TrackedRequest
from klaviyo_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

LIMIT: Final = 1000
"""Concurrent connections: 350 requests per second with a latency of 300 ms need over 100, and several operations run in parallel."""
KEEPALIVE: Final = 30.0
"""Seconds before an idle connection is closed."""


class Connections:
    """Provides the session for requests: the caller's, or its own in each loop, one after the other."""

    def __init__(self, session: aiohttp.ClientSession | None) -> None:
        self._given = session
        self.own: aiohttp.ClientSession | None = None
        self._addresses: Addresses | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._discard: Callable[[], Any] | None = None

    def session(self) -> aiohttp.ClientSession:
        """The session for the running loop. Raises `ConfigurationError` if the caller's can't be used in it."""
        loop = asyncio.get_running_loop()
        if self._given is not None:
            return _checked(self._given, loop)
        if self.own is not None and self._loop is loop and not self.own.closed:
            return self.own
        self._abandon()
        self._addresses = Addresses()
        self.own = session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=LIMIT, keepalive_timeout=KEEPALIVE, resolver=self._addresses, use_dns_cache=False
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            request_class=TrackedRequest,
        )
        internals.never_repeat(session)
        self._loop = loop
        keeper = _keep(session)
        # Runs up to its yield immediately, and registers with the loop on the way.
        with suppress(StopIteration):
            keeper.__anext__().send(None)
        self._discard = weakref.finalize(self, _discard, session, keeper, loop, os.getpid())
        return session

    def forget_address(self, host: str | None) -> None:
        """Resolve the host again: its address can't be reached."""
        if self._addresses is not None:
            self._addresses.forget(host)

    def _abandon(self) -> None:
        if self._discard is not None:
            self._discard()
            self._discard = None
        self.own = self._loop = self._addresses = None

    async def close(self) -> None:
        """Close our own session, but not the caller's. Connections are shut down properly if their loop still runs."""
        own, loop = self.own, self._loop
        if own is not None and loop is running_loop():
            await _close(own)
        self._abandon()


def _checked(session: aiohttp.ClientSession, loop: asyncio.AbstractEventLoop) -> aiohttp.ClientSession:
    if session.closed:
        raise ConfigurationError(
            "The aiohttp session given to the client is closed: close it after the client's last call."
        )
    if internals.loop_of(session) not in (None, loop):
        raise ConfigurationError(
            "The aiohttp session given to the client belongs to another event loop: create the session and the client in the"
            " loop that uses them, or leave `session` out, and the client opens one in each loop by itself."
        )
    return session


async def _close(session: aiohttp.ClientSession) -> None:
    """Close a session in its loop, including TLS: before 3.12 aiohttp doesn't wait for that to shut down."""
    transports = [protocol.transport for protocol in internals.open_protocols(session.connector)]
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
    """Release a session that wasn't closed, from anywhere: its loop, another thread, or after its loop has ended."""
    if owner != os.getpid():
        _parents.append(session)
        return
    try:
        running: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
    except RuntimeError:
        running = None
    if running is not loop and loop.is_running():
        # The loop may end between the check and the call.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_release, session, keeper)
        return
    _release(session, keeper, at_once=running is not loop)


def _release(session: aiohttp.ClientSession, keeper: AsyncGenerator[None, None], *, at_once: bool = False) -> None:
    connector = session.connector
    if connector is not None and not connector.closed:
        if at_once:
            internals.close_sockets(connector)
        internals.close_now(connector)
    session.detach()
    # With the session closed the generator ends without ever waiting.
    with suppress(StopIteration, StopAsyncIteration, RuntimeError):
        keeper.aclose().send(None)
