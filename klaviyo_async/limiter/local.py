"""`LocalLimiter`: the limits of every account that this process uses, shared by all its clients."""

from __future__ import annotations

import logging
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from klaviyo_async.errors import ConfigurationError
from klaviyo_async.limiter.base import Limiter
from klaviyo_async.limiter.book import Book
from klaviyo_async.operation import Rate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from klaviyo_async.limiter.base import Priority, Snapshot
    from klaviyo_async.limiter.book import LocalPermit
    from klaviyo_async.limiter.line import Line
    from klaviyo_async.operation import Operation, ParameterLimit

log = logging.getLogger("klaviyo_async")

_MANY = 4096
_WINDOWS = {"burst": 1, "steady": 60, "daily": 86400}
_RATE = re.compile(r"([1-9][0-9]{0,8})/([smhd])")

_process_book: Book | None = None


class LocalLimiter(Limiter):
    """Keeps one process within Klaviyo's limits, without ever being answered 429 while it is alone on the account.

    All local limiters of a process share their buckets: what counts is the account, not the object. `overrides` are for
    accounts with other limits than the documents say, by operation: ``{"get_profiles": {"burst": "150/s", "steady": "1500/m"}}``;
    what it doesn't name stays as it is. They hold for the whole process once a call was made through this limiter.

    `clock` (seconds, monotonic) is for tests in virtual time; a limiter with a clock shares nothing.

    Raises `ConfigurationError` for an override that is none.
    """

    def __init__(
        self, overrides: Mapping[str, Mapping[str, str]] | None = None, *, clock: Callable[[], float] | None = None
    ) -> None:
        self._overrides = parse_overrides(overrides or {})
        self._book = Book(clock) if clock is not None else _shared_book()
        self._lines: dict[object, Line] = {}
        self._drop_at = _MANY

    async def acquire(
        self,
        account: str,
        operation: Operation,
        triggered: Sequence[ParameterLimit] = (),
        *,
        priority: Priority = "interactive",
        max_wait: float | None = None,
    ) -> LocalPermit:
        """See `Limiter.acquire`."""
        key = (account, operation.name, tuple(triggered)) if triggered else (account, operation.name)
        line = self._lines.get(key)
        if line is None or line.dropped:
            if len(self._lines) > self._drop_at:
                self._lines = {other: kept for other, kept in self._lines.items() if not kept.dropped}
                self._drop_at = max(_MANY, 2 * len(self._lines))
            line = self._lines[key] = find_line(
                self._book, self._overrides, key=key, account=account, operation=operation, triggered=triggered
            )
        return await self._book.acquire(line, priority, max_wait)

    def snapshot(self) -> Snapshot:
        """See `Limiter.snapshot`: the buckets of the whole process."""
        return self._book.snapshot()

    def __repr__(self) -> str:
        return f"LocalLimiter(overrides={sorted(self._overrides)})" if self._overrides else "LocalLimiter()"


def find_line(
    book: Book,
    overrides: Mapping[str, Mapping[str, Rate]],
    *,
    key: object,
    account: str,
    operation: Operation,
    triggered: Sequence[ParameterLimit],
) -> Line:
    """The line in `book` for calls like this one, its buckets made with their rates."""
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
    line = book.line(key, account, operation.name, rates, extra)
    if changed:
        book.retune(line, rates)
    return line


def parse_overrides(overrides: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, Rate]]:
    """Overrides checked: each names an operation, its burst, steady or daily rate, and a rate of that window."""
    parsed: dict[str, dict[str, Rate]] = {}
    for name, rates in overrides.items():
        if not isinstance(name, str) or not hasattr(rates, "items"):
            raise ConfigurationError(
                f"overrides[{name!r}] must be a mapping such as {{'burst': '150/s', 'steady': '1500/m'}}, not {rates!r}."
            )
        found = parsed[_operation_name(name)] = {}
        for kind, text in rates.items():
            where = f"overrides[{name!r}][{kind!r}]"
            if kind not in _WINDOWS:
                raise ConfigurationError(f"{where}: there is no such rate; use burst, steady or daily.")
            match = _RATE.fullmatch(text) if isinstance(text, str) else None
            if match is None or Rate(text).seconds != _WINDOWS[kind]:
                unit = {"burst": "s", "steady": "m", "daily": "d"}[kind]
                raise ConfigurationError(
                    f"{where} is {text!r}: write it as requests per window, for instance '150/{unit}'."
                )
            found[kind] = Rate(text)
    return parsed


def _operation_name(name: str) -> str:
    """The operation that an override names, maybe by an alias; a name that none has is pointed out, for it changes nothing."""
    from klaviyo_async.operation_table import operations  # noqa: PLC0415 - only where there are overrides

    # Method and path, "GET /api/things", name what the table doesn't have.
    if name in operations or " " in name:
        return name
    for operation in operations.values():
        if name in operation.aliases:
            return operation.name
    near = get_close_matches(name, operations, 1)
    log.warning(
        "overrides[%r] changes nothing: there is no such operation%s",
        name,
        f"; did you mean {near[0]!r}?" if near else ".",
    )
    return name


def _shared_book() -> Book:
    global _process_book  # noqa: PLW0603 - one book for the process is the point
    if _process_book is None:
        _process_book = Book()
    return _process_book
