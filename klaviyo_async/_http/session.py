"""The path of a call: check → wait → authorise → send → decide → retry, raise or decode."""

from __future__ import annotations

import logging
import math
import time
from asyncio import sleep
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from klaviyo_async._http.attempts import Attempts
from klaviyo_async._http.calls import Calls
from klaviyo_async._http.credential import Credentials
from klaviyo_async._http.decisions import Judge, Raise, RaiseWait, Return, Wait
from klaviyo_async._http.outage import Outage
from klaviyo_async._http.responses import Decoder
from klaviyo_async._model.unset import UNSET
from klaviyo_async._request.prepare import prepare
from klaviyo_async._retry import retry_after
from klaviyo_async.auth.base import digest
from klaviyo_async.errors import ConfigurationError, QueryError, RateLimitWait, TransportError
from klaviyo_async.headers import JSON_API
from klaviyo_async.middleware import Response
from klaviyo_async.pages import Pages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import aiohttp

    from klaviyo_async._http.responses import Outcome
    from klaviyo_async._http.transport import Transport
    from klaviyo_async._request.prepare import Prepared
    from klaviyo_async.errors import KlaviyoError
    from klaviyo_async.headers import Headers
    from klaviyo_async.limiter import Limiter
    from klaviyo_async.operation import Operation, OperationTable
    from klaviyo_async.options import RequestOptions, Settings

log = logging.getLogger("klaviyo_async")

T = TypeVar("T")


class Caller(Protocol):
    """What an endpoint function is called on: the client, or one of its namespaces."""

    _session: Session


