"""What is known about every row, on disk: the only place where the state of a row changes.

A batch is *pending* until its request is about to be sent, *sending* while it is in flight, a *job* once Klaviyo has accepted
it and is processing it, and *done* when the outcome of each of its rows is known. Rows that did not succeed have an outcome:
failed, unsent or unknown. Each step is one transaction, and those that sent data depends on are on disk before it continues.

Without a checkpoint the same tables live in a temporary database of SQLite's own, which keeps memory flat.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import weakref
from array import array
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from attrs import field, frozen
from attrs.converters import optional

from klaviyo_async._did_you_mean import printable
from klaviyo_async.bulk._import.batches import Batch
from klaviyo_async.bulk._import.outcomes import Outcomes, Store
from klaviyo_async.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from os import PathLike
    from types import TracebackType

    from klaviyo_async.bulk._import.rows import Unsendable
    from klaviyo_async.bulk.report import RowError, UnknownRow
    from klaviyo_async.errors import Problem

__all__ = ["Ledger", "Mark", "Outcome"]

T = TypeVar("T")

_APPLICATION = 0x6B6C6162
"""``application_id`` of our files: other programs' databases are left alone."""
_VERSION = 1
_TABLES = """
CREATE TABLE about (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
CREATE TABLE batch (
    id INTEGER PRIMARY KEY, state TEXT NOT NULL, spans BLOB NOT NULL, size INTEGER NOT NULL, body BLOB, ends BLOB, job TEXT,
    resent INTEGER NOT NULL, succeeded INTEGER NOT NULL DEFAULT 0, skipped INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX batch_state ON batch (state) WHERE state != 'done';
CREATE TABLE outcome (
    row INTEGER PRIMARY KEY, state TEXT NOT NULL, id TEXT, code TEXT, detail TEXT, pointer TEXT, problems TEXT,
    resent INTEGER NOT NULL DEFAULT 0, text BLOB
);
"""


@frozen(kw_only=True)
class Outcome:
    """What became of a row that did not simply succeed."""

    row: int
    state: Literal["failed", "unknown"]
    id: str | None = None
    # Klaviyo's words: what isn't printable has no place in a database either.
    code: str | None = field(default=None, converter=optional(printable))
    detail: str | None = field(default=None, converter=optional(printable))
    pointer: str | None = field(default=None, converter=optional(printable))
    resent: bool = False
    text: bytes | None = None


@frozen
class Mark:
    """How far the source was read, and a digest of what was there: it tells another source from the same one."""

    position: int
    digest: bytes


