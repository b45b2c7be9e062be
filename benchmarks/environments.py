"""An environment of its own for each client that is compared: its packages and, where it is generated, its source.

Made once under `.venvs/`, from the package index alone; `python -m benchmarks.environments` makes all of them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from attrs import frozen

from codegen.specs.assemble import load_revision
from klaviyo_async import REVISION

ROOT = Path(__file__).resolve().parents[1]
_PLACE = ROOT / ".venvs"


@frozen
class Environment:
    """Where a client lives."""

    packages: tuple[str, ...] = ()
    """What is installed; empty for the project's own environment."""
    generate: tuple[str, ...] = ()
    """The command that writes its source; {document} and {out} are filled in."""
    needs: str = ""
    """A program that the generator needs on the machine."""


_ENVIRONMENTS = {
    "raw": Environment(),
    "ours": Environment(),
    "by_httpx": Environment(("httpx",)),
    "official": Environment(("klaviyo-api",)),
    "stock": Environment(
        ("openapi-python-client", "ruff"),
        (
            "openapi-python-client", "generate", "--path", "{document}", "--meta", "none", "--output-path", "{out}/stock_client",
            "--overwrite", "--config", "{config}",
        ),
    ),
    "asyncio_generated": Environment(
        ("openapi-generator-cli", "aiohttp", "aiohttp-retry", "pydantic", "python-dateutil", "typing-extensions"),
        (
            "openapi-generator-cli", "generate", "-g", "python", "--library", "asyncio", "-i", "{document}", "-o", "{out}",
            "--skip-validate-spec",
            # Without it the output doesn't import: a field `datetime` hides its own type.
            "--name-mappings", "datetime=date_time",
        ),
        needs="java",
    ),
}  # fmt: skip


def command_of(peer: str) -> tuple[Path, dict[str, str]] | str:
    """The Python of a peer and what its environment variables need, made where missing; a reason where it can't be had."""
    environment = _ENVIRONMENTS[peer]
    if not environment.packages:
        return Path(sys.executable), {"PYTHONPATH": str(ROOT)}
    if environment.needs and shutil.which(environment.needs) is None:
        return f"no {environment.needs} on this machine"
    place = _PLACE / f"bench-{peer}"
    python, out = place / "bin" / "python", place / "generated"
    if not (place / ".ready").exists():
        print(f"setting up {peer}", file=sys.stderr)
        try:
            _make(environment, place, out)
        except subprocess.CalledProcessError as error:
            return f"{error.cmd[0]} failed: {(error.stderr or error.stdout or '').strip()[-200:]}"
        (place / ".ready").touch()
    return python, {"PYTHONPATH": f"{ROOT}:{out}"}


def _make(environment: Environment, place: Path, out: Path) -> None:
    venv.create(place, with_pip=True, clear=True)
    binaries = place / "bin"
    install: list[str | Path] = [
        binaries / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        *environment.packages,
    ]
    subprocess.run(install, check=True, capture_output=True, text=True)
    if environment.generate:
        out.mkdir()
        document, config = place / "openapi.json", place / "config.yml"
        document.write_text(json.dumps(_described()), encoding="utf-8")
        config.write_text("literal_enums: true\n", encoding="utf-8")
        words = [word.format(document=document, out=out, config=config) for word in environment.generate]
        words[0] = str(binaries / words[0])
        path = {"PATH": f"{binaries}:/usr/local/bin:/usr/bin:/bin"}
        subprocess.run(words, check=True, capture_output=True, text=True, env=path, cwd=place)


def _described() -> dict[str, object]:
    """The shipped revision as one document; generators insist on the descriptions that `specs/` leaves out."""
    document = load_revision(ROOT / "specs", REVISION).document
    responses = [
        response
        for item in document["paths"].values()
        for operation in item.values()
        if isinstance(operation, dict)
        for response in operation.get("responses", {}).values()
    ]
    for response in (*responses, *document["components"].get("responses", {}).values()):
        response.setdefault("description", "")
    return document


if __name__ == "__main__":
    for name in _ENVIRONMENTS:
        found = command_of(name)
        print(f"{name}: {found if isinstance(found, str) else 'ready'}")
