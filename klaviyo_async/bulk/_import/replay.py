"""Going on where an earlier run stopped: the source is read again from its beginning, and must be the same."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from klaviyo_async.bulk._import.ledger import Mark
from klaviyo_async.bulk._import.rows import Row
from klaviyo_async.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from klaviyo_async.bulk._import.rows import Unsendable

__all__ = ["Replay"]


class Replay:
    """Follows the reading of the source: knows what is done already, and whether it is the source that it was."""

    def __init__(self, mark: Mark | None, spans: Sequence[tuple[int, int]]) -> None:
        self._mark = mark
        self._spans = list(reversed(spans))
        self._digest = hashlib.sha256()
        self._held: list[Row] = []
        self.position = 0
        """How many rows were read."""

    def mark(self) -> Mark:
        """Where the reading is, to be kept with what is sent next."""
        return Mark(self.position, self._digest.digest())

    @property
    def going_over(self) -> bool:
        """Whether it still reads what the earlier run has read: nothing is sent before it is known to be the same."""
        return self._mark is not None

    def news(self, rows: Sequence[Row | Unsendable]) -> Sequence[Row | Unsendable]:
        """Those of the rows read next that are to be sent. Raises `CheckpointError` where they are not the rows that were there."""
        mark = self._mark
        if mark is not None and self.position + len(rows) >= mark.position:
            before = mark.position - self.position
            self._read(rows[:before])
            if self._digest.digest() != mark.digest:
                raise CheckpointError(
                    f"The checkpoint belongs to another source: the first {mark.position:,} rows differ from those it was created with."
                    " To resume, pass the same rows in the same order; for other rows, use another file as checkpoint."
                )
            self._mark = None
            self._read(rows[before:])
            held, self._held = self._held, []
            return [*held, *self._unknown(rows)]
        self._read(rows)
        if mark is not None:
            # What can't be sent anyway is noted at once; there may be any number of such rows.
            news = self._unknown(rows)
            self._held += [row for row in news if isinstance(row, Row)]
            return [row for row in news if not isinstance(row, Row)]
        return rows if not self._spans else self._unknown(rows)

    def end(self) -> None:
        """The source is at its end. Raises `CheckpointError` where the earlier run had read more of it."""
        if self._mark is not None:
            raise CheckpointError(
                f"The checkpoint belongs to another source: that had {self._mark.position:,} rows or more, and this one has"
                f" {self.position:,}. Pass the same rows in the same order, or use another file as checkpoint."
            )

    def _read(self, rows: Sequence[Row | Unsendable]) -> None:
        self.position += len(rows)
        if rows:
            self._digest.update(b"".join([row.text + b"\n" if isinstance(row, Row) else b"!\n" for row in rows]))

    def _unknown(self, rows: Sequence[Row | Unsendable]) -> list[Row | Unsendable]:
        """Those that are in no batch yet."""
        spans, news = self._spans, []
        for row in rows:
            while spans and spans[-1][1] <= row.number:
                spans.pop()
            if not spans or row.number < spans[-1][0]:
                news.append(row)
        return news
