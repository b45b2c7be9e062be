"""`RedisLimiter`: the limits of an account, shared by processes and machines through Redis.

A call first gets its permit from a book of this limiter's own, which keeps the order of the calls and counts what we sent; then the
permit is entered in Redis, which counts what all sent. While Redis is away the book alone decides, with our share of the limits;
everything sent meanwhile is entered when Redis is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import random
import secrets
import time
from collections import deque
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any

from klaviyo_async.errors import ConfigurationError, RateLimitWait
from klaviyo_async.limiter.base import Limiter, Snapshot
from klaviyo_async.limiter.book import LONG, LOST, Book
from klaviyo_async.limiter.local import find_line, parse_overrides
from klaviyo_async.limiter.scripts import SETTLE, TAKE, freeze_key, members_key, window_keys
from klaviyo_async.limiter.window import window_span

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from klaviyo_async.limiter.base import Priority
    from klaviyo_async.limiter.book import LocalPermit
    from klaviyo_async.limiter.line import Line
    from klaviyo_async.operation import Operation, ParameterLimit

_log = logging.getLogger("klaviyo_async")

_LEASE = 120.0
"""Seconds after which a request whose process died counts as answered."""
_PRESENCE = 60.0
"""Seconds without a request after which a limiter is no longer counted when limits are divided."""
_AGAIN = 1.0
"""Seconds between two attempts to reach Redis while it is away."""
_RETURN = 3 * _AGAIN
"""Seconds, once Redis is back, until the others have found out and entered what they sent: so long we keep to our share."""
_BATCH = 64
_GIVE = 0.01
_MICRO = 1_000_000


class RedisLimiter(Limiter):
    """Shares an account's limits between processes and machines.

    `url` is redis-py's: ``redis://``, ``rediss://`` or ``unix://``; with `cluster` it names a node of a Redis Cluster. Needs the
    extra ``redis``. `overrides` are those of `LocalLimiter`.

    When Redis doesn't answer within `command_timeout` seconds, or not at all, one warning is logged and calls go on with local
    limits: this limiter's share, one part in as many as were seen lately, or in `processes` where that is more (give it when
    processes may start while Redis is away). Sharing resumes by itself.

    `prefix` starts all keys; every key expires. Nothing is written there but counts, times and digests of credentials.

    Raises `ConfigurationError` where redis-py is not installed, or the URL or an override is none.
    """

    def __init__(
        self,
        url: str,
        *,
        overrides: Mapping[str, Mapping[str, str]] | None = None,
        processes: int = 1,
        command_timeout: float = 1.0,
        prefix: str = "klaviyo-async",
        cluster: bool = False,
    ) -> None:
        try:
            import redis.asyncio as client  # noqa: PLC0415 - only those who share limits pay for it
            import redis.exceptions  # noqa: PLC0415
        except ImportError as error:
            raise ConfigurationError(
                "RedisLimiter needs redis-py, which is not installed: pip install 'klaviyo-async[redis]'"
            ) from error
        if processes < 1 or command_timeout <= 0:
            raise ConfigurationError(
                "RedisLimiter: processes must be 1 or more, and command_timeout more than 0 seconds."
            )
        self._client_class: Any = client.RedisCluster if cluster else client.Redis
        self._no_script = redis.exceptions.NoScriptError
        self._failures = (redis.exceptions.RedisError, OSError, TimeoutError)
        self._url = url
        self._cluster = cluster
        try:
            client.ConnectionPool.from_url(url)
        except ValueError as error:
            raise ConfigurationError(
                "RedisLimiter: the URL must start with redis://, rediss:// or unix://, for instance redis://localhost:6379/0."
            ) from error
        self._overrides = parse_overrides(overrides or {})
        self._processes = processes
        self._timeout = command_timeout
        self._prefix = prefix
        self._book = Book(learning=False)
        self._tracks: dict[object, _Track] = {}
        self._id = f"{os.getpid()}-{secrets.token_hex(6)}"
        self._numbers = count()
        self._seen = 1
        self._away = False
        self._share_ends: float | None = None
        self._known_until: dict[str, float] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: Any = None
        self._tasks: set[asyncio.Task[None]] = set()

    # -- the limiter ---------------------------------------------------------------------------------------------------------

    async def acquire(
        self,
        account: str,
        operation: Operation,
        triggered: Sequence[ParameterLimit] = (),
        *,
        priority: Priority = "interactive",
        max_wait: float | None = None,
    ) -> RedisPermit:
        """See `Limiter.acquire`. First come first served within this process; between processes by chance."""
        key = (account, operation.name, tuple(triggered))
        track = self._tracks.get(key)
        if track is None:
            line = find_line(
                self._book, self._overrides, key=key, account=account, operation=operation, triggered=triggered
            )
            track = self._tracks[key] = _Track(line, account, self._prefix)
        self._enter_loop()
        self._restore_share()
        began = time.monotonic()
        deadline = None if max_wait is None else began + max_wait
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            local = await self._book.acquire(track.line, priority, left)
            permit = RedisPermit(self, track, local, f"{self._id}-{next(self._numbers)}")
            track.open[permit.id] = None
            try:
                entered = self._away or await self._enter(permit, priority, deadline)
            except BaseException:
                permit.unsent()
                raise
            if entered:
                permit.waited = time.monotonic() - began
                return permit
            permit.unsent()  # Redis went away: what we may send now is less than what the local book let through

    def snapshot(self) -> Snapshot:
        """What this process knows: its own requests, and whether the limits are shared right now."""
        return Snapshot(buckets=self._book.snapshot().buckets, shared=not self._away)

    async def close(self) -> None:
        """Tell Redis of the last answers, and close the connections. The limiter opens them again when it is used again."""
        if self._client is None or self._loop is not asyncio.get_running_loop():
            return
        for track in self._tracks.values():
            if not self._away:
                with contextlib.suppress(*self._failures):
                    await self._settle(track)
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        client, self._client, self._loop = self._client, None, None
        with contextlib.suppress(*self._failures):
            await client.aclose()

    def __repr__(self) -> str:
        return f"RedisLimiter(shared={not self._away})"  # never the URL: it may hold a password

    # -- entering a request in Redis -----------------------------------------------------------------------------------------

    async def _enter(self, permit: RedisPermit, priority: Priority, deadline: float | None) -> bool:
        """Wait until Redis has room for the request too. False where Redis went away meanwhile."""
        track = permit.track
        entry = _Entry(permit, deadline)
        heappush(track.gate, (1 if priority == "bulk" else 0, next(self._numbers), entry))
        if not track.fetching:
            track.fetching = True
            self._spawn(self._fetch(track))
        elif deadline is not None:
            track.news_at_gate.set()  # it wants to know at once how long it would wait
        return await entry.future

    async def _fetch(self, track: _Track) -> None:
        """Enter those at the gate, in order, as many at once as Redis has room for."""
        try:
            while not self._away:
                entries = track.waiting()
                if not entries:
                    return
                try:
                    granted, next_in, last_in = await self._take(track, [entry.permit.id for entry in entries[:_BATCH]])
                except self._failures as error:
                    self._lose(error)
                    break
                for entry in entries[:granted]:
                    entry.let_through(True)
                if granted == min(len(entries), _BATCH):
                    continue
                self._refuse(track, entries[granted:], next_in, last_in)
                track.news_at_gate.clear()
                with contextlib.suppress(TimeoutError):
                    # A little chance decides between processes that wait for the same moment.
                    async with asyncio.timeout(next_in + random.uniform(0, _GIVE)):  # noqa: S311 - no secret
                        await track.news_at_gate.wait()
        finally:
            track.fetching = False
            for entry in track.waiting():
                entry.let_through(False)
            track.gate.clear()

    def _refuse(self, track: _Track, entries: list[_Entry], next_in: float, last_in: float) -> None:
        """Tell those whose turn comes too late, rather than let them wait for it."""
        now = time.monotonic()
        for place, entry in enumerate(entries):
            # Between the first and the last of those asked for, the waits are spread evenly.
            wait = next_in + (last_in - next_in) * place / max(1, len(entries) - 1)
            if entry.deadline is None and wait > LONG:
                entry.fail(
                    RateLimitWait(
                        f"{track.line.name}: the daily limit of the account is spent; the next request is due in {wait:.0f} s."
                        " Call again then, or give a max_wait that allows for it.",
                        seconds=wait,
                        operation=track.line.name,
                    )
                )
            elif entry.deadline is not None and now + wait > entry.deadline:
                entry.fail(RateLimitWait(seconds=wait, operation=track.line.name))

    async def _take(self, track: _Track, ids: list[str]) -> tuple[int, float, float]:
        sizes = [part for capacity, span in track.sizes for part in (capacity, _micro(span))]
        keys = [track.members, *track.freezes, *track.keys]
        while True:
            known = time.monotonic() < self._known_until.get(track.members, 0.0)
            start = [len(track.freezes), len(ids), _micro(_LEASE), self._id, _micro(_PRESENCE), int(known)]
            granted, *rest = await self._run(_TAKE, keys, [*start, *sizes, *ids])
            if granted >= 0:
                break
            # Redis was restarted without its data, faster than we could notice.
            del self._known_until[track.members]
            for other in self._tracks.values():
                if other.members == track.members:
                    await self._enter_all(other)
        self._known_until[track.members] = time.monotonic() + _PRESENCE / 2
        next_in, last_in, self._seen, *used = rest
        track.used = tuple(used)
        return granted, next_in / _MICRO, last_in / _MICRO

    # -- after the request ---------------------------------------------------------------------------------------------------

    def finish(self, permit: RedisPermit, stays: float | None) -> None:
        """A permit's fate is known. `stays`: seconds from now in which it may still be counted; None: it was never sent."""
        track = permit.track
        track.open.pop(permit.id, None)
        now = time.monotonic()
        if stays is not None:
            track.settled.append((permit.id, now + stays))
            while track.settled[0][1] + track.longest < now:
                track.settled.popleft()
        track.news.append((permit.id, None if stays is None else now + stays))
        if not self._away and not track.settling and self._in_loop():
            track.settling = True
            self._spawn(self._settle_soon(track))

    def refused(self, permit: RedisPermit) -> None:
        """A 429 came: the others shall pause too, as long as the book does."""
        track = permit.track
        track.freeze = max([track.freeze, *(bucket.frozen_for for bucket in track.snapshots(self._book))])

    async def _settle_soon(self, track: _Track) -> None:
        try:
            while track.news or track.freeze:
                await self._settle(track)
        except self._failures as error:
            self._lose(error)
        finally:
            track.settling = False

    async def _settle(self, track: _Track) -> None:
        news, track.news = track.news, []
        freeze, track.freeze = track.freeze, 0.0
        if news or freeze:
            try:
                await self._write(track, news, freeze)
            except BaseException:
                track.news[:0] = news
                raise

    async def _write(self, track: _Track, news: list[tuple[str, float | None]], freeze: float) -> None:
        for start in range(0, max(1, len(news)), 500):
            now = time.monotonic()
            pairs = [
                part
                for name, until in news[start : start + 500]
                for part in (name, "" if until is None else _micro(until - now))
            ]
            spans = [_micro(span) for _, span in track.sizes]
            arguments = [len(track.freezes), _micro(freeze), *spans, *pairs]
            await self._run(_SETTLE, [*track.freezes, *track.keys], arguments)

    # -- Redis comes and goes ------------------------------------------------------------------------------------------------

    async def _run(self, script: tuple[str, str], keys: list[str], arguments: list[Any]) -> Any:
        text, digest = script
        async with asyncio.timeout(self._timeout):
            try:
                return await self._client.evalsha(digest, len(keys), *keys, *arguments)
            except self._no_script:
                return await self._client.eval(text, len(keys), *keys, *arguments)

    def _lose(self, error: BaseException) -> None:
        """Redis is away: go on with our share of the limits, and look for it in the background."""
        if self._away:
            return
        self._away = True
        self._share_ends = None
        self._known_until.clear()
        parts = max(self._seen, self._processes)
        _log.warning(
            "Redis is not there for the rate limits (%s): going on with local limits, 1/%d of the account's, until it is back.",
            type(error).__name__,
            parts,
        )
        for track in self._tracks.values():
            for (bucket, window), used in zip(track.pairs(), track.used, strict=False):
                ours = bucket.in_flight + len(window.spent)
                self._book.see_others(track.line, [(bucket.name, window.rate.seconds, max(0, used - ours))])
        self._book.set_share(1 / parts)
        self._spawn(self._look_for_redis())

    async def _look_for_redis(self) -> None:
        while self._away:
            await asyncio.sleep(_AGAIN)
            try:
                for track in list(self._tracks.values()):
                    await self._enter_all(track)
            except self._failures:
                continue
            self._away = False
            _log.warning("Redis is back: the rate limits are shared again.")
        # The others need a moment to find out, and to enter what they sent meanwhile.
        self._share_ends = time.monotonic() + _RETURN
        await asyncio.sleep(_RETURN)
        self._restore_share()

    def _restore_share(self) -> None:
        if self._share_ends is not None and time.monotonic() >= self._share_ends:
            self._share_ends = None
            self._book.set_share(1.0)

    async def _enter_all(self, track: _Track) -> None:
        """Enter everything of ours that may still be counted: Redis may have lost it, or never heard of it."""
        news, track.news = track.news, []
        now = time.monotonic()
        known: list[tuple[str, float | None]] = [(name, None) for name, until in news if until is None]
        known += [(name, now + _LEASE) for name in track.open]
        known += [(name, until) for name, until in track.settled if until + track.longest > now]
        try:
            await self._write(track, known, track.freeze)
        except BaseException:
            track.news[:0] = news
            raise

    # -- event loops ---------------------------------------------------------------------------------------------------------

    def _enter_loop(self) -> None:
        """Connections belong to an event loop: open new ones where the loop is another one than last time."""
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return
        if self._loop is not None and not self._loop.is_closed() and self._loop.is_running():
            raise ConfigurationError(
                "This RedisLimiter is in use by another event loop that is still running: make one for each loop."
            )
        self._loop = loop
        self._client = self._client_class.from_url(
            self._url, socket_timeout=self._timeout, socket_connect_timeout=self._timeout, **self._no_retries()
        )
        self._tasks = set()
        for track in self._tracks.values():
            track.fetching = track.settling = False
            track.gate.clear()
            track.news_at_gate = asyncio.Event()
        if self._away:
            self._spawn(self._look_for_redis())

    def _no_retries(self) -> dict[str, Any]:
        if self._cluster:
            return {}
        from redis.asyncio.retry import Retry  # noqa: PLC0415
        from redis.backoff import NoBackoff  # noqa: PLC0415

        # A command that fails means that Redis is away: the call must not wait while redis-py tries again.
        return {"retry": Retry(NoBackoff(), 0)}

    def _in_loop(self) -> bool:
        with contextlib.suppress(RuntimeError):
            return asyncio.get_running_loop() is self._loop
        return False

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class RedisPermit:
    """Leave to send one request; see `klaviyo_async.limiter.Permit`."""

    __slots__ = ("_limiter", "_local", "_open", "id", "track", "waited")

    def __init__(self, limiter: RedisLimiter, track: _Track, local: LocalPermit, name: str) -> None:
        self._limiter = limiter
        self._local = local
        self._open = True
        self.track = track
        self.id = name
        self.waited = 0.0

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        """An answer came."""
        if self._open:
            self._open = False
            self._local.answered(status, headers)
            if status == 429:
                self._limiter.refused(self)
            self._limiter.finish(self, 0.0)

    def unsent(self) -> None:
        """The request never left."""
        if self._open:
            self._open = False
            self._local.unsent()
            self._limiter.finish(self, None)

    def lost(self) -> None:
        """No answer was seen."""
        if self._open:
            self._open = False
            self._local.lost()
            self._limiter.finish(self, LOST)


