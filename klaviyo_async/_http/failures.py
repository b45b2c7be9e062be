"""Translates aiohttp's exceptions into the client's own errors, with causes that can't show a header."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from klaviyo_async.errors import ConfigurationError, ConnectionFailed, KlaviyoError, RequestTimeout

if TYPE_CHECKING:
    from klaviyo_async.middleware import Request

NOT_CONNECTED: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""The connection was not established, or none was free in time."""
_NEVER_SENT: Final = (
    ConfigurationError,
    ValueError,
    TypeError,
    aiohttp.ClientHttpProxyError,
    *NOT_CONNECTED,
)
_CERTIFICATE: Final = (aiohttp.ClientConnectorCertificateError, aiohttp.ServerFingerprintMismatch)
_FATE: Final = {
    False: "It never left, so it is safe to call again.",
    True: "It was sent, so Klaviyo may have processed it.",
    None: "It may have been sent, so Klaviyo may have processed it.",
}


def was_sent(failure: Exception) -> bool | None:
    """Whether the request was sent, as far as the kind of failure reveals it."""
    return False if isinstance(failure, _NEVER_SENT) else None


def translated(failure: Exception, request: Request, sent: bool | None, times: aiohttp.ClientTimeout) -> Exception:
    """The failure as one of the client's errors; exceptions that aren't aiohttp's stay as they are."""
    own = failure if isinstance(failure, KlaviyoError) else failure.__cause__
    if isinstance(own, KlaviyoError):  # a body that could not be read, for instance
        return own
    name = request.operation.name
    error: KlaviyoError
    if isinstance(failure, TimeoutError):
        phase = "no connection was established" if sent is False else "no complete response was received"
        error = RequestTimeout(
            f"{name}: {phase} within {_limit(failure, times)}. {_FATE[sent]} Raise `timeout` if it needs longer.",
            operation=name,
            sent=sent,
        )
    elif isinstance(failure, aiohttp.ClientError | OSError | HttpProcessingError):
        origin = str(URL(request.url, encoded=True).origin())
        error = ConnectionFailed(f"{name}: {_what(failure, origin)} {_FATE[sent]}", operation=name, sent=sent)
        error.permanent = isinstance(failure, _CERTIFICATE)
    elif isinstance(failure, ValueError | TypeError):
        # aiohttp refused to build the request: a middleware's URL or header, or the session's own settings.
        error = ConfigurationError(
            f"{name}: aiohttp refused the request before it was sent ({type(failure).__name__}: {failure})."
        )
    else:
        return failure
    return _caused(error, failure)


def _what(failure: Exception, origin: str) -> str:
    if isinstance(failure, _CERTIFICATE):
        return f"the certificate of {origin} was rejected. Check base_url, the machine's clock and its certificates."
    if isinstance(failure, aiohttp.ClientHttpProxyError):
        return f"the proxy refused to connect to {origin} (status {failure.status})."
    if isinstance(failure, aiohttp.ClientConnectorSSLError):
        return f"no TLS connection to {origin} could be established ({failure.os_error})."
    if isinstance(failure, aiohttp.ClientConnectorError):
        return f"no connection to {origin} could be established ({failure.os_error.strerror or failure.os_error})."
    if isinstance(failure, aiohttp.ClientResponseError | HttpProcessingError):
        return f"{origin} responded with something that is not HTTP ({' '.join(failure.message.split())})."
    if isinstance(failure, aiohttp.ClientPayloadError):
        return f"the connection to {origin} broke in the middle of the response."
    return f"the connection to {origin} broke ({failure or type(failure).__name__})."


def _limit(failure: TimeoutError, times: aiohttp.ClientTimeout) -> str:
    if isinstance(failure, aiohttp.SocketTimeoutError):
        seconds = times.sock_read
    elif isinstance(failure, aiohttp.ConnectionTimeoutError):
        seconds = times.sock_connect or times.connect
    else:
        seconds = times.total
    return f"{seconds:g} s" if seconds else "its time"


def _caused(error: KlaviyoError, cause: BaseException) -> KlaviyoError:
    """`error` with its cause, without anything that can show a header: no aiohttp frames, no request objects."""
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
