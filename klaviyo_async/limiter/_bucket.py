"""A bucket: the rates of one operation, or of one parameter's value, on one account. A request takes one token of each rate."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from klaviyo_async._retry import PATIENCE
from klaviyo_async.limiter._readings import DAY
from klaviyo_async.limiter._window import Window
from klaviyo_async.limiter.base import BucketSnapshot, WindowSnapshot

if TYPE_CHECKING:
    from klaviyo_async.limiter._readings import Reading
    from klaviyo_async.operation import Rate

_SHARED = 300.0
"""Seconds for which other clients of the account are assumed to be active, after the last sign of them."""
_AT_ONCE = 64
"""Once this many concurrent requests have succeeded after a 429, their number is no longer capped."""
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
_LONGEST_FREEZE = 86_400.0 + 60.0
_SECONDS = 10.0
"""Requests are not spread evenly over windows shorter than this."""
_SHORT = 120.0
"""Windows up to this length are waited for, however many calls are ahead."""
MOMENT = 5.0
"""Seconds that a call waits for a daily limit to have a token again."""
_LEARNED = 3600.0
"""Seconds after its last request for which a bucket is kept because of what was learned from responses."""
_MARGIN = 0.05
"""Seconds added to `Retry-After`: the clocks of the server's machines differ slightly."""

_numbers = count()


