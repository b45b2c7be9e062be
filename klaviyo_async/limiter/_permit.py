"""The permit of a local scheduler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klaviyo_async.limiter._queue import Queue


class Settling(Protocol):
    """What a permit reports its outcome to: the scheduler that issued it."""

    def answered(self, permit: LocalPermit, status: int, headers: Mapping[str, str]) -> None: ...
    def unsent(self, number: int) -> None: ...
    def lost(self, number: int) -> None: ...
    def dropped(self, number: int) -> None: ...


class LocalPermit:
    """Permission to send one request; see `klaviyo_async.limiter.Permit`."""

    __slots__ = ("_open", "_scheduler", "number", "queue", "seen", "sent", "waited")

    def __init__(  # noqa: PLR0917 - made for every request
        self, scheduler: Settling, queue: Queue, number: int, sent: float, seen: list[list[int]], waited: float
    ) -> None:
        self._scheduler = scheduler
        self._open = True
        self.queue: Queue = queue
        self.number: int = number
        self.sent: float = sent
        self.seen: list[list[int]] = seen
        """For each bucket, what its windows need again when the response has arrived."""
        self.waited: float = waited

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        """A response was received: its tokens are returned one window later, and its headers are learned from."""
        if self._open:
            self._open = False
            self._scheduler.answered(self, status, headers)

    def unsent(self) -> None:
        """The request was never sent: its tokens are returned immediately."""
        if self._open:
            self._open = False
            self._scheduler.unsent(self.number)

    def lost(self) -> None:
        """No response was received: its tokens stay spent for `LOST` seconds longer than with one."""
        if self._open:
            self._open = False
            self._scheduler.lost(self.number)

    def __del__(self) -> None:
        # Its holder is gone, for instance with an event loop that was closed or dropped.
        if self._open:
            self._scheduler.dropped(self.number)
