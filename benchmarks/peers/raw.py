"""aiohttp and orjson by hand: dicts, the measure of all others."""

from __future__ import annotations

import asyncio

import aiohttp
import orjson

from benchmarks.peers import REVISION

HEADERS = {
    "Authorization": "Klaviyo-API-Key pk_bench",
    "revision": REVISION,
    "accept": "application/vnd.api+json",
    "content-type": "application/vnd.api+json",
}


async def main() -> None:
    """Do one work."""
    from benchmarks.peers import work as shared  # noqa: PLC0415 - not part of a cold start

    work, url = shared.arguments()
    async with aiohttp.ClientSession(headers=HEADERS) as session:

        async def page() -> None:
            async with session.get(f"{url}/api/profiles", params={"page[size]": "100"}) as response:
                found = orjson.loads(await response.read())
            for profile in found["data"]:
                _ = profile["id"], profile["attributes"]["email"], profile["attributes"]["created"]

        async def get() -> None:
            async with session.get(f"{url}/api/lists/Y6nRLr") as response:
                orjson.loads(await response.read())

        async def post() -> None:
            body = {
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
            async with session.post(f"{url}/api/events", data=orjson.dumps(body)) as response:
                await response.read()

        if work == "cold":
            await page()
        else:
            await shared.measured({"page": page, "get": get, "post": post})


asyncio.run(main())
