"""`Klaviyo`: the client; `BaseClient`: what it has in common with those of other revisions."""

from __future__ import annotations

import inspect
import logging
import os
import platform
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn

from klaviyo_async._http.namespace import Namespace
from klaviyo_async._http.session import Session
from klaviyo_async._keys import is_private_key
from klaviyo_async._version import __version__
from klaviyo_async.api import Namespaces
from klaviyo_async.auth.api_key import ApiKey
from klaviyo_async.auth.base import Auth, auth_of
from klaviyo_async.errors import ConfigurationError
from klaviyo_async.limiter.base import AccountLimiter
from klaviyo_async.operation_table import operations
from klaviyo_async.options import MAX_RESPONSE_BYTES, RequestOptions, Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType
    from typing import Self

    import aiohttp

    from klaviyo_async.bulk.client import Bulk
    from klaviyo_async.limiter import Limiter
    from klaviyo_async.middleware import Middleware
    from klaviyo_async.operation import OperationTable

log: logging.Logger = logging.getLogger("klaviyo_async")

_COMPANY = re.compile(r"[A-Za-z0-9_-]+")
_USER_AGENT = f"klaviyo_async/{__version__} Python/{platform.python_version()}"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class BaseClient:
    """What the clients of all packages have, whatever the revision: `klaviyo_async.Klaviyo`, and the `Klaviyo` of a package that
    ``python -m codegen generate --package`` made. Annotate with it what takes any of them.
    """

    _operations: ClassVar[OperationTable]
    __signature__: ClassVar[inspect.Signature]
    _session: Session
    _derived = False

    def __init_subclass__(cls) -> None:
        signature = inspect.signature(cls.__init__)
        parameters = list(signature.parameters.values())[1:]
        if cls.__init__ is BaseClient.__init__:
            # What None stands for, for those who look.
            own = cls._operations.revision
            parameters = [each.replace(default=own) if each.name == "revision" else each for each in parameters]
        cls.__signature__ = signature.replace(parameters=parameters)

    def __init__(
        self,
        api_key: str | None = None,
        *,
        auth: object | None = None,
        company_id: str | None = None,
        base_url: str = "https://a.klaviyo.com",
        revision: str | None = None,
        timeout: float | aiohttp.ClientTimeout = 30.0,
        max_retries: int = 5,
        max_wait: float | None = None,
        limiter: Limiter | Literal[False] | None = None,
        session: aiohttp.ClientSession | None = None,
        middlewares: Iterable[Middleware] = (),
        validate: bool = True,
        headers: Mapping[str, str] | None = None,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
    ) -> None:
        """Check the settings; nothing is opened before the first call.

        :param api_key: Private API key; without it, and without `auth`, the environment's KLAVIYO_API_KEY.
        :param auth: Another credential: `OAuth(…)`, any object with ``async def authorize(self) -> str``, or a function, plain
            or async, that returns the ``Authorization`` header.
        :param company_id: The account's public API key, for the client-side operations (``/client/…``). With nothing else the
            client can call only these.
        :param base_url: Origin of the API; scheme and host, no path.
        :param revision: Another revision of the API for the operations of this client's package and for `request`; by default the
            one that the package was generated from. Operations of another package ask for that package's revision.
        :param timeout: Seconds for one attempt, or an `aiohttp.ClientTimeout`.
        :param max_retries: How often a failed attempt is repeated, where that is safe; 0 for never.
        :param max_wait: Longest that a call may wait on the limiter and on `Retry-After`, in seconds; past it `RateLimitWait`.
            None waits, though not for a daily limit.
        :param limiter: A `LocalLimiter` or `RedisLimiter`; None shares one limiter with all clients of this process, False
            turns limits off.
        :param session: The caller's own `aiohttp.ClientSession`, for a proxy, TLS settings or tracing; used, never closed.
        :param middlewares: ``async def middleware(request, call_next)``, the first outermost, run for each attempt.
        :param validate: False lets through what the operation table doesn't know.
        :param headers: Headers for every request. A ``User-Agent`` is put in front of the client's own; those that the client
            makes itself are refused.
        :param max_response_bytes: Largest body of a success that is read into memory; a larger one raises `DecodeError`.

        Raises `ConfigurationError` for what can't work, a missing credential included.
        """
        settings = Settings(
            auth=_credential(api_key, auth, company_id),
            company_id=_company(company_id),
            origin=_origin(base_url),
            middlewares=_middlewares(middlewares),
            revision=self._operations.revision if revision is None else revision,
            timeout=timeout,
            max_retries=max_retries,
            max_wait=max_wait,
            validate=bool(validate),
            headers=headers or {},
            max_response_bytes=max_response_bytes,
        )
        self._session = Session(
            settings,
            operations=self._operations,
            limiter=_limiter(limiter),
            http=_http(session),
            user_agent=_USER_AGENT,
        )

    def with_options(
        self,
        *,
        timeout: float | aiohttp.ClientTimeout | None = None,
        max_retries: int | None = None,
        max_wait: float | None = None,
        headers: Mapping[str, str] | None = None,
        priority: Literal["interactive", "bulk"] | None = None,
        validate: bool | None = None,
        revision: str | None = None,
        max_response_bytes: int | None = None,
    ) -> Self:
        """The same client with other defaults: ``bulk = klaviyo.with_options(priority="bulk", max_wait=600)``.

        The new client shares connections, limits and lifecycle with this one. It owns nothing: closing it, or leaving it as
        a context manager, does nothing, and closing the client that it was made from closes both. Takes what
        `RequestOptions` takes; what is left out stays as this client has it.
        """
        options = RequestOptions(
            timeout=timeout,
            max_retries=max_retries,
            max_wait=max_wait,
            headers=headers,
            priority=priority,
            validate=validate,
            revision=revision,
            max_response_bytes=max_response_bytes,
        )
        derived = object.__new__(type(self))
        # All but the groups of functions, which are bound to a session and are made anew when they are used.
        derived.__dict__.update((name, value) for name, value in vars(self).items() if not isinstance(value, Namespace))
        derived._derived = True
        derived._session = self._session.with_settings(self._session.settings.merge(options))
        return derived

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, object] | Iterable[tuple[str, object]] | None = None,
        json: object = None,
        headers: Mapping[str, str] | None = None,
        options: RequestOptions | None = None,
    ) -> Any:
        """Call what the operation table doesn't have (yet), with the same credential, limits, retries and errors.

        `path` may have its query with it, and may be an absolute URL on the client's own origin. A value of `params` may
        be a list (comma-joined) or a mapping (``fields={"profile": ["email"]}``); None leaves it out. `json` is the
        body: plain values or models. `headers` go on top of the client's and those in `options`. Gives the decoded JSON,
        None for no body. Raises `QueryError` for what can't be sent.

        A method and path of an operation of the client's own package have its limits. Anything else has 3 requests a second and
        60 a minute for each method and first path segment, Klaviyo's tier S; `LocalLimiter(overrides={"GET /api/things": …})`
        changes that.
        """
        from klaviyo_async._request.plain import prepare_plain  # noqa: PLC0415 - rarely needed

        session = self._session
        prepared = prepare_plain(
            method,
            path,
            params,
            json,
            operations=session.operations,
            origin=session.origin,
            company_id=session.settings.company_id,
            headers=headers,
        )
        return session.decoder.plain(await session.exchange(prepared, options))

    @cached_property
    def bulk(self) -> Bulk:
        """Bulk jobs: ``await klaviyo.bulk.import_profiles(rows)``."""
        from klaviyo_async.bulk.client import bulk_of  # noqa: PLC0415 - start-up: it loads when it is first used

        return bulk_of(self._operations.package)(self._session)

    @property
    def limiter(self) -> AccountLimiter:
        """The limits of this client's account: ``klaviyo.limiter.snapshot()`` tells what is left and who waits.

        Raises `ConfigurationError` where limits were turned off.
        """
        if self._session.limiter is None:
            raise ConfigurationError("This client has no limiter: it was made with limiter=False.")
        return AccountLimiter(self._session.limiter, self._session.accounts)

    @property
    def closed(self) -> bool:
        """Whether the client was closed."""
        return self._session.closed

    async def close(self) -> None:
        """Close the client's connections. Calls in flight end with `ConnectionFailed`; later ones raise `ConfigurationError`.

        A session that the caller gave stays open, as does a limiter. On a client made by `with_options` it does nothing.
        """
        if not self._derived:
            await self._session.close()

    aclose = close

    async def __aenter__(self) -> Self:
        if self._session.closed:
            raise ConfigurationError("This client is closed: make a new Klaviyo.")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        settings = self._session.settings
        return f"Klaviyo(base_url={settings.origin!r}, revision={settings.revision!r}, auth={settings.auth!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("Klaviyo does not pickle: it holds connections and a credential. Make one in each process.")