class Session:
    """Sends prepared requests under the limits, with retries, and decodes their responses. There is one per client.

    `operations` are those of the client's own package. Operations of other packages can be called as well.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        operations: OperationTable,
        limiter: Limiter | None,
        http: aiohttp.ClientSession | None,
        user_agent: str,
    ) -> None:
        self.settings = settings
        self.operations = operations
        self.origin: str = settings.origin
        self.limiter = limiter
        self.calls: Calls = Calls()
        self.outage: Outage = Outage()
        self.decoder: Decoder = Decoder(self._credential_source)
        self._shared = _Shared(http)
        self._user_agent = user_agent
        self._headers: dict[tuple[str | None, str], Headers] = {}
        """Content type and revision → the headers of requests without further headers of their own."""
        self.credentials: Credentials = Credentials()
        self._account = digest(settings.origin, settings.auth.account) if settings.auth is not None else ""

    def with_settings(self, settings: Settings) -> Session:
        """The same session with other settings: connections, limits and calls in flight are shared."""
        derived = object.__new__(Session)
        derived.__dict__.update(self.__dict__, settings=settings, _headers={})
        return derived

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
        """Call an operation and decode its response: the success document, or None if there is no body.

        The type of the result is the one that the calling endpoint function declares.
        """
        prepared = self.prepare(operation, path, params, body=body, write=write, options=options)
        return cast("T", self.decoder.document(await self.exchange(prepared, options)))

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
        """Check a call of a list operation; nothing is sent until the result is awaited or iterated."""
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
        """Check a call against its operation and build the request. Raises `QueryError` with all problems."""
        if isinstance(operation, str):
            operation = self.operations[operation]
        params = params or {}
        if operation.public:
            params = self._with_company(operation, params)
        validate = self.settings.validate if options is None else self.settings.merge(options).validate
        return prepare(operation, path, params, body=body, write=write, validate=validate, origin=self.origin)

    async def send(self, prepared: Prepared, options: RequestOptions | None) -> Any:
        """Send a prepared request and decode the response."""
        return self.decoder.document(await self.exchange(prepared, options))

    async def exchange(self, prepared: Prepared, options: RequestOptions | None) -> Outcome:
        """Send a prepared request until it succeeds.

        Otherwise raises `APIError`, `TransportError` or `RateLimitWait`, or `ConfigurationError` on a closed client.
        """
        settings = self.settings if options is None else self.settings.of_one_call(options)
        with self.calls.begin(prepared.operation.name):
            return await self._send_with_retries(prepared, settings)

    # -- attempts -------------------------------------------------------------------------------------------------------

    async def _send_with_retries(self, prepared: Prepared, settings: Settings) -> Outcome:
        attempts = Attempts(self, prepared, settings)
        judge: Judge | None = None
        outage = self.outage
        while True:
            ended = await (self._hold(attempts) if outage.holds else attempts.make())
            if log.isEnabledFor(logging.DEBUG):
                _note_attempt(attempts, ended)
            if isinstance(ended, Response) and 200 <= ended.status < 300:
                if not outage.fine:
                    outage.note(prepared.operation.name, ended)
                return attempts.outcome(ended)
            outage.note(prepared.operation.name, ended)
            if judge is None:
                judge = Judge(prepared, settings)
            if await self._renewed(attempts, ended):
                continue
            asked = retry_after(ended.headers) if isinstance(ended, Response) else None
            decision = judge.decide(ended, waited=attempts.waited, asked=asked, replayable=attempts.replayable)
            if isinstance(decision, Return):
                return attempts.outcome(decision.response)
            try:
                if not isinstance(decision, Wait):
                    outage.gave_up(prepared.operation.name, ended)
                    raise self._error(decision, ended, attempts, asked)
            finally:
                # An error's traceback references this frame, so keeping the error here would create a cycle.
                del ended
            log.debug("%s: attempt %d in %.2f s", prepared.operation.name, attempts.made + 1, decision.seconds)
            await sleep(decision.seconds)
            attempts.waited += decision.seconds

    async def _hold(self, attempts: Attempts) -> Response | TransportError:
        """The next attempt, once the outage guard allows it."""
        max_wait = attempts.settings.max_wait
        longest = math.inf if max_wait is None else max(0.0, max_wait - attempts.waited)
        started = time.perf_counter()

        async def make() -> Response | TransportError:
            attempts.waited += time.perf_counter() - started
            return await attempts.make()

        return await self.outage.hold(attempts.prepared.operation.name, make, longest)

    async def _renewed(self, attempts: Attempts, ended: Response | TransportError) -> bool:
        """Whether another credential replaced one that got a 401: then the call is worth retrying, once."""
        auth, credential = self.settings.auth, attempts.credential
        if auth is None or credential is None or attempts.renewed or getattr(ended, "status", None) != 401:
            return False
        attempts.renewed = await auth.rejected(credential.value)
        return attempts.renewed and attempts.replayable

    def _error(
        self, decision: Raise | RaiseWait, ended: Response | TransportError, attempts: Attempts, asked: float | None
    ) -> KlaviyoError:
        error: KlaviyoError
        if isinstance(ended, TransportError):
            error = ended.after(attempts.made)
        else:
            error = attempts.outcome(ended).error(credential=self._credential_source, retry_after=asked)
        if isinstance(decision, Raise):
            return error
        too_long = _too_long(attempts, decision.seconds, ended)
        too_long.__cause__ = error
        return too_long

    # -- requests -------------------------------------------------------------------------------------------------------

    def headers_of(self, prepared: Prepared, settings: Settings, revision: str) -> Headers:
        """The headers of a request except the credential; those without anything special are built once."""
        content_type = prepared.payload.content_type if prepared.payload is not None else None
        if prepared.headers:
            return self._made_headers(revision, settings.headers.merged(prepared.headers), content_type)
        key = content_type, revision
        common = settings.headers is self.settings.headers
        headers = self._headers.get(key) if common else None
        if headers is None:
            headers = self._made_headers(revision, settings.headers, content_type)
            if common and len(self._headers) < 64:  # a form has its own boundary, and so its own content type
                self._headers[key] = headers
        return headers

    def revision_of(self, operation: Operation, settings: Settings) -> str:
        """The revision for a request of this operation.

        By default the operation's own. A client's `revision` overrides it for operations of the client's package, a call's
        `revision` for any operation.
        """
        if settings.call_revision is not None:
            return settings.call_revision
        if operation.revision is None or operation.package == self.operations.package:
            return settings.revision
        return operation.revision

    def _made_headers(self, revision: str, given: Headers, content_type: str | None) -> Headers:
        ahead = given.get("User-Agent")
        made = {
            "Accept": JSON_API,
            "revision": revision,
            "User-Agent": f"{ahead} {self._user_agent}" if ahead else self._user_agent,
        }
        if content_type is not None:
            made["Content-Type"] = content_type
        return given.merged(made)

    def account_of(self, prepared: Prepared) -> str:
        """The account whose limits apply to the request, as a digest."""
        if not prepared.operation.public:
            if self.settings.auth is None:
                raise ConfigurationError(
                    f"{prepared.operation.name} needs a private credential, and this client has only a company_id: pass"
                    " api_key or auth, or set KLAVIYO_API_KEY."
                )
            return self._account
        # The public key identifies the account, whoever calls.
        return digest(self.origin, "company", prepared.company_id or "")

    @property
    def accounts(self) -> tuple[str, ...]:
        """The accounts whose limits apply to the client's calls, as digests: that of its credential, that of its company."""
        company = self.settings.company_id
        found = (self._account, digest(self.origin, "company", company) if company is not None else "")
        return tuple(filter(None, found))

    def _with_company(self, operation: Operation, params: Mapping[str, object]) -> Mapping[str, object]:
        if not any(parameter.name == "company_id" for parameter in operation.parameters):
            return params
        if params.get("company_id") not in (None, UNSET):
            return params
        if self.settings.company_id is None:
            raise QueryError(
                f"{operation.name}: company_id is missing. Client-side operations carry the account's public API key: give it as"
                " company_id, here or to Klaviyo(company_id=…).",
                operation=operation.name,
            )
        return {**params, "company_id": self.settings.company_id}

    @property
    def _credential_source(self) -> str:
        return self.settings.auth.source if self.settings.auth is not None else ""

    # -- the wire -------------------------------------------------------------------------------------------------------

    @property
    def transport(self) -> Transport:
        """The transport; aiohttp is loaded with it."""
        shared = self._shared
        if shared.transport is None:
            from klaviyo_async._http.transport import Transport  # noqa: PLC0415 - start-up: aiohttp is half of it

            shared.transport = Transport(shared.http, self.origin)
        return shared.transport

    @property
    def closed(self) -> bool:
        """Whether the client has been closed."""
        return self.calls.closed

    async def close(self) -> None:
        """End the calls in flight with an error and close the connections. Does nothing when called again."""
        await self.calls.end()
        if self._shared.transport is not None:
            await self._shared.transport.close()
        if self.settings.auth is not None:
            await self.settings.auth.close()


