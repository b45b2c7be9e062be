"""The example in each docstring: it runs, sends what its operation sends, and its body is one that the document allows."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from klaviyo_async import F, Klaviyo, api
from tests.operations.expected import NAMES, spec_of
from tests.operations.test_every_operation import answer_of, check_body

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import RawServer
    from tests.support.synthesis import Synthesiser

pytestmark = pytest.mark.asyncio(loop_scope="module")


def docstring(name: str) -> str:
    return inspect.getdoc(getattr(getattr(api, spec_of(name).tag), name)) or ""


def example(name: str) -> str:
    """The code of an example."""
    found = re.search(r"^Example::\n\n((?:    .*\n|\n)+)", docstring(name), re.MULTILINE)
    assert found is not None
    return textwrap.dedent(found[1]).strip()


@pytest.mark.parametrize("name", NAMES)
async def test_the_example_of_the_docstring_runs(
    name: str,
    klaviyo: Klaviyo,
    recorder: RawServer,
    synthesiser: Synthesiser,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spec = spec_of(name)
    if spec.body_kind == "multipart":
        (tmp_path / "logo.png").write_bytes(b"\x89PNG")
        monkeypatch.chdir(tmp_path)
    recorder.always(spec.success[0], answer_of(synthesiser, spec, 1))
    scope: dict[str, Any] = {"klaviyo": klaviyo, "F": F, "datetime": datetime, "UTC": UTC}
    exec(compile(f"async def run():\n{textwrap.indent(example(name), '    ')}", name, "exec"), scope)
    await scope["run"]()
    capsys.readouterr()

    (request,) = recorder.requests
    assert request.method == spec.method.upper()
    template = re.sub(r"\\\{[^}]+\\\}", "[^/]+", re.escape(spec.path))
    assert re.fullmatch(template, request.target.partition("?")[0])
    if spec.media is not None and spec.body_kind != "multipart":
        check_body(synthesiser, spec, request.json)


@pytest.mark.parametrize("name", NAMES)
async def test_the_docstring_says_what_is_required(name: str) -> None:
    spec = spec_of(name)
    paragraphs = [" ".join(each.split()) for each in docstring(name).split("\n\n")]
    said = next((each for each in paragraphs if each.startswith("Required: ")), "")
    needed = {*spec.required_keywords} if spec.body_kind in {"resource", "multipart"} else set()
    needed |= {each for each, raw in spec.keyword_parameters.items() if raw.get("required")}
    assert set(re.findall(r"`(\w+)`", re.sub(r" \(.*?\)| with a condition on .*", "", said))) == needed


async def test_nested_values_are_shown_whole() -> None:
    (call,) = [each for each in ast.walk(ast.parse(example("bulk_subscribe_profiles"))) if isinstance(each, ast.Call)]
    (profiles,) = [ast.literal_eval(each.value) for each in call.keywords if each.arg == "profiles"]
    assert profiles[0]["subscriptions"]["email"] == {"marketing": {"consent": "SUBSCRIBED"}}
    assert profiles[0]["subscriptions"]["sms"] == {"marketing": {"consent": "SUBSCRIBED"}}


async def test_examples_of_events_can_be_repeated() -> None:
    assert "unique_id=" in example("create_event")
