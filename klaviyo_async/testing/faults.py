"""Faults on demand: what `FakeKlaviyo.fail` plans, and the latency of answers."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field

Latency = float | tuple[float, float] | Callable[[random.Random], float] | None


@define(kw_only=True)
class Fault:
    """One planned fault; `hits` counts how often it struck."""

    operation: str | None
    """The operation that it strikes; None strikes any."""
    times: int | None = 1
    """How many requests it strikes before it is over; None never ends."""
    after: int = 0
    """How many requests of the operation pass unharmed first."""
    status: int | None = None
    body: bytes | str | Mapping[str, Any] | None = None
    """Body of the answer with `status`: a mapping goes out as JSON, text and bytes as they are; None is Klaviyo's shape."""
    headers: Mapping[str, str] = field(factory=dict)
    reset: bool = False
    """Break the connection instead of answering."""
    delay: float = 0.0
    """Seconds before the answer."""
    truncate: int | None = None
    """Bytes of the body that are sent before the connection breaks, with the full Content-Length announced."""
    processed: bool = False
    """Whether the request takes effect although its answer is lost or replaced."""
    hits: int = 0
    _seen: int = 0

    def strikes(self, operation: str | None) -> bool:
        """Whether this request is struck; counts it."""
        if self.operation is not None and self.operation != operation:
            return False
        if self.times is not None and self.hits >= self.times:
            return False
        self._seen += 1
        if self._seen <= self.after:
            return False
        self.hits += 1
        return True


class Faults:
    """All planned faults, in the order they were planned; the first that strikes is taken."""

    def __init__(self) -> None:
        self._planned: list[Fault] = []

    def plan(self, fault: Fault) -> Fault:
        """Add a fault."""
        self._planned.append(fault)
        return fault

    def clear(self) -> None:
        """Forget all faults."""
        self._planned.clear()

    def strike(self, operation: str | None) -> Fault | None:
        """The fault that strikes this request, if any."""
        for fault in self._planned:
            if fault.strikes(operation):
                return fault
        return None


def latency_of(latency: Latency, chance: random.Random) -> float:
    """Seconds that one answer is held back: a constant, a uniform range, or what a function makes of a Random."""
    if latency is None:
        return 0.0
    if callable(latency):
        return max(0.0, latency(chance))
    if isinstance(latency, tuple):
        return chance.uniform(*latency)
    return latency
