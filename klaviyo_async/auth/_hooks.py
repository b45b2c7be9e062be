"""Calls a user's own functions during a refresh: `on_tokens`, `load_tokens` and `lock`.

All calls of the account wait while one of them runs, so none may wait forever, and none may wait for itself.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from klaviyo_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from klaviyo_async.auth._tokens import Tokens

log = logging.getLogger("klaviyo_async")

PATIENCE = 10.0
"""Seconds that `on_tokens` and `load_tokens` may each take."""
LOCK_PATIENCE = 60.0
"""Seconds that another process may hold the lock."""


class Hook:
    """A running call of a user's function, which the code it calls can detect."""

    __slots__ = ("name", "owner", "running", "tokens")

    def __init__(self, owner: object, name: str, tokens: Tokens | None = None) -> None:
        self.owner = owner
        self.name = name
        self.tokens = tokens
        self.running = True


_hooks: ContextVar[tuple[Hook, ...]] = ContextVar("klaviyo_async_hooks", default=())


def hook_of(owner: object) -> Hook | None:
    """The owner's function that the current code was called from; None outside of any."""
    # A task started by the function keeps its context forever, so also check that the function is still running.
    return next((hook for hook in _hooks.get() if hook.owner is owner and hook.running), None)


async def call(hook: Hook, function: Callable[[], Any]) -> Any:
    """Call a user's function and wait for its result.

    Raises what it raises, and `ConfigurationError` if it takes longer than `PATIENCE`.
    """
    token = _hooks.set((*_hooks.get(), hook))
    try:
        result = function()
        if not inspect.isawaitable(result):
            return result
        return await _bounded(
            result,
            PATIENCE,
            f"{hook.name} has not returned after {PATIENCE:g} s. It runs while every call of the account waits for the"
            " tokens: it must not wait for one of them, and a slow store needs a timeout of its own.",
        )
    finally:
        hook.running = False
        _hooks.reset(token)


async def _bounded(work: Awaitable[Any], seconds: float, message: str) -> Any:
    """Wait this long for the result. In a separate task, because code that ignores cancellation must not block us."""
    box: list[Any] = []

    async def run() -> None:
        # Boxed: asyncio's debug log shows the result of a task, and this one may contain tokens.
        box.append(await work)

    task = asyncio.ensure_future(run())
    task.add_done_callback(retrieve)
    try:
        done, _ = await asyncio.wait([task], timeout=seconds)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not done:
        task.cancel()
        raise ConfigurationError(message)
    if task.cancelled():
        raise ConfigurationError(f"{message.partition(' ')[0]} was cancelled before it finished.")
    task.result()
    return box.pop()


@asynccontextmanager
async def locked(hook: Hook, lock: Callable[[], Any] | None) -> AsyncIterator[None]:
    """Hold the user's lock. Raises `ConfigurationError` if it isn't available within `LOCK_PATIENCE`."""
    if lock is None:
        yield
        return
    token = _hooks.set((*_hooks.get(), hook))
    try:
        guard = lock()
        if not hasattr(guard, "__aenter__"):
            raise ConfigurationError(f"lock must return an async context manager, not {type(guard).__name__}.")
        # In this very task: some locks can only be released by the task that acquired them.
        patience = asyncio.timeout(LOCK_PATIENCE)
        try:
            async with patience:
                await guard.__aenter__()
        except TimeoutError:
            if not patience.expired():
                raise
            raise ConfigurationError(
                f"lock was not free within {LOCK_PATIENCE:g} s. Did a process die while holding it? Give the lock an expiry."
            ) from None
    finally:
        hook.running = False
        _hooks.reset(token)
    try:
        yield
    finally:
        try:
            async with asyncio.timeout(PATIENCE):
                await guard.__aexit__(None, None, None)
        except Exception as error:  # noqa: BLE001 - the tokens are there; a lock that won't open must not lose them
            log.warning("OAuth: lock could not be released: %s", type(error).__name__)


def retrieve(task: asyncio.Future[Any]) -> None:
    """The failure of a task that nobody awaits any more must not be reported by asyncio as unretrieved."""
    if not task.cancelled():
        task.exception()
