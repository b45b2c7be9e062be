"""The queues and buckets that a scheduler knows; idle ones are discarded, since a process may serve thousands of accounts."""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING

from klaviyo_async.limiter._bucket import Bucket
from klaviyo_async.limiter._queue import Queue

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from klaviyo_async.operation import Rate

_SWEEP = 1.0
"""Seconds between two sweeps for idle buckets."""
_SWEPT = 256
"""Buckets looked at per sweep."""


class Registry:
    """Queues by key, and the buckets that they share."""

    __slots__ = ("_order", "buckets", "due", "queues", "share")

    def __init__(self) -> None:
        self.queues: dict[object, Queue] = {}
        self.buckets: dict[tuple[str, str, bool], Bucket] = {}
        self.share: float = 1.0
        """The part of every rate that is ours."""
        self._order: deque[Bucket] = deque()
        """All buckets, those first that were not looked at for longest."""
        self.due: float = -inf
        """When to `tidy` next."""

    def add(
        self,
        key: object,
        account: str,
        name: str,
        rates: tuple[Rate, ...],
        extra: Iterable[tuple[str, tuple[Rate, ...]]],
        *,
        now: float,
    ) -> Queue:
        """A new queue of calls that need the operation's own bucket and the extra ones."""
        self._sweep(now, 4)  # more than can be new, so that the buckets can't outnumber those in use for long
        buckets = [self._bucket((account, name, True), rates, now)]
        buckets += [self._bucket((account, other, False), limits, now) for other, limits in extra]
        queue = Queue(key, name, tuple(dict.fromkeys(buckets)))
        self.adopt(queue)
        return queue

    def _bucket(self, key: tuple[str, str, bool], rates: tuple[Rate, ...], now: float) -> Bucket:
        return self.buckets.get(key) or Bucket(key, rates, now, share=self.share)

    def adopt(self, queue: Queue) -> None:
        """Register a queue, new or previously dropped, with any buckets that have replaced its own."""
        buckets = []
        for own in queue.buckets:
            bucket = self.buckets.get(own.key)
            if bucket is None:
                bucket = self.buckets[own.key] = own
                self._order.append(own)
            bucket.used_by.append(queue)
            buckets.append(bucket)
        queue.buckets = tuple(buckets)
        queue.dropped = False
        self.queues[queue.key] = queue

    def of(self, accounts: Collection[str] | None) -> list[Bucket]:
        """The buckets of these accounts; None for all."""
        wanted = None if accounts is None else frozenset(accounts)
        return [bucket for bucket in self.buckets.values() if wanted is None or bucket.account in wanted]

    def tidy(self, now: float) -> None:
        """Discard idle buckets, of those that were not looked at for longest."""
        self.due = now + _SWEEP
        self._sweep(now, _SWEPT)

    def _sweep(self, now: float, number: int) -> None:
        for _ in range(min(number, len(self._order))):
            bucket = self._order.popleft()
            if not bucket.idle(now):
                self._order.append(bucket)
                continue
            del self.buckets[bucket.key]
            for queue in bucket.used_by:
                queue.dropped = True
                self.queues.pop(queue.key, None)
                for other in queue.buckets:
                    if other is not bucket:
                        other.used_by.remove(queue)
            bucket.used_by.clear()
