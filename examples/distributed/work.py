"""The workers' code. Start as many as you like, on as many machines as you like:

    REDIS_URL=redis://… KLAVIYO_API_KEY=pk_… saq distributed.work.settings

A worker that is killed stops touching its jobs; after HEARTBEAT seconds another one takes them over.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saq import Queue

from klaviyo_async import Klaviyo, RedisLimiter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from saq.job import Job

Context = dict[str, Any]
"""What saq passes to each job: the job, and what `startup` has stored there."""

REDIS_URL = os.environ.get("REDIS_URL", "redis://localhost")
BASE_URL = os.environ.get("KLAVIYO_BASE_URL", "https://a.klaviyo.com")
HEARTBEAT = int(os.environ.get("HEARTBEAT", "30"))

queue = Queue.from_url(REDIS_URL, name="klaviyo")
# No time limit: a part may wait for the account's limits as long as it takes. A dead worker is detected by its silence.
LASTING: dict[str, Any] = {"timeout": 0, "heartbeat": HEARTBEAT, "retries": 10, "retry_delay": 1.0, "ttl": 86_400}


def key_of(account: str) -> str:
    """An account's API key: here from the environment, in production from your secret store. Jobs don't contain it."""
    name = f"KLAVIYO_API_KEY_{account.upper()}" if account else "KLAVIYO_API_KEY"
    return os.environ[name]


@asynccontextmanager
async def alive(job: Job) -> AsyncIterator[None]:
    """Touch a job while the block runs."""

    async def touch() -> None:
        while True:
            await asyncio.sleep(HEARTBEAT / 3)
            await job.update()

    touching = asyncio.create_task(touch())
    try:
        yield
    finally:
        touching.cancel()


async def run_part(context: Context, *, part: dict[str, Any], folder: str) -> dict[str, Any]:
    """Run one part of a plan. Run twice, it writes the same file twice."""
    klaviyo: Klaviyo = context["klaviyo"]
    async with alive(context["job"]):
        out = Path(folder) / f"part-{part['number']:04}.parquet"
        return (await klaviyo.bulk.run(part, out=out)).to_dict()


async def sync_account(context: Context, *, account: str, folder: str) -> dict[str, Any]:
    """Append the events that are new since yesterday to an account's file."""
    limiter: RedisLimiter = context["limiter"]
    async with alive(context["job"]), Klaviyo(key_of(account), base_url=BASE_URL, limiter=limiter) as klaviyo:
        report = await klaviyo.bulk.export_to(
            Path(folder) / f"{account}.ndjson",
            klaviyo.events.get_events,
            watermark=Path(folder) / f"{account}.watermark",
        )
        return report.to_dict()


async def startup(context: Context) -> None:
    """One limiter for the worker, which all its clients share with all other workers; one client of the one account."""
    limiter = RedisLimiter(REDIS_URL)
    context["limiter"] = limiter
    if "KLAVIYO_API_KEY" in os.environ:
        context["klaviyo"] = Klaviyo(key_of(""), base_url=BASE_URL, limiter=limiter)


async def shutdown(context: Context) -> None:
    """Close them."""
    if "klaviyo" in context:
        await context["klaviyo"].close()
    await context["limiter"].close()


settings = {
    "queue": queue,
    "functions": [run_part, sync_account],
    "concurrency": int(os.environ.get("CONCURRENCY", "4")),
    "startup": startup,
    "shutdown": shutdown,
    "timers": {"sweep": max(1, HEARTBEAT // 2)},
}
