"""Whether a package is what its inputs give, without generating it again.

A stamp says which inputs gave which manifest: the specs and overrides of the revision, the generator and what of the package
it uses, its tools. It is kept outside the package, in a folder that git ignores, and holds only as long as every file of
the package is the one that the manifest lists; so it can be lost at any time, and is never wrong.
"""

from __future__ import annotations

import hashlib
import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from codegen.generating.target import MANIFEST, ROOT
from codegen.specs.tables import overrides_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codegen.generating.target import Target

_FOLDER = ROOT / ".codegen"
_TOOLS = ("openapi-python-client", "ruff", "jinja2", "attrs")
_GENERATED = frozenset({"api", "filters", "models", "operation_table", "resources"})


def known(target: Target) -> str | None:
    """What the last run said of the package, where nothing has changed since; else None."""
    stamp = _content(_file(target))
    try:
        same = bool(stamp) and stamp["outputs"] == _outputs(target) and stamp["inputs"] == _inputs(target)
    except OSError:
        return None
    return stamp["report"] if same else None


def keep(target: Target, report: str) -> None:
    """Remember that the package is what its inputs give."""
    try:
        _FOLDER.mkdir(exist_ok=True)
        for old in _FOLDER.glob("*.json"):
            if not Path(_content(old).get("folder", "")).is_absolute() or not Path(_content(old)["folder"]).exists():
                old.unlink(missing_ok=True)
        outputs = _outputs(target)
        if outputs is not None:
            found = {"folder": str(target.folder.resolve()), "inputs": _inputs(target), "outputs": outputs}
            _file(target).write_text(json.dumps({**found, "report": report}), encoding="utf-8")
    except OSError:
        pass  # nothing to remember by: the next run generates again


def _file(target: Target) -> Path:
    name = hashlib.sha256(str(target.folder.resolve()).encode()).hexdigest()[:16]
    return _FOLDER / f"{name}.json"


def _content(file: Path) -> dict[str, str]:
    """What a stamp says; nothing where it can't be read, whatever the reason."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    keys = {"folder", "inputs", "outputs", "report"}
    return found if isinstance(found, dict) and found.keys() == keys else {}


def _outputs(target: Target) -> str | None:
    """A digest of the package's files; None where one of them isn't what the manifest says, or one is too many."""
    listed = target.listed()
    if target.present() != listed.keys():
        return None
    for name, digest in listed.items():
        path = target.folder / name
        if not path.is_file() or _digest(path.read_bytes())[:16] != digest:
            return None
    return _digest((target.folder / MANIFEST).read_bytes())


def _inputs(target: Target) -> str:
    found = hashlib.sha256(f"{target.revision} {target.folder.name} {platform.python_version()}".encode())
    for tool in _TOOLS:
        found.update(f"{tool} {version(tool)}\n".encode())
    for path in _read(target):
        content = path.read_bytes()
        found.update(f"{path.name} {len(content)}\n".encode())
        found.update(content)
    return found.hexdigest()


def _read(target: Target) -> Iterator[Path]:
    """The files that have a say in what is generated."""
    yield from sorted((target.specs / target.revision).glob("*"))
    if (overrides := overrides_file(target.specs)).exists():
        yield overrides
    for pattern in ("*.py", "*.jinja"):
        yield from sorted((ROOT / "codegen").rglob(pattern))
    package = ROOT / "klaviyo_async"
    yield from sorted(path for path in package.rglob("*.py") if path.relative_to(package).parts[0] not in _GENERATED)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
