"""A plan → the files of a package, by name."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import attrs

from codegen.errors import CodegenError
from codegen.generating.plan import plan
from codegen.generating.target import MANIFEST, SHIPPED
from codegen.generating.text import bulk_methods, endpoints, fake_data, models, operation_table, typed_filters
from codegen.generating.text.formatting import formatted
from codegen.generating.text.render import environment
from codegen.specs import assemble

if TYPE_CHECKING:
    from pathlib import Path

    from jinja2 import Environment

    from codegen.generating.interface.resources import Gathered
    from codegen.generating.ir import Endpoint, Models
    from codegen.generating.target import Target


@attrs.frozen
class Report:
    """What was generated."""

    folder: Path
    revision: str
    operations: int
    gathered: Gathered
    files: int
    skipped: tuple[str, ...] = ()
    """Overrides that don't fit the revision."""

    def __str__(self) -> str:
        found = self.gathered.models.values()
        resources = len({model.module for model in found if model.object.package == "resources"})
        counts = f"{self.operations} operations, {resources} resources, {len(found)} classes, {self.files} files"
        skipped = [f"override: {problem}" for problem in self.skipped]
        return "\n".join([*skipped, *self.gathered.notes, f"{self.folder.name}: revision {self.revision}, {counts}"])


def render(target: Target) -> tuple[dict[str, bytes], Report]:
    """The files of the package, the manifest of them included. Raises CodegenError."""
    try:
        return _rendered(target)
    except CodegenError as error:
        if error.file is not None:
            raise
        raise CodegenError(error.problem, file=target.specs / target.revision, place=error.place) from None


def _rendered(target: Target) -> tuple[dict[str, bytes], Report]:
    revision, folder = target.revision, target.folder
    # What becomes the shipped revision must fit the overrides, as what is it already.
    spec = assemble.load_revision(target.specs, revision, strict=target.shipped or None)
    found = plan(spec, target.specs / revision)
    gathered, aliases, table = found.gathered, found.aliases, found.table

    env = environment(*found.engine, revision)
    texts: dict[str, str] = {}
    tags = {each.operation.tag: spec.operations[each.operation.name]["tags"][0] for each in table}
    parts = {
        **models.render(env, gathered, aliases),
        "operation_table": operation_table.render(env, table),
        "api": _api(env, table, tags, gathered.models),
    }
    filters = {each.operation.name: each.operation.filters for each in table if each.operation.filters}
    parts["filters"] = typed_filters.render(filters)
    for part, rendered in parts.items():
        texts |= {f"{part}/{name}": text for name, text in rendered.items()}
    if folder.name != SHIPPED:
        # What the shipped package has written by hand.
        for name in ("__init__.py", "client.py"):
            texts[name] = env.get_template(f"package/{name}.jinja").render()
    files = formatted(texts)
    files[fake_data.FILE] = fake_data.render(spec.document)
    if folder.name != SHIPPED:
        files["py.typed"] = b""
    manifest = {
        "generator": "python -m codegen generate",
        "revision": revision,
        "files": {name: hashlib.sha256(files[name]).hexdigest()[:16] for name in sorted(files)},
    }
    files[MANIFEST] = (json.dumps(manifest, indent=1) + "\n").encode()
    return files, Report(folder, revision, len(table), gathered, len(files), spec.skipped)


def _api(env: Environment, table: list[Endpoint], tags: dict[str, str], settled: Models) -> dict[str, str]:
    types = endpoints.types_of(table, settled)
    files = {**endpoints.render(env, table, tags, types), **bulk_methods.render(env, table, types)}
    return {**files, "types.py": endpoints.render_types(env, types)}
