"""The one straight way of a request: check → wait → authorise → send → judge → retry or return."""

from __future__ import annotations

import logging
import time
from asyncio import sleep
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, cast

from klaviyo_async import retry
from klaviyo_async.answers import Answer, Decoder
from klaviyo_async.auth import Secret, digest
from klaviyo_async.calls import Call, end_all
from klaviyo_async.errors import ConfigurationError, KlaviyoError, QueryError, RateLimitWait, TransportError
from klaviyo_async.message import Headers, Request, Response
from klaviyo_async.model import UNSET
from klaviyo_async.record import frozen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    import aiohttp

    from klaviyo_async.auth import Auth
    from klaviyo_async.client import RequestOptions
    from klaviyo_async.limiter import Limiter
    from klaviyo_async.message import CallNext, Middleware
    from klaviyo_async.multipart import Multipart
    from klaviyo_async.operation import Operation
    from klaviyo_async.pages import Pages
    from klaviyo_async.query import Prepared
    from klaviyo_async.transport import Permit, Transport

log = logging.getLogger("klaviyo_async")

T = TypeVar("T")


class Caller(Protocol):
    """What an endpoint function is called on: the client, or one of its namespaces."""

    _session: Session


@frozen(kw_only=True)
class Settings:
    """What a client was set up with."""

    auth: Auth | None
    company_id: str | None
    origin: str
    revision: str
    timeout: float | aiohttp.ClientTimeout
    max_retries: int
    max_wait: float | None
    middlewares: tuple[Middleware, ...]
    validate: bool
    headers: Mapping[str, str]


class _Free:
    """The permit that is always there: for clients without a limiter."""

    waited = 0.0

    def answered(self, status: int, headers: Mapping[str, str]) -> None: ...
    def unsent(self) -> None: ...
    def lost(self) -> None: ...


_FREE = _Free()


class _Attempt:
    """One attempt: what the innermost step needs and the middlewares don't see."""

    __slots__ = ("acquire", "authorization", "permit", "session", "timeout")

    def __init__(
        self,
        session: Session,
        permit: Permit,
        acquire: Callable[[], Awaitable[Permit]],
        timeout: float | aiohttp.ClientTimeout | None,
    ) -> None:
        self.session = session
        self.permit: Permit | None = permit
        self.acquire = acquire
        self.timeout = timeout
        self.authorization: Secret | None = None

    async def transmit(self, request: Request) -> Response:
        """Behind the last middleware: add the credential, send."""
        permit = self.permit
        self.permit = None
        if permit is None:  # a middleware sends once more: that is a request of its own for the limits
            permit = await self.acquire()
        try:
            self.authorization = await self.session.authorization(request)
            transport = self.session.transport
            timeout = self.session.client_timeout(self.timeout)
        except BaseException:
            permit.unsent()
            raise
        return await transport.send(request, self.authorization, timeout, permit)

    def settle(self) -> None:
        """Give the permit back where no middleware ever sent the request."""
        if self.permit is not None:
            self.permit.unsent()
            self.permit = None


