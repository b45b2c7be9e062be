"""What a response's headers say about the limits, parsed defensively: what can't be understood is ignored."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from attrs import define, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

DAY = 86400
_LONGEST = 200
"""Maximum length of a header that is parsed."""


@frozen(eq=False)
class Policy:
    """``RateLimit-Limit: "75, 75;w=1, 750;w=60"``: the limit that is reported on, then all limits with their windows."""

    reported: int | None
    """The first number: the limit that `RateLimit-Remaining` and `RateLimit-Reset` refer to."""
    counts: tuple[tuple[int, int], ...]
    """(window in seconds, requests) of each limit that applies."""
    daily: int | None
    """The daily limit, if there is one."""


@define  # not frozen: one is created per response, and that would take twice as long
class Reading:
    """One window's state at the time when the server counted the request."""

    seconds: int
    """Length of the window."""
    count: int
    """Its limit, according to the server."""
    remaining: int | None
    reset: float | None
    """Seconds until the window ends, rounded in an unknown way: accurate within 1 either way."""


def read(headers: Mapping[str, str]) -> tuple[Policy, tuple[Reading, ...]] | None:
    """The policy in the headers and what they say about its windows; None if they have none."""
    # No helper functions for these: called for each response, they would be a third of the cost of learning from it.
    get = headers.get
    limit = get("RateLimit-Limit") or get("ratelimit-limit")
    if limit is None or len(limit) > _LONGEST:
        return None
    reset_text = get("RateLimit-Reset") or get("ratelimit-reset")
    policy, reset, windows = _reported(limit, reset_text if reset_text is None else reset_text[:_LONGEST])
    if policy is None:
        return None
    remaining = _count(get("RateLimit-Remaining") or get("ratelimit-remaining"))
    if policy.daily is None and len(windows) == 1 and remaining is not None and remaining <= windows[0][1]:
        # Nearly every response: half the cost of the general path.
        seconds, count = windows[0]
        return policy, (Reading(seconds, count, remaining, reset),)
    found: list[Reading] = []
    fitting = [window for window in windows if remaining is None or remaining <= window[1]]
    if len(fitting) == 1 and (remaining is not None or reset is not None):
        found.append(Reading(*fitting[0], remaining, reset))
    daily = policy.daily
    if daily is not None and not any(reading.seconds == DAY for reading in found):
        remaining = _count(find(headers, "RateLimit-Remaining-Daily", "ratelimit-remaining-daily"))
        reset = _seconds(find(headers, "RateLimit-Reset-Daily", "ratelimit-reset-daily"))
        if (remaining is not None and remaining <= daily) or (reset is not None and reset <= DAY + 1):
            found.append(Reading(DAY, daily, remaining if remaining is None or remaining <= daily else None, reset))
    return policy, tuple(found)


@lru_cache(maxsize=256)
def parse_policy(text: str) -> Policy | None:
    """The policy in a `RateLimit-Limit` header; None if it has no limit with a window."""
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
    return Policy(reported, tuple(sorted(counts.items())), counts.get(DAY)) if counts else None


@lru_cache(maxsize=4096)
def _reported(limit: str, reset_text: str | None) -> tuple[Policy | None, float | None, tuple[tuple[int, int], ...]]:
    """The policy, the seconds in `RateLimit-Reset`, and the windows (seconds, count) that both may refer to.

    Cached, because responses repeat themselves, except for `remaining`, which rarely repeats on a busy account.
    """
    policy = parse_policy(limit)
    reset = _seconds(reset_text)
    fitting = policy.counts if policy is not None else ()
    reported = policy.reported if policy is not None else None
    return (
        policy,
        reset,
        tuple(
            (seconds, count)
            for seconds, count in fitting
            if count == reported and (reset is None or reset <= seconds + 1)
        ),
    )


def find(headers: Mapping[str, str], name: str, lower: str) -> str | None:
    """A header's value; for plain mappings also under its lower-case name."""
    value = headers.get(name) or headers.get(lower)
    # Anything longer than these headers isn't worth parsing, and would fill the cache.
    return value if value is None or len(value) <= _LONGEST else None


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
