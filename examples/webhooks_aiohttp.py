"""Receive Klaviyo's webhooks with aiohttp.web.

pip install klaviyo-async
KLAVIYO_WEBHOOK_SECRET=… python examples/webhooks_aiohttp.py
"""

from __future__ import annotations

import os

from aiohttp import web

from klaviyo_async import WebhookSignatureError, webhooks

HANDLED = web.AppKey("handled", dict[str, str])
"""Handled events: id → topic. An application keeps this in its database, under a unique key."""
MOST_BYTES = 16 * 1024 * 1024
"""A delivery has up to 1,000 events; aiohttp's own limit is 1 MB."""


async def receive(request: web.Request) -> web.Response:
    """Accept a delivery; 401 if it isn't genuine."""
    try:
        delivery = webhooks.verify(await request.read(), request.headers, os.environ["KLAVIYO_WEBHOOK_SECRET"])
    except WebhookSignatureError:
        return web.Response(status=401)
    for event in delivery.events:
        request.app[HANDLED].setdefault(event.external_id, event.topic)
    return web.Response(status=202)


def application() -> web.Application:
    """The application, for `web.run_app` and for tests."""
    app = web.Application(client_max_size=MOST_BYTES)
    app[HANDLED] = {}
    app.router.add_post("/klaviyo", receive)
    return app


if __name__ == "__main__":
    web.run_app(application(), host="127.0.0.1", port=8080)
