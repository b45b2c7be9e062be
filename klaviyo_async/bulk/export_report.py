"""The result of an export, or of a part of one, and merging the reports of parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import asdict, fields, frozen

from klaviyo_async._did_you_mean import shown
from klaviyo_async.bulk.progress import counted
from klaviyo_async.errors import QueryError

__all__ = ["ExportReport", "merge"]


@frozen(kw_only=True)
class ExportReport:
    """The result of an export. `to_dict` and `from_dict` let it pass through a queue."""

    operation: str
    """The operationId, for instance ``get_events``."""
    records: int = 0
    """Number of records, including those of earlier runs with the same checkpoint."""
    earlier: int = 0
    """How many of them are from earlier runs."""
    requests: int = 0
    """Requests sent, including retries; this run only."""
    waited: float = 0.0
    """Seconds that requests waited for the rate limits, summed over concurrent requests."""
    seconds: float = 0.0
    """Duration of the run; of merged reports the longest."""
    out: tuple[str, ...] = ()
    """The files written."""
    bytes: int = 0
    """Their size."""
    plan: str | None = None
    """The plan of the part; None for an unplanned export."""
    parts: tuple[int, ...] = ()
    """The numbers of the parts that this report covers."""
    of: int = 0
    """How many parts the plan has."""

    @property
    def missing(self) -> tuple[int, ...]:
        """Parts of the plan that this report doesn't cover: run them again."""
        return tuple(sorted({*range(self.of)} - {*self.parts}))

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ExportReport:
        """The report from a `to_dict` mapping. Raises `QueryError` for anything else."""
        if not isinstance(data, Mapping) or not isinstance(data.get("operation"), str):
            raise QueryError(f"This is not the report of an export, nor a mapping from its to_dict(): {shown(data)}.")
        known: dict[str, Any] = {name: data[name] for name in (field.name for field in fields(cls)) if name in data}
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in known.items()
        }
        return cls(**values)

    def __str__(self) -> str:
        text = f"{self.operation}: {counted(self.records, 'records')}, {counted(self.requests, 'requests')}, {self.seconds:,.1f} s"
        if self.out:
            text += f", {self.bytes:,} bytes in {', '.join(self.out)}"
        if self.missing:
            text += f", {len(self.missing)} of {self.of} parts missing"
        return text


def merge(reports: Iterable[ExportReport | Mapping[str, Any]]) -> ExportReport:
    """Merge several reports into one: of the parts of a plan, or of any exports.

    A part that was run twice, because its worker was killed, counts once, with its last report. Reports may be results of
    `to_dict`. Raises `QueryError` if there are none, or if they belong to different plans.
    """
    if isinstance(reports, Mapping | str) or not isinstance(reports, Iterable):
        raise QueryError(f"merge takes an iterable of reports, not {shown(reports)}.")
    found = [each if isinstance(each, ExportReport) else ExportReport.from_dict(each) for each in reports]
    if not found:
        raise QueryError("merge: there are no reports to merge.")
    plans = {each.plan for each in found}
    if len(plans) > 1:
        raise QueryError("merge: the reports belong to different plans; merge those of one plan at a time.")
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
