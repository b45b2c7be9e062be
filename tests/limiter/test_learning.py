"""Learning costs little because it leaves out what says nothing new: it knows what a plain learner knew that leaves out nothing."""

from __future__ import annotations

import math
from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from klaviyo_async.limiter._phase import DRIFT, SKEW, Phase
from klaviyo_async.limiter._readings import Reading
from klaviyo_async.limiter._window import Window
from klaviyo_async.operation import Rate


class PlainPhase(Phase):
    """Takes in every piece of evidence, and works out everything anew."""

    def learn(self, early: float, late: float, now: float) -> bool:
        if late - early + 2 * SKEW >= self.seconds or now < self._resume:
            return False
        if not self.known:
            self._set(early, late)
            return True
        nearest = round(((early + late) - (self._early + self._late)) / 2 / self.seconds)
        moved = [self._moved(nearest + by) for by in (-1, 0, 1)]
        common = [(max(old[0], early), min(old[1], late)) for old in moved if max(old[0], early) <= min(old[1], late)]
        if len(common) == 1:
            self._set(*common[0])
        elif common:
            if late - early < moved[1][1] - moved[1][0]:
                self._set(early, late)
        elif (gap := max(moved[1][0], early) - min(moved[1][1], late)) <= SKEW:
            self._set(max(moved[1][0], early) - gap, max(moved[1][0], early))
        else:
            self.forget(now)
        return True

    def boundary_after(self, moment: float) -> float:
        windows = math.floor((moment - self._early) / self.seconds) - 1
        while True:
            early, late = self._moved(windows)
            if early - SKEW > moment:
                return late + SKEW
            windows += 1


class PlainWindow(Window):
    """Compares each response with the last eight, and learns from each pair that tells of a boundary."""

    def __init__(self, rate: Rate, now: float) -> None:
        super().__init__(rate, now)
        self.phase = PlainPhase(rate.seconds)
        self.responses: deque[tuple[float, float, int]] = deque(maxlen=8)

    def learn(self, reading: Reading, sent: float, answered: float, released_when_sent: int) -> int:
        if reading.reset is not None:
            self.phase.learn(sent + reading.reset - 1, answered + reading.reset + 1, answered)
        assert reading.remaining is not None
        for other_sent, other_answered, other_remaining in self.responses:
            if reading.remaining == other_remaining or (reading.remaining > other_remaining and other_answered < sent):
                self.phase.learn(min(sent, other_sent), max(answered, other_answered), answered)
        self.responses.append((sent, answered, reading.remaining))
        return max(0, reading.count - reading.remaining - (self.taken - released_when_sent))


requests = st.lists(
    st.tuples(st.floats(0, 0.6), st.floats(0, 0.3), st.floats(0, 0.3)),  # pause before it, way there, way back
    min_size=2,
    max_size=120,
)


@given(requests, st.floats(0, 60), st.sampled_from([Rate("75/s"), Rate("700/m")]), st.booleans())
def test_the_lean_learner_knows_what_the_plain_one_knows(trips, begin, rate, told_reset) -> None:
    seconds, count = rate.seconds, rate.count
    begin %= seconds
    now, events = 1000.0, []
    for pause, there, back in trips:
        now += pause
        events.append((now, now + there, now + there + back))
    counted = {}
    for order, (_, at, _) in sorted(enumerate(events), key=lambda item: item[1][1]):
        window = math.floor((at - begin) / seconds)
        left = count - sum(1 for other in counted.values() if other[0] == window) - 1
        counted[order] = (window, left)
    lean, plain = Window(rate, 1000.0), PlainWindow(rate, 1000.0)
    for order, (sent, at, answered) in sorted(enumerate(events), key=lambda item: item[1][2]):
        window, left = counted[order]
        if left < 0:
            continue
        rest = (window + 1) * seconds + begin - at
        reading = Reading(seconds, count, left, float(math.ceil(rest)) if told_reset else None)
        assert lean.learn(reading, sent, answered, 0) == plain.learn(reading, sent, answered, 0)
        assert lean.phase.known == plain.phase.known
        if lean.phase.known:
            # What is left out is worth milliseconds, and stays within them.
            drift = 2 * DRIFT * (answered - 1000.0)
            assert lean.phase.uncertainty <= plain.phase.uncertainty + 0.02 + drift
            promised = lean.phase.boundary_after(answered)
            boundary = begin + math.ceil((answered - begin) / seconds) * seconds
            assert any(answered < boundary + k * seconds <= promised for k in range(-1, 3))


@given(
    st.lists(st.tuples(st.floats(0, 20), st.floats(0, 1)), min_size=1, max_size=20),
    st.lists(st.floats(0, 40), min_size=1, max_size=40),
)
def test_a_boundary_that_was_kept_is_the_one_worked_out_anew(evidence, moments) -> None:
    phase, plain = Phase(7), PlainPhase(7)
    for moment in moments:
        for at, length in evidence[:1]:
            phase.learn(at, at + length, moment)
            plain.learn(at, at + length, moment)
        if phase.known and plain.known:
            assert phase.boundary_after(moment) == plain.boundary_after(moment)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("pass"), st.floats(0, 3)),
            st.tuples(st.just("answered"), st.floats(0, 0.1)),
            st.tuples(st.just("lost"), st.floats(0, 0.1)),
            st.tuples(st.just("learn"), st.floats(0, 0.3)),
            st.tuples(st.just("forget"), st.just(0.0)),
        ),
        max_size=60,
    )
)
def test_the_next_release_that_was_kept_is_right(steps) -> None:
    window = Window(Rate("1000/m"), 0.0)
    now = 100.0
    answered: list[float] = []
    for what, amount in steps:
        now += amount
        if what == "answered":
            window.spend(now)
            answered.append(now)
        elif what == "lost":
            window.spend(now + 5)
            answered.append(now + 5)
        elif what == "learn":
            window._learn_boundary(now - amount, now, now)
        elif what == "forget":
            window.lose_phase()
        else:
            now += 10 * amount
        # A token that came back stays back; each of the others is spent for as long as its release is due.
        left = window.left(now, 0)
        answered = [moment for moment in answered if window.release(moment) > now]
        assert left == 1000 - len(answered)
