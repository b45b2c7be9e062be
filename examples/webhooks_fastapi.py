"""Receive Klaviyo's webhooks with FastAPI.

    pip install klaviyo-async fastapi uvicorn
    KLAVIYO_WEBHOOK_SECRET=… uvicorn --app-dir examples webhooks_fastapi:app

Klaviyo wants a response within five seconds and repeats what it isn't sure of. So this one verifies, puts the events into a
queue, responds, and leaves the work to a task; what came already is known by its id.
"""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response

from klaviyo_async import WebhookSignatureError, webhooks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_REMEMBERED = 100_000


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Run the worker while the application runs; finish what is queued before it stops."""
    app.state.queue = asyncio.Queue(maxsize=10_000)
    app.state.seen = OrderedDict()
    app.state.handled = []
    worker = asyncio.create_task(work(app))
    yield
    await app.state.queue.join()
    worker.cancel()


app = FastAPI(lifespan=lifespan)


@app.post("/klaviyo")
async def receive(request: Request) -> Response:
    """Accept a delivery; 401 if it isn't genuine, 503 while the queue is full, so that Klaviyo retries later."""
    try:
        delivery = webhooks.verify(await request.body(), request.headers, os.environ["KLAVIYO_WEBHOOK_SECRET"])
    except WebhookSignatureError:
        return Response(status_code=401)
    queue: asyncio.Queue[webhooks.DeliveredEvent] = request.app.state.queue
    if queue.maxsize - queue.qsize() < len(delivery.events):
        return Response(status_code=503)
    for event in delivery.events:
        queue.put_nowait(event)
    return Response(status_code=202)


async def work(app: FastAPI) -> None:
    """Handle each event once. With several processes, keep the ids where all of them can see them: a unique key in the database."""
    queue: asyncio.Queue[webhooks.DeliveredEvent] = app.state.queue
    while True:
        event = await queue.get()
        try:
            if event.external_id not in app.state.seen:
                handle(app, event)
                app.state.seen[event.external_id] = None
                if len(app.state.seen) > _REMEMBERED:
                    app.state.seen.popitem(last=False)
        finally:
            queue.task_done()


def handle(app: FastAPI, event: webhooks.DeliveredEvent) -> None:
    """What the application does with an event."""
    profile = event.profile
    app.state.handled.append(
        (
            event.topic,
            profile.attributes.email if profile is not None else None,
            event.event.attributes.event_properties,
        )
    )
