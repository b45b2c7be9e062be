"""What a limiter is to the session: `acquire` before a request, one word on the permit after it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal, Protocol

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from klaviyo_async.operation import Operation, ParameterLimit, Rate

Priority = Literal["interactive", "bulk"]


class Permit(Protocol):
    """Leave to send one request, now. Exactly one of `answered`, `unsent` and `lost` is called once its fate is known.

    Only the first of these calls counts; later ones change nothing.
    """

    waited: float
    """Seconds that `acquire` waited for it."""

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        """A response came: Klaviyo has counted the request by now, and its headers show what is left."""

    def unsent(self) -> None:
        """The request never left: what it took of the limits comes back at once."""

    def lost(self) -> None:
        """The request was sent, but no response was seen: it stays spent for as long as Klaviyo may still count it."""


@frozen(kw_only=True)
class WindowSnapshot:
    """One rate of a bucket, as far as this process knows."""

    rate: Rate
    """The rate as Klaviyo writes it (``75/s``), overrides applied."""
    left: int
    """Requests that may be sent at once as far as this rate is concerned."""
    spent: int
    """Requests of ours that Klaviyo may still count in the window we would send into, those without a response included."""
    foreign: int
    """Requests of other clients of the account that responses showed, counted the same way."""
    reserved: int
    """How much of the rate is left to others, because they were seen using it."""
    next_in: float | None
    """Seconds until the next request comes back; None where none is due (nothing spent, or all of it unanswered)."""
    phase: float | None
    """How exactly the start of the server's window is known, in seconds; None while it isn't."""


@frozen(kw_only=True)
class BucketSnapshot:
    """One bucket: the limits of an operation, or of a parameter's value."""

    account: str
    """First characters of the digest of the credential; never the credential."""
    name: str
    """Name of the operation, or ``profile: additional-fields[profile]=predictive_analytics`` for a parameter's bucket."""
    windows: tuple[WindowSnapshot, ...]
    """Burst, steady and, where there is one, daily."""
    in_flight: int
    """Requests sent whose response has not come."""
    waiting: Mapping[Priority, int]
    """How many calls wait for this bucket."""
    frozen_for: float
    """Seconds until the end of the pause that a 429 set; 0 where there is none."""

    @property
    def left(self) -> int:
        """Requests that may be sent at once: the smallest of the windows' `left`, none while the bucket is frozen."""
        return 0 if self.frozen_for > 0 else min(window.left for window in self.windows)


@frozen(kw_only=True)
class Snapshot:
    """What is left of each bucket and who waits, at one moment."""

    buckets: tuple[BucketSnapshot, ...]
    """Every bucket that was used so far, by account and name."""
    shared: bool | None = None
    """For `RedisLimiter`: whether the limits are shared through Redis right now. None for a local limiter."""
    limiters: int | None = None
    """In a survey of Redis: how many limiters (one a process and credential, mostly) took part lately."""

    @property
    def waiting(self) -> Mapping[Priority, int]:
        """How many calls wait on all buckets; one that waits for several buckets is counted for each."""
        return {
            "interactive": sum(bucket.waiting["interactive"] for bucket in self.buckets),
            "bulk": sum(bucket.waiting["bulk"] for bucket in self.buckets),
        }

    def bucket(self, name: str) -> BucketSnapshot | None:
        """The first bucket of that name, None where there is none (yet)."""
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
        that the call sets off. Raises `RateLimitWait` at once where the wait would pass `max_wait` seconds, and, without
        `max_wait`, where a daily limit is spent. Cancelling costs nothing.
        """

    def take(
        self,
        account: str,  # noqa: ARG002 - for limiters that can
        operation: Operation,  # noqa: ARG002
        triggered: Sequence[ParameterLimit] = (),  # noqa: ARG002
    ) -> Permit | None:
        """A permit where there is one at once and nobody waits for it, None where `acquire` must be awaited.

        It saves the coroutine of the common case. A limiter that can't decide without waiting always gives None.
        """
        return None

    @abstractmethod
    def snapshot(self, accounts: Collection[str] | None = None) -> Snapshot:
        """What is left of each bucket and who waits, for these accounts (digests); None for all."""

    async def survey(self, accounts: Collection[str] | None = None) -> Snapshot:
        """As `snapshot`, with what other processes used where the limiter shares limits with them."""
        return self.snapshot(accounts)

    def reset(self, accounts: Collection[str] | None = None) -> None:  # noqa: ARG002 - see the last sentence
        """Forget what headers and 429s taught us of these accounts (None for all): pauses, other clients, lowered limits.

        Requests of our own stay spent. A limiter that learns nothing has nothing to forget.
        """
        return

    async def close(self) -> None:
        """Close the limiter's connections. Limits that other clients share stay as they are."""
        return


class AccountLimiter:
    """A limiter as seen by one client: only the buckets of the client's own accounts."""

    def __init__(self, limiter: Limiter, accounts: Collection[str]) -> None:
        self._limiter = limiter
        self._accounts = accounts

    def snapshot(self) -> Snapshot:
        """What is left of each bucket, and who waits."""
        return self._limiter.snapshot(self._accounts)

    async def survey(self) -> Snapshot:
        """What is left of each bucket with what other processes used: `RedisLimiter` asks Redis; others know only their own."""
        return await self._limiter.survey(self._accounts)

    def reset(self) -> None:
        """Forget what headers and 429s taught us: pauses, other clients of the account, lowered limits."""
        self._limiter.reset(self._accounts)

    def __repr__(self) -> str:
        return f"AccountLimiter({self._limiter!r})"
