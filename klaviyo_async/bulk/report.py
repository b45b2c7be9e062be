"""The outcome of an import's rows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from attrs import field, frozen

from klaviyo_async.bulk.progress import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from os import PathLike

    from klaviyo_async.errors import Problem

__all__ = ["Report", "RowError", "UnknownRow"]


@frozen(kw_only=True)
class RowError:
    """A row that did not get through, and why."""

    row: int
    """Its number in the source, from 0."""
    id: str | None = None
    """What identifies the row: its id, e-mail address, phone number, external id or the like; None if it has none of them."""
    state: Literal["failed", "unsent"]
    """failed: Klaviyo rejected it; unsent: it can't be sent as it is, and no part of it was."""
    code: str | None = None
    """Klaviyo's code for the problem (``invalid``); for an unsent row ``too_large``, ``not_json`` or ``invalid``."""
    detail: str | None = None
    """A sentence about the problem; for an unsent row about the first of its `problems`."""
    pointer: str | None = None
    """JSON pointer into the row, for instance ``/attributes/email``; None if it concerns the whole row."""
    problems: tuple[Problem, ...] = ()
    """Everything that is wrong with an unsent row."""


@frozen(kw_only=True)
class UnknownRow:
    """A row that was sent, but whose outcome is unknown."""

    row: int
    """Its number in the source, from 0."""
    id: str | None = None
    """What identifies the row, as in `RowError`."""
    detail: str
    """Why the outcome is unknown."""
    resent: bool = False
    """Whether it was sent again, and accepted. This is done if the operation is safe to repeat; its values have then arrived,
    perhaps twice."""


@frozen(kw_only=True)
class Report:
    """The outcome of every row: ``submitted == succeeded + failed + len(unknown)``."""

    operation: str
    """The operationId, for instance ``bulk_import_profiles``."""
    submitted: int = 0
    """Number of rows in the source."""
    succeeded: int = 0
    """Rows that Klaviyo processed: their job is complete or, if the operation has no job to poll, they were accepted."""
    failed: int = 0
    """Rows that did not get through, including unsent ones. `errors` has each of them."""
    errors: Sequence[RowError] = field(default=(), repr=lambda errors: f"<{len(errors)}>")
    unknown: Sequence[UnknownRow] = field(default=(), repr=lambda unknown: f"<{len(unknown)}>")
    """Rows whose outcome a crash, a cancellation or a lost response left open."""
    unsent: int = 0
    """Failed rows that were never sent."""
    skipped: int = 0
    """Succeeded rows for which Klaviyo had nothing to do (it suppresses nobody twice)."""
    held_back: int = 0
    """Rows that waited for an earlier row about the same record, to preserve their order."""
    requests: int = 0
    """Requests that carried rows, including retried and split ones; this run only."""
    jobs: int = 0
    """Jobs that were followed until they finished; this run only."""
    seconds: float = 0.0
    """Duration of this run."""

    dry_run: bool = False
    """Whether it was a dry run: `requests` is the number that the import needs, `seconds` how long the limits make it."""

    def write_failed(self, path: str | PathLike[str], *, unknown: bool = False) -> int:
        """Write the rows that did not get through to an NDJSON file that can be imported again; return their number.

        Rows that can't be expressed as JSON (NaN, a value of an unsupported type) are left out; `errors` has them. With
        `unknown`, rows with an unknown outcome are written as well. The file appears complete or not at all.
        """
        return write_failed(self, path, unknown=unknown)

    @property
    def ok(self) -> bool:
        """Whether every row got through."""
        return self.succeeded == self.submitted

    def __str__(self) -> str:
        parts = [f"{self.succeeded:,} succeeded", f"{self.failed:,} failed"]
        if self.unsent:
            parts[-1] += f" ({self.unsent:,} of them unsent)"
        if self.unknown:
            parts.append(f"{len(self.unknown):,} unknown")
        return f"{self.operation}: {counted(self.submitted, 'rows')}, {', '.join(parts)}"


class _Texts(Protocol):
    def texts(self, states: Sequence[str]) -> Iterable[bytes]:
        """The rows in these states, as JSON."""
        ...


def write_failed(report: Report, path: str | PathLike[str], *, unknown: bool = False) -> int:
    """As `Report.write_failed`."""
    store: _Texts | None = getattr(report.errors, "store", None)
    if store is None and (report.errors or (unknown and report.unknown)):
        raise ValueError("this report was received without its rows: write them where the import ran")
    states = ("failed", "unsent", "unknown") if unknown else ("failed", "unsent")
    target = Path(path)
    count = 0
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with unfinished.open("wb") as file:
            for text in store.texts(states) if store is not None else ():
                file.write(text + b"\n")
                count += 1
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    return count
