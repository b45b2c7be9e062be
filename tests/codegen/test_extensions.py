"""The one table of extensions: an entry is all that a new one takes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from codegen.__main__ import main
from codegen.errors import CodegenError
from codegen.importing.importer import import_documents
from codegen.specs.extension_values import whole
from codegen.specs.extensions import EXTENSIONS, Extension
from klaviyo_async.operation import Operation
from tests.codegen.test_hostile import REVISION, document, operation
from tests.codegen.test_mutations import through

if TYPE_CHECKING:
    from pathlib import Path


def test_places_in_the_operation_are_there() -> None:
    fields = {each.name for each in attrs.fields(Operation)}
    for name, extension in EXTENSIONS.items():
        assert name.startswith("x-")
        assert extension.about
        assert not extension.field or extension.field in fields
        assert extension.read is None or extension.field


@pytest.fixture
def cost(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Extension(about="cost of a call", check=whole(1), says=lambda value: f"Costs {value} credits.")
    monkeypatch.setitem(EXTENSIONS, "x-klaviyo-cost", entry)


def priced(cost: Any) -> dict[str, Any]:
    spec = document()
    operation(spec)["x-klaviyo-cost"] = cost
    return spec


@pytest.mark.usefixtures("cost")
def test_an_entry_makes_a_line_in_the_docstring(tmp_path: Path) -> None:
    assert b"Limits: 10/s, 150/m. Costs 7 credits." in through(priced(7), tmp_path)["api/notes.py"]


@pytest.mark.usefixtures("cost")
@pytest.mark.parametrize("value", [0, "7", None])
def test_an_entry_says_what_values_must_be_like(value: Any, tmp_path: Path) -> None:
    with pytest.raises(CodegenError, match="x-klaviyo-cost must be a whole number"):
        through(priced(value), tmp_path)


def test_the_import_tells_what_has_no_entry(tmp_path: Path, cost: None) -> None:
    (tmp_path / "a.json").write_text(json.dumps(priced(7)), encoding="utf-8")
    assert import_documents(tmp_path / "a.json", REVISION, tmp_path / "specs").unknown == []
    del EXTENSIONS["x-klaviyo-cost"]
    assert import_documents(tmp_path / "a.json", REVISION, tmp_path / "specs").unknown == ["x-klaviyo-cost, 1 times"]


@pytest.mark.usefixtures("cost")
def test_an_entry_makes_a_line_in_the_diff(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for revision, price in ((REVISION, 7), ("2026-07-15", 8)):
        spec = priced(price)
        spec["info"]["version"] = revision
        (tmp_path / "a.json").write_text(json.dumps(spec), encoding="utf-8")
        import_documents(tmp_path / "a.json", revision, tmp_path / "specs")
    main(["diff", REVISION, "2026-07-15", "--specs", str(tmp_path / "specs")])
    assert "extension `x-klaviyo-cost` (cost of a call): 7 → 8" in capsys.readouterr().out
