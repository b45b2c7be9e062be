"""Watermarks: how far the last run of a growing export got, so that the next one reads only what is new."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from klaviyo_async._model.member import member
from klaviyo_async.bulk._export.atomic import replace
from klaviyo_async.errors import CheckpointError, QueryError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from klaviyo_async.bulk._export.checkpoint import Checkpoint
    from klaviyo_async.bulk._export.source import Source

OVERLAP = timedelta(hours=1)
"""How late a record may become visible. Klaviyo mentions minutes for events."""


class Watermark:
    """The file of a growing export: how far the last run came, and which records near its end were taken.

    A run begins `overlap` before the end of the last one and leaves out what was taken then, each record known by its id
    and its time: one that changed since is new.
    """

    def __init__(self, path: str | PathLike[str], source: Source, overlap: timedelta | None) -> None:
        if source.split_on is None or source.mode != "narrowing":
            raise QueryError(
                f"{source.operation.name}: a watermark needs records that can be listed by time, which these can't"
                + (f" by {source.split_on}." if source.split_on else ": pass split_on if there is such a time."),
                operation=source.operation.name,
            )
        if overlap is not None and (not isinstance(overlap, timedelta) or overlap < timedelta(0)):
            raise QueryError(f"overlap must be a timedelta, 0 or longer, not {overlap!r}.")
        self.path: Path = Path(path)
        self.size: int | None = None
        """Bytes of the file that the export is appended to, as of the last complete run."""
        self.appending: int | None = None
        """Bytes that it had before a run that was interrupted while it appended."""
        self.since_text: str | None = None
        self._kept: dict[str, Any] = {}
        self._source = source
        self._overlap = OVERLAP if overlap is None else overlap
        self._given = source.since
        self._taken: dict[str, datetime | None] = {}
        self._recent: dict[str, datetime | None] = {}
        self._high: datetime | None = None
        self._last: datetime | None = None
        self._checkpoint: Checkpoint | None = None

    @property
    def exists(self) -> bool:
        """Whether there was a run before."""
        return self.since_text is not None

    def open(self) -> None:
        """Read what the last run left; begin there."""
        self._taken, self._recent, self._high, self._last, self._kept = {}, {}, None, None, {}
        self.size = self.appending = self.since_text = None
        self._source.since = self._given
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return
        try:
            kept: dict[str, Any] = json.loads(content)
            high = datetime.fromisoformat(kept["until"])
            taken = {key: _time(text) for key, text in kept["taken"].items()}
            theirs = kept["export"]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"watermark: {self.path} is not a watermark file ({type(error).__name__}: {error}). Give another name, or delete it."
            ) from None
        if theirs != self._described():
            raise CheckpointError(
                f"watermark: {self.path} belongs to another export ({theirs.get('operation')} by {theirs.get('split_on')}, or another"
                " filter). Give this one its own file, or delete that one."
            )
        self.size, self.appending, self._kept = kept.get("size"), kept.get("appending"), kept
        self._last = high
        self.since_text = high.isoformat()
        since = high - self._overlap
        self._source.since = since if self._given is None else max(since, self._given)
        self._taken = taken

    def resume(self, checkpoint: Checkpoint | None) -> None:
        """Go on with what a run wrote down that didn't come to its end."""
        self._checkpoint = checkpoint
        if checkpoint is None:
            return
        high = checkpoint.noted("high")
        self._high = None if high is None else datetime.fromisoformat(high)
        self._recent = checkpoint.recent()

    def begin(self, now: datetime) -> None:
        """Note the server's time at the beginning: what comes later belongs to the next run."""
        until = self._source.until
        self._high = now if until is None else min(now, until)
        if self._last is not None:
            # What was taken stays taken, also where this run ends before the last one did.
            self._high = max(self._high, self._last)
        if self._checkpoint is not None:
            self._checkpoint.note(high=self._high.isoformat())

    def knows(self, id: str, time: datetime | None) -> bool:
        """Whether the last run took a record."""
        return id in self._taken and self._taken[id] == time

    def note(self, records: Sequence[Any], times: Sequence[datetime | None]) -> None:
        """Remember those of the records that the next run may meet again."""
        if self._high is None:
            return
        floor = self._high - self._overlap
        found = {
            member(record, "id"): time
            for record, time in zip(records, times, strict=True)
            if time is not None and time >= floor
        }
        if found:
            self._recent.update(found)
            if self._checkpoint is not None:
                self._checkpoint.keep_recent(found)

    def intend(self, size: int) -> None:
        """Write down that a file of this size is about to be appended to."""
        if self._kept:
            replace(self.path, json.dumps({**self._kept, "appending": size}).encode())

    def advance(self, size: int | None = None) -> None:
        """Write down that the run is complete."""
        high = self._high or self._source.until or datetime.now(UTC)
        floor = high - self._overlap
        taken = {key: time for key, time in self._taken.items() if time is not None and time >= floor} | self._recent
        made = {
            "export": self._described(),
            "until": high.isoformat(),
            "size": size,
            "taken": {key: None if time is None else time.isoformat() for key, time in taken.items()},
        }
        replace(self.path, json.dumps(made).encode())

    def _described(self) -> dict[str, Any]:
        described = self._source.describe()
        del described["since"], described["until"]
        return described


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
