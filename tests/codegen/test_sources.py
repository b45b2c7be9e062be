"""Where documents may lie: folders laid out like Klaviyo's repository, repositories, archives; and hostile ones of these."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import shutil
import subprocess
import tarfile
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codegen.errors import CodegenError
from codegen.importing import trees
from codegen.importing.importer import import_documents

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

REVISION = "2026-04-15"
BETA = "2026-04-15.pre"
LATER = "2026-07-15"


def of(document: dict[str, Any], version: str) -> bytes:
    return json.dumps({**document, "info": {**document["info"], "version": version}}).encode()


def apart(document: dict[str, Any], folder: Path) -> None:
    """The document with an operation a file, as Klaviyo has it beside the bundle."""
    folder.mkdir(parents=True)
    for path, item in document["paths"].items():
        for method, operation in item.items():
            one = {**document, "paths": {path: {method: operation}}}
            one.pop("x-readme", None)
            (folder / f"{operation['operationId']}.json").write_text(json.dumps(one), encoding="utf-8")


def two(document: dict[str, Any]) -> dict[str, Any]:
    """The document with a second operation, and what only bundles have."""
    other = json.loads(json.dumps(document["paths"]["/api/notes/{id}"]["patch"])) | {"operationId": "get_notes"}
    other["parameters"] = []
    other.pop("requestBody")
    document["paths"]["/api/notes"] = {"get": other}
    document["x-readme"] = {"explorer-enabled": False}
    return document


def checkout(document: dict[str, Any], root: Path) -> Path:
    (root / "openapi").mkdir(parents=True)
    (root / "README.md").write_text("words", encoding="utf-8")
    (root / "package.json").write_text("{}", encoding="utf-8")
    (root / "openapi" / "stable.json").write_bytes(of(document, REVISION))
    (root / "openapi" / "beta.json").write_bytes(of(document, BETA))
    apart(document, root / "openapi" / "stable" / "apis")
    return root


def written(source: Path, specs: Path, revision: str = REVISION) -> dict[str, bytes]:
    import_documents(source, revision, specs)
    return {path.name: path.read_bytes() for path in (specs / revision).iterdir()}


@pytest.mark.parametrize("part", ["", "openapi", "openapi/stable.json", "openapi/stable", "openapi/stable/apis"])
def test_all_parts_of_a_checkout_give_the_same_bytes(part: str, document: dict[str, Any], tmp_path: Path) -> None:
    root = checkout(two(document), tmp_path / "root")
    wanted = written(root / "openapi" / "stable.json", tmp_path / "wanted")
    assert wanted.keys() == {"get_notes.json", "update_note.json"}
    assert written(root / part, tmp_path / "specs") == wanted


def test_a_checkout_has_the_beta_as_well(document: dict[str, Any], tmp_path: Path) -> None:
    root = checkout(document, tmp_path / "root")
    found = written(root, tmp_path / "specs", BETA)
    assert json.loads(found["update_note.json"])["info"]["version"] == BETA


def test_a_checkout_of_another_revision_is_refused(document: dict[str, Any], tmp_path: Path) -> None:
    root = checkout(document, tmp_path / "root")
    with pytest.raises(CodegenError, match=f"is for revision {REVISION}, not {LATER}"):
        import_documents(root, LATER, tmp_path / "specs")


# --- repositories

git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


def run(folder: Path, *arguments: str) -> None:
    settings_ = ["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *settings_, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(document: dict[str, Any], tmp_path: Path) -> Path:
    """A repository with a branch of one revision, a later one on main, and its beta."""
    root = tmp_path / "repository"
    (root / "openapi").mkdir(parents=True)
    run(root, "init")
    run(root, "checkout", "-b", REVISION)
    (root / "openapi" / "stable.json").write_bytes(of(document, REVISION))
    run(root, "add", ".")
    run(root, "commit", "-m", "earlier")
    run(root, "checkout", "-b", "main")
    (root / "openapi" / "stable.json").write_bytes(of(document, LATER))
    (root / "openapi" / "beta.json").write_bytes(of(document, f"{LATER}.pre"))
    run(root, "add", ".")
    run(root, "commit", "-m", "later")
    return root


@git
@pytest.mark.parametrize("revision", [REVISION, LATER, f"{LATER}.pre"])
@pytest.mark.parametrize("kind", ["checkout", "git folder", "bare", "worktree", "clone"])
def test_a_repository_gives_each_revision_it_has(kind: str, revision: str, repository: Path, tmp_path: Path) -> None:
    root = repository
    if kind == "git folder":
        root = repository / ".git"
    elif kind in {"bare", "clone"}:
        root = tmp_path / "other"
        run(tmp_path, "clone", "-q", *(["--bare"] if kind == "bare" else []), str(repository), str(root))
    elif kind == "worktree":
        root = tmp_path / "other"
        run(repository, "worktree", "add", "--detach", str(root), "main")
    found = written(root, tmp_path / "specs", revision)
    assert json.loads(found["update_note.json"])["info"]["version"] == revision


@git
def test_what_lies_in_a_checkout_of_its_own_revision_counts(repository: Path, tmp_path: Path) -> None:
    """Changes that nobody has committed are what the user wants to try."""
    path = repository / "openapi" / "stable.json"
    path.write_bytes(path.read_bytes().replace(b"Update Note", b"Change Note"))
    assert b"Change Note" in written(repository, tmp_path / "specs", LATER)["update_note.json"]


@git
def test_a_broken_repository(repository: Path, tmp_path: Path) -> None:
    for path in sorted((repository / ".git" / "objects").rglob("*")):
        if path.is_file():
            path.chmod(0o600)
            path.write_bytes(b"broken")
    with pytest.raises(CodegenError, match=r"main branch|git "):
        import_documents(repository / ".git", REVISION, tmp_path / "specs")
    assert not (tmp_path / "specs").exists()


# --- archives


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def tarred(files: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            member.size = len(data) if kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


PACKED: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    "zip": zipped,
    "tar": tarred,
    "tar.gz": lambda files: gzip.compress(tarred(files)),
    "tar.bz2": lambda files: bz2.compress(tarred(files)),
    "tar.xz": lambda files: lzma.compress(tarred(files)),
}


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("root", ["", "openapi-main/", "./"])
def test_archives_are_read_like_folders(kind: str, root: str, document: dict[str, Any], tmp_path: Path) -> None:
    source = tmp_path / f"source.{kind}"
    files = {
        f"{root}README.md": b"words",
        f"{root}openapi/stable.json": of(document, REVISION),
        f"{root}openapi/beta.json": of(document, BETA),
        f"{root}LICENSE.txt": b"words",
    }
    source.write_bytes(PACKED[kind](files))
    (tmp_path / "plain.json").write_text(json.dumps(document), encoding="utf-8")
    assert written(source, tmp_path / "a") == written(tmp_path / "plain.json", tmp_path / "b")
    assert written(source, tmp_path / "a", BETA)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_document(pack: Callable[[bytes], bytes], document: dict[str, Any], tmp_path: Path) -> None:
    source = tmp_path / "whatever"
    source.write_bytes(pack(of(document, REVISION)))
    assert written(source, tmp_path / "specs").keys() == {"update_note.json"}


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("name", ["../x.json", "/etc/x.json", "a/../../x.json", "C:\\x.json", "a\\..\\x.json"])
def test_paths_that_lead_out_of_an_archive(kind: str, name: str, document: dict[str, Any], tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(PACKED[kind]({"stable.json": of(document, REVISION), name: b"{}"}))
    with pytest.raises(CodegenError, match="points outside the archive"):
        import_documents(source, REVISION, tmp_path / "specs")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_an_archive_are_no_documents(kind: bytes, tmp_path: Path) -> None:
    source = tmp_path / "source.tar"
    source.write_bytes(tarred({"stable.json": b""}, kind))
    with pytest.raises(CodegenError, match=r"no \.json or \.txt"):
        import_documents(source, REVISION, tmp_path / "specs")


@pytest.mark.parametrize(
    "pack", [gzip.compress, bz2.compress, lzma.compress, lambda data: zipped({"stable.json": data})]
)
def test_bombs(pack: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "MAX_BYTES", 1_000_000)
    source = tmp_path / "source"
    source.write_bytes(pack(b" " * 3_000_000))
    with pytest.raises(CodegenError, match="larger than"):
        import_documents(source, REVISION, tmp_path / "specs")


def test_a_bomb_of_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "MAX_FILES", 10)
    for kind in ("zip", "tar"):
        source = tmp_path / "source"
        source.write_bytes(PACKED[kind]({f"{number}.json": b"{}" for number in range(11)}))
        with pytest.raises(CodegenError, match="more than 10 files"):
            import_documents(source, REVISION, tmp_path / "specs")


def test_an_archive_in_an_archive_is_no_document(document: dict[str, Any], tmp_path: Path) -> None:
    source = tmp_path / "source.zip"
    source.write_bytes(zipped({"stable.json": zipped({"stable.json": of(document, REVISION)})}))
    with pytest.raises(CodegenError, match=r"not UTF-8|not JSON"):
        import_documents(source, REVISION, tmp_path / "specs")


@given(data=st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_broken_archives_are_refused(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Cut off, or with bytes changed: read all the same, or refused with the file's name."""
    kind = data.draw(st.sampled_from([*PACKED, "xz", "gz"]))
    files = {"openapi/stable.json": b'{"openapi": "3.0.2"}', "x.txt": b"words" * 50}
    packed = {"xz": lzma.compress, "gz": gzip.compress}[kind](b"[]") if kind in {"xz", "gz"} else PACKED[kind](files)
    broken = bytearray(packed)
    for _ in range(data.draw(st.integers(1, 4))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    broken = broken[: data.draw(st.integers(1, len(broken)))]
    folder = tmp_path_factory.mktemp("broken")
    (folder / "source").write_bytes(broken)
    with pytest.raises(CodegenError) as caught:
        import_documents(folder / "source", REVISION, folder / "specs")
    assert str(folder / "source") in str(caught.value)
    assert not (folder / "specs").exists()
