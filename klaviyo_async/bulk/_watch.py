"""Reports the progress of a bulk job: to a function, as a bar on a terminal, or as lines on stderr."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import sys
from typing import TYPE_CHECKING

from klaviyo_async._did_you_mean import shown
from klaviyo_async.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from klaviyo_async.bulk.progress import Progress, ProgressCallback

__all__ = ["watching"]

OFTEN = 0.25
"""Seconds between two calls of a callback, or two updates of a terminal's bar."""
SELDOM = 10.0
"""Seconds between two lines if there is no terminal."""


@contextlib.asynccontextmanager
async def watching(progress: bool | ProgressCallback, look: Callable[[], Progress]) -> AsyncIterator[None]:
    """Report progress while the block runs and once at its end.

    `look` returns the current state. `progress` is True for a bar on a terminal and plain lines on stderr elsewhere.
    """
    if progress is False:
        yield
        return
    if progress is not True and (not callable(progress) or inspect.iscoroutinefunction(progress)):
        what = "an async one" if callable(progress) else shown(progress)
        raise QueryError(f"progress must be True, False or a plain function that takes a Progress, not {what}.")
    telling, pause = _shown() if progress is True else (contextlib.nullcontext(progress), OFTEN)

    async def keep_telling() -> None:
        while True:
            tell(look())
            await asyncio.sleep(pause)

    async with contextlib.AsyncExitStack() as stack:
        tell = stack.enter_context(telling)
        group = await stack.enter_async_context(_unwrapped_group())
        task = group.create_task(keep_telling())
        try:
            yield
        finally:
            task.cancel()
        tell(look())


@contextlib.asynccontextmanager
async def _unwrapped_group() -> AsyncIterator[asyncio.TaskGroup]:
    """A task group that raises its only error unwrapped."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as errors:
        if len(errors.exceptions) == 1:
            raise errors.exceptions[0] from None
        raise


def _shown() -> tuple[contextlib.AbstractContextManager[ProgressCallback], float]:
    if sys.stderr is not None and sys.stderr.isatty():
        with contextlib.suppress(ImportError):
            from klaviyo_async.bulk._bar import Bar  # noqa: PLC0415 - rich is an extra

            return Bar(), OFTEN
    return contextlib.nullcontext(_line), SELDOM


def _line(progress: Progress) -> None:
    print(progress, file=sys.stderr, flush=True)  # noqa: T201 - asked for
