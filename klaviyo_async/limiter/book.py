"""Who waits, and who goes next: lines of calls before buckets of tokens.

Calls that need the same buckets stand in one line, first come first served, with a lane for each priority. A bucket serves the
lines that need it: the head that came first goes, interactive before bulk. A head that lacks another bucket is passed over and
keeps its place, so a slow parameter bucket doesn't hold up calls that don't need it. Two rules keep waiting finite:

- after `_SHARE` - 1 interactive calls in a row that went before a waiting bulk call, a bulk call goes first;
- a head that was passed over `_PATIENCE` times at a parameter's bucket has one of that bucket's tokens kept for it, until the
  operation's own bucket has one too. Tokens of an operation's own bucket are never kept: there the oldest head goes first anyway,
  so whoever holds a parameter's token gets through.

A call costs O(1) to queue, to leave and to be let through, and O(log n) in the one timer's heap where it has a `max_wait`; a
token that comes back wakes just the call that gets it. The state is guarded by one lock, so event loops in several threads may
share it; each loop with someone waiting has one timer.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
import weakref
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import TYPE_CHECKING

from klaviyo_async.errors import RateLimitWait
from klaviyo_async.limiter.base import Snapshot
from klaviyo_async.limiter.bucket import Bucket
from klaviyo_async.limiter.headers import find, parse_policy, readings, retry_after
from klaviyo_async.limiter.line import Line, Waiter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from klaviyo_async.limiter.base import Priority
    from klaviyo_async.limiter.headers import Policy
    from klaviyo_async.operation import Rate

_SHARE = 10
"""One in so many goes to bulk calls, while interactive ones keep coming."""
_PATIENCE = 8
"""How often a head is passed over at a parameter's bucket before one of its tokens is kept for it."""
LONG = 120.0
"""Waits for a window longer than this many seconds (the daily one) raise instead, unless `max_wait` allows them."""
LOST = 5.0
"""Seconds after a request is called lost in which the server may still count it: bytes under way, or queued before it."""
_MANY = 2048
"""Buckets from which on idle ones are dropped."""
_GRAIN = 1e-6
"""Seconds added to each timer: fired a rounding error too early, it would find nothing due, and come again at once."""
_SLEPT = 0.5
"""Seconds by which the time of day may run ahead of our clock before we conclude that the machine slept."""


_books: weakref.WeakSet[Book] = weakref.WeakSet()


class LocalPermit:
    """Leave to send one request; see `klaviyo_async.limiter.Permit`."""

    __slots__ = ("_book", "_line", "_open", "_seen", "_sent", "waited")

    def __init__(self, book: Book, line: Line, sent: float, seen: tuple[tuple[int, ...], ...], waited: float) -> None:
        self._book = book
        self._line = line
        self._sent = sent
        self._seen = seen
        self._open = True
        self.waited = waited

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        """An answer came: what it took comes back one window later; what the headers tell is taken in."""
        if self._open:
            self._open = False
            self._book.answered(self._line, self._sent, self._seen, status, headers)

    def unsent(self) -> None:
        """The request never left: what it took comes back at once."""
        if self._open:
            self._open = False
            self._book.give_back(self._line)

    def lost(self) -> None:
        """No answer was seen: it stays spent for `LOST` seconds more than an answered one."""
        if self._open:
            self._open = False
            self._book.lost(self._line)


class _Timer:
    """The one timer of an event loop in which someone waits."""

    __slots__ = ("handle", "waiting", "when")

    def __init__(self) -> None:
        self.handle: asyncio.TimerHandle | None = None
        self.when: float | None = None
        self.waiting = 0


