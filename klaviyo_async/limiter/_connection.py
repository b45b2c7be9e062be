"""The connection of a `RedisLimiter` to its Redis: which client runs a script, and the meaning of its errors."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from klaviyo_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from klaviyo_async.limiter._scripts import Script

_AT_ONCE = 32
"""Maximum number of scripts that one limiter runs concurrently: each takes a connection."""
# The last one is Redis's reply to a long command from a client that hasn't authenticated.
_REFUSALS = ("NOAUTH", "WRONGPASS", "NOPERM", "Protocol error: unauthenticated")


class RedisUnavailableError(Exception):
    """A script could not be run, for a possibly temporary reason. Never leaves the limiter."""

    def __init__(self, reason: str, generation: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.generation = generation


class Gate(asyncio.Semaphore):
    """A semaphore that can also be released by a coroutine whose event loop is closed."""

    def release(self) -> None:
        """See `asyncio.Semaphore.release`."""
        with contextlib.suppress(RuntimeError):  # closed, and so nobody waits here any more
            super().release()


@contextlib.contextmanager
def at_the_end(done: Callable[[], None]) -> Iterator[None]:
    """Call `done` at the end of the block, unless its coroutine is discarded because its event loop was abandoned.

    That may happen at any time and in any thread, while others already continue the coroutine's work.
    """
    try:
        yield
    except GeneratorExit:
        raise
    except BaseException:
        done()
        raise
    done()


class RedisConnection:
    """Runs scripts with a redis-py client: an existing one, or one created from a URL for each event loop."""

    def __init__(self, target: Any, *, cluster: bool, timeout: float) -> None:
        try:
            import redis.asyncio  # noqa: PLC0415 - the extra `redis`: only those who share limits pay for it
            import redis.exceptions  # noqa: PLC0415
        except ImportError as error:
            raise ConfigurationError(
                "RedisLimiter needs redis-py, which is not installed: pip install 'klaviyo-async[redis]'"
            ) from error
        self._timeout = timeout
        self._errors = redis.exceptions
        self._url: str | None = None
        self._client: Any = None
        self._cluster = cluster
        self._class: Any = redis.asyncio.RedisCluster if cluster else redis.asyncio.Redis
        if isinstance(target, str):
            try:
                redis.asyncio.ConnectionPool.from_url(target)
            except ValueError:
                # Without the cause: its frames contain the URL, which may contain a password.
                raise ConfigurationError(
                    "RedisLimiter: the URL must start with redis://, rediss:// or unix://, for instance"
                    " redis://localhost:6379/0."
                ) from None
            self._url = target
        elif isinstance(target, (redis.asyncio.Redis, redis.asyncio.RedisCluster)):
            self._client = target
            self._cluster = isinstance(target, redis.asyncio.RedisCluster)
        else:
            raise ConfigurationError(
                "RedisLimiter: expected a URL such as redis://localhost:6379/0, or a client of redis.asyncio"
                f" (Redis, or RedisCluster), got {type(target).__name__}."
            )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turns = Gate(_AT_ONCE)
        self._worked = False
        self.generation = 0
        """Counts how often connections were dropped. Failures on earlier connections are irrelevant to the current ones."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop that the connections belong to; None while there are none."""
        return self._loop

    def enter_loop(self) -> bool:
        """Prepare for use in the running event loop. Returns whether it is a different one than last time."""
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return False
        if self._loop is not None:
            if self._url is None:
                raise ConfigurationError(
                    "This RedisLimiter was created with an existing client, whose connections belong to the event loop in which they"
                    " were opened: create a client and a RedisLimiter for each event loop, or pass RedisLimiter a URL."
                )
            if not self._loop.is_closed() and self._loop.is_running():
                raise ConfigurationError(
                    "This RedisLimiter is in use by another event loop that is still running: create one for each loop."
                )
        self._loop = loop
        self._turns = Gate(_AT_ONCE)
        self.generation += 1
        if self._url is not None:
            self._client = self._open(self._url)
        return True

    def _open(self, url: str) -> Any:
        options: dict[str, Any] = {"socket_timeout": self._timeout, "socket_connect_timeout": self._timeout}
        if not self._cluster:
            from redis.asyncio.retry import Retry  # noqa: PLC0415 - the extra `redis`
            from redis.backoff import NoBackoff  # noqa: PLC0415 - the extra `redis`

            # A command that fails means that Redis is unavailable: the call must not wait while redis-py retries.
            options["retry"] = Retry(NoBackoff(), 0)
        return self._class.from_url(url, **options)

    async def run(self, script: Script, keys: list[str], arguments: list[Any]) -> Any:
        """The script's reply. Raises `RedisUnavailableError`, or `ConfigurationError` if Redis has refused access from the start."""
        async with self._turns:
            generation, client = self.generation, self._client
            try:
                async with asyncio.timeout(self._timeout):
                    try:
                        reply = await client.evalsha(script.digest, len(keys), *keys, *arguments)
                    except self._errors.NoScriptError:
                        reply = await client.eval(script.text, len(keys), *keys, *arguments)
            except Exception as error:
                if _thrown_away(error):
                    # The coroutine is being collected, and redis-py lacked its loop on the way out.
                    raise GeneratorExit from None
                if not isinstance(
                    error, (self._errors.RedisError, self._errors.RedisClusterException, OSError, TimeoutError)
                ):
                    raise
                mistake = None if self._worked else self._mistake(error)
                failure = mistake or RedisUnavailableError(
                    f"{type(error).__name__}: {error}"[:200].rstrip(": "), generation
                )
            else:
                self._worked = True
                return reply
        raise failure  # outside of the handler: the frames of redis-py contain the password

    def _mistake(self, error: BaseException) -> ConfigurationError | None:
        """What is wrong with the configuration, if that is what the error says."""
        text = str(error)
        if isinstance(error, self._errors.NoPermissionError) or "NOPERM" in text or "can't run this command" in text:
            return ConfigurationError(
                f"RedisLimiter: the Redis user lacks a permission that the limiter needs ({text}). It needs"
                " +@scripting +@hash +@sortedset +@keyspace +time, and its keys (by default ~klaviyo-async:*)."
            )
        refused = (self._errors.AuthenticationError, self._errors.AuthorizationError)
        if isinstance(error, refused) or text.startswith(_REFUSALS):
            return ConfigurationError(
                f"RedisLimiter: Redis rejected the user name or password ({text}). Check those in the URL or client."
            )
        if isinstance(error, self._errors.MovedError) and not self._cluster:
            return ConfigurationError(
                "RedisLimiter: this Redis is a node of a Redis Cluster: pass cluster=True, or a RedisCluster client."
            )
        return None

    async def renew(self) -> None:
        """Drop all connections: they may lead to a server that is no longer the primary."""
        self.generation += 1
        if self._url is not None:
            old, self._client = self._client, self._open(self._url)
            await self._close_quietly(old.aclose())
        elif not self._cluster:  # a cluster client finds the primary by itself
            await self._close_quietly(self._client.connection_pool.disconnect(inuse_connections=False))

    async def close(self) -> None:
        """Close our own connections. The next use opens new ones."""
        if self._url is not None and self._client is not None:
            client, self._client, self._loop = self._client, None, None
            await self._close_quietly(client.aclose())

    async def _close_quietly(self, closing: Any) -> None:
        with contextlib.suppress(self._errors.RedisError, OSError, TimeoutError):
            async with asyncio.timeout(self._timeout):
                await closing


def _thrown_away(error: BaseException) -> bool:
    """Whether the error occurred while a coroutine was being closed."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, GeneratorExit):
        cause = cause.__context__
    return cause is not None
