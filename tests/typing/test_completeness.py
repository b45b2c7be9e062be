"""Every public name has a type that all checkers read alike: nothing is left to inference."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_every_public_symbol_has_a_declared_type(tmp_path: Path) -> None:
    # From an empty folder: in the root, pyright would read the project's settings, and take the package for a part of it.
    command = [
        *(sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson"),
        *("--verifytypes", "klaviyo_async", "--ignoreexternal"),
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    try:
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        report = json.loads(done.stdout)["typeCompleteness"]
    except (OSError, ValueError, KeyError) as error:
        pytest.skip(f"pyright does not run here: {error!r}")
    assert report["packageName"] == "klaviyo_async"
    assert Path(report["packageRootDirectory"]) == ROOT / "klaviyo_async", "looked at another copy of the package"
    assert report["exportedSymbolCounts"]["withKnownType"] > 10_000
    incomplete = sorted(
        f"{symbol['name']}: {diagnostic['message']}"
        for symbol in report["symbols"]
        if not symbol["isTypeKnown"]
        for diagnostic in symbol["diagnostics"]
    )
    assert not incomplete
    assert report["completenessScore"] == 1
