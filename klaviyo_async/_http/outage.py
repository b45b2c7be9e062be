"""When the server fails repeatedly, requests are held back, logged without flooding the log, and resumed gradually."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from klaviyo_async._retry import leaves_fate_unknown
from klaviyo_async.middleware import Response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from klaviyo_async.errors import TransportError

log = logging.getLogger("klaviyo_async")

IN_A_ROW: Final = 10
"""Number of consecutive failures that make an outage."""
WIDE: Final = 64
"""Number of concurrent requests at which the ramp ends."""
LONGEST: Final = 10.0
"""Average time in seconds that a request is held back if no success releases it earlier; then it is sent as another probe."""
EVERY: Final = 60.0
"""Seconds between two warnings about the same operation."""


class Outage:
    """The state of the server, as far as the requests of one client reveal it.

    After `IN_A_ROW` failures, one request at a time is sent. Each success allows one more, which doubles the number with each
    round trip, so that waiting requests don't all start together; a failure halves the number.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._width: int | None = None
        """Requests that may be in flight at the same time; None if there is no outage."""
        self._out = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._troubles: dict[str, _Trouble] = {}
        self.fine: bool = True
        """Whether nothing has failed recently: then `note` has nothing to do for a success."""

    @property
    def holds(self) -> bool:
        """Whether requests are held back, and must go through `hold`."""
        return self._width is not None

    async def hold(
        self, operation: str, make: Callable[[], Awaitable[Response | TransportError]], longest: float
    ) -> Response | TransportError:
        """Wait for a turn, `longest` seconds at most, and send the request."""
        if self._width is not None and self._out >= self._width:
            self._trouble(operation, "is held back, because Klaviyo doesn't respond as it should")
            await self._turn(min(longest, random.uniform(0.5, 1.5) * LONGEST))  # noqa: S311 - spreads them
        else:
            self._out += 1
        try:
            return await make()
        finally:
            self._out -= 1
            self._let_through()

    def note(self, operation: str, ended: Response | TransportError) -> None:
        """Record the outcome of a request."""
        if _is_failure(ended):
            self.fine = False
            self._failures += 1
            if self._width is not None:
                self._width = max(1, self._width // 2)
            elif self._failures >= IN_A_ROW:
                self._width = 1
            return
        self._failures = 0
        if self._width is not None:
            self._width += 1
            if self._width >= WIDE:
                self._width = None
            self._let_through()
        trouble = self._troubles.pop(operation, None)
        if trouble is not None:
            log.warning("%s works again, after %.0f s.", operation, self._clock() - trouble.since)
        self.fine = self._width is None and not self._troubles

    def gave_up(self, operation: str, ended: Response | TransportError) -> None:
        """A call fails for good with the outcome of its last request."""
        if _is_failure(ended):
            what = f"status {ended.status}" if isinstance(ended, Response) else type(ended).__name__
            self._trouble(operation, f"fails ({what})")

    def _trouble(self, operation: str, what: str) -> None:
        now = self._clock()
        trouble = self._troubles.get(operation)
        if trouble is None:
            trouble = self._troubles[operation] = _Trouble(now)
            self.fine = False
        trouble.calls += 1
        if now >= trouble.next_warning:
            log.warning("%s %s: %s since %.0f s.", operation, what, _times(trouble.calls), now - trouble.since)
            trouble.next_warning = now + EVERY

    async def _turn(self, longest: float) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(longest):
                await turn
        except TimeoutError:
            # No success has released it: send it as another probe.
            self._withdraw(turn)
            self._out += 1
        except BaseException:
            self._withdraw(turn)
            raise

    def _withdraw(self, turn: asyncio.Future[None]) -> None:
        if turn in self._waiting:
            self._waiting.remove(turn)
        elif turn.done() and not turn.cancelled():
            # It was released at the same moment.
            self._out -= 1
            self._let_through()

    def _let_through(self) -> None:
        while self._waiting and (self._width is None or self._out < self._width):
            turn = self._waiting.popleft()
            if not turn.done() and not turn.get_loop().is_closed():
                turn.set_result(None)
                self._out += 1


def _is_failure(ended: Response | TransportError) -> bool:
    """Whether the fault is with the server or the network; an error caused by the request itself shows that both work."""
    return not isinstance(ended, Response) or ended.status == 503 or leaves_fate_unknown(ended.status)


class _Trouble:
    """The recent trouble of one operation."""

    __slots__ = ("calls", "next_warning", "since")

    def __init__(self, now: float) -> None:
        self.since = now
        self.next_warning = now
        self.calls = 0


def _times(calls: int) -> str:
    return "1 call" if calls == 1 else f"{calls:,} calls"
