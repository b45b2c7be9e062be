"""OpenTelemetry for the client: a span and metrics for each attempt, following the semantic conventions for HTTP clients.

::

    from klaviyo_async import Klaviyo
    from klaviyo_async.otel import Telemetry

    async with Klaviyo(middlewares=[Telemetry()]) as klaviyo:
        ...

Needs the extra `otel`: ``pip install "klaviyo-async[otel]"``.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from klaviyo_async._version import __version__

try:
    from opentelemetry import metrics, propagate, trace
except ImportError as _error:
    raise ImportError('klaviyo_async.otel needs OpenTelemetry: pip install "klaviyo-async[otel]"') from _error

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from klaviyo_async.middleware import CallNext, Request, Response

__all__ = ["Telemetry"]

_SCHEMA = "https://opentelemetry.io/schemas/1.28.0"
_DURATIONS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_WAITS = (0.01, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)


class Telemetry:
    """A middleware that records a client span and metrics for each attempt. Put it first, so that it encloses the others.

    Spans are named ``GET /api/profiles/{id}``. They have the attributes that the conventions define for HTTP clients
    (``url.full`` without the query, which may contain personal data), ``http.request.resend_count`` for retries,
    ``klaviyo.operation``, ``klaviyo.request_id``, and ``klaviyo.waited``, the seconds that the call has waited so far.
    The attempts of a call are sibling spans, children of the span that was current when the call began.

    Metrics are ``http.client.request.duration``, a histogram in seconds, and ``klaviyo.client.wait.duration``, how long calls
    waited for the rate limits before their first attempt.

    :param tracer_provider: Tracer provider; defaults to the global one.
    :param meter_provider: Meter provider; defaults to the global one.
    :param propagate: Whether to send the trace context (``traceparent``, baggage). Off by default, since it would expose your
        traces to Klaviyo, which doesn't continue them.

    Source: https://opentelemetry.io/docs/specs/semconv/http/
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        propagate: bool = False,
    ) -> None:
        self._tracer = trace.get_tracer("klaviyo_async", __version__, tracer_provider, _SCHEMA)
        meter = metrics.get_meter("klaviyo_async", __version__, meter_provider, _SCHEMA)
        self._duration = meter.create_histogram(
            "http.client.request.duration",
            unit="s",
            description="Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=_DURATIONS,
        )
        self._wait = meter.create_histogram(
            "klaviyo.client.wait.duration",
            unit="s",
            description="Time that calls waited for Klaviyo's rate limits.",
            explicit_bucket_boundaries_advisory=_WAITS,
        )
        self._propagate = propagate

    async def __call__(self, request: Request, call_next: CallNext) -> Response:
        """Trace and measure one attempt."""
        shared = _shared(request)
        if request.attempt == 1:
            self._wait.record(request.waited, {"klaviyo.operation": request.operation.name})
        # Failures are recorded below: exception messages don't belong in a trace, as they may quote the response.
        with self._tracer.start_as_current_span(
            f"{request.method} {request.operation.path}",
            kind=trace.SpanKind.CLIENT,
            attributes={**shared, **_of_span(request)},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            if self._propagate:
                headers = dict(request.headers)
                propagate.inject(headers)
                request = request.replace(headers=headers)
            outcome: dict[str, str | int] = {}
            started = time.perf_counter()
            try:
                response = await call_next(request)
            except BaseException as error:
                outcome["error.type"] = type(error).__qualname__
                raise
            else:
                outcome["http.response.status_code"] = response.status
                if response.status >= 400:
                    outcome["error.type"] = str(response.status)
                if response.request_id:
                    span.set_attribute("klaviyo.request_id", response.request_id)
                return response
            finally:
                self._duration.record(time.perf_counter() - started, {**shared, **outcome})
                span.set_attributes(outcome)
                if "error.type" in outcome:
                    span.set_status(trace.StatusCode.ERROR)


def _shared(request: Request) -> dict[str, str | int]:
    """The attributes of spans and metrics for a request; few values each."""
    url = urlsplit(request.url)
    return {
        "http.request.method": request.method,
        "server.address": url.hostname or "",
        "server.port": url.port or (443 if url.scheme == "https" else 80),
        "url.scheme": url.scheme,
        "url.template": request.operation.path,
    }


def _of_span(request: Request) -> dict[str, str | int | float]:
    found: dict[str, str | int | float] = {
        "url.full": request.url.partition("?")[0],
        "klaviyo.operation": request.operation.name,
        "klaviyo.waited": request.waited,
    }
    if request.attempt > 1:
        found["http.request.resend_count"] = request.attempt - 1
    return found
