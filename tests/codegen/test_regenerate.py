"""A revision in one command: all of it, or nothing; and quick where nothing has changed."""

from __future__ import annotations

import copy
import fcntl
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from codegen.__main__ import main
from codegen.errors import CodegenError
from codegen.generating import emit
from codegen.importing import download
from codegen.importing.importer import import_documents
from codegen.regenerating import run, tree
from tests.codegen.test_diff import NEW, OLD, OVERRIDES, Notes

if TYPE_CHECKING:
    from collections.abc import Callable

CHANGELOG = "# Changelog\n\n## 0.1.0\n\nFirst.\n"
ROOT = Path(__file__).resolve().parents[2]


def documents(folder: Path, revision: str, edit: Callable[[Notes], object] = lambda _: None) -> Path:
    notes = Notes()
    edit(notes)
    document = copy.deepcopy(notes.document)
    document["info"]["version"] = revision
    path = folder / f"{revision}.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small project that ships OLD. Types aren't checked: that is the slow part, and has a test of its own."""
    project = tmp_path / "project"
    (project / "specs").mkdir(parents=True)
    (project / "specs" / "overrides.toml").write_text(OVERRIDES, encoding="utf-8")
    (project / "CHANGELOG.md").write_text(CHANGELOG, encoding="utf-8")
    (project / "pyproject.toml").write_text("[tool.mypy]\n", encoding="utf-8")
    import_documents(documents(tmp_path, OLD), OLD, project / "specs")
    emit.generate(OLD, project / "specs", project, None)
    (project / "klaviyo_async" / "_version.py").write_text('__version__ = "0.1.0"\n', encoding="utf-8")
    monkeypatch.setattr(run, "check_types", lambda *_: None)
    return project


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Documents of NEW, without the function that deletes."""
    return documents(tmp_path, NEW, lambda notes: notes.paths.pop("/api/notes/{id}"))


def files(project: Path) -> dict[str, bytes]:
    """All files of the project, but for what its tools keep for themselves."""
    return {
        str(path.relative_to(project)): path.read_bytes()
        for path in sorted(project.rglob("*"))
        if path.is_file() and "build" not in path.parts and "__pycache__" not in path.parts
    }


def take(project: Path, source: Path | None, revision: str = NEW, **more: Any) -> int:
    return run.regenerate(run.Request(revision, source, project=project, **more))


def test_all_of_it(project: Path, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert take(project, source, report=tmp_path / "out" / "report.md") == 0
    told = capsys.readouterr()
    assert told.out.startswith(f"# Klaviyo {OLD} → {NEW}\n")
    assert "- `delete_note`: removed (`DELETE /api/notes/{id}`)" in told.out
    assert told.out == (tmp_path / "out" / "report.md").read_text("utf-8")
    assert f"specs/{NEW}: 2 operations" in told.err
    assert f"klaviyo_async is 0.2.0 and ships {NEW}" in told.err
    package = project / "klaviyo_async"
    assert json.loads((package / "generated.json").read_text("utf-8"))["revision"] == NEW
    assert "delete_note" not in (package / "api" / "notes.py").read_text("utf-8")
    assert (package / "_version.py").read_text("utf-8") == '__version__ = "0.2.0"\n'
    assert (project / "CHANGELOG.md").read_text("utf-8") == (
        f"# Changelog\n\n## 0.2.0 (unreleased)\n\n### Klaviyo revision {NEW}, before {OLD}\n\n"
        "- **Breaking**: `delete_note`: removed (`DELETE /api/notes/{id}`).\n\n## 0.1.0\n\nFirst.\n"
    )
    assert sorted(path.name for path in (project / "specs" / NEW).iterdir()) == [
        "SHA256SUMS", "create_note.json", "get_notes.json",
    ]  # fmt: skip
    assert (project / "specs" / OLD / "delete_note.json").exists()  # the revision before stays
    assert not list(project.glob(".regenerating*"))


def test_the_same_again_is_nothing(project: Path, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    take(project, source)
    before = files(project)
    assert take(project, source) == 0
    assert "nothing changed" in capsys.readouterr().out
    assert files(project) == before


def test_what_has_not_changed_runs_no_step(
    project: Path, source: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    take(project, source)
    for step in ("check_types", "generate", "compared"):
        monkeypatch.setattr(run, step, None)
    monkeypatch.setattr(run.fetch, "take", None)
    report = tmp_path / "report.md"
    assert take(project, source, report=report) == 0
    assert not report.exists()


@pytest.mark.parametrize("spoil", ["klaviyo_async/api/notes.py", f"specs/{NEW}/get_notes.json", "specs/overrides.toml"])
def test_what_was_edited_here_is_no_reason_to_say_that_nothing_changed(
    spoil: str, project: Path, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    take(project, source)
    before = files(project)
    path = project / spoil
    path.write_text(path.read_text("utf-8") + "\n", encoding="utf-8")
    capsys.readouterr()
    take(project, source)
    assert "generate" in capsys.readouterr().err
    # The manifest tells of the overrides.
    told = {"specs/overrides.toml": b"", f"specs/{NEW}/SHA256SUMS": b""}
    assert files(project) | told == before | told


def test_a_change_within_the_revision(project: Path, tmp_path: Path) -> None:
    edited = documents(tmp_path, OLD, lambda notes: notes.read["properties"].update(colour={"type": "string"}))
    assert take(project, edited, OLD) == 0
    changelog = (project / "CHANGELOG.md").read_text("utf-8")
    assert (
        f"## 0.1.1 (unreleased)\n\n### Within revision {OLD}\n\n- 1 compatible change, 1 of them new fields.\n"
        in changelog
    )


# --- whatever fails, all is as it was

STEPS = [
    "fetch.take",
    "generate",
    "check_types",
    "compared",
    "version.propose",
    "version.write",
    "_write",
    "put_in_place",
]
FAULTS = [CodegenError("broken"), KeyboardInterrupt(), OSError(28, "No space left on device")]


def _patch(monkeypatch: pytest.MonkeyPatch, step: str, action: Callable[..., object]) -> None:
    from codegen.diffing import version  # noqa: PLC0415

    owner, name = {
        "fetch.take": (run.fetch, "take"),
        "version.propose": (version, "propose"),
        "version.write": (version, "write"),
        "put_in_place": (tree.Copy, "put_in_place"),
    }.get(step, (run, step))
    monkeypatch.setattr(owner, name, action)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
@pytest.mark.parametrize("step", STEPS)
def test_a_fault_in_any_step_leaves_all_as_it_was(
    step: str, fault: BaseException, project: Path, source: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise fault

    _patch(monkeypatch, step, fail)
    before = files(project)
    report = tmp_path / "report.md"
    with pytest.raises(CodegenError if isinstance(fault, OSError) else type(fault)):
        take(project, source, report=report)
    assert files(project) == before
    assert not report.exists()
    assert not list(project.glob(".regenerating*"))


@pytest.mark.parametrize("moves", [1, 2, 7, 15])
def test_a_fault_while_files_are_put_in_place_puts_them_back(
    moves: int, project: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, done = tree._move, 0

    def fail(path: Path, target: Path) -> None:
        nonlocal done
        done += 1
        if done == moves:
            raise OSError(28, "No space left on device")
        real(path, target)

    monkeypatch.setattr(tree, "_move", fail)
    before = files(project)
    with pytest.raises(CodegenError, match="No space left on device"):
        take(project, source)
    assert done > moves or moves == 1  # it went back
    assert files(project) == before
    assert not (project / "specs" / NEW).exists()


def test_a_crash_while_files_are_put_in_place_is_put_right_by_the_next_run(project: Path, source: Path) -> None:
    program = f"""