class _Entry:
    """A permit before the gate of Redis."""

    __slots__ = ("deadline", "future", "permit")

    def __init__(self, permit: RedisPermit, deadline: float | None) -> None:
        self.permit = permit
        self.deadline = deadline
        self.future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def let_through(self, entered: bool) -> None:
        if not self.future.done():
            self.future.set_result(entered)

    def fail(self, error: RateLimitWait) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class _Track:
    """A line, its keys in Redis, and what Redis has yet to hear of it."""

    __slots__ = (
        "fetching",
        "freeze",
        "freezes",
        "gate",
        "keys",
        "line",
        "longest",
        "members",
        "news",
        "news_at_gate",
        "open",
        "settled",
        "settling",
        "sizes",
        "used",
    )

    def __init__(self, line: Line, account: str, prefix: str) -> None:
        self.line = line
        self.members = members_key(prefix, account)
        self.freezes = [freeze_key(prefix, bucket) for bucket in line.buckets]
        self.keys = [key for bucket in line.buckets for key in window_keys(prefix, bucket)]
        # What is written to Redis goes by the account's limits, also while we keep to a share of them.
        rates = [window.rate for _, window in self.pairs()]
        self.sizes = [(rate.count, window_span(rate.seconds)) for rate in rates]
        self.longest = max(span for _, span in self.sizes)
        self.gate: list[tuple[int, int, _Entry]] = []
        self.fetching = False
        self.news_at_gate = asyncio.Event()
        self.settling = False
        self.news: list[tuple[str, float | None]] = []
        self.open: dict[str, None] = {}
        self.settled: deque[tuple[str, float]] = deque()
        self.freeze = 0.0
        self.used: tuple[int, ...] = ()

    def pairs(self) -> list[tuple[Any, Any]]:
        return [(bucket, window) for bucket in self.line.buckets for window in bucket.windows]

    def snapshots(self, book: Book) -> list[Any]:
        names = {bucket.name for bucket in self.line.buckets}
        return [bucket for bucket in book.snapshot().buckets if bucket.name in names]

    def waiting(self) -> list[_Entry]:
        """Those at the gate, in order; the ones that were cancelled or refused leave it here."""
        while self.gate and self.gate[0][2].future.done():
            heappop(self.gate)
        return [entry for _, _, entry in sorted(self.gate) if not entry.future.done()]


def _micro(seconds: float) -> int:
    return round(seconds * _MICRO)


_TAKE = (TAKE, hashlib.sha1(TAKE.encode(), usedforsecurity=False).hexdigest())
_SETTLE = (SETTLE, hashlib.sha1(SETTLE.encode(), usedforsecurity=False).hexdigest())
