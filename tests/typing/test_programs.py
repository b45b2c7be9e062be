"""Both type checkers take natural programs whole, and refuse wrong lines, each for the reason that stands above it."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).parent / "programs"
NAMES = sorted(path.name for path in PROGRAMS.glob("*.py"))
MARK = "# refused: "
"""Starts the comment above a line that must be refused: the kind of error that mypy gives it, then that of pyright; two with `+`."""


@cache
def errors(tool: str) -> dict[tuple[str, int], set[str]]:
    """What a checker finds in all programs: file and line of the statement → kinds."""
    found: dict[tuple[str, int], set[str]] = {}
    for file, line, kind in _pyright() if tool == "pyright" else _mypy():
        starts = [start for start, end in statements(file) if start <= line <= end]
        found.setdefault((file, max(starts, default=line)), set()).add(kind)
    return found


def _mypy() -> list[tuple[str, int, str]]:
    options = ["--strict", "--no-error-summary", "--hide-error-context", "--cache-dir", ".mypy_cache"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, str(PROGRAMS)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    found = re.findall(r"^(.+?):(\d+): error: .*?\[([a-z-]+)\]$", done.stdout, re.MULTILINE)
    assert len(found) == done.stdout.count(": error: "), done.stdout
    return [(Path(file).name, int(line), kind) for file, line, kind in found]


def _pyright() -> list[tuple[str, int, str]]:
    # The programs' own settings: those of the project leave their wrong lines out.
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(PROGRAMS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return [
        (Path(each["file"]).name, each["range"]["start"]["line"] + 1, each.get("rule", ""))
        for each in json.loads(done.stdout)["generalDiagnostics"]
        if each["severity"] == "error"
    ]


@cache
def statements(file: str) -> list[tuple[int, int]]:
    """First and last line of each simple statement, and of the heads of others."""
    tree = ast.parse((PROGRAMS / file).read_text("utf-8"))
    return [
        (each.lineno, each.end_lineno or each.lineno)
        for each in ast.walk(tree)
        if isinstance(each, ast.stmt) and not hasattr(each, "body")
    ]


def marked(file: str) -> dict[int, list[str]]:
    """Line of each statement under a mark → the two kinds."""
    lines = (PROGRAMS / file).read_text("utf-8").splitlines()
    return {
        number + 1: line.strip().removeprefix(MARK).split(", ")
        for number, line in enumerate(lines, 1)
        if line.strip().startswith(MARK)
    }


@pytest.mark.parametrize("tool", ["mypy", "pyright"])
@pytest.mark.parametrize("file", NAMES)
def test_the_checkers_refuse_the_marked_lines_and_no_other(file: str, tool: str) -> None:
    expected = {line: set(kinds[tool == "pyright"].split("+")) for line, kinds in marked(file).items()}
    assert {line: kinds for (name, line), kinds in errors(tool).items() if name == file} == expected


def test_every_line_of_a_refused_program_is_marked() -> None:
    for file in NAMES:
        if file.startswith("refused"):
            tree = ast.parse((PROGRAMS / file).read_text("utf-8"))
            calls = {each.lineno for each in ast.walk(tree) if isinstance(each, ast.Expr) and _acts(each.value)}
            assert calls == marked(file).keys()
            assert len(calls) > 5


def test_natural_programs_need_no_help() -> None:
    for file in NAMES:
        text = (PROGRAMS / file).read_text("utf-8")
        assert not re.search(r"type: ignore|pyright:|\bcast\b", text), file


def _acts(node: ast.expr) -> bool:
    return isinstance(node, (ast.Call, ast.Await, ast.Compare, ast.Attribute, ast.BinOp, ast.ListComp))
