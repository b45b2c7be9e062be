"""What became of the rows of an import."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from attrs import field, frozen

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
    """What identifies it: its id, email address, phone number, external id or the like; None where it has none of them."""
    state: Literal["failed", "unsent"]
    """failed: Klaviyo refused it; unsent: it can't be sent as it is, and nothing of it was."""
    code: str | None = None
    """Klaviyo's word for the problem (``invalid``); of an unsent row ``too_large``, ``not_json`` or ``invalid``."""
    detail: str | None = None
    """A sentence about the problem; of an unsent row about the first of its `problems`."""
    pointer: str | None = None
    """JSON pointer into the row, for instance ``/attributes/email``; None where the row as a whole is meant."""
    problems: tuple[Problem, ...] = ()
    """All that is wrong with an unsent row."""


@frozen(kw_only=True)
class UnknownRow:
    """A row that was sent, and whose fate was left open."""

    row: int
    """Its number in the source, from 0."""
    id: str | None = None
    """What identifies it, as in `RowError`."""
    detail: str
    """What left it open."""
    resent: bool = False
    """Whether it was sent once more, and taken: its operation is safe to repeat, so that its values are there, perhaps
    written twice."""


@frozen(kw_only=True)
class Report:
    """What became of every row: ``submitted == succeeded + failed + len(unknown)``."""

    operation: str
    """The operationId, for instance ``bulk_import_profiles``."""
    submitted: int = 0
    """Rows that the source had."""
    succeeded: int = 0
    """Rows that Klaviyo took: their job is complete, or, where the operation has no job to look at, they were accepted."""
    failed: int = 0
    """Rows that did not get through, unsent ones included. `errors` has each of them."""
    errors: Sequence[RowError] = field(default=(), repr=lambda errors: f"<{len(errors)}>")
    unknown: Sequence[UnknownRow] = field(default=(), repr=lambda unknown: f"<{len(unknown)}>")
    """Rows whose fate a crash, a cancellation or a lost response left open."""
    unsent: int = 0
    """Those of the failed rows that never left."""
    skipped: int = 0
    """Those of the succeeded rows for which Klaviyo had nothing to do (it suppresses nobody twice)."""
    held_back: int = 0
    """Rows that waited for an earlier row about the same thing, so that their order decided."""
    requests: int = 0
    """Requests that carried rows, repeated and split ones included; of this run alone."""
    jobs: int = 0
    """Jobs that were followed to their end; of this run alone."""
    seconds: float = 0.0
    """How long this run took."""

    dry_run: bool = False
    """Whether nothing was sent: `requests` are those that it would take, `seconds` how long the limits make that."""

    def write_failed(self, path: str | PathLike[str], *, unknown: bool = False) -> int:
        """Write the rows that did not get through to an NDJSON file that can be fed in again; gives their number.

        Rows that have no form in JSON at all (NaN, a value of some other type) are left out; `errors` has them. With
        `unknown`, rows whose fate was left open are written as well. The file appears whole, or not at all.
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
        return f"{self.operation}: {self.submitted:,} rows, {', '.join(parts)}"


class _Texts(Protocol):
    def texts(self, states: Sequence[str]) -> Iterable[bytes]:
        """The rows in these states, as JSON."""
        ...


def write_failed(report: Report, path: str | PathLike[str], *, unknown: bool = False) -> int:
    """As `Report.write_failed`."""
    store: _Texts | None = getattr(report.errors, "store", None)
    if store is None and (report.errors or (unknown and report.unknown)):
        raise ValueError("this report has come from elsewhere, without its rows: write them where the import ran")
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
