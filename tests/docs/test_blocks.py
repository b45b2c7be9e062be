"""Every block of Python in README, docs and docstrings runs, prints what the page says it prints, and passes mypy --strict."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from klaviyo_async import Klaviyo, OAuth
from klaviyo_async.testing import FakeKlaviyo
from tests.docs import blocks

if TYPE_CHECKING:
    from pathlib import Path

# Its blocks are files of a project of their own: tests/testing/test_docs.py runs them.
ELSEWHERE = {"docs/testing.md"}
PAGES = [page for page in blocks.pages() if page not in ELSEWHERE]


@pytest.fixture
def at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder to write into, and a key."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KLAVIYO_API_KEY", "pk_docs")
    monkeypatch.setenv("KLAVIYO_WEBHOOK_SECRET", "whsec-0123456789abcdef")


@pytest.mark.usefixtures("at_home")
@pytest.mark.parametrize("page", PAGES)
async def test_the_blocks_run(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with FakeKlaviyo(limits=False) as fake:
        # Readers' clients say nothing of where to; here that must not be the real one.
        defaults: Any = Klaviyo.__init__.__kwdefaults__
        monkeypatch.setitem(defaults, "base_url", fake.url)
        fake.seed(profiles=250, lists=2, events=10, items=3)
        async with Klaviyo() as klaviyo:
            scope: dict[str, Any] = {"klaviyo": klaviyo, "fake": fake, "__name__": "page"}
            for block in blocks.blocks(page):
                if block.run:
                    await blocks.run(block, scope)


@pytest.mark.usefixtures("at_home")
@pytest.mark.parametrize("block", [block for block in blocks.docstrings() if block.run], ids=str)
async def test_the_blocks_of_docstrings_run(block: blocks.Block, monkeypatch: pytest.MonkeyPatch) -> None:
    async with FakeKlaviyo(limits=False) as fake, Klaviyo(base_url=fake.url) as klaviyo:
        defaults: Any = [Klaviyo.__init__.__kwdefaults__, OAuth.__init__.__kwdefaults__]
        monkeypatch.setitem(defaults[0], "base_url", fake.url)
        monkeypatch.setitem(defaults[1], "token_url", f"{fake.url}/oauth/token")
        scope: dict[str, Any] = {"klaviyo": klaviyo, "fake": fake, "__name__": "docstring"}
        exec(blocks.DOCSTRING_NAMES, scope)
        await blocks.run(block, scope)


def test_docstrings_have_code() -> None:
    found = blocks.docstrings()
    assert sum(block.run for block in found) >= 7
    assert sum(block.page.startswith("klaviyo_async/api/") for block in found) > 300


def test_the_blocks_pass_the_type_checker(tmp_path: Path) -> None:
    for name, text in blocks.files():
        (tmp_path / name).write_text(text, encoding="utf-8")
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", str(blocks.ROOT / ".mypy_cache"),
         "--disable-error-code", "no-redef", "--allow-redefinition", "--ignore-missing-imports", str(tmp_path)],
        cwd=blocks.ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(
    ("source", "printed"),
    [("1 + 1  # 3\n", None), ("'a'  # 'b': prose\n", None), ("print(1)\n", "2\n"), ("(await f())  # 2\n", None)],
)
async def test_a_page_that_says_something_else_fails(source: str, printed: str | None) -> None:
    async def f() -> int:
        return 1

    block = blocks.Block("page.md", 1, source, printed, run=True, checked=True)
    with pytest.raises(AssertionError, match=r"page\.md"):
        await blocks.run(block, {"f": f})
