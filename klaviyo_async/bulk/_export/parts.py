"""Parts of a range of time, and where to split them. Nothing here sends or waits.

A part is read upwards in time, page by page, so its upper end may be lowered at any moment to a time that its reader has
not come to: the rest becomes parts of their own. The reader of the shortened part stops by itself when it meets a record
at or past the end, so splitting costs no request but the last, partly used page of each part.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable

SECOND = timedelta(seconds=1)
# A part that would not fill this many pages is not split off: its last page is half empty on average.
_WORTH = 1.25
# How far the density of a page is taken to go on, in spans of that page: a second with a thousand records says little of the year.
_FAR = 16


@define(eq=False, kw_only=True)
class Part:
    """A half-open range of time, and how far it was read."""

    number: int
    lower: datetime | None
    """First time that belongs to it; None for no limit."""
    upper: datetime | None
    """First time past it; None for no limit. Lowered when a part is split off."""
    read: datetime | None = None
    """Time of the last record read."""
    edge: set[str] = field(factory=set)
    """Ids of the records read whose time is `read`."""
    next: str | None = None
    """Target of the next page; None before the first page."""
    pages: int = 0
    """Pages read in this run."""
    recent: set[str] = field(factory=set)
    """Ids of the last page: a server whose cursor is a position shows some of them again while records are added."""
    records: int = 0
    """Records read in this run."""
    start: datetime | None = None
    """Where this run began to read it, as far as known."""
    dense: float = 0.0
    """Records a second, as its last page showed; before its first page, as the part did that it was split from."""
    span: float = math.inf
    """Seconds that the last page covered."""


@frozen(kw_only=True)
class Position:
    """How far a part was handed out: where it goes on after a crash."""

    read: datetime | None
    edge: tuple[str, ...] | None
    """Ids at `read`; None where they are too many."""
    next: str | None
    finished: bool


def seconds(span: timedelta) -> float:
    """The length of a span, never negative."""
    return max(0.0, span.total_seconds())


def whole(time: datetime) -> datetime:
    """The first whole second at or after a time, in UTC. Times are split at whole seconds: Klaviyo shows some times without
    their fraction, and a whole second has the same records before it either way."""
    time = time.astimezone(UTC)
    return time if not time.microsecond else time.replace(microsecond=0) + SECOND


def cut(start: datetime, end: datetime, pieces: int) -> list[datetime]:
    """Times that cut a range into at most so many equal pieces: whole seconds after `start` and before `end`, ascending."""
    step = (end - start) / max(1, pieces)
    found: list[datetime] = []
    for index in range(1, pieces):
        time = whole(start + step * index)
        if start < time < end and (not found or time > found[-1]):
            found.append(time)
    return found


class Splitter:
    """Decides which parts to split. `horizon` is where records are expected to end in a part without an upper end."""

    def __init__(self, page_size: int, horizon: datetime) -> None:
        self.page_size = page_size
        self.horizon = horizon

    def end(self, part: Part) -> datetime:
        """Where a part ends, as far as one can tell."""
        if part.upper is not None:
            return part.upper
        if part.read is not None and part.read >= self.horizon:
            # Records go on past the horizon: it lies as far again as they came.
            start = part.lower or part.read
            return part.read + max(part.read - start, timedelta(days=1))
        return self.horizon

    def remaining(self, part: Part) -> float:
        """About how many records of a part are not read yet: for a while as many as on its last page, then as in all of it."""
        start = part.read or part.lower
        if start is None:
            return 0.0
        left = seconds(self.end(part) - start)
        near = min(left, _FAR * part.span)
        overall = part.dense
        if part.read is not None and part.start is not None and part.records:
            overall = part.records / max(1.0, seconds(part.read - part.start))
        return part.dense * near + overall * (left - near)

    def observe(self, part: Part, first: datetime, last: datetime, records: int) -> None:
        """Note what a page showed: so many records from the last place to `last`."""
        start = part.read or part.lower or first
        if part.start is None:
            part.start = start
        part.pages += 1
        part.records += records
        part.span = max(1.0, seconds(last - start))
        part.dense = records / part.span

    def first_cuts(self, part: Part, most: int) -> list[datetime]:
        """Where to cut a range of which one page is known, and not the last: into more pieces the fuller it seems.

        The first page tells little of what comes a year later, so even a range that seems nearly empty is cut once.
        """
        if part.read is None:
            return []
        seems = self.remaining(part) / self.page_size
        pieces = int(min(most, max(2.0, 2.0 * seems)))
        return cut(part.read, self.end(part), pieces)

    def cuts(self, parts: Iterable[Part], idle: int) -> list[tuple[Part, list[datetime]]]:
        """Which parts to cut, and where, so that so many idle readers have work.

        Only parts that a page was read of are cut: of the others nothing is known. What remains is aimed to be spread evenly.
        """
        parts = list(parts)
        total = sum(map(self.remaining, parts))
        fair = max(_WORTH * self.page_size, total / max(1, len(parts) + idle))
        found: list[tuple[Part, list[datetime]]] = []
        for part in sorted((part for part in parts if part.pages and part.read), key=self.remaining, reverse=True):
            pieces = min(math.floor(self.remaining(part) / fair), idle + 1)
            if idle <= 0 or pieces < 2:
                break
            times = cut(part.read or self.horizon, self.end(part), pieces)
            if times:
                found.append((part, times))
                idle -= len(times)
        return found
