"""klaviyo-api, Klaviyo's own SDK, in as many threads as the others have tasks."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

KlaviyoAPI = import_module("klaviyo_api").KlaviyoAPI


async def main() -> None:
    """Do one work."""
    from benchmarks.peers import work as shared  # noqa: PLC0415 - not part of a cold start

    work, url = shared.arguments()
    client: Any = KlaviyoAPI("pk_bench", test_host=url)
    pool = ThreadPoolExecutor(int(sys.argv[4]) if work != "cold" else 1)
    loop = asyncio.get_running_loop()

    def page() -> None:
        found = client.Profiles.get_profiles(page_size=100)
        for profile in found.data:
            _ = profile.id, profile.attributes.email, profile.attributes.created

    def get() -> None:
        client.Lists.get_list("Y6nRLr")

    def post() -> None:
        client.Events.create_event(
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

    if work == "cold":
        page()
        return
    call = {"page": page, "get": get, "post": post}[work]
    await shared.measured({work: lambda: loop.run_in_executor(pool, call)})


asyncio.run(main())
