"""Faults on demand: those planned with `FakeKlaviyo.fail`, and the latency of responses."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field

_TICK = 0.02
"""Seconds between checks for whether a fault was cleared."""

Latency = float | tuple[float, float] | Callable[[random.Random], float] | None


@define(kw_only=True)
class Fault:
    """One planned fault; `hits` counts how often it took effect."""

    operation: str | None
    """The operation that it affects; None means any."""
    times: int | None = 1
    """How many requests it affects before it is over; None for all."""
    after: int = 0
    """How many requests of the operation are unaffected first."""
    status: int | None = None
    body: bytes | str | Mapping[str, Any] | None = None
    """Body of the response with `status`: a mapping is sent as JSON, text and bytes as they are; None uses Klaviyo's format."""
    headers: Mapping[str, str] = field(factory=dict)
    reset: bool = False
    """Break the connection instead of responding."""
    delay: float = 0.0
    """Seconds before the response."""
    truncate: int | None = None
    """Bytes of the body that are sent before the connection breaks, with the full Content-Length announced."""
    stall: bool = False
    """Keep the connection open silently instead of breaking it, until the faults are cleared."""
    processed: bool = False
    """Whether the request is processed although its response is lost or replaced."""
    hits: int = 0
    cleared: bool = False
    _seen: int = 0

    def strikes(self, operation: str | None) -> bool:
        """Whether this request is affected; counts it."""
        if self.operation is not None and self.operation != operation:
            return False
        if self.times is not None and self.hits >= self.times:
            return False
        self._seen += 1
        if self._seen <= self.after:
            return False
        self.hits += 1
        return True

    async def hold(self, seconds: float = math.inf) -> None:
        """Wait this long, or until the faults are cleared, from whichever thread."""
        deadline = time.monotonic() + seconds
        # An event would be set from a thread other than the loop's.
        while not self.cleared and (left := deadline - time.monotonic()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(left, _TICK))


class Faults:
    """All planned faults, in the order they were planned; the first that applies is used."""

    def __init__(self) -> None:
        self._planned: list[Fault] = []

    def plan(self, fault: Fault) -> Fault:
        """Add a fault."""
        self._planned.append(fault)
        return fault

    @property
    def planned(self) -> list[Fault]:
        """Those that can still take effect."""
        return [fault for fault in self._planned if fault.times is None or fault.hits < fault.times]

    def drop(self, fault: Fault) -> None:
        """Remove one fault, and release the requests that it holds back."""
        fault.cleared = True
        if fault in self._planned:
            self._planned.remove(fault)

    def clear(self) -> None:
        """Remove all faults, and release the requests held back by any of them."""
        for fault in self._planned:
            fault.cleared = True
        self._planned.clear()

    def strike(self, operation: str | None) -> Fault | None:
        """The fault that applies to this request, if any."""
        for fault in self._planned:
            if fault.strikes(operation):
                return fault
        return None


def latency_of(latency: Latency, chance: random.Random) -> float:
    """Seconds that a response is held back: a constant, a uniform range, or a function of a Random."""
    if latency is None:
        return 0.0
    if callable(latency):
        return max(0.0, latency(chance))
    if isinstance(latency, tuple):
        return chance.uniform(*latency)
    return latency
