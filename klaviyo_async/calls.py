"""The calls under way, so that closing the client can end them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from klaviyo_async.errors import ConnectionFailed

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

PARTING = 2.0
"""Seconds that closing waits for the calls it ended to unwind."""


class Call:
    """One call, around its work; ended from outside, the work's cancellation becomes an error that says why.

    A cancellation of the caller's own is told apart as `asyncio.timeout` does it.
    """

    __slots__ = ("_calls", "_cancelling", "_name", "ended", "loop", "over", "task")

    def __init__(self, calls: set[Call], name: str) -> None:
        task: asyncio.Task[Any] | None = asyncio.current_task()
        if task is None:
            raise RuntimeError("A call has to run in a task: use asyncio.run() or await it from a coroutine.")
        self._calls = calls
        self._name = name
        self._cancelling = task.cancelling()
        self.task = task
        self.loop = task.get_loop()
        self.ended = False
        self.over: asyncio.Future[None] | None = None

    def __enter__(self) -> None:
        self._calls.add(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._calls.discard(self)
        if not self.ended:
            return
        if self.over is not None and not self.over.done():
            self.over.set_result(None)
        ours = self.task.uncancel() <= self._cancelling
        if ours and isinstance(error, asyncio.CancelledError):
            raise ConnectionFailed(
                f"{self._name}: the client was closed while the call was under way. If it was sent, Klaviyo may have carried it"
                " out. Close the client after its last call.",
                operation=self._name,
                sent=None,
            ) from None

    def end(self) -> None:
        """Make the call raise. To be called in its loop, while it is under way."""
        if not self.ended and self in self._calls:
            self.ended = True
            self.over = self.loop.create_future()
            self.task.cancel()


async def end_all(calls: set[Call]) -> None:
    """End all calls but the one we are in, and wait until those of this loop are over."""
    here, this = asyncio.get_running_loop(), asyncio.current_task()
    waiting: list[asyncio.Future[None]] = []
    for call in [call for call in calls if call.task is not this]:
        if call.loop is here:
            call.end()
            if call.over is not None:
                waiting.append(call.over)
        elif call.loop.is_running():
            call.loop.call_soon_threadsafe(call.end)
        else:
            calls.discard(call)
    if waiting:
        await asyncio.wait(waiting, timeout=PARTING)
