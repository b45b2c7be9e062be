"""The examples of docs/limits.md are Python, and what they import exists."""

from __future__ import annotations

import ast
import importlib
import pathlib
import re

import pytest

from klaviyo_async.limiter import BucketSnapshot, Snapshot, WindowSnapshot

PAGE = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "limits.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_examples_parse_and_import_what_there_is(block) -> None:
    tree = compile(block, "limits.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module)
            assert all(hasattr(module, alias.name) for alias in node.names)


def test_every_field_of_the_snapshot_is_documented() -> None:
    for kind in (Snapshot, BucketSnapshot, WindowSnapshot):
        for name in kind.__slots__:
            assert name == "__weakref__" or f"`{name}`" in PAGE
