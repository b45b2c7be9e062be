"""What all clients do: the works, how each is measured, and the line that tells it."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

CONCURRENT = 50


async def measured(one: Callable[[], Awaitable[object]], count: int, tasks: int) -> None:
    """Run `one` `count` times from `tasks` tasks, after a warm-up, and print seconds and CPU seconds for each."""
    await _spread(one, max(tasks, count // 10), tasks)
    cpu, start = _cpu(), time.perf_counter()
    await _spread(one, count, tasks)
    wall = time.perf_counter() - start
    print(json.dumps({"wall": wall / count, "cpu": (_cpu() - cpu) / count}))


async def _spread(one: Callable[[], Awaitable[object]], count: int, tasks: int) -> None:
    left = iter(range(count))

    async def worker() -> None:
        for _ in left:
            await one()

    await asyncio.gather(*(worker() for _ in range(tasks)))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def arguments() -> tuple[str, str, int]:
    """Work, URL and count from the command line."""
    return sys.argv[1], sys.argv[2], int(sys.argv[3])


def tasks_of(work: str) -> int:
    """How many tasks share a work."""
    return 1 if work == "page" else CONCURRENT


EVENT = {"OrderId": "1", "Items": ["a", "b"], "Total": 9.5}
