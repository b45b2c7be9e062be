"""Keeps keys and tokens off the screen: an application under development may well be run with a real one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HIDDEN = "•••"

_HEADERS = {"authorization", "proxy-authorization", "cookie", "set-cookie", "klaviyo-signature"}
_NAMES = {"secret_key", "client_secret", "access_token", "refresh_token", "code_verifier", "api_key", "private_key"}
_OF_OAUTH = _NAMES | {"code", "token"}
_KEY = re.compile(r"\bpk_[A-Za-z0-9_-]+")


def header(name: str, value: str) -> str:
    """A header's value; of a credential only its scheme."""
    if name.lower() in _HEADERS:
        scheme, space, _ = value.partition(" ")
        return f"{scheme} {HIDDEN}" if space else HIDDEN
    if name.lower() == "location" and "?" in value:
        place, _, query = value.partition("?")
        return f"{place}?{form(query)}"
    return text(value)


def headers(given: Mapping[str, str]) -> list[tuple[str, str]]:
    """Headers as they may be shown."""
    return [(name, header(name, value)) for name, value in given.items()]


def parameters(given: Mapping[str, str]) -> list[tuple[str, str]]:
    """Query parameters as they may be shown."""
    return [(name, HIDDEN if name in _OF_OAUTH else text(value)) for name, value in given.items()]


def form(content: str) -> str:
    """A query or a form, with the values of credentials hidden."""
    pairs = parse_qsl(content, keep_blank_values=True)
    return urlencode([(name, HIDDEN if name in _OF_OAUTH else text(value)) for name, value in pairs], safe=HIDDEN)


def text(value: str) -> str:
    """A text without what looks like a private key."""
    return _KEY.sub(f"pk_{HIDDEN}", value)


def value(given: Any, *, oauth: bool = False) -> Any:
    """A JSON value, with those members hidden that are credentials."""
    names = _OF_OAUTH if oauth else _NAMES
    if isinstance(given, dict):
        return {
            name: HIDDEN if name in names and inside is not None else value(inside, oauth=oauth)
            for name, inside in given.items()
        }
    if isinstance(given, list):
        return _each(given, oauth=oauth)
    return text(given) if isinstance(given, str) else given


def _each(given: Iterable[Any], *, oauth: bool) -> list[Any]:
    return [value(one, oauth=oauth) for one in given]
