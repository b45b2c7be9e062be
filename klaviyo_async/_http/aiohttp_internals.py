"""Everything we use of aiohttp that isn't its public API, in one place: each private name, and the fallback if it is missing.

`tests/http/test_aiohttp_internals.py` pins the names for the version used by the tests.
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from aiohttp import client, connector
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientResponse

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

# -- sessions -----------------------------------------------------------------------------------------------------------


def loop_of(session: aiohttp.ClientSession) -> asyncio.AbstractEventLoop | None:
    """The loop that a session belongs to; None if it can't be determined (a mock)."""
    return getattr(session, "_loop", None)


def never_repeat(session: aiohttp.ClientSession) -> None:
    """Keep aiohttp from resending an idempotent request by itself: retries are up to the client.

    If a version has no such switch, `TrackedRequest` refuses the second attempt.
    """
    if hasattr(session, "_retry_connection"):
        session._retry_connection = False


# -- connections --------------------------------------------------------------------------------------------------------


def open_protocols(pool: aiohttp.BaseConnector | None) -> list[Any]:
    """The connections of a pool, idle and in use."""
    idle = [protocol for queue in getattr(pool, "_conns", {}).values() for protocol, _ in queue]
    return [*idle, *getattr(pool, "_acquired", ())]


def close_now(pool: aiohttp.BaseConnector) -> None:
    """The synchronous part of `BaseConnector.close`, for when nobody is left to await the rest."""
    close: Callable[[], object] = getattr(pool, "_close", pool.close)
    with suppress(RuntimeError):
        close()


def close_sockets(pool: aiohttp.BaseConnector) -> None:
    """Close the sockets of connections whose loop will not run again, so their transports can't do it any more."""
    for protocol in open_protocols(pool):
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


# -- the direct path (see direct.py) -------------------------------------------------------------------------------------

_STOCK: Final[tuple[tuple[type, str, Any], ...]] = (
    (aiohttp.ClientSession, "_request", client),
    (aiohttp.ClientSession, "request", client),
    (aiohttp.BaseConnector, "connect", connector),
)
"""Methods that the direct path replaces or builds on, and the module they come from."""
_PLAIN: Final[dict[str, object]] = {
    "_default_proxy": None,
    "_default_proxy_auth": None,
    "_default_auth": None,
    "_trust_env": False,
    "_middlewares": (),
    "_skip_auto_headers": frozenset(),
    "_version": aiohttp.HttpVersion11,
    "_response_class": ClientResponse,
    "_default_headers": {},
}
"""The values of a session's attributes if nothing special is configured; `_middlewares` was added in aiohttp 3.12."""
_NEWER: Final = frozenset({"_middlewares"})
_PARSER: Final = ("read_bufsize", "max_line_size", "max_field_size", "max_headers")
"""Settings of a session for the response parser; `max_headers` was added in aiohttp 3.13."""


def is_plain(session: aiohttp.ClientSession, request_classes: tuple[type, ...]) -> bool:
    """Whether a session is plain aiohttp: no proxy, cookies, middlewares, subclasses or patches."""
    if type(session) is not aiohttp.ClientSession:
        return False
    pool = session.connector
    return (
        type(pool) is aiohttp.TCPConnector
        and not pool.force_close
        and type(session.cookie_jar) is aiohttp.DummyCookieJar
        and getattr(session, "_request_class", None) in request_classes
        and all(
            getattr(session, name, wanted if name in _NEWER else aiohttp) == wanted for name, wanted in _PLAIN.items()
        )
        and all(
            hasattr(ResponseHandler, name) for name in ("set_response_params", "read", "start_timeout", "should_close")
        )
        and all(_is_own(owner.__dict__.get(name), home) for owner, name, home in _STOCK)
        and unpatched(session)
    )


def unpatched(session: aiohttp.ClientSession) -> bool:
    """Whether nothing has been inserted between a plain session and its requests since: a mock, a tracer."""
    return (
        aiohttp.ClientSession._request is _REQUEST
        and aiohttp.ClientSession.request is _PUBLIC_REQUEST
        and aiohttp.BaseConnector.connect is _CONNECT
        and not session._trace_configs
        and "_request" not in session.__dict__
        and "request" not in session.__dict__
    )


_REQUEST: Final = aiohttp.ClientSession._request
_PUBLIC_REQUEST: Final = aiohttp.ClientSession.request
_CONNECT: Final = aiohttp.BaseConnector.connect


def _is_own(function: object, home: Any) -> bool:
    # A wrapper installed before this module was loaded is either not a plain function or comes from another module.
    return type(function) is FunctionType and function.__globals__ is vars(home)


def parser_settings(session: aiohttp.ClientSession) -> dict[str, Any]:
    """The session's parser settings, for `ResponseHandler.set_response_params`."""
    found = {name: getattr(session, "_" + name) for name in _PARSER if hasattr(session, "_" + name)}
    threshold = getattr(session.connector, "_timeout_ceil_threshold", None)
    return found if threshold is None else {**found, "timeout_ceil_threshold": threshold}
