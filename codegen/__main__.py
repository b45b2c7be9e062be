"""`python -m codegen`: fetch, import, generate, check and diff. Exit 0 done, 1 differs, 2 refused."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from codegen import assemble, upstream
from codegen.errors import CodegenError
from codegen.overrides import Overrides, overrides_file

if TYPE_CHECKING:
    from collections.abc import Sequence

_SPECS = Path(__file__).resolve().parents[1] / "specs"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
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

    def command(name: str, run: object, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        sub.add_argument(
            "--specs", type=Path, default=_SPECS, metavar="DIR", help="folder of the specs (default: the project's)"
        )
        return sub

    fetch = command("fetch", _fetch, "download Klaviyo's documents of a revision and import them")
    fetch.add_argument("--revision", required=True, metavar="R", help="YYYY-MM-DD, with .pre after it for the beta")
    fetch.add_argument(
        "--url", default=upstream.UPSTREAM_URL, metavar="URL", help="folder of stable.json and beta.json"
    )
    fetch.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS")
    fetch.add_argument("--report", type=Path, metavar="FILE", help="write the report into a file as well")

    import_ = command("import", _import, "replace the specs of a revision by what upstream documents say")
    import_.add_argument("source", type=Path, metavar="SRC", help="a folder, a document or a bundle")
    import_.add_argument("--revision", required=True, metavar="R", help="YYYY-MM-DD, with .pre after it for a beta")
    import_.add_argument("--report", type=Path, metavar="FILE", help="write the report into a file as well")

    for name, run, text in (
        ("generate", _generate, "write the generated parts of the package"),
        ("check", _check, "compare the committed generated parts with what would be generated"),
    ):
        sub = command(name, run, text)
        sub.add_argument("--revision", metavar="R", help="default: the package's own")
        sub.add_argument("--out", type=Path, metavar="DIR", help="folder to hold the package (default: the project)")
        sub.add_argument("--package", metavar="NAME", help="name of the package (default: klaviyo_async)")

    diff = command("diff", _diff, "tell what changed between two revisions")
    diff.add_argument("old", metavar="R1", help="a revision in the specs, or a folder of imported specs")
    diff.add_argument("new", metavar="R2")
    diff.add_argument("--format", choices=("md", "json"), default="md")
    return parser


def _fetch(options: argparse.Namespace) -> int:
    report = upstream.fetch(options.revision, options.specs, base_url=options.url, timeout=options.timeout)
    return _told(report, options)


def _import(options: argparse.Namespace) -> int:
    return _told(upstream.import_documents(options.source, options.revision, options.specs), options)


def _told(report: upstream.ImportReport, options: argparse.Namespace) -> int:
    """Print the report of an import, and which overrides no longer fit what came."""
    problems: list[str] = []
    overrides = Overrides.load(overrides_file(options.specs))
    assemble.load_folder(options.specs / report.revision, report.revision, overrides, problems)
    text = "\n".join([str(report), *(f"override: {problem}" for problem in problems)])
    print(text)
    if options.report is not None:
        try:
            options.report.write_text(f"{text}\n", encoding="utf-8")
        except OSError as error:
            raise CodegenError(f"can't be written: {error.strerror or error}", file=options.report) from None
    return 0


def _generate(options: argparse.Namespace) -> int:
    from codegen.emit import generate  # noqa: PLC0415 - the engine takes a second to load, and only this needs it

    print(generate(options.revision, options.specs, options.out, options.package))
    return 0


def _check(options: argparse.Namespace) -> int:
    from codegen.emit import check  # noqa: PLC0415

    assemble.check_overrides(options.specs)
    code: int = check(options.revision, options.specs, options.out, options.package)
    return code


def _diff(options: argparse.Namespace) -> int:
    from codegen.diff import compare  # noqa: PLC0415

    result = compare(options.specs, options.old, options.new)
    print(result.as_json() if options.format == "json" else result.as_markdown())
    return 1 if result else 0


if __name__ == "__main__":
    sys.exit(main())
