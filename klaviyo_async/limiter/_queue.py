"""Waiting calls, and the queues they wait in."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from klaviyo_async.errors import RateLimitWait
    from klaviyo_async.limiter._bucket import Bucket
    from klaviyo_async.limiter.base import Permit

INTERACTIVE, BULK = 0, 1
"""The lanes of a queue."""


class Waiter:
    """A waiting call."""

    __slots__ = ("deadline", "failure", "future", "lane", "loop", "number", "permit", "queue", "since")

    def __init__(self, queue: Queue, lane: int, number: int, *, now: float, deadline: float | None) -> None:
        self.queue: Queue = queue
        self.lane: int = lane
        self.number: int = number
        """Position in the order of arrival, across all queues."""
        self.since: float = now
        self.deadline: float | None = deadline
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self.loop.create_future()
        self.permit: Permit | None = None
        self.failure: RateLimitWait | None = None

    @property
    def waiting(self) -> bool:
        """Whether it is still undecided."""
        return self.permit is None and self.failure is None and not self.future.done()


class Queue:
    """The calls of an account that need the same buckets, first come, first served in each of two lanes."""

    __slots__ = ("__weakref__", "buckets", "dropped", "key", "lanes", "name", "tuned")

    def __init__(self, key: object, name: str, buckets: tuple[Bucket, ...]) -> None:
        self.key: object = key
        self.name: str = name
        """The operation."""
        self.buckets: tuple[Bucket, ...] = buckets
        """The operation's own bucket first, then those of its parameters."""
        self.dropped: bool = False
        """Whether the scheduler has discarded it, and buckets of it, because it was idle."""
        self.tuned: set[object] = set()
        """The marks of the limiters whose overrides the buckets have."""
        self.lanes: tuple[OrderedDict[int, Waiter], OrderedDict[int, Waiter]] = (OrderedDict(), OrderedDict())

    @property
    def length(self) -> int:
        """Number of calls waiting in it."""
        return len(self.lanes[INTERACTIVE]) + len(self.lanes[BULK])

    def first(self, lane: int) -> Waiter | None:
        """The first call in that lane."""
        return next(iter(self.lanes[lane].values()), None)

    def add(self, waiter: Waiter) -> None:
        """Add a waiter, here and at every bucket it needs."""
        self.lanes[waiter.lane][waiter.number] = waiter
        for bucket in self.buckets:
            bucket.queues[self] = None
            bucket.waiting[waiter.lane] += 1

    def remove(self, waiter: Waiter) -> None:
        """Remove a waiter."""
        del self.lanes[waiter.lane][waiter.number]
        for bucket in self.buckets:
            bucket.waiting[waiter.lane] -= 1
            if not self.length:
                bucket.queues.pop(self, None)
