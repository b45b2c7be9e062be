"""Puts jobs into the queue, and waits until each has its result, even if processes are killed meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from distributed.work import LASTING, queue

if TYPE_CHECKING:
    from collections.abc import Mapping


async def results_of(function: str, jobs: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The results of jobs, by their keys. A job that is in the queue or done already is not queued again, so this may be
    called once more after the caller itself was killed."""
    for key, arguments in jobs.items():
        there = await queue.job(key)
        if there is None or there.status != "complete":
            await queue.enqueue(function, key=key, **arguments, **LASTING)

    async def result_of(key: str) -> dict[str, Any]:
        while True:
            job = await queue.job(key)
            if job is not None and job.status == "complete":
                result: dict[str, Any] = job.result
                return result
            if job is None or (job.status in ("failed", "aborted") and not job.retryable):
                raise RuntimeError(f"{key} failed: {job.error if job is not None else 'it is gone from the queue'}")
            if job.status == "aborted":
                # A sweep has met it while a worker took it up, and nobody tries it again. Run twice, it does no harm.
                await queue.enqueue(function, key=key, **jobs[key], **LASTING)
            await asyncio.sleep(0.5)

    async with asyncio.TaskGroup() as group:
        tasks = {key: group.create_task(result_of(key)) for key in jobs}
    return {key: task.result() for key, task in tasks.items()}
