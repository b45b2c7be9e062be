"""The progress of a bulk job: the value that callbacks receive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from attrs import frozen

__all__ = ["Progress", "ProgressCallback"]


def counted(number: int, things: str) -> str:
    """A number of things: ``1 row``, ``2,500 rows``."""
    return f"{number:,} {things.removesuffix('s') if number == 1 else things}"


@frozen(kw_only=True)
class Progress:
    """The progress of a bulk job at one moment."""

    operation: str
    """The operationId, for instance ``bulk_import_profiles`` or ``get_events``."""
    unit: Literal["rows", "records"] = "rows"
    done: int = 0
    """Rows whose outcome is settled, or records yielded."""
    total: int | None = None
    """The total number, once it is known."""
    failed: int = 0
    """Those of `done` that did not get through."""
    earlier: int = 0
    """Those of `done` that an earlier run with the same checkpoint settled."""
    waiting: int = 0
    """Requests currently waiting for the rate limit."""
    jobs: int = 0
    """Jobs in progress at Klaviyo."""
    seconds: float = 0.0
    """Seconds since the run began."""
    finished: bool = False
    """Whether this is the last progress of a completed run."""

    @property
    def rate(self) -> float:
        """Rows or records per second in this run."""
        return (self.done - self.earlier) / self.seconds if self.seconds > 0 else 0.0

    @property
    def eta(self) -> float | None:
        """Estimated seconds left; None while the total or the rate is unknown."""
        if self.total is None or self.rate <= 0:
            return None
        return max(0.0, (self.total - self.done) / self.rate)

    def __str__(self) -> str:
        of = f"{self.done:,} of " if self.total is not None else ""
        count = self.done if self.total is None else self.total
        parts = [f"{self.operation}: {of}{counted(count, self.unit)}", f"{self.rate:,.0f}/s"]
        if self.eta and not self.finished:
            parts.append(f"{self.eta:,.0f} s left")
        if self.failed:
            parts.append(f"{self.failed:,} failed")
        if self.jobs:
            parts.append(f"{counted(self.jobs, 'jobs')} in progress")
        if self.waiting:
            parts.append(f"{counted(self.waiting, 'requests')} waiting for the rate limit")
        return ", ".join(parts)


ProgressCallback: TypeAlias = Callable[[Progress], object]
"""What ``progress=`` accepts besides True and False. It is called in the event loop a few times a second, so it must be
quick. An exception it raises ends the run (which can be resumed with a checkpoint)."""
