"""A span for each attempt of each call, with OpenTelemetry's names for HTTP clients.

    pip install klaviyo-async opentelemetry-sdk
    KLAVIYO_API_KEY=pk_… python examples/opentelemetry_tracing.py

Without `opentelemetry-api` installed the middleware passes everything through, so it can stay in a program that only
sometimes traces. The retries of a call are spans side by side; `http.request.resend_count` numbers them.
"""

from __future__ import annotations

import asyncio
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from klaviyo_async import Klaviyo, KlaviyoError

trace: Any
propagate: Any
sdk: Any
try:
    trace, propagate = import_module("opentelemetry.trace"), import_module("opentelemetry.propagate")
except ImportError:
    trace = propagate = None
try:
    sdk = import_module("opentelemetry.sdk.trace")
    import_module("opentelemetry.sdk.trace.export")
except ImportError:
    sdk = None

if TYPE_CHECKING:
    from klaviyo_async.message import CallNext, Middleware, Request, Response


def tracing(tracer: Any = None) -> Middleware:
    """A middleware that makes spans with `tracer`; without one, with the global provider's."""
    if trace is None:
        return _pass_through

    spans = tracer or trace.get_tracer("klaviyo_async")

    async def trace_attempt(request: Request, call_next: CallNext) -> Response:
        url = urlsplit(request.url)
        facts = {
            "http.request.method": request.method,
            # The query has people's addresses in it, the template has not.
            "url.template": request.operation.path,
            "server.address": url.hostname or "",
            "klaviyo.operation": request.operation.name,
            "klaviyo.waited": request.waited,
        }
        if url.port:
            facts["server.port"] = url.port
        if request.attempt > 1:
            facts["http.request.resend_count"] = request.attempt - 1
        name = f"{request.method} {request.operation.path}"
        # Failures are noted below: an exception's message is not for a trace, as it may quote the answer.
        with spans.start_as_current_span(
            name, kind=trace.SpanKind.CLIENT, attributes=facts, record_exception=False, set_status_on_exception=False
        ) as span:
            headers = dict(request.headers)
            propagate.inject(headers)
            try:
                response = await call_next(request.replace(headers=headers))
            except KlaviyoError as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(trace.StatusCode.ERROR)
                raise
            span.set_attribute("http.response.status_code", response.status)
            if response.request_id:
                span.set_attribute("klaviyo.request_id", response.request_id)
            if response.status >= 400:
                span.set_attribute("error.type", str(response.status))
                span.set_status(trace.StatusCode.ERROR)
            return response

    return trace_attempt


async def _pass_through(request: Request, call_next: CallNext) -> Response:
    return await call_next(request)


async def main() -> None:
    """Trace one page of profiles to the terminal."""
    if trace is None or sdk is None:
        sys.exit("This example shows its spans with the SDK: pip install opentelemetry-sdk")
    provider = sdk.TracerProvider()
    provider.add_span_processor(sdk.export.SimpleSpanProcessor(sdk.export.ConsoleSpanExporter()))
    trace.set_tracer_provider(provider)
    async with Klaviyo(middlewares=[tracing()]) as klaviyo:
        page = await klaviyo.profiles.get_profiles(page_size=5)
        print(f"{len(page.data)} profiles")


if __name__ == "__main__":
    asyncio.run(main())