class Klaviyo(Namespaces, BaseClient):
    """A client of the Klaviyo API.

    ::

        async with Klaviyo() as klaviyo:  # reads KLAVIYO_API_KEY
            page = await klaviyo.profiles.get_profiles(page_size=100)

    Make one for each account and keep it: connections and rate limits are shared by all its calls, from any number of
    tasks. It may be made outside of an event loop, and used in several loops one after the other.
    """

    _operations = operations


# -- checks of the arguments --------------------------------------------------------------------------------------------


def _credential(api_key: object, auth: object | None, company_id: object) -> Auth | None:
    if isinstance(api_key, Auth):
        raise ConfigurationError(f"{type(api_key).__name__} goes into auth: Klaviyo(auth=…).")
    if api_key is not None and auth is not None:
        raise ConfigurationError("Give either api_key or auth, not both.")
    if auth is not None:
        return auth_of(auth)
    if api_key is not None:
        return ApiKey(api_key, source="the api_key argument")  # type: ignore[arg-type]
    from_environment = os.environ.get("KLAVIYO_API_KEY")
    if from_environment and from_environment.strip():
        return ApiKey(from_environment, source="the environment variable KLAVIYO_API_KEY")
    if company_id is not None:
        return None
    raise ConfigurationError(
        'No credential: give a private API key as Klaviyo("pk_…"), set the environment variable KLAVIYO_API_KEY, or give auth'
        " (OAuth). For the client-side operations alone company_id is enough."
    )


