"""The project's files while a revision is taken: work goes on in a copy, which takes their place all at once or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
import signal
from hashlib import sha256
from typing import TYPE_CHECKING

from attrs import Factory, define

from codegen.errors import CodegenError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

WORK = ".regenerating"
"""Folder in the project, on its file system, for the copy and for what was replaced."""
_JOURNAL = "journal.json"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LEFT_OUT = frozenset({"__pycache__"})


@define
class Copy:
    """A copy of parts of the project."""

    project: Path
    parts: Sequence[str]
    """Files and folders that the copy has; only these can change."""
    digests: dict[str, str] = Factory(dict)
    """What the project's files were when they were copied."""

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self.project / WORK / "copy"

    def make(self) -> None:
        """Copy the parts."""
        for part in self.parts:
            for name, path in _files(self.project, part):
                data = path.read_bytes()
                self.digests[name] = sha256(data).hexdigest()
                target = self.folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
                shutil.copystat(path, target)

    def changed(self) -> list[str]:
        """Names of the files that the copy has otherwise than the project had them, gone ones included."""
        there = {name: path for part in self.parts for name, path in _files(self.folder, part)}
        return sorted(
            name
            for name in there.keys() | self.digests.keys()
            if name not in there or sha256(there[name].read_bytes()).hexdigest() != self.digests.get(name)
        )

    def put_in_place(self) -> list[str]:
        """Replace the project's files by the copy's; the names of those that differ. Raises CodegenError."""
        names = self.changed()
        for name in names:
            path = self.project / name
            now = sha256(path.read_bytes()).hexdigest() if path.is_file() else None
            if now != self.digests.get(name):
                raise CodegenError("was changed in the meantime; run the command again", file=path)
        with _uninterrupted():
            _swap(self.project, names, {name for name in names if name in self.digests})
        return names


def _files(root: Path, part: str) -> Iterator[tuple[str, Path]]:
    path = root / part
    if path.is_file():
        yield part, path
    elif path.is_dir():
        for each in sorted(path.rglob("*")):
            if each.is_file() and not _LEFT_OUT & set(each.parts):
                yield str(each.relative_to(root)), each


@contextlib.contextmanager
def working(project: Path) -> Iterator[None]:
    """The folder for the work, for one process at a time; what a crash left behind is put right first."""
    work = project / WORK
    work.mkdir(exist_ok=True)
    with (project / f"{WORK}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CodegenError("another `python -m codegen regenerate` is running here", file=work) from None
        try:
            if (work / _JOURNAL).exists():
                _undo(project)
            for left in work.iterdir():
                shutil.rmtree(left)
            yield
        finally:
            shutil.rmtree(work, ignore_errors=True)
            (project / f"{WORK}.lock").unlink(missing_ok=True)


def _swap(project: Path, names: Sequence[str], existed: set[str]) -> None:
    work = project / WORK
    journal = {name: name in existed for name in names}
    (work / f"{_JOURNAL}.new").write_text(json.dumps(journal), encoding="utf-8")
    (work / f"{_JOURNAL}.new").replace(work / _JOURNAL)
    try:
        for name in names:
            if name in existed:
                _move(project / name, work / "before" / name)
            if (work / "copy" / name).is_file():
                _move(work / "copy" / name, project / name)
    except BaseException:
        _undo(project)
        raise
    (work / _JOURNAL).unlink()
    for name in names:
        _drop_empty(project / name, project)


def _undo(project: Path) -> None:
    """Put back what the journal tells of."""
    work = project / WORK
    journal = json.loads((work / _JOURNAL).read_text(encoding="utf-8"))
    for name, existed in journal.items():
        if (work / "before" / name).is_file():
            _move(work / "before" / name, project / name)
        elif not existed:
            (project / name).unlink(missing_ok=True)
            _drop_empty(project / name, project)
    (work / _JOURNAL).unlink()


def _move(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    path.replace(target)


def _drop_empty(path: Path, project: Path) -> None:
    """Remove the folders around a file that is gone, as far as they are empty."""
    for folder in path.parents:
        if folder == project or any(folder.iterdir() if folder.is_dir() else ()):
            return
        with contextlib.suppress(OSError):
            folder.rmdir()


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C and its like come too late while the files are put in place: that is done in a moment."""
    # Not by a mask: of several threads, one that has none would take the signal.
    before = {number: signal.signal(number, lambda *_: None) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """SIGTERM and SIGHUP stop the work as Ctrl-C does, so that it is cleaned up."""

    def stop(number: int, _: object) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def digest(project: Path, parts: Sequence[str]) -> str:
    """One digest of all files of some parts of the project."""
    total = sha256()
    for part in parts:
        for name, path in _files(project, part):
            total.update(f"{name}\0{path.stat().st_size}\0".encode())
            total.update(path.read_bytes())
    return total.hexdigest()
