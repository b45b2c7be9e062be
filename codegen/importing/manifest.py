"""`specs/<revision>/SHA256SUMS`: what was fetched from where, and what each file must be. `sha256sum -c` reads it as well."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from codegen.errors import CodegenError
from codegen.specs.tables import overrides_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

NAME = "SHA256SUMS"
_CODE = Path(__file__).resolve().parents[1]
_FOLDERS = ("", "importing", "specs")
_LINE = re.compile(r"([0-9a-f]{64})  ([^/\\\0]+)")
_ABOUT = re.compile(r"# (from|source|importer): (.*)")


@frozen
class Origin:
    """Where specs come from."""

    name: str
    """The address, or the name of the file or folder; no path of a machine."""
    source: str
    """Digest of the documents as they came."""
    importer: str
    """Digest of what made specs of them: the code, and the overrides."""


def origin(name: str, files: Iterable[bytes], specs: Path) -> Origin:
    """The origin of specs made now of these documents."""
    source = hashlib.sha256()
    for digest in sorted(hashlib.sha256(data).digest() for data in files):
        source.update(digest)
    importer = hashlib.sha256()
    code = [path for folder in _FOLDERS for path in sorted((_CODE / folder).glob("*.py"))]
    for path in (*code, overrides_file(specs)):
        if path.is_file():
            importer.update(path.name.encode() + b"\0" + path.read_bytes())
    return Origin(name, source.hexdigest(), importer.hexdigest())


def text(made: Origin, texts: Mapping[str, str]) -> str:
    """The manifest of specs that are about to be written."""
    about = [f"# from: {made.name}", f"# source: {made.source}", f"# importer: {made.importer}"]
    sums = (f"{hashlib.sha256(content.encode()).hexdigest()}  {name}" for name, content in sorted(texts.items()))
    return "\n".join([*about, *sums, ""])


def is_current(folder: Path, made: Origin) -> bool:
    """Whether `folder` holds what an import of these documents would write again."""
    if not (folder / NAME).is_file() or list(problems(folder)):
        return False
    about, _ = _read(folder)
    return (about.get("source"), about.get("importer")) == (made.source, made.importer)


def problems(folder: Path) -> Iterator[str]:
    """What differs from the manifest of a revision's specs; nothing where it has no manifest."""
    if not (folder / NAME).is_file():
        return
    _, sums = _read(folder)
    there = {path.name: path for path in folder.iterdir() if path.name != NAME}
    for name in sorted(sums.keys() | there.keys()):
        if name not in there:
            yield f"{folder / name}: is missing"
        elif name not in sums:
            yield f"{folder / name}: is not in {NAME}"
        elif not there[name].is_file() or hashlib.sha256(there[name].read_bytes()).hexdigest() != sums[name]:
            yield f"{folder / name}: is not what was fetched"


def _read(folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    path = folder / NAME
    about: dict[str, str] = {}
    sums: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if match := _ABOUT.fullmatch(line):
            about[match[1]] = match[2]
        elif match := _LINE.fullmatch(line):
            sums[match[2]] = match[1]
        else:
            raise CodegenError("not a line of checksums", file=path, place=f"line {number}")
    return about, sums
