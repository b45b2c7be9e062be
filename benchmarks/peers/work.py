"""What all clients do: the works, how each is measured, and the line that tells it. Nothing but the standard library."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

EVENT = {"OrderId": "1", "Items": ["a", "b"], "Total": 9.5}


def arguments() -> tuple[str, str]:
    """Work and URL from the command line, which goes on with how many calls and from how many tasks."""
    return sys.argv[1], sys.argv[2]


async def measured(works: dict[str, Callable[[], Awaitable[object]]]) -> None:
    """Run the work of the command line, after a warm-up, and print wall and CPU seconds for each call."""
    one, count, tasks = works[sys.argv[1]], int(sys.argv[3]), int(sys.argv[4])
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
