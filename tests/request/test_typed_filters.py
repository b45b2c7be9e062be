"""Typed filters: that they say what the operations say. What type checkers take and refuse is in tests/typing."""

from __future__ import annotations

import ast
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import klaviyo_async.filters
from codegen.errors import CodegenError
from codegen.generating.text.typed_filters import class_name, render
from klaviyo_async._request.prepare import prepare
from klaviyo_async.errors import QueryError
from klaviyo_async.filter import F
from klaviyo_async.filter.typed import FieldGroup, TypedField
from klaviyo_async.filters import GetCampaigns, GetProfiles
from klaviyo_async.operation import FilterField
from klaviyo_async.operation_table import operations

ROOT = Path(__file__).resolve().parents[2]
FILTERABLE = [name for name in operations if operations[name].filters]

VALUES = {"string": "x", "integer": 3, "number": 2.5, "boolean": True, None: None}


def test_there_is_a_class_for_every_operation_that_filters() -> None:
    assert klaviyo_async.filters.__all__ == sorted(class_name(name) for name in FILTERABLE)
    assert len(FILTERABLE) >= 53
    assert dir(klaviyo_async.filters) == klaviyo_async.filters.__all__
    with pytest.raises(AttributeError):
        _ = klaviyo_async.filters.GetNothing  # pyright: ignore[reportAttributeAccessIssue]


def test_the_classes_load_one_by_one() -> None:
    code = (
        "import sys, klaviyo_async.filters as f; f.GetProfiles;"
        "print([m for m in sys.modules if m.startswith('klaviyo_async.filters.')], 'klaviyo_async.models' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split("]")[0].count("klaviyo_async.filters.") == 2
    assert done.stdout.strip().endswith("False")


@pytest.mark.parametrize("name", FILTERABLE)
def test_the_classes_say_what_the_operations_say(name: str) -> None:
    operation = operations[name]
    root = getattr(klaviyo_async.filters, class_name(name))
    for wire, facts in operation.filters.items():
        field: Any = root
        for part in wire.split("."):
            field = getattr(field, part)
        assert str(field) == wire
        methods = {each.replace("_", "-") for each in dir(field) if not each.startswith("_")}
        assert methods == set(facts.operators)
        one: Any = VALUES[facts.type]
        if facts.format == "date-time":
            one = datetime(2026, 1, 1, tzinfo=UTC)
        if facts.enum:
            one = facts.enum[0]
        required = {
            each.name: each.enum[0] if each.enum else "x"
            for each in operation.parameters
            if each.required and each.name != "filter"
        }
        for operator in facts.operators:
            method = getattr(field, operator.replace("-", "_"))
            values = [] if operator in facts.none else [[one]] if operator in facts.list else [one]
            expression = method(*values)
            for missing in operation.filter_requires[:1]:
                if wire not in operation.filter_requires:
                    needed = operation.filters[missing]
                    expression = expression & F(missing).equals(needed.enum[0] if needed.enum else "x")
            prepare(operation, ["x"] * len(operation.path_parameters), {**required, "filter": expression})
        if facts.type is not None and "equals" in facts.operators:
            with pytest.raises(QueryError):
                field.equals(object())


def test_messages_name_what_there_is() -> None:
    with pytest.raises(QueryError, match="did you mean 'email'") as caught:
        _ = GetProfiles.emial  # type: ignore[attr-defined]
    assert isinstance(caught.value, AttributeError)
    assert not hasattr(GetProfiles, "emial")
    with pytest.raises(QueryError, match=r"'email' does not take contains.* any, equals"):
        GetProfiles.email.contains("x")  # type: ignore[attr-defined]
    with pytest.raises(QueryError, match=r"'created' does not take greater-or-equal.*greater_than"):
        _ = GetProfiles.created >= datetime(2026, 1, 1, tzinfo=UTC)  # type: ignore[operator]
    with pytest.raises(QueryError, match="did you mean 'email'"):
        GetCampaigns.messages.channel.equals("emial")  # type: ignore[arg-type]
    assert repr(GetProfiles.email) == "F('email')"
    with pytest.raises(QueryError, match="truth"):
        bool(GetProfiles.email)


# --- the generator ---


def built(tmp_path: Path, fields: dict[str, FilterField], monkeypatch: pytest.MonkeyPatch, package: str) -> Any:
    folder = tmp_path / package
    folder.mkdir()
    for name, text in render({"get_things": fields}).items():
        (folder / name).write_text(text, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return __import__(package).GetThings


def test_odd_names_find_a_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = FilterField(single=("equals",), type="string")
    things = built(
        tmp_path,
        {
            "status": text,
            "status.reason": text,
            "status.equals": text,
            "class": text,
            "a.any": text,
            "__x": text,
            "2fa": text,
            "list-id": text,
            "a.equals": FilterField(list=("any",), type="string", enum=("it's", 'a"b', "\\")),
        },
        monkeypatch,
        "odd_filters",
    )
    assert str(things.status == "x") == 'equals(status,"x")'
    assert str(things.status.reason == "x") == 'equals(status.reason,"x")'
    assert str(things.status.equals_ == "x") == 'equals(status.equals,"x")'
    assert str(things.class_ == "x") == 'equals(class,"x")'
    assert str(things.a.any == "x") == 'equals(a.any,"x")'
    assert str(things.a.equals.any(["it's", 'a"b'])) == 'any(a.equals,["it\'s","a\\"b"])'
    assert str(things._x == "x") == 'equals(__x,"x")'
    assert str(things.field_2fa == "x") == 'equals(2fa,"x")'
    assert str(things.list_id == "x") == 'equals(list-id,"x")'
    assert issubclass(things.a, FieldGroup)
    assert isinstance(things.status, TypedField)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("get_things", FilterField(single=("resembles",), type="string")),
        ("get_things", FilterField(single=("equals",), type="object")),
        ("get_things", FilterField()),
        ("import os", FilterField(single=("equals",), type="string")),
        ("get_things();", FilterField(single=("equals",), type="string")),
    ],
)
def test_what_has_no_form_is_refused(name: str, field: FilterField) -> None:
    with pytest.raises(CodegenError):
        render({name: {"x": field}})


def test_nothing_in_a_document_becomes_code() -> None:
    hostile = 'x"""\nimport os\n"""'
    text = FilterField(single=("equals",), type="string", enum=(hostile,))
    for name, source in render({"get_things": {hostile: text, f"{hostile}.y": text}}).items():
        tree = ast.parse(source)
        imported = {alias.name for each in ast.walk(tree) if isinstance(each, ast.Import) for alias in each.names}
        assert "os" not in imported, name
