"""The interface between a limiter and the session: `acquire` before a request, one call on the permit after it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal, Protocol

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from klaviyo_async.operation import Operation, ParameterLimit, Rate

Priority = Literal["interactive", "bulk"]


class Permit(Protocol):
    """Permission to send one request now. Exactly one of `answered`, `unsent` and `lost` is called once its outcome is known.

    Only the first of these calls counts; later ones have no effect.
    """

    waited: float
    """Seconds that `acquire` waited for it."""

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        """A response was received: Klaviyo has counted the request by now, and its headers show what is left."""

    def unsent(self) -> None:
        """The request was never sent: its tokens are returned immediately."""

    def lost(self) -> None:
        """The request was sent, but no response was received: it stays spent for as long as Klaviyo may still count it."""


@frozen(kw_only=True)
class WindowSnapshot:
    """One rate of a bucket, as far as this process knows."""

    rate: Rate
    """The rate in Klaviyo's notation (``75/s``), with overrides applied."""
    left: int
    """Requests that this rate allows to be sent immediately."""
    spent: int
    """Our own requests that Klaviyo may still count in the current window, including those without a response."""
    foreign: int
    """Requests by other clients of the account, detected from responses and counted in the same way."""
    reserved: int
    """How much of the rate is left to others, because they were seen using it."""
    next_in: float | None
    """Seconds until the next token is returned; None if none is due (nothing spent, or no responses yet)."""
    phase: float | None
    """How precisely the start of the server's window is known, in seconds; None if it isn't known."""


@frozen(kw_only=True)
class BucketSnapshot:
    """One bucket: the limits of an operation, or of a parameter's value."""

    account: str
    """First characters of the digest of the credential; never the credential."""
    name: str
    """Name of the operation, or ``profile: additional-fields[profile]=predictive_analytics`` for a parameter's bucket."""
    windows: tuple[WindowSnapshot, ...]
    """Burst, steady and, if there is one, daily."""
    in_flight: int
    """Requests sent that have no response yet."""
    waiting: Mapping[Priority, int]
    """Number of calls waiting for this bucket."""
    frozen_for: float
    """Seconds until the pause after a 429 ends; 0 if there is none."""

    @property
    def left(self) -> int:
        """Requests that can be sent immediately: the smallest `left` of the windows, none while the bucket is frozen."""
        return 0 if self.frozen_for > 0 else min(window.left for window in self.windows)


@frozen(kw_only=True)
class Snapshot:
    """What is left of each bucket and what is waiting, at one moment."""

    buckets: tuple[BucketSnapshot, ...]
    """Every bucket in use, by account and name."""
    shared: bool | None = None
    """For `RedisLimiter`: whether the limits are currently shared through Redis. None for a local limiter."""
    limiters: int | None = None
    """In a survey of Redis: how many limiters (usually one per process and credential) were active recently."""

    @property
    def waiting(self) -> Mapping[Priority, int]:
        """Number of calls waiting on all buckets; a call that waits for several buckets is counted for each."""
        return {
            "interactive": sum(bucket.waiting["interactive"] for bucket in self.buckets),
            "bulk": sum(bucket.waiting["bulk"] for bucket in self.buckets),
        }

    def bucket(self, name: str) -> BucketSnapshot | None:
        """The first bucket of that name; None if there is none (yet)."""
        return next((bucket for bucket in self.buckets if bucket.name == name), None)


class Limiter(ABC):
    """Decides when a request may be sent."""

    @abstractmethod
    async def acquire(
        self,
        account: str,
        operation: Operation,
        triggered: Sequence[ParameterLimit] = (),
        *,
        priority: Priority = "interactive",
        max_wait: float | None = None,
    ) -> Permit:
        """Wait until the request may be sent.

        `account` is a digest of the credential, never the credential; `triggered` are the parameter-dependent limits
        that apply to the call. Raises `RateLimitWait` immediately if the wait would exceed `max_wait` seconds or, without
        `max_wait`, if a daily limit is exhausted. Cancelling costs nothing.
        """

    def take(
        self,
        account: str,  # noqa: ARG002 - for limiters that can
        operation: Operation,  # noqa: ARG002
        triggered: Sequence[ParameterLimit] = (),  # noqa: ARG002
    ) -> Permit | None:
        """A permit if one is available immediately and nobody is waiting for it; None if `acquire` must be awaited.

        It saves creating a coroutine in the common case. A limiter that can't decide without waiting always returns None.
        """
        return None

    @abstractmethod
    def snapshot(self, accounts: Collection[str] | None = None) -> Snapshot:
        """What is left of each bucket and what is waiting, for these accounts (digests); None for all."""

    async def survey(self, accounts: Collection[str] | None = None) -> Snapshot:
        """Like `snapshot`, including what other processes used if the limiter shares limits with them."""
        return self.snapshot(accounts)

    def reset(self, accounts: Collection[str] | None = None) -> None:  # noqa: ARG002 - see the last sentence
        """Discard what headers and 429s reported for these accounts (None for all): pauses, other clients, lowered limits.

        Our own requests stay spent. A limiter that learns nothing has nothing to discard.
        """
        return

    async def close(self) -> None:
        """Close the limiter's connections. Limits shared with other clients stay as they are."""
        return


class AccountLimiter:
    """A limiter as seen by one client: only the buckets of the client's own accounts."""

    def __init__(self, limiter: Limiter, accounts: Collection[str]) -> None:
        self._limiter = limiter
        self._accounts = accounts

    def snapshot(self) -> Snapshot:
        """What is left of each bucket, and what is waiting."""
        return self._limiter.snapshot(self._accounts)

    async def survey(self) -> Snapshot:
        """What is left of each bucket, including use by other processes: `RedisLimiter` asks Redis; others know only their own."""
        return await self._limiter.survey(self._accounts)

    def reset(self) -> None:
        """Discard what headers and 429s reported: pauses, other clients of the account, lowered limits."""
        self._limiter.reset(self._accounts)

    def __repr__(self) -> str:
        return f"AccountLimiter({self._limiter!r})"
