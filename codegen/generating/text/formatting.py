"""Source text as ruff formats it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from codegen.errors import CodegenError

if TYPE_CHECKING:
    from collections.abc import Mapping

_RUFF = ("--isolated", "--target-version", "py311", "--line-length", "120", "--no-cache", ".")
_OURS = "klaviyo_async"
"""The folder's name, by which ruff tells imports of the package from others."""


def formatted(texts: Mapping[str, str]) -> dict[str, bytes]:
    """The files as ruff formats them, imports sorted."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / _OURS
        for name, text in texts.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        for command in (
            ("check", "--quiet", "--fix", "--select", "I"),
            (
                "format",
                "--quiet",
                "--config",
                "format.skip-magic-trailing-comma = true",
                "--config",
                "format.docstring-code-format = true",
            ),
        ):
            done = subprocess.run(
                [sys.executable, "-m", "ruff", *command, *_RUFF],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise CodegenError(f"the generated code is not valid Python: {done.stdout}{done.stderr}")
        return {name: (folder / name).read_bytes() for name in texts}
