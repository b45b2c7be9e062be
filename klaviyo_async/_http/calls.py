"""The calls in flight, which closing the client must end."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from klaviyo_async.errors import ConfigurationError, ConnectionFailed

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

PARTING = 2.0
"""Seconds that closing waits for the calls it ended to unwind."""


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The running event loop; None if there is none."""
    with contextlib.suppress(RuntimeError):
        return asyncio.get_running_loop()
    return None


class Calls:
    """The calls in flight of a client and of the clients derived from it."""

    __slots__ = ("_loop", "_open", "closed")

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        """The loop of the last call."""
        self._open: set[Call] = set()
        self.closed: bool = False

    def begin(self, name: str) -> Call:
        """A context manager around a call of this operation.

        Raises `ConfigurationError` on a closed client, and on one that is at work in another loop: its connections belong to
        that, and taking them away would break the calls there.
        """
        if self.closed:
            raise ConfigurationError("This client is closed: create a new Klaviyo, or close it after its last call.")
        call = Call(self._open, name)
        if call.loop is not self._loop:
            if self._open and self._loop is not None and self._loop.is_running():
                raise ConfigurationError(
                    "This client has calls in flight in another event loop, in another thread: create one Klaviyo per event loop. Clients"
                    " with the same credential share their limits."
                )
            self._loop = call.loop
        return call

    def __len__(self) -> int:
        return len(self._open)

    async def end(self) -> None:
        """Refuse new calls, end all but the current one, and wait until those in this loop are finished.

        Doesn't wait if no loop is running, as when a coroutine with an open client is garbage-collected.
        """
        self.closed = True
        here = running_loop()
        this = None if here is None else asyncio.current_task()
        waiting: list[asyncio.Future[None]] = []
        for call in [call for call in self._open if call.task is not this]:
            if call.loop is here:
                call.end()
                if call.over is not None:
                    waiting.append(call.over)
            elif call.loop.is_running():
                with contextlib.suppress(RuntimeError):  # closed in this moment
                    call.loop.call_soon_threadsafe(call.end)
            else:
                self._open.discard(call)
        if waiting:
            await asyncio.wait(waiting, timeout=PARTING)


class Call:
    """One call, around its work. If it is ended from outside, the cancellation of the work becomes an error with the reason.

    A cancellation by the caller is distinguished in the same way as in `asyncio.timeout`.
    """

    __slots__ = ("_calls", "_cancelling", "_name", "ended", "loop", "over", "task")

    def __init__(self, calls: set[Call], name: str) -> None:
        task: asyncio.Task[Any] | None = asyncio.current_task()
        if task is None:
            raise RuntimeError("A call must run in a task: use asyncio.run() or await it from a coroutine.")
        self._calls = calls
        self._name = name
        self._cancelling = task.cancelling()
        self.task: asyncio.Task[Any] = task
        self.loop: asyncio.AbstractEventLoop = task.get_loop()
        self.ended: bool = False
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
            with contextlib.suppress(RuntimeError):  # the loop is closed, and so nobody waits for this any more
                self.over.set_result(None)
        ours = self.task.uncancel() <= self._cancelling
        if ours and isinstance(error, asyncio.CancelledError):
            raise ConnectionFailed(
                f"{self._name}: the client was closed while the call was in flight. If it was sent, Klaviyo may have processed"
                " it. Close the client after its last call.",
                operation=self._name,
                sent=None,
            ) from None

    def end(self) -> None:
        """Make the call raise. Must be called in its loop, while it is in flight."""
        if not self.ended and self in self._calls:
            self.ended = True
            self.over = self.loop.create_future()
            self.task.cancel()
