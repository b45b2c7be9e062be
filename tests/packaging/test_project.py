"""The project's own files: what they name exists."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from codegen.__main__ import main

ROOT = Path(__file__).resolve().parents[2]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
WORKFLOWS = sorted((ROOT / ".github").rglob("*.yml"))
TEXTS = [
    *WORKFLOWS,
    ROOT / ".pre-commit-config.yaml",
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / ".ci" / "run",
]


@pytest.mark.parametrize("path", TEXTS, ids=[path.relative_to(ROOT).as_posix() for path in TEXTS])
def test_make_targets_that_are_named_exist(path: Path) -> None:
    named = re.findall(
        r"(?:^|`|\"|run: |entry: )make (?:--[a-z-]+ )*([a-z][a-z-]*)", path.read_text("utf-8"), re.MULTILINE
    )
    assert set(named) <= TARGETS


@pytest.mark.parametrize("path", WORKFLOWS, ids=[path.name for path in WORKFLOWS])
def test_workflows_and_forms_are_yaml(path: Path) -> None:
    loaded: Any = YAML(typ="safe").load(path.read_text("utf-8"))
    if path.parent.name == "workflows":
        assert {"name", "on", "permissions", "jobs"} <= loaded.keys()
        assert all("timeout-minutes" in job for job in loaded["jobs"].values())


@pytest.mark.parametrize("path", WORKFLOWS, ids=[path.name for path in WORKFLOWS])
def test_commands_of_workflows_exist(path: Path) -> None:
    """The commands of the generator, straight or by make, and the other workflows that they name."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    lines = [line for _, line in _runs(YAML(typ="safe").load(path.read_text("utf-8")))]
    for command in re.findall(r"python -m codegen ([a-z]+)", "\n".join([*lines, makefile])):
        with pytest.raises(SystemExit, match=r"^0$"):
            main([command, "--help"])
    for workflow in re.findall(r"gh workflow run (\S+)", "\n".join(lines)):
        other = YAML(typ="safe").load((ROOT / ".github" / "workflows" / workflow).read_text("utf-8"))
        assert "workflow_dispatch" in other["on"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=[path.name for path in WORKFLOWS])
def test_workflows_pin_actions_and_ask_for_little(path: Path) -> None:
    loaded: Any = YAML(typ="safe").load(path.read_text("utf-8"))
    uses = [step["uses"] for job in loaded.get("jobs", {}).values() for step in job["steps"] if "uses" in step]
    assert [each for each in uses if not re.fullmatch(r"[\w./-]+@(v\d+(\.\d+)*|[0-9a-f]{40}|release/v\d+)", each)] == []
    if path.parent.name == "workflows":
        assert loaded["permissions"] == {"contents": "read"}
    assert set(re.findall(r"secrets\.(\w+)", path.read_text("utf-8"))) <= {"GITHUB_TOKEN"}


def test_scripts_of_the_weekly_workflow_are_shell() -> None:
    loaded: Any = YAML(typ="safe").load((ROOT / ".github" / "workflows" / "regenerate.yml").read_text("utf-8"))
    for name, script in _runs(loaded):
        done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
        assert (name, done.returncode, done.stderr) == (name, 0, "")
        # What comes from outside goes through the environment, never into the script itself.
        assert "${{" not in script


def _runs(workflow: Any) -> list[tuple[str, str]]:
    jobs = workflow.get("jobs", {}) if isinstance(workflow, dict) else {}
    return [(name, step["run"]) for name, job in jobs.items() for step in job["steps"] if "run" in step]


def test_extras_are_documented() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    page = (ROOT / "docs" / "index.md").read_text("utf-8")
    assert [name for name in project["optional-dependencies"] if f"`{name}`" not in page] == []
    assert {"Documentation", "Source", "Issues", "Changelog"} <= project["urls"].keys()
