"""The total times of the requests in one event loop, with one timer for all of them.

`asyncio.timeout` makes the loop keep a timer for each request, which is nearly always cancelled and discarded later: 10 µs of the
95 that a small request costs on raw aiohttp. Here a request costs an entry in a set.
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType


class Deadlines:
    """The open deadlines of a loop, and the timer for the earliest."""

    __slots__ = ("_open", "_when", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._open: set[Deadline] = set()
        self._when = inf
        """When the timer fires; it may find nothing to do, if the request that it was for is over."""

    def within(self, seconds: float | None) -> Deadline:
        """A context manager with a time limit, like `asyncio.timeout`; None or 0 for no limit."""
        return Deadline(self, seconds)

    def add(self, deadline: Deadline) -> None:
        """Make sure that this deadline is checked in time."""
        self._open.add(deadline)
        if deadline.when < self._when:
            self._when = deadline.when
            self.loop.call_at(deadline.when, self._look, deadline.when)

    def discard(self, deadline: Deadline) -> None:
        """Remove this deadline."""
        self._open.discard(deadline)

    def _look(self, when: float) -> None:
        if when != self._when:
            return  # an earlier deadline has made this timer unnecessary
        # Timers may fire early by the clock's resolution; `when` is treated as due regardless.
        now = max(when, self.loop.time())
        for deadline in [deadline for deadline in self._open if deadline.when <= now]:
            self._open.discard(deadline)
            deadline.expire()
        self._when = inf
        if self._open:
            self.add(min(self._open, key=lambda deadline: deadline.when))


class Deadline:
    """Cancels its task when the time is up, and turns that into a TimeoutError.

    A cancellation by the caller is distinguished in the same way as in `asyncio.timeout`.
    """

    __slots__ = ("_all", "_cancelling", "_seconds", "_task", "expired", "when")

    def __init__(self, all_: Deadlines, seconds: float | None) -> None:
        self._all = all_
        self._seconds = seconds
        self.expired = False

    def __enter__(self) -> Deadline:
        everything = self._all
        task: asyncio.Task[Any] | None = asyncio.current_task(everything.loop)
        if task is None:
            raise RuntimeError("A call must run in a task: use asyncio.run() or await it from a coroutine.")
        self._task = task
        self._cancelling = task.cancelling()
        if self._seconds:
            self.when = everything.loop.time() + self._seconds
            everything.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.expired:
            self._all.discard(self)
        elif self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def expire(self) -> None:
        """End it now."""
        self.expired = True
        self._task.cancel()