class Book:
    """All buckets and lines that belong together: those of a process, or those of one test."""

    def __init__(self, clock: Callable[[], float] | None = None, *, learning: bool = True) -> None:
        self._clock = clock or time.monotonic
        self._own_clock = clock is not None
        self._learning = learning
        self._lock = threading.Lock()
        self.lines: dict[object, Line] = {}
        self._buckets: dict[tuple[str, str, bool], Bucket] = {}
        self._numbers = count()
        self._wakes: list[tuple[float, int, Bucket | Waiter]] = []
        self._timers: dict[asyncio.AbstractEventLoop, _Timer] = {}
        self._offset = 0.0 if self._own_clock else time.time() - time.monotonic()
        self._share = 1.0
        self._drop_at = _MANY
        _books.add(self)

    def after_fork(self) -> None:
        """In the child: who waited, waits in the parent; what was under way is answered there, and stays spent here."""
        self._lock = threading.Lock()
        self._timers = {}
        self._wakes = []
        now = self._clock()
        for line in self.lines.values():
            line.lanes[0].clear()
            line.lanes[1].clear()
        for bucket in self._buckets.values():
            bucket.lines.clear()
            bucket.waiting = [0, 0]
            bucket.wake = None
            while bucket.in_flight:
                bucket.spend(now + LOST)

    # -- lines and buckets ---------------------------------------------------------------------------------------------------

    def line(
        self,
        key: object,
        account: str,
        name: str,
        rates: tuple[Rate, ...],
        extra: Iterable[tuple[str, tuple[Rate, ...]]],
    ) -> Line:
        """The line of calls with these buckets; made when first asked for."""
        with self._lock:
            line = self.lines.get(key)
            if line is None:
                now = self._clock()
                buckets = [self._bucket(account, name, rates, now, operation=True)]
                buckets += [self._bucket(account, other, limits, now, operation=False) for other, limits in extra]
                line = self.lines[key] = Line(key, name, tuple(dict.fromkeys(buckets)))
                if len(self._buckets) > self._drop_at:
                    self._drop_idle(now)
            return line

    def _drop_idle(self, now: float) -> None:
        """Forget the buckets that are as good as new: a process that serves thousands of accounts would keep them all."""
        self._buckets = {key: bucket for key, bucket in self._buckets.items() if not bucket.idle(now)}
        kept = set(self._buckets.values())
        for line in self.lines.values():
            line.dropped = not kept.issuperset(line.buckets)
        self.lines = {key: line for key, line in self.lines.items() if not line.dropped}
        self._drop_at = max(_MANY, 2 * len(self._buckets))

    def _adopt(self, line: Line) -> None:
        """Take a dropped line in again, with the buckets that took the place of its own where there are such."""
        line.buckets = tuple(self._buckets.setdefault(bucket.key, bucket) for bucket in line.buckets)
        line.dropped = False
        self.lines.setdefault(line.key, line)

    def retune(self, line: Line, rates: tuple[Rate, ...]) -> None:
        """Give the operation's own bucket other rates, windows by their length; what is spent stays spent."""
        with self._lock:
            now = self._clock()
            line.buckets[0].retune(rates, self._share, now)
            self._pump(line.buckets, now)
            self._arm()

    def set_share(self, share: float) -> None:
        """From now on only that part of every rate is ours."""
        with self._lock:
            if share != self._share:
                self._share = share
                for bucket in self._buckets.values():
                    for window in bucket.windows:
                        window.retune(window.rate, share)
                self._pump(tuple(self._buckets.values()), self._clock())
                self._arm()

    def see_others(self, line: Line, numbers: Iterable[tuple[str, int, int]]) -> None:
        """Others were seen to have taken so many: (bucket, window in seconds, requests), as a total, not in addition."""
        with self._lock:
            now = self._clock()
            by_name = {bucket.name: bucket for bucket in line.buckets}
            for name, seconds, number in numbers:
                for window in by_name[name].windows:
                    if window.rate.seconds == seconds and number > len(window.foreign):
                        window.see_others(number - len(window.foreign), now)

    def _bucket(self, account: str, name: str, rates: tuple[Rate, ...], now: float, *, operation: bool) -> Bucket:
        key = (account, name, operation)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(key, rates, now, share=self._share)
        return bucket

    # -- getting a permit ----------------------------------------------------------------------------------------------------

    async def acquire(self, line: Line, priority: Priority, max_wait: float | None) -> LocalPermit:
        """Wait in the line until the request may be sent."""
        with self._lock:
            now = self._now()
            if line.dropped:
                self._adopt(line)
            for bucket in line.buckets:
                if bucket.lines or bucket.room(now) < 1:
                    break
            else:
                return self._grant(line, now, now)
            waiter = self._enqueue(line, 1 if priority == "bulk" else 0, now, max_wait)
            self._pump(line.buckets, now)
            if waiter.permit is not None:
                return waiter.permit
            self._arm()
        try:
            await waiter.future
        except asyncio.CancelledError:
            with self._lock:
                self._leave(waiter)
            raise
        if waiter.failure is not None:
            raise waiter.failure
        assert waiter.permit is not None  # noqa: S101 - the future is done for one of the two reasons
        return waiter.permit

    def _now(self) -> float:
        now = self._clock()
        if not self._own_clock and abs(time.time() - now - self._offset) > _SLEPT:
            # The time of day was set, or the machine slept while our clock stood still: the windows moved under us.
            self._offset = time.time() - now
            for bucket in self._buckets.values():
                for window in bucket.windows:
                    window.phase.restart()
        return now

    def _enqueue(self, line: Line, lane: int, now: float, max_wait: float | None) -> Waiter:
        self._refuse_long_waits(line, lane, now, max_wait)
        deadline = None if max_wait is None else now + max_wait
        waiter = Waiter(line, lane, next(self._numbers), now=now, deadline=deadline)
        line.lanes[lane][waiter.number] = waiter
        for bucket in line.buckets:
            bucket.lines[line] = None
            bucket.waiting[lane] += 1
        timer = self._timers.get(waiter.loop)
        if timer is None:
            timer = self._timers[waiter.loop] = _Timer()
        timer.waiting += 1
        if waiter.deadline is not None and waiter.deadline < inf:
            heappush(self._wakes, (waiter.deadline, waiter.number, waiter))
        return waiter

    def _refuse_long_waits(self, line: Line, lane: int, now: float, max_wait: float | None) -> None:
        """Raise `RateLimitWait` for a call that would wait too long behind all those before it."""
        for bucket in line.buckets:
            place = 1 + bucket.waiting[0] + (bucket.waiting[1] if lane else 0)
            if max_wait is not None:
                seconds = bucket.wait_for(place, now)
                if seconds > max_wait:
                    raise RateLimitWait(seconds=seconds, operation=line.name)
            else:
                self._refuse_spent_day(bucket, place, now, line.name)

    def _refuse_spent_day(self, bucket: Bucket, place: int, now: float, operation: str) -> None:
        long = bucket.exhausted_for(place, now, longer_than=LONG)
        if long is not None:
            what = (
                "Klaviyo asked for a pause"
                if bucket.frozen_until - now > LONG
                else f"the daily limit of {bucket.name} is spent"
            )
            raise RateLimitWait(
                f"{operation}: {what}; the next request is due in {long:.0f} s."
                " Call again then, or give a max_wait that allows for it.",
                seconds=long,
                operation=operation,
            )

    def _leave(self, waiter: Waiter) -> None:
        """The call was cancelled: its place, or its permit, goes to the next."""
        if waiter.permit is not None:
            permit, waiter.permit = waiter.permit, None
            permit._open = False
            self._give_back(waiter.line)
        elif self._remove(waiter):
            self._pump(waiter.line.buckets, self._clock())
            self._arm()

    def _remove(self, waiter: Waiter) -> bool:
        line = waiter.line
        if line.lanes[waiter.lane].pop(waiter.number, None) is None:
            return False
        for bucket in line.buckets:
            bucket.waiting[waiter.lane] -= 1
            if not line.lanes[0] and not line.lanes[1]:
                bucket.lines.pop(line, None)
        timer = self._timers.get(waiter.loop)
        if timer is not None:
            timer.waiting -= 1
            if not timer.waiting:
                # An idle loop keeps no timer of ours: it can be closed, and forgotten.
                del self._timers[waiter.loop]
                if timer.handle is not None and waiter.loop is _running():
                    timer.handle.cancel()
        return True

    def _grant(self, line: Line, now: float, since: float) -> LocalPermit:
        seen = tuple([bucket.take(now) for bucket in line.buckets])
        return LocalPermit(self, line, now, seen, now - since)

    # -- after the request ---------------------------------------------------------------------------------------------------

    def answered(
        self, line: Line, sent: float, seen: tuple[tuple[int, ...], ...], status: int, headers: Mapping[str, str]
    ) -> None:
        """See `Permit.answered`."""
        with self._lock:
            now = self._now()
            for bucket in line.buckets:
                bucket.spend(now)
            if status == 429:
                rest = retry_after(headers, time.time())
                for bucket in line.buckets:
                    bucket.refused(sent, now, rest)
                self._fail_long_waits(line.buckets, now)
            else:
                for bucket in line.buckets:
                    bucket.succeeded()
                self._learn(line, sent, now, seen, headers)
            self._pump(line.buckets, now)
            self._arm()

    def lost(self, line: Line) -> None:
        """See `Permit.lost`."""
        with self._lock:
            now = self._now()
            for bucket in line.buckets:
                bucket.spend(now + LOST)
            self._pump(line.buckets, now)
            self._arm()

    def give_back(self, line: Line) -> None:
        """See `Permit.unsent`."""
        with self._lock:
            self._give_back(line)

    def _give_back(self, line: Line) -> None:
        for bucket in line.buckets:
            bucket.give_back()
        self._pump(line.buckets, self._clock())
        self._arm()

    def _learn(
        self, line: Line, sent: float, now: float, seen: tuple[tuple[int, ...], ...], headers: Mapping[str, str]
    ) -> None:
        text = find(headers, "RateLimit-Limit")
        policy = parse_policy(text) if text is not None else None
        if policy is None or not self._learning:
            return
        bucket = _subject(line.buckets, policy)
        if bucket is None:
            return
        for reading in readings(policy, headers):
            bucket.learn(reading, sent, now, seen[line.buckets.index(bucket)])
        if bucket.waiting != [0, 0]:
            self._fail_long_waits((bucket,), now)

    def _fail_long_waits(self, buckets: tuple[Bucket, ...], now: float) -> None:
        """A day's quota turned out to be spent: those who wait for it without a `max_wait` are told so."""
        for bucket in buckets:
            while bucket.waiting != [0, 0]:
                try:
                    self._refuse_spent_day(bucket, sum(bucket.waiting), now, bucket.name)
                except RateLimitWait as error:
                    last = self._last_without_deadline(bucket)
                    if last is None:
                        break
                    self._fail(last, error)
                else:
                    break

    @staticmethod
    def _last_without_deadline(bucket: Bucket) -> Waiter | None:
        for lane in (1, 0):
            patient: list[Waiter] = [
                waiter
                for line in bucket.lines
                for waiter in reversed(line.lanes[lane].values())
                if waiter.deadline is None
            ]
            if patient:
                return max(patient, key=lambda waiter: waiter.number)
        return None

    # -- who goes next -------------------------------------------------------------------------------------------------------

    def _pump(self, buckets: Iterable[Bucket], now: float) -> None:
        """Let through whoever these buckets have room for, and note when to look at them again."""
        for bucket in buckets:
            while bucket.lines and bucket.room(now) > 0 and self._serve(bucket, now):
                pass
            self._note_wake(bucket, now)

    def _serve(self, bucket: Bucket, now: float) -> bool:
        """Let the first head through that has all it needs. False where there is none."""
        heads = [
            (lane, head.number, head)
            for line in bucket.lines
            for lane in (0, 1)
            if (head := line.head(lane)) is not None
        ]
        bulk_first = bucket.interactive_run >= _SHARE - 1
        if len(heads) > 1:
            heads.sort(key=lambda item: (item[0] == 0, item[1]) if bulk_first else item[:2])
        kept = 0
        passed: list[Waiter] = []
        for _, _, head in heads:
            line = head.line
            if bucket.room(now) > kept and all(other is bucket or other.room(now) > 0 for other in line.buckets):
                self._let_through(head, now)
                if not bucket.is_operation:
                    for waiter in passed:
                        waiter.line.passed[waiter.lane] += 1
                return True
            passed.append(head)
            if not bucket.is_operation and line.passed[head.lane] >= _PATIENCE:
                kept += 1
        return False

    def _let_through(self, waiter: Waiter, now: float) -> None:
        line = waiter.line
        self._remove(waiter)
        line.passed[waiter.lane] = 0
        for bucket in line.buckets:
            bucket.interactive_run = bucket.interactive_run + 1 if waiter.lane == 0 and bucket.waiting[1] else 0
        if waiter.loop.is_closed():
            return  # the loop was closed under the call: nobody is there to use the permit
        waiter.permit = self._grant(line, now, waiter.since)
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
            with contextlib.suppress(RuntimeError):  # closed in this moment: nobody is there to be told
                waiter.loop.call_soon_threadsafe(_finish, waiter.future)

    # -- the timer -----------------------------------------------------------------------------------------------------------

    def _note_wake(self, bucket: Bucket, now: float) -> None:
        due = bucket.next_change(now) if bucket.lines and bucket.room(now) < 1 else None
        if due is None:
            bucket.wake = None
        elif bucket.wake is None or due != bucket.wake:
            bucket.wake = due
            heappush(self._wakes, (due, -1 - bucket.number, bucket))

    def _arm(self) -> None:
        """See to it that every loop in which someone waits looks again when the next thing is due."""
        wakes = self._wakes
        while wakes and not _pending(wakes[0]):
            heappop(wakes)
        if not wakes or not self._timers:
            return
        when = wakes[0][0]
        running = _running()
        for loop, timer in list(self._timers.items()):
            if timer.when is not None and timer.when <= when:
                continue  # it looks in time; where it is too early, it looks again
            if loop is running:
                self._set_timer(loop, timer, when)
            else:
                try:
                    loop.call_soon_threadsafe(self._set_timer_from_outside, loop)
                    timer.when = when
                except RuntimeError:  # closed, with calls that waited in it
                    del self._timers[loop]

    def _set_timer(self, loop: asyncio.AbstractEventLoop, timer: _Timer, when: float) -> None:
        if timer.handle is not None:
            timer.handle.cancel()
        timer.when = when
        timer.handle = loop.call_later(max(0.0, when - self._clock()) + _GRAIN, self._fire, loop)

    def _set_timer_from_outside(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            timer = self._timers.get(loop)
            if timer is not None and timer.when is not None:
                self._set_timer(loop, timer, timer.when)

    def _fire(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            now = self._now()
            timer = self._timers.get(loop)
            if timer is not None:
                timer.handle = timer.when = None
            wakes = self._wakes
            due: dict[Bucket, None] = {}
            while wakes and wakes[0][0] <= now:
                entry = heappop(wakes)
                if not _pending(entry):
                    continue
                _, _, what = entry
                if isinstance(what, Bucket):
                    what.wake = None
                    due[what] = None
                else:
                    self._fail(what, self._too_late(what, now))
            self._pump(due, now)
            self._arm()

    def _too_late(self, waiter: Waiter, now: float) -> RateLimitWait:
        seconds = now - waiter.since + max(bucket.wait_for(1, now) for bucket in waiter.line.buckets)
        return RateLimitWait(seconds=seconds, operation=waiter.line.name)

    # -- looking -------------------------------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """See `Limiter.snapshot`."""
        with self._lock:
            now = self._clock()
            ordered = sorted(self._buckets.values(), key=lambda bucket: (bucket.account, bucket.name))
            return Snapshot(buckets=tuple(bucket.snapshot(now) for bucket in ordered))


def _subject(buckets: tuple[Bucket, ...], policy: Policy) -> Bucket | None:
    """Which of a request's buckets a policy is about; None where it fits several, or none of several."""
    if len(buckets) == 1:
        return buckets[0]
    told = dict(policy.counts)
    fitting = [
        bucket
        for bucket in buckets
        if len(bucket.windows) == len(told)
        and all(told.get(window.rate.seconds) == window.rate.count for window in bucket.windows)
    ]
    return fitting[0] if len(fitting) == 1 else None


def _pending(entry: tuple[float, int, Bucket | Waiter]) -> bool:
    """Whether a heap entry still stands: later changes leave old ones behind."""
    when, _, what = entry
    if isinstance(what, Bucket):
        return what.wake == when
    return not what.future.done() and what.permit is None and what.failure is None


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _after_fork() -> None:
    for book in list(_books):
        book.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
