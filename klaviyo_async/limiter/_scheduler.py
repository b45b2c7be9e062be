"""Issues permits: immediately if there is room, otherwise to waiting calls in turn, as tokens are returned.

Calls that need the same buckets wait in one `Queue`; `_turns` decides whose turn it is. A call costs O(1) to queue, to leave and to
be released, and O(log n) in the single heap of due times if it has a `max_wait`; a returned token wakes only the call that gets it.
The state is guarded by one lock, so event loops in several threads can share it; each loop with waiting calls has one timer.

Event loops end in many ways: closed with calls pending, left by an exception, dropped with their thread. What a call held is
returned in all cases. A permit that is garbage-collected settles itself as lost; one whose loop isn't running any more, or that is
older than any request can be, is settled as lost before any call has to wait for it; and calls that wait in a loop that isn't running
are skipped until it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import time
import weakref
from asyncio import get_running_loop
from collections import deque
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import TYPE_CHECKING, TypeAlias

from klaviyo_async._retry import retry_after
from klaviyo_async.errors import RateLimitWait
from klaviyo_async.limiter._bucket import Bucket
from klaviyo_async.limiter._permit import LocalPermit
from klaviyo_async.limiter._queue import BULK, INTERACTIVE, Queue, Waiter
from klaviyo_async.limiter._readings import read
from klaviyo_async.limiter._registry import Registry
from klaviyo_async.limiter._turns import next_turn
from klaviyo_async.limiter.base import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from klaviyo_async.limiter._readings import Policy
    from klaviyo_async.limiter.base import Permit, Priority
    from klaviyo_async.operation import Rate

LONG = 120.0
"""Waits for a window longer than this many seconds (the daily one) raise instead, unless `max_wait` allows them."""
LOST = 5.0
"""Seconds after a request is declared lost in which the server may still count it: bytes in transit, or queued before it."""
OLDEST = 600.0
"""Seconds without news after which a request is declared lost."""
NOTICED = 2.0
"""Waits longer than this many seconds are logged."""
_RECLAIM = 1.0
"""Seconds between two checks for permits that nobody can settle, while calls are waiting."""
_RECHECK = 0.25
"""Seconds between two checks of tokens that are held back for others."""
_GRAIN = 1e-6
"""Seconds added to each timer: fired too early by a rounding error, it would find nothing due, and fire again immediately."""
_SLEPT = 0.5
"""Seconds by which the time of day may run ahead of our clock before we conclude that the machine slept."""

log = logging.getLogger("klaviyo_async")

_schedulers: weakref.WeakSet[Scheduler] = weakref.WeakSet()


_InFlight: TypeAlias = tuple[Queue, float, asyncio.AbstractEventLoop | None]
"""A request without an outcome yet: its queue, when it was sent, and the loop it was sent from."""


class _Loop:
    """An event loop with waiting calls, and its one timer."""

    __slots__ = ("handle", "parked", "waiters", "when")

    def __init__(self) -> None:
        self.handle: asyncio.TimerHandle | None = None
        self.when: float | None = None
        self.waiters: dict[int, Waiter] = {}
        self.parked = False
        """Whether its waiters were removed from their queues because the loop isn't running."""


