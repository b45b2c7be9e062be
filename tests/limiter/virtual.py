"""Virtual time and a fixed-window server in it, for tests of the limiter."""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

from klaviyo_async.operation import Limits, Operation, ParameterLimit, Rate

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from klaviyo_async.limiter import BucketSnapshot, Snapshot


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer instead of waiting for it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        selector: Any = vars(self)["_selector"]
        self._real_select = selector.select
        selector.select = self._jump

    def _jump(self, timeout: float | None) -> Any:
        if timeout is None:
            ready = self._real_select(0)
            if not ready:
                raise RuntimeError("deadlock: nothing is due, and everybody waits")
            return ready
        self.now += timeout
        return self._real_select(0)

    def time(self) -> float:
        return self.now


def run(make: Callable[[VirtualLoop], Coroutine[Any, Any, Any]]) -> Any:
    """Run a coroutine in a fresh virtual loop."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(make(loop))
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def bucket_of(snapshot: Snapshot, name: str) -> BucketSnapshot:
    """The bucket of that name, which has to be there."""
    bucket = snapshot.bucket(name)
    assert bucket is not None, name
    return bucket


def operation(
    name: str = "get_things", burst: str = "10/s", steady: str = "150/m", daily: str | None = None
) -> Operation:
    return Operation(
        name=name,
        method="GET",
        path=f"/api/{name}",
        tag="things",
        summary="",
        limits=Limits(burst=Rate(burst), steady=Rate(steady), daily=None if daily is None else Rate(daily)),
        safe_to_repeat=True,
        reference="",
    )


def parameter(value: str = "predictive_analytics", *rates: str) -> ParameterLimit:
    return ParameterLimit(
        parameter="additional-fields[profile]",
        value=value,
        resource="profile",
        rates=tuple(map(Rate, rates or ("10/s", "150/m"))),
    )


class FixedWindowServer:
    """Counts in fixed windows of a phase of its own, one set of windows per bucket name; tells what its style tells.

    `style`: none, burst (recorded answers: remaining and reset of the first number, the burst window), steady (the documented
    one), nearest (whichever is nearest to exhaustion). `rounding` of the reset seconds: math.floor, math.ceil or round.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        phases: tuple[float, ...] = (0.0, 0.0, 0.0),
        *,
        style: str = "none",
        rounding: Callable[[float], int] = math.ceil,
        drift: float = 0.0,
        skews: tuple[float, ...] = (0.0,),
        rng: random.Random | None = None,
    ) -> None:
        self.clock = clock
        self.phases = phases
        self.style = style
        self.rounding = rounding
        self.drift = drift
        self.skews = skews
        self.rng = rng or random.Random(0)
        self.counts: Counter[tuple[str, float, int]] = Counter()
        self.refused: list[float] = []
        self.accepted: list[float] = []

    def count(self, buckets: dict[str, tuple[Rate, ...]]) -> tuple[int, dict[str, str]]:
        """Count a request now in every window of these buckets; the first bucket is the one that headers tell of."""
        now = self.clock() * (1 + self.drift) + self.rng.choice(self.skews)
        slots = []
        for name, rates in buckets.items():
            for rate, phase in zip(rates, self.phases, strict=False):
                slots.append((rate, (name, rate.seconds, math.floor((now - phase) / rate.seconds)), phase))
        full = [slot for slot in slots if self.counts[slot[1]] >= slot[0].count]
        if full:
            self.refused.append(self.clock())
            rest = max(self._rest(now, rate, phase) for rate, _, phase in full)
            return 429, {"Retry-After": str(math.ceil(rest))}
        self.accepted.append(self.clock())
        for _, key, _ in slots:
            self.counts[key] += 1
        return 200, self._headers(now, slots[: len(next(iter(buckets.values())))])

    def _rest(self, now: float, rate: Rate, phase: float) -> float:
        return rate.seconds - (now - phase) % rate.seconds

    def _headers(self, now: float, slots: list[Any]) -> dict[str, str]:
        if self.style == "none":
            return {}
        told = {"burst": slots[0], "steady": slots[1]}.get(
            self.style, min(slots, key=lambda slot: slot[0].count - self.counts[slot[1]])
        )
        rate, key, phase = told
        policy = ", ".join(f"{slot[0].count};w={slot[0].seconds}" for slot in slots)
        return {
            "RateLimit-Limit": f"{rate.count}, {policy}",
            "RateLimit-Remaining": str(rate.count - self.counts[key]),
            "RateLimit-Reset": str(self.rounding(self._rest(now, rate, phase))),
        }
