"""The page about other revisions, and a program that uses three of them: run, and taken by both type checkers."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = re.findall(r"^```py\n(.*?)^```", (ROOT / "docs" / "revisions.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
PROGRAM = """
from typing import assert_type

import klaviyo_beta
import klaviyo_async.resources
from klaviyo_async import Klaviyo
from klaviyo_async.client import BaseClient
from shop.vendored import klaviyo_2026_04 as earlier


async def use(shipped: Klaviyo, before: earlier.Klaviyo, beta: klaviyo_beta.Klaviyo) -> None:
    assert_type((await before.profiles.get_profiles()).data, list[earlier.resources.Profile])
    assert_type((await earlier.api.profiles.get_profiles(shipped)).data, list[earlier.resources.Profile])
    assert_type((await shipped.profiles.get_profiles()).data, list[klaviyo_async.resources.Profile])
    async for widget in beta.widgets.get_widgets_beta(filter=klaviyo_beta.filters.GetWidgetsBeta.name == "x"):
        assert_type(widget, klaviyo_beta.resources.Widget)
        assert_type(widget.attributes.colour, str | None)
    assert_type(before.with_options(max_wait=1), earlier.Klaviyo)
    takes_any(shipped)
    takes_any(before)
    takes_any(beta)
    earlier.preload("get_profiles")
    await before.profiles.create_profile(phone_number="+15005550006")  # refused
    before.flows  # refused
    earlier.filters.GetProfiles.email.contains("x")  # refused
    wrong: klaviyo_async.resources.Profile = (await before.profiles.get_profile("1")).data  # refused
    await beta.widgets.create_widget_beta(colour="red")  # refused


def takes_any(client: BaseClient) -> None:
    client.limiter.reset()
"""
REFUSED = {number for number, line in enumerate(PROGRAM.splitlines(), 1) if line.endswith("# refused")}


async def test_the_blocks_of_the_page_run(old: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLAVIYO_API_KEY", "pk_page")
    assert len(BLOCKS) == 2
    scope: dict[str, Any] = {"__name__": "page"}
    for block in BLOCKS:
        exec(compile(block, "docs/revisions.md", "exec"), scope)
    await scope["test_both_revisions"]()


@pytest.fixture(scope="module")
def programs(roots: list[Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("programs")
    (folder / "page.py").write_text("\n".join(BLOCKS), encoding="utf-8")
    (folder / "program.py").write_text(PROGRAM, encoding="utf-8")
    config = {"extraPaths": [str(root) for root in [*roots, ROOT]], "typeCheckingMode": "strict"}
    (folder / "pyrightconfig.json").write_text(json.dumps(config), encoding="utf-8")
    return folder, {**os.environ, "MYPYPATH": os.pathsep.join(map(str, roots))}


def test_mypy_takes_them_and_the_packages(programs: tuple[Path, dict[str, str]]) -> None:
    folder, environment = programs
    packages = ["-p", "shop", "-p", "klaviyo_beta"]
    options = ["--strict", "--no-error-summary", "--hide-error-context", "--cache-dir", ".mypy_cache"]
    for given in ([str(folder / "page.py"), str(folder / "program.py")], packages):
        done = subprocess.run(
            [sys.executable, "-m", "mypy", *options, *given],
            cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.stderr == ""
        found = {int(line) for line in re.findall(r"program\.py:(\d+): error", done.stdout)}
        assert found == (REFUSED if given is not packages else set()), done.stdout
        assert done.stdout.count(": error: ") == len(re.findall(r"program\.py:\d+: error", done.stdout)), done.stdout


def test_pyright_takes_them_and_the_packages(programs: tuple[Path, dict[str, str]], roots: list[Path]) -> None:
    folder, environment = programs
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(folder)],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    errors = [each for each in json.loads(done.stdout)["generalDiagnostics"] if each["severity"] == "error"]
    lines = {(Path(each["file"]).name, each["range"]["start"]["line"] + 1) for each in errors}
    assert lines == {("program.py", number) for number in REFUSED}, errors
