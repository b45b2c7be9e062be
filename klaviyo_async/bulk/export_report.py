"""What an export, or a part of one, came to; and how the reports of parts add up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import asdict, fields, frozen

from klaviyo_async.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["ExportReport", "merge"]


@frozen(kw_only=True)
class ExportReport:
    """What an export came to. `to_dict` and `from_dict` carry it through a queue."""

    operation: str
    """The operationId, for instance ``get_events``."""
    records: int = 0
    """Records that came, those of earlier runs of the same checkpoint included."""
    earlier: int = 0
    """Those of an earlier run."""
    requests: int = 0
    """Requests sent, repeated ones included; of this run alone."""
    waited: float = 0.0
    """Seconds that requests waited for the rate limits, added up over requests that waited at the same time."""
    seconds: float = 0.0
    """How long the run took; of merged reports the longest."""
    out: tuple[str, ...] = ()
    """The files that were written."""
    bytes: int = 0
    """Their size."""
    plan: str | None = None
    """The plan that it ran a part of; None for an export that wasn't planned."""
    parts: tuple[int, ...] = ()
    """The numbers of the parts that were run."""
    of: int = 0
    """How many parts the plan has."""

    @property
    def missing(self) -> tuple[int, ...]:
        """Parts of the plan that this report doesn't tell of: run them again."""
        return tuple(sorted({*range(self.of)} - {*self.parts}))

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ExportReport:
        """A report that `to_dict` made."""
        known: dict[str, Any] = {name: data[name] for name in (field.name for field in fields(cls)) if name in data}
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in known.items()
        }
        return cls(**values)

    def __str__(self) -> str:
        text = f"{self.operation}: {self.records:,} records, {self.requests:,} requests, {self.seconds:,.1f} s"
        if self.out:
            text += f", {self.bytes:,} bytes in {', '.join(self.out)}"
        if self.missing:
            text += f", {len(self.missing)} of {self.of} parts missing"
        return text


def merge(reports: Iterable[ExportReport | Mapping[str, Any]]) -> ExportReport:
    """One report of several: of the parts of a plan, or of any exports.

    A part that was run twice, because its worker was killed, counts once: its last report is taken. Reports may be what
    `to_dict` gave. Raises `QueryError` where there are none, or where they are of different plans.
    """
    found = [each if isinstance(each, ExportReport) else ExportReport.from_dict(each) for each in reports]
    if not found:
        raise QueryError("merge: there are no reports to add up.")
    plans = {each.plan for each in found}
    if len(plans) > 1:
        raise QueryError("merge: the reports are of different plans; add up those of one plan at a time.")
    by_part = {each.parts or (f"#{number}",): each for number, each in enumerate(found)}
    kept = list(by_part.values())
    names = sorted({each.operation for each in kept})
    return ExportReport(
        operation=", ".join(names),
        records=sum(each.records for each in kept),
        earlier=sum(each.earlier for each in kept),
        requests=sum(each.requests for each in kept),
        waited=sum(each.waited for each in kept),
        seconds=max(each.seconds for each in kept),
        out=tuple(dict.fromkeys(path for each in kept for path in each.out)),
        bytes=sum(each.bytes for each in kept),
        plan=kept[0].plan,
        parts=tuple(sorted({number for each in kept for number in each.parts})),
        of=max(each.of for each in kept),
    )
