"""What the generated modules say, read from their source text: signatures, docstrings, fields of classes."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from codegen.errors import CodegenError

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDTH = 100


@frozen
class Function:
    """An endpoint function as users see it."""

    name: str
    signatures: tuple[str, ...]
    """One, or one for each overload."""
    result: str
    """The annotation of what it returns."""
    example: str
    """Source of the example call in its docstring."""


@frozen
class Attribute:
    """A field of a class, with what its docstring says."""

    name: str
    annotation: str
    about: str


@frozen
class Class:
    """A class of a generated module."""

    name: str
    attributes: tuple[Attribute, ...]


def functions(module: str) -> dict[str, Function]:
    """The endpoint functions in the first class of a module of `api`, aliases left out."""
    (group,) = (node for node in _tree(module).body if isinstance(node, ast.ClassDef))
    overloads: dict[str, list[str]] = {}
    found: dict[str, Function] = {}
    for node in _definitions(group):
        if any(isinstance(mark, ast.Name) and mark.id == "overload" for mark in node.decorator_list):
            overloads.setdefault(node.name, []).append(_signature(node))
            continue
        said = ast.get_docstring(node) or ""
        found[node.name] = Function(
            node.name,
            tuple(overloads.get(node.name, (_signature(node),))),
            ast.unparse(node.returns) if node.returns is not None else "",
            _example(said),
        )
    return found


def classes(module: str) -> dict[str, Class]:
    """The classes of a module, by name."""
    found = {}
    for node in _tree(module).body:
        if isinstance(node, ast.ClassDef):
            found[node.name] = Class(node.name, tuple(_attributes(node)))
    return found


def _tree(module: str) -> ast.Module:
    file = import_module(module).__file__
    if file is None:
        raise CodegenError(f"{module} has no source")
    return ast.parse(Path(file).read_text(encoding="utf-8"))


def _definitions(group: ast.ClassDef) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in group.body:
        # Overloads stand under `if TYPE_CHECKING`.
        for inner in node.body if isinstance(node, ast.If) else [node]:
            if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) and not inner.name.startswith("_"):
                yield inner


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """The signature without `self`, on one line where it fits."""
    arguments = node.args
    positional = arguments.args[1:]
    given: list[str] = []
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    defaults += arguments.defaults[-len(positional) :] if positional else []
    for argument, default in zip(positional, defaults, strict=True):
        given.append(_argument(argument, default))
    if arguments.kwonlyargs:
        given.append("*")
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        given.append(_argument(argument, default))
    result = f" -> {ast.unparse(node.returns)}" if node.returns is not None else ""
    line = f"{node.name}({', '.join(given)}){result}"
    if len(line) <= _WIDTH:
        return line
    return f"{node.name}(\n" + "".join(f"    {each},\n" for each in given) + f"){result}"


def _argument(argument: ast.arg, default: ast.expr | None) -> str:
    text = argument.arg
    if argument.annotation is not None:
        text += f": {ast.unparse(argument.annotation)}"
    return text if default is None else f"{text} = {ast.unparse(default)}"


def _example(docstring: str) -> str:
    match = re.search(r"^Example::\n\n((?:    .*\n|\n)+)", docstring + "\n", re.MULTILINE)
    return textwrap.dedent(match[1]).strip() if match is not None else ""


def _attributes(node: ast.ClassDef) -> Iterator[Attribute]:
    for index, statement in enumerate(node.body):
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        follows = node.body[index + 1] if index + 1 < len(node.body) else None
        about = ""
        if isinstance(follows, ast.Expr) and isinstance(follows.value, ast.Constant):
            about = inspect.cleandoc(str(follows.value.value))
        yield Attribute(statement.target.id, ast.unparse(statement.annotation), about)