class Session:
    """Sends prepared requests under the limits, with retries, and decodes their answers. One for each client."""

    def __init__(
        self, settings: Settings, *, limiter: Limiter | None, http: aiohttp.ClientSession | None, user_agent: str
    ) -> None:
        self.settings = settings
        self.origin = settings.origin
        self.limiter = limiter
        self._http = http
        self._user_agent = user_agent
        self._transport: Transport | None = None
        self._timeouts: dict[float | aiohttp.ClientTimeout, aiohttp.ClientTimeout] = {}
        self._calls: set[Call] = set()
        self._closed = False
        self._credential = settings.auth.source if settings.auth is not None else ""
        self.decoder = Decoder(self._credential)
        self._headers: dict[tuple[str | None, str], Headers] = {}
        self._account = digest(settings.origin, settings.auth.account) if settings.auth is not None else ""

    # -- the ways in ----------------------------------------------------------------------------------------------------

    async def call(
        self,
        operation: Operation | str,
        path: Sequence[str] = (),
        params: Mapping[str, object] | None = None,
        *,
        body: object = UNSET,
        write: Mapping[str, object] | None = None,
        options: RequestOptions | None = None,
    ) -> T:  # pyright: ignore[reportInvalidTypeVarUse]
        """Call an operation and decode its answer: the success document, or None where there is no body.

        The type of the result is what the endpoint function that returns it declares.
        """
        prepared = self.prepare(operation, path, params, body=body, write=write, options=options)
        return cast("T", await self.send(prepared, options))

    def pages(
        self,
        operation: Operation | str,
        path: Sequence[str] = (),
        params: Mapping[str, object] | None = None,
        *,
        body: object = UNSET,
        write: Mapping[str, object] | None = None,
        options: RequestOptions | None = None,
    ) -> Pages[Any, Any]:
        """Check a call of a list operation; nothing is sent before the result is awaited or iterated."""
        from klaviyo_async.pages import Pages  # noqa: PLC0415 - only lists need it

        return Pages(self, self.prepare(operation, path, params, body=body, write=write, options=options), options)

    def prepare(
        self,
        operation: Operation | str,
        path: Sequence[str] = (),
        params: Mapping[str, object] | None = None,
        *,
        body: object = UNSET,
        write: Mapping[str, object] | None = None,
        options: RequestOptions | None = None,
    ) -> Prepared:
        """Check a call against its operation and put the request together. Raises `QueryError` with all that is wrong."""
        from klaviyo_async.query import prepare  # noqa: PLC0415 - loads when first used

        if isinstance(operation, str):
            operation = _named(operation)
        params = params or {}
        if operation.public:
            params = self._with_company(operation, params)
        if options is not None and not hasattr(options, "validate"):
            raise TypeError(f"{operation.name}: options has to be RequestOptions(…), not {type(options).__name__}.")
        validate = self.settings.validate if options is None or options.validate is None else options.validate
        return prepare(operation, path, params, body=body, write=write, validate=validate, origin=self.origin)

    async def send(self, prepared: Prepared, options: RequestOptions | None) -> Any:
        """Send a prepared request and decode the answer."""
        return self.decoder.document(await self.exchange(prepared, options))

    async def exchange(self, prepared: Prepared, options: RequestOptions | None) -> Answer:
        """Send a prepared request until it succeeds.

        Raises `APIError`, `TransportError` or `RateLimitWait` where it doesn't, `ConfigurationError` on a closed client.
        """
        if self._closed:
            raise ConfigurationError("This client is closed: make a new Klaviyo, or close it after its last call.")
        with Call(self._calls, prepared.operation.name):
            return await self._rounds(prepared, options)

    # -- the rounds -----------------------------------------------------------------------------------------------------

    async def _rounds(self, prepared: Prepared, options: RequestOptions | None) -> Answer:
        settings = self.settings
        operation = prepared.operation
        max_retries = settings.max_retries if options is None or options.max_retries is None else options.max_retries
        max_wait = settings.max_wait if options is None or options.max_wait is None else options.max_wait
        priority: Literal["interactive", "bulk"] = (
            "interactive" if options is None or options.priority is None else options.priority
        )
        timeout = None if options is None else options.timeout
        revision = settings.revision if options is None or options.revision is None else options.revision
        self._check_credential(operation)
        url = self.origin + prepared.target
        headers = self._request_headers(prepared, revision, options)
        body = prepared.payload.content if prepared.payload is not None else None
        account = self._account_of(prepared)
        limiter = self.limiter
        attempts = retries = 0
        waited = 0.0
        renewed = False

        async def acquire() -> Permit:
            if limiter is None:
                return _FREE
            nonlocal waited
            permit = await limiter.acquire(
                account,
                operation,
                prepared.triggered,
                priority=priority,
                max_wait=None if max_wait is None else max(0.0, max_wait - waited),
            )
            waited += permit.waited
            return permit

        while True:
            attempts += 1
            attempt = _Attempt(self, await acquire(), acquire, timeout)
            request = Request(
                method=operation.method,
                url=url,
                headers=headers,
                body=body,
                operation=operation,
                attempt=attempts,
                waited=waited,
            )
            started = time.perf_counter()
            error: KlaviyoError | None = None
            response: Response | None = None
            try:
                response = await self._through(attempt, request)
            except TransportError as failure:
                error = failure
            finally:
                attempt.settle()
            asked: float | None = None
            if response is not None:
                status = response.status
                if log.isEnabledFor(logging.DEBUG):
                    log.debug(
                        "%s: %s %s answered %d in %.3f s (attempt %d, waited %.3f s)",
                        operation.name, operation.method, operation.path, status, time.perf_counter() - started, attempts, waited,
                    )  # fmt: skip
                if 200 <= status < 300:
                    return Answer(operation, response, attempts, waited, revision)
                if status == 401 and not renewed and attempt.authorization is not None and settings.auth is not None:
                    renewed = await settings.auth.rejected(attempt.authorization)
                    if renewed and _replayable(body):
                        continue
                asked = retry.retry_after(response.headers)
                answer = Answer(operation, response, attempts, waited, revision)
                error = answer.error(credential=self._credential, retry_after=asked)
                again = retry.again_after_status(status, safe=prepared.safe_to_repeat)
            else:
                error = _counted(error, attempts)
                again = retry.again_after_failure(error, safe=prepared.safe_to_repeat)
            try:
                if not again or retries >= max_retries or not _replayable(body):
                    raise error
                retries += 1
                seconds = _allowed(
                    retry.pause(retries, asked),
                    asked,
                    None if max_wait is None else max_wait - waited,
                    operation,
                    error,
                )
                log.info("%s: %s; attempt %d in %.2f s", operation.name, _reason(error), attempts + 1, seconds)
            finally:
                # Its traceback has this frame, so keeping it here would make a cycle.
                error = None
            await sleep(seconds)
            waited += seconds

    async def _through(self, attempt: _Attempt, request: Request) -> Response:
        if not self.settings.middlewares:
            return await attempt.transmit(request)
        handler: CallNext = attempt.transmit
        for middleware in reversed(self.settings.middlewares):
            handler = partial(_step, middleware, handler)
        response: Any = await handler(request)
        if not isinstance(response, Response):
            raise ConfigurationError(
                f"A middleware returned {type(response).__name__}: it has to return the Response of `await call_next(request)`, or one of"
                " its own."
            )
        return response

    async def authorization(self, request: Request) -> Secret | None:
        """The credential for this request; None where it must not or need not carry it."""
        if request.operation.public or "Authorization" in request.headers:
            return None
        if not request.url.startswith(self.origin + "/"):
            # A middleware sent it elsewhere; that place has no business with the key.
            return None
        auth = self.settings.auth
        if auth is None:
            return None
        value = await auth.authorize()
        if not isinstance(value, str) or not value or "\n" in value or "\r" in value:
            raise ConfigurationError(
                f"{auth.source} is not the value of a header: authorize() has to give one line of text."
            )
        return Secret(value)

    def _check_credential(self, operation: Operation) -> None:
        if self.settings.auth is None and not operation.public:
            raise ConfigurationError(
                f"{operation.name} needs a private credential, and this client has only a company_id: give api_key or auth, or"
                " set KLAVIYO_API_KEY."
            )

    # -- requests -------------------------------------------------------------------------------------------------------

    def _request_headers(self, prepared: Prepared, revision: str, options: RequestOptions | None) -> Headers:
        """The headers of a request, apart from the credential; those without anything special are made once."""
        content_type = prepared.payload.content_type if prepared.payload is not None else None
        headers = self._headers.get((content_type, revision))
        if headers is None:
            items = {
                **self.settings.headers,
                "Accept": "application/vnd.api+json",
                "revision": revision,
                "User-Agent": self._user_agent,
            }
            if content_type is not None:
                items["Content-Type"] = content_type
            headers = Headers(items)
            if len(self._headers) < 64:  # a form has a boundary, and so a content type, of its own
                self._headers[content_type, revision] = headers
        if prepared.headers:
            headers = headers.merged(prepared.headers)
        if options is not None and options.headers:
            headers = headers.merged(options.headers)
        return headers

    def _with_company(self, operation: Operation, params: Mapping[str, object]) -> Mapping[str, object]:
        if not any(parameter.name == "company_id" for parameter in operation.parameters):
            return params
        company_id = params.get("company_id", UNSET)
        if company_id not in (None, UNSET):
            if isinstance(company_id, str) and company_id.startswith("pk_"):
                # It would stand in the URL of a public request, and in every log on its way.
                raise QueryError(
                    f"{operation.name}: company_id is the account's public API key (six letters and digits), and this is a"
                    " private one.",
                    operation=operation.name,
                )
            return params
        if self.settings.company_id is None:
            raise QueryError(
                f"{operation.name}: company_id is missing. Client-side operations carry the account's public API key: give it as"
                " company_id, here or to Klaviyo(company_id=…).",
                operation=operation.name,
            )
        return {**params, "company_id": self.settings.company_id}

    def _account_of(self, prepared: Prepared) -> str:
        if not prepared.operation.public:
            return self._account
        # The public key is in the query; it is the account, whoever calls.
        company = prepared.target.partition("company_id=")[2].partition("&")[0]
        return digest(self.origin, "company", company)

    @property
    def transport(self) -> Transport:
        """The way to the wire; aiohttp is loaded with it."""
        transport = self._transport
        if transport is None:
            from klaviyo_async.transport import Transport  # noqa: PLC0415 - aiohttp is half of the import time

            transport = self._transport = Transport(self._http, user_agent=self._user_agent)
        return transport

    def client_timeout(self, timeout: float | aiohttp.ClientTimeout | None) -> aiohttp.ClientTimeout:
        """The timeout of an attempt in aiohttp's terms."""
        given = self.settings.timeout if timeout is None else timeout
        known = self._timeouts.get(given)
        if known is None:
            from klaviyo_async.transport import timeout_of  # noqa: PLC0415

            known = timeout_of(given)
            if len(self._timeouts) < 64:
                self._timeouts[given] = known
        return known

    # -- the end --------------------------------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether the client was closed."""
        return self._closed

    async def close(self) -> None:
        """End the calls under way with an error and close the connections. Does nothing the second time."""
        self._closed = True
        await end_all(self._calls)
        if self._transport is not None:
            await self._transport.close()
        if self.settings.auth is not None:
            await self.settings.auth.close()


