"""The examples in the documentation run, and print what it says they print."""

from __future__ import annotations

import ast
import contextlib
import inspect
import io
import re
from pathlib import Path
from typing import Any

import pytest

from klaviyo_async import Klaviyo
from klaviyo_async.testing import FakeKlaviyo

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = ("filters", "pages", "writes", "fields-and-includes")
BLOCK = re.compile(r"```(python|text)\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
async def test_the_examples_run(page: str) -> None:
    text = (DOCS / f"{page}.md").read_text("utf-8")
    blocks: list[tuple[str, str, int]] = [
        (match[1], match[2], text[: match.start()].count("\n") + 2) for match in BLOCK.finditer(text)
    ]
    assert blocks
    async with FakeKlaviyo(limits=False) as fake, Klaviyo("pk_test", base_url=fake.url) as klaviyo:
        fake.seed(profiles=250)
        if page == "filters":  # an account that has seen an event has a metric
            await klaviyo.events.create_event(metric={"name": "Seen"}, profile={"email": "s@x.com"}, properties={})
        scope: dict[str, Any] = {"klaviyo": klaviyo, "fake": fake}
        for index, (language, source, line) in enumerate(blocks):
            if language == "text":
                continue
            code = compile("\n" * (line - 1) + source, f"{page}.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                running = eval(code, scope)
                if inspect.isawaitable(running):
                    await running
            follows = blocks[index + 1] if index + 1 < len(blocks) else None
            if follows is not None and follows[0] == "text":
                assert printed.getvalue() == follows[1]
