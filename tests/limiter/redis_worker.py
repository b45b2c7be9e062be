"""One process of the test with several: tasks that send through a RedisLimiter to a server that counts. Prints what it got."""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time

from klaviyo_async.limiter import RedisLimiter
from tests.limiter.virtual import operation


async def main(url: str, port: int, tasks: int, seconds: float, burst: str, steady: str) -> None:
    limiter = RedisLimiter(url, command_timeout=0.5)
    called = operation(burst=burst, steady=steady)
    accepted, refused, slowest = 0, 0, 0.0
    stop = time.time() + seconds

    async def worker() -> None:
        nonlocal accepted, refused, slowest
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.time() < stop:
            permit = await limiter.acquire("account", called)
            slowest = max(slowest, permit.waited)
            await asyncio.sleep(random.uniform(0, 0.02))
            writer.write(b"?\n")
            status = int(await reader.readline())
            permit.answered(status, {"Retry-After": "1"} if status == 429 else {})
            accepted += status == 200
            refused += status == 429
        writer.close()

    workers = [asyncio.ensure_future(worker()) for _ in range(tasks)]
    await asyncio.sleep(seconds)
    for task in workers:
        task.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    shared = limiter.snapshot().shared
    await limiter.close()
    print(json.dumps({"accepted": accepted, "refused": refused, "slowest": slowest, "shared": shared}))


if __name__ == "__main__":
    _, url, port, tasks, seconds, burst, steady = sys.argv
    asyncio.run(main(url, int(port), int(tasks), float(seconds), burst, steady))
