"""`RedisLimiter`: an account's limits, shared by processes and machines through Redis."""

from __future__ import annotations

import os
import threading
import time
import weakref
from functools import partial
from typing import TYPE_CHECKING

from klaviyo_async.errors import ConfigurationError
from klaviyo_async.limiter._connection import RedisConnection
from klaviyo_async.limiter._sharing import SharedLimits
from klaviyo_async.limiter.base import Limiter
from klaviyo_async.limiter.local import parse_overrides

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from redis.asyncio import Redis, RedisCluster

    from klaviyo_async.limiter.base import Permit, Priority, Snapshot
    from klaviyo_async.operation import Operation, ParameterLimit


class RedisLimiter(Limiter):
    """Shares an account's limits between processes and machines.

    `redis` is a URL as accepted by redis-py, ``redis://``, ``rediss://`` or ``unix://`` (with `cluster` it names a node of a
    Redis Cluster), or an existing client: ``redis.asyncio.Redis``, including one from a ``Sentinel``, or
    ``redis.asyncio.RedisCluster``. An existing client is used and never closed. Needs the extra ``redis``. `overrides` are those
    of `LocalLimiter`.

    A limiter created from a URL can be used in several event loops one after the other, and opens connections in each. With an
    existing client it works only in the first event loop that uses it, since the client's connections belong to that loop.

    If Redis doesn't respond within `command_timeout` seconds, or can't be reached, one warning is logged and calls continue with
    local limits, divided by the number of processes seen recently, or by `processes` if that is more (set it if processes may
    start while Redis is unavailable). Sharing resumes automatically.

    A limiter created from a URL continues where an earlier one in this process with the same URL, prefix and overrides left off,
    whether that was closed, garbage-collected, or lost with its event loop. So what the process sent is remembered even if Redis
    loses it.

    `prefix` starts all keys; every key expires. Only counts, times and digests of credentials are stored.

    Raises `ConfigurationError` if redis-py is not installed, or if the URL or an override is invalid. The first call raises
    it if Redis rejects the password or a permission is missing.
    """

    def __init__(
        self,
        redis: str | Redis | RedisCluster,
        /,
        *,
        overrides: Mapping[str, Mapping[str, str]] | None = None,
        processes: int = 1,
        command_timeout: float = 1.0,
        prefix: str = "klaviyo-async",
        cluster: bool = False,
    ) -> None:
        if processes < 1 or command_timeout <= 0:
            raise ConfigurationError(
                "RedisLimiter: processes must be 1 or more, and command_timeout more than 0 seconds."
            )
        self._connect = partial(RedisConnection, redis, cluster=cluster, timeout=command_timeout)
        self._rates = parse_overrides(overrides or {})
        self._processes = processes
        self._prefix = prefix
        rates = sorted(
            (name, sorted((kind, str(rate)) for kind, rate in of.items())) for name, of in self._rates.items()
        )
        self._key = (redis, cluster, prefix, repr(rates)) if isinstance(redis, str) else None
        self._limits = self._make()

    async def acquire(
        self,
        account: str,
        operation: Operation,
        triggered: Sequence[ParameterLimit] = (),
        *,
        priority: Priority = "interactive",
        max_wait: float | None = None,
    ) -> Permit:
        """See `Limiter.acquire`. First come, first served within this process; in random order between processes."""
        began = time.monotonic()
        deadline = None if max_wait is None else began + max_wait
        noticed = False
        while True:
            limits = self._enter_loop()
            permit = await limits.acquire(
                account, operation, triggered, priority=priority, began=began, deadline=deadline, noticed=noticed
            )
            if permit.granted_at:
                return permit
            noticed = permit.noticed

    def snapshot(self, accounts: Collection[str] | None = None) -> Snapshot:
        """What this process knows: its own requests and waiting calls, and whether the limits are currently shared."""
        return self._limits.snapshot(accounts)

    async def survey(self, accounts: Collection[str] | None = None) -> Snapshot:
        """What is left for all processes, according to Redis: each bucket that any process used recently. Takes no tokens.

        Waiting calls are known only to their own process, and not included. Without `accounts`, only this process's own
        view is returned. Raises `ConfigurationError` if Redis refuses access, `ConnectionError` if it doesn't respond.
        """
        if accounts is None:
            return self.snapshot()
        return await self._enter_loop().survey(accounts)

    def reset(self, accounts: Collection[str] | None = None) -> None:
        """See `Limiter.reset`. Pauses after 429s end for all processes that share the limits."""
        self._limits.reset(accounts)

    async def close(self) -> None:
        """Report the last responses to Redis, and close the limiter's own connections. The next use opens new ones."""
        if self._limits.owner() is self:
            await self._limits.close()

    def __repr__(self) -> str:
        return f"RedisLimiter(shared={not self._limits.away})"  # never the URL: it may contain a password

    def _make(self) -> SharedLimits:
        return SharedLimits(self._connect(), self._rates, self._processes, self._prefix)

    def _enter_loop(self) -> SharedLimits:
        """The limits, ready for use in the running event loop."""
        if self._limits.owner() is not self:
            with _lock:
                self._limits = self._take_over() or self._begin()
        self._limits.enter_loop()
        return self._limits

    def _take_over(self) -> SharedLimits | None:
        """The limits left by an earlier limiter in this process, with everything it knew."""
        for limits in _made.get(self._key, ()):
            if limits.abandoned():
                limits.hand_over(self, self._connect(), self._processes)
                return limits
        return None

    def _begin(self) -> SharedLimits:
        limits = self._limits if self._limits.owner() is None else self._make()
        limits.owner = weakref.ref(self)
        if self._key is not None:
            _forget_idle()
            _made.setdefault(self._key, []).append(limits)
        return limits


_made: dict[tuple[str, bool, str, str] | None, list[SharedLimits]] = {}
"""All limits of this process that are in use, or abandoned but still relevant: by URL, cluster, prefix and overrides."""
_lock = threading.Lock()


def _forget_idle() -> None:
    """Forget abandoned limits that are equivalent to new ones by now."""
    for key, several in list(_made.items()):
        several[:] = [limits for limits in several if not (limits.abandoned() and limits.idle())]
        if not several:
            del _made[key]


def _after_fork() -> None:
    """In the child process: abandoned limits are the parent's to continue."""
    global _lock  # noqa: PLW0603 - another thread of the parent may hold it
    _lock = threading.Lock()
    _made.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
