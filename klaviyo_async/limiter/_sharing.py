"""The limits that a `RedisLimiter` shares: what it sent, what is waiting, and what happens to both when Redis fails and recovers.

A call first gets a permit from this limiter's own scheduler, which keeps the order of the calls and counts what we sent; then
it takes its tokens in Redis, which counts what all limiters sent. While Redis is unavailable the scheduler decides alone, with our
share of the limits; what is sent meanwhile is recorded when Redis is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import logging
import math
import os
import random
import secrets
import time
import weakref
from itertools import count
from typing import TYPE_CHECKING, Any

import attrs

from klaviyo_async._retry import PATIENCE
from klaviyo_async.errors import ConfigurationError, RateLimitWait
from klaviyo_async.limiter._bucket import MOMENT
from klaviyo_async.limiter._connection import RedisUnavailableError, at_the_end
from klaviyo_async.limiter._readings import DAY
from klaviyo_async.limiter._scheduler import LOST, NOTICED, OLDEST, Scheduler
from klaviyo_async.limiter._scripts import RECORD, TAKE
from klaviyo_async.limiter._shared import IN_FLIGHT, RedisPermit, SharedAccount, SharedQueue, Turn, micro
from klaviyo_async.limiter._survey import survey
from klaviyo_async.limiter.base import BucketSnapshot, Snapshot
from klaviyo_async.limiter.local import find_queue

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence

    from klaviyo_async.limiter._bucket import Bucket
    from klaviyo_async.limiter._connection import RedisConnection
    from klaviyo_async.limiter.base import Priority
    from klaviyo_async.operation import Operation, ParameterLimit, Rate

_log = logging.getLogger("klaviyo_async")

_LEASE = LOST
"""Seconds without a sign of life after which a process's requests in flight count as sent for the last time."""
_RENEWAL = _LEASE / 4
"""Seconds between two renewals of the leases of requests in flight."""
_PRESENCE = 60.0
"""Seconds without a request after which a limiter is no longer counted when limits are divided."""
_RETRY = 1.0
"""Seconds between two attempts to reach Redis while it is unavailable."""
_RECOVERY = 3 * _RETRY
"""Seconds after Redis is back until the others have noticed and recorded what they sent; until then we use only our share."""
_POLL = 0.5
"""Seconds after which waiting calls ask again at the latest: another process's token may have been returned unused."""
_JITTER = 0.002
_TAKES = 64
_RECORDS = 200
_MANY = 1024
"""Number of queues above which idle ones are discarded."""
_MICRO = 1_000_000


