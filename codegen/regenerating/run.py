"""Fetch, import, generate, check types, compare, version and changelog: all of it, or nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from codegen import documents
from codegen.errors import CodegenError
from codegen.importing import download, fetch, manifest
from codegen.importing.sources import MAIN
from codegen.regenerating import tree
from codegen.revisions import check_revision, is_beta
from codegen.specs import assemble

if TYPE_CHECKING:
    from codegen.diffing.compare import Diff

PROJECT = Path(__file__).resolve().parents[2]
PACKAGE = "klaviyo_async"
NEWEST = "newest"
"""Stands for the revision that Klaviyo's main branch has."""
STAMP = "build/regenerated.json"
"""What the last run here saw and left: not a part of the project, only a way to be quick when nothing has changed."""
PULL_REQUEST = 60_000
"""Characters that a report for a pull request may have: GitHub takes 65,536."""


@frozen
class Request:
    """What to take, and where from."""

    revision: str
    source: Path | None = None
    url: str = fetch.UPSTREAM_URL
    timeout: float = 120.0
    report: Path | None = None
    """Where to put the report of the changes as well, cut as pull requests ask; not written where nothing changes."""
    project: Path = PROJECT


@define
class _Run:
    request: Request
    shipped: str
    """The revision that the package ships until now."""
    started: float = field(factory=time.monotonic)

    @property
    def project(self) -> Path:
        return self.request.project

    def tell(self, text: str) -> None:
        print(f"[{time.monotonic() - self.started:5.1f} s] {text}", file=sys.stderr, flush=True)


def regenerate(request: Request) -> int:
    """Take a revision; 0 when it is done or nothing has changed. On any failure all files are as they were.

    Raises CodegenError, or KeyboardInterrupt where it was stopped.
    """
    try:
        return _regenerate(request)
    except OSError as error:
        raise CodegenError(error.strerror or str(error), file=error.filename or request.project) from None


def _regenerate(request: Request) -> int:
    run = _Run(request, _shipped(request.project))
    revision = request.revision
    if revision == NEWEST:
        revision = _newest(request)
        run.tell(f"the newest revision is {revision}")
    check_revision(revision)
    if is_beta(revision):
        raise CodegenError(
            f"{revision} is a beta, which is not shipped; see `python -m codegen generate --out DIR --package NAME`"
        )
    files, name = fetch.documents_of(revision, src=request.source, base_url=request.url, timeout=request.timeout)
    seen = _seen(
        request.project, revision, manifest.origin(name, (data for _, data in files), request.project / "specs").source
    )
    if _stamped(request.project) == seen:
        print(f"nothing changed: {PACKAGE} was already generated from these documents for {revision}")
        return 0
    with tree.stoppable(), tree.working(request.project):
        changed = _taken(run, revision, files, name)
    _stamp(request.project, seen | _own(request.project, revision))
    if not changed:
        print(f"nothing changed: {PACKAGE} was already generated from these documents for {revision}")
    return 0


def _taken(run: _Run, revision: str, files: list[tuple[str, bytes]], name: str) -> bool:
    """All steps, in a copy; whether anything changed."""
    from codegen.diffing import report, version  # noqa: PLC0415 - with the engine, which takes a second to load

    project = run.project
    copy = tree.Copy(
        project, [PACKAGE, f"specs/{revision}", "specs/overrides.toml", version.CHANGELOG, "pyproject.toml"]
    )
    copy.make()
    specs = copy.folder / "specs"
    run.tell(f"import {name}")
    print(fetch.take(files, name, revision, specs), file=sys.stderr)
    run.tell("generate")
    print(generate(revision, copy.folder), file=sys.stderr)
    if not [each for each in copy.changed() if not each.endswith(f"/{manifest.NAME}")]:
        copy.put_in_place()
        return False
    run.tell("check types")
    check_types(copy.folder, project)
    run.tell(f"compare with {run.shipped}")
    diff = compared(run.shipped, project / "specs", revision, specs)
    proposal, entry = version.propose(diff, copy.folder), version.entry(diff)
    if diff:
        version.write(copy.folder, proposal, entry)
    if run.request.report is not None:
        _write(run.request.report, report.as_markdown(diff, proposal, entry, limit=PULL_REQUEST))
    try:
        names = copy.put_in_place()
    except BaseException:
        if run.request.report is not None:
            run.request.report.unlink(missing_ok=True)
        raise
    print(report.as_markdown(diff, proposal, entry))
    run.tell(f"done: {len(names)} files are new, other or gone; {PACKAGE} is {proposal.version} and ships {revision}")
    return True


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise CodegenError(f"can't be written: {error.strerror or error}", file=path) from None


def generate(revision: str, folder: Path) -> object:
    """Write the generated parts of the copy in `folder`. Raises CodegenError."""
    from codegen.generating import emit  # noqa: PLC0415

    # The overrides of what is shipped must fit, which is for `load_revision` to say.
    assemble.load_revision(folder / "specs", revision, strict=True)
    return emit.generate(revision, folder / "specs", folder, None)


def check_types(folder: Path, project: Path) -> None:
    """Check the package in `folder` with mypy --strict. Raises CodegenError."""
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(project / ".mypy_cache"), PACKAGE]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines()
        raise CodegenError("\n".join(["the generated code does not pass mypy --strict:", *lines[:20]]), file=PACKAGE)


def compared(shipped: str, before: Path, revision: str, after: Path) -> Diff:
    """The difference between what is shipped and what is to be."""
    from codegen.diffing import compare  # noqa: PLC0415

    old = compare.read(before, shipped, [])
    problems: list[str] = []
    new = compare.read(after, revision, problems)
    return compare.between(old, new, (shipped, revision), problems)


def _shipped(project: Path) -> str:
    path = project / PACKAGE / "generated.json"
    found = documents.read(path)
    if not isinstance(found, dict) or not isinstance(found.get("revision"), str):
        raise CodegenError("expected an object with the revision", file=path)
    return str(found["revision"])


def _newest(request: Request) -> str:
    """The revision of Klaviyo's main branch."""
    if request.source is not None:
        raise CodegenError(f"{NEWEST!r} is looked up in Klaviyo's repository; with --from, name the revision")
    base = request.url.rstrip("/")
    url, data = download.first_of([f"{base}/{MAIN}/openapi/stable.json", f"{base}/stable.json"], request.timeout)
    found = documents.loads(documents.decode(data, url), url)
    said = found.get("info", {}).get("version") if isinstance(found, dict) else None
    if not isinstance(said, str):
        raise CodegenError("the document doesn't state its revision", file=url, place="/info/version")
    return said


# --- being quick when nothing has changed


def _seen(project: Path, revision: str, source: str) -> dict[str, Any]:
    """All that a run depends on, and what is there now."""
    return {
        "revision": revision,
        "source": source,
        "codegen": tree.digest(Path(__file__).resolve().parents[1], ["."]),
        **_own(project, revision),
    }


def _own(project: Path, revision: str) -> dict[str, Any]:
    return {"project": tree.digest(project, [PACKAGE, f"specs/{revision}", "specs/overrides.toml"])}


def _stamped(project: Path) -> object:
    try:
        return json.loads((project / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _stamp(project: Path, seen: dict[str, Any]) -> None:
    path = project / STAMP
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(seen, indent=1), encoding="utf-8")
