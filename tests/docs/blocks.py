"""The code in the documentation and in docstrings: found, run as a reader would run it, and written down for the type checkers.

A page's blocks run one after the other in one scope. In it `klaviyo` is a client, `fake` the Klaviyo that it calls, and any
client that a block makes without saying where to calls that one as well. ``<!-- not run: why -->`` above a block leaves it
out of the run, not out of type checking; ``<!-- not checked: why -->`` the other way round.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import io
import re
import textwrap
import tokenize
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
_IN_DOCSTRING = re.compile(r"::\n\n((?:    .*\n|\n)+)")
_WITHOUT_CODE = ("models", "resources", "filters", "operation_table")
"""Generated packages whose many docstrings have no code."""
DOCSTRING_NAMES = """
from datetime import UTC, datetime
from types import SimpleNamespace
from fastapi import Request, Response
from klaviyo_async import F, Klaviyo, OAuth
from klaviyo_async.testing import FakeKlaviyo
SECRET, client_id, client_secret = "whsec-0123456789abcdef", "client-id", "client-secret"
stored = SimpleNamespace(refresh_token="rt_stored")
def store(**tokens: object) -> None: ...
"""
"""What the code in docstrings takes for granted."""
_BLOCK = re.compile(
    r"(?:<!-- (not (?:run|checked)): ([^>]+) -->\n)?^```(python|text)\n(.*?)^```", re.DOTALL | re.MULTILINE
)


@frozen
class Block:
    """A block of code, and what it should print."""

    page: str
    line: int
    """Line of the page that its first line is on."""
    source: str
    printed: str | None
    """The text block that follows, where one does."""
    run: bool
    checked: bool

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    """The pages with code, as paths from the project's root."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [path.relative_to(ROOT).as_posix() for path in found if "```python" in path.read_text("utf-8")]


def blocks(page: str) -> list[Block]:
    """The blocks of a page, in order."""
    text = (ROOT / page).read_text("utf-8")
    found = list(_BLOCK.finditer(text))
    made = []
    for index, match in enumerate(found):
        if match[3] != "python":
            continue
        follows = found[index + 1] if index + 1 < len(found) else None
        printed = follows[4] if follows is not None and follows[3] == "text" else None
        line = text[: match.start(4)].count("\n") + 1
        made.append(Block(page, line, match[4], printed, match[1] != "not run", match[1] != "not checked"))
    return made


@cache
def docstrings() -> list[Block]:
    """The blocks after `::` in the package's docstrings.

    Those of endpoint functions are not run here: tests/operations runs them, and looks at what they send.
    """
    made = []
    package = ROOT / "klaviyo_async"
    for path in sorted(package.rglob("*.py")):
        within = path.relative_to(package).parts[0]
        if within in _WITHOUT_CODE or "::\n" not in (text := path.read_text("utf-8")):
            continue
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            docstring = ast.get_docstring(node) or ""
            for match in _IN_DOCSTRING.finditer(f"{docstring}\n"):
                line = node.body[0].lineno + docstring[: match.start(1)].count("\n")
                source = textwrap.dedent(match[1]).strip() + "\n"
                page = path.relative_to(ROOT).as_posix()
                made.append(Block(page, line, source, None, run=within != "api", checked=True))
    return made


async def run(block: Block, scope: dict[str, Any]) -> None:
    """Run a block; AssertionError where it prints or gives something else than the page says."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    shown = results(block.source)
    tree = ast.parse(block.source)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for statement in tree.body:
            wanted = shown.get(statement.end_lineno or 0) if isinstance(statement, ast.Expr) else None
            ast.increment_lineno(statement, block.line - 1)
            if wanted is None:
                code = compile(ast.Module([statement], []), block.page, "exec", flags)
                await _finished(eval(code, scope))
            else:
                assert isinstance(statement, ast.Expr)
                value = eval(compile(ast.Expression(statement.value), block.page, "eval", flags), scope)
                value = await _finished(value)
                assert value == wanted, f"{block}: {ast.unparse(statement)} gives {value!r}, the page says {wanted!r}"
    if block.printed is not None:
        assert printed.getvalue() == block.printed, str(block)


async def _finished(value: Any) -> Any:
    return await value if inspect.iscoroutine(value) else value


def results(source: str) -> dict[int, Any]:
    """Line → the value that a comment at its end shows: a literal, maybe with prose after a colon."""
    found = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and token.line[: token.start[1]].strip():
            text = token.string.lstrip("# ")
            for candidate in (text, text.partition(": ")[0]):
                with contextlib.suppress(ValueError, SyntaxError):
                    found[token.start[0]] = ast.literal_eval(candidate)
                    break
    return found


def module(found: list[Block], names: str = "") -> str:
    """Blocks as a module for type checkers: in one function, where await may stand."""
    lines = [
        "from __future__ import annotations",
        names,
        "from klaviyo_async import Klaviyo",
        "from klaviyo_async.testing import FakeKlaviyo",
        "async def _page(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:",
        "    pass",
    ]
    for block in found:
        if block.checked:
            lines += [f"    # {block}", textwrap.indent(block.source, "    ")]
    return "\n".join(lines) + "\n"


def files() -> Iterator[tuple[str, str]]:
    """File name → source of a module, for each page, and of one for all docstrings."""
    for page in pages():
        yield f"{re.sub(r'[^a-z]', '_', page.lower().removesuffix('.md'))}.py", module(blocks(page))
    yield "docstrings.py", module(docstrings(), DOCSTRING_NAMES)
