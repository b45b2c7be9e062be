"""Specs → the generated parts of the package: parse, settle, render, format, and write or compare."""

from __future__ import annotations

import difflib
import hashlib
import json
import subprocess
import sys
import tempfile
from keyword import iskeyword
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from codegen import assemble, dedupe, endpoints, engine, facts, fake_data, models, shapes, typed_filters
from codegen.errors import CodegenError
from codegen.ir import Array, Endpoint, Object, Scalar
from codegen.render import environment, literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jinja2 import Environment

    from codegen.ir import Model, Type
    from klaviyo_async.operation import Operation

_ROOT = Path(__file__).resolve().parents[1]
_PACKAGE = "klaviyo_async"
_MANIFEST = "generated.json"
_FOLDERS = ("api", "filters", "models", "operation_table")
_RUFF = ("--isolated", "--target-version", "py311", "--line-length", "120", "--no-cache", ".")
_DIFF_LINES = 200


@attrs.frozen
class Report:
    """What was generated."""

    folder: Path
    revision: str
    operations: int
    models: int
    files: int

    def __str__(self) -> str:
        return (
            f"{self.folder.name}: revision {self.revision}, {self.operations} operations, {self.models} models,"
            f" {self.files} files"
        )


def generate(revision: str | None, specs: Path, out: Path | None, package: str | None) -> Report:
    """Write the generated parts, and take away what an earlier run wrote and this one doesn't."""
    folder, revision = _folder(out, package), _revision(revision, specs, out, package)
    files, report = _render(revision, specs, folder)
    for stale in _listed(folder) - files.keys():
        (folder / stale).unlink(missing_ok=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_bytes() != content:
            path.write_bytes(content)
    return report


def check(revision: str | None, specs: Path, out: Path | None, package: str | None) -> int:
    """0 where the generated parts are byte for byte what would be generated now, else 1 and a diff on stdout."""
    folder, revision = _folder(out, package), _revision(revision, specs, out, package)
    files, report = _render(revision, specs, folder)
    found = _listed(folder) | {
        str(path.relative_to(folder))
        for part in _FOLDERS
        for path in (folder / part).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    lines = list(_differences(folder, files, found))
    for line in lines[:_DIFF_LINES]:
        print(line)
    if len(lines) > _DIFF_LINES:
        print(f"… {len(lines) - _DIFF_LINES} more lines")
    print(f"{report}: {'differs; run `python -m codegen generate`' if lines else 'up to date'}")
    return 1 if lines else 0


def _folder(out: Path | None, package: str | None) -> Path:
    if package is not None and (not package.isidentifier() or iskeyword(package)):
        raise CodegenError(f"{package!r} is no name for a package")
    return (_ROOT if out is None else out) / (package or _PACKAGE)


def _revision(revision: str | None, specs: Path, out: Path | None, package: str | None) -> str:
    if revision is not None:
        return revision
    manifest = _folder(out, package) / _MANIFEST
    known = assemble.known_revisions(specs)
    if manifest.exists():
        current = str(json.loads(manifest.read_text(encoding="utf-8"))["revision"])
        if current in known:
            return current
    if not known:
        raise CodegenError("there are no specs; run `python -m codegen import` first", file=specs)
    return known[-1]


def _listed(folder: Path) -> set[str]:
    manifest = folder / _MANIFEST
    if not manifest.exists():
        return set()
    names = json.loads(manifest.read_text(encoding="utf-8"))["files"]
    return {name for name in names if not Path(name).is_absolute() and ".." not in Path(name).parts}


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


def _render(revision: str, specs: Path, folder: Path) -> tuple[dict[str, bytes], Report]:
    try:
        return _rendered(revision, specs, folder)
    except CodegenError as error:
        if error.file is not None:
            raise
        raise CodegenError(error.problem, file=specs / revision, place=error.place) from None


def _rendered(revision: str, specs: Path, folder: Path) -> tuple[dict[str, bytes], Report]:
    spec = assemble.load_revision(specs, revision)
    document = assemble.normalise(spec.document)
    source = specs / revision
    data, config = engine.parse(document, source)
    components = document.get("components", {}).get("schemas", {})
    reader = engine.Reader(data, components)
    missing = sorted(spec.operations.keys() - reader.endpoints.keys())
    missing += sorted(components.keys() - reader.models.keys() - reader.aliases.keys())
    if missing:
        raise CodegenError(f"the engine lost {', '.join(missing[:5])}", file=source)

    results = {name: reader.result(name) for name in spec.operations}
    bodies = {name: reader.body(name) for name in spec.operations}
    settled, aliases = models.settle(
        reader.models,
        reader.aliases,
        documents=frozenset(filter(None, results.values())),
        roots=[name for name in bodies.values() if name is not None],
    )
    table = [
        _endpoint(
            spec.operations[name],
            document,
            settled,
            result=results[name],
            body=bodies[name],
            package=(folder.name, revision),
        )
        for name in sorted(spec.operations)
    ]

    env = environment(data, config, revision)
    texts: dict[str, str] = {}
    tags = {each.operation.tag: spec.operations[each.operation.name]["tags"][0] for each in table}
    parts = {
        "models": models.render(env, settled, aliases),
        "operation_table": _operations(env, table),
        "api": endpoints.render(env, table, tags),
    }
    filters = {each.operation.name: each.operation.filters for each in table if each.operation.filters}
    if filters:
        parts["filters"] = typed_filters.render(filters, revision)
    for part, rendered in parts.items():
        texts |= {f"{part}/{name}": text for name, text in rendered.items()}
    if folder.name != _PACKAGE:
        texts["__init__.py"] = env.get_template("package_init.py.jinja").render()
    files = _formatted(texts)
    if folder.name == _PACKAGE:
        files[fake_data.FILE] = fake_data.render(spec.document)
    manifest = {
        "generator": "python -m codegen generate",
        "revision": revision,
        "files": {name: hashlib.sha256(files[name]).hexdigest()[:16] for name in sorted(files)},
    }
    files[_MANIFEST] = (json.dumps(manifest, indent=1) + "\n").encode()
    return files, Report(folder, revision, len(table), len(settled), len(files))


def _endpoint(
    raw: Mapping[str, Any],
    document: dict[str, Any],
    settled: dict[str, Model],
    *,
    result: str | None,
    body: str | None,
    package: tuple[str, str],
) -> Endpoint:
    name = raw["operationId"]
    normalised = document["paths"][raw["path"]][raw["method"].lower()]

    def resolve(reference: str) -> dict[str, Any]:
        found: Any = document
        for key in reference.removeprefix("#/").split("/"):
            found = found[key.replace("~1", "/").replace("~0", "~")]
        return dict(found)

    shape, keywords = None, []
    if "requestBody" in normalised:
        (media,) = normalised["requestBody"]["content"].values()
        shape = attrs.evolve(
            shapes.body_of(media["schema"], resolve, normalised, raw["path"], raw["method"]), model=body or ""
        )
        keywords = [
            (keyword, _type_at(keyword.wire, body or "", settled))
            for keyword in shapes.keywords(shape, media["schema"], resolve)
        ]
    operation = facts.operation_of(name, raw, package[1], response=result, body=shape, package=package[0])
    item: Type | None = None
    if operation.pagination is not None and result is not None:
        found = _type_at(operation.pagination.records, result, settled)
        if not isinstance(found, Array):
            raise CodegenError(
                f"{name}: there is no list of records at {'.'.join(operation.pagination.records)} of {result}"
            )
        item = found.item
    return Endpoint(operation=operation, result=result, item=item, body=body, keywords=tuple(keywords))


def _type_at(path: tuple[str, ...], model: str, settled: dict[str, Model]) -> Type:
    """The type at a path of wire names below a model; Any where the document doesn't say."""
    kind: Type = Object(model)
    for key in path:
        known = [settled[name] for name in dedupe.names_in(kind) if name in settled]
        found = [field.type for each in known for field in each.fields if field.wire == key]
        if not found:
            return Scalar("Any")
        kind = found[0]
    return kind


def _operations(env: Environment, table: list[Endpoint]) -> dict[str, str]:
    by_tag: dict[str, list[Operation]] = {}
    for endpoint in table:
        by_tag.setdefault(endpoint.operation.tag, []).append(endpoint.operation)
    files = {}
    for tag, group in sorted(by_tag.items()):
        used: set[str] = set()
        texts = [_source(operation, used) for operation in group]
        files[f"{tag}.py"] = env.get_template("operations_module.py.jinja").render(
            tag=tag, operations=texts, names=used
        )
    index = [(endpoint.operation.name, endpoint.operation.tag) for endpoint in table]
    files["__init__.py"] = env.get_template("operations_init.py.jinja").render(index=index)
    return files


def _source(value: Any, used: set[str]) -> str:
    """A value of the operation table as Python text; what equals its default is left out."""
    if type(value).__name__ == "Rate":
        used.add("Rate")
        return f"Rate({literal(str(value))})"
    if attrs.has(type(value)):
        used.add(type(value).__name__)
        given = [
            f"{field.name}={_source(getattr(value, field.name), used)}"
            for field in attrs.fields(type(value))
            if field.default is attrs.NOTHING or getattr(value, field.name) != field.default
        ]
        return f"{type(value).__name__}({', '.join(given)})"
    if isinstance(value, tuple):
        return f"({''.join(_source(item, used) + ', ' for item in value)})"
    if hasattr(value, "items"):
        return "{" + ", ".join(f"{literal(key)}: {_source(item, used)}" for key, item in value.items()) + "}"
    return literal(value)


def _formatted(texts: Mapping[str, str]) -> dict[str, bytes]:
    """The files as ruff formats them, imports sorted."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / _PACKAGE
        for name, text in texts.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        for command in (
            ("check", "--quiet", "--fix", "--select", "I"),
            ("format", "--quiet", "--config", "format.skip-magic-trailing-comma = true"),
        ):
            done = subprocess.run(
                [sys.executable, "-m", "ruff", *command, *_RUFF],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise CodegenError(f"what was generated is no Python: {done.stdout}{done.stderr}")
        return {name: (folder / name).read_bytes() for name in texts}