def _company(company_id: object) -> str | None:
    if company_id is None:
        return None
    if is_private_key(company_id):
        # A private key must not end up in the query of a public request.
        raise ConfigurationError(
            "company_id is the public API key (six letters and digits), and this is a private one: give that as api_key."
        )
    if not isinstance(company_id, str) or not _COMPANY.fullmatch(company_id):
        raise ConfigurationError("company_id must be the account's public API key: six letters and digits.")
    return company_id


def _origin(base_url: object) -> str:
    from yarl import URL  # noqa: PLC0415 - with aiohttp; not needed to import the package

    url = URL()
    try:
        url = URL(str(base_url))
        good = url.scheme in {"http", "https"} and bool(url.host) and url.user is None and url.password is None
        good = good and url.raw_path in {"", "/"} and not url.raw_query_string and not url.raw_fragment
        origin = str(url.origin()) if good else ""
    except ValueError:
        origin = ""
    if not origin:
        # Not echoed: it may hold a password.
        raise ConfigurationError(
            "base_url must be an origin such as https://a.klaviyo.com: http or https, a host, no user, path or query."
        )
    if url.scheme == "http" and url.host not in _LOOPBACK:
        log.warning("base_url is %s: the credential goes there unencrypted.", origin)
    return origin


def _middlewares(middlewares: Iterable[Middleware]) -> tuple[Middleware, ...]:
    if callable(middlewares):
        raise ConfigurationError("middlewares must be a list of them: middlewares=[…].")
    listed = tuple(middlewares)
    for middleware in listed:
        if not callable(middleware):
            raise ConfigurationError(
                f"A middleware must be `async def middleware(request, call_next)`, not {type(middleware).__name__}."
            )
    return listed


def _http(session: Any) -> aiohttp.ClientSession | None:
    if session is not None and not hasattr(session, "request"):
        raise ConfigurationError(f"session must be an aiohttp.ClientSession, not {type(session).__name__}.")
    return session  # type: ignore[no-any-return]


_shared: Limiter | None = None
"""The limiter of every client that was given none: its buckets are by account, so the same credential shares them."""


def _limiter(limiter: object) -> Limiter | None:
    global _shared  # noqa: PLW0603 - one for the process is the point
    if limiter is False:
        return None
    if limiter is None:
        if _shared is None:
            from klaviyo_async.limiter import LocalLimiter  # noqa: PLC0415 - not for clients with a limiter of their own

            _shared = LocalLimiter()
        return _shared
    if not hasattr(limiter, "acquire"):
        raise ConfigurationError(
            f"limiter must be a LocalLimiter, a RedisLimiter or False, not {type(limiter).__name__}."
        )
    return limiter  # type: ignore[return-value]
