"""What openapi-generator makes of the same documents (python, library asyncio), as it comes: aiohttp and pydantic."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import Any

from benchmarks.peers import REVISION


async def main() -> None:
    """Do one work."""
    from benchmarks.peers import work as shared  # noqa: PLC0415 - not part of a cold start

    work, url = shared.arguments()
    package: Any = import_module("openapi_client")
    configuration = package.Configuration(
        host=url, api_key={"Klaviyo-API-Key": "pk_bench"}, api_key_prefix={"Klaviyo-API-Key": "Klaviyo-API-Key"}
    )
    async with package.ApiClient(configuration) as client:
        profiles, lists, events = package.ProfilesApi(client), package.ListsApi(client), package.EventsApi(client)

        async def page() -> None:
            found = await profiles.get_profiles(REVISION, page_size=100)
            for profile in found.data:
                _ = profile.id, profile.attributes  # its attributes have lost what stands in an `allOf`: email, created

        async def get() -> None:
            await lists.get_list("Y6nRLr", REVISION)

        async def post() -> None:
            body = package.EventCreateQueryV2.from_dict(
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
            await events.create_event(REVISION, body)

        if work == "cold":
            await page()
        else:
            await shared.measured({"page": page, "get": get, "post": post})


asyncio.run(main())
