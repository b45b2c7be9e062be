"""Spans and metrics of one page of profiles, printed to the terminal.

pip install "klaviyo-async[otel]" opentelemetry-sdk
KLAVIYO_API_KEY=pk_… python examples/opentelemetry_tracing.py
"""

from __future__ import annotations

import asyncio
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

from klaviyo_async import Klaviyo
from klaviyo_async.otel import Telemetry


async def main(**client: Any) -> None:
    """Read a page with `Klaviyo(**client)` and print what was traced and measured."""
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
    meters = MeterProvider([PeriodicExportingMetricReader(ConsoleMetricExporter())])
    telemetry = Telemetry(tracer_provider=tracers, meter_provider=meters)
    async with Klaviyo(**client, middlewares=[telemetry]) as klaviyo:
        page = await klaviyo.profiles.get_profiles(page_size=5)
        print(f"{len(page.data)} profiles")
    tracers.shutdown()
    meters.shutdown()


if __name__ == "__main__":
    asyncio.run(main())
