"""`Klaviyo` and `RequestOptions`: what users construct."""

from __future__ import annotations

import math
import os
import platform
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from klaviyo_async._version import __version__
from klaviyo_async.api import Namespaces
from klaviyo_async.auth import ApiKey, Auth, auth_of
from klaviyo_async.errors import ConfigurationError
from klaviyo_async.message import Headers
from klaviyo_async.operation_table import REVISION
from klaviyo_async.record import frozen
from klaviyo_async.session import Session, Settings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Self

    import aiohttp

    from klaviyo_async.limiter import Limiter
    from klaviyo_async.message import Middleware

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_REVISION = re.compile(r"\d{4}-\d{2}-\d{2}(\.[A-Za-z0-9-]+)?")
_COMPANY = re.compile(r"[A-Za-z0-9_-]+")
_OURS = frozenset({"authorization", "revision", "host", "content-length", "transfer-encoding"})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@frozen(kw_only=True)
class RequestOptions:
    """What one call does otherwise than its client; what is None here is the client's.

    Raises `ConfigurationError` for values that can't be.
    """

    timeout: float | aiohttp.ClientTimeout | None = None
    """Seconds for one attempt, or an `aiohttp.ClientTimeout`."""
    max_retries: int | None = None
    """How often a failed attempt is repeated: 0 for never."""
    max_wait: float | None = None
    """Longest wait on the limiter and on `Retry-After`, in seconds; `math.inf` lifts the client's."""
    headers: Mapping[str, str] | None = None
    """Headers on top of the client's."""
    priority: Literal["interactive", "bulk"] | None = None
    """Its place in the queue for the rate limits; ``interactive`` is the default."""
    validate: bool | None = None
    """False lets through what the operation table doesn't know."""
    revision: str | None = None
    """Another revision for this call. Its answers may have other fields than the models say."""

    def __attrs_post_init__(self) -> None:
        if self.timeout is not None:
            _timeout(self.timeout)
        if self.max_retries is not None:
            _retries(self.max_retries)
        if self.max_wait is not None:
            _wait(self.max_wait)
        if self.headers is not None:
            object.__setattr__(self, "headers", _extra_headers(self.headers))
        if self.priority not in (None, "interactive", "bulk"):
            raise ConfigurationError(f'priority has to be "interactive" or "bulk", not {self.priority!r}.')
        if self.revision is not None:
            _revision(self.revision)


class Klaviyo(Namespaces):
    """A client of the Klaviyo API.

    ::

        async with Klaviyo("pk_…") as klaviyo:
            page = await klaviyo.profiles.get_profiles(page_size=100)

    Make one for each account and keep it: connections and rate limits are shared by all its calls, from any number of
    tasks. It may be made outside of an event loop, and used in several loops one after the other.

    :param api_key: Private API key; without it, and without `auth`, the environment's KLAVIYO_API_KEY.
    :param auth: Another credential: `OAuth(…)`, any object with ``async def authorize(self) -> str``, or a function, plain
        or async, that gives the ``Authorization`` header.
    :param company_id: The account's public API key, for the client-side operations (``/client/…``). With nothing else the
        client can call only these.
    :param base_url: Origin of the API; scheme and host, no path.
    :param revision: Revision of the API that every request asks for.
    :param timeout: Seconds for one attempt, or an `aiohttp.ClientTimeout`.
    :param max_retries: How often a failed attempt is repeated, where that is safe; 0 for never.
    :param max_wait: Longest that a call may wait on the limiter and on `Retry-After`, in seconds; past it `RateLimitWait`.
        None waits, though not for a daily limit.
    :param limiter: A `LocalLimiter` or `RedisLimiter`; None shares one limiter with all clients of this process, False
        turns limits off.
    :param session: The caller's own `aiohttp.ClientSession`, for a proxy, TLS settings or tracing; used, never closed.
    :param middlewares: ``async def middleware(request, call_next)``, the first outermost, run for each attempt.
    :param validate: False lets through what the operation table doesn't know.
    :param headers: Headers for every request.

    Raises `ConfigurationError` for what can't work, a missing credential included.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        auth: object | None = None,
        company_id: str | None = None,
        base_url: str = "https://a.klaviyo.com",
        revision: str = REVISION,
        timeout: float | aiohttp.ClientTimeout = 30.0,
        max_retries: int = 5,
        max_wait: float | None = None,
        limiter: Limiter | Literal[False] | None = None,
        session: aiohttp.ClientSession | None = None,
        middlewares: Iterable[Middleware] = (),
        validate: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        settings = Settings(
            auth=_credential(api_key, auth, company_id),
            company_id=_company(company_id),
            origin=_origin(base_url),
            revision=_revision(revision),
            timeout=_timeout(timeout),
            max_retries=_retries(max_retries),
            max_wait=None if max_wait is None else _wait(max_wait),
            middlewares=_middlewares(middlewares),
            validate=bool(validate),
            headers=_extra_headers(headers or {}),
        )
        self._limiter = _limiter(limiter)
        self._session = Session(settings, limiter=self._limiter, http=_http(session), user_agent=_USER_AGENT)

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
        body: plain values or models. Gives the decoded JSON, None for no body.

        A method and path of a known operation have its limits. Anything else has 3 requests a second and 60 a minute
        for each method and first path segment, Klaviyo's tier S; `LocalLimiter(overrides={"GET /api/things": …})`
        changes that.
        """
        from klaviyo_async.adhoc import prepare_plain  # noqa: PLC0415 - rarely needed

        if options is not None and not isinstance(options, RequestOptions):
            raise TypeError(f"options has to be RequestOptions(…), not {type(options).__name__}.")
        if headers is not None:
            options = _with_headers(options, headers)
        prepared = prepare_plain(
            method, path, params, json, origin=self._session.origin, company_id=self._session.settings.company_id
        )
        return self._session.decoder.plain(await self._session.exchange(prepared, options))

    @property
    def limiter(self) -> Limiter:
        """The limiter of this client: ``klaviyo.limiter.snapshot()`` tells what is left and who waits.

        Raises `ConfigurationError` where limits were turned off.
        """
        if self._limiter is None:
            raise ConfigurationError("This client has no limiter: it was made with limiter=False.")
        return self._limiter

    @property
    def closed(self) -> bool:
        """Whether the client was closed."""
        return self._session.closed

    async def close(self) -> None:
        """Close the client's connections. Calls under way end with `ConnectionFailed`; later ones raise `ConfigurationError`.

        A session that the caller gave stays open, as does a limiter.
        """
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


