"""Which outcomes of an attempt are retried, and after how long. Decisions only: nothing here sleeps or sends."""

from __future__ import annotations

import math
import random
import time
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from klaviyo_async.errors import TransportError

NOT_TAKEN = frozenset({429, 503})
"""The server did not process the request: any operation may be sent again."""
FATE_UNKNOWN = frozenset({500, 502, 504, *range(520, 525)})
"""The server may have processed it: only operations that are safe to repeat are sent again."""

BASE = 0.5
"""Upper bound of the first backoff in seconds; doubled with each attempt."""
CAP = 30.0
"""Upper bound of every backoff in seconds."""
PATIENCE = 600.0
"""Without `max_wait`, a longer `Retry-After` than this comes from a daily limit: it is reported, not slept through."""


def again_after_status(status: int, *, safe: bool) -> bool:
    """Whether a response with this status is worth another attempt."""
    return status in NOT_TAKEN or (safe and status in FATE_UNKNOWN)


def leaves_fate_unknown(status: int) -> bool:
    """Whether a response with this status leaves open if the request was processed."""
    return status in FATE_UNKNOWN


def again_after_failure(failure: TransportError, *, safe: bool) -> bool:
    """Whether to retry an attempt without a response: if the request was never sent, or if repeating it is safe."""
    return not failure.permanent and (safe or failure.sent is False)


def backoff(attempt: int, *, uniform: Callable[[float, float], float] = random.uniform) -> float:
    """Seconds to wait after that attempt (1 for the first), with full jitter so that clients don't all retry together."""
    # The exponent is bounded because 2.0 ** 2000 is an OverflowError.
    return uniform(0.0, min(CAP, BASE * 2.0 ** min(attempt - 1, 16)))


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds that `Retry-After` asks for, given as seconds or as an HTTP date; None if it is missing or invalid.

    A date is compared with the response's own `Date`, because the server's clock may differ from ours; without one, with `now`
    (a POSIX timestamp, by default the current time).
    """
    text = _header(headers, "Retry-After")
    try:
        seconds = float(text)
    except ValueError:
        until = _timestamp(text)
        if until is None:
            return None
        sent = _timestamp(_header(headers, "Date"))
        if sent is None:
            sent = time.time() if now is None else now
        seconds = until - sent
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _header(headers: Mapping[str, str], name: str) -> str:
    return (headers.get(name) or headers.get(name.lower()) or "").strip()


def _timestamp(text: str) -> float | None:
    """The POSIX timestamp of an HTTP date; None for anything else."""
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if date.tzinfo is None:  # "-0000" says: UTC, of unknown local zone
        date = date.replace(tzinfo=UTC)
    try:
        return date.timestamp()
    except (ValueError, OverflowError):
        return None


@frozen
class Pause:
    """How long to wait before the next attempt."""

    seconds: float
    asked: bool
    """Whether the server requested it (`Retry-After`)."""


def pause(attempt: int, asked: float | None, *, uniform: Callable[[float, float], float] = random.uniform) -> Pause:
    """The wait before the next attempt; never shorter than the server asked for."""
    jitter = backoff(attempt, uniform=uniform)
    if not asked:
        return Pause(jitter, asked=False)
    # A little extra, so that clients with the same Retry-After don't all return at the same instant.
    return Pause(asked + min(jitter, 0.25), asked=True)
