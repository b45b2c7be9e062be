"""httpx and json by hand."""

from __future__ import annotations

import asyncio

import httpx

from benchmarks.peers import REVISION


async def main() -> None:
    """Do one work."""
    from benchmarks.peers import work as shared  # noqa: PLC0415 - not part of a cold start

    work, url = shared.arguments()
    headers = {"Authorization": "Klaviyo-API-Key pk_bench", "revision": REVISION}
    async with httpx.AsyncClient(base_url=url, headers=headers, limits=httpx.Limits(max_connections=100)) as session:

        async def page() -> None:
            found = (await session.get("/api/profiles", params={"page[size]": "100"})).json()
            for profile in found["data"]:
                _ = profile["id"], profile["attributes"]["email"], profile["attributes"]["created"]

        async def get() -> None:
            (await session.get("/api/lists/Y6nRLr")).json()

        async def post() -> None:
            await session.post(
                "/api/events", json={"data": {"type": "event", "attributes": {"properties": shared.EVENT}}}
            )

        if work == "cold":
            await page()
        else:
            await shared.measured({"page": page, "get": get, "post": post})


asyncio.run(main())
