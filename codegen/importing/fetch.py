"""Klaviyo's documents of a revision, from the web or from where they lie, as specs with a manifest: `python -m codegen fetch`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codegen.errors import CodegenError
from codegen.importing import download, manifest
from codegen.importing.importer import ImportReport, import_sources
from codegen.importing.sources import BUNDLES, MAIN, bundle, parse, read_files
from codegen.revisions import check_revision, is_beta

if TYPE_CHECKING:
    from pathlib import Path

UPSTREAM_URL = "https://raw.githubusercontent.com/klaviyo/openapi/"
"""Klaviyo's repository on the web, which has a branch for each revision and the newest on `main`."""


def fetch(
    revision: str, specs: Path, *, src: Path | None = None, base_url: str = UPSTREAM_URL, timeout: float = 120.0
) -> ImportReport:
    """Take Klaviyo's documents of a revision and import them, with a manifest beside the specs.

    They come from `src`, which may be all that an import takes, or else from the web: from the revision's branch of a
    repository, from its main branch, or from a folder with `stable.json` and `beta.json`. `timeout` is in seconds, for all
    requests together. What is there already from the same documents is left as it is. Raises CodegenError.
    """
    files, name = documents_of(revision, src=src, base_url=base_url, timeout=timeout)
    return take(files, name, revision, specs)


def documents_of(
    revision: str, *, src: Path | None = None, base_url: str = UPSTREAM_URL, timeout: float = 120.0
) -> tuple[list[tuple[str, bytes]], str]:
    """The documents of a revision as they come, each with its name, and where they are from; see `fetch`."""
    check_revision(revision)
    if src is not None:
        return read_files(src, revision), src.resolve().name
    found = download.first_of(_addresses(revision, base_url), timeout)
    return [found], found[0]


def take(files: list[tuple[str, bytes]], name: str, revision: str, specs: Path) -> ImportReport:
    """Import documents, with a manifest beside the specs; nothing is written where that would be the same again."""
    report = ImportReport(revision)
    origin = manifest.origin(name, (data for _, data in files), specs)
    if manifest.is_current(specs / revision, origin):
        report.unchanged = True
        return report
    sources = list(parse(files, report.notes))
    return import_sources(sources, revision, specs, report, origin)


def _addresses(revision: str, base_url: str) -> list[str]:
    base = base_url.rstrip("/")
    if not base.startswith(("https://", "http://")):
        raise CodegenError("only https and http addresses can be fetched", file=base_url)
    kinds = BUNDLES[::-1] if is_beta(revision) else ("stable",)
    branches = [f"{base}/{branch}/openapi/{kind}.json" for branch in (revision, MAIN) for kind in kinds]
    return [*branches, f"{base}/{bundle(revision)}.json"]
