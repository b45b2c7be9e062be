"""Rate limits as Klaviyo's server keeps them: fixed windows of random phase, one set per account and operation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from attrs import define

from klaviyo_async.testing.problems import Problem

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Mapping, Sequence

    from klaviyo_async.operation import Operation, ParameterLimit, Rate
    from klaviyo_async.testing.clock import Clock

_LINK = "https://developers.klaviyo.com/en/docs/rate_limits_and_error_handling#rate-limits"


@define
class Window:
    """One fixed window: at most `limit` requests between two of its edges."""

    limit: int
    seconds: int
    phase: float
    started: float = -math.inf
    used: int = 0

    def roll(self, now: float) -> None:
        """Start over if an edge has passed."""
        start = now - (now - self.phase) % self.seconds
        if start > self.started + self.seconds / 2:
            self.started = start
            self.used = 0

    def reset(self, now: float) -> float:
        """Seconds to the next edge."""
        return max(0.0, self.started + self.seconds - now)


class RateLimits:
    """Counts requests and refuses those past a limit.

    `scale` multiplies every limit (0.1 is a tenth), so that tests come to a limit with few requests or never do.
    """

    def __init__(self, clock: Clock, chance: random.Random, *, scale: float = 1.0) -> None:
        self._clock = clock
        self._chance = chance
        self._scale = scale
        self._sets: dict[tuple[str, ...], list[Window]] = {}
        self._phases: dict[int, float] = {}

    def take(self, account: str, operation: Operation, query: Mapping[str, Sequence[str]]) -> dict[str, str]:
        """Count one request and return the headers of its response.

        Raises:
            Problem: 429 with ``Retry-After`` where any window is full. A refused request counts in none.
        """
        now = self._clock.time()
        sets = [self._set((account, operation.name), operation.limits.rates)]
        sets += [
            self._set((account, limit.resource, limit.parameter, limit.value), limit.rates)
            for limit in triggered(operation.limits.by_parameter, query)
        ]
        for windows in sets:
            for window in windows:
                window.roll(now)
        full = [window for windows in sets for window in windows if window.used >= window.limit]
        if full:
            raise throttled(max(window.reset(now) for window in full))
        for windows in sets:
            for window in windows:
                window.used += 1
        # the set nearest to exhaustion is the one that is reported, its first window first
        return _headers(min(sets, key=lambda windows: windows[0].limit), now)

    def left(self) -> dict[tuple[str, ...], list[tuple[Window, float]]]:
        """Account and operation (or parameter) → each of its windows, with the seconds to its next edge."""
        now = self._clock.time()
        for windows in self._sets.values():
            for window in windows:
                window.roll(now)
        return {key: [(window, window.reset(now)) for window in windows] for key, windows in self._sets.items()}

    def _set(self, key: tuple[str, ...], rates: Sequence[Rate]) -> list[Window]:
        windows = self._sets.get(key)
        if windows is None:
            windows = [
                Window(max(1, math.ceil(rate.count * self._scale)), rate.seconds, self._chance.uniform(0, rate.seconds))
                for rate in rates
            ]
            self._sets[key] = windows
        return windows


def triggered(limits: Iterable[ParameterLimit], query: Mapping[str, Sequence[str]]) -> list[ParameterLimit]:
    """The parameter-dependent limits that a query triggers."""
    return [limit for limit in limits if limit.value in query.get(limit.parameter, ())]


def throttled(seconds: float) -> Problem:
    """A 429 that asks to wait so many seconds, at least one."""
    wait = max(1, math.ceil(seconds))
    unit = "second" if wait == 1 else "seconds"
    return Problem(
        429,
        f"Request was throttled. Expected available in {wait} {unit}.",
        pointer="/data",
        headers={"Retry-After": str(wait)},
        links={"type": _LINK},
    )


def _headers(windows: list[Window], now: float) -> dict[str, str]:
    first = windows[0]
    policy = ", ".join(f"{window.limit};w={window.seconds}" for window in windows)
    headers = {
        "RateLimit-Limit": f"{first.limit}, {policy}",
        "RateLimit-Remaining": str(first.limit - first.used),
        "RateLimit-Reset": str(math.floor(first.reset(now))),
    }
    if len(windows) > 2:
        daily = windows[2]
        headers["RateLimit-Remaining-Daily"] = str(daily.limit - daily.used)
        headers["RateLimit-Reset-Daily"] = str(math.floor(daily.reset(now)))
    return headers
