"""Where the boundaries of the server's fixed windows are, as far as evidence shows.

The server's windows of length w are ``[b + k w, b + (k + 1) w)`` for all integers k. A `Phase` holds an interval that
contains one boundary, in our own clock. Every piece of evidence is such an interval, valid for any latency, and what is known
is the intersection of all of them. Contradictory evidence proves that one of the two is wrong (the server's clock was set, or the
windows are not what we think): everything is then discarded, and learning pauses, longer each time.
"""

from __future__ import annotations

from math import floor

DRIFT = 5e-4
"""Seconds per second by which the server's clock may run faster or slower than ours (NTP slews by at most this much)."""
SKEW = 0.05
"""Seconds by which the clocks of the server's machines may differ: evidence is from one machine, the next request goes to another."""
_WORTH = 0.005
"""Seconds by which evidence must narrow the interval to be used: otherwise each would, by undoing the drift of the last second."""
_LONGEST_PAUSE = 3600.0


class Phase:
    """The interval that contains a boundary of the windows of one length, or None while nothing useful is known."""

    __slots__ = ("_between", "_early", "_late", "_next", "_pause", "_resume", "known", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.known = False
        self._early = 0.0
        self._late = 0.0
        self._pause = 2.0 * seconds
        self._resume = float("-inf")
        self._between = (0.0, 0.0)
        """For times from the first up to the second of these, `_next` is the result of `boundary_after`."""
        self._next = 0.0

    @property
    def uncertainty(self) -> float:
        """Length of the interval in seconds, at the time of the evidence."""
        return self._late - self._early + 2 * SKEW

    def learn(self, early: float, late: float, now: float) -> bool:
        """A boundary is in ``[early, late]`` (our clock). Returns whether that changed what is known.

        `now` is for the pause after a contradiction.
        """
        if late - early + 2 * SKEW >= self.seconds or now < self._resume:
            return False  # true for every phase, or learning is paused
        if not self.known:
            self._set(early, late)
            return True
        nearest = round(((early + late) - (self._early + self._late)) / 2 / self.seconds)
        known_early, known_late = self._moved(nearest)
        if (
            max(early - known_early, 0.0) + max(known_late - late, 0.0) < _WORTH
            and early <= known_late
            and known_early <= late
        ):
            return False  # the vast majority of evidence: it adds nothing
        moved = [self._moved(nearest + by) for by in (-1, 0, 1)]
        common = [(max(old[0], early), min(old[1], late)) for old in moved if max(old[0], early) <= min(old[1], late)]
        if len(common) == 1:
            self._set(*common[0])
        elif common:
            # Two wide intervals can overlap twice around the circle; then only the shorter of them is kept, unchanged.
            if late - early >= known_late - known_early:
                return False
            self._set(early, late)
        elif (gap := max(known_early, early) - min(known_late, late)) <= SKEW:
            # Two machines whose clocks differ as much as we allow for: the boundary is between the two, approximately.
            self._set(max(known_early, early) - gap, max(known_early, early))
        else:
            self.forget(now)
        return True

    def _set(self, early: float, late: float) -> None:
        self._early, self._late, self.known = early, late, True
        self._between = (0.0, 0.0)

    def forget(self, now: float) -> None:
        """Discard what is known, and learn nothing for a while: something about it was wrong."""
        self.known = False
        self._resume = now + self._pause
        self._pause = min(self._pause * 2, max(_LONGEST_PAUSE, 2.0 * self.seconds))

    def restart(self) -> None:
        """Discard what is known because our own clock stood still (the machine slept)."""
        self.known = False

    def boundary_after(self, moment: float) -> float:
        """The first time at which a boundary later than `moment` has certainly passed. Only while something is known."""
        begin, end = self._between
        if begin <= moment < end:
            return self._next
        windows = floor((moment - self._early) / self.seconds) - 1
        begin = moment
        while True:
            early, late = self._moved(windows)
            if early - SKEW > moment:
                self._between, self._next = (begin, early - SKEW), late + SKEW
                return self._next
            begin = early - SKEW
            windows += 1

    def _moved(self, windows: int) -> tuple[float, float]:
        """The interval of the boundary that many windows later, widened by the possible clock drift."""
        shift = windows * self.seconds
        drift = abs(shift) * DRIFT
        return self._early + shift - drift, self._late + shift + drift
