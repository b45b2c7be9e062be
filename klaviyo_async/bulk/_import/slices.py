"""Rows on their way from a source: a slice at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

__all__ = ["SLICE", "Source", "Unreadable"]

SLICE = 256
"""Rows that are handled without looking at the clock: some milliseconds."""


@frozen
class Unreadable:
    """A line of a file that is no row."""

    text: str
    why: str


class Source:
    """Rows in slices. Iterate over it once."""

    def __init__(self, slices: Callable[[Source], AsyncIterator[list[Any]]], total: int | None = None) -> None:
        self._slices = slices
        self.total = total
        """How many rows there are, as far as that is known; of a file an estimate that gets better."""

    def __aiter__(self) -> AsyncIterator[list[Any]]:
        return self._slices(self)