import os, sys
from pathlib import Path
from codegen.regenerating import run, tree
real, done = tree._move, 0
def move(path, target):
    global done
    done += 1
    real(path, target)
    if done == 12:
        os._exit(9)
tree._move = move
run.check_types = lambda *_: None
run.regenerate(run.Request({NEW!r}, Path({str(source)!r}), project=Path({str(project)!r})))
"""
    before = files(project)
    died = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=False)
    assert died.returncode == 9
    assert files(project) != before
    with tree.working(project):
        pass
    assert files(project) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_stop_the_work(
    number: signal.Signals, project: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "check_types", lambda *_: signal.raise_signal(number))
    before, handler = files(project), signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        take(project, source)
    assert files(project) == before
    assert signal.getsignal(number) is handler


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_come_too_late_while_the_files_are_put_in_place(
    number: signal.Signals, project: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tree._move

    def move(path: Path, target: Path) -> None:
        signal.raise_signal(number)
        real(path, target)

    monkeypatch.setattr(tree, "_move", move)
    assert take(project, source) == 0
    assert json.loads((project / "klaviyo_async" / "generated.json").read_text("utf-8"))["revision"] == NEW
    assert "0.2.0 (unreleased)" in (project / "CHANGELOG.md").read_text("utf-8")


def test_the_command_line_says_that_it_was_stopped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "regenerate", stop)
    assert main(["regenerate", "--revision", NEW]) == 130
    assert capsys.readouterr().err == "codegen regenerate: stopped; all files are unchanged\n"


def test_an_edit_while_it_runs_is_not_lost(project: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = project / "CHANGELOG.md"
    monkeypatch.setattr(run, "check_types", lambda *_: path.write_text(f"{CHANGELOG}\nMine.\n", encoding="utf-8"))
    before = files(project)
    with pytest.raises(CodegenError, match=r"CHANGELOG.md: was changed in the meantime; run the command again"):
        take(project, source)
    assert files(project) == before | {"CHANGELOG.md": f"{CHANGELOG}\nMine.\n".encode()}


def test_two_at_once_are_one_too_many(project: Path, source: Path) -> None:
    before = files(project)
    with (project / f"{tree.WORK}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(CodegenError, match="another `python -m codegen regenerate` is running here"):
            take(project, source)
    assert files(project) == before | {f"{tree.WORK}.lock": b""}


# --- what is refused


def test_types_that_do_not_pass(tmp_path: Path) -> None:
    package = tmp_path / "klaviyo_async"
    package.mkdir()
    (package / "__init__.py").write_text("number: int = 'text'\n", encoding="utf-8")
    with pytest.raises(
        CodegenError, match=r"(?s)does not pass mypy --strict.*__init__.py:1: error: Incompatible types"
    ):
        run.check_types(tmp_path, tmp_path)
    (package / "__init__.py").write_text("number: int = 1\n", encoding="utf-8")
    run.check_types(tmp_path, tmp_path)


def test_an_override_that_no_longer_fits(project: Path, source: Path) -> None:
    path = project / "specs" / "overrides.toml"
    path.write_text(
        f'{OVERRIDES}\n[[override]]\nwhy = "x"\noperations = ["get_notes"]\nexpect = {{ summary = "Old" }}\ndrop = ["summary"]\n'
    )
    before = files(project)
    with pytest.raises(CodegenError, match="summary"):
        take(project, source)
    assert files(project) == before


def test_betas_are_not_shipped(project: Path, source: Path) -> None:
    with pytest.raises(CodegenError, match=r"is a beta, which is not shipped; see `python -m codegen generate --out"):
        take(project, source, "2026-10-15.pre")


def test_documents_of_another_revision(project: Path, source: Path) -> None:
    before = files(project)
    with pytest.raises(CodegenError, match=r"the document is for revision 2026-07-15, not 2026-10-15"):
        take(project, source, "2026-10-15")
    assert files(project) == before


def test_the_newest_revision_is_that_of_the_main_branch(
    project: Path, source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def first_of(urls: list[str], _: float) -> tuple[str, bytes]:
        asked.append(urls[0])
        return urls[0], source.read_bytes()

    monkeypatch.setattr(download, "first_of", first_of)
    assert take(project, None, run.NEWEST, url="https://upstream.test/") == 0
    assert asked == [
        "https://upstream.test/main/openapi/stable.json",
        f"https://upstream.test/{NEW}/openapi/stable.json",
    ]
    assert f"the newest revision is {NEW}" in capsys.readouterr().err
    with pytest.raises(CodegenError, match="with --from, name the revision"):
        take(project, source, run.NEWEST)
