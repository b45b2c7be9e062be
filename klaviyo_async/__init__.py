"""Async-first client for the Klaviyo REST API, generated from Klaviyo's OpenAPI documents.

::

    from klaviyo_async import F, Klaviyo

    async with Klaviyo() as klaviyo:  # reads KLAVIYO_API_KEY
        async for profile in klaviyo.profiles.get_profiles(filter=F("email").any(["a@x.com", "b@x.com"])):
            print(profile.attributes.email)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from klaviyo_async._version import __version__

if TYPE_CHECKING:
    from klaviyo_async import api as api
    from klaviyo_async import auth as auth
    from klaviyo_async import bulk as bulk
    from klaviyo_async import errors as errors
    from klaviyo_async import filters as filters
    from klaviyo_async import limiter as limiter
    from klaviyo_async import middleware as middleware
    from klaviyo_async import models as models
    from klaviyo_async import operation as operation
    from klaviyo_async import resources as resources
    from klaviyo_async import testing as testing
    from klaviyo_async import webhooks as webhooks
    from klaviyo_async._model.document import Http
    from klaviyo_async._model.unset import UNSET, Unset
    from klaviyo_async._preload import preload
    from klaviyo_async.auth import OAuth
    from klaviyo_async.auth.api_key import ApiKey
    from klaviyo_async.auth.base import Auth
    from klaviyo_async.client import Klaviyo
    from klaviyo_async.errors import (
        APIError,
        BadRequest,
        CheckpointError,
        ConfigurationError,
        Conflict,
        ConnectionFailed,
        DecodeError,
        ErrorObject,
        ErrorSource,
        Forbidden,
        Gone,
        KlaviyoError,
        NotFound,
        PaginationError,
        PayloadTooLarge,
        QueryError,
        RateLimited,
        RateLimitWait,
        RequestTimeout,
        ServerError,
        TransportError,
        Unauthorized,
        WebhookSignatureError,
    )
    from klaviyo_async.filter import F, Fields, Filter
    from klaviyo_async.headers import Headers
    from klaviyo_async.limiter import LocalLimiter, RedisLimiter
    from klaviyo_async.middleware import CallNext, Middleware, Request, Response
    from klaviyo_async.operation_table import REVISION, operations
    from klaviyo_async.options import RequestOptions

__all__ = [
    "REVISION",
    "UNSET",
    "APIError",
    "ApiKey",
    "Auth",
    "BadRequest",
    "CallNext",
    "CheckpointError",
    "ConfigurationError",
    "Conflict",
    "ConnectionFailed",
    "DecodeError",
    "ErrorObject",
    "ErrorSource",
    "F",
    "Fields",
    "Filter",
    "Forbidden",
    "Gone",
    "Headers",
    "Http",
    "Klaviyo",
    "KlaviyoError",
    "LocalLimiter",
    "Middleware",
    "NotFound",
    "OAuth",
    "PaginationError",
    "PayloadTooLarge",
    "QueryError",
    "RateLimitWait",
    "RateLimited",
    "RedisLimiter",
    "Request",
    "RequestOptions",
    "RequestTimeout",
    "Response",
    "ServerError",
    "TransportError",
    "Unauthorized",
    "Unset",
    "WebhookSignatureError",
    "__version__",
    "operations",
    "preload",
]

_HOMES = {
    "ApiKey": "auth",
    "Auth": "auth",
    "CallNext": "middleware",
    "F": "filter",
    "Fields": "filter",
    "Filter": "filter",
    "Headers": "headers",
    "Http": "_model",
    "Klaviyo": "client",
    "LocalLimiter": "limiter",
    "Middleware": "middleware",
    "OAuth": "auth",
    "REVISION": "operation_table",
    "RedisLimiter": "limiter",
    "Request": "middleware",
    "RequestOptions": "options",
    "Response": "middleware",
    "UNSET": "_model",
    "Unset": "_model",
    "operations": "operation_table",
    "preload": "_preload",
}
_SUBMODULES = frozenset(
    {
        "api",
        "auth",
        "bulk",
        "errors",
        "filters",
        "limiter",
        "middleware",
        "models",
        "operation",
        "options",
        "pages",
        "resources",
        "testing",
        "webhooks",
    }
)


def __getattr__(name: str) -> Any:
    # PEP 562: a name loads its module when it is first used, so that importing the package costs almost nothing.
    if name in __all__:
        value = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
    elif name in _SUBMODULES:
        value = import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_SUBMODULES})
