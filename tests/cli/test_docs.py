"""The blocks of docs/cli.md run as they stand, one shell after the other, and print what they show."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import environment
from tests.limiter.redis_server import free_port

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
MARK = "--- command ---"


def shown() -> list[tuple[str, str]]:
    """Each command of the page and what it prints there."""
    found: list[tuple[str, str]] = []
    for block in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


def fits(output: str, expected: str) -> bool:
    """`…` stands for anything."""
    pattern = ".*?".join(map(re.escape, expected.split("…")))
    return re.fullmatch(pattern, output, re.DOTALL) is not None


@pytest.mark.skipif(not PAGE.exists(), reason="docs/ is not there")
def test_the_page(tmp_path: Path) -> None:
    port = str(free_port())
    commands = [(one.replace("8700", port), output.replace("8700", port)) for one, output in shown()]
    assert len(commands) >= 8
    script = ["trap 'kill $(jobs -p)' EXIT"]
    for command, _ in commands:
        # What is started in the background is waited for until it says that it listens.
        wait = "until [ -s log ]; do sleep 0.05; done; cat log" if command.endswith("&") else ":"
        script += [f"echo '{MARK}'", f"{command[:-1]} >log 2>&1 &" if command.endswith("&") else command, wait]
    env = environment(PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    done = subprocess.Popen(
        ["bash", "-c", "\n".join(script)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=env,
        start_new_session=True,
    )
    try:
        out, _ = done.communicate(timeout=120)
    finally:
        if done.poll() is None:
            os.killpg(done.pid, signal.SIGKILL)
    outputs = out.split(f"{MARK}\n")[1:]
    assert len(outputs) == len(commands)
    for (command, expected), output in zip(commands, outputs, strict=True):
        assert fits(output, expected), (command, output)