class _Shared:
    """What derived sessions have in common, created by whichever needs it first."""

    __slots__ = ("http", "transport")

    def __init__(self, http: aiohttp.ClientSession | None) -> None:
        self.http = http
        self.transport: Transport | None = None


def _too_long(attempts: Attempts, seconds: float, ended: Response | TransportError) -> RateLimitWait:
    name, max_wait = attempts.prepared.operation.name, attempts.settings.max_wait
    allowed = "the client waits by itself" if max_wait is None else "max_wait allows"
    return RateLimitWait(
        f"{name}: Klaviyo asked for a retry in {seconds:.0f} s, longer than {allowed}. Call again later, or raise"
        f" max_wait. ({_what(ended)})",
        seconds=seconds,
        operation=name,
    )


def _note_attempt(attempts: Attempts, ended: Response | TransportError) -> None:
    operation = attempts.prepared.operation
    log.debug(
        "%s: %s %s: %s after %.3f s (attempt %d, waited %.3f s)",
        operation.name, operation.method, operation.path, _what(ended), time.perf_counter() - attempts.started, attempts.made,
        attempts.waited,
    )  # fmt: skip


def _what(ended: Response | TransportError) -> str:
    return f"status {ended.status}" if isinstance(ended, Response) else type(ended).__name__
