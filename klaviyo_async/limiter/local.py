"""`LocalLimiter`: the limits of every account that this process uses, shared by all its clients."""

from __future__ import annotations

import contextlib
import logging
import re
from itertools import chain
from typing import TYPE_CHECKING

from klaviyo_async._did_you_mean import nearest
from klaviyo_async.errors import ConfigurationError
from klaviyo_async.limiter._scheduler import Scheduler
from klaviyo_async.limiter.base import Limiter
from klaviyo_async.operation import OperationTable, Rate

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from klaviyo_async.limiter._queue import Queue
    from klaviyo_async.limiter.base import Permit, Priority, Snapshot
    from klaviyo_async.operation import Operation, ParameterLimit

log: logging.Logger = logging.getLogger("klaviyo_async")

_WINDOWS = {"burst": 1, "steady": 60, "daily": 86400}
_RATE = re.compile(r"([1-9][0-9]{0,8})/([smhd])")

_process_scheduler: Scheduler | None = None


class LocalLimiter(Limiter):
    """Keeps a process within Klaviyo's limits, without ever getting a 429 while it is alone on the account.

    All local limiters in a process share their buckets: they belong to the account, not to the object. `overrides` are for
    accounts whose limits differ from the documents, by operation: ``{"get_profiles": {"burst": "150/s", "steady": "1500/m"}}``.
    Limits not given stay as they are. Overrides apply to the whole process once a call was made through this limiter.

    `clock` (seconds, monotonic) is for tests in virtual time; a limiter with a clock shares nothing.

    Raises `ConfigurationError` for an invalid override.
    """

    def __init__(
        self, overrides: Mapping[str, Mapping[str, str]] | None = None, *, clock: Callable[[], float] | None = None
    ) -> None:
        self._overrides = parse_overrides(overrides or {})
        self._scheduler = Scheduler(clock) if clock is not None else _shared_scheduler()
        self._mark = object()
        """What is in `Queue.tuned` of the queues whose buckets have the rates of our overrides."""

    async def acquire(
        self,
        account: str,
        operation: Operation,
        triggered: Sequence[ParameterLimit] = (),
        *,
        priority: Priority = "interactive",
        max_wait: float | None = None,
    ) -> Permit:
        """See `Limiter.acquire`."""
        return await self._scheduler.acquire(self._queue(account, operation, triggered), priority, max_wait)

    def take(self, account: str, operation: Operation, triggered: Sequence[ParameterLimit] = ()) -> Permit | None:
        """See `Limiter.take`."""
        queue = None if triggered else self._scheduler.queues.get((account, operation.name))
        if queue is None or (self._overrides and self._mark not in queue.tuned):
            queue = self._queue(account, operation, triggered)
        return self._scheduler.take(queue)

    def _queue(self, account: str, operation: Operation, triggered: Sequence[ParameterLimit]) -> Queue:
        key = (account, operation.name, tuple(triggered)) if triggered else (account, operation.name)
        queue = self._scheduler.queues.get(key)
        overridden = bool(self._overrides) and operation.name in self._overrides
        if queue is None or (overridden and self._mark not in queue.tuned):
            queue = find_queue(
                self._scheduler, self._overrides, key=key, account=account, operation=operation, triggered=triggered
            )
            if overridden:
                queue.tuned.add(self._mark)
        return queue

    def snapshot(self, accounts: Collection[str] | None = None) -> Snapshot:
        """See `Limiter.snapshot`. Without `accounts`, the buckets of the whole process."""
        return self._scheduler.snapshot(accounts)

    def reset(self, accounts: Collection[str] | None = None) -> None:
        """See `Limiter.reset`. Without `accounts`, for the whole process."""
        self._scheduler.reset(accounts)

    def __repr__(self) -> str:
        return f"LocalLimiter(overrides={sorted(self._overrides)})" if self._overrides else "LocalLimiter()"


def find_queue(
    scheduler: Scheduler,
    overrides: Mapping[str, Mapping[str, Rate]],
    *,
    key: object,
    account: str,
    operation: Operation,
    triggered: Sequence[ParameterLimit],
) -> Queue:
    """The queue in `scheduler` for calls like this one, its buckets created with their rates."""
    changed = overrides.get(operation.name, {})
    limits = {
        "burst": operation.limits.burst,
        "steady": operation.limits.steady,
        "daily": operation.limits.daily,
        **changed,
    }
    rates = tuple(Rate(rate) for rate in limits.values() if rate is not None)
    extra = [
        (f"{limit.resource}: {limit.parameter}={limit.value}", tuple(map(Rate, limit.rates))) for limit in triggered
    ]
    queue = scheduler.queue(key, account, operation.name, rates, extra)
    if changed:
        scheduler.retune(queue, rates)
    return queue


def parse_overrides(overrides: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, Rate]]:
    """The overrides, validated: each names an operation, its burst, steady or daily rate, and a rate for that window."""
    parsed: dict[str, dict[str, Rate]] = {}
    if not hasattr(overrides, "items"):
        raise ConfigurationError(
            "overrides must be a mapping of operations to their rates, such as {'get_profiles': {'burst': '150/s'}},"
            f" not {overrides!r}."
        )
    for name, rates in overrides.items():
        if not isinstance(name, str) or not hasattr(rates, "items"):
            raise ConfigurationError(
                f"overrides[{name!r}] must be a mapping such as {{'burst': '150/s', 'steady': '1500/m'}}, not {rates!r}."
            )
        found = parsed[_operation_name(name)] = {}
        for kind, text in rates.items():
            where = f"overrides[{name!r}][{kind!r}]"
            if kind not in _WINDOWS:
                raise ConfigurationError(f"{where}: there is no such rate{nearest(str(kind), _WINDOWS)}")
            match = _RATE.fullmatch(text) if isinstance(text, str) else None
            if match is None or Rate(text).seconds != _WINDOWS[kind]:
                unit = {"burst": "s", "steady": "m", "daily": "d"}[kind]
                raise ConfigurationError(
                    f"{where} is {text!r}: write it as requests per window, for instance '150/{unit}'."
                )
            found[kind] = Rate(text)
    return parsed


def _operation_name(name: str) -> str:
    """The operation that an override names, possibly by an alias. Unknown names are reported, since they have no effect."""
    from klaviyo_async.operation_table import operations  # noqa: PLC0415 - only where there are overrides

    tables = (
        operations,
        *OperationTable.loaded,
    )  # the shipped one first: another revision may use the same names differently
    # Method and path, "GET /api/things", are for requests that no table has.
    if " " in name or any(name in table for table in tables):
        return name
    for table in tables:
        with contextlib.suppress(ImportError):  # a package that no longer exists has no names
            for operation in table.values():
                if name in operation.aliases:
                    return operation.name
    known = dict.fromkeys(chain.from_iterable(tables))
    log.warning("overrides[%r] has no effect: there is no such operation%s", name, nearest(name, known) or ".")
    return name


def _shared_scheduler() -> Scheduler:
    global _process_scheduler  # noqa: PLW0603 - one scheduler for the process is the point
    if _process_scheduler is None:
        _process_scheduler = Scheduler()
    return _process_scheduler
