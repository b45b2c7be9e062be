"""What openapi-python-client makes of the same documents, as it comes: httpx and attrs."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import Any

from benchmarks.peers import REVISION


def _function(tag: str, name: str) -> Any:
    return import_module(f"stock_client.api.{tag}.{name}").asyncio


async def main() -> None:
    """Do one work."""
    from benchmarks.peers import work as shared  # noqa: PLC0415 - not part of a cold start

    work, url = shared.arguments()
    made: Any = import_module("stock_client.client").AuthenticatedClient
    async with made(
        base_url=url,
        token="pk_bench",
        prefix="Klaviyo-API-Key",
    ) as client:
        get_profiles, get_list = _function("profiles", "get_profiles"), _function("lists", "get_list")

        async def page() -> None:
            found = await get_profiles(client=client, revision=REVISION, pagesize=100)
            for profile in found.data:
                _ = profile.id, profile.attributes.email, profile.attributes.created

        async def get() -> None:
            await get_list("Y6nRLr", client=client, revision=REVISION)

        if work == "cold":
            await page()
            return
        create_event = _function("events", "create_event")
        body_type: Any = import_module("stock_client.models").EventCreateQueryV2

        async def post() -> None:
            body = body_type.from_dict(
                {
                    "data": {
                        "type": "event",
                        "attributes": {
                            "metric": {"data": {"type": "metric", "attributes": {"name": "Placed Order"}}},
                            "profile": {"data": {"type": "profile", "attributes": {"email": "a@example.org"}}},
                            "properties": shared.EVENT,
                            "value": 9.5,
                            "unique_id": "1",
                        },
                    }
                }
            )
            await create_event(client=client, body=body, revision=REVISION)

        await shared.measured({"page": page, "get": get, "post": post})


asyncio.run(main())