def _named(name: str) -> Operation:
    from klaviyo_async.operation_table import operations  # noqa: PLC0415 - the table loads when first used

    return operations[name]


async def _step(middleware: Middleware, call_next: CallNext, request: Request) -> Response:
    return await middleware(request, call_next)


def _allowed(
    pause: retry.Pause, asked: float | None, left: float | None, operation: Operation, error: KlaviyoError
) -> float:
    """The seconds to sleep; raises where that is longer than the call may wait."""
    limit = retry.PATIENCE if left is None else left
    if asked is not None and asked > max(limit, 0.0):
        raise RateLimitWait(
            f"{operation.name}: Klaviyo wants to be asked again in {asked:.0f} s, longer than "
            + ("the client sleeps by itself. " if left is None else "max_wait allows. ")
            + f"Call again then, or raise max_wait. ({_reason(error)})",
            seconds=asked,
            operation=operation.name,
        ) from error
    if left is None:
        return pause.seconds
    if left <= 0 and pause.seconds > 0:
        raise error
    return min(pause.seconds, left)


def _replayable(body: bytes | Multipart | None) -> bool:
    """Whether the body can be sent once more; a form around a pipe can't."""
    return body is None or isinstance(body, bytes) or body.replayable


def _counted(error: KlaviyoError | None, attempts: int) -> TransportError:
    assert isinstance(error, TransportError)  # noqa: S101 - for the type checkers
    error.attempts = attempts
    if attempts > 1:
        error.args = (f"{error} [{attempts} attempts]",)
    return error


def _reason(error: KlaviyoError) -> str:
    status = getattr(error, "status", None)
    return f"answered {status}" if status is not None else type(error).__name__
