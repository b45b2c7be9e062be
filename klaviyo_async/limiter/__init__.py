"""Rate limits: when a request may be sent. `LocalLimiter` for one process, `RedisLimiter` for many."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from klaviyo_async.limiter.base import (
        AccountLimiter,
        BucketSnapshot,
        Limiter,
        Permit,
        Priority,
        Snapshot,
        WindowSnapshot,
    )
    from klaviyo_async.limiter.local import LocalLimiter
    from klaviyo_async.limiter.redis import RedisLimiter

__all__ = [
    "AccountLimiter",
    "BucketSnapshot",
    "Limiter",
    "LocalLimiter",
    "Permit",
    "Priority",
    "RedisLimiter",
    "Snapshot",
    "WindowSnapshot",
]

_HOMES = {"LocalLimiter": "local", "RedisLimiter": "redis"}


def __getattr__(name: str) -> Any:
    # Lazy: users who turn limits off, or only import the package, pay for none of this.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'base')}"), name)
    globals()[name] = value
    return value
