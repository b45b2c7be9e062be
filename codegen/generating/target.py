"""What is to be generated, and where to: folder, revision, specs, and what an earlier run has left there."""

from __future__ import annotations

import json
from keyword import iskeyword
from pathlib import Path

from attrs import frozen

from codegen.errors import CodegenError
from codegen.specs import assemble

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = "klaviyo_async"
"""Name of the project's own package."""
MANIFEST = "generated.json"
_FOLDERS = ("api", "filters", "models", "operation_table", "resources")


@frozen
class Target:
    """One package to generate."""

    folder: Path
    revision: str
    specs: Path

    @classmethod
    def of(cls, revision: str | None, specs: Path, out: Path | None, package: str | None) -> Target:
        """The target that the command line names; without a revision the package's own, or else the latest."""
        if package is not None and (not package.isidentifier() or iskeyword(package)):
            raise CodegenError(f"{package!r} is not a valid package name")
        folder = (ROOT if out is None else out) / (package or SHIPPED)
        return cls(folder, _current(folder, specs) if revision is None else revision, specs)

    @property
    def shipped(self) -> bool:
        """Whether it is the project's own package."""
        return self.folder == ROOT / SHIPPED

    def listed(self) -> dict[str, str]:
        """What an earlier run has written: file → digest."""
        manifest = self.folder / MANIFEST
        if not manifest.exists():
            return {}
        names = json.loads(manifest.read_text(encoding="utf-8"))["files"]
        return {
            name: digest
            for name, digest in names.items()
            if not Path(name).is_absolute() and ".." not in Path(name).parts
        }

    def present(self) -> set[str]:
        """The files that are there: those of an earlier run, and all in the folders that hold nothing else."""
        return set(self.listed()) | {
            str(path.relative_to(self.folder))
            for part in _FOLDERS
            for path in (self.folder / part).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }


def _current(folder: Path, specs: Path) -> str:
    manifest = folder / MANIFEST
    known = assemble.known_revisions(specs)
    if manifest.exists():
        current = str(json.loads(manifest.read_text(encoding="utf-8"))["revision"])
        if current in known:
            return current
    if not known:
        raise CodegenError("there are no specs; run `python -m codegen import` first", file=specs)
    return known[-1]
