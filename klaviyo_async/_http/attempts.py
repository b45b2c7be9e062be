"""One attempt at a call: its permit, the middlewares, the credential, the wire."""

from __future__ import annotations

import re
from functools import partial
from inspect import isawaitable
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

from klaviyo_async._did_you_mean import shown
from klaviyo_async._http.responses import Outcome
from klaviyo_async.errors import ConfigurationError, TransportError
from klaviyo_async.limiter._unlimited import ORIGINS
from klaviyo_async.middleware import Request, Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klaviyo_async._http.credential import Credential, Credentials
    from klaviyo_async._http.transport import Transport
    from klaviyo_async._request.prepare import Prepared
    from klaviyo_async.headers import Headers
    from klaviyo_async.limiter.base import Limiter, Permit
    from klaviyo_async.middleware import CallNext, Middleware, StreamedBody
    from klaviyo_async.operation import Operation
    from klaviyo_async.options import Settings


class NullPermit:
    """The permit of calls without a limiter."""

    waited = 0.0

    def answered(self, status: int, headers: Mapping[str, str]) -> None: ...
    def unsent(self) -> None: ...
    def lost(self) -> None: ...


_UNLIMITED = NullPermit()
_ABSOLUTE = re.compile("https?://[^/?#]", re.IGNORECASE)


class Sender(Protocol):
    """What attempts need from the session."""

    limiter: Limiter | None
    credentials: Credentials

    @property
    def transport(self) -> Transport: ...
    def account_of(self, prepared: Prepared) -> str: ...
    def headers_of(self, prepared: Prepared, settings: Settings, revision: str) -> Headers: ...
    def revision_of(self, operation: Operation, settings: Settings) -> str: ...


class Attempts:
    """The successive attempts of one call."""

    __slots__ = (
        "_account",
        "_headers",
        "_permit",
        "_revision",
        "_session",
        "credential",
        "made",
        "prepared",
        "renewed",
        "settings",
        "started",
        "waited",
    )

    def __init__(self, session: Sender, prepared: Prepared, settings: Settings) -> None:
        self._session = session
        self.prepared = prepared
        self.settings = settings
        self._account = session.account_of(prepared)
        self._revision = session.revision_of(prepared.operation, settings)
        self._headers = session.headers_of(prepared, settings, self._revision)
        self._permit: Permit | None = None
        self.credential: Credential | None = None
        """What the last attempt was sent with."""
        self.renewed = False
        """Whether another credential replaced one that got a 401."""
        self.made = 0
        self.started = 0.0
        self.waited = 0.0
        """Seconds that the call has waited so far, for rate limits and between attempts."""

    async def make(self) -> Response | TransportError:
        """Make the next attempt.

        Returns the response, whatever its status, or how the transport failed. Raises what a middleware or the credential
        raises, and `RateLimitWait` if the limiter's wait is too long.
        """
        self.made += 1
        self._permit = self._take() or await self._acquire()
        self.started = perf_counter()
        prepared = self.prepared
        operation = prepared.operation
        request = Request(
            method=operation.method,
            url=self.settings.origin + prepared.target,
            headers=self._headers,
            body=None if prepared.payload is None else prepared.payload.content,
            operation=operation,
            attempt=self.made,
            waited=self.waited,
        )
        try:
            if not self.settings.middlewares:
                return await self._transmit(request)
            return await self._through_middlewares(request)
        except TransportError as failure:
            return failure
        finally:
            if self._permit is not None:  # no middleware sent it
                self._permit.unsent()
                self._permit = None

    def outcome(self, response: Response) -> Outcome:
        """The outcome of the call with this response."""
        return Outcome(self.prepared.operation, response, self.made, self.waited, self._revision)

    @property
    def replayable(self) -> bool:
        """Whether the body can be sent again: a form with a pipe can't."""
        payload = self.prepared.payload
        content: bytes | StreamedBody | None = None if payload is None else payload.content
        return content is None or isinstance(content, bytes) or content.replayable

    # -- the limiter ----------------------------------------------------------------------------------------------------

    def _take(self) -> Permit | None:
        """A permit that is available without waiting."""
        limiter = self._session.limiter
        if limiter is None or self.settings.origin in ORIGINS:
            return _UNLIMITED
        return limiter.take(self._account, self.prepared.operation, self.prepared.triggered)

    async def _acquire(self) -> Permit:
        limiter = self._session.limiter
        assert limiter is not None  # noqa: S101 - for the type checkers: without one there was a permit already
        max_wait = self.settings.max_wait
        permit = await limiter.acquire(
            self._account,
            self.prepared.operation,
            self.prepared.triggered,
            priority=self.settings.priority,
            max_wait=None if max_wait is None else max(0.0, max_wait - self.waited),
        )
        self.waited += permit.waited
        return permit

    # -- the way out ----------------------------------------------------------------------------------------------------

    async def _through_middlewares(self, request: Request) -> Response:
        handler: CallNext = self._transmit
        for middleware in reversed(self.settings.middlewares):
            handler = partial(_step, middleware, handler)
        return _checked_response(await handler(request))

    async def _transmit(self, request: Request) -> Response:
        """After the last middleware: add the credential, send."""
        if self.settings.middlewares:
            _check_request(request)
        permit, self._permit = self._permit, None
        if permit is None:  # a middleware sends again: to the limiter that is a separate request
            permit = self._take() or await self._acquire()
        settings = self.settings
        try:
            self.credential = await self._credential_for(request)
            transport = self._session.transport
        except BaseException:
            permit.unsent()
            raise
        return await transport.send(request, self.credential, settings, permit)

    async def _credential_for(self, request: Request) -> Credential | None:
        """The credential for this request; None if it must not have one or doesn't need one."""
        auth = self.settings.auth
        if auth is None or request.operation.public or "Authorization" in request.headers:
            return None
        if not request.url.startswith(self.settings.origin + "/"):
            # A middleware sent it elsewhere; the key must not go there.
            return None
        return self._session.credentials.of(await auth.authorize(), auth.source)


