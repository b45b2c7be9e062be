"""The files of a package: written, or compared with what is there."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from codegen.errors import CodegenError
from codegen.generating.package import Report, render
from codegen.generating.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["Report", "check", "generate"]

_DIFF_LINES = 200


def generate(revision: str | None, specs: Path, out: Path | None, package: str | None) -> Report:
    """Write the generated files, and remove those of an earlier run that are no longer generated.

    Raises CodegenError, with nothing written, if another file is in the way.
    """
    target = Target.of(revision, specs, out, package)
    files, report = render(target)
    folder = target.folder
    foreign = target.foreign(files)
    if foreign is not None:
        raise CodegenError(
            "it already exists and was not generated; choose another --package or --out, or remove it", file=foreign
        )
    try:
        for stale in target.listed().keys() - files.keys():
            (folder / stale).unlink(missing_ok=True)
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists() or path.read_bytes() != content:
                path.write_bytes(content)
    except OSError as error:
        raise CodegenError(f"can't be written: {error.strerror or error}", file=error.filename or folder) from None
    return report


def check(revision: str | None, specs: Path, out: Path | None, package: str | None) -> int:
    """0 where the generated parts are byte for byte what would be generated now, else 1 and a diff on stdout."""
    target = Target.of(revision, specs, out, package)
    files, report = render(target)
    lines = list(_differences(target.folder, files, target.present()))
    for line in lines[:_DIFF_LINES]:
        print(line)
    if len(lines) > _DIFF_LINES:
        print(f"… {len(lines) - _DIFF_LINES} more lines")
    print(f"{report}: {'differs; run `python -m codegen generate`' if lines else 'up to date'}")
    return 1 if lines else 0


def _differences(folder: Path, files: Mapping[str, bytes], found: set[str]) -> Iterator[str]:
    for name in sorted(files.keys() | found):
        path = folder / name
        old = path.read_bytes() if path.exists() else None
        new = files.get(name)
        if old == new:
            continue
        if old is None or new is None:
            yield f"{name}: {'is missing' if old is None else 'is not generated'}"
        elif b"\0" in old + new:
            yield f"{name}: differs"
        else:
            yield from difflib.unified_diff(
                old.decode(errors="replace").splitlines(),
                new.decode(errors="replace").splitlines(),
                f"committed/{name}",
                f"generated/{name}",
                lineterm="",
                n=1,
            )
