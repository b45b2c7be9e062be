"""State in a SQLite file, so that a stand-alone fake goes on where it stopped."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from klaviyo_async.errors import ConfigurationError
from klaviyo_async.testing.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike

_OURS = 0x4B4C5659
"""`application_id` of the files that the fake makes: KLVY."""
_NAMES = frozenset({"record", "pair"})
_TABLES = """
CREATE TABLE IF NOT EXISTS record (type TEXT, id TEXT, seq INTEGER, body BLOB, PRIMARY KEY (type, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pair (
    type TEXT, name TEXT, owner INTEGER, member INTEGER, joined REAL, PRIMARY KEY (type, name, owner, member)
) WITHOUT ROWID;
"""


class Database:
    """Collects the changes of a request and writes them in one transaction at its end.

    Raises `ConfigurationError` if the file is not one that a fake made.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self._connection = _opened(path)
        self._connection.execute(f"PRAGMA application_id={_OURS}")
        self._connection.execute("PRAGMA journal_mode=WAL")
        # a killed process loses nothing; only a machine that dies may lose the last requests
        self._connection.execute("PRAGMA synchronous=OFF")
        self._connection.executescript(_TABLES)
        self._pending: list[tuple[str, tuple[Any, ...]]] = []

    def records(self) -> Iterator[Record]:
        """All records, oldest first."""
        for row in self._connection.execute("SELECT type, id, seq, body FROM record ORDER BY seq"):
            yield Record(*row)

    def pairs(self) -> Iterator[tuple[str, str, int, int, float]]:
        """All pairs, in the order they joined."""
        yield from self._connection.execute(
            "SELECT type, name, owner, member, joined FROM pair ORDER BY joined, member"
        )

    def save(self, record: Record) -> None:
        """Note a new or changed record."""
        values = (record.type, record.id, record.seq, record.body)
        self._pending.append(("INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?)", values))

    def remove(self, record: Record) -> None:
        """Note that a record is gone, and all its pairs."""
        self._pending.append(("DELETE FROM record WHERE type = ? AND id = ?", (record.type, record.id)))

    def link(self, key: tuple[str, str], owner: int, member: int, joined: float) -> None:
        """Note a new pair."""
        self._pending.append(("INSERT OR REPLACE INTO pair VALUES (?, ?, ?, ?, ?)", (*key, owner, member, joined)))

    def unlink(self, key: tuple[str, str], owner: int, member: int) -> None:
        """Note that a pair is gone."""
        self._pending.append(
            ("DELETE FROM pair WHERE type = ? AND name = ? AND owner = ? AND member = ?", (*key, owner, member))
        )

    def clear(self) -> None:
        """Note that everything is gone."""
        self._pending = [("DELETE FROM record", ()), ("DELETE FROM pair", ())]

    def flush(self) -> None:
        """Write what was noted."""
        if not self._pending:
            return
        pending, self._pending = self._pending, []
        self._connection.execute("BEGIN")
        for statement, values in pending:
            self._connection.execute(statement, values)
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """Write what was noted and close the file."""
        self.flush()
        self._connection.close()


def _opened(path: str | PathLike[str]) -> sqlite3.Connection:
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        # Read before anything is written: journal_mode alone would change somebody else's file.
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")}
        ((application,),) = connection.execute("PRAGMA application_id")
    except sqlite3.DatabaseError as failure:
        if connection is not None:
            connection.close()
        raise ConfigurationError(
            f"database: {path} can't be used: {failure}. Give a new file, or one that FakeKlaviyo made."
        ) from None
    # Files of earlier versions have no application_id, but just these tables.
    if application == _OURS or (application == 0 and (not names or names == _NAMES)):
        return connection
    connection.close()
    tables = f" (it has {', '.join(sorted(names)[:5])})" if names else ""
    raise ConfigurationError(
        f"database: {path} is the SQLite file of another program{tables} and was left alone. Give a new file, or one that"
        " FakeKlaviyo made."
    )
