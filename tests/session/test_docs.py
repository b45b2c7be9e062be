"""The examples in the documentation of the session run, and print what it says they print; so does the tracing example."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import inspect
import io
import re
from pathlib import Path
from typing import Any

import pytest

from klaviyo_async import Klaviyo, NotFound
from klaviyo_async.testing import FakeKlaviyo
from tests.session.wire import PROFILE, Server, answer

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"```(python|text)\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("page", ["errors-and-retries", "authentication", "middleware"])
async def test_the_examples_run(page: str) -> None:
    text = (ROOT / "docs" / f"{page}.md").read_text("utf-8")
    blocks = [(match[1], match[2], text[: match.start()].count("\n") + 2) for match in BLOCK.finditer(text)]
    assert len(blocks) >= 3
    async with FakeKlaviyo(limits=False) as fake, Klaviyo("pk_test", base_url=fake.url) as klaviyo:
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


def _example() -> Any:
    spec = importlib.util.spec_from_file_location(
        "opentelemetry_tracing", ROOT / "examples" / "opentelemetry_tracing.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_the_tracing_example_makes_a_span_of_each_attempt(server: Server, naps: list[float]) -> None:
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - only where it is installed
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: PLC0415

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    server.plan(answer(503), answer(200, PROFILE, X_Klaviyo_Req_Id="r"), answer(404))
    middleware = _example().tracing(provider.get_tracer("test"))
    async with Klaviyo("pk_x", base_url=server.url, limiter=False, middlewares=[middleware]) as klaviyo:
        await klaviyo.profiles.get_profile("01")
        with pytest.raises(NotFound):
            await klaviyo.profiles.get_profile("01")
    first, second, third = exporter.get_finished_spans()
    assert {span.name for span in (first, second, third)} == {"GET /api/profiles/{id}"}
    assert first.attributes["http.response.status_code"] == 503
    assert not first.status.is_ok
    assert second.attributes["http.request.resend_count"] == 1
    assert second.attributes["klaviyo.request_id"] == "r"
    assert second.status.is_ok
    assert third.attributes["error.type"] == "404"
    assert server.requests[0].headers["traceparent"].split("-")[2] == f"{first.context.span_id:016x}"


async def test_without_opentelemetry_it_passes_everything_through(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = _example()
    monkeypatch.setattr(example, "trace", None)
    server.plan(answer(200, PROFILE))
    async with Klaviyo("pk_x", base_url=server.url, limiter=False, middlewares=[example.tracing()]) as klaviyo:
        await klaviyo.profiles.get_profile("01")
    assert "traceparent" not in server.requests[0].headers
