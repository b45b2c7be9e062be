"""Rows about the same thing go one after the other: a later one waits until the earlier one is settled."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from klaviyo_async.bulk._import.rows import Row

__all__ = ["Order"]

MOST_ROWS = 10_000
MOST_BYTES = 8_000_000
"""What may wait before no more is read."""


class Order:
    """Knows what is on its way, and holds back what would overtake it."""

    def __init__(self) -> None:
        self.held = 0
        """How many rows have been held back so far."""
        self._busy: set[int] = set()
        self._later: list[Row] = []
        self._later_keys: Counter[int] = Counter()
        self._later_bytes = 0
        self._released = False

    def admitted(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Those of the rows that may go now; the others are kept, and come out of `ready` in their turn."""
        if not self._later:
            keys = [key for row in rows for key in row.keys]
            unique = set(keys)
            if len(unique) == len(keys) and self._busy.isdisjoint(unique):
                self._busy |= unique
                return rows
        admitted = [row for row in rows if self._goes(row)]
        self.held += len(rows) - len(admitted)
        return admitted

    def _goes(self, row: Row) -> bool:
        keys = row.keys
        if not keys:
            return True
        if self._busy.isdisjoint(keys) and (not self._later or not any(key in self._later_keys for key in keys)):
            self._busy.update(keys)
            return True
        self._later.append(row)
        self._later_keys.update(keys)
        self._later_bytes += len(row.text)
        return False

    def claim(self, keys: Iterable[int]) -> None:
        """What these keys stand for is on its way already."""
        self._busy.update(keys)

    def release(self, keys: Iterable[int]) -> None:
        """What these keys stand for is settled."""
        self._busy.difference_update(keys)
        self._released = True

    def ready(self) -> list[Row]:
        """The rows that may go now, in the order of the source."""
        if not self._released or not self._later:
            return []
        self._released = False
        rows = self._later
        self._later, self._later_keys, self._later_bytes = [], Counter(), 0
        return [row for row in rows if self._goes(row)]

    @property
    def waiting(self) -> int:
        """How many rows are held back right now."""
        return len(self._later)

    @property
    def full(self) -> bool:
        """Whether so much waits that no more should be read."""
        return len(self._later) >= MOST_ROWS or self._later_bytes >= MOST_BYTES
