"""The tokens of an OAuth app for one account, read from the token endpoint's response or from a user's store.

Tokens must not be lost because of an anomaly elsewhere in the response, and must not appear in a traceback. So the readers here
never raise: they return a sentence that says what is wrong, and a caller without tokens in its frame raises it.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from klaviyo_async.auth.secret import Secret
from klaviyo_async.errors import ConfigurationError

LIFETIME = 3600.0
"""Lifetime of Klaviyo's access tokens in seconds, for responses that don't state it, or state an invalid one."""
_LONGEST = 10 * 365 * 86400.0


class Tokens(NamedTuple):
    """What Klaviyo returned for a code or a refresh token."""

    access_token: str
    refresh_token: str
    expires_at: datetime
    """Aware, UTC."""

    def __repr__(self) -> str:
        return f"Tokens(…, expires_at={self.expires_at.isoformat()})"


class StoredTokens(NamedTuple):
    """What `load_tokens` returned."""

    access_token: str | None
    refresh_token: str
    expires: float | None
    """Seconds since 1970."""

    def __repr__(self) -> str:
        return f"StoredTokens(…, expires={self.expires})"


def parsed(body: bytes) -> Any:
    """The members of a body's JSON object, strings as secrets; None if it has none. Nested members are of no use here."""
    try:
        # Integers are read as floats, because int() refuses one of 5,000 digits.
        found = json.loads(body.decode(errors="replace").lstrip("\ufeff"), parse_int=float)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    flat = {name: value for name, value in found.items() if not isinstance(value, dict | list)}
    return {name: Secret(value) if isinstance(value, str) else value for name, value in flat.items()}


def granted(response: Any, refresh_token: str | None) -> tuple[Tokens | None, str | None]:
    """The tokens of a token endpoint's response, and the refresh token to use next.

    Without an access token there are no tokens, but the refresh token may have been replaced nevertheless.
    """
    if not isinstance(response, dict):
        return None, refresh_token
    refresh = _token(response.get("refresh_token")) or refresh_token
    access = _token(response.get("access_token"))
    if access is None or refresh is None:
        return None, refresh
    expires_at = datetime.fromtimestamp(time.time() + _lifetime(response.get("expires_in")), UTC)
    return Tokens(access, refresh, expires_at), refresh


def stored(given: Any) -> StoredTokens | str | None:
    """The tokens returned by a store, None if it has none yet, or what is wrong with them."""
    if given is None:
        return None
    if isinstance(given, Tokens):
        given = given._asdict()
    if not isinstance(given, Mapping):
        return (
            f"load_tokens must return a mapping with access_token, refresh_token and expires_at, or None, not"
            f" {type(given).__name__}."
        )
    if not given:
        return None
    refresh = _token(given.get("refresh_token"))
    if refresh is None:
        return "load_tokens returned a mapping without a refresh_token."
    try:
        expires = epoch(given.get("expires_at"))
    except ConfigurationError as error:
        return f"load_tokens: {error}"
    return StoredTokens(_token(given.get("access_token")), refresh, expires)


def epoch(moment: object) -> float | None:
    """Seconds since 1970 for an aware datetime, ISO 8601 text or a number; None for None.

    Raises `ConfigurationError` for anything else.
    """
    if moment is None:
        return None
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            raise ConfigurationError("expires_at is a string that is not an ISO 8601 date and time.") from None
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ConfigurationError("expires_at has no time zone: give an aware datetime, or seconds since 1970.")
        return moment.timestamp()
    try:
        seconds = float(moment) if isinstance(moment, int | float) and not isinstance(moment, bool) else math.nan
    except OverflowError:
        return math.inf
    if math.isnan(seconds):
        raise ConfigurationError("expires_at must be an aware datetime or seconds since 1970.")
    return seconds


def _token(value: object) -> Secret | None:
    return Secret(value.strip()) if isinstance(value, str) and value.strip() else None


def _lifetime(given: object) -> float:
    try:
        seconds = float(given) if isinstance(given, str | float | int) and not isinstance(given, bool) else 0.0
    except (ValueError, OverflowError):
        return LIFETIME
    return seconds if 0 < seconds <= _LONGEST else LIFETIME
