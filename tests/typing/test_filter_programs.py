"""The filters that the type checkers take run, and those that they refuse raise."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from klaviyo_async import QueryError

PROGRAMS = Path(__file__).parent / "programs"
ONLY_FOR_CHECKERS = {"take(GetProfiles.email)", 'take(F("email"))'}
"""Lines that raise nothing by themselves, only where the call is made."""


def test_the_good_lines_run() -> None:
    scope: dict[str, Any] = {"__name__": "filters"}
    exec(compile((PROGRAMS / "filters.py").read_text("utf-8"), "filters.py", "exec"), scope)
    assert len({str(each) for each in scope["FILTERS"]}) > 20


def test_the_refused_lines_raise() -> None:
    source = (PROGRAMS / "refused_filters.py").read_text("utf-8")
    tree = ast.parse(source)
    calls = [each for each in tree.body if isinstance(each, ast.Expr) and isinstance(each.value, ast.Call)]
    scope: dict[str, Any] = {"__name__": "refused_filters"}
    start = ast.Module([each for each in tree.body if each.lineno < calls[0].lineno], [])
    exec(compile(start, "refused_filters.py", "exec"), scope)
    for each in calls:
        line = ast.get_source_segment(source, each)
        assert line is not None
        if line not in ONLY_FOR_CHECKERS and "subscriptions == " not in line:
            with pytest.raises(QueryError):
                eval(line, dict(scope))
