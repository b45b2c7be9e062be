"""Webhook deliveries: signed as Klaviyo signs them, sent to whatever URL a webhook names, tried again when refused."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

if TYPE_CHECKING:
    from collections.abc import Callable

    from klaviyo_async.testing.record import Record
    from klaviyo_async.testing.world import World

_PATIENCE = 5.0
_TRIES = 3
_ACCEPTED = (200, 201, 202)
_MOST = 1000


class Deliveries:
    """Collects the events of a turn of the loop and delivers them to each webhook that asks for their topics."""

    def __init__(self, world: World, render: Callable[[str], dict[str, Any] | None]) -> None:
        self._world = world
        self._render = render
        self._waiting: dict[str, list[tuple[str, str]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self.log: list[tuple[str, int | None]] = []
        """Webhook id and status of every attempt; None where no response came."""

    def note(self, event: str, topic: str) -> None:
        """An event happened: queue it for every enabled webhook with its topic."""
        store = self._world.store
        record = store.record("webhook-topic", topic)
        if record is None:
            return
        for webhook in store.records("webhook"):
            if webhook.attributes.get("enabled") and any(
                one.id == topic for one in store.members(webhook, "webhook-topics")
            ):
                self._waiting.setdefault(webhook.id, []).append((event, topic))

    def start(self) -> None:
        """Send what waits, in the background."""
        waiting, self._waiting = self._waiting, {}
        for id, events in waiting.items():  # noqa: A001 - the API's own word
            for at in range(0, len(events), _MOST):
                task = asyncio.ensure_future(self._deliver(id, events[at : at + _MOST]))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def settle(self) -> None:
        """Wait until all deliveries are through or given up."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self) -> None:
        """Stop delivering."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _deliver(self, id: str, events: list[tuple[str, str]]) -> None:
        webhook = self._world.store.record("webhook", id)
        if webhook is None:
            return
        body, headers = self.signed(webhook, events)
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_PATIENCE))
        for attempt in range(_TRIES):
            if attempt:
                await asyncio.sleep(0.05 * 2**attempt)
            status = None
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with self._session.post(
                    webhook.attributes["endpoint_url"], data=body, headers=headers
                ) as response:
                    status = response.status
            self.log.append((id, status))
            if status in _ACCEPTED:
                return

    def signed(self, webhook: Record, events: list[tuple[str, str]]) -> tuple[bytes, dict[str, str]]:
        """Body and headers of one delivery."""
        now = self._world.clock.now()
        account = next(self._world.store.records("account"), None)
        body = orjson.dumps(
            {
                "data": [
                    {"external_id": event, "topic": topic, "payload": self._render(event)} for event, topic in events
                ],
                "meta": {
                    "klaviyo_account_id": account.id if account is not None else "",
                    "klaviyo_webhook_id": webhook.id,
                    "timestamp": now.isoformat(),
                },
            }
        )
        timestamp = formatdate(now.timestamp(), usegmt=True)
        return body, {
            "Content-Type": "application/json",
            "Klaviyo-Signature": sign(webhook.attributes["secret_key"], body, timestamp),
            "Klaviyo-Timestamp": timestamp,
            "Klaviyo-Webhook-Id": webhook.id,
        }


def sign(secret: str, body: bytes, timestamp: str) -> str:
    """Klaviyo's signature: lowercase hex HMAC-SHA256 of the body followed by the timestamp header as it is sent."""
    return hmac.new(secret.encode(), body + timestamp.encode(), hashlib.sha256).hexdigest()
