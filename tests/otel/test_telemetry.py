"""`klaviyo_async.otel`, with the real SDK's in-memory exporters: spans and metrics by the conventions of HTTP clients."""

from __future__ import annotations

import asyncio
import importlib
import sys
from typing import TYPE_CHECKING, Any

import pytest

from klaviyo_async import ConnectionFailed, Klaviyo, NotFound
from klaviyo_async.testing import FakeKlaviyo
from tests.http.wire import PROFILE
from tests.support.servers import RawServer, reply, until

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from klaviyo_async.otel import Telemetry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Watched:
    """A `Telemetry` whose spans and measurements stay in memory."""

    def __init__(self, **options: Any) -> None:
        self._spans = InMemorySpanExporter()
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self._reader = InMemoryMetricReader()
        meters = MeterProvider([self._reader])
        self.tracer = tracers.get_tracer("test")
        self.middleware = Telemetry(tracer_provider=tracers, meter_provider=meters, **options)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._spans.get_finished_spans()

    def points(self, name: str) -> list[Any]:
        data: Any = self._reader.get_metrics_data()
        return [
            point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]


def facts_of(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    made = RawServer()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture(autouse=True)
def no_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nap(seconds: float) -> None:
        pass

    monkeypatch.setattr("klaviyo_async._http.session.sleep", nap)


def client(server: RawServer, watched: Watched, **options: Any) -> Klaviyo:
    return Klaviyo("pk_x", base_url=server.url, limiter=False, middlewares=[watched.middleware], **options)


async def test_each_attempt_is_a_span(server: RawServer) -> None:
    watched = Watched()
    server.plan(reply(503), reply(200, PROFILE, X_Klaviyo_Req_Id="r"))
    async with client(server, watched) as klaviyo:
        with watched.tracer.start_as_current_span("sync") as outer:
            await klaviyo.profiles.get_profile("01", fields={"profile": ["email"]})
    first, second, parent = watched.spans
    port = int(server.url.rpartition(":")[2])
    facts = {
        "http.request.method": "GET",
        "server.address": "127.0.0.1",
        "server.port": port,
        "url.scheme": "http",
        "url.template": "/api/profiles/{id}",
        "url.full": f"{server.url}/api/profiles/01",
        "klaviyo.operation": "get_profile",
    }
    for span in (first, second):
        assert span.name == "GET /api/profiles/{id}"
        assert span.kind is SpanKind.CLIENT
        assert span.parent is not None
        assert span.parent.span_id == outer.get_span_context().span_id
        assert facts.items() <= facts_of(span).items()
        assert "klaviyo.waited" in facts_of(span)
    assert parent.name == "sync"
    assert facts_of(first)["http.response.status_code"] == 503
    assert facts_of(first)["error.type"] == "503"
    assert "http.request.resend_count" not in facts_of(first)
    assert not first.status.is_ok
    assert facts_of(second)["http.response.status_code"] == 200
    assert facts_of(second)["http.request.resend_count"] == 1
    assert facts_of(second)["klaviyo.request_id"] == "r"
    assert "error.type" not in facts_of(second)
    assert second.status.is_ok


async def test_errors_have_a_type_and_no_text(server: RawServer) -> None:
    watched = Watched()
    server.plan(reply(404, b'{"errors": [{"id": "1", "code": "not_found", "title": "t", "detail": "sarah@x.com"}]}'))
    async with client(server, watched, max_retries=0) as klaviyo:
        with pytest.raises(NotFound):
            await klaviyo.profiles.get_profile("01")
        await server.stop()
        with pytest.raises(ConnectionFailed):
            await klaviyo.profiles.get_profile("01")
    refused, failed = watched.spans
    assert facts_of(refused)["error.type"] == "404"
    assert facts_of(failed)["error.type"] == "ConnectionFailed"
    assert "http.response.status_code" not in facts_of(failed)
    assert not failed.status.is_ok
    told = "".join(span.to_json() for span in watched.spans)
    assert "sarah" not in told
    assert "pk_x" not in told


async def test_a_cancelled_call_ends_its_span(server: RawServer) -> None:
    watched = Watched()

    async def never(request: Any, writer: Any) -> bool:
        await asyncio.sleep(30)
        return True

    server.plan(never)
    async with client(server, watched) as klaviyo:
        call = asyncio.create_task(klaviyo.profiles.get_profile("01"))
        await until(lambda: bool(server.requests))
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    (span,) = watched.spans
    assert facts_of(span)["error.type"] == "CancelledError"


async def test_durations_are_measured_in_seconds(server: RawServer) -> None:
    watched = Watched()
    server.plan(reply(503), reply(200, PROFILE))
    async with client(server, watched) as klaviyo:
        await klaviyo.profiles.get_profile("01")
    points = watched.points("http.client.request.duration")
    by_status = {point.attributes["http.response.status_code"]: point for point in points}
    assert by_status.keys() == {503, 200}
    for point in points:
        assert point.count == 1
        assert 0 < point.sum < 30
        assert point.explicit_bounds[0] == 0.005
        # One time series for each operation and outcome, whatever ids and queries there are.
        assert "url.full" not in point.attributes
        assert point.attributes["url.template"] == "/api/profiles/{id}"
    assert by_status[503].attributes["error.type"] == "503"
    (waited,) = watched.points("klaviyo.client.wait.duration")
    assert waited.count == 1
    assert waited.attributes == {"klaviyo.operation": "get_profile"}


@pytest.mark.parametrize("propagate", [False, True])
async def test_the_context_goes_out_only_where_it_is_asked_for(server: RawServer, propagate: bool) -> None:
    watched = Watched(propagate=propagate)
    server.plan(reply(200, PROFILE))
    async with client(server, watched) as klaviyo:
        await klaviyo.profiles.get_profile("01")
    sent = server.requests[0].headers.get("traceparent")
    assert (sent is not None) is propagate
    if sent is not None:
        context = watched.spans[0].get_span_context()
        assert context is not None
        assert sent.split("-")[2] == f"{context.span_id:016x}"


def test_without_opentelemetry_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "klaviyo_async.otel")
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ImportError, match=r"klaviyo-async\[otel\]"):
        importlib.import_module("klaviyo_async.otel")


async def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    example = importlib.import_module("examples.opentelemetry_tracing")
    async with FakeKlaviyo(limits=False) as fake:
        fake.seed(profiles=3)
        await example.main(api_key="pk_test", base_url=fake.url)
    assert "3 profiles" in capsys.readouterr().out
