"""Assembles the pages of the site: those of docs/ as they are, and the generated reference."""

from __future__ import annotations

import os
import re
import shutil
import tomllib
from pathlib import Path

from codegen.documenting import reference
from codegen.errors import CodegenError

_ROOT = Path(__file__).resolve().parents[2]
_LINK = re.compile(r"\]\((?!https?://|#)([^)\s#]+)(#[^)\s]*)?\)")


def write(out: Path) -> list[Path]:
    """Fill `out` with the site's pages and return them. Links that leave docs/ go to the same file in the repository."""
    if out.exists():
        shutil.rmtree(out)
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    repository = project["urls"]["Source"]
    docs = _ROOT / "docs"
    written = []
    for path in sorted(docs.rglob("*")):
        if path.is_dir() or any(part.startswith(("_", ".")) for part in path.relative_to(docs).parts):
            continue
        target = out / path.relative_to(docs)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            target.write_text(_relinked(path, repository), encoding="utf-8")
        else:
            shutil.copyfile(path, target)
        written.append(target)
    for name, text in reference.pages().items():
        target = out / "reference" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        written.append(target)
    _write_config(out)
    return written


def _write_config(out: Path) -> None:
    """The site's configuration, written beside `out`: the project's, with the pages of the reference in the navigation."""
    text = (_ROOT / "zensical.toml").read_text(encoding="utf-8")
    entry = '{ "Operations" = "reference/index.md" },'
    if entry not in text:
        raise CodegenError(f"has no entry {entry} to put the reference in", file=_ROOT / "zensical.toml")
    listed = ", ".join(f'{{ "{title}" = "reference/{name}" }}' for title, name in reference.titles())
    text = text.replace(entry, f'{{ "Operations" = [{listed}] }},')
    (out.parent / "zensical.toml").write_text(text, encoding="utf-8")


def _relinked(page: Path, repository: str) -> str:
    def relinked(match: re.Match[str]) -> str:
        target = Path(os.path.normpath(page.parent / match[1]))
        if target.is_relative_to(_ROOT / "docs"):
            return match[0]
        return f"]({repository}/blob/main/{target.relative_to(_ROOT).as_posix()}{match[2] or ''})"

    return _LINK.sub(relinked, page.read_text(encoding="utf-8"))
