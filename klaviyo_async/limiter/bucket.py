"""A bucket: the rates of one operation, or of one parameter's value, on one account. A request takes one token of each rate."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from klaviyo_async.limiter.base import BucketSnapshot, WindowSnapshot
from klaviyo_async.limiter.window import Window

if TYPE_CHECKING:
    from klaviyo_async.limiter.headers import Reading
    from klaviyo_async.operation import Rate

_SHARED = 300.0
"""Seconds for which we keep in mind that others use the account, after the last sign of them."""
_AT_ONCE = 64
"""Once that many requests at once went well after a 429, there is no cap on them any more."""
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
_LONGEST_FREEZE = 86_400.0 + 60.0
_SHORT = 10.0
_MARGIN = 0.05
"""Seconds after `Retry-After`: the clocks of the server's machines differ a little."""

_numbers = count()


class Bucket:
    """The windows of one set of rates, and the pauses that 429s set."""

    __slots__ = (
        "account",
        "cap",
        "frozen_until",
        "in_flight",
        "interactive_run",
        "is_operation",
        "key",
        "lines",
        "name",
        "not_before",
        "number",
        "shared_until",
        "unanswered_pauses",
        "waiting",
        "wake",
        "windows",
    )

    def __init__(self, key: tuple[str, str, bool], rates: tuple[Rate, ...], now: float, *, share: float = 1.0) -> None:
        self.key = key
        """Account, name, and whether it is an operation's own bucket (else a parameter's)."""
        self.account, self.name, self.is_operation = key
        self.number = next(_numbers)
        self.windows = tuple(Window(rate, now, share=share) for rate in rates)
        self.in_flight = 0
        self.not_before = float("-inf")
        """Nothing is sent before: the end of a freeze, or of the gap between two requests while others use the account."""
        self.frozen_until = float("-inf")
        self.shared_until = float("-inf")
        self.cap: int | None = None
        """After a 429: how many may be unanswered at once. Doubles with each success until it is of no account."""
        self.unanswered_pauses = 0
        """429s in a row that named no time."""
        self.lines: dict[Any, None] = {}
        """Lines with someone waiting who needs this bucket."""
        self.waiting = [0, 0]
        self.interactive_run = 0
        """How often in a row interactive calls went first while a bulk call waited here."""
        self.wake: float | None = None
        """When the timer looks at this bucket again."""

    def retune(self, rates: tuple[Rate, ...], share: float, now: float) -> None:
        """Take other rates, burst, steady and daily in that order; what is spent stays spent."""
        for window, rate in zip(self.windows, rates, strict=False):
            if window.rate != rate:
                window.retune(rate, share)
        self.windows += tuple(Window(rate, now, share=share) for rate in rates[len(self.windows) :])

    def idle(self, now: float) -> bool:
        """Whether a new bucket would be the same."""
        return (
            not (self.in_flight or self.lines)
            and now >= self.frozen_until
            and all(window.left(now, 0) == window.rate.count and not window.reserve for window in self.windows)
        )

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
            least = min(least, left)
        return least

    def take(self, now: float) -> tuple[int, ...]:
        """A request is about to be sent. Gives what each window needs to know again when its answer has come."""
        self.in_flight += 1
        if now < self.shared_until:
            self.not_before = max(self.not_before, now + self._gap())
        seen = []
        for window in self.windows:
            window.taken += 1
            seen.append(window.released)
        return tuple(seen)

    def give_back(self) -> None:
        """That request never left."""
        self.in_flight -= 1
        for window in self.windows:
            window.unspend()

    def spend(self, counted_by: float) -> None:
        """That request was counted, no later than then."""
        self.in_flight -= 1
        for window in self.windows:
            window.spend(counted_by)

    def next_change(self, now: float) -> float | None:
        """When there may be room again, for one that has none now; None where that takes an answer."""
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
        """An estimate: seconds until that many more requests will have been let through."""
        wait = max(0.0, self.not_before - now)
        pace = self._gap() if now < self.shared_until else 0.0
        wait += pace * (tokens - 1)
        for window in self.windows:  # the shortest first: it sets the pace at which the longer ones are spent
            wait = max(wait, window.wait_for(tokens, now, self.in_flight, pace))
            pace = max(pace, window.span / window.capacity)
        return wait

    def exhausted_for(self, tokens: int, now: float, *, longer_than: float) -> float | None:
        """Seconds until that many tokens, where a window longer than `longer_than` or a freeze that long stands against it."""
        if self.frozen_until - now > longer_than:
            return self.frozen_until - now
        waits = [
            window.wait_for(tokens, now, self.in_flight)
            for window in self.windows
            if window.seconds > longer_than and window.left(now, self.in_flight) < tokens
        ]
        return max(waits, default=None)

    def _gap(self) -> float:
        """Seconds between two requests while others use the account: our part of the window, evenly."""
        return max(
            (w.seconds / (w.capacity - w.reserve + 1) for w in self.windows if _SHORT <= w.seconds <= 3600),
            default=0.0,
        )

    # -- learning ------------------------------------------------------------------------------------------------------------

    def learn(self, reading: Reading, sent: float, now: float, seen: tuple[int, ...]) -> None:
        """Take in what an answer says of one of the windows."""
        for window, released_when_sent in zip(self.windows, seen, strict=False):
            if window.rate.seconds != reading.seconds:
                continue
            # What the first answers tell of may well be our own, from before a restart: it is spent, but shared with nobody.
            news = now - window.begun > window.rate.seconds or bool(window.foreign)
            others = window.learn(reading, sent, now, released_when_sent)
            if others:
                self.see_others(others, window, now, lasting=news)

    def see_others(self, number: int, where: Window, now: float, *, lasting: bool) -> None:
        """Others sent that many requests: they count in every window that is no shorter than the one they were seen in."""
        for window in self.windows:
            if window is where:
                window.see_others(number, now)
            elif window.seconds > where.seconds:
                # Seen second by second, they add up; what the longer window's own report tells is no less, and comes after.
                window.see_others(number, now)
            if lasting:
                window.share_with_others(now)
        if lasting:
            self.shared_until = now + _SHARED

    def succeeded(self) -> None:
        """An answer other than 429 came."""
        self.unanswered_pauses = 0
        if self.cap is not None:
            self.cap = self.cap * 2 if self.cap < _AT_ONCE else None

    def refused(self, sent: float, now: float, rest: float | None) -> None:
        """A 429 came: nothing is sent before `rest` seconds have passed (or a guess, where it names no time)."""
        first = now >= self.frozen_until and sent >= self.frozen_until
        if rest is None:
            pause = min(_FIRST_PAUSE * 2**self.unanswered_pauses, _LONGEST_PAUSE)
            if first:
                self.unanswered_pauses = min(self.unanswered_pauses + 1, 10)
        else:
            pause = min(rest, _LONGEST_FREEZE)
        self.frozen_until = max(self.frozen_until, now + pause + _MARGIN)
        self.not_before = max(self.not_before, self.frozen_until)
        self.cap = 1
        if not first:
            return  # sent before we knew: it says nothing that the first one of them didn't
        self.shared_until = now + pause + _SHARED
        for window in self.windows:
            window.phase.forget(now)
        # `Retry-After` is about one of the windows that are no shorter: most likely the one we know to be the fullest.
        full = [window for window in self.windows if window.rate.seconds >= (rest or 0) - 1]
        if full:
            max(full, key=lambda window: window.fullness(now, rest or 0.0, self.in_flight)).refused(
                now, rest or 0.0, self.in_flight
            )

    # -- looking -------------------------------------------------------------------------------------------------------------

    def snapshot(self, now: float) -> BucketSnapshot:
        """The state, for those who look."""
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
