"""Whose turn it is: which of the calls that wait for a bucket goes next.

The order is that of arrival, interactive before bulk, with one bulk call in ten while both wait. The first in this order that has
a token in each bucket it needs goes. One that lacks a token elsewhere is passed over, and keeps its place.

Passed over again and again it would starve, where others use up each of its buckets in turn. So a token may be *held* for it: nobody
takes a token of a bucket where an earlier call, once its missing token has come elsewhere, would then find none here. Where this
bucket's tokens come back in time nothing is held; where the missing token comes later than a new one here, neither.

A parameter's token is held for one call at most: there the missing token, of a busy operation, often comes later than expected, and
the parameter is the scarcer of the two. Holding needs no bookkeeping and can't deadlock: it is worked out anew each time, from
the times at which tokens are due, and the call that came first of all is held up by nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from klaviyo_async.limiter._queue import BULK, INTERACTIVE

if TYPE_CHECKING:
    from klaviyo_async.limiter._bucket import Bucket
    from klaviyo_async.limiter._queue import Queue, Waiter
    from klaviyo_async.limiter._window import Window

_LOOK = 64
"""Calls that are looked at beyond those that the tokens there are enough for."""
BULK_SHARE = 10
"""One call in so many is a bulk call while interactive ones keep coming."""


class Turn(NamedTuple):
    """Who goes next at a bucket."""

    waiter: Waiter | None
    held: bool
    """Whether somebody could go but for tokens that are held for others: then it is worth another look soon."""


def next_turn(bucket: Bucket, now: float) -> Turn:
    """Whose turn it is among those who wait for `bucket`, which has room."""
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
    """Whether `waiter` must leave the token that `bucket` has to a call that came before it."""
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
    """Whether one of the calls at these places of `queue` would find no token in `window`, were one token less there.

    The first place is the one that would need the token itself, the second needs the next that comes back, and so on.
    """
    lacking = [other for other in queue.buckets if other is not bucket]
    step = 1
    place = places[0]
    while True:
        # The calls that wait for the missing tokens are taken to go in turns, one of each queue.
        due = max([now + other.wait_for(place * max(1, len(other.queues)), now) for other in lacking])
        if due >= now + window.span:
            return False
        if window.comes_back(place - places[0], now) > due:
            return True
        if place == places[-1]:
            return False
        place = min(place + step, places[-1])  # ever further apart: what is due changes little from one to the next
        step *= 2


def _ahead(queue: Queue, waiter: Waiter, lanes: tuple[int, int], at_most: int) -> int:
    """How many calls of `queue` come before `waiter`; counted up to `at_most`."""
    count = 0
    for lane in lanes:
        for other in queue.lanes[lane].values():
            if count >= at_most or (lane == waiter.lane and other.number > waiter.number):
                return count
            count += 1
        if lane == waiter.lane:
            break
    return count
