"""The values that a bulk job gives."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from klaviyo_async import Klaviyo
from klaviyo_async.bulk import Bulk, Report, RowError, UnknownRow
from klaviyo_async.bulk.client import bulk_of

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_report_tells_itself() -> None:
    error = RowError(row=3, id="a@x.com", state="failed", code="invalid", detail="no", pointer="/attributes/email")
    report = Report(
        operation="bulk_import_profiles",
        submitted=1004,
        succeeded=1000,
        failed=2,
        unsent=1,
        errors=(error, RowError(row=4, state="unsent", code="too_large")),
        unknown=(UnknownRow(row=5, detail="the run ended"), UnknownRow(row=6, detail="the run ended")),
    )
    assert str(report) == ("bulk_import_profiles: 1,004 rows, 1,000 succeeded, 2 failed (1 of them unsent), 2 unknown")
    assert not report.ok
    assert Report(operation="x", submitted=1, succeeded=1).ok
    assert pickle.loads(pickle.dumps(report)) == report
    assert "a@x.com" not in repr(report)


async def test_bulk_belongs_to_its_client() -> None:
    async with Klaviyo("pk_test") as klaviyo:
        assert isinstance(klaviyo.bulk, Bulk)
        assert klaviyo.bulk is klaviyo.bulk
        other = klaviyo.with_options(max_wait=5)
        assert other.bulk._session is other._session


def test_bulk_of_another_package_is_made_of_its_own_methods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = tmp_path / "bulk_elsewhere" / "api"
    api.mkdir(parents=True)
    (api.parent / "__init__.py").touch()
    (api / "__init__.py").touch()
    (api / "_bulk.py").write_text("class BulkMethods:\n    __slots__ = ()\n    answer = 42\n")
    monkeypatch.syspath_prepend(tmp_path)
    made: Any = bulk_of("bulk_elsewhere")
    assert made.answer == 42
    assert hasattr(made, "export")
    assert bulk_of("bulk_elsewhere") is made
    assert bulk_of("klaviyo_async") is Bulk