class Scheduler:
    """All buckets and queues that belong together: those of a process, or those of one test.

    `alone`: requests that show up in responses but aren't from this scheduler are considered foreign. With `RedisLimiter` they are
    not: other processes sent them, and Redis counts them.
    """

    def __init__(self, clock: Callable[[], float] | None = None, *, alone: bool = True) -> None:
        self._clock = clock or time.monotonic
        self._own_clock = clock is not None
        self._alone = alone
        self._lock = threading.Lock()
        self._registry = Registry()
        self.queues: dict[object, Queue] = self._registry.queues
        self._numbers = count()
        self._in_flight: dict[int, _InFlight] = {}
        """By the permit's number; in the order of sending."""
        self._deferred: deque[tuple[Callable[[int, float], None], int]] = deque()
        """What was settled while the lock could not be taken: by finalisers, which run anywhere."""
        self._wakes: list[tuple[float, int, Bucket | Waiter]] = []
        self._loops: dict[asyncio.AbstractEventLoop, _Loop] = {}
        self._offset = 0.0 if self._own_clock else time.time() - time.monotonic()
        self._reclaim_at = -inf
        _schedulers.add(self)

    def after_fork(self) -> None:
        """In the child process: waiting calls stay in the parent; requests in flight get their responses there, and stay spent here."""
        self._lock = threading.Lock()
        self._loops = {}
        self._wakes = []
        self._in_flight.clear()
        self._deferred.clear()
        now = self._clock()
        for queue in self.queues.values():
            queue.lanes[INTERACTIVE].clear()
            queue.lanes[BULK].clear()
        for bucket in self._registry.buckets.values():
            bucket.queues.clear()
            bucket.waiting = [0, 0]
            bucket.wake = None
            while bucket.in_flight:
                bucket.spend(now + LOST)

    def _start(self) -> float:
        """The time, at the start of an operation under the lock, after deferred work has been done."""
        now = self._clock()
        if not self._own_clock and abs(time.time() - now - self._offset) > _SLEPT:
            # The time of day was set, or the machine slept while our clock stood still: the windows have moved.
            self._offset = time.time() - now
            for bucket in self._registry.buckets.values():
                for window in bucket.windows:
                    window.lose_phase()
        while self._deferred:
            settle, number = self._deferred.popleft()
            settle(number, now)
        if now >= self._registry.due:
            self._registry.tidy(now)
        return now

    # -- queues and buckets ------------------------------------------------------------------------------------------------

    def queue(
        self,
        key: object,
        account: str,
        name: str,
        rates: tuple[Rate, ...],
        extra: Iterable[tuple[str, tuple[Rate, ...]]],
    ) -> Queue:
        """The queue of calls with these buckets; created on first use."""
        with self._lock:
            return self.queues.get(key) or self._registry.add(key, account, name, rates, extra, now=self._start())

    def retune(self, queue: Queue, rates: tuple[Rate, ...]) -> None:
        """Switch the operation's own bucket to other rates, windows by their length; what is spent stays spent."""
        with self._lock:
            now = self._start()
            queue.buckets[0].retune(rates, self._registry.share, now)
            self._pump(queue.buckets, now)
            self._arm()

    def set_share(self, share: float) -> None:
        """From now on, only this fraction of every rate is ours."""
        with self._lock:
            if share != self._registry.share:
                now = self._start()
                self._registry.share = share
                for bucket in self._registry.buckets.values():
                    for window in bucket.windows:
                        window.set_share(share)
                self._pump(tuple(self._registry.buckets.values()), now)
                self._arm()

    def see_others(self, queue: Queue, numbers: Iterable[tuple[str, int, int]]) -> None:
        """Others were detected to have taken this many: (bucket, window in seconds, requests), as a total, not in addition."""
        with self._lock:
            now = self._start()
            by_name = {bucket.name: bucket for bucket in queue.buckets}
            for name, seconds, number in numbers:
                for window in by_name[name].windows:
                    if window.length == seconds and number > len(window.foreign):
                        window.see_others(number - len(window.foreign), now)

    # -- getting a permit ----------------------------------------------------------------------------------------------------

    def take(self, queue: Queue) -> Permit | None:
        """A permit, if one is available immediately and nobody is waiting for it."""
        with self._lock:
            return self._take(queue, self._start())

    def _take(self, queue: Queue, now: float) -> Permit | None:
        if queue.dropped:
            self._registry.adopt(queue)
        buckets = queue.buckets
        for bucket in buckets:
            if bucket.queues or bucket.room(now) < 1:
                return None
        try:
            loop = get_running_loop()
        except RuntimeError:
            loop = None
        return self._grant(queue, now, 0.0, loop)

    async def acquire(self, queue: Queue, priority: Priority, max_wait: float | None) -> Permit:
        """Wait in the queue until the request may be sent."""
        notice = None
        with self._lock:
            now = self._start()
            permit = self._take(queue, now)
            if permit is not None:
                return permit
            self._reclaim(now)
            waiter = self._enqueue(queue, BULK if priority == "bulk" else INTERACTIVE, now, max_wait)
            self._pump(queue.buckets, now)
            if waiter.permit is not None:
                return waiter.permit
            self._arm()
            if log.isEnabledFor(logging.INFO):
                notice = self._notice(waiter, now)
        if notice is not None:
            log.info(*notice)
        try:
            await waiter.future
        except GeneratorExit:
            # Garbage collection may close a coroutine anywhere, even while this thread holds the lock.
            if waiter.permit is None:
                self._defer(self._quit, waiter.number)
            raise
        except BaseException:
            self._leave(waiter)
            raise
        if waiter.failure is not None:
            raise waiter.failure
        assert waiter.permit is not None  # noqa: S101 - the future is done for one of the two reasons
        if notice is None and waiter.permit.waited > NOTICED:
            log.info("%s waited %.0f s: its limits were used up, or paused by a 429", queue.name, waiter.permit.waited)
        return waiter.permit

    def _grant(self, queue: Queue, now: float, waited: float, loop: asyncio.AbstractEventLoop | None) -> LocalPermit:
        seen = [bucket.take(now) for bucket in queue.buckets]
        number = next(self._numbers)
        self._in_flight[number] = queue, now, loop
        return LocalPermit(self, queue, number, now, seen, waited)

    def _enqueue(self, queue: Queue, lane: int, now: float, max_wait: float | None) -> Waiter:
        self._refuse_long_waits(queue, lane, now, max_wait)
        deadline = None if max_wait is None else now + max_wait
        waiter = Waiter(queue, lane, next(self._numbers), now=now, deadline=deadline)
        queue.add(waiter)
        loop = self._loops.get(waiter.loop)
        if loop is None:
            loop = self._loops[waiter.loop] = _Loop()
        elif loop.parked:
            self._unpark(loop)
        loop.waiters[waiter.number] = waiter
        if deadline is not None and deadline < inf:
            heappush(self._wakes, (deadline, waiter.number, waiter))
        return waiter

    def _refuse_long_waits(self, queue: Queue, lane: int, now: float, max_wait: float | None) -> None:
        """Raise `RateLimitWait` for a call that would wait too long behind all those ahead of it."""
        for bucket in queue.buckets:
            place = 1 + _before(bucket, lane)
            if max_wait is None:
                refusal = _refusal(bucket, place, now, queue.name)
                if refusal is not None:
                    raise refusal
            else:
                seconds = bucket.wait_for(place, now)
                if seconds > max_wait:
                    raise RateLimitWait(seconds=seconds, operation=queue.name)

    def _notice(self, waiter: Waiter, now: float) -> tuple[object, ...] | None:
        """What to log about a wait that will be long: how long, and why."""
        reasons = [bucket.reason(_before(bucket, waiter.lane), now) for bucket in waiter.queue.buckets]
        seconds, reason = max(reasons, key=lambda item: item[0])
        return None if seconds <= NOTICED else ("%s waits %.0f s: %s", waiter.queue.name, seconds, reason)

    def _leave(self, waiter: Waiter) -> None:
        """The call was cancelled: its place, or its permit, goes to the next one."""
        with self._lock:
            permit = waiter.permit
            if permit is None:
                self._quit_waiter(waiter, self._start())
                self._arm()
        if permit is not None:
            permit.unsent()

    def _quit(self, number: int, now: float) -> None:
        for loop in self._loops.values():
            waiter = loop.waiters.get(number)
            if waiter is not None:
                self._quit_waiter(waiter, now)
                return

    def _quit_waiter(self, waiter: Waiter, now: float) -> None:
        if self._remove(waiter):
            self._pump(waiter.queue.buckets, now)

    def _remove(self, waiter: Waiter) -> bool:
        loop = self._loops.get(waiter.loop)
        if loop is None or loop.waiters.pop(waiter.number, None) is None:
            return False
        if not loop.parked:
            waiter.queue.remove(waiter)
        if not loop.waiters:
            # An idle loop keeps no timer of ours: it can be closed and garbage-collected.
            del self._loops[waiter.loop]
            if loop.handle is not None and waiter.loop is _running():
                loop.handle.cancel()
        return True

    # -- after the request ---------------------------------------------------------------------------------------------------

    def answered(self, permit: LocalPermit, status: int, headers: Mapping[str, str]) -> None:
        """See `Permit.answered`."""
        with self._lock:
            now = self._start()
            if self._in_flight.pop(permit.number, None) is None:
                return
            buckets = permit.queue.buckets
            for bucket in buckets:
                bucket.spend(now)
            if status == 429:
                rest = retry_after(headers)
                for bucket in buckets:
                    bucket.refused(permit.sent, now, rest)
            else:
                for bucket in buckets:
                    if bucket.cap is not None or bucket.pauses_in_a_row:
                        bucket.succeeded()
                self._learn(permit, now, headers)
            for bucket in buckets:
                if bucket.queues:
                    self._fail_long_waits(bucket, now)
                    self._pump((bucket,), now)
            if self._loops:
                self._arm()

    def unsent(self, number: int) -> None:
        """See `Permit.unsent`."""
        self._settle(self._give_back, number)

    def lost(self, number: int) -> None:
        """See `Permit.lost`."""
        self._settle(self._lose, number)

    def dropped(self, number: int) -> None:
        """A permit was garbage-collected before its outcome was known."""
        self._defer(self._lose, number)

    def _settle(self, settle: Callable[[int, float], None], number: int) -> None:
        if not self._lock.acquire(blocking=False):
            # Another thread has it; or this one, if a coroutine is closed by garbage collection at this very point.
            self._defer(settle, number)
            return
        try:
            settle(number, self._start())
            self._arm()
        finally:
            self._lock.release()

    def _defer(self, settle: Callable[[int, float], None], number: int) -> None:
        """Leave it to whoever comes next; can be called anywhere, with or without the lock."""
        self._deferred.append((settle, number))
        for loop in tuple(self._loops):
            with contextlib.suppress(RuntimeError):  # closed
                loop.call_soon_threadsafe(self._fire, loop)

    def _give_back(self, number: int, now: float) -> None:
        entry = self._in_flight.pop(number, None)
        if entry is not None:
            buckets = entry[0].buckets
            for bucket in buckets:
                bucket.give_back()
            self._pump(buckets, now)

    def _lose(self, number: int, now: float) -> None:
        entry = self._in_flight.pop(number, None)
        if entry is not None:
            buckets = entry[0].buckets
            for bucket in buckets:
                bucket.spend(now + LOST)
            self._pump(buckets, now)

    def _reclaim(self, now: float) -> None:
        """Settle what nobody can settle: requests of loops that aren't running any more, and those that are too old."""
        if now < self._reclaim_at:
            return
        self._reclaim_at = now + _RECLAIM
        running = _running()
        for number, (_, sent, loop) in list(self._in_flight.items()):
            if now - sent > OLDEST or not (loop is None or loop is running or loop.is_running()):
                self._lose(number, now)

    def _learn(self, permit: LocalPermit, now: float, headers: Mapping[str, str]) -> None:
        found = read(headers)
        if found is None:
            return
        policy, readings = found
        buckets = permit.queue.buckets
        bucket = buckets[0] if len(buckets) == 1 else _subject(buckets, policy)
        if bucket is not None:
            seen = permit.seen[0] if len(buckets) == 1 else permit.seen[buckets.index(bucket)]
            for reading in readings:
                bucket.learn(reading, permit.sent, now, seen, alone=self._alone)

    def _fail_long_waits(self, bucket: Bucket, now: float) -> None:
        """Raise in calls without a `max_wait` whose wait has become too long for that, the last ones first."""
        waiting = sum(bucket.waiting)
        if bucket.too_long(waiting, now) is None:
            return
        stay, fail = 0, waiting
        while fail - stay > 1:
            middle = (stay + fail) // 2
            if bucket.too_long(middle, now) is None:
                stay = middle
            else:
                fail = middle
        patient = [
            waiter
            for queue in bucket.queues
            for lane in queue.lanes
            for waiter in lane.values()
            if waiter.deadline is None
        ]
        patient.sort(key=lambda waiter: (waiter.lane, waiter.number))
        for place in range(waiting, stay, -1):
            if not patient:
                break
            last = patient.pop()
            refusal = _refusal(bucket, place, now, last.queue.name)
            if refusal is not None:
                self._fail(last, refusal)

    # -- who goes next -------------------------------------------------------------------------------------------------------

    def _pump(self, buckets: Iterable[Bucket], now: float) -> None:
        """Release the calls that these buckets have room for, and note when to check them again."""
        for bucket in buckets:
            held = False
            while bucket.queues and bucket.room(now) > 0:
                waiter, held = next_turn(bucket, now)
                if waiter is None:
                    break
                self._let_through(waiter, now)
            if bucket.queues:
                self._note_wake(bucket, now, held=held)

    def _let_through(self, waiter: Waiter, now: float) -> None:
        if waiter.loop is not _running() and not waiter.loop.is_running():
            self._park(waiter.loop)
            return
        self._remove(waiter)
        for bucket in waiter.queue.buckets:
            interactive_first = waiter.lane == INTERACTIVE and bucket.waiting[BULK]
            bucket.interactive_run = bucket.interactive_run + 1 if interactive_first else 0
        waiter.permit = self._grant(waiter.queue, now, now - waiter.since, waiter.loop)
        self._wake(waiter)

    def _fail(self, waiter: Waiter, error: RateLimitWait) -> None:
        self._remove(waiter)
        waiter.failure = error
        self._wake(waiter)

    @staticmethod
    def _wake(waiter: Waiter) -> None:
        if waiter.loop is _running():
            _finish(waiter.future)
        else:
            with contextlib.suppress(RuntimeError):  # closed at this moment: there is nobody to notify
                waiter.loop.call_soon_threadsafe(_finish, waiter.future)

    # -- event loops ---------------------------------------------------------------------------------------------------------

    def _park(self, key: asyncio.AbstractEventLoop) -> None:
        """The loop isn't running: remove its waiters from their queues until it is."""
        loop = self._loops[key]
        loop.parked = True
        for waiter in loop.waiters.values():
            waiter.queue.remove(waiter)
        try:
            key.call_soon_threadsafe(self._fire, key)
        except RuntimeError:  # closed
            del self._loops[key]

    def _unpark(self, loop: _Loop) -> None:
        """The loop is running again: its waiters queue once more."""
        loop.parked = False
        waiters = list(loop.waiters.values())
        loop.waiters.clear()
        for waiter in waiters:
            waiter.number = next(self._numbers)
            loop.waiters[waiter.number] = waiter
            waiter.queue.add(waiter)

    def _note_wake(self, bucket: Bucket, now: float, *, held: bool) -> None:
        if bucket.room(now) < 1:
            due = bucket.next_change(now)
            if bucket.in_flight:
                # Perhaps nobody can settle what is in flight.
                due = now + _RECLAIM if due is None else min(due, now + _RECLAIM)
        else:
            due = now + _RECHECK if held else None
        if due is None:
            bucket.wake = None
        elif due != bucket.wake:
            bucket.wake = due
            heappush(self._wakes, (due, -1 - bucket.number, bucket))

    def _arm(self) -> None:
        """Make sure that every loop with waiting calls checks again when the next thing is due."""
        wakes = self._wakes
        while wakes and not _pending(wakes[0]):
            heappop(wakes)
        if not wakes or not self._loops:
            return
        when = wakes[0][0]
        running = _running()
        for key, loop in list(self._loops.items()):
            if loop.when is not None and loop.when <= when:
                continue  # it checks in time; if that is too early, it checks again
            if key is running:
                self._set_timer(key, loop, when)
            else:
                try:
                    key.call_soon_threadsafe(self._set_timer_from_outside, key)
                    loop.when = when
                except RuntimeError:  # closed, with calls waiting in it
                    if not loop.parked:
                        self._park(key)

    def _set_timer(self, key: asyncio.AbstractEventLoop, loop: _Loop, when: float) -> None:
        if loop.handle is not None:
            loop.handle.cancel()
        loop.when = when
        loop.handle = key.call_later(max(0.0, when - self._clock()) + _GRAIN, self._fire, key)

    def _set_timer_from_outside(self, key: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            loop = self._loops.get(key)
            if loop is not None and loop.when is not None:
                self._set_timer(key, loop, loop.when)

    def _fire(self, key: asyncio.AbstractEventLoop) -> None:
        """Do what is due; called in that loop."""
        with self._lock:
            now = self._start()
            loop = self._loops.get(key)
            if loop is not None:
                if loop.handle is not None:
                    loop.handle.cancel()
                loop.handle = loop.when = None
                if loop.parked:
                    self._unpark(loop)
                    for waiter in list(loop.waiters.values()):
                        self._pump(waiter.queue.buckets, now)
            if self._loops:
                self._reclaim(now)
            wakes = self._wakes
            due: dict[Bucket, None] = {}
            while wakes and wakes[0][0] <= now:
                entry = heappop(wakes)
                if not _pending(entry):
                    continue
                what = entry[2]
                if isinstance(what, Bucket):
                    what.wake = None
                    due[what] = None
                else:
                    self._fail(what, self._too_late(what, now))
            self._pump(due, now)
            self._arm()

    def _too_late(self, waiter: Waiter, now: float) -> RateLimitWait:
        seconds = now - waiter.since + max(bucket.wait_for(1, now) for bucket in waiter.queue.buckets)
        return RateLimitWait(seconds=seconds, operation=waiter.queue.name)

    # -- looking -------------------------------------------------------------------------------------------------------------

    def snapshot(self, accounts: Collection[str] | None = None) -> Snapshot:
        """See `Limiter.snapshot`."""
        with self._lock:
            now = self._start()
            ordered = sorted(self._registry.of(accounts), key=lambda bucket: (bucket.account, bucket.name))
            return Snapshot(buckets=tuple(bucket.snapshot(now) for bucket in ordered))

    def reset(self, accounts: Collection[str] | None = None) -> None:
        """See `Limiter.reset`."""
        with self._lock:
            now = self._start()
            buckets = self._registry.of(accounts)
            for bucket in buckets:
                bucket.reset()
            self._pump(buckets, now)
            self._arm()


def _before(bucket: Bucket, lane: int) -> int:
    """How many of the calls waiting for the bucket go before a new one."""
    return bucket.waiting[INTERACTIVE] + (bucket.waiting[BULK] if lane == BULK else 0)


def _refusal(bucket: Bucket, place: int, now: float, operation: str) -> RateLimitWait | None:
    """The error for a call without a `max_wait` that is so far back in the queue that it would wait too long."""
    found = bucket.too_long(place, now)
    if found is None:
        return None
    seconds, why = found
    return RateLimitWait(
        f"{operation}: {why}; the next request is due in {seconds:.0f} s."
        " Call again later, or pass a max_wait that allows for it.",
        seconds=seconds,
        operation=operation,
    )


def _subject(buckets: tuple[Bucket, ...], policy: Policy) -> Bucket | None:
    """Which of a request's buckets a policy refers to; None if it fits several, or none."""
    told = dict(policy.counts)
    fitting = [
        bucket
        for bucket in buckets
        if len(bucket.windows) == len(told)
        and all(told.get(window.length) == window.limit for window in bucket.windows)
    ]
    return fitting[0] if len(fitting) == 1 else None


def _pending(entry: tuple[float, int, Bucket | Waiter]) -> bool:
    """Whether a heap entry is still valid: later changes leave old ones behind."""
    when, _, what = entry
    return what.wake == when if isinstance(what, Bucket) else what.waiting


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return get_running_loop()
    except RuntimeError:
        return None


def _after_fork() -> None:
    for scheduler in list(_schedulers):
        scheduler.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