_USER_AGENT = f"klaviyo_async/{__version__} Python/{platform.python_version()}"


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
    if not isinstance(company_id, str) or not _COMPANY.fullmatch(company_id):
        raise ConfigurationError("company_id has to be the account's public API key: six letters and digits.")
    if company_id.startswith("pk_"):
        # A private key must not end up in the query of a public request.
        raise ConfigurationError(
            "company_id is the public API key (six letters and digits), and this is a private one: give that as api_key."
        )
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
            "base_url has to be an origin such as https://a.klaviyo.com: http or https, a host, no user, path or query."
        )
    if url.scheme == "http" and url.host not in _LOOPBACK:
        _log().warning("base_url is %s: the credential goes there unencrypted.", origin)
    return origin


def _log() -> Any:
    import logging  # noqa: PLC0415

    return logging.getLogger("klaviyo_async")


def _revision(revision: object) -> str:
    if not isinstance(revision, str) or not _REVISION.fullmatch(revision):
        raise ConfigurationError(f"revision has to be a date such as {REVISION} or {REVISION}.pre, not {revision!r}.")
    return revision


def _positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _timeout(timeout: Any) -> float | aiohttp.ClientTimeout:
    if type(timeout).__name__ == "ClientTimeout":  # by name: aiohttp isn't loaded before it is needed
        return timeout  # type: ignore[no-any-return]
    if not _positive(timeout) or math.isinf(timeout):
        raise ConfigurationError(
            f"timeout has to be a positive number of seconds or an aiohttp.ClientTimeout, not {timeout!r}. To wait without end:"
            " aiohttp.ClientTimeout(total=None)."
        )
    return float(timeout)


def _retries(max_retries: object) -> int:
    if not isinstance(max_retries, int) or isinstance(max_retries, bool) or max_retries < 0:
        raise ConfigurationError(f"max_retries has to be a whole number, 0 or more, not {max_retries!r}.")
    return max_retries


def _wait(max_wait: Any) -> float:
    if max_wait != 0 and not _positive(max_wait):
        raise ConfigurationError(f"max_wait has to be a number of seconds, 0 or more, not {max_wait!r}.")
    return float(max_wait)


def _extra_headers(headers: Mapping[str, str]) -> Headers:
    if not isinstance(headers, Mapping):
        raise ConfigurationError("headers has to be a mapping of names to values.")
    for name, value in headers.items():
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise ConfigurationError(f"{name!r} can't be the name of a header.")
        if not isinstance(value, str) or any(
            (ord(letter) < 32 and letter != "\t") or ord(letter) == 127 for letter in value
        ):
            # The value is not shown: headers carry secrets.
            raise ConfigurationError(
                f"The header {name} has to be a str without line breaks or other control characters."
            )
        if name.lower() in _OURS:
            raise ConfigurationError(f"{name} can't be set as a header: it is made from {_made_from(name.lower())}.")
    return Headers(headers)


def _made_from(name: str) -> str:
    return {"authorization": "api_key or auth", "revision": "`revision`", "host": "base_url"}.get(name, "the body")


def _with_headers(options: RequestOptions | None, headers: Mapping[str, str]) -> RequestOptions:
    from attrs import evolve  # noqa: PLC0415

    options = options or RequestOptions()
    return evolve(options, headers=_extra_headers({**(options.headers or {}), **headers}))


def _middlewares(middlewares: Iterable[Middleware]) -> tuple[Middleware, ...]:
    if callable(middlewares):
        raise ConfigurationError("middlewares has to be a list of them: middlewares=[…].")
    listed = tuple(middlewares)
    for middleware in listed:
        if not callable(middleware):
            raise ConfigurationError(
                f"A middleware has to be `async def middleware(request, call_next)`, not {type(middleware).__name__}."
            )
    return listed


def _http(session: Any) -> aiohttp.ClientSession | None:
    if session is not None and not hasattr(session, "request"):
        raise ConfigurationError(f"session has to be an aiohttp.ClientSession, not {type(session).__name__}.")
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
            f"limiter has to be a LocalLimiter, a RedisLimiter or False, not {type(limiter).__name__}."
        )
    return limiter  # type: ignore[return-value]
