"""Documents → `specs/<revision>/<operationId>.json`: `python -m codegen import`.

One file for each operation, with the slice of components that it refers to, so that each can be read alone and a new
revision is a readable diff. Everything a machine can use is kept; prose is dropped after `codegen.importing.prose` has
taken its facts.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from attrs import Factory, define

from codegen.errors import CodegenError
from codegen.importing import checks, prose, splitting, writing
from codegen.importing.sources import read_sources
from codegen.openapi import escape, without_prose
from codegen.references import References
from codegen.revisions import check_revision, may_be_called
from codegen.specs import assemble, extensions, tables
from codegen.specs.overrides import Overrides

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from codegen.importing.manifest import Origin
    from codegen.importing.sources import Source

_MAX_COPIES = 500_000
"""Each operation is written with its components. Klaviyo's 345 operations have 14,000; without a bound, 5 MB could become
5 TB."""


@define
class ImportReport:
    """What an import did and what a person should look at."""

    revision: str
    unchanged: bool = False
    """Whether the specs were there already, made of the same documents."""
    operations: int = 0
    components: int = 0
    changes: writing.Changes = Factory(writing.Changes)
    notes: list[str] = Factory(list)
    """What was skipped or looked odd, without being wrong."""
    sentences: list[prose.Sentence] = Factory(list)
    """Sentences that look like a limit and were neither understood nor knowingly ignored."""
    facts: int = 0
    filters: int = 0
    """Operations whose filters are taken from prose."""
    ignored: int = 0
    idle: list[str] = Factory(list)
    """Patterns of `[[ignore]]` that are about the revision and ignored nothing."""
    extensions: int = 0
    """Different extensions that are known, of those that the documents have."""
    unknown: list[str] = Factory(list)
    """Extensions that nobody has dealt with, each with a place."""
    problems: list[str] = Factory(list)
    """Overrides that don't fit."""

    @property
    def added(self) -> list[str]:
        return self.changes.added

    @property
    def removed(self) -> list[str]:
        return self.changes.removed

    @property
    def changed(self) -> list[str]:
        return self.changes.changed

    def __str__(self) -> str:
        if self.unchanged:
            return f"specs/{self.revision}: unchanged"
        changes = f"{len(self.added)} added, {len(self.removed)} removed, {len(self.changed)} changed"
        unknown = f"{len(self.sentences)} not understood"
        lines = [
            f"specs/{self.revision}: {self.operations} operations, {self.components} components ({changes})",
            f"extensions: {self.extensions} known, {len(self.unknown)} not known",
            f"prose: {self.facts} facts taken, {self.ignored} sentences knowingly ignored, {unknown}",
        ]
        if self.filters:
            lines.append(f"filters taken from prose: {self.filters} operations")
        lines += [f"note: {note}" for note in self.notes]
        lines += [f"not known: {unknown}" for unknown in self.unknown]
        lines += [f"not understood: {sentence}" for sentence in self.sentences]
        lines += [f"override: {problem}" for problem in self.problems]
        return "\n".join(lines)


def import_documents(src: Path, revision: str, specs: Path) -> ImportReport:
    """Replace `specs/<revision>` by what the documents in `src` say.

    `src` is what `codegen.importing.sources` reads. Nothing is written unless all of it is good. Raises CodegenError.
    """
    check_revision(revision)
    report = ImportReport(revision)
    return import_sources(read_sources(src, revision, report.notes), revision, specs, report)


