"""Where documents come from, as a tree of files: a folder, an archive, a Git repository. Nothing is unpacked onto the disk.

An archive says how much is in it before it is read, and may lie: everything is counted while it is being unpacked.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import os
import shutil
import subprocess
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

from attrs import frozen

from codegen.errors import CodegenError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_BYTES = 256 * 1024 * 1024
"""All documents of one source together; Klaviyo's largest bundle has 3 MB."""
MAX_FILES = 20_000
_MEMORY = 128 * 1024 * 1024
_GIT_SECONDS = 60
_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"PK\x03\x04": "zip", b"PK\x05\x06": "zip"}
_TAR = slice(257, 262)


class Tree(Protocol):
    """Files by their path, with `/` between the parts."""

    def files(self, folder: str) -> list[str]:
        """Names of the files directly in a folder, sorted; none where there is no such folder."""
        ...

    def read(self, path: str) -> bytes:
        """The content of a file. Raises CodegenError."""
        ...

    def name(self, path: str) -> str:
        """What a person would call the file."""
        ...


@frozen
class Folder:
    """A folder on the disk."""

    root: Path

    def files(self, folder: str) -> list[str]:
        try:
            return sorted(path.name for path in (self.root / folder).iterdir() if not path.is_dir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise CodegenError(f"can't be read: {error.strerror or error}", file=self.root / folder) from None

    def read(self, path: str) -> bytes:
        return read_file(self.root / path)

    def name(self, path: str) -> str:
        return str(self.root / path)


@frozen
class Archive:
    """An archive that has been read: its files, without the one folder that holds them all."""

    source: str
    content: Mapping[str, bytes]

    def files(self, folder: str) -> list[str]:
        start = f"{folder}/" if folder else ""
        return sorted(
            path.removeprefix(start)
            for path in self.content
            if path.startswith(start) and "/" not in path.removeprefix(start)
        )

    def read(self, path: str) -> bytes:
        return self.content[path]

    def name(self, path: str) -> str:
        return f"{self.source}!{path}"


@frozen
class Repository:
    """One commit of a Git repository, read from its objects: no working tree is needed, and no network is used."""

    git: Path
    commit: str

    def files(self, folder: str) -> list[str]:
        out = _git(self.git, "ls-tree", "-z", "--full-tree", self.commit, "--", *([f"{folder}/"] if folder else []))
        names = []
        for line in out.split(b"\0"):
            about, _, path = line.partition(b"\t")
            if about.split(b" ")[:1] in ([b"100644"], [b"100755"]):
                names.append(path.decode(errors="replace").rpartition("/")[2])
        return sorted(names)

    def read(self, path: str) -> bytes:
        size = _git(self.git, "cat-file", "-s", f"{self.commit}:{path}")
        if int(size) > MAX_BYTES:
            raise CodegenError(_too_large(), file=self.name(path))
        return _git(self.git, "cat-file", "blob", f"{self.commit}:{path}")

    def name(self, path: str) -> str:
        return f"{self.git}@{self.commit[:12]}:{path}"


def read_file(path: Path) -> bytes:
    """The content of a regular file. Raises CodegenError."""
    if path.exists() and not path.is_file():
        # Opening a named pipe would wait for somebody to write, reading a device might never end.
        raise CodegenError("is not a regular file", file=path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CodegenError(f"can't be read: {error.strerror or error}", file=path) from None
    if len(data) > MAX_BYTES:
        raise CodegenError(_too_large(), file=path)
    return data


# --- archives


def unpacked(data: bytes, source: str) -> bytes | Archive:
    """The files of an archive, the content of what is compressed alone, or `data` itself where it is neither."""
    kind = next((kind for magic, kind in _MAGIC.items() if data.startswith(magic)), None)
    try:
        if kind == "zip":
            return Archive(source, _without_root(dict(_zip(data, source)), source))
        if kind is not None:
            data = _decompressed(kind, data, source)
        if data[_TAR] == b"ustar":
            return Archive(source, _without_root(dict(_tar(data, source)), source))
    except (OSError, EOFError, lzma.LZMAError, zlib.error, tarfile.TarError, zipfile.BadZipFile) as error:
        raise CodegenError(f"a broken archive: {error}", file=source) from None
    except (NotImplementedError, RuntimeError, ValueError) as error:
        raise CodegenError(f"an archive that can't be read: {error}", file=source) from None
    return data


def _decompressed(kind: str, data: bytes, source: str) -> bytes:
    packed = io.BytesIO(data)
    if kind == "xz":
        out = _from_xz(data)
    elif kind == "gzip":
        out = gzip.GzipFile(fileobj=packed).read(MAX_BYTES + 1)
    else:
        out = bz2.BZ2File(packed).read(MAX_BYTES + 1)
    if len(out) > MAX_BYTES:
        raise CodegenError(_too_large(), file=source)
    return out


def _from_xz(data: bytes) -> bytes:
    out = b""
    while data and len(out) <= MAX_BYTES:
        # The header of an xz file says how much memory unpacking takes; a hostile one says 4 GB.
        stream = lzma.LZMADecompressor(memlimit=_MEMORY)
        out += stream.decompress(data, max_length=MAX_BYTES + 1 - len(out))
        if not stream.eof and len(out) <= MAX_BYTES:
            raise EOFError("it ends early")
        data = stream.unused_data.lstrip(b"\0")
    return out


def _zip(data: bytes, source: str) -> Iterator[tuple[str, bytes]]:
    left = MAX_BYTES
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        if len(members) > MAX_FILES:
            raise CodegenError(f"more than {MAX_FILES} files", file=source)
        for member in members:
            path = _inside(member.filename, source)
            if member.is_dir() or not _is_wanted(path):
                continue
            with archive.open(member) as file:
                content = file.read(left + 1)
            left -= len(content)
            if left < 0:
                raise CodegenError(_too_large(), file=source)
            yield path, content


def _tar(data: bytes, source: str) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for count, member in enumerate(archive):
            if count >= MAX_FILES:
                raise CodegenError(f"more than {MAX_FILES} files", file=source)
            path = _inside(member.name, source)
            # Links and devices have no content of their own.
            if member.isreg() and not member.issparse() and _is_wanted(path):
                file = archive.extractfile(member)
                yield path, b"" if file is None else file.read()


def _inside(name: str, source: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or "\0" in name:
        raise CodegenError(f"{name!r} points outside the archive", file=source)
    return str(path)


def _is_wanted(path: str) -> bool:
    return path.endswith((".json", ".txt")) and not path.startswith("__MACOSX/")


def _without_root(content: dict[str, bytes], source: str) -> dict[str, bytes]:
    if not content:
        raise CodegenError("the archive has no .json or .txt files", file=source)
    roots = {path.partition("/")[0] for path in content}
    alone = len(roots) == 1 and all("/" in path for path in content) and not roots & {"openapi", "apis"}
    return {path.partition("/")[2]: data for path, data in content.items()} if alone else content


def _too_large() -> str:
    return f"larger than {MAX_BYTES // 1024 // 1024} MB"


# --- Git


def git_folder(path: Path) -> Path | None:
    """The Git folder of a checkout, a worktree or a bare repository; None where there is none."""
    for folder in (path, path / ".git"):
        if (folder / "HEAD").is_file() and (folder / "objects").is_dir() and (folder / "refs").is_dir():
            return folder
    pointer = path / ".git"
    if pointer.is_file():
        folder = path / read_file(pointer).decode(errors="replace").removeprefix("gitdir:").strip()
        return folder if (folder / "HEAD").is_file() else None
    return None


def commit_of(git: Path, *names: str) -> str | None:
    """The commit of the first of these names that the repository has: a branch, local or fetched, a tag, or HEAD."""
    if shutil.which("git") is None:
        return None
    for name in names:
        for reference in (f"refs/heads/{name}", f"refs/remotes/origin/{name}", f"refs/tags/{name}", name):
            if name == "HEAD" or reference != name:
                with contextlib.suppress(CodegenError):
                    return _git(git, "rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}").decode().strip()
    return None


def _git(git: Path, *arguments: str) -> bytes:
    settings = ["-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-c", "protocol.allow=never"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment |= {"GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", *settings, f"--git-dir={git}", *arguments],
            capture_output=True,
            env=environment,
            stdin=subprocess.DEVNULL,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CodegenError(f"git can't be run: {error}", file=git) from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise CodegenError(f"git {arguments[0]}: {said[-1] if said else f'exit {done.returncode}'}", file=git)
    return done.stdout
