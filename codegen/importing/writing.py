"""Specs on disk: a revision's folder is replaced as a whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING, Any

from attrs import Factory, frozen

from codegen import documents
from codegen.errors import CodegenError
from codegen.importing import manifest
from codegen.names import file_stem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from codegen.importing.manifest import Origin


@frozen
class Changes:
    """Names of the specs that a write added, removed and changed."""

    added: list[str] = Factory(list)
    removed: list[str] = Factory(list)
    changed: list[str] = Factory(list)


@frozen
class Plan:
    """A folder that is ready to be written."""

    target: Path
    texts: dict[str, str]
    changes: Changes

    @contextlib.contextmanager
    def staged(self) -> Iterator[Path]:
        """The folder as it will be, beside where it will be. It is swapped in at the end, unless that is an error.

        A crash leaves the old folder or the new one, never a mixture. Raises CodegenError where it can't be written.
        """
        specs = self.target.parent
        fresh = specs / f".{self.target.name}.{os.getpid()}.new"
        made = [folder for folder in (specs, *specs.parents) if not folder.exists()]
        try:
            specs.mkdir(parents=True, exist_ok=True)
            fresh.mkdir()
            for name, text in self.texts.items():
                (fresh / name).write_text(text, encoding="utf-8", newline="\n")
            yield fresh
            _swap(fresh, self.target)
            made = []
        except OSError as error:
            raise CodegenError(f"can't be written: {error.strerror or error}", file=error.filename or specs) from None
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
            for folder in made:
                with contextlib.suppress(OSError):
                    folder.rmdir()


def plan(files: Mapping[str, dict[str, Any]], target: Path, origin: Origin | None = None) -> Plan:
    """What replacing `target` by `files`, and a manifest where there is an `origin`, means; nothing is written yet.

    Raises CodegenError for what is in the way.
    """
    before = _before(target)
    texts = {file_stem(name): documents.dumps(value) for name, value in sorted(files.items())}
    changes = Changes(
        added=sorted(texts.keys() - before.keys()),
        removed=sorted(before.keys() - texts.keys()),
        changed=sorted(name for name in texts.keys() & before.keys() if texts[name] != before[name]),
    )
    written = {f"{name}.json": text for name, text in texts.items()}
    if origin is not None:
        written[manifest.NAME] = manifest.text(origin, written)
    return Plan(target, written, changes)


def _before(target: Path) -> dict[str, str]:
    before: dict[str, str] = {}
    if target.is_symlink() or target.exists():
        if target.is_symlink() or not target.is_dir():
            raise CodegenError("is not a folder; the specs of a revision must be one", file=target)
        for path in sorted(target.iterdir()):
            if path.name == manifest.NAME and path.is_file():
                continue
            if path.suffix != ".json" or not path.is_file():
                raise CodegenError(
                    "is not a spec; move it elsewhere, since the import replaces the whole folder", file=path
                )
            before[path.stem] = path.read_text(encoding="utf-8", errors="replace")
    return before


def _swap(fresh: Path, target: Path) -> None:
    old = target.with_name(f".{target.name}.{os.getpid()}.old")
    if target.exists():
        target.rename(old)
    try:
        fresh.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
