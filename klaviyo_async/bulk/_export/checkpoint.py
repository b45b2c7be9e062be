"""The state of an export, in a SQLite file: the same call resumes from there after a crash."""

from __future__ import annotations

import json
import sqlite3
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from klaviyo_async.bulk._export.parts import Part, Position
from klaviyo_async.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from os import PathLike

    from klaviyo_async.bulk._export.source import Mode

_APPLICATION = 0x4B4C5645  # "KLVE": tells the file from other SQLite files
_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE part (
    number INTEGER PRIMARY KEY, lower TEXT, upper TEXT, read TEXT, edge TEXT, next TEXT, finished INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE recent (id TEXT PRIMARY KEY, time TEXT) WITHOUT ROWID;
"""


class Checkpoint:
    """The file. Every change is one transaction: a process that is killed leaves the state before or after it.

    Raises `CheckpointError` for a file of another program or another export, or one that another process uses.
    """

    def __init__(self, path: str | PathLike[str], export: Mapping[str, Any]) -> None:
        self.path: Path = Path(path)
        self.rows: int = 0
        self.mode: Mode | None = None
        self._export = dict(export)
        self._depth = 0
        try:
            # The worker thread of a file export commits too, never at the same time.
            self._db = sqlite3.connect(self.path, isolation_level=None, timeout=1.0, check_same_thread=False)
            try:
                self._open()
            except BaseException:
                self._db.close()
                raise
        except sqlite3.Error as error:
            in_use = "locked" in str(error)
            what = "is used by another process" if in_use else f"can't be used ({error})"
            raise CheckpointError(
                f"checkpoint: {self.path} {what}. Give each export its own file; to start again, delete the file."
            ) from error

    def _open(self) -> None:
        db = self._db
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("BEGIN IMMEDIATE")
        try:
            (application,) = db.execute("PRAGMA application_id").fetchone()
            tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if not tables and not application:
                db.execute(f"PRAGMA application_id = {_APPLICATION}")
                for statement in _SCHEMA.split(";"):
                    db.execute(statement)
                self._put(export=json.dumps(self._export), rows="0")
                db.execute("COMMIT")
                return
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        if application != _APPLICATION:
            raise CheckpointError(f"checkpoint: {self.path} is another program's SQLite file.")
        meta = self._meta()
        theirs = json.loads(meta["export"])
        if theirs != self._export:
            different = next(name for name in self._export if theirs.get(name) != self._export[name])
            raise CheckpointError(
                f"checkpoint: {self.path} belongs to another export: its {different} is {theirs.get(different)!r}, that of this"
                f" one {self._export[different]!r}. Give this one its own file, or delete that one."
            )
        self.rows = int(meta["rows"])
        self.mode = cast("Mode | None", meta.get("mode"))

    # -- parts ----------------------------------------------------------------------------------------------------------

    def parts(self) -> list[Part] | None:
        """The parts that are not finished, as they go on; None where nothing was begun."""
        if self.mode is None:
            return None
        found = []
        rows = self._db.execute(
            "SELECT number, lower, upper, read, edge, next FROM part WHERE NOT finished ORDER BY number"
        )
        for number, lower, upper, read, edge, target in rows:
            part = Part(number=number, lower=_time(lower), upper=_time(upper))
            if self.mode == "narrowing" and read is not None and edge is not None:
                # From the last time on, without what was read of it: no cursor has to be good for long.
                part.lower = part.read = _time(read)
                part.edge = set(json.loads(edge))
            else:
                part.next = target
            found.append(part)
        return found

    @property
    def made(self) -> int:
        """How many parts were made so far, finished ones included."""
        return int(self._db.execute("SELECT count(*) FROM part").fetchone()[0])

    def begin(self, mode: Mode, part: Part) -> None:
        """Note what the first page told."""
        self.mode = mode
        with self._transaction():
            self._put(mode=mode)
            self.add([part])

    def add(self, parts: Iterable[Part]) -> None:
        """Write parts down, those that are there with their new ends."""
        with self._transaction():
            for part in parts:
                self._db.execute(
                    "INSERT INTO part (number, lower, upper) VALUES (?, ?, ?)"
                    " ON CONFLICT (number) DO UPDATE SET upper = excluded.upper",
                    (part.number, _text(part.lower), _text(part.upper)),
                )

    def split(self, part: Part, pieces: Iterable[Part]) -> None:
        """Write down the pieces of a part, and its new end."""
        self.add([part, *pieces])

    def save(self, part: Part, position: Position, rows: int) -> None:
        """Write down how far a part was handed out."""
        self.rows = rows
        with self._transaction():
            edge = None if position.edge is None else json.dumps(position.edge)
            self._db.execute(
                "UPDATE part SET read = ?, edge = ?, next = ?, finished = ? WHERE number = ?",
                (_text(position.read), edge, position.next, position.finished, part.number),
            )
            self._put(rows=str(rows))

    # -- beside the parts -----------------------------------------------------------------------------------------------

    def note(self, **values: str) -> None:
        """Write down anything else, by name."""
        with self._transaction():
            self._put(**values)

    def noted(self, name: str) -> str | None:
        """What was written down."""
        return self._meta().get(name)

    def keep_recent(self, times: Mapping[str, datetime | None]) -> None:
        """Write down records near the watermark: id → time."""
        with self._transaction():
            self._db.executemany(
                "INSERT OR REPLACE INTO recent VALUES (?, ?)", [(key, _text(time)) for key, time in times.items()]
            )

    def recent(self) -> dict[str, datetime | None]:
        """Records near the watermark that were written down."""
        return {key: _time(time) for key, time in self._db.execute("SELECT id, time FROM recent")}

    @contextmanager
    def together(self) -> Iterator[None]:
        """One transaction around several changes."""
        with self._transaction():
            yield

    def close(self) -> None:
        """Close the file; nothing is lost."""
        self._db.close()

    def remove(self) -> None:
        """Close and delete the file: the export is complete."""
        self.close()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._depth += 1
        if self._depth == 1:
            self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._depth -= 1
            if not self._depth:
                self._db.execute("ROLLBACK")
            raise
        self._depth -= 1
        if not self._depth:
            self._db.execute("COMMIT")

    def _put(self, **values: str) -> None:
        self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())

    def _meta(self) -> dict[str, str]:
        return dict(self._db.execute("SELECT name, value FROM meta"))


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
