"""One rate of a bucket: how many requests of the account the server may have counted in the current window.

The rule, and why it is safe
----------------------------
The server counts in fixed windows of length w, and rejects what exceeds C in one window. We know neither when its windows begin
nor when it counts a request; only that it does so at some time c with ``sent <= c <= answered``. So:

    A request spends one of C tokens when it is sent. The token is returned at the earlier of
      (a) w after the response, and
      (b) the first time at which a window boundary later than the response has certainly passed (see `_phase`).

Take two requests i and j where i's token had been returned when j was sent. By (a) ``c_j >= sent_j >= answered_i + w >= c_i + w``; by
(b) there is a boundary b with ``c_i <= answered_i < b <= sent_j <= c_j``. Either way the server counts them in different windows.
Now take all requests that the server counts in one window, and of them the one sent last. When it was sent, none of the others
had its token returned, or it would have been counted in another window; and it took a token itself. So they are C at most.

Nothing is assumed about the latency, its symmetry, or the order of arrival. A request without a response doesn't return its token
until it is declared lost, and then only after the server can no longer count it: see `Window.spend`. Rule (a) also holds
for windows that begin with the first request; (b) is for windows on a fixed grid.

Clocks are not perfect, so "w" in (a) is a little more than w: `DRIFT` for a server clock slower than ours, and `SKEW` for differences
between the clocks of the server's machines; (b) allows for both as well.

What it costs: without knowing the phase, each token is used once per w + latency, which is w / (w + latency) of the sustained rate
(99.5 % for a minute and 300 ms). If the phase is known, all tokens are returned as soon as the next window has begun.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING

from klaviyo_async.limiter._phase import DRIFT, SKEW, Phase

if TYPE_CHECKING:
    from klaviyo_async.limiter._readings import Reading
    from klaviyo_async.operation import Rate

_BLUR = 2
"""Accuracy in seconds with which `RateLimit-Reset` gives a boundary, so it says nothing about shorter windows."""
_REMEMBERED = 8
"""Number of responses that a new one is compared with, to find the boundary between two of them."""
_LONGEST_RESERVE = 3600
"""Windows longer than this leave no share to others in advance: what is not used today is lost tomorrow."""
_CALM = 60.0
"""Minimum seconds without a 429 after which part of the reserve is tried again."""


class Window:
    """One rate of a bucket. Requests without a response are counted by the bucket, once for all its windows."""

    __slots__ = (
        "_due",
        "_lowest",
        "_next_try",
        "_recent",
        "_step",
        "begun",
        "capacity",
        "count",
        "foreign",
        "length",
        "limit",
        "phase",
        "proven",
        "rate",
        "released",
        "reserve",
        "seconds",
        "share",
        "span",
        "spent",
        "taken",
    )

    def __init__(self, rate: Rate, now: float, *, share: float = 1.0) -> None:
        self.begun = now
        self.spent: deque[float] = deque()
        """Times of the responses whose tokens have not been returned yet, ascending."""
        self.foreign: deque[float] = deque()
        """The same for requests by others: the times when we learned of them."""
        self.taken = 0
        """All tokens ever taken, by us and by others."""
        self.released = 0
        """All tokens ever returned. `taken - released` of an earlier time is what may be counted together."""
        self.reserve = 0
        """Tokens left to others, once they have been seen."""
        self.proven = 0
        """How many of ours fitted alongside the others before the reserve was last lowered."""
        self._due = inf
        """No token of `spent` is returned before this; as late as is known without looking again."""
        self._step = 0
        self._next_try = 0.0
        self._recent: deque[tuple[float, float, int]] = deque(maxlen=_REMEMBERED)
        self._lowest: float = inf
        """No response in `_recent` had less remaining: one with less has nothing to be compared with."""
        self.retune(rate, share)

    def retune(self, rate: Rate, share: float = 1.0) -> None:
        """Switch to another rate (an override), or a share of it; what is spent stays spent."""
        self.rate = rate
        self.limit = rate.count
        self.length = rate.seconds
        """Seconds of the window that the rate names; `seconds` is longer if our share is less than one request."""
        self.share = share
        self.phase = Phase(self.length)
        self._recent.clear()
        self._allow(self.limit)

    def reset(self) -> None:
        """Discard what was learned from responses; our own requests stay spent."""
        self.released += len(self.foreign)
        self.foreign.clear()
        self.reserve = self.proven = 0
        self.retune(self.rate, self.share)

    def set_share(self, share: float) -> None:
        """Use only a share of the rate; what was learned about it stays known."""
        self.share = share
        self._allow(self.count)

    def _allow(self, count: int) -> None:
        """Set what one window holds for us. A share below one request becomes one request in several windows."""
        self.count = count
        allowed = count * self.share
        self.capacity = max(1, int(allowed + 1e-9))
        self.seconds = self.length * max(1.0, 1.0 / allowed)
        self.span = window_span(self.seconds)
        self._due = -inf

    # -- what is left --------------------------------------------------------------------------------------------------------

    def release(self, answered: float) -> float:
        """When the token is returned of a request whose response arrived at that time."""
        due = answered + self.span
        phase = self.phase
        if phase.known and self.seconds == phase.seconds:
            boundary = phase.boundary_after(answered)
            if boundary < due:
                return boundary
        return due

    def left(self, now: float, in_flight: int) -> int:
        """Tokens available now."""
        if now >= self._due:
            self._take_back(now)
        if self.foreign or self.reserve:
            return self._left_beside_others(now, in_flight)
        return self.capacity - in_flight - len(self.spent)

    def _take_back(self, now: float) -> None:
        """Take back tokens that are due, and note when the next one is."""
        spent = self.spent
        due = self._due
        if due == -inf and spent:
            due = self.release(spent[0])
        while spent and due <= now:
            spent.popleft()
            self.released += 1
            if spent:
                due = self.release(spent[0])
        self._due = due if spent else inf

    def _left_beside_others(self, now: float, in_flight: int) -> int:
        foreign = self.foreign
        while foreign and self.release(foreign[0]) <= now:
            foreign.popleft()
            self.released += 1
        if self.reserve > len(foreign) and now >= self._next_try:
            # No 429 for a while: test whether the others still need all of it.
            self.proven = (self.capacity - self.reserve) * 19 // 20
            self.reserve = max(len(foreign), self.reserve - self._step)
            self._step = min(self._step * 2, max(1, self.capacity // 4))
            self._next_try = now + max(self.seconds, _CALM)
        ours = in_flight + len(self.spent)
        room = self.capacity - ours - max(len(foreign), self.reserve)
        if room > 0 and self.proven and ours >= self.proven and in_flight:
            return 0  # beyond what is known to fit, one at a time: at most one of them is rejected
        return room

    def next_release(self, now: float) -> float | None:
        """When the next token is returned; None if that depends on a response."""
        times = [self.release(queue[0]) for queue in (self.spent, self.foreign) if queue]
        if self.reserve > len(self.foreign):
            times.append(max(self._next_try, now))
        return min(times, default=None)

    def comes_back(self, place: int, now: float) -> float:
        """When that many tokens and one more of those spent now are returned; one window from now for more than these."""
        return self.release(self.spent[place]) if place < len(self.spent) else now + self.span

    def wait_for(self, tokens: int, now: float, in_flight: int, pace: float = 0.0) -> float:
        """An estimate: seconds until that many tokens have been available, if one is spent every `pace` seconds at most."""
        short = tokens - self.left(now, in_flight)
        if short <= 0:
            return 0.0
        # Every token is used once in a window: missing ones are returned in order, and then again, one window later each time.
        rounds, place = divmod(short - 1, max(1, self.capacity - self.reserve))
        if place < len(self.spent):
            first = max(0.0, self.release(self.spent[place]) - now)
        else:
            # Tokens without a response are returned one window from now at the earliest; what isn't sent, one window after its turn.
            first = self.span + max(0, place - len(self.spent) - in_flight) * pace
        return first + rounds * self.span

    # -- what is spent -------------------------------------------------------------------------------------------------------

    def spend(self, answered: float) -> None:
        """A response arrived at that time. For a lost request, `answered` is in the future: the last time it may be counted."""
        spent = self.spent
        if not spent:
            self._due = self.release(answered)
        if spent and spent[-1] > answered:
            _put(spent, answered)
            self._due = -inf
        else:
            spent.append(answered)

    def unspend(self) -> None:
        """The token of a request that was never sent is returned."""
        self.released += 1

    def see_others(self, number: int, now: float) -> None:
        """Requests by others were counted, no later than now."""
        for _ in range(number):
            _put(self.foreign, now)
        self.taken += number

    # -- what is learned -----------------------------------------------------------------------------------------------------

    def learn(self, reading: Reading, sent: float, answered: float, released_when_sent: int) -> int:
        """Learn what a response says about this window; returns the number of requests by others that it reveals.

        Those counted by then are at most the ones of ours (and of others, as far as we know) that had been taken by now and not
        returned when this request was sent: what had been returned is in an earlier window. Anything beyond is foreign.
        """
        remaining, reset = reading.remaining, reading.reset
        # Klaviyo has the final say if it allows less than its document says; for more there must be an override.
        if reading.count != self.count and (count := max(1, min(self.limit, reading.count))) != self.count:
            self._recent.clear()
            self._allow(count)
        if reset is not None and self.length > _BLUR:
            # Rounded up, down or to nearest: the boundary is within 1 s of the value, seen from the time of counting.
            self._learn_boundary(sent + reset - 1, answered + reset + 1, answered)
        if remaining is None:
            return 0
        if remaining >= self._lowest:
            self._compare(remaining, sent, answered)
        self._lowest = min(self._lowest, remaining)
        self._recent.append((sent, answered, remaining))
        return max(0, reading.count - remaining - (self.taken - released_when_sent))

    def _compare(self, remaining: int, sent: float, answered: float) -> None:
        """Find a boundary between this response and an earlier one.

        Within a window `remaining` only falls. Two with the same number, or a higher one in a request that was sent after the
        other's response, were counted in different windows: there is a boundary between the two. All these intervals end now, so
        the one that begins last is contained in all the others, and tells everything that they do. Requests sent no later than its
        beginning can only yield longer ones from now on, and are discarded.
        """
        begin = -inf
        for other_sent, other_answered, other_remaining in self._recent:
            if other_sent > begin and (
                remaining == other_remaining or (remaining > other_remaining and other_answered < sent)
            ):
                begin = other_sent
        if begin != -inf:
            begin = min(begin, sent)
            self._learn_boundary(begin, answered, answered)
            self._recent = deque([one for one in self._recent if one[0] > begin], _REMEMBERED)
        self._lowest = min([one[2] for one in self._recent], default=inf)

    def _learn_boundary(self, early: float, late: float, now: float) -> None:
        if self.phase.learn(early, late, now):
            self._due = -inf

    def lose_phase(self, now: float | None = None) -> None:
        """The boundaries aren't where we thought. `now` if that was a mistake of learning, which then pauses."""
        if now is None:
            self.phase.restart()
        else:
            self.phase.forget(now)
        self._due = -inf

    def share_with_others(self, now: float) -> None:
        """Others are active on this account: from now on, leave them what they were seen using."""
        if self.seconds <= _LONGEST_RESERVE and self.reserve < len(self.foreign):
            self._reserve(len(self.foreign), now)

    def refused(self, now: float, rest: float, in_flight: int) -> None:
        """A 429 said that this window is full for `rest` seconds: what is not ours in it belongs to others."""
        if self.seconds > _LONGEST_RESERVE:
            return
        ours = self._ours_in_window(now, rest) + in_flight
        wanted = max(self.reserve, self.capacity - max(1, ours))
        # A rejection may have other causes (another window, our own requests from before a restart): yield in steps. The first
        # takes half at most; short windows take a quarter, since a long one near its end looks like a short one.
        first = self.capacity // (2 if self.seconds >= _CALM else 4)
        wanted = min(wanted, max(first, self.reserve + max(1, self.capacity // 4)))
        self._reserve(wanted, now)

    def fullness(self, now: float, rest: float, in_flight: int) -> float:
        """How much of this window is known to be used, if it is the one that ends in `rest` seconds."""
        ours = self._ours_in_window(now, rest) + in_flight
        return (ours + max(len(self.foreign), self.reserve)) / self.capacity

    def _ours_in_window(self, now: float, rest: float) -> int:
        """How many of our requests got their response in the window that ends in `rest` seconds (which may be 1 s off)."""
        began = now - min(self.seconds, max(0.0, self.seconds - rest + 1))
        return sum(1 for answered in self.spent if answered >= began)

    def _reserve(self, tokens: int, now: float) -> None:
        self.reserve = min(tokens, self.capacity - 1)
        self.proven = (self.capacity - self.reserve) * 19 // 20
        self._step = max(1, self.capacity // 50)
        self._next_try = now + max(self.seconds, _CALM)


def window_span(seconds: float) -> float:
    """How long after its response a request may share a window of that length with one sent then, given imperfect clocks."""
    return seconds * (1 + DRIFT) + SKEW


def _put(queue: deque[float], moment: float) -> None:
    """Append in order; only a lost request's time is later than those of requests that follow it."""
    later: list[float] = []
    while queue and queue[-1] > moment:
        later.append(queue.pop())
    queue.append(moment)
    queue.extend(reversed(later))
