"""Calls that wait, and the line they stand in."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from klaviyo_async.errors import RateLimitWait
    from klaviyo_async.limiter.book import LocalPermit
    from klaviyo_async.limiter.bucket import Bucket


class Waiter:
    """A call that waits."""

    __slots__ = ("deadline", "failure", "future", "lane", "line", "loop", "number", "permit", "since")

    def __init__(self, line: Line, lane: int, number: int, *, now: float, deadline: float | None) -> None:
        self.line = line
        self.lane = lane
        self.number = number
        self.since = now
        self.deadline = deadline
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self.loop.create_future()
        self.permit: LocalPermit | None = None
        self.failure: RateLimitWait | None = None


class Line:
    """The calls that need the same buckets."""

    __slots__ = ("buckets", "dropped", "key", "lanes", "name", "passed")

    def __init__(self, key: object, name: str, buckets: tuple[Bucket, ...]) -> None:
        self.key = key
        self.name = name
        self.dropped = False
        self.buckets = buckets
        self.lanes: tuple[OrderedDict[int, Waiter], OrderedDict[int, Waiter]] = (OrderedDict(), OrderedDict())
        self.passed = [0, 0]

    def head(self, lane: int) -> Waiter | None:
        """Who came first in that lane."""
        return next(iter(self.lanes[lane].values()), None)
