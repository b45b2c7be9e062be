"""Bulk jobs on the fake's clock: queued, processing, complete, and gone a week later."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from attrs import frozen

from klaviyo_async.testing.clock import stamp
from klaviyo_async.testing.problems import Problem, invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from klaviyo_async.testing.clock import Clock
    from klaviyo_async.testing.record import Record
    from klaviyo_async.testing.store import Store

LIFETIME = 7 * 86400
"""Seconds that a finished job can be retrieved."""
_ROWS = "~rows"
_DUE = "~due"


class _HasStore(Protocol):
    store: Store


W = TypeVar("W", bound=_HasStore)
"""What the jobs work on. The world has the jobs, so they only know that it has a store."""


@frozen(kw_only=True)
class Family(Generic[W]):
    """One kind of bulk job: what is done with each row."""

    apply: Callable[[W, Record, dict[str, Any]], Record | None]
    """Handles one row and returns the resource that it created or changed, or None. Raises `Problem` for a bad row,
    `Skipped` if there was nothing to do."""
    relationship: str | None = None
    """Relationship of the job that collects the resources."""
    errors: bool = True
    """Whether the job lists the errors of rows in its attributes."""
    skips: bool = False
    """Whether the job counts rows for which there was nothing to do."""


class Skipped(Exception):  # noqa: N818 - an outcome of a row
    """There was nothing to do for this row."""


class Jobs(Generic[W]):
    """Runs jobs when they are due, which is checked before state is read."""

    def __init__(self, clock: Clock, families: Mapping[str, Family[W]], *, seconds: float) -> None:
        self._clock = clock
        self._families = families
        self.seconds = seconds
        """How long a job takes, a quarter of it in the queue."""
        self._due: list[tuple[float, int, str, str, str]] = []
        self._count = 0
        self._running = False

    def submit(
        self,
        store: Store,
        kind: str,
        rows: list[dict[str, Any]],
        *,
        relationships: Mapping[str, Any] | None = None,
        most: int | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Record:
        """Queue a job.

        Raises:
            Problem: 400 where `most` jobs of this kind are in progress already.
        """
        busy = sum(1 for entry in self._due if entry[2] == kind and entry[4] == "complete")
        if most is not None and busy >= most:
            raise invalid(f"There are {busy} jobs in progress already, the maximum is {most}.")
        now = self._clock.time()
        family = self._families[kind]
        attributes: dict[str, Any] = {
            "status": "queued",
            "total_count": len(rows),
            "completed_count": 0,
            "completed_at": None,
            **({"skipped_count": 0} if family.skips else {"failed_count": 0, "expires_at": stamp(now + LIFETIME)}),
            **({"errors": []} if family.errors else {}),
            **({"started_at": None} if kind == "profile-bulk-import-job" else {}),
            _ROWS: rows,
            _DUE: now,
            **(extra or {}),
        }
        record = store.insert(kind, attributes, relationships=relationships)
        self._schedule(record, now)
        return record

    def restore(self, store: Store) -> None:
        """Resume the jobs that a database kept."""
        for kind in self._families:
            for record in store.records(kind):
                attributes = record.attributes
                if _ROWS in attributes:
                    self._schedule(record, attributes[_DUE])
                else:
                    self._push(attributes.get(_DUE, self._clock.time()) + LIFETIME, record, "expired")

    def _schedule(self, record: Record, queued: float) -> None:
        self._push(queued + self.seconds / 4, record, "processing")
        self._push(queued + self.seconds, record, "complete")

    def _push(self, at: float, record: Record, step: str) -> None:
        self._count += 1
        heapq.heappush(self._due, (at, self._count, record.type, record.id, step))

    def run(self, world: W) -> None:
        """Run everything that is due."""
        if self._running or not self._due:
            return
        self._running = True
        try:
            now = self._clock.time()
            while self._due and self._due[0][0] <= now:
                at, _, kind, id, step = heapq.heappop(self._due)  # noqa: A001
                record = world.store.record(kind, id)
                if record is None:
                    continue
                if step == "processing":
                    started = {"started_at": stamp(at)} if "started_at" in record.attributes else {}
                    world.store.change(record, {"status": "processing", **started})
                elif step == "complete":
                    self._complete(world, record, at)
                else:
                    world.store.delete(record)
        finally:
            self._running = False

    def finish(self, world: W) -> None:
        """Run every job to its end now, whatever the clock says."""
        pending = sorted(entry for entry in self._due if entry[4] != "expired")
        self._due = [entry for entry in self._due if entry[4] == "expired"]
        heapq.heapify(self._due)
        for _, _, kind, id, step in pending:  # noqa: A001
            record = world.store.record(kind, id)
            if record is not None and step == "complete":
                self._complete(world, record, self._clock.time())

    def _complete(self, world: W, record: Record, at: float) -> None:
        store = world.store
        family = self._families[record.type]
        attributes = record.attributes
        rows = attributes[_ROWS]
        failures: list[tuple[int, dict[str, Any], Problem]] = []
        skipped = 0
        for number, row in enumerate(rows):
            try:
                made = family.apply(world, record, row)
            except Problem as problem:
                failures.append((number, row, problem))
                continue
            except Skipped:
                skipped += 1
                continue
            if made is not None and family.relationship is not None:
                store.join(record, family.relationship, made)
        attributes = store.table(record.type).records[record.id].attributes
        done: dict[str, Any] = {
            "status": "complete",
            "completed_at": stamp(at),
            "completed_count": len(rows) - len(failures) - skipped,
        }
        if family.skips:
            done["skipped_count"] = skipped
        else:
            done["failed_count"] = len(failures)
        if family.errors:
            done["errors"] = [_embedded(store, number, row, failure) for number, row, failure in failures]
        left = {name: value for name, value in {**attributes, **done}.items() if name != _ROWS}
        record = store.overwrite(record, left)
        if record.type == "profile-bulk-import-job":
            for number, row, failure in failures:
                store.join(record, "import-errors", _import_error(store, number, row, failure))
        self._push(attributes[_DUE] + LIFETIME, record, "expired")


def _embedded(store: Store, number: int, row: dict[str, Any], problem: Problem) -> dict[str, Any]:
    """A row's error as catalog and coupon jobs give it."""
    one = problem.errors[0]
    external = (row.get("attributes") or {}).get("external_id") or row.get("id")
    return {
        "id": store.ids.uuid(),
        "code": one["code"],
        "title": one["title"],
        "detail": one["detail"],
        "source": _source(number, one),
        **({"meta": {"external_id": external}} if external else {}),
    }


def _source(number: int, one: Mapping[str, Any]) -> dict[str, str]:
    pointer = one["source"].get("pointer", "/data").removeprefix("/data")
    return {"pointer": f"/data/{number}{pointer}"}


def _import_error(store: Store, number: int, row: dict[str, Any], problem: Problem) -> Record:
    one = problem.errors[0]
    return store.insert(
        "import-error",
        {
            "code": one["code"],
            "title": one["title"],
            "detail": one["detail"],
            "source": {"pointer": f"/data/attributes/profiles{_source(number, one)['pointer']}"},
            "original_payload": row.get("attributes") or {},
        },
    )
