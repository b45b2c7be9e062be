"""The permit of a local scheduler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klaviyo_async.limiter._queue import Queue


class Settling(Protocol):
    """What a permit tells of its fate: the scheduler that gave it."""

    def answered(self, permit: LocalPermit, status: int, headers: Mapping[str, str]) -> None: ...
    def unsent(self, number: int) -> None: ...
    def lost(self, number: int) -> None: ...
    def dropped(self, number: int) -> None: ...


class LocalPermit:
    """Leave to send one request; see `klaviyo_async.limiter.Permit`."""

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
        """For each bucket, what its windows need to know again when the response has come."""
        self.waited: float = waited

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        """A response came: what it took comes back one window later, and its headers are taken in."""
        if self._open:
            self._open = False
            self._scheduler.answered(self, status, headers)

    def unsent(self) -> None:
        """The request never left: what it took comes back at once."""
        if self._open:
            self._open = False
            self._scheduler.unsent(self.number)

    def lost(self) -> None:
        """No response was seen: what it took stays spent for `LOST` seconds more than with one."""
        if self._open:
            self._open = False
            self._scheduler.lost(self.number)

    def __del__(self) -> None:
        # Whoever held it is gone, with an event loop that was closed or dropped for instance.
        if self._open:
            self._scheduler.dropped(self.number)
