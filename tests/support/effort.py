"""How much work something is, counted instead of timed: the same on a busy machine as on an idle one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


class Effort:
    """Counts the lines of `klaviyo_async` that run inside the `with` block, in this thread."""

    def __init__(self) -> None:
        self.lines = 0
        self._outer: Any = None

    def _called(self, frame: FrameType, _event: str, _argument: object) -> Callable[..., Any] | None:
        return self._ran if frame.f_globals.get("__name__", "").startswith("klaviyo_async") else None

    def _ran(self, _frame: FrameType, event: str, _argument: object) -> Callable[..., Any]:
        self.lines += event == "line"
        return self._ran

    def __enter__(self) -> Self:
        self._outer = sys.gettrace()
        sys.settrace(self._called)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._outer)
