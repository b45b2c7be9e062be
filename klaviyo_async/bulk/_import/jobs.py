"""A job at Klaviyo: followed to its end with growing pauses, and its errors traced back to rows."""

from __future__ import annotations

import asyncio
import random
from importlib import import_module
from typing import TYPE_CHECKING, Any

from attrs import Factory, define, evolve, frozen

from klaviyo_async.bulk._import.refusals import Reason, culprits
from klaviyo_async.bulk._import.rows import identities
from klaviyo_async.errors import ErrorObject, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from klaviyo_async._http.session import Session
    from klaviyo_async.operation import Operation

__all__ = ["Ended", "Follower", "Pace", "trace"]

SHORTEST = 0.25
"""Seconds before the first look at a job."""
LONGEST = 30.0
"""Seconds that no pause exceeds."""
_GROWTH = 1.6
_BROKEN_OFF = frozenset({"cancelled", "failed", "expired"})
"""Where a job that didn't come to its end stops. The documents of jobs that take rows have only the first, those of other
jobs have the others; a job that ended in one of them would be looked at forever."""
_NOT_FOUND = 3
"""Number of 404s in a row after which a job is gone."""


@define
class Pace:
    """How long to wait before looking at a job: as long as those before it took, then longer and longer."""

    _usual: float = 0.0

    def pauses(self) -> Iterator[float]:
        """Seconds before each look."""
        yield self._some(0.8 * self._usual)
        pause = self._usual / 8
        while True:
            pause = max(SHORTEST, pause) * _GROWTH
            yield self._some(pause)

    @staticmethod
    def _some(seconds: float) -> float:
        # A little off, so that jobs that began together aren't all looked at together.
        return min(LONGEST, max(SHORTEST, seconds)) * random.uniform(0.9, 1.1)  # noqa: S311 - not a secret

    def took(self, seconds: float) -> None:
        """A job was seen to be at its end after so long."""
        self._usual = seconds if not self._usual else 0.8 * self._usual + 0.2 * seconds


@frozen(kw_only=True)
class Ended:
    """A job at its end, as far as it tells."""

    broken_off: str | None
    """The status where it didn't come to its end: ``cancelled``, ``failed``."""
    failed: int | None
    """How many rows failed; None where it doesn't count them."""
    succeeded: int | None
    skipped: int
    errors: Sequence[ErrorObject] = Factory(tuple)
    payloads: Sequence[Any] = Factory(tuple)
    """For each error the row that it is about as Klaviyo gives it back, None where it doesn't."""


class Follower:
    """Looks after the jobs of one operation."""

    def __init__(self, session: Session, operation: Operation) -> None:
        assert operation.bulk is not None  # noqa: S101 - for the type checkers: there is nothing to follow otherwise
        assert operation.bulk.job is not None  # noqa: S101
        job = operation.bulk.job
        # The client may be of another package, whose revision has other operations.
        table = import_module(f"{operation.package}.operation_table").operations
        self._session = session
        self._job = job
        self._get: Operation = table[job.get]
        self._errors: Operation | None = None if job.errors is None else table[job.errors]
        self._pace = Pace()

    async def follow(self, job: str) -> Ended:
        """Wait for the end of a job. Raises what the requests raise, `NotFound` where the job is gone."""
        began = asyncio.get_running_loop().time()
        not_found = 0
        for pause in self._pace.pauses():
            await asyncio.sleep(pause)
            try:
                found = await self._look(job)
            except NotFound:
                # A job that was just created may not be visible yet.
                not_found += 1
                if not_found == _NOT_FOUND:
                    raise
                continue
            not_found = 0
            status = found.get("status")
            if status in self._job.ended or status in _BROKEN_OFF or found.get("completed_at"):
                self._pace.took(asyncio.get_running_loop().time() - began)
                return await self._ended(job, found)
        raise AssertionError("there is no end of pauses")

    async def _look(self, job: str) -> Mapping[str, Any]:
        outcome = await self._session.exchange(self._session.prepare(self._get, (job,)), None)
        document = self._session.decoder.plain(outcome)
        data = document.get("data") if isinstance(document, dict) else None
        attributes = data.get("attributes") if isinstance(data, dict) else None
        return attributes if isinstance(attributes, dict) else {}

    async def _ended(self, job: str, found: Mapping[str, Any]) -> Ended:
        ended = Ended(
            broken_off=found["status"] if found.get("status") in _BROKEN_OFF else None,
            failed=_count(found, "failed_count"),
            succeeded=_count(found, "completed_count"),
            skipped=_count(found, "skipped_count") or 0,
        )
        if ended.failed == 0 and not found.get("errors"):
            return ended
        embedded = found.get("errors")
        if self._job.embeds_errors and isinstance(embedded, list):
            errors = [ErrorObject.from_dict(each) for each in embedded if isinstance(each, dict)]
            return evolve(ended, errors=errors, payloads=[each.meta for each in errors])
        if self._errors is not None:
            return await self._with_listed(ended, job, self._errors)
        return ended

    async def _with_listed(self, ended: Ended, job: str, operation: Operation) -> Ended:
        errors: list[ErrorObject] = []
        payloads: list[Any] = []
        async for page in self._session.pages(operation, (job,)).pages():
            for each in filter(lambda found: isinstance(found, dict), page.to_dict().get("data") or ()):
                attributes = each.get("attributes") or {}
                errors.append(ErrorObject.from_dict({**attributes, "id": each.get("id")}))
                payloads.append(attributes.get("original_payload"))
        return evolve(ended, errors=errors, payloads=payloads)


def _count(found: Mapping[str, Any], key: str) -> int | None:
    value = found.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def trace(ended: Ended, texts: Sequence[bytes]) -> dict[int, Reason]:
    """Index of each row that failed → why: by the pointer of its error, or else by what the error says of the row."""
    found = dict(culprits(ended.errors, len(texts)))
    pointed = {id(error) for error in ended.errors if culprits([error], len(texts))}
    others = [(error, row) for error, row in zip(ended.errors, ended.payloads, strict=True) if id(error) not in pointed]
    if not others:
        return found
    places: dict[str, int] = {}
    for index, text in enumerate(texts):
        for name in identities(text):
            places.setdefault(name, index)
    for error, row in others:
        place = next((places[name] for name in identities(row) if name in places), None)
        if place is not None and place not in found:
            found[place] = Reason(error.code, error.detail or error.title, error.source.pointer)
    return found
