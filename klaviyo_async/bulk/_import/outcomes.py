"""Rows that did not succeed, as lists that stay on disk: the first thousand are at hand, the rest is read when it is asked for."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from klaviyo_async.bulk.report import RowError, UnknownRow
from klaviyo_async.errors import CheckpointError, Problem

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Outcomes", "Store"]

T = TypeVar("T")

HEAD = 1000
_PAGE = 1000
_COLUMNS = "row, id, state, code, detail, pointer, problems, resent"
_FAILED = "state IN ('failed', 'unsent')"
_UNKNOWN = "state = 'unknown'"


class Store:
    """Where the outcomes are: a checkpoint, or a temporary database."""

    def __init__(self, path: Path | None, database: sqlite3.Connection | None, owner: object) -> None:
        self._path = path
        self._database = database
        self._owner = owner if path is None else None
        # Keeps a temporary database alive for as long as somebody may read it.

    def errors(self, database: sqlite3.Connection) -> Outcomes[RowError]:
        """The rows that did not get through. Read through `database` while the run has it open."""
        return self._outcomes(database, _FAILED, _error)

    def unknown(self, database: sqlite3.Connection) -> Outcomes[UnknownRow]:
        """The rows of unknown fate."""
        return self._outcomes(database, _UNKNOWN, _unknown)

    def _outcomes(self, database: sqlite3.Connection, which: str, make: Callable[[Sequence[Any]], T]) -> Outcomes[T]:
        (count,) = database.execute(f"SELECT count(*) FROM outcome WHERE {which}").fetchone()  # noqa: S608 - ours
        head = [make(found) for found in _select(database, which, -1, HEAD)]
        return Outcomes(self, which, make, count, head)

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection to read with."""
        if self._database is not None:
            yield self._database
            return
        assert self._path is not None  # noqa: S101 - for the type checkers: it is one of the two
        try:
            database = sqlite3.connect(f"{self._path.resolve().as_uri()}?mode=ro", uri=True, timeout=5)
            try:
                yield database
            finally:
                database.close()
        except sqlite3.Error as error:
            raise CheckpointError(
                f"{self._path} has the rest of the report, but can't be read: {error}. Keep the file until the report has been read."
            ) from None

    def texts(self, states: Sequence[str]) -> Iterator[bytes]:
        """The rows in these states that have a form in JSON, in the order of the source."""
        marks = ", ".join("?" * len(states))
        with self.reading() as database:
            found = database.execute(
                f"SELECT text FROM outcome WHERE text IS NOT NULL AND state IN ({marks}) ORDER BY row",  # noqa: S608 - ours
                tuple(states),
            )
            for (text,) in found:
                yield bytes(text)


class Outcomes(Sequence[T], Generic[T]):
    """Outcomes of one kind, by row."""

    def __init__(
        self, store: Store | None, which: str, make: Callable[[Sequence[Any]], T], count: int, head: list[T]
    ) -> None:
        self.store = store
        self._which = which
        self._make = make
        self._count = count
        self._head = head

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[T]:
        yield from self._head
        at = self._head[-1].row if self._head else -1  # type: ignore[attr-defined]
        for start in range(len(self._head), self._count, _PAGE):
            page = self._after(at, min(_PAGE, self._count - start))
            if not page:
                return
            yield from page
            at = page[-1].row  # type: ignore[attr-defined]

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        wanted = range(self._count)[index]
        if isinstance(wanted, int):
            if wanted < len(self._head):
                return self._head[wanted]
            return self._page(wanted, 1)[0]
        if not wanted or max(wanted) < len(self._head):
            return [self._head[each] for each in wanted]
        low = min(wanted)
        found = self._page(low, max(wanted) - low + 1)
        return [found[each - low] for each in wanted]

    def _after(self, row: int, count: int) -> list[T]:
        assert self.store is not None  # noqa: S101 - for the type checkers: only whole lists have none
        with self.store.reading() as database:
            return [self._make(found) for found in _select(database, self._which, row, count)]

    def _page(self, offset: int, count: int) -> list[T]:
        assert self.store is not None  # noqa: S101 - as above
        with self.store.reading() as database:
            rows = database.execute(
                f"SELECT {_COLUMNS} FROM outcome WHERE {self._which} ORDER BY row LIMIT ? OFFSET ?",  # noqa: S608 - ours
                (count, offset),
            )
            return [self._make(found) for found in rows]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(ours == theirs for ours, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{self._count} rows>"

    def __reduce__(self) -> tuple[Any, ...]:
        # It leaves the machine, or outlives the file: all of it goes along.
        return tuple, (tuple(self),)


def _select(database: sqlite3.Connection, which: str, after: int, count: int) -> list[Any]:
    return database.execute(
        f"SELECT {_COLUMNS} FROM outcome WHERE {which} AND row > ? ORDER BY row LIMIT ?",  # noqa: S608 - ours
        (after, count),
    ).fetchall()


def _error(found: Sequence[Any]) -> RowError:
    row, id_, state, code, detail, pointer, problems, _ = found
    listed = tuple(Problem(*each) for each in json.loads(problems)) if problems else ()
    return RowError(row=row, id=id_, state=state, code=code, detail=detail, pointer=pointer, problems=listed)


def _unknown(found: Sequence[Any]) -> UnknownRow:
    return UnknownRow(row=found[0], id=found[1], detail=found[4] or "", resent=bool(found[7]))
