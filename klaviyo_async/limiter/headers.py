"""What an answer's headers say of the limits, read defensively: what can't be understood says nothing."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from klaviyo_async.record import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

DAY = 86400


@frozen
class Policy:
    """``RateLimit-Limit: "75, 75;w=1, 750;w=60"``: the limit that is reported on, then every limit with its window."""

    reported: int | None
    """The first number: the limit that `RateLimit-Remaining` and `RateLimit-Reset` are about."""
    counts: tuple[tuple[int, int], ...]
    """(window in seconds, requests) of each limit that applies."""


@frozen
class Reading:
    """One window's state at the moment when the server counted the request."""

    seconds: int
    """Length of the window."""
    count: int
    """Its limit, as the server has it."""
    remaining: int | None
    reset: float | None
    """Seconds until the window ends, rounded in a way we don't know: true within 1 either way."""


@lru_cache(maxsize=256)
def parse_policy(text: str) -> Policy | None:
    """The policy in a `RateLimit-Limit` header; None where it has no limit with a window."""
    reported: int | None = None
    counts: dict[int, int] = {}
    for number, item in enumerate(text.split(",")):
        count_text, *parameters = (part.strip() for part in item.split(";"))
        count = _count(count_text)
        if count is None:
            continue
        windows = [
            _count(value) for name, _, value in (part.partition("=") for part in parameters) if name.strip() == "w"
        ]
        if number == 0 and not windows:
            reported = count
        elif windows and windows[0]:
            counts[windows[0]] = count
    return Policy(reported, tuple(sorted(counts.items()))) if counts else None


def readings(policy: Policy, headers: Mapping[str, str]) -> tuple[Reading, ...]:
    """What the headers say, each attributed to the one window that it can be about; what is ambiguous is left out."""
    found: list[Reading] = []
    remaining = _count(find(headers, "RateLimit-Remaining"))
    reset = _seconds(find(headers, "RateLimit-Reset"))
    fitting = [
        (seconds, count)
        for seconds, count in policy.counts
        if count == policy.reported
        and (reset is None or reset <= seconds + 1)
        and (remaining is None or remaining <= count)
    ]
    if len(fitting) == 1 and (remaining is not None or reset is not None):
        found.append(Reading(*fitting[0], remaining, reset))
    daily = dict(policy.counts).get(DAY)
    if daily is not None and not any(reading.seconds == DAY for reading in found):
        remaining = _count(find(headers, "RateLimit-Remaining-Daily"))
        reset = _seconds(find(headers, "RateLimit-Reset-Daily"))
        if (remaining is not None and remaining <= daily) or (reset is not None and reset <= DAY + 1):
            found.append(Reading(DAY, daily, remaining if remaining is None or remaining <= daily else None, reset))
    return tuple(found)


def find(headers: Mapping[str, str], name: str) -> str | None:
    """A header's value, however it is written: as the name is, in lower case, or (for plain mappings) in any case."""
    value = headers.get(name)
    if value is None:
        value = headers.get(name.lower())
    return value


def retry_after(headers: Mapping[str, str], wall: float) -> float | None:
    """Seconds to wait by `Retry-After`, given in seconds or as an HTTP date; None where it is absent or unreadable.

    `wall` is the time of day as a POSIX timestamp, for dates; the answer's own `Date` is taken before it.
    """
    text = find(headers, "Retry-After")
    if text is None:
        return None
    seconds = _seconds(text)
    if seconds is not None:
        return seconds
    when = _date(text)
    if when is None:
        return None
    return max(0.0, when - (_date(find(headers, "Date") or "") or wall))


def _date(text: str) -> float | None:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - heavy, and hardly ever needed

    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _count(text: str | None) -> int | None:
    if text is None:
        return None
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else None


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < 1e9 else None
