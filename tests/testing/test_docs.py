"""The examples of docs/testing.md, run as a reader would run them."""

from __future__ import annotations

import importlib.metadata
import os
import re
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
ROOT = Path(__file__).resolve().parents[2]
BLOCKS = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "testing.md").read_text(), re.MULTILINE | re.DOTALL)
FILES = {match[1]: block for block in BLOCKS if (match := re.match(r"# (\w+\.py)\n", block))}
SNIPPETS = [block for block in BLOCKS if not block.startswith("# ")]


@pytest.fixture
def run(pytester, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(pytester.path), os.environ.get("PYTHONPATH", "")]))
    installed = any(one.name == "klaviyo_async" for one in importlib.metadata.entry_points(group="pytest11"))
    plugins = [] if installed else ["-p", "klaviyo_async.testing.plugin"]

    def run(**files):
        pytester.makepyfile(**files)
        return pytester.runpytest_subprocess(*plugins, "-o", "asyncio_mode=auto")

    return run


def test_every_snippet_passes(run):
    result = run(**{f"test_snippet_{number}": block for number, block in enumerate(SNIPPETS)})
    result.assert_outcomes(passed=len(SNIPPETS))


def test_the_fastapi_example(run):
    pytest.importorskip("fastapi", reason="FastAPI is not installed: pip install fastapi httpx")
    pytest.importorskip("httpx")
    assert set(FILES) == {"app.py", "test_app.py"}
    result = run(app=FILES["app.py"], test_app=FILES["test_app.py"])
    result.assert_outcomes(passed=1)