class SharedLimits:
    """The limits of all accounts, used by one `RedisLimiter` after another, in one event loop after another."""

    def __init__(
        self, connection: RedisConnection, overrides: Mapping[str, Mapping[str, Rate]], processes: int, prefix: str
    ) -> None:
        self.owner: Callable[[], object | None] = _nobody
        """The limiter that uses them, while it exists."""
        self.away = False
        """Whether Redis is unavailable, and the limits local."""
        self._connection = connection
        self._overrides = overrides
        self._processes = processes
        self._prefix = prefix
        self._scheduler = Scheduler(alone=False)
        self._accounts: dict[str, SharedAccount] = {}
        self._queues: dict[object, SharedQueue] = {}
        self._drop_at = _MANY
        self._process = os.getpid()
        self._id = _new_id()
        self._numbers = count()
        self._noticed_by: SharedQueue | None = None
        self._share_ends: float | None = None
        self._warned_of_loss = float("-inf")
        self._renewing = False
        self._tasks: set[asyncio.Task[None]] = set()

    # -- what a limiter does -------------------------------------------------------------------------------------------------

    async def acquire(
        self,
        account: str,
        operation: Operation,
        triggered: Sequence[ParameterLimit],
        *,
        priority: Priority,
        began: float,
        deadline: float | None,
        noticed: bool,
    ) -> RedisPermit:
        """A permit; not granted if Redis recovered or failed, or the limits passed to another limiter, in the meantime.

        Such a wait must begin again: what may be sent now is not what the scheduler released. `noticed`: the wait was logged.
        """
        self._restore_share()
        queue = self._queue(account, operation, triggered)
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        local = await self._scheduler.acquire(queue.local, priority, left)
        permit = RedisPermit(self, queue, local, f"{self._id}-{next(self._numbers)}")
        # The scheduler logs the waits in it.
        permit.noticed = noticed or local.waited > NOTICED
        try:
            granted = await self._turn(permit, bulk=priority == "bulk", deadline=deadline)
        except BaseException:
            permit.unsent()
            raise
        if not granted:
            permit.unsent()
            return permit
        permit.waited = time.monotonic() - began
        if permit.waited > NOTICED and not permit.noticed:
            _log.info("%s waited %.0f s: its limits were used up, or paused by a 429", operation.name, permit.waited)
        return permit

    def snapshot(self, accounts: Collection[str] | None = None) -> Snapshot:
        """See `RedisLimiter.snapshot`."""
        at_redis: dict[tuple[str, str], list[int]] = {}
        for queue in self._queues.values():
            for bucket in queue.local.buckets if any(queue.waiting) else ():
                lanes = at_redis.setdefault((bucket.account[:8], bucket.name), [0, 0])
                for lane in (0, 1):
                    lanes[lane] += len(queue.waiting[lane])
        buckets = self._scheduler.snapshot(accounts).buckets
        return Snapshot(
            buckets=tuple(_with_waiting(bucket, at_redis.get((bucket.account, bucket.name))) for bucket in buckets),
            shared=not self.away,
        )

    async def survey(self, accounts: Collection[str]) -> Snapshot:
        """See `RedisLimiter.survey`."""
        try:
            return await survey(self._connection, self._prefix, accounts, self._overrides)
        except RedisUnavailableError as error:
            message = f"Redis doesn't respond ({error.reason}): what is left is unknown."
            raise ConnectionError(message) from error

    def reset(self, accounts: Collection[str] | None = None) -> None:
        """See `RedisLimiter.reset`."""
        self._scheduler.reset(accounts)
        for queue in self._queues.values():
            if accounts is None or queue.local.buckets[0].account in accounts:
                queue.pause = -1.0
                self._report_soon(queue)

    async def close(self) -> None:
        """See `RedisLimiter.close`."""
        if self._connection.loop is not asyncio.get_running_loop():
            return
        for queue in list(self._queues.values()):
            if not self.away:
                with contextlib.suppress(RedisUnavailableError, ConfigurationError):
                    await self._report(queue)
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._connection.close()

    # -- queues --------------------------------------------------------------------------------------------------------------

    def _queue(self, account: str, operation: Operation, triggered: Sequence[ParameterLimit]) -> SharedQueue:
        key = (account, operation.name, tuple(triggered)) if triggered else (account, operation.name)
        queue = self._queues.get(key)
        if queue is None:
            if len(self._queues) >= self._drop_at:
                self._drop_idle()
            local = find_queue(
                self._scheduler, self._overrides, key=key, account=account, operation=operation, triggered=triggered
            )
            shared = self._accounts.get(account)
            if shared is None:
                shared = self._accounts[account] = SharedAccount(self._prefix, account)
            queue = self._queues[key] = SharedQueue(local, shared, self._prefix)
            shared.queues.append(queue)
        return queue

    def _drop_idle(self) -> None:
        """Discard queues that are equivalent to new ones: a process that serves thousands of accounts would keep them all."""
        self._queues = {key: queue for key, queue in self._queues.items() if not queue.idle()}
        for account in self._accounts.values():
            account.queues.clear()
        for queue in self._queues.values():
            queue.account.queues.append(queue)
        self._accounts = {name: account for name, account in self._accounts.items() if account.queues}
        self._drop_at = max(_MANY, 2 * len(self._queues))

    # -- taking tokens in Redis ----------------------------------------------------------------------------------------------

    async def _turn(self, permit: RedisPermit, *, bulk: bool, deadline: float | None) -> bool:
        """Wait until Redis has room for the request too. False if Redis became unavailable meanwhile."""
        queue = permit.queue
        if self.away:
            self._grant(permit)
            return True
        turn = Turn(permit, next(self._numbers), bulk=bulk, deadline=deadline)
        lane = queue.waiting[bulk]
        lane[turn.number] = turn
        if not queue.asking:
            queue.asking = True
            self._spawn(self._ask(queue))
        elif deadline is not None:
            queue.changed.set()  # it needs to know immediately how long it would wait
        try:
            return await turn.future
        finally:
            lane.pop(turn.number, None)

    def _grant(self, permit: RedisPermit) -> None:
        permit.granted_at = time.monotonic()
        permit.queue.in_flight[permit.id] = permit
        if not self._renewing:
            self._renewing = True
            self._spawn(self._renew_leases())

    async def _ask(self, queue: SharedQueue) -> None:
        """Release calls waiting for Redis, in order, as many together as it has room for."""
        with at_the_end(queue.asked):
            while not self.away and (turns := queue.turns()):
                asked = queue.slice(turns, _TAKES)
                try:
                    granted, forecast = await self._take(queue, asked, len(turns))
                except RedisUnavailableError as error:
                    self._lose(error, queue)
                    continue
                except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
                    for turn in turns:
                        turn.fail(copy.copy(error))
                    return
                for turn in turns[:granted]:
                    self._let_through(queue, turn)
                if granted == len(asked):
                    # Let the others have a slice, too.
                    await asyncio.sleep(_JITTER if queue.account.seen > 1 else 0)
                    continue
                self._tell_waiting(queue, turns[granted:], forecast)
                queue.changed.clear()
                with contextlib.suppress(TimeoutError):
                    # A little randomness decides between processes that wait for the same moment.
                    async with asyncio.timeout(min(forecast.next_in, _POLL) + random.uniform(0, _JITTER)):  # noqa: S311 - no secret
                        await queue.changed.wait()

    def _let_through(self, queue: SharedQueue, turn: Turn) -> None:
        queue.waiting[turn.bulk].pop(turn.number, None)
        if turn.end(True):
            queue.granted(turn)
            self._grant(turn.permit)
        else:  # cancelled, or sent back, while Redis granted it
            queue.unreported[turn.permit.id] = None
            self._report_soon(queue)

    def _tell_waiting(self, queue: SharedQueue, turns: list[Turn], forecast: Forecast) -> None:
        """Fail calls whose turn comes too late instead of letting them wait, and log long waits."""
        now = time.monotonic()
        name = queue.local.name
        for place, turn in enumerate(turns):
            # Between the first and the last of those requested, the waits are spread evenly.
            wait = forecast.next_in + (forecast.last_in - forecast.next_in) * place / max(1, len(turns) - 1)
            if turn.deadline is not None and now + wait > turn.deadline:
                turn.fail(RateLimitWait(seconds=wait, operation=name))
            elif turn.deadline is None and wait > forecast.patience:
                turn.fail(
                    RateLimitWait(
                        f"{name}: {forecast.reason}; the next request is due in {wait:.0f} s."
                        " Call again later, or pass a max_wait that allows for it.",
                        seconds=wait,
                        operation=name,
                    )
                )
            elif wait > NOTICED and not turn.permit.noticed:
                turn.permit.noticed = True
                _log.info("%s waits %.0f s: %s", name, wait, forecast.reason)

    async def _take(self, queue: SharedQueue, turns: list[Turn], waiting: int) -> tuple[int, Forecast]:
        """Take tokens for as many of them as there is room for. Returns how many, and the forecast for the other waiting calls."""
        account = queue.account
        while True:
            while account.reentering:
                account.reentering = False
                for other in list(account.queues):
                    await self._report(other)
            sizes = queue.sizes()
            lifetime = _LEASE + max(queue.longest, _PRESENCE)
            reply = await self._connection.run(
                TAKE,
                [account.state, account.limiters, *queue.windows],
                [account.known_epoch(), _new_id(), micro(lifetime), self._id, micro(_PRESENCE), micro(_LEASE)]
                + [waiting, len(queue.pauses), *sizes, *queue.pauses]
                + [turn.permit.id for turn in turns],
            )
            if reply[0] >= 0:
                break
            self._data_lost(account, *reply[1:])
        granted, epoch, next_in, last_in, full, seen, *used = reply
        account.note_seen(seen, _PRESENCE)
        account.note(_text(epoch), lifetime)
        queue.note_used(used)
        return granted, Forecast.of(queue, full, next_in / _MICRO, last_in / _MICRO)

    # -- after the request ---------------------------------------------------------------------------------------------------

    def finish(self, permit: RedisPermit, stays: float | None) -> None:
        """A permit's outcome is known. `stays`: seconds from now in which it may still be counted; None: it was never sent."""
        queue = permit.queue
        if queue.in_flight.pop(permit.id, None) is None:
            return  # Redis was never asked, or granted nothing
        counted_by = None if stays is None else time.monotonic() + stays
        if counted_by is not None:
            queue.remember(permit.id, counted_by)
        if not self.away:
            queue.unreported[permit.id] = counted_by
            self._report_soon(queue)
        elif counted_by is None:
            queue.unreported[permit.id] = None  # everything else is recorded again when Redis is back

    def refused(self, permit: RedisPermit) -> None:
        """A 429 was received: the others must pause too, for as long as the scheduler does."""
        queue = permit.queue
        now = time.monotonic()
        queue.pause = max(queue.pause, *(bucket.frozen_until - now for bucket in queue.local.buckets))

    def _report_soon(self, queue: SharedQueue) -> None:
        if not self.away and not queue.lock.locked() and self._in_loop():
            self._spawn(self._report_or_lose(queue))

    async def _report_or_lose(self, queue: SharedQueue) -> None:
        try:
            await self._report(queue)
        except RedisUnavailableError as error:
            self._lose(error, queue)

    async def _report(self, queue: SharedQueue, *, always: bool = False) -> None:
        """Report to Redis what it doesn't know yet about the queue. `always`: write something in any case."""
        async with queue.lock:
            while queue.unreported or queue.pause or always:
                always = False
                names = list(queue.unreported)[:_RECORDS]
                records = {name: queue.unreported.pop(name) for name in names}
                pause, queue.pause = queue.pause, 0.0
                account = queue.account
                lifetime = _LEASE + max(queue.longest, pause, _PRESENCE)
                parts = [part for name, fate in records.items() for part in (name, *queue.stays(fate, _LEASE))]
                try:
                    start = [account.known_epoch(), _new_id(), micro(lifetime), micro(pause), len(queue.pauses)]
                    keys = [account.state, account.limiters, *queue.windows]
                    reply = await self._connection.run(RECORD, keys, [*start, *queue.pauses, *parts])
                except BaseException:
                    queue.unreported = {**records, **queue.unreported}
                    queue.pause = queue.pause or pause
                    raise
                if reply[0] < 0:
                    queue.unreported = {**records, **queue.unreported}
                    queue.pause = queue.pause or pause
                    self._data_lost(account, *reply[1:])
                else:
                    _, epoch, seen, *used = reply
                    account.note_seen(seen, _PRESENCE)
                    account.note(_text(epoch), lifetime)
                    queue.note_used(used)

    async def _renew_leases(self) -> None:
        """While requests are in flight, keep renewing their leases."""
        with at_the_end(self._renewed):
            while True:
                await asyncio.sleep(_RENEWAL)
                now = time.monotonic()
                busy = False
                for queue in list(self._queues.values()):
                    for name, permit in list(queue.in_flight.items()):
                        age = now - permit.granted_at
                        busy = busy or age < OLDEST
                        if _RENEWAL / 2 < age < OLDEST and not self.away:
                            queue.unreported.setdefault(name, IN_FLIGHT)
                    if queue.unreported:
                        self._report_soon(queue)
                if not busy:
                    return

    def _renewed(self) -> None:
        self._renewing = False

    # -- Redis comes and goes, and forgets -----------------------------------------------------------------------------------

    def _parts(self) -> int:
        return max(self._processes, *(account.seen for account in self._accounts.values()), 1)

    def _lose(self, error: RedisUnavailableError, queue: SharedQueue) -> None:
        """Redis is unavailable: continue with our share of the limits, and try to reach it in the background."""
        if self.away or error.generation != self._connection.generation:
            return
        self.away = True
        self._noticed_by = queue
        self._share_ends = None
        parts = self._parts()
        _log.warning(
            "Redis is unavailable for rate limiting (%s): continuing with local limits, 1/%d of the account's, until it is back.",
            error.reason,
            parts,
        )
        # What all limiters have taken is still spent: of that, too, we count the part that the others don't.
        self._see_others(self._queues.values(), parts)
        for account in self._accounts.values():
            account.epoch = ""
        self._scheduler.set_share(1 / parts)
        for other in self._queues.values():
            other.send_back()
        self._spawn(self._look_for_redis())

    async def _look_for_redis(self) -> None:
        while self.away:
            await asyncio.sleep(_RETRY)
            try:
                await self._connection.renew()
                await self._return()
            except RedisUnavailableError:
                continue
            except ConfigurationError:  # it was never available to us; the next call reports why
                self.away = False
                self._scheduler.set_share(1.0)
        self._share_ends = time.monotonic() + _RECOVERY
        await asyncio.sleep(_RECOVERY)
        self._restore_share()

    async def _return(self) -> None:
        """Record what we sent and Redis may have lost or never received. Then the limits are shared again."""
        for queue in list(self._queues.values()):
            queue.reenter()
            await self._report(queue, always=queue is self._noticed_by)
        self.away = False
        self._noticed_by = None
        _log.warning("Redis is back: the rate limits are shared again.")
        for queue in self._queues.values():
            # Granted, or counted, while the others were being recorded.
            queue.reenter()
            self._report_soon(queue)

    def _restore_share(self) -> None:
        # The others need a moment to notice that Redis is back, and to record what they sent meanwhile.
        if self._share_ends is not None and time.monotonic() >= self._share_ends:
            self._share_ends = None
            self._scheduler.set_share(1.0)

    def _data_lost(self, account: SharedAccount, epoch: Any, state: list[Any]) -> None:
        """Redis has lost what it knew about an account: record again what we sent, and remember what the others did."""
        account.note(_text(epoch), _PRESENCE)
        account.reentering = True
        if time.monotonic() - self._warned_of_loss > _PRESENCE:
            self._warned_of_loss = time.monotonic()
            _log.warning(
                "Redis has lost rate limit data (restarted, flushed, or short of memory): recording again what this process"
                " sent."
            )
        # The others record what they sent when they next ask. Until then we have to count it.
        fields = dict(zip(map(_text, state[::2]), map(_text, state[1::2]), strict=True))
        for queue in account.queues:
            queue.note_lost(fields)
        self._see_others(account.queues, 1)
        for queue in account.queues:
            queue.reenter()
            queue.send_back()

    def _see_others(self, queues: Iterable[SharedQueue], parts: int) -> None:
        """Count what others took in the local scheduler: the given fraction of what was taken, less what is our own."""
        at_redis: dict[Bucket, int] = {}
        for queue in self._queues.values():
            for bucket in queue.local.buckets:
                at_redis[bucket] = at_redis.get(bucket, 0) + sum(map(len, queue.waiting))
        now = time.monotonic()
        for queue in queues:
            numbers = []
            for (bucket, window), used in zip(queue.pairs(), queue.used, strict=False):
                ours = bucket.in_flight - at_redis[bucket] + len(window.spent)
                others = math.ceil(used / parts) - ours
                if others > 0 and now - queue.used_at < window.rate.seconds:
                    numbers.append((bucket.name, window.rate.seconds, others))
            self._scheduler.see_others(queue.local, numbers)

    # -- event loops ---------------------------------------------------------------------------------------------------------

    def enter_loop(self) -> None:
        """Start afresh if the event loop is a different one than last time."""
        if not self._connection.enter_loop():
            return
        self._tasks = set()
        self._renewing = False
        forked = os.getpid() != self._process
        if forked:
            self._process, self._id = os.getpid(), _new_id()
        for queue in self._queues.values():
            queue.enter_loop()
            for permit in list(queue.in_flight.values()):
                permit.lost()  # its event loop isn't running any more: nobody reports the outcome
            if forked:  # what was sent until now is reported by the parent
                queue.forget()
            elif queue.unreported:
                self._report_soon(queue)
        if self.away:
            self._spawn(self._look_for_redis())

    def abandoned(self) -> bool:
        """Whether another limiter can take them over in the running event loop."""
        loop = self._connection.loop
        if loop is asyncio.get_running_loop():
            return self.owner() is None
        return loop is None or not loop.is_running()

    def hand_over(self, limiter: object, connection: RedisConnection, processes: int) -> None:
        """Let that limiter take them over."""
        self.owner = weakref.ref(limiter)
        connection.generation = (
            self._connection.generation
        )  # which is more relevant than failures on earlier connections
        self._connection = connection
        self._processes = processes

    def idle(self) -> bool:
        """Whether new ones would be equal."""
        return all(queue.idle() for queue in self._queues.values())

    def _in_loop(self) -> bool:
        with contextlib.suppress(RuntimeError):
            return asyncio.get_running_loop() is self._connection.loop
        return False

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@attrs.frozen
class Forecast:
    """What the calls wait for that got nothing, and how long."""

    next_in: float
    """Seconds until the first of them goes, as far as is known."""
    last_in: float
    """Seconds until the last of them goes."""
    reason: str
    patience: float
    """Seconds that a call without a `max_wait` waits for this reason."""

    @classmethod
    def of(cls, queue: SharedQueue, full: int, next_in: float, last_in: float) -> Forecast:
        """`full` is the number of the window that is waited for, counted from 1; 0 for a pause."""
        if full == 0:
            return cls(next_in, last_in, "Klaviyo asked for a pause (429)", PATIENCE)
        bucket, window = queue.pairs()[full - 1]
        of_what = "" if bucket.is_operation else f" of {bucket.name}"
        if window.rate.seconds >= DAY:
            return cls(next_in, last_in, f"the daily limit of {bucket.name} is spent", MOMENT)
        return cls(next_in, last_in, f"{window.rate} spent{of_what}", math.inf)


def _with_waiting(bucket: BucketSnapshot, at_redis: list[int] | None) -> BucketSnapshot:
    """The scheduler treats calls that wait for Redis as in flight; they are waiting."""
    if at_redis is None:
        return bucket
    number = sum(at_redis)
    return attrs.evolve(
        bucket,
        in_flight=bucket.in_flight - number,
        waiting={
            "interactive": bucket.waiting["interactive"] + at_redis[0],
            "bulk": bucket.waiting["bulk"] + at_redis[1],
        },
        windows=tuple(attrs.evolve(window, spent=window.spent - number) for window in bucket.windows),
    )


def _nobody() -> None:
    return None


def _new_id() -> str:
    return f"{os.getpid()}-{secrets.token_hex(6)}"


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
