"""`RequestOptions`: per-call overrides of client settings; `Settings`: what a client was configured with; validation of both."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from attrs import evolve, field, frozen
from attrs.converters import optional

from klaviyo_async._did_you_mean import shown
from klaviyo_async._texts import text_of
from klaviyo_async.errors import ConfigurationError
from klaviyo_async.headers import JSON_API, Headers

if TYPE_CHECKING:
    import aiohttp

    from klaviyo_async.auth.base import Auth
    from klaviyo_async.middleware import Middleware

__all__ = ["RequestOptions"]

MAX_RESPONSE_BYTES = 256 * 2**20

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_REVISION = re.compile(r"\d{4}-\d{2}-\d{2}(\.[A-Za-z0-9-]+)?")
_MADE_FROM = {
    "authorization": "is made from `api_key` or `auth`: pass one of these",
    "revision": "is made from `revision`: set that",
    "accept": f"is always {JSON_API}; a middleware can replace it",
    "host": "is made from `base_url`: set that",
    "content-type": "is made from the body; a middleware can replace it",
    "content-length": "is made from the body: leave it out",
    "transfer-encoding": "is made from the body: leave it out",
    "connection": "belongs to the connection pool: pass a `session` whose connector has force_close=True",
}
"""Headers that the client sets itself, and what to use instead."""


def checked_revision(revision: str) -> str:
    if not isinstance(revision, str) or not _REVISION.fullmatch(revision):
        raise ConfigurationError(
            f"revision must be a date such as 2026-07-15 or 2026-07-15.pre, not {shown(revision)}."
        )
    return text_of(revision)


def checked_timeout(timeout: float | aiohttp.ClientTimeout) -> float | aiohttp.ClientTimeout:
    if type(timeout).__name__ == "ClientTimeout":  # by name: aiohttp isn't loaded before it is needed
        return timeout
    seconds = _seconds(timeout)
    if seconds is None or seconds == 0 or math.isinf(seconds):
        raise ConfigurationError(
            f"timeout must be a positive number of seconds or an aiohttp.ClientTimeout, not {shown(timeout)}. To wait indefinitely:"
            " aiohttp.ClientTimeout(total=None)."
        )
    return seconds


def checked_retries(max_retries: int) -> int:
    if not isinstance(max_retries, int) or isinstance(max_retries, bool) or max_retries < 0:
        raise ConfigurationError(f"max_retries must be a whole number, 0 or more, not {shown(max_retries)}.")
    return max_retries


def checked_wait(max_wait: float) -> float:
    seconds = _seconds(max_wait)
    if seconds is None:
        raise ConfigurationError(f"max_wait must be a number of seconds, 0 or more, not {shown(max_wait)}.")
    return seconds


def checked_priority(priority: Literal["interactive", "bulk"]) -> Literal["interactive", "bulk"]:
    if priority not in ("interactive", "bulk"):
        raise ConfigurationError(f'priority must be "interactive" or "bulk", not {shown(priority)}.')
    return priority


def checked_size(max_response_bytes: int) -> int:
    if not isinstance(max_response_bytes, int) or isinstance(max_response_bytes, bool) or max_response_bytes < 1:
        raise ConfigurationError(
            f"max_response_bytes must be a whole number, 1 or more, not {shown(max_response_bytes)}."
        )
    return max_response_bytes


def checked_headers(headers: Mapping[str, str]) -> Headers:
    if not isinstance(headers, Mapping):
        raise ConfigurationError(f"headers must be a mapping of names to values, not {type(headers).__name__}.")
    for name, value in headers.items():
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise ConfigurationError(f"{name!r} is not a valid header name.")
        if name.lower() in _MADE_FROM:
            raise ConfigurationError(f"The header {name} can't be set: it {_MADE_FROM[name.lower()]}.")
        if not isinstance(value, str) or not _fits_a_header(value):
            # The value is not shown: headers carry secrets.
            raise ConfigurationError(
                f"The header {name} must be a str without line breaks, other control characters or lone surrogates."
            )
    if isinstance(headers, Headers):
        return headers
    return Headers({text_of(name): text_of(value) for name, value in headers.items()})


def _fits_a_header(value: str) -> bool:
    return not any(
        (letter < " " and letter != "\t") or letter == "\x7f" or "\ud800" <= letter <= "\udfff" for letter in value
    )


def _seconds(value: object) -> float | None:
    """A number of seconds, 0 or more; None for anything else."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not value >= 0:  # NaN is neither
        return None
    try:
        return float(value)
    except OverflowError:
        return None


