"""A fake in its own process: started, seeded, and served until the process is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from klaviyo_async.testing.server import FakeKlaviyo


async def serve(
    started: Callable[[FakeKlaviyo], None],
    *,
    profiles: int = 0,
    lists: int = 0,
    events: int = 0,
    items: int = 0,
    **options: Any,
) -> None:
    """Run one fake, made with `options`, until the process gets SIGINT or SIGTERM; `started` is called once it listens.

    Nothing is seeded if the database already has profiles.

    Raises:
        ConfigurationError: if the extra ``testing`` is not installed.
        OSError: if the port is taken.
    """
    from klaviyo_async.testing.server import FakeKlaviyo  # noqa: PLC0415 - `--help` needs none of it

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for one in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(one, stop.set)
    async with FakeKlaviyo(**options) as fake:
        if (profiles or lists or events or items) and not fake.store.count("profile"):
            fake.seed(profiles=profiles, lists=lists, events=events, items=items)
        started(fake)
        await stop.wait()