async def _step(middleware: Middleware, call_next: CallNext, request: Request) -> Response:
    returned = middleware(request, call_next)
    if not isawaitable(returned):
        raise ConfigurationError(
            f"A middleware must be `async def middleware(request, call_next)`, and {middleware!r} is not async."
        )
    return await returned


def _check_request(request: Any) -> None:
    """Raise for a request that a middleware made and that can't be sent."""
    if not isinstance(request, Request):
        raise ConfigurationError(
            f"A middleware called call_next with {type(request).__name__}: pass the request, or request.replace(…)."
        )
    body: object = request.body
    if not isinstance(request.url, str) or not _ABSOLUTE.match(request.url):
        wrong = f"url is {shown(request.url)}: it must be absolute, https://…"
    elif not isinstance(request.method, str):
        wrong = f"method is {shown(request.method)}: it must be a str"
    elif not (body is None or isinstance(body, bytes) or hasattr(body, "stream")):
        wrong = f"body is {type(body).__name__}: it must be bytes or None"
    else:
        name = next((name for name, value in request.headers.items() if not isinstance(value, str)), None)
        if name is None:
            return
        wrong = f"header {name} is not a str"  # the value is not shown: headers carry secrets
    raise ConfigurationError(f"A middleware called call_next with a request whose {wrong}.")


def _checked_response(response: Any) -> Response:
    """What the outermost middleware returned; raises where it is no response."""
    if not isinstance(response, Response):
        raise ConfigurationError(
            f"A middleware returned {type(response).__name__}: it must return the Response of `await call_next(request)`,"
            " or one of its own."
        )
    if not isinstance(response.body, bytes):
        raise ConfigurationError(
            f"A middleware returned a Response whose body is {type(response.body).__name__}: it must be bytes."
        )
    if not isinstance(response.status, int):
        raise ConfigurationError(
            f"A middleware returned a Response whose status is {shown(response.status)}: it must be an int."
        )
    return response
