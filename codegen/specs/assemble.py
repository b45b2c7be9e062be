"""Per-operation specs and overrides → one OpenAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import Factory, define, frozen

from codegen import documents
from codegen.errors import CodegenError
from codegen.names import file_stem
from codegen.openapi import METHODS, escape
from codegen.revisions import check_revision, shipped_revision
from codegen.specs import undeclared, unions
from codegen.specs.overrides import Overrides
from codegen.specs.tables import overrides_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from codegen.specs.undeclared import Undeclared


@frozen
class Spec:
    """All that is known of one revision."""

    revision: str
    document: dict[str, Any]
    """One OpenAPI 3.0 document with the facts of the overrides in it."""
    operations: Mapping[str, dict[str, Any]]
    """operationId → the operation as it is in the document, with `path` and `method` (upper case) added; sorted by name."""
    undeclared: tuple[Undeclared, ...] = ()
    """What resources have besides what their schemas say."""
    skipped: tuple[str, ...] = ()
    """Overrides that don't fit this revision and are left out."""


def known_revisions(specs: Path) -> list[str]:
    """Names of the revisions that `specs` has a folder of, oldest first."""
    if not specs.is_dir():
        return []
    return sorted(path.name for path in specs.iterdir() if path.is_dir() and not path.name.startswith("."))


def load_revision(specs: Path, revision: str, *, strict: bool | None = None) -> Spec:
    """The specs of a revision merged into one document, the overrides of the folder (or else the project's) applied.

    Raises CodegenError where the folder is missing or files contradict each other; and, where it is `strict` (by default
    for the revision that the package ships), for an override that doesn't fit. Otherwise such overrides are left out.
    """
    check_revision(revision)
    folder = specs / revision
    if not folder.is_dir():
        known = ", ".join(known_revisions(specs)) or "none yet"
        raise CodegenError(
            f"no specs for this revision (available: {known}); run `python -m codegen import` first", file=folder
        )
    if strict is None:
        strict = revision == shipped_revision()
    return load_folder(folder, revision, Overrides.load(overrides_file(specs)), None if strict else [])


def check_overrides(specs: Path) -> None:
    """Raise CodegenError for overrides that don't fit the shipped revision, and for those that hit nothing anywhere."""
    own = specs / "overrides.toml"
    if not own.exists():
        # The project's serve such a folder, and are made for the project's specs: some of them may well hit nothing here.
        return
    overrides, shipped = Overrides.load(own), shipped_revision()
    merged = {revision: merge(specs / revision) for revision in known_revisions(specs)}
    overrides.check(merged, shipped)
    if shipped in merged:
        undeclared.check(undeclared.load(own, shipped), merged[shipped], own)
        unions.check(merged[shipped], own, shipped)
    for revision in merged:
        load_revision(specs, revision)


def load_folder(folder: Path, revision: str, overrides: Overrides, problems: list[str] | None = None) -> Spec:
    """As `load_revision`, of any folder of imported specs. With `problems`, overrides that don't fit are listed there."""
    document = merge(folder)
    operations: dict[str, dict[str, Any]] = {}
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                operations[item[method]["operationId"]] = {"path": path, "method": method.upper()}
    overrides.apply(document, revision, problems)
    unions.apply(document, overrides.file, revision, problems)
    for known in operations.values():
        document["paths"][known["path"]][known["method"].lower()].setdefault("x-safe-to-repeat", False)
        known.update(document["paths"][known["path"]][known["method"].lower()])
    resources = tuple(undeclared.load(overrides.file, revision))
    return Spec(revision, document, dict(sorted(operations.items())), resources, tuple(problems or ()))


def merge(folder: Path) -> dict[str, Any]:
    """The documents of a folder as one: paths and components united, anything said twice must be the same."""
    union = _Union()
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise CodegenError("the folder has no specs", file=folder)
    for path in paths:
        document = documents.read(path)
        if not isinstance(document, dict) or not isinstance(document.get("paths"), dict):
            raise CodegenError("is not a spec written by `python -m codegen import`", file=path)
        operations = [item[method] for item in document["paths"].values() for method in METHODS if method in item]
        if [file_stem(str(operation.get("operationId"))) for operation in operations] != [path.stem]:
            raise CodegenError(f"must contain the operation {path.stem} and no other", file=path)
        tags = document.pop("tags", [])
        union.tags += [tag for tag in tags if tag not in union.tags]
        for key, value in document.items():
            union.add(union.document, (key,), value, 2 if key in {"paths", "components"} else 0, path)
    out = union.document
    out["tags"] = sorted(union.tags, key=lambda tag: str(tag.get("name")))
    out["paths"] = dict(sorted(out["paths"].items()))
    out["components"] = {
        section: dict(sorted(part.items())) for section, part in sorted(out.get("components", {}).items())
    }
    return out


@define
class _Union:
    """Documents being put together, and which file each piece came from."""

    document: dict[str, Any] = Factory(dict)
    tags: list[Any] = Factory(list)
    origin: dict[tuple[str, ...], str] = Factory(dict)

    def add(self, into: dict[str, Any], place: tuple[str, ...], value: Any, depth: int, file: Path) -> None:
        """Put `value` under the last name of `place`; mappings are united down to `depth`."""
        key = place[-1]
        if depth and isinstance(value, dict):
            inner = into.setdefault(key, {})
            for name, item in value.items():
                self.add(inner, (*place, name), item, depth - 1, file)
        elif key not in into:
            into[key] = value
            self.origin[place] = file.name
        elif into[key] != value:
            pointer = "".join(f"/{escape(part)}" for part in place)
            raise CodegenError(f"is defined differently in {self.origin[place]}", file=file, place=pointer)
