"""An export in a process of its own, which kills itself at a certain write of its checkpoint, before or after it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

from klaviyo_async import Klaviyo
from klaviyo_async.bulk._export.checkpoint import Checkpoint


def kill_at(number: int, *, before: bool) -> None:
    writes = 0
    put = Checkpoint._put

    def counted(self: Checkpoint, **values: Any) -> None:
        nonlocal writes
        writes += 1
        if writes == number and before:
            os.kill(os.getpid(), signal.SIGKILL)
        put(self, **values)
        if writes == number:
            os.kill(os.getpid(), signal.SIGKILL)

    Checkpoint._put = counted  # type: ignore[method-assign]


async def main(url: str, out: str, checkpoint: str) -> None:
    async with Klaviyo("pk_test", base_url=url, limiter=False) as klaviyo:
        await klaviyo.bulk.export_to(out, klaviyo.events.get_events, page_size=20, checkpoint=checkpoint, concurrency=3)


if __name__ == "__main__":
    url, out, checkpoint, number, before = sys.argv[1:]
    from klaviyo_async.bulk._export import to_file

    to_file._HELD = 50
    if int(number):
        kill_at(int(number), before=before == "before")
    asyncio.run(main(url, out, checkpoint))
