"""One attempt at a call: its permit, the middlewares, the credential, the wire."""

from __future__ import annotations

from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

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
        response: Any = await handler(request)
        if not isinstance(response, Response):
            raise ConfigurationError(
                f"A middleware returned {type(response).__name__}: it must return the Response of `await call_next(request)`,"
                " or one of its own."
            )
        if not isinstance(response.body, bytes):
            raise ConfigurationError(
                f"A middleware returned a Response whose body is {type(response.body).__name__}: it must be bytes."
            )
        return response

    async def _transmit(self, request: Request) -> Response:
        """After the last middleware: add the credential, send."""
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
    return await middleware(request, call_next)
