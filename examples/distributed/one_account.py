"""One account's events, exported by many workers: plans, queues the parts, and merges the reports.

REDIS_URL=redis://… KLAVIYO_API_KEY=pk_… python -m distributed.one_account /shared/folder --parts 64
"""

from __future__ import annotations

import argparse
import asyncio

from distributed.waiting import results_of
from distributed.work import BASE_URL, REDIS_URL, key_of, queue
from klaviyo_async import Klaviyo, RedisLimiter
from klaviyo_async.bulk import merge


async def main() -> None:
    """Plan, queue, wait."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", help="where the workers write, on a disk that all of them see")
    arguments.add_argument("--parts", type=int, default=64)
    arguments.add_argument("--page-size", type=int)
    given = arguments.parse_args()
    limiter = RedisLimiter(REDIS_URL)
    async with Klaviyo(key_of(""), base_url=BASE_URL, limiter=limiter) as klaviyo:
        plan = await klaviyo.bulk.plan_export(klaviyo.events.get_events, parts=given.parts, page_size=given.page_size)
    jobs = {f"{plan.id}-{part['number']}": {"part": part, "folder": given.folder} for part in plan.parts}
    reports = await results_of("run_part", jobs)
    print(merge(reports.values()))
    await limiter.close()
    await queue.disconnect()


if __name__ == "__main__":
    asyncio.run(main())
