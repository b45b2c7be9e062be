"""Credentials: `ApiKey`, `OAuth`, and `Auth` to write your own."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from klaviyo_async.auth._tokens import Tokens
    from klaviyo_async.auth.api_key import ApiKey
    from klaviyo_async.auth.base import Auth
    from klaviyo_async.auth.oauth import OAuth

__all__ = ["ApiKey", "Auth", "OAuth", "Tokens"]

_HOMES = {"ApiKey": "api_key", "Auth": "base", "OAuth": "oauth", "Tokens": "_tokens"}


def __getattr__(name: str) -> Any:
    # Lazy: a client with a private key doesn't load OAuth.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
