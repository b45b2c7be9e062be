"""docs/contract.md, section 10: `python -m codegen`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.wire import ROOT

if TYPE_CHECKING:
    from pathlib import Path

UPSTREAM = ROOT.parent / "shared" / "upstream"


def codegen(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "codegen", *map(str, arguments)],
        capture_output=True,
        check=False,
        text=True,
        cwd=ROOT,
        timeout=120,
    )


@pytest.fixture(scope="module")
def specs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not UPSTREAM.is_dir():
        pytest.skip("the upstream documents are not on this machine")
    made = tmp_path_factory.mktemp("specs")
    shutil.copy(ROOT / "specs" / "overrides.toml", made)
    for revision in ("2026-04-15", "2026-07-15"):
        done = codegen("import", UPSTREAM / revision, "--revision", revision, "--specs", made)
        assert done.returncode == 0, done.stderr
    return made


def test_a_package_of_another_name_elsewhere(specs: Path, tmp_path: Path) -> None:
    # a few operations are enough, and quicker than all
    few = tmp_path / "few"
    names = ("get_profiles", "get_profile", "create_profile", "add_profiles_to_list", "query_campaign_values")
    (few / "source").mkdir(parents=True)
    for name in names:
        shutil.copy(UPSTREAM / "2026-07-15" / f"{name}.json", few / "source")
    done = codegen("import", few / "source", "--revision", "2026-07-15", "--specs", few / "specs")
    assert done.returncode == 0, done.stderr
    assert f"{len(names)} operations" in done.stdout
    target = ("--revision", "2026-07-15", "--specs", few / "specs", "--out", tmp_path, "--package", "other_klaviyo")
    assert codegen("check", *target).returncode == 1
    done = codegen("generate", *target)
    assert done.returncode == 0, done.stderr
    package = tmp_path / "other_klaviyo"
    assert {"api", "models", "filters", "operation_table"} <= {path.name for path in package.iterdir()}
    assert codegen("check", *target).returncode == 0
    used = subprocess.run(
        [
            sys.executable,
            "-c",
            "import other_klaviyo.models as m, other_klaviyo.operation_table as t\n"  # noqa: ISC004
            "from other_klaviyo.api import profiles\n"
            "assert t.REVISION == '2026-07-15' and len(t.operations) == 5\n"
            "assert m.ProfileCreateQuery.__module__.startswith('other_klaviyo.')\n"
            "assert profiles.get_profiles",
        ],
        capture_output=True,
        check=False,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        timeout=60,
    )
    assert used.returncode == 0, used.stderr
    victim = package / "models" / "profile_create_query.py"
    victim.write_text(victim.read_text() + "\n# edited\n")
    done = codegen("check", *target)
    assert done.returncode == 1
    assert "profile_create_query.py" in done.stdout + done.stderr


def test_an_import_replaces_the_folder(specs: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    shutil.copy(UPSTREAM / "2026-04-15" / "get_profiles.json", source)
    mine = tmp_path / "specs"
    for _ in range(2):
        shutil.copytree(specs / "2026-04-15", mine / "2026-04-15", dirs_exist_ok=True)
        assert codegen("import", source, "--revision", "2026-04-15", "--specs", mine).returncode == 0
        assert [path.name for path in (mine / "2026-04-15").iterdir()] == ["get_profiles.json"]


def test_importing_twice_gives_the_same_bytes(specs: Path) -> None:
    own = ROOT / "specs" / "2026-04-15"
    for path in (specs / "2026-04-15").iterdir():
        assert path.read_bytes() == (own / path.name).read_bytes(), path.name


def test_diff(specs: Path) -> None:
    same = codegen("diff", "2026-04-15", "2026-04-15", "--specs", specs)
    assert same.returncode == 0
    for form in ("md", "json"):
        done = codegen("diff", "2026-04-15", "2026-07-15", "--specs", specs, "--format", form)
        assert done.returncode == 1, done.stderr
        assert done.stdout
        if form == "json":
            found: Any = json.loads(done.stdout)
            assert found
        else:
            assert done.stdout.lstrip().startswith("#")


@pytest.mark.parametrize(
    "arguments",
    [
        ("diff", "2026-04-15", "2020-01-01"),
        ("generate", "--revision", "2020-01-01"),
        ("generate", "--revision", "../2026-04-15"),
        ("check", "--revision", "nonsense"),
        ("import", "/no/such/folder", "--revision", "2026-04-15"),
        ("import", ".", "--revision", "nonsense"),
        ("nonsense",),
        (),
        ("import",),
        ("generate", "--package", "not a name", "--out", "somewhere"),
        ("generate", "--package", "class", "--out", "somewhere"),
    ],
)
def test_refusals_exit_with_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    own = ("--specs", ROOT / "specs") if arguments and arguments[0] not in {"import", "nonsense"} else ()
    if arguments and arguments[0] == "import" and len(arguments) > 1:
        own = ("--specs", tmp_path)
    arguments = tuple(str(tmp_path / "out") if part == "somewhere" else part for part in arguments)
    done = codegen(*arguments, *own)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_broken_document_changes_nothing(specs: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "get_profiles.json").write_text((UPSTREAM / "2026-04-15" / "get_profiles.json").read_text()[:-500])
    mine = tmp_path / "specs"
    shutil.copytree(specs / "2026-04-15", mine / "2026-04-15")
    done = codegen("import", source, "--revision", "2026-04-15", "--specs", mine)
    assert done.returncode == 2
    assert "get_profiles.json" in done.stderr
    assert len(list((mine / "2026-04-15").iterdir())) > 300
