"""What a `RedisLimiter` knows about an account, and about each queue of calls: its keys, waiting calls, and unreported changes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict, deque
from math import inf
from typing import TYPE_CHECKING, Protocol
from weakref import WeakValueDictionary

from klaviyo_async.limiter._connection import Gate
from klaviyo_async.limiter._phase import DRIFT
from klaviyo_async.limiter._scheduler import LOST
from klaviyo_async.limiter._scripts import limiters_key, pause_field, state_key, window_keys
from klaviyo_async.limiter._turns import BULK_SHARE
from klaviyo_async.limiter._window import window_span

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klaviyo_async.limiter._bucket import Bucket
    from klaviyo_async.limiter._queue import Queue
    from klaviyo_async.limiter._window import Window
    from klaviyo_async.limiter.base import Permit

_MICRO = 1_000_000
_SLICES = 8
IN_FLIGHT = inf
"""In place of the time at which a request was counted: it has no response yet."""


class SharedAccount:
    """An account in Redis, as far as this limiter knows."""

    __slots__ = ("_seen_at", "epoch", "known_until", "limiters", "queues", "reentering", "seen", "state")

    def __init__(self, prefix: str, account: str) -> None:
        self.state: str = state_key(prefix, account)
        self.limiters: str = limiters_key(prefix, account)
        self.queues: list[SharedQueue] = []
        self.epoch: str = ""
        """The epoch in which our requests are recorded, see `_scripts`; empty if Redis may have forgotten it by now."""
        self.known_until: float = 0.0
        """Until when Redis keeps the epoch without hearing from any limiter."""
        self.seen: int = 1
        """Recently active limiters, including this one."""
        self._seen_at = 0.0
        self.reentering: bool = False
        """Whether what we sent must be recorded again before any token is taken."""

    def note_seen(self, limiters: int, memory: float) -> None:
        """This many limiters are seen. A lower number is only believed after a while: Redis may have lost the others."""
        now = time.monotonic()
        if limiters >= self.seen or now - self._seen_at > memory:
            self.seen, self._seen_at = max(1, limiters), now

    def note(self, epoch: str, lifetime: float) -> None:
        """A script ran: the account is in this epoch, and stays in it for at least one lifetime."""
        self.epoch = epoch
        self.known_until = max(self.known_until, time.monotonic() + lifetime - 1.0)

    def known_epoch(self) -> str:
        """The epoch to send."""
        if time.monotonic() >= self.known_until:
            self.epoch = ""
        return self.epoch


class Reporting(Protocol):
    """What a permit reports its outcome to: the limiter that issued it."""

    def finish(self, permit: RedisPermit, stays: float | None) -> None: ...
    def refused(self, permit: RedisPermit) -> None: ...


class RedisPermit:
    """Permission to send one request; see `klaviyo_async.limiter.Permit`."""

    __slots__ = ("__weakref__", "_limiter", "_local", "_open", "granted_at", "id", "noticed", "queue", "waited")

    def __init__(self, limiter: Reporting, queue: SharedQueue, local: Permit, name: str) -> None:
        self._limiter = limiter
        self._local = local
        self._open = True
        self.queue: SharedQueue = queue
        self.id: str = name
        self.granted_at: float = 0.0
        """When Redis granted it; 0 if it has not."""
        self.noticed: bool = False
        """Whether the wait was logged."""
        self.waited: float = 0.0

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        """A response was received."""
        if self._open:
            self._open = False
            self._local.answered(status, headers)
            if status == 429:
                self._limiter.refused(self)
            self._limiter.finish(self, 0.0)

    def unsent(self) -> None:
        """The request was never sent."""
        if self._open:
            self._open = False
            self._local.unsent()
            self._limiter.finish(self, None)

    def lost(self) -> None:
        """No response was received."""
        if self._open:
            self._open = False
            self._local.lost()
            self._limiter.finish(self, LOST)

    def __del__(self) -> None:
        # Its holder is gone, for instance with an event loop that was closed or dropped. This may run anywhere.
        if self._open and self.granted_at:
            self.queue.dropped.append((self.id, time.monotonic() + LOST))


class Turn:
    """A call whose turn it is in this process, and that waits for Redis."""

    __slots__ = ("bulk", "deadline", "future", "number", "permit")

    def __init__(self, permit: RedisPermit, number: int, *, bulk: bool, deadline: float | None) -> None:
        self.permit: RedisPermit = permit
        self.number: int = number
        self.bulk: bool = bulk
        self.deadline: float | None = deadline
        self.future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def end(self, granted: bool) -> bool:
        """Wake the call. False if it has been cancelled meanwhile."""
        if self.future.done():
            return False
        self.future.set_result(granted)
        return True

    def send_back_elsewhere(self) -> None:
        """Make the call ask the local scheduler again, in case its event loop ever resumes."""
        with contextlib.suppress(RuntimeError):  # closed
            self.future.get_loop().call_soon_threadsafe(self.end, False)

    def fail(self, error: Exception) -> None:
        """Make the call raise the error."""
        if not self.future.done():
            self.future.set_exception(error)


class SharedQueue:
    """A queue of the local scheduler, its keys in Redis, and what has not been reported to Redis yet."""

    __slots__ = (
        "account",
        "asking",
        "changed",
        "counted",
        "dropped",
        "in_flight",
        "interactive_run",
        "local",
        "lock",
        "longest",
        "pause",
        "pauses",
        "unreported",
        "used",
        "used_at",
        "waiting",
        "windows",
    )

    def __init__(self, local: Queue, account: SharedAccount, prefix: str) -> None:
        self.local: Queue = local
        self.account: SharedAccount = account
        self.windows: list[str] = [key for bucket in local.buckets for key in window_keys(prefix, bucket)]
        self.pauses: list[str] = [pause_field(bucket) for bucket in local.buckets]
        self.longest: float = max(window_span(window.rate.seconds) for _, window in self.pairs())
        self.waiting: tuple[OrderedDict[int, Turn], OrderedDict[int, Turn]] = (OrderedDict(), OrderedDict())
        """Calls waiting for Redis: interactive, bulk."""
        self.interactive_run: int = 0
        """How many interactive calls in a row went first while a bulk call was waiting here."""
        self.in_flight: WeakValueDictionary[str, RedisPermit] = WeakValueDictionary()
        """Granted permits whose requests have no response yet. A permit without a holder is not renewed."""
        self.counted: deque[tuple[str, float]] = deque()
        """Requests that may still be counted, with the latest time at which they were."""
        self.dropped: deque[tuple[str, float]] = deque()
        """The same for requests whose permit was garbage-collected, until `forget_old` takes them over."""
        self.unreported: dict[str, float | None] = {}
        """Not yet reported to Redis: the latest time at which a request was counted, `IN_FLIGHT`, or None: never sent."""
        self.pause: float = 0.0
        """Seconds of a pause that has not been reported to Redis yet; -1 to end existing ones."""
        self.used: list[int] = []
        """Tokens of each window that all limiters had taken when Redis was last asked."""
        self.used_at: float = 0.0
        self.enter_loop()

    def enter_loop(self) -> None:
        """Discard what belongs to another event loop."""
        self.asking: bool = False
        self.changed: asyncio.Event = asyncio.Event()
        self.lock: Gate = Gate(1)
        for lane in self.waiting:
            for turn in lane.values():
                turn.permit.unsent()
                self.unreported[turn.permit.id] = None  # Redis may have granted it without anyone noticing
                turn.send_back_elsewhere()
            lane.clear()

    def forget(self) -> None:
        """Discard what was sent."""
        self.unreported.clear()
        self.counted.clear()
        self.dropped.clear()

    def pairs(self) -> list[tuple[Bucket, Window]]:
        """Each window with its bucket, in the order of the keys."""
        return [(bucket, window) for bucket in self.local.buckets for window in bucket.windows]

    # -- who waits -----------------------------------------------------------------------------------------------------------

    def turns(self) -> list[Turn]:
        """Waiting calls in their order: as the scheduler released them, interactive before bulk, one in ten bulk."""
        interactive, bulk = (list(lane.values()) for lane in self.waiting)
        if not (interactive and bulk):
            return interactive or bulk
        ordered: list[Turn] = []
        run, first, last = self.interactive_run, iter(interactive), iter(bulk)
        while True:
            turn = next(last, None) if run >= BULK_SHARE - 1 else next(first, None)
            run = 0 if run >= BULK_SHARE - 1 else run + 1
            if turn is None:
                return [*ordered, *first, *last]
            ordered.append(turn)

    def slice(self, turns: list[Turn], most: int) -> list[Turn]:
        """The calls to ask for together: part of the limit if other limiters are seen, so that none takes all of it every time."""
        capacity = min(window.count for _, window in self.pairs())
        return turns[: min(most, -(-capacity // min(self.account.seen, _SLICES)))]

    def granted(self, turn: Turn) -> None:
        """Record that this call went, for the order of the following ones."""
        self.interactive_run = 0 if turn.bulk or not self.waiting[1] else self.interactive_run + 1

    def send_back(self) -> None:
        """Make waiting calls ask the local scheduler again."""
        for lane in self.waiting:
            for turn in lane.values():
                turn.end(False)
            lane.clear()
        self.changed.set()

    def asked(self) -> None:
        """Nobody asks Redis any more for the calls waiting here."""
        self.asking = False
        self.send_back()

    # -- what Redis hears ----------------------------------------------------------------------------------------------------

    def remember(self, name: str, counted_by: float) -> None:
        """A request was counted by then: keep that for as long as it matters, in case Redis loses its data."""
        self.counted.append((name, counted_by))
        self.forget_old()

    def forget_old(self) -> None:
        """Discard what Klaviyo no longer counts."""
        while self.dropped:
            name, counted_by = self.dropped.popleft()
            self.counted.append((name, counted_by))
            self.unreported[name] = counted_by
        now = time.monotonic()
        while self.counted and self.counted[0][1] + self.longest < now:
            self.counted.popleft()

    def reenter(self) -> None:
        """Have everything recorded again that may still be counted."""
        self.forget_old()
        gone = {name: None for name, counted_by in self.unreported.items() if counted_by is None}
        self.unreported = {**dict(self.counted), **dict.fromkeys(self.in_flight, IN_FLIGHT), **gone}
        self.pause = max(self.pause, *(bucket.frozen_until - time.monotonic() for bucket in self.local.buckets), 0.0)

    def note_used(self, used: list[int]) -> None:
        """Record how many tokens of each window all limiters have taken."""
        self.used, self.used_at = used, time.monotonic()

    def note_lost(self, state: dict[str, str]) -> None:
        """Record how many requests the windows had that Redis lost, see `_scripts`."""
        for place, (key, (_, window)) in enumerate(zip(self.windows, self.pairs(), strict=True)):
            age = int(state["time"]) - int(state.get(f"lost at:{key}", 0))
            if place < len(self.used) and age < micro(window.rate.seconds):
                self.used[place] = max(self.used[place], int(state[f"lost:{key}"]))
                self.used_at = time.monotonic()

    def idle(self) -> bool:
        """Whether a new one would be equal."""
        self.forget_old()
        busy = self.asking or self.lock.locked() or self.unreported or self.in_flight or self.counted
        return not busy and not any(bucket.queues or bucket.in_flight for bucket in self.local.buckets)

    def stays(self, counted_by: float | None, lease: float) -> list[int | str]:
        """For each window, how long a request stays in it, in microseconds; empty if it must be removed."""
        now = time.monotonic()
        parts: list[int | str] = []
        for _, window in self.pairs():
            span = window_span(window.rate.seconds)
            if counted_by is None:
                left = 0.0
            elif counted_by == IN_FLIGHT:
                left = lease + span
            else:
                left = counted_by + span - now
                if window.phase.known:
                    boundary = window.phase.boundary_after(counted_by)
                    left = min(left, (boundary - now) * (1 + DRIFT))  # Redis's clock may be the faster one
            parts.append(micro(left) if left > 0 else "")
        return parts

    def sizes(self) -> list[int]:
        """For each window: capacity, span, and the earliest return of a token whose request has no response yet."""
        now = time.monotonic()
        parts: list[int] = []
        for _, window in self.pairs():
            span = window_span(window.rate.seconds)
            earliest = min(span, window.phase.boundary_after(now) - now) if window.phase.known else span
            # The account's limit, even while we use only a share of it.
            parts += [window.count, micro(span), micro(earliest)]
        return parts


def micro(seconds: float) -> int:
    """Microseconds."""
    return round(seconds * _MICRO)
