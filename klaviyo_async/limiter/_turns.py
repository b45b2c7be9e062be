"""Whose turn it is: which of the calls waiting for a bucket goes next.

The order is that of arrival, interactive before bulk, with one bulk call in ten while both wait. The first call in this order that
finds a token in each bucket it needs goes. One that lacks a token elsewhere is passed over, and keeps its place.

Passed over again and again it would starve, if others use up each of its buckets in turn. So a token may be *held back* for it: no
call takes a token from a bucket if an earlier call, once its missing token has become available elsewhere, would then find none here.
If this bucket's tokens are returned in time nothing is held back, nor if the missing token is due later than a new one here.

A parameter's token is held back for one call at most: there the missing token, of a busy operation, often arrives later than expected,
and the parameter is the scarcer of the two. Holding back needs no bookkeeping and can't deadlock: it is computed each time from
the times at which tokens are due, and the oldest call of all is never held up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from klaviyo_async.limiter._queue import BULK, INTERACTIVE

if TYPE_CHECKING:
    from klaviyo_async.limiter._bucket import Bucket
    from klaviyo_async.limiter._queue import Queue, Waiter
    from klaviyo_async.limiter._window import Window

_LOOK = 64
"""Calls that are checked beyond those for which there are enough tokens."""
BULK_SHARE = 10
"""One call in this many is a bulk call while interactive ones keep arriving."""


class Turn(NamedTuple):
    """Which call goes next at a bucket."""

    waiter: Waiter | None
    held: bool
    """Whether a call could go if no tokens were held back for others: then it is worth checking again soon."""


def next_turn(bucket: Bucket, now: float) -> Turn:
    """Whose turn it is among the calls waiting for `bucket`, which has room."""
    held = False
    for waiter in _in_order(bucket):
        buckets = waiter.queue.buckets
        if any(other is not bucket and other.room(now) < 1 for other in buckets):
            continue
        if any(len(other.queues) > 1 and _is_held_against(waiter, other, now) for other in buckets):
            held = True
            continue
        return Turn(waiter, held)
    return Turn(None, held)


def _in_order(bucket: Bucket) -> list[Waiter]:
    """The first of each queue and lane, in the order in which they may go."""
    lanes = _lanes(bucket)
    first = [[waiter for queue in bucket.queues if (waiter := queue.first(lane)) is not None] for lane in lanes]
    for waiters in first:
        if len(waiters) > 1:
            waiters.sort(key=_number)
    return first[0] + first[1]


def _number(waiter: Waiter) -> int:
    return waiter.number


def _lanes(bucket: Bucket) -> tuple[int, int]:
    return (BULK, INTERACTIVE) if bucket.interactive_run >= BULK_SHARE - 1 else (INTERACTIVE, BULK)


def _is_held_against(waiter: Waiter, bucket: Bucket, now: float) -> bool:
    """Whether `waiter` must leave the token in `bucket` to an earlier call."""
    others: list[Queue] = [queue for queue in bucket.queues if queue is not waiter.queue and len(queue.buckets) > 1]
    if not others:
        return False
    lanes = _lanes(bucket)
    for window in bucket.windows:
        left = window.left(now, bucket.in_flight)
        for queue in others:
            # As many as there are tokens without it are served anyway.
            if left <= (queue.length if bucket.is_operation else 1):
                ahead = _ahead(queue, waiter, lanes, left + _LOOK if bucket.is_operation else 1)
                if ahead >= left and _would_be_late(queue, range(left, ahead + 1), bucket, window, now):
                    return True
    return False


def _would_be_late(queue: Queue, places: range, bucket: Bucket, window: Window, now: float) -> bool:
    """Whether one of the calls at these places of `queue` would find no token in `window` if there were one less.

    The first place is the one that would need the token itself, the second needs the next one returned, and so on.
    """
    lacking = [other for other in queue.buckets if other is not bucket]
    step = 1
    place = places[0]
    while True:
        # The calls waiting for the missing tokens are assumed to go in turns, one from each queue.
        due = max([now + other.wait_for(place * max(1, len(other.queues)), now) for other in lacking])
        if due >= now + window.span:
            return False
        if window.comes_back(place - places[0], now) > due:
            return True
        if place == places[-1]:
            return False
        place = min(place + step, places[-1])  # with growing distance: the due time changes little from one to the next
        step *= 2


def _ahead(queue: Queue, waiter: Waiter, lanes: tuple[int, int], at_most: int) -> int:
    """How many calls of `queue` are ahead of `waiter`; counted up to `at_most`."""
    count = 0
    for lane in lanes:
        for other in queue.lanes[lane].values():
            if count >= at_most or (lane == waiter.lane and other.number > waiter.number):
                return count
            count += 1
        if lane == waiter.lane:
            break
    return count