class Bucket:
    """The windows of one set of rates, and the pauses caused by 429s."""

    __slots__ = (
        "account",
        "cap",
        "frozen_until",
        "in_flight",
        "interactive_run",
        "is_operation",
        "key",
        "name",
        "not_before",
        "number",
        "pauses_in_a_row",
        "queues",
        "shared_until",
        "used",
        "used_by",
        "waiting",
        "wake",
        "windows",
    )

    def __init__(self, key: tuple[str, str, bool], rates: tuple[Rate, ...], now: float, *, share: float = 1.0) -> None:
        self.key = key
        """Account, name, and whether it is an operation's own bucket (otherwise a parameter's)."""
        self.account, self.name, self.is_operation = key
        self.number = next(_numbers)
        self.windows = tuple(Window(rate, now, share=share) for rate in rates)
        self.in_flight = 0
        self.not_before = float("-inf")
        """Nothing is sent before this time: the end of a freeze, or of the gap between two requests while others use the account."""
        self.frozen_until = float("-inf")
        self.shared_until = float("-inf")
        self.cap: int | None = None
        """After a 429: how many may be in flight. One more with each success, which doubles it with each round trip, until the cap is lifted."""
        self.pauses_in_a_row = 0
        """Number of consecutive 429s that gave no time."""
        self.queues: dict[Any, None] = {}
        """The `Queue`s with calls that wait for this bucket (of any type here: queues are made of buckets)."""
        self.waiting = [0, 0]
        self.interactive_run = 0
        """How many interactive calls in a row went first while a bulk call was waiting here."""
        self.used = now
        """When a token was last taken from it."""
        self.used_by: list[Any] = []
        """All `Queue`s that need it."""
        self.wake: float | None = None
        """When the timer checks this bucket again."""

    def retune(self, rates: tuple[Rate, ...], share: float, now: float) -> None:
        """Switch to other rates, burst, steady and daily in that order; what is spent stays spent."""
        for window, rate in zip(self.windows, rates, strict=False):
            if window.rate != rate:
                window.retune(rate, share)
        self.windows += tuple(Window(rate, now, share=share) for rate in rates[len(self.windows) :])

    def idle(self, now: float) -> bool:
        """Whether it can be discarded: a new one would be equal, or differ only in what was learned too long ago."""
        if self.in_flight or self.queues or now < self.frozen_until:
            return False
        learned = now < self.used + _LEARNED
        for window in self.windows:
            window.left(now, 0)  # takes back tokens that are due
            if window.spent or window.foreign or (learned and (window.reserve or window.count < window.limit)):
                return False
        return True

    # -- taking and giving back ----------------------------------------------------------------------------------------------

    def room(self, now: float) -> int:
        """How many requests may be sent now."""
        if now < self.not_before:
            return 0
        in_flight = self.in_flight
        least = 1 << 30
        if self.cap is not None:
            least = self.cap - in_flight
        for window in self.windows:
            left = window.left(now, in_flight)
            if left < least:  # noqa: PLR1730 - min() costs as much as all the rest
                least = left
        return least

    def take(self, now: float) -> list[int]:
        """A request is about to be sent. Returns what each window needs again when the response has arrived."""
        self.in_flight += 1
        self.used = now
        if now < self.shared_until:
            self.not_before = max(self.not_before, now + self._gap())
        seen = []
        for window in self.windows:
            window.taken += 1
            seen.append(window.released)
        return seen

    def give_back(self) -> None:
        """That request was never sent."""
        self.in_flight -= 1
        for window in self.windows:
            window.unspend()

    def spend(self, counted_by: float) -> None:
        """That request was counted, no later than at that time."""
        self.in_flight -= 1
        for window in self.windows:
            window.spend(counted_by)

    def next_change(self, now: float) -> float | None:
        """When there may be room again, if there is none now; None if that takes a response."""
        due = self.not_before
        if self.cap is not None and self.in_flight >= self.cap:
            return None
        for window in self.windows:
            if window.left(now, self.in_flight) < 1:
                release = window.next_release(now)
                if release is None:
                    return None
                due = max(due, release)
        return due

    def wait_for(self, tokens: int, now: float) -> float:
        """An estimate: seconds until that many more requests will have been sent."""
        return self.forecast(tokens, now)[0]

    def forecast(self, tokens: int, now: float) -> tuple[float, Window | None]:
        """`wait_for`, and the window that causes it; None if it is a pause."""
        wait = max(0.0, self.not_before - now)
        pace = self._gap() if now < self.shared_until else 0.0
        wait += pace * (tokens - 1)
        cause = None
        for window in self.windows:  # the shortest first: it sets the pace at which the longer ones are spent
            longer = window.wait_for(tokens, now, self.in_flight, pace)
            if longer > wait:
                wait, cause = longer, window
            pace = max(pace, window.span / window.capacity)
        return wait, cause

    def too_long(self, tokens: int, now: float) -> tuple[float, str] | None:
        """Seconds until that many tokens are available, and why, if that is longer than a call waits by default; otherwise None.

        A call waits out a pause of up to `PATIENCE` seconds, and the one-second and one-minute windows however many calls are
        ahead. For a daily window it waits only a moment.
        """
        frozen = self.frozen_until - _MARGIN - now
        if frozen > PATIENCE + _MARGIN:
            return frozen, "Klaviyo asked for a pause"
        for window in self.windows:
            patience = MOMENT if window.length >= DAY else PATIENCE
            if window.length > _SHORT and window.left(now, self.in_flight) < tokens:
                wait = max(self.not_before - now, window.wait_for(tokens, now, self.in_flight))
                if wait > patience:
                    kind = "daily limit" if window.length >= DAY else f"limit {window.rate}"
                    return wait, f"the {kind} of {self.name} is spent"
        return None

    def reason(self, tokens: int, now: float) -> tuple[float, str]:
        """Seconds until that many tokens are available, and the reason in words."""
        wait, window = self.forecast(tokens, now)
        if now < self.frozen_until:
            what = "Klaviyo asked for a pause (429)"
        elif window is None:
            what = "requests are spread out because other clients use the account"
        else:
            what = f"{window.rate} spent"
        if not self.is_operation:
            what += f" of {self.name}"
        return wait, what if tokens < 2 else f"{what}, {tokens - 1:,} waiting before it"

    def _gap(self) -> float:
        """Seconds between two requests while others use the account: our share of the window, spread evenly."""
        return max(
            (w.seconds / (w.capacity - w.reserve + 1) for w in self.windows if _SECONDS <= w.seconds <= 3600),
            default=0.0,
        )

    # -- learning ------------------------------------------------------------------------------------------------------------

    def learn(self, reading: Reading, sent: float, now: float, seen: list[int], *, alone: bool = True) -> None:
        """Learn what a response says about one of the windows; about other clients only if nobody shares our limits with us."""
        for window, released_when_sent in zip(self.windows, seen, strict=False):
            if window.length == reading.seconds:
                known = bool(window.foreign)
                others = window.learn(reading, sent, now, released_when_sent)
                if others and alone:
                    # What the first responses show may be our own requests from before a restart: spent, but not foreign.
                    self.see_others(others, window, now, lasting=known or now - window.begun > window.length)

    def see_others(self, number: int, where: Window, now: float, *, lasting: bool) -> None:
        """Others sent that many requests: they count in every window at least as long as the one in which they were detected."""
        for window in self.windows:
            if window is where:
                window.see_others(number, now)
            elif window.seconds > where.seconds:
                # Detected second by second, they add up; the longer window's own report shows at least as many, but later.
                window.see_others(number, now)
            if lasting:
                window.share_with_others(now)
        if lasting:
            self.shared_until = now + _SHARED

    def succeeded(self) -> None:
        """A response other than 429 was received."""
        self.pauses_in_a_row = 0
        if self.cap is not None:
            self.cap = self.cap + 1 if self.cap < _AT_ONCE else None

    def refused(self, sent: float, now: float, rest: float | None) -> None:
        """A 429 was received: nothing is sent until `rest` seconds have passed (or an estimate, if it gives no time)."""
        first = now >= self.frozen_until and sent >= self.frozen_until
        if rest is None:
            pause = min(_FIRST_PAUSE * 2**self.pauses_in_a_row, _LONGEST_PAUSE)
            if first:
                self.pauses_in_a_row = min(self.pauses_in_a_row + 1, 10)
        else:
            pause = min(rest, _LONGEST_FREEZE)
        self.frozen_until = max(self.frozen_until, now + pause + _MARGIN)
        self.not_before = max(self.not_before, self.frozen_until)
        self.cap = 1
        if not first:
            return  # sent before we knew: it adds nothing to the first one
        self.shared_until = now + pause + _SHARED
        for window in self.windows:
            window.lose_phase(now)
        # `Retry-After` refers to one of the windows at least that long: most likely the one known to be fullest.
        full = [window for window in self.windows if window.length >= (rest or 0) - 1]
        if full:
            max(full, key=lambda window: window.fullness(now, rest or 0.0, self.in_flight)).refused(
                now, rest or 0.0, self.in_flight
            )

    def reset(self) -> None:
        """Discard what headers and 429s reported; our own requests stay spent."""
        never = float("-inf")
        self.not_before = self.frozen_until = self.shared_until = never
        self.cap = None
        self.pauses_in_a_row = 0
        for window in self.windows:
            window.reset()

    # -- looking -------------------------------------------------------------------------------------------------------------

    def snapshot(self, now: float) -> BucketSnapshot:
        """The state, for snapshots."""
        windows = []
        for window in self.windows:
            left = max(0, window.left(now, self.in_flight))
            due = window.next_release(now)
            windows.append(
                WindowSnapshot(
                    rate=window.rate,
                    left=left,
                    spent=len(window.spent) + self.in_flight,
                    foreign=len(window.foreign),
                    reserved=window.reserve,
                    next_in=None if due is None else max(0.0, due - now),
                    phase=window.phase.uncertainty if window.phase.known else None,
                )
            )
        return BucketSnapshot(
            account=self.account[:8],
            name=self.name,
            windows=tuple(windows),
            in_flight=self.in_flight,
            waiting={"interactive": self.waiting[0], "bulk": self.waiting[1]},
            frozen_for=max(0.0, self.frozen_until - now),
        )