@frozen(kw_only=True, repr=False)
class RequestOptions:
    """Per-call overrides of client settings. None keeps the client's setting.

    Raises `ConfigurationError` for an invalid value.
    """

    timeout: float | aiohttp.ClientTimeout | None = field(default=None, converter=optional(checked_timeout))
    """Seconds for one attempt, or an `aiohttp.ClientTimeout`."""
    max_retries: int | None = field(default=None, converter=optional(checked_retries))
    """How often a failed attempt is repeated; 0 for never."""
    max_wait: float | None = field(default=None, converter=optional(checked_wait))
    """Longest wait for the limiter and for `Retry-After`, in seconds; `math.inf` lifts the client's limit."""
    headers: Mapping[str, str] | None = field(default=None, converter=optional(checked_headers))
    """Headers added to the client's. A ``User-Agent`` is put in front of the client's own."""
    priority: Literal["interactive", "bulk"] | None = field(default=None, converter=optional(checked_priority))
    """Priority for the rate limits: ``interactive`` goes before ``bulk``."""
    validate: bool | None = None
    """False lets through names and values that the operation table doesn't know."""
    revision: str | None = field(default=None, converter=optional(checked_revision))
    """Another revision of the API, for any operation. Its responses may have fields that the models don't declare."""
    max_response_bytes: int | None = field(default=None, converter=optional(checked_size))
    """Largest success body that is read into memory; a larger one raises `DecodeError`."""

    def __repr__(self) -> str:
        # In the traceback of a value that can't be there are no attributes yet.
        given = ((name, getattr(self, name, None)) for name in RequestOptions.__annotations__)
        return f"RequestOptions({', '.join(f'{name}={value!r}' for name, value in given if value is not None)})"


@frozen(kw_only=True, repr=False)
class Settings:
    """What a client was configured with, or the effective settings of one call."""

    auth: Auth | None
    company_id: str | None
    origin: str
    middlewares: tuple[Middleware, ...]
    revision: str = field(converter=checked_revision)
    """The revision for operations of the client's own package, and for `klaviyo.request`."""
    call_revision: str | None = None
    """The revision for this call, whichever package its operation is from."""
    timeout: float | aiohttp.ClientTimeout = field(default=30.0, converter=checked_timeout)
    max_retries: int = field(default=5, converter=checked_retries)
    max_wait: float | None = field(default=None, converter=optional(checked_wait))
    priority: Literal["interactive", "bulk"] = field(default="interactive", converter=checked_priority)
    validate: bool = True
    headers: Headers = field(factory=Headers, converter=checked_headers)
    max_response_bytes: int = field(default=MAX_RESPONSE_BYTES, converter=checked_size)

    def merge(self, options: RequestOptions) -> Settings:
        """These settings overridden by `options`; headers are merged."""
        if not isinstance(options, RequestOptions):
            raise TypeError(f"options must be RequestOptions(…), not {type(options).__name__}.")
        changes = {name: value for name in _OVERRIDES if (value := getattr(options, name)) is not None}
        if options.headers:
            changes["headers"] = self.headers.merged(options.headers)
        return evolve(self, **changes)

    def of_one_call(self, options: RequestOptions) -> Settings:
        """These settings overridden by the `options` of a call."""
        merged = self.merge(options)
        return merged if options.revision is None else evolve(merged, call_revision=options.revision)


_OVERRIDES = tuple(name for name in RequestOptions.__annotations__ if name != "headers")
