"""Bulk jobs: import many rows and export whole collections, at the full rate allowed and without losing anything.

A client's `klaviyo.bulk` is a `Bulk`; this package has the values that its methods take and return.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from klaviyo_async.bulk._export.export import Export
    from klaviyo_async.bulk._export.plan import Plan
    from klaviyo_async.bulk.client import Bulk
    from klaviyo_async.bulk.export_report import ExportReport, merge
    from klaviyo_async.bulk.progress import Progress, ProgressCallback
    from klaviyo_async.bulk.report import Report, RowError, UnknownRow
    from klaviyo_async.bulk.rows_file import RowsFile

__all__ = [
    "Bulk",
    "Export",
    "ExportReport",
    "Plan",
    "Progress",
    "ProgressCallback",
    "Report",
    "RowError",
    "RowsFile",
    "UnknownRow",
    "merge",
]

_HOMES = {
    "Bulk": "client",
    "Export": "_export.export",
    "ExportReport": "export_report",
    "Plan": "_export.plan",
    "Progress": "progress",
    "ProgressCallback": "progress",
    "Report": "report",
    "RowError": "report",
    "RowsFile": "rows_file",
    "UnknownRow": "report",
    "merge": "export_report",
}


def __getattr__(name: str) -> Any:
    # PEP 562, as in the package: a name loads its module when it is first used.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