def import_sources(
    sources: Sequence[Source], revision: str, specs: Path, report: ImportReport, origin: Origin | None = None
) -> ImportReport:
    """Check, split and write `sources`, with a manifest where their origin is given; see `import_documents`."""
    rules = prose.Rules.load(specs, revision)
    files: dict[str, dict[str, Any]] = {}
    places: dict[str, str] = {}
    routes: dict[tuple[str, str], str] = {}
    components: dict[tuple[str, str], tuple[Any, str]] = {}
    found: Counter[str] = Counter()
    copies = 0
    for source in sources:
        document = source.document
        checks.check_document(document, source.name)
        found.update(extensions.names_in(document))
        _check_revision(source, revision, report)
        _check_same(source, sources[0])
        _collect_components(source, components)
        known = References(document)
        splitter = splitting.Splitter(document, known, rules)
        for path, method, operation in checks.operations(document, source.name, known):
            name = operation["operationId"]
            place = f"/paths/{escape(path)}/{method}"
            if name in files:
                raise CodegenError(f"{name} is already defined in {places[name]}", file=source.name, place=place)
            route = (method, re.sub(r"\{[^}]*\}", "{}", path))
            if route in routes:
                raise CodegenError(f"{name} has the same route as {routes[route]}", file=source.name, place=place)
            places[name], routes[route] = source.name, name
            files[name] = splitter.slice_of(path, method, operation)
            copies += sum(map(len, files[name]["components"].values()))
            if copies > _MAX_COPIES:
                problem = f"the operations up to {name} have more than {_MAX_COPIES:,} components between them"
                raise CodegenError(problem, file=source.name, place=place)
    _check_revision_headers(files, revision, report)
    plan = writing.plan(files, specs / revision, origin)
    report.changes = plan.changes
    report.operations = len(files)
    used = {(section, key) for file in files.values() for section, part in file["components"].items() for key in part}
    report.components = sum(section == "schemas" for section, _ in used)
    unused = sorted(f"{section}/{key}" for section, key in components if (section, key) not in used)
    if unused:
        report.notes.append(f"components that no operation refers to, left out: {', '.join(unused)}")
    report.extensions = sum(name in extensions.EXTENSIONS for name in found)
    report.unknown = [f"{name}, {found[name]} times" for name in sorted(found.keys() - extensions.EXTENSIONS.keys())]
    report.sentences = rules.unknown()
    report.idle = [rule.pattern.pattern for rule in rules.ignores if not rule.hits]
    report.facts, report.filters, report.ignored = rules.facts, rules.filters, rules.ignored
    with plan.staged() as folder:
        overrides = Overrides.load(tables.overrides_file(specs))
        assemble.load_folder(folder, revision, overrides, report.problems)
    return report


def _check_revision(source: Source, revision: str, report: ImportReport) -> None:
    version = source.document["info"].get("version")
    if not may_be_called(revision, version):
        raise CodegenError(
            f"the document is for revision {version}, not {revision}", file=source.name, place="/info/version"
        )
    if version != revision:
        report.notes.append(f"{source.name} is labelled {version!r}, imported as {revision}")


def _check_revision_headers(files: dict[str, dict[str, Any]], revision: str, report: ImportReport) -> None:
    """Betas carry operations over from the beta before, whose name these go on asking for."""
    said: Counter[str] = Counter()
    for file in files.values():
        for item in file["paths"].values():
            for operation in item.values():
                for parameter in operation["parameters"]:
                    if parameter["name"] == "revision":
                        said[str(parameter["schema"].get("default", revision))] += 1
    for other, times in sorted(said.items()):
        if other != revision:
            report.notes.append(f"{times} operations ask for revision {other}")


def _check_same(source: Source, first: Source) -> None:
    """What stands above the operations must be the same in all documents, or they aren't of one API."""
    here, there = splitting.head(source.document), splitting.head(first.document)
    for key in sorted(here.keys() | there.keys()):
        if here.get(key) != there.get(key):
            raise CodegenError(f"{key} differs from {first.name}", file=source.name, place=f"/{key}")


def _collect_components(source: Source, known: dict[tuple[str, str], tuple[Any, str]]) -> None:
    for section, part in source.document.get("components", {}).items():
        for name, value in part.items():
            bare = without_prose({section: {name: value}}, "components")[section][name]
            other = known.setdefault((section, name), (bare, source.name))
            if other[0] != bare:
                raise CodegenError(
                    f"{name} is defined differently in {other[1]}",
                    file=source.name,
                    place=f"/components/{section}/{escape(name)}",
                )
