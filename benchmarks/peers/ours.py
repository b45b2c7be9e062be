"""klaviyo_async."""

from __future__ import annotations

import asyncio

from klaviyo_async import Klaviyo, LocalLimiter

# The limiter does all its work; it only never has to wait.
_RATES = {"burst": "1000000/s", "steady": "60000000/m"}


async def main() -> None:
    """Do one work."""
    from benchmarks.peers import work as shared  # noqa: PLC0415 - not part of a cold start

    work, url = shared.arguments()
    limiter = LocalLimiter(overrides=dict.fromkeys(("get_profiles", "get_list", "create_event"), _RATES))
    async with Klaviyo("pk_bench", base_url=url, limiter=limiter) as klaviyo:

        async def page() -> None:
            found = await klaviyo.profiles.get_profiles(page_size=100)
            for profile in found.data:
                _ = profile.id, profile.attributes.email, profile.attributes.created

        async def get() -> None:
            await klaviyo.lists.get_list("Y6nRLr")

        async def post() -> None:
            await klaviyo.events.create_event(
                metric={"name": "Placed Order"},
                profile={"email": "a@example.org"},
                properties=shared.EVENT,
                value=9.5,
                unique_id="1",
            )

        if work == "cold":
            await page()
        else:
            await shared.measured({"page": page, "get": get, "post": post})


asyncio.run(main())
