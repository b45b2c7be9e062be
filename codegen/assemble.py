"""Per-operation specs and overrides → one OpenAPI document, and that normalised for the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from codegen import documents
from codegen.errors import CodegenError
from codegen.normalise import normalise
from codegen.overrides import Overrides
from codegen.shape import METHODS, escape
from codegen.upstream import check_revision

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Spec", "known_revisions", "load_folder", "load_revision", "normalise"]


@frozen
class Spec:
    """All that is known of one revision."""

    revision: str
    document: dict[str, Any]
    """One OpenAPI 3.0 document with the facts of the overrides in it, before `normalise`."""
    operations: Mapping[str, dict[str, Any]]
    """operationId → the operation as it is in the document, with `path` and `method` (upper case) added; sorted by name."""


def known_revisions(specs: Path) -> list[str]:
    """Names of the revisions that `specs` has a folder of, oldest first."""
    if not specs.is_dir():
        return []
    return sorted(path.name for path in specs.iterdir() if path.is_dir() and not path.name.startswith("."))


def load_revision(specs: Path, revision: str) -> Spec:
    """The specs of a revision merged into one document, `specs/overrides.toml` applied.

    Raises CodegenError where the folder is missing, files contradict each other, or an override doesn't fit.
    """
    check_revision(revision)
    folder = specs / revision
    if not folder.is_dir():
        known = ", ".join(known_revisions(specs)) or "none yet"
        raise CodegenError(
            f"no specs of this revision (there are: {known}); run `python -m codegen import` first", file=folder
        )
    return load_folder(folder, revision, Overrides.load(specs / "overrides.toml"))


def load_folder(folder: Path, revision: str, overrides: Overrides) -> Spec:
    """As `load_revision`, of any folder of imported specs."""
    document = merge(folder)
    operations: dict[str, dict[str, Any]] = {}
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                operations[item[method]["operationId"]] = {"path": path, "method": method.upper()}
    overrides.apply(document, revision)
    for known in operations.values():
        known.update(document["paths"][known["path"]][known["method"].lower()])
    return Spec(revision, document, dict(sorted(operations.items())))


def merge(folder: Path) -> dict[str, Any]:
    """The documents of a folder as one: paths and components united, anything said twice must be the same."""
    out: dict[str, Any] = {}
    origin: dict[tuple[str, ...], Path] = {}
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise CodegenError("the folder has no specs", file=folder)
    for path in paths:
        document = documents.read(path)
        if not isinstance(document, dict) or not isinstance(document.get("paths"), dict):
            raise CodegenError("is no spec made by `python -m codegen import`", file=path)
        operations = [item[method] for item in document["paths"].values() for method in METHODS if method in item]
        if [operation.get("operationId") for operation in operations] != [path.stem]:
            raise CodegenError(f"must hold the operation {path.stem} and no other", file=path)
        for key, value in document.items():
            if key == "tags":
                tags = out.setdefault("tags", [])
                tags += [tag for tag in value if tag not in tags]
            elif key == "paths":
                _unite(out, key, value, 2, path, origin)
            elif key == "components":
                _unite(out, key, value, 2, path, origin)
            else:
                _unite(out, key, value, 0, path, origin)
    out["tags"] = sorted(out.get("tags", ()), key=lambda tag: str(tag.get("name")))
    out["paths"] = dict(sorted(out["paths"].items()))
    out["components"] = {
        section: dict(sorted(part.items())) for section, part in sorted(out.get("components", {}).items())
    }
    return out


def _unite(
    out: dict[str, Any], key: str, value: Any, depth: int, file: Path, origin: dict[tuple[str, ...], Path], *above: str
) -> None:
    place = (*above, key)
    if depth and isinstance(value, dict):
        inner = out.setdefault(key, {})
        for name, item in value.items():
            _unite(inner, name, item, depth - 1, file, origin, *place)
        return
    if key not in out:
        out[key] = value
        origin[place] = file
    elif out[key] != value:
        pointer = "".join(f"/{escape(part)}" for part in place)
        raise CodegenError(f"is defined otherwise in {origin[place].name}", file=file, place=pointer)
