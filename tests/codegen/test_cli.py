"""`python -m codegen` as it is typed: exit codes and messages."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from codegen.__main__ import main
from codegen.revisions import shipped_revision

PROJECT = Path(__file__).resolve().parents[2]
REVISION = "2026-04-15"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "codegen", *map(str, arguments)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def source(document: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "document.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_import_and_diff(source: Path, document: dict[str, Any], tmp_path: Path) -> None:
    specs = tmp_path / "specs"
    document["components"]["schemas"]["Note"]["properties"].pop("zeta")
    source.write_text(json.dumps(document), encoding="utf-8")
    done = run("import", source, "--revision", REVISION, "--specs", specs, "--report", tmp_path / "report.txt")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("specs/2026-04-15: 1 operations, 1 components (1 added, 0 removed, 0 changed)\n")
    assert (tmp_path / "report.txt").read_text(encoding="utf-8") == done.stdout
    document["paths"]["/api/notes/{id}"]["patch"]["summary"] = "Other"
    document["info"]["version"] = "2026-07-15"
    source.write_text(json.dumps(document), encoding="utf-8")
    assert run("import", source, "--revision", "2026-07-15", "--specs", specs).returncode == 0
    same = run("diff", REVISION, REVISION, "--specs", specs)
    assert (same.returncode, "No difference" in same.stdout) == (0, True)
    other = run("diff", REVISION, "2026-07-15", "--specs", specs, "--format", "json")
    assert other.returncode == 1
    assert [(each["subject"], each["kind"]) for each in json.loads(other.stdout)["changes"]] == [
        ("update_note", "summary")
    ]


def test_what_is_not_understood_is_printed(
    document: dict[str, Any], source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document["paths"]["/api/notes/{id}"]["patch"]["description"] = "At most 7 notes may be changed."
    source.write_text(json.dumps(document), encoding="utf-8")
    assert main(["import", str(source), "--revision", REVISION, "--specs", str(tmp_path / "specs")]) == 0
    assert "not understood: update_note /description (looks like a limit): At most 7" in capsys.readouterr().out


def test_overrides_that_no_longer_fit_are_told_by_the_import_and_refused_by_check(
    source: Path, document: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped = shipped_revision()
    document["info"]["version"] = shipped
    source.write_text(json.dumps(document), encoding="utf-8")
    specs = tmp_path / "specs"
    specs.mkdir()
    override = '[[override]]\nwhy = "because"\noperations = ["{}"]\nexpect = {{ summary = "Old" }}\ndrop = ["summary"]'
    (specs / "overrides.toml").write_text(override.format("update_note"), encoding="utf-8")
    assert main(["import", str(source), "--revision", shipped, "--specs", str(specs)]) == 0
    assert "override: " in capsys.readouterr().out
    assert main(["check", "--revision", shipped, "--specs", str(specs), "--out", str(tmp_path / "out")]) == 2
    assert "update_note is expected to have summary = 'Old'" in capsys.readouterr().err
    (specs / "overrides.toml").write_text(override.format("gone"), encoding="utf-8")
    assert main(["check", "--revision", shipped, "--specs", str(specs), "--out", str(tmp_path / "out")]) == 2
    assert "no such operation: gone" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["import", "gone.json", "--revision", REVISION], "gone.json: there is no such file"),
        (["import", "gone.json", "--revision", "soon"], "'soon' is not a revision"),
        (["diff", "2020-01-01", REVISION], "neither a revision"),
        (["fetch", "--revision", REVISION, "--url", "file:///etc"], "only https and http"),
        (["fetch", "--revision", REVISION, "--from", "gone"], "gone: there is no such file"),
        (["fetch", "--revision", "x"], "not a revision"),
    ],
)
def test_refusals_are_one_line_and_exit_2(arguments: list[str], message: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.startswith(f"codegen {arguments[0]}: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_bad_usage_exits_2() -> None:
    assert run().returncode == 2
    assert run("import").returncode == 2
    assert run("paint").returncode == 2
    for seconds in ("0", "soon", "inf", "nan"):
        done = run("fetch", "--revision", REVISION, "--timeout", seconds)
        assert (done.returncode, "is not a number of seconds" in done.stderr) == (2, True)


def test_a_report_that_cannot_be_written(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["import", source, "--revision", REVISION, "--specs", tmp_path / "specs", "--report", tmp_path]
    assert main(list(map(str, arguments))) == 2
    assert "can't be written" in capsys.readouterr().err
    assert not (tmp_path / "specs").exists()