class Ledger:
    """The states of all rows of one job. Use it by ``async with``."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.counts: dict[str, int] = {"succeeded": 0, "skipped": 0, "failed": 0, "unsent": 0, "unknown": 0}
        """Rows by what became of them, unsent ones apart from failed ones."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="klaviyo-ledger")
        self._database: sqlite3.Connection | None = None
        self._next = 1

    # -- life -----------------------------------------------------------------------------------------------------------

    @classmethod
    async def open(cls, checkpoint: str | PathLike[str] | None, about: dict[str, str]) -> Self:
        """The ledger in this file, or a temporary one. `about` says what job it is for.

        Raises `CheckpointError` where the file belongs to another job, is none of ours, or is in use.
        """
        ledger = cls(None if checkpoint is None else Path(checkpoint))
        try:
            await ledger._do(lambda: ledger._open(about))
        except BaseException:
            await ledger.close()
            raise
        return ledger

    async def close(self) -> None:
        """Write what is outstanding and let go of the file. A temporary ledger stays readable for its report."""
        if self.path is not None and self._database is not None:
            database, self._database = self._database, None
            # Whatever ends the run must not leave the file locked.
            await asyncio.shield(self._call(database.close))
        self._thread.shutdown(wait=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _open(self, about: dict[str, str]) -> None:
        path = self.path
        if path is None:
            self._database = database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
            weakref.finalize(self, database.close)
            database.execute("PRAGMA journal_mode = MEMORY")
            database.execute("PRAGMA synchronous = OFF")
            database.executescript(_TABLES)
            return
        try:
            self._database = database = sqlite3.connect(
                path, check_same_thread=False, isolation_level=None, timeout=0.2
            )
            self._open_file(database, about)
        except sqlite3.Error as error:
            if "locked" in str(error):
                raise CheckpointError(f"{path} is in use by another run. Wait until that has finished.") from None
            raise CheckpointError(f"{path} can't be used as a checkpoint: {error}. Use another file.") from None

    def _open_file(self, database: sqlite3.Connection, about: dict[str, str]) -> None:
        (application,) = database.execute("PRAGMA application_id").fetchone()
        (version,) = database.execute("PRAGMA user_version").fetchone()
        (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables and application != _APPLICATION:
            raise CheckpointError(f"{self.path} is another program's database. Use another file as checkpoint.")
        if version > _VERSION:
            raise CheckpointError(
                f"{self.path} was written by a newer klaviyo_async: continue with that version, or use another file."
            )
        # The first lock that is taken is kept until the end, so that two runs can't share a file.
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("BEGIN EXCLUSIVE")
        if not tables:
            for statement in _TABLES.split(";"):
                database.execute(statement)
            database.execute(f"PRAGMA application_id = {_APPLICATION}")
            database.execute(f"PRAGMA user_version = {_VERSION}")
            database.executemany("INSERT INTO about VALUES (?, ?)", about.items())
        database.execute("COMMIT")
        known = {key: str(value) for key, value in database.execute("SELECT key, value FROM about") if key in about}
        for key, value in about.items():
            if known.get(key) != value:
                theirs, ours = _apart(known.get(key, "missing"), value)
                raise CheckpointError(
                    f"{self.path} belongs to another job: its {key} is {theirs}, not {ours}."
                    " Use another file, or delete this one if that job is no longer needed."
                )
        self._settle_what_is_known(database)

    def _settle_what_is_known(self, database: sqlite3.Connection) -> None:
        """Take up where an earlier run stopped. What never left is read from the source again, unsent rows included."""
        with _transaction(database):
            database.execute("DELETE FROM batch WHERE state = 'pending'")
            database.execute("DELETE FROM outcome WHERE state = 'unsent'")
        (self._next,) = database.execute("SELECT coalesce(max(id), 0) + 1 FROM batch").fetchone()
        sums = database.execute("SELECT coalesce(sum(succeeded), 0), coalesce(sum(skipped), 0) FROM batch").fetchone()
        self.counts["succeeded"], self.counts["skipped"] = sums
        for state, count in database.execute("SELECT state, count(*) FROM outcome GROUP BY state"):
            self.counts[state] = count

    # -- what an earlier run left ---------------------------------------------------------------------------------------

    async def mark(self) -> Mark | None:
        """How far an earlier run has read."""
        found = await self._do(
            lambda: dict(self._db.execute("SELECT key, value FROM about WHERE key IN ('position', 'digest')"))
        )
        return Mark(int(found["position"]), bytes(found["digest"])) if found else None

    async def spans(self) -> list[tuple[int, int]]:
        """The rows that are in batches already, as ranges (first, one past the last), in order."""

        def read() -> list[tuple[int, int]]:
            spans = [span for (blob,) in self._db.execute("SELECT spans FROM batch") for span in _spans(blob)]
            merged: list[tuple[int, int]] = []
            for start, stop in sorted(spans):
                if merged and merged[-1][1] == start:
                    merged[-1] = merged[-1][0], stop
                else:
                    merged.append((start, stop))
            return merged

        return await self._do(read)

    async def in_flight(self) -> list[tuple[Batch, str | None]]:
        """The batches that an earlier run left on their way, each with its job; None where its fate is unknown."""

        def read() -> list[tuple[Batch, str | None]]:
            found = self._db.execute(
                "SELECT id, spans, size, job, resent FROM batch WHERE state IN ('sending', 'job') ORDER BY id"
            )
            return [
                (Batch(_numbers(spans), b"", array("Q"), 0, size, id=id_, resent=bool(resent)), job)
                for id_, spans, size, job, resent in found
            ]

        return await self._do(read)

    async def fetch(self, batch: Batch) -> None:
        """Give a batch its body again."""

        def read() -> None:
            found = self._db.execute("SELECT body, ends FROM batch WHERE id = ?", (batch.id,)).fetchone()
            batch.body = found[0]
            batch.ends = array("Q", found[1][8:])
            (batch.first,) = array("Q", found[1][:8])

        await self._do(read)

    # -- the steps of a batch -------------------------------------------------------------------------------------------

    async def pending(self, batches: Sequence[Batch], mark: Mark | None) -> None:
        """Note batches that are to be sent; what was read of the source is noted with them."""

        def write() -> None:
            self._insert(batches)
            if mark is not None:
                self._db.executemany(
                    "INSERT OR REPLACE INTO about VALUES (?, ?)", [("position", mark.position), ("digest", mark.digest)]
                )

        await self._transact(write)

    async def sending(self, batch: Batch) -> None:
        """The request is about to leave. Returns when that is on the disk."""
        await self._transact(
            lambda: self._db.execute(
                "UPDATE batch SET state = 'sending', resent = ? WHERE id = ?", (batch.resent, batch.id)
            )
        )

    async def returned(self, batch: Batch) -> None:
        """The request was not taken; it will be sent again."""
        if batch.resent:
            # It was in flight once: until it is taken its fate stays unknown.
            return
        await self._transact(lambda: self._db.execute("UPDATE batch SET state = 'pending' WHERE id = ?", (batch.id,)))

    async def accepted(self, batch: Batch, job: str) -> None:
        """Klaviyo has taken it, and works on it as this job."""
        await self._transact(
            lambda: self._db.execute("UPDATE batch SET state = 'job', job = ? WHERE id = ?", (job, batch.id))
        )

    async def settled(self, batch: Batch, outcomes: Sequence[Outcome] = (), skipped: int = 0) -> None:
        """The fate of every row is known: those without an outcome have succeeded."""
        succeeded = len(batch) - len(outcomes)

        def write() -> None:
            self._db.execute(
                "UPDATE batch SET state = 'done', body = NULL, ends = NULL, succeeded = ?, skipped = ? WHERE id = ?",
                (succeeded, skipped, batch.id),
            )
            self._note(outcomes)

        await self._transact(write)
        self.counts["succeeded"] += succeeded
        self.counts["skipped"] += skipped
        for outcome in outcomes:
            self.counts[outcome.state] += 1

    async def split(self, batch: Batch, parts: Sequence[Batch], outcomes: Sequence[Outcome]) -> None:
        """It was refused: some rows for good, and the others go on in new batches."""
        refused = array("q", (outcome.row for outcome in outcomes))

        def write() -> None:
            self._db.execute("DELETE FROM batch WHERE id = ?", (batch.id,))
            self._insert(parts)
            if outcomes:
                self._insert([Batch(refused, b"", array("Q"), 0, 0)], state="done")
                self._note(outcomes)

        await self._transact(write)
        for outcome in outcomes:
            self.counts[outcome.state] += 1

    async def unsent(self, rows: Sequence[Unsendable]) -> None:
        """These rows can't be sent as they are."""

        def write() -> None:
            self._db.executemany(
                "INSERT OR REPLACE INTO outcome (row, state, id, code, detail, pointer, problems, text)"
                " VALUES (?, 'unsent', ?, ?, ?, ?, ?, ?)",
                [
                    (each.row, each.id, each.code, each.detail, each.pointer, _listed(each.problems), row.text)
                    for row in rows
                    for each in [row.error()]
                ],
            )

        await self._transact(write)
        self.counts["unsent"] += len(rows)

    def _insert(self, batches: Sequence[Batch], state: str = "pending") -> None:
        for batch in batches:
            batch.id = self._next
            self._next += 1
        self._db.executemany(
            "INSERT INTO batch (id, state, spans, size, body, ends, resent) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    each.id,
                    state,
                    _blob(each.numbers),
                    each.size,
                    each.body or None,
                    (array("Q", [each.first]) + each.ends).tobytes() if each.body else None,
                    each.resent,
                )
                for each in batches
            ],
        )

    def _note(self, outcomes: Iterable[Outcome]) -> None:
        self._db.executemany(
            "INSERT OR REPLACE INTO outcome (row, state, id, code, detail, pointer, resent, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [(o.row, o.state, o.id, o.code, o.detail, o.pointer, o.resent, o.text) for o in outcomes],
        )

    # -- what the report reads ------------------------------------------------------------------------------------------

    async def outcomes(self) -> tuple[Outcomes[RowError], Outcomes[UnknownRow]]:
        """The rows that did not get through, and those of unknown fate, for the report."""
        # A checkpoint is opened anew whenever it is looked at, so that the next run finds it free.
        store = Store(self.path, None if self.path is not None else self._db, self)
        return await self._do(lambda: (store.errors(self._db), store.unknown(self._db)))

    # -- the thread -----------------------------------------------------------------------------------------------------

    @property
    def _db(self) -> sqlite3.Connection:
        assert self._database is not None  # noqa: S101 - for the type checkers: it is open until `close`
        return self._database

    async def _transact(self, write: Callable[[], object]) -> None:
        def run() -> None:
            with _transaction(self._db):
                write()

        await self._do(run)

    async def _do(self, work: Callable[[], T]) -> T:
        # Shielded: a transaction that has begun is carried through, and what it says is true.
        return await asyncio.shield(self._call(work))

    def _call(self, work: Callable[[], T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._thread, work)


@contextlib.contextmanager
def _transaction(database: sqlite3.Connection) -> Any:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def _listed(problems: Sequence[Problem]) -> str:
    return json.dumps([(each.pointer, each.message, each.kind) for each in problems])


def _blob(numbers: Sequence[int]) -> bytes:
    """Row numbers as ranges."""
    spans = array("q")
    for number in numbers:
        if spans and spans[-1] == number:
            spans[-1] += 1
        else:
            spans.extend((number, number + 1))
    return spans.tobytes()


def _spans(blob: bytes) -> list[tuple[int, int]]:
    spans = array("q")
    spans.frombytes(blob)
    return list(zip(spans[::2], spans[1::2], strict=True))


def _numbers(blob: bytes) -> array[int]:
    return array("q", (number for start, stop in _spans(blob) for number in range(start, stop)))


def _apart(one: str, other: str) -> tuple[str, str]:
    """Two texts from a little before they differ, shortened."""
    same = next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), 0)
    start = max(0, same - 20)
    first, second = (
        ("…" if start else "") + text[start : start + 60] + ("…" if len(text) > start + 60 else "")
        for text in (one, other)
    )
    return first, second
