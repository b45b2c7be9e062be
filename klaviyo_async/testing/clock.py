"""The clock of the fake: real time plus an offset that tests control."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class Clock:
    """The fake's time: jobs, rate limit windows, tokens, expiry and timestamps all use this clock."""

    def __init__(self) -> None:
        self._started = time.time()
        self._monotonic = time.monotonic()
        self._offset = 0.0
        self._frozen: float | None = None

    def time(self) -> float:
        """Seconds since the epoch."""
        if self._frozen is not None:
            return self._frozen
        # monotonic underneath: a step of the machine's clock must not open or close a rate limit window
        return self._started + (time.monotonic() - self._monotonic) + self._offset

    def now(self) -> datetime:
        """The time as an aware datetime in UTC."""
        return datetime.fromtimestamp(self.time(), UTC)

    def advance(self, seconds: float | timedelta) -> None:
        """Move the clock forward by seconds, or by a timedelta.

        Raises:
            ValueError: for a negative step; time in Klaviyo doesn't run backwards.
        """
        step = seconds.total_seconds() if isinstance(seconds, timedelta) else float(seconds)
        if step < 0:
            raise ValueError("the clock only moves forward: give advance() a positive number of seconds")
        if self._frozen is not None:
            self._frozen += step
        else:
            self._offset += step

    def freeze(self, at: datetime | None = None) -> None:
        """Stop the clock, at `at` (an aware datetime) or at the current time. `advance` still moves it.

        Raises:
            ValueError: for a naive datetime.
        """
        if at is not None and at.tzinfo is None:
            raise ValueError("freeze() needs an aware datetime, for instance datetime(2026, 1, 1, tzinfo=UTC)")
        self._frozen = self.time() if at is None else at.timestamp()

    def resume(self) -> None:
        """Let a frozen clock run again from its current time."""
        if self._frozen is not None:
            self._offset += self._frozen - (self._started + (time.monotonic() - self._monotonic) + self._offset)
            self._frozen = None


def stamp(seconds: float) -> str:
    """A time in Klaviyo's usual format: whole seconds with a ``+00:00`` offset."""
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()


def instant(text: str) -> datetime | None:
    """The aware datetime in a text; None if it isn't one. Naive times are treated as UTC."""
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        return None
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
