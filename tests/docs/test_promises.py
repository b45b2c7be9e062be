"""Each promise of docs/security.md names tests that there are."""

from __future__ import annotations

import ast
import re

import pytest

from tests.docs.blocks import ROOT

NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs" / "security.md").read_text("utf-8"))


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_the_test_is_there(file: str, test: str) -> None:
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert test in names


def test_each_row_names_one() -> None:
    rows = [line for line in (ROOT / "docs" / "security.md").read_text("utf-8").splitlines() if line.startswith("| ")]
    assert len(NAMED) > 15
    assert [row for row in rows if "tests/" not in row and "promise | held by" not in row] == []
