"""A list operation in memory, for tests in virtual time: filters, sorts and pages as Klaviyo does, and counts requests.

It stands where the session stands; the requests that come are those that the client prepared.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, insort
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlsplit

from attrs import evolve

from klaviyo_async import Klaviyo
from klaviyo_async._model.document import Http
from klaviyo_async._model.references import load
from klaviyo_async.errors import RateLimited
from klaviyo_async.filter import Filter
from klaviyo_async.headers import Headers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from klaviyo_async._request.prepare import Prepared
    from klaviyo_async.limiter import Limiter

BEGIN = datetime(2025, 1, 1, tzinfo=UTC)


class Lists:
    """The records of one collection: id and time, in seconds after `BEGIN`, shown in whole seconds or with their fraction."""

    origin = "https://a.klaviyo.com"

    def __init__(
        self,
        times: Iterable[float],
        *,
        field: str = "datetime",
        fraction: bool = False,
        latency: Callable[[], float] | None = None,
        limiter: Limiter | None = None,
        server: Any = None,
        hidden: bool = False,
    ) -> None:
        self.field = field
        self.fraction = fraction
        self.hidden = hidden
        self.entries: list[tuple[float, str]] = []
        for time in times:
            self.add(time)
        self.latency = latency
        self.limiter = limiter
        self.accounts = ("a",)
        self.server = server
        self.targets: list[str] = []
        self.served = 0
        self.before: Callable[[int], None] | None = None
        self.now = BEGIN + timedelta(days=400)
        self.running = 0
        self.most = 0

    def add(self, time: float) -> str:
        key = f"{len(self.entries):06}"
        insort(self.entries, (time, key))
        return key

    @property
    def ids(self) -> list[str]:
        return sorted(key for _, key in self.entries)

    def client(self) -> Klaviyo:
        """A client whose requests come here."""
        client = Klaviyo("pk_test", limiter=False)
        client._session.send = self.send  # type: ignore[method-assign]
        client._session.limiter = self.limiter
        return client

    async def send(self, prepared: Prepared, options: Any) -> Any:
        assert options.priority == "bulk"
        permit = None
        began = asyncio.get_running_loop().time()
        if self.limiter is not None:
            permit = await self.limiter.acquire("a", prepared.operation, prepared.triggered, priority="bulk")
        waited = asyncio.get_running_loop().time() - began
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            latency = self.latency() if self.latency is not None else 0.0
            if latency:
                await asyncio.sleep(latency / 2)
            self.targets.append(prepared.target)
            if self.before is not None:
                self.before(len(self.targets))
            status, headers = 200, {}
            if self.server is not None:
                status, headers = self.server.count({prepared.operation.name: prepared.operation.limits.rates})
            page = self.page(prepared)
            if latency:
                await asyncio.sleep(latency / 2)
            if permit is not None:
                permit.answered(status, headers)
            if status == 429:
                raise RateLimited(prepared.operation.name, status=429, headers=Headers(headers))
        finally:
            self.running -= 1
        page.http = Http(200, Headers({"Date": format_datetime(self.now, usegmt=True)}), None, 1, waited)
        return page

    def page(self, prepared: Prepared) -> Any:
        operation = prepared.operation
        parts = urlsplit(prepared.target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        size = int(query.get("page[size]", "20"))
        conditions = Filter.parse(query["filter"]).conditions if "filter" in query else ()
        for condition in conditions:
            assert condition.field != self.field or condition.operator in operation.filters[self.field].single
        start, end = 0, len(self.entries)
        for condition in conditions:
            if condition.field != self.field:
                continue
            assert isinstance(condition.value, datetime)
            value = (condition.value - BEGIN).total_seconds()
            if condition.operator == "greater-or-equal":
                start = max(start, bisect_left(self.entries, (value, "")))
            elif condition.operator == "greater-than":
                start = max(start, bisect_left(self.entries, (value, "~")))
            elif condition.operator == "less-than":
                end = min(end, bisect_left(self.entries, (value, "")))
            else:
                end = min(end, bisect_left(self.entries, (value, "~")))
        sort = query.get("sort", self.field)
        assert sort.removeprefix("-") == self.field
        if "page[cursor]" in query:
            time, _, key = query["page[cursor]"].partition("|")
            start = max(start, bisect_left(self.entries, (float(time), key + "!")))
        if sort.startswith("-"):  # for its first page alone
            start = max(start, end - size)
        entries = self.entries[start : min(end, start + size)]
        if sort.startswith("-"):
            entries.reverse()
        self.served += len(entries)
        following = None
        if start + size < end:
            query["page[cursor]"] = f"{entries[-1][0]!r}|{entries[-1][1]}"
            pairs = "&".join(f"{name}={_quoted(value)}" for name, value in query.items())
            following = f"{self.origin}{parts.path}?{pairs}"
        kind = operation.response
        return load(operation.models, str(kind)).from_dict(
            {"data": [self.record(*entry) for entry in entries], "links": {"self": "x", "next": following}}
        )

    def record(self, time: float, id: str) -> dict[str, Any]:
        shown = BEGIN + timedelta(seconds=time)
        if not self.fraction:
            shown = shown.replace(microsecond=0)
        made: dict[str, Any] = {"type": "event", "id": id}
        if not self.hidden:
            made["attributes"] = {self.field: shown.isoformat()}
        return made


def offering(client: Klaviyo, name: str, **changes: Any) -> Any:
    """An operation's function on a client, of an operation that is changed: other operators, other sort keys."""
    function = getattr(client.events, name)

    def call(_: Klaviyo, *path: Any, **params: Any) -> Any:
        pages = function(*path, **params)
        pages._prepared.operation = evolve(pages._prepared.operation, **changes)
        return pages

    return call


def _quoted(value: str) -> str:
    return quote(value, safe="")
