"""What is built for the package index: contents, and that the same commit gives the same files."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import klaviyo_async

pytest.importorskip("build")

ROOT = Path(__file__).resolve().parents[2]


def built(folder: Path) -> tuple[Path, Path]:
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True, capture_output=True, env={**os.environ, "SOURCE_DATE_EPOCH": "1790000000"},
    )  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    (source,) = folder.glob("*.tar.gz")
    return wheel, source


@pytest.fixture(scope="module")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    pytest.importorskip("hatchling")
    return built(tmp_path_factory.mktemp("dist"))


def test_the_wheel_holds_the_package_and_nothing_else(distribution: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(distribution[0]) as wheel:
        names = set(wheel.namelist())
    info = f"klaviyo_async-{klaviyo_async.__version__}.dist-info/"
    assert {name.partition("/")[0] for name in names} == {"klaviyo_async", info.rstrip("/")}
    own = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "klaviyo_async").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if not name.startswith(info)} == own
    assert {"klaviyo_async/py.typed", f"{info}licenses/LICENSE", f"{info}entry_points.txt"} <= names


def test_the_source_distribution_builds_the_same_wheel(distribution: tuple[Path, Path], tmp_path: Path) -> None:
    with tarfile.open(distribution[1]) as source:
        source.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    assert {"README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml"} <= {path.name for path in folder.iterdir()}
    assert not (folder / "tests").exists()


def test_the_same_commit_gives_the_same_files(distribution: tuple[Path, Path], tmp_path: Path) -> None:
    again = built(tmp_path)
    for one, other in zip(distribution, again, strict=True):
        assert one.name == other.name
        assert hashlib.sha256(one.read_bytes()).digest() == hashlib.sha256(other.read_bytes()).digest()
