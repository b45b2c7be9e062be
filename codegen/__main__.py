"""`python -m codegen`: fetch, import, generate, check and diff. Exit codes: 0 success, 1 differs, 2 refused."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from codegen.errors import CodegenError
from codegen.generating import stamp
from codegen.generating.target import Target
from codegen.importing import importer, manifest
from codegen.importing.fetch import UPSTREAM_URL, fetch
from codegen.specs import assemble

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_SPECS = Path(__file__).resolve().parents[1] / "specs"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except CodegenError as error:
        print(f"codegen {options.command}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        sys.stderr.close()
        return 2
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m codegen", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run: object, text: str, *, specs: bool = True) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        if specs:
            sub.add_argument(
                "--specs", type=Path, default=_SPECS, metavar="DIR", help="folder of the specs (default: the project's)"
            )
        return sub

    fetch_ = command("fetch", _fetch, "download Klaviyo's documents for a revision and import them")
    fetch_.add_argument("--revision", required=True, metavar="R", help="YYYY-MM-DD, followed by .pre for the beta")
    fetch_.add_argument(
        "--from", dest="source", type=Path, metavar="SRC", help="local documents instead of the web, as for import"
    )
    fetch_.add_argument(
        "--url",
        default=UPSTREAM_URL,
        metavar="URL",
        help="a repository with a readable BRANCH/openapi/stable.json, or a folder with stable.json and beta.json",
    )
    fetch_.add_argument(
        "--timeout", type=_seconds, default=120.0, metavar="SECONDS", help="for the whole download (default: 120)"
    )
    fetch_.add_argument("--report", type=Path, metavar="FILE", help="also write the report to a file")

    import_ = command("import", _import, "replace the specs of a revision with those from upstream documents")
    import_.add_argument(
        "source", type=Path, metavar="SRC", help="a document, a bundle, a folder, a checkout or repository, an archive"
    )
    import_.add_argument("--revision", required=True, metavar="R", help="YYYY-MM-DD, followed by .pre for a beta")
    import_.add_argument("--report", type=Path, metavar="FILE", help="also write the report to a file")

    regenerate = command(
        "regenerate",
        _regenerate,
        "update to a revision: fetch, generate, check types, compare, version, changelog",
        specs=False,
    )
    regenerate.add_argument("--revision", required=True, metavar="R", help="YYYY-MM-DD, or `newest`")
    regenerate.add_argument("--from", dest="source", type=Path, metavar="SRC", help="local documents, as for fetch")
    regenerate.add_argument("--url", default=UPSTREAM_URL, metavar="URL", help="as for fetch")
    regenerate.add_argument("--timeout", type=_seconds, default=120.0, metavar="SECONDS", help="as for fetch")
    regenerate.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="also write the differences to a file, no longer than a pull request allows",
    )

    for name, run, text in (
        ("generate", _generate, "write the generated parts of the package"),
        ("check", _check, "compare the committed generated files with what would be generated"),
    ):
        sub = command(name, run, text)
        sub.add_argument("--revision", metavar="R", help="default: the package's own")
        sub.add_argument("--out", type=Path, metavar="DIR", help="folder to hold the package (default: the project)")
        sub.add_argument("--package", metavar="NAME", help="name of the package (default: klaviyo_async)")

    docs = command(
        "docs", _docs, "assemble the pages of the documentation site, including the reference of all operations"
    )
    docs.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="output folder; its previous contents are removed"
    )

    diff = command("diff", _diff, "report what changed between two revisions")
    diff.add_argument("old", metavar="R1", help="a revision in the specs, or a folder of imported specs")
    diff.add_argument("new", metavar="R2")
    diff.add_argument("--format", choices=("md", "json"), default="md")
    diff.add_argument(
        "--limit",
        type=int,
        metavar="CHARACTERS",
        help="shorten the Markdown to what a pull request allows, least important parts first",
    )
    return parser


def _fetch(options: argparse.Namespace) -> int:
    with _reporting(options.report) as tell:
        tell(
            fetch(
                options.revision,
                options.specs,
                src=options.source,
                base_url=options.url,
                timeout=options.timeout,
            )
        )
    return 0


def _import(options: argparse.Namespace) -> int:
    with _reporting(options.report) as tell:
        tell(importer.import_documents(options.source, options.revision, options.specs))
    return 0


@contextlib.contextmanager
def _reporting(file: Path | None) -> Iterator[Callable[[object], None]]:
    """Prints a report and writes it to a file, which is checked to be writable before anything else is written."""
    made = file is not None and not file.exists()
    told: list[object] = []
    try:
        if file is not None and not file.is_fifo():
            with file.open("a", encoding="utf-8"):
                pass
        yield told.append
        for report in told:
            print(report)
            if file is not None:
                file.write_text(f"{report}\n", encoding="utf-8")
    except OSError as error:
        raise CodegenError(f"can't be written: {error.strerror or error}", file=file) from None
    finally:
        if file is not None and made and not told:
            file.unlink(missing_ok=True)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return seconds


def _regenerate(options: argparse.Namespace) -> int:
    from codegen.regenerating import run  # noqa: PLC0415

    request = run.Request(options.revision, options.source, options.url, options.timeout, options.report)
    try:
        return run.regenerate(request)
    except KeyboardInterrupt:
        print("codegen regenerate: stopped; all files are unchanged", file=sys.stderr)
        return 130


def _generate(options: argparse.Namespace) -> int:
    target = Target.of(options.revision, options.specs, options.out, options.package)
    report = stamp.known(target)
    if report is None:
        from codegen.generating.emit import generate  # noqa: PLC0415 - the engine takes a second to load

        report = str(generate(options.revision, options.specs, options.out, options.package))
        stamp.keep(target, report)
    print(report)
    return 0


def _check(options: argparse.Namespace) -> int:
    assemble.check_overrides(options.specs)
    touched = [
        problem
        for revision in assemble.known_revisions(options.specs)
        for problem in manifest.problems(options.specs / revision)
    ]
    for problem in touched:
        print(problem)
    target = Target.of(options.revision, options.specs, options.out, options.package)
    report = stamp.known(target)
    if report is not None:
        print(f"{report}: up to date")
        return int(bool(touched))
    from codegen.generating.emit import check  # noqa: PLC0415 - as above

    code: int = check(options.revision, options.specs, options.out, options.package)
    return code or int(bool(touched))


def _docs(options: argparse.Namespace) -> int:
    from codegen.documenting.site import write  # noqa: PLC0415 - loads the package, which may be what is being generated

    print(f"{options.out}: {len(write(options.out))} files")
    return 0


def _diff(options: argparse.Namespace) -> int:
    from codegen.diffing import compare, report, version  # noqa: PLC0415

    result = compare.compare(options.specs, options.old, options.new)
    proposal, entry = version.propose(result), version.entry(result)
    if options.format == "json":
        print(report.as_json(result, proposal, entry))
    else:
        print(report.as_markdown(result, proposal, entry, limit=options.limit))
    return 1 if result else 0


if __name__ == "__main__":
    sys.exit(main())
