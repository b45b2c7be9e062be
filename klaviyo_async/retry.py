"""Which outcome of an attempt is tried again, and after how long. Decisions only: nothing here sleeps or sends."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from klaviyo_async.record import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from klaviyo_async.errors import TransportError

NOT_TAKEN = frozenset({429, 503})
"""The server did not carry the request out: any operation may be sent again."""
FATE_UNKNOWN = frozenset({504, 524})
"""The server may have carried it out: only operations that are safe to repeat are sent again."""

BASE = 0.5
"""Seconds that the first backoff may last; doubled from attempt to attempt."""
CAP = 30.0
"""Seconds that no backoff exceeds."""
PATIENCE = 600.0
"""Without `max_wait`, a longer `Retry-After` than this comes from a daily limit: it is reported, not slept through."""


def again_after_status(status: int, *, safe: bool) -> bool:
    """Whether an answer of this status is worth another attempt."""
    return status in NOT_TAKEN or (safe and status in FATE_UNKNOWN)


def again_after_failure(failure: TransportError, *, safe: bool) -> bool:
    """Whether an attempt that got no answer is worth another: always where it never left, else where it is safe."""
    return safe or failure.sent is False


def backoff(attempt: int, *, uniform: Callable[[float, float], float] = random.uniform) -> float:
    """Seconds to wait after that attempt (1 for the first): full jitter, so that many clients don't come back at once."""
    # The exponent is bounded because 2.0 ** 2000 is an OverflowError.
    return uniform(0.0, min(CAP, BASE * 2.0 ** min(attempt - 1, 16)))


def retry_after(headers: Mapping[str, str], *, now: Callable[[], datetime] | None = None) -> float | None:
    """Seconds that ``Retry-After`` asks for, given as seconds or as a date; None where it is missing or makes no sense."""
    text = (headers.get("Retry-After") or "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            date = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        if date.tzinfo is None:  # "-0000" says: UTC, of unknown local zone
            date = date.replace(tzinfo=UTC)
        seconds = (date - (now() if now else datetime.now(UTC))).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None


@frozen
class Pause:
    """How long to wait before the next attempt."""

    seconds: float
    asked: bool
    """Whether the server asked for it (`Retry-After`)."""


def pause(attempt: int, asked: float | None, *, uniform: Callable[[float, float], float] = random.uniform) -> Pause:
    """The wait before the attempt after this one; never shorter than the server asked for."""
    jitter = backoff(attempt, uniform=uniform)
    if not asked:
        return Pause(jitter, asked=False)
    # A little on top, so that all who were told the same don't come at the same instant.
    return Pause(asked + min(jitter, 0.25), asked=True)
