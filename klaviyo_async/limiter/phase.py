"""Where the boundaries of the server's fixed windows lie, as far as evidence goes.

The server's windows of length w are ``[b + k w, b + (k + 1) w)`` for all integers k. A `Phase` holds an interval that
contains one boundary, in our own clock; every piece of evidence is such an interval, true whatever the latency was, and the
knowledge is the intersection of all of them. Evidence that doesn't fit what is known proves that one of the two is wrong (the
server's clock was set, the windows are not what we think): then all is forgotten, and learning pauses, longer each time.
"""

from __future__ import annotations

from math import floor

DRIFT = 5e-4
"""Seconds per second by which the server's clock may run faster or slower than ours (NTP slews by at most this much)."""
SKEW = 0.05
"""Seconds by which the clocks of the server's machines may differ: evidence is of one machine, the next request of another."""
_LONGEST_PAUSE = 3600.0


class Phase:
    """The interval in which a boundary of the windows of one length lies, or None while nothing useful is known."""

    __slots__ = ("_early", "_late", "_pause", "_resume", "known", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.known = False
        self._early = 0.0
        self._late = 0.0
        self._pause = 2.0 * seconds
        self._resume = float("-inf")

    @property
    def uncertainty(self) -> float:
        """Length of the interval in seconds, at the time of the evidence."""
        return self._late - self._early + 2 * SKEW

    def learn(self, early: float, late: float, now: float) -> None:
        """A boundary lies in ``[early, late]`` (our clock). `now` is for the pause after a contradiction."""
        if late - early + 2 * SKEW >= self.seconds or now < self._resume:
            return  # true of every phase, or we have lost faith
        if not self.known:
            self._early, self._late, self.known = early, late, True
            return
        nearest = round(((early + late) - (self._early + self._late)) / 2 / self.seconds)
        moved = [self._moved(nearest + by) for by in (-1, 0, 1)]
        common = [(max(old[0], early), min(old[1], late)) for old in moved if max(old[0], early) <= min(old[1], late)]
        if len(common) == 1:
            self._early, self._late = common[0]
        elif common:
            # Two wide intervals can meet twice around the circle; then only the shorter of them is kept, as it is.
            if late - early < moved[1][1] - moved[1][0]:
                self._early, self._late = early, late
        elif (gap := max(moved[1][0], early) - min(moved[1][1], late)) <= SKEW:
            # Two machines whose clocks differ as much as we allow for: the boundary is between the two, give or take.
            self._late = max(moved[1][0], early)
            self._early = self._late - gap
        else:
            self.forget(now)

    def forget(self, now: float) -> None:
        """Drop what is known, and learn nothing for a while: something about it was wrong."""
        self.known = False
        self._resume = now + self._pause
        self._pause = min(self._pause * 2, max(_LONGEST_PAUSE, 2.0 * self.seconds))

    def restart(self) -> None:
        """Drop what is known because our own clock stood still (the machine slept)."""
        self.known = False

    def boundary_after(self, moment: float) -> float:
        """The first time at which a boundary later than `moment` has certainly passed. Only while something is known."""
        windows = floor((moment - self._early) / self.seconds) - 1
        while True:
            early, late = self._moved(windows)
            if early - SKEW > moment:
                return late + SKEW
            windows += 1

    def _moved(self, windows: int) -> tuple[float, float]:
        """The interval of the boundary that many windows on, wider by what the clocks may have drifted."""
        shift = windows * self.seconds
        drift = abs(shift) * DRIFT
        return self._early + shift - drift, self._late + shift + drift
