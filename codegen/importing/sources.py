"""Which documents of a source are meant: a document, a folder of them, Klaviyo's checkout, its repository, an archive.

Klaviyo's repository has `openapi/stable.json` and `openapi/beta.json` with all operations, and the same once more with an
operation a file in `openapi/stable/apis/` and `openapi/beta/apis/`; there is a branch for each revision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from codegen import documents
from codegen.errors import CodegenError
from codegen.importing import trees
from codegen.importing.checks import mapping
from codegen.revisions import is_beta

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from codegen.importing.trees import Tree

BUNDLES = ("stable", "beta")
"""Klaviyo's names of its bundles. The branch of a beta may have it under either."""
MAIN = "main"
"""The branch that has the newest revision."""


@frozen
class Source:
    """One document as it came: where from, and its value."""

    name: str
    document: dict[str, Any]


def bundle(revision: str) -> str:
    """The name that Klaviyo gives to the bundle of a revision, without its suffix."""
    return "beta" if is_beta(revision) else "stable"


def read_sources(src: Path, revision: str, notes: list[str]) -> list[Source]:
    """The documents of `revision` in `src`; see `read_files` and `parse`."""
    return list(parse(read_files(src, revision), notes))


def read_files(src: Path, revision: str) -> list[tuple[str, bytes]]:
    """The files of `revision` in `src`: what each is called, and its content.

    Compressed files and archives (xz, gzip, bzip2, zip, tar) are known by their content. Raises CodegenError.
    """
    if src.is_dir():
        return _in_folder(src, revision)
    if not src.exists():
        raise CodegenError("there is no such file or folder", file=src)
    found = trees.unpacked(trees.read_file(src), str(src))
    return [(str(src), found)] if isinstance(found, bytes) else _in_tree(found, revision, str(src))


def parse(files: list[tuple[str, bytes]], notes: list[str]) -> Iterator[Source]:
    """The documents in files; texts that are plainly something else are put in `notes` and left out. Raises CodegenError."""
    for name, data in files:
        text = documents.decode(data, name)
        if name.endswith(".txt") and text.lstrip()[:1] not in {"{", "["}:
            notes.append(f"{name.replace('!', '/').rpartition('/')[2]} is text, not an OpenAPI document: skipped")
        else:
            yield from _documents_of(documents.loads(text, name), name)


def _documents_of(value: Any, name: str) -> Iterator[Source]:
    if not isinstance(value, list):
        yield Source(name, mapping(value, name, "/"))
        return
    if not value:
        raise CodegenError("an empty list of documents", file=name)
    for index, item in enumerate(value):
        yield Source(f"{name}[{index}]", mapping(item, name, f"/{index}"))


def _in_folder(src: Path, revision: str) -> list[tuple[str, bytes]]:
    folder, git = trees.Folder(src), trees.git_folder(src)
    if git is None:
        return _in_tree(folder, revision, str(src))
    # The branch of the revision, whatever is checked out; without one, what lies there or else the main branch.
    commit = trees.commit_of(git, revision)
    if commit is None and not (_of_klaviyo(folder, revision) or _documents(folder, "")):
        commit = trees.commit_of(git, MAIN, "master", "HEAD")
        if commit is None:
            raise CodegenError("a repository without a main branch, or git isn't installed", file=src)
    return _in_tree(folder if commit is None else trees.Repository(git, commit), revision, str(src))


def _in_tree(tree: Tree, revision: str, name: str) -> list[tuple[str, bytes]]:
    found = _of_klaviyo(tree, revision) or _documents(tree, "")
    if not found:
        raise CodegenError("the folder has no .json or .txt files", file=name)
    files = [(tree.name(path), tree.read(path)) for path in found]
    if all(title.endswith(".txt") and data.lstrip()[:1] not in {b"{", b"["} for title, data in files):
        raise CodegenError("the folder has no OpenAPI document", file=name)
    if sum(len(data) for _, data in files) > trees.MAX_BYTES:
        raise CodegenError(f"larger than {trees.MAX_BYTES // 1024 // 1024} MB", file=name)
    return files


def _of_klaviyo(tree: Tree, revision: str) -> list[str]:
    """The documents of a tree that is laid out as Klaviyo's repository, or as a part of it."""
    kinds = sorted(BUNDLES, key=lambda kind: kind != bundle(revision))
    for folder in ("openapi/", ""):
        for kind in kinds:
            if f"{kind}.json" in tree.files(folder.rstrip("/")):
                return [f"{folder}{kind}.json"]
            if found := _documents(tree, f"{folder}{kind}/apis"):
                return found
        if found := _documents(tree, f"{folder}apis"):
            return found
    return []


def _documents(tree: Tree, folder: str) -> list[str]:
    names = [name for name in tree.files(folder) if name.endswith((".json", ".txt")) and not name.startswith(".")]
    return [f"{folder}/{name}" if folder else name for name in names]
