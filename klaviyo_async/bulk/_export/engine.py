"""Reads the parts of an export concurrently, splits them while they are read, and yields their pages one by one."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from attrs import define

from klaviyo_async._model import Model
from klaviyo_async._model.member import member
from klaviyo_async.bulk._export.parts import SECOND, Part, Position, Splitter, cut, whole
from klaviyo_async.bulk._watch import watching
from klaviyo_async.bulk.progress import Progress
from klaviyo_async.pages import records_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from klaviyo_async.bulk._export.checkpoint import Checkpoint
    from klaviyo_async.bulk._export.source import Mode, Source
    from klaviyo_async.bulk._export.watermark import Watermark
    from klaviyo_async.bulk.progress import ProgressCallback

# Pages that wait for the consumer, besides the one that each reader holds.
_QUEUED = 4
# Records that the readers may hold together.
_HELD = 20_000
_MOST = 128
_FIRST_CUTS = 64
_HALVES = 4
# An edge with more ids than this is not written down: its part goes on by the cursor instead.
_LONG_EDGE = 2_000


@define(eq=False, kw_only=True)
class Batch:
    """The new records of one page."""

    part: Part
    records: list[Any]
    times: list[datetime | None]
    before: Position
    position: Position


class Engine:
    """One run of an export, in one event loop. `take` returns the next page, `settle` records that it was processed."""

    def __init__(
        self,
        source: Source,
        *,
        checkpoint: Checkpoint | None = None,
        watermark: Watermark | None = None,
        concurrency: int | None = None,
        progress: bool | ProgressCallback = False,
    ) -> None:
        self.source = source
        self.checkpoint = checkpoint
        self.watermark = watermark
        self.mode: Mode = source.mode
        self.earlier: int = 0 if checkpoint is None else checkpoint.rows
        """Records of earlier runs with the same checkpoint."""
        self.rows: int = self.earlier
        """Records dealt with, those of earlier runs included."""
        self.requests: int = 0
        self.waited: float = 0.0
        self.parts_made: int = 0
        self._given = concurrency
        self._latency: float | None = None
        self._rate: float | None = None
        self._splitter: Splitter | None = None
        self._reading: dict[Part, None] = {}  # in the order in which they began
        self._pending: deque[Part] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._batches: deque[Batch] = deque()
        self._room = asyncio.Semaphore(_QUEUED)
        self._ready = asyncio.Event()
        self._failure: BaseException | None = None
        self._started: float | None = None
        self._over: float | None = None
        self._ended = False
        self._progress = progress
        self._finished = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None

    # -- for the consumer -----------------------------------------------------------------------------------------------

    async def take(self) -> Batch | None:
        """The next page; None after the last. Raises what a reader ran into, after the pages read before it."""
        if self._started is None:
            self._start()
        while not self._batches:
            if self._failure is not None:
                raise self._failure
            if not self._tasks:
                self._ended = True
                return None
            self._ready.clear()
            await self._ready.wait()
        self._room.release()
        return self._batches.popleft()

    def settle(self, batch: Batch, used: int | None = None) -> None:
        """Note that a page was dealt with, or its first `used` records."""
        records = len(batch.records) if used is None else used
        self.rows += records
        if self.watermark is not None:
            self.watermark.note(batch.records[:records], batch.times[:records])
        position = batch.position
        if used is not None and used < len(batch.records):
            if not used or batch.times[used - 1] is None or self.mode != "narrowing":
                self.rows -= records
                return
            inside = _within(batch, used)
            if inside is None:
                self.rows -= records
                return
            position = inside
        if self.checkpoint is not None:
            self.checkpoint.save(batch.part, position, self.rows)

    async def finish(self) -> None:
        """Note that the last page was dealt with."""
        self._over = asyncio.get_running_loop().time()
        self._finished.set()
        if self._watcher is not None:
            watcher, self._watcher = self._watcher, None
            await watcher

    def cancel(self) -> None:
        """End all readers."""
        self._ended = True
        self._batches.clear()
        for task in self._running():
            task.cancel()

    async def close(self) -> None:
        """End all readers and wait until they are gone."""
        self.cancel()
        if running := self._running():
            await asyncio.wait(running)

    def _running(self) -> set[asyncio.Task[None]]:
        return self._tasks if self._watcher is None else {*self._tasks, self._watcher}

    def progress(self) -> Progress:
        """How far it is."""
        remaining = 0.0 if self._over is not None else self.remaining
        session = self.source.session
        bucket = None
        if session.limiter is not None:
            bucket = session.limiter.snapshot(session.accounts).bucket(self.source.operation.name)
        return Progress(
            operation=self.source.operation.name,
            unit="records",
            done=self.rows,
            total=None if remaining is None else self.rows + round(remaining),
            earlier=self.earlier,
            waiting=0 if bucket is None else bucket.waiting["bulk"],
            seconds=self.seconds,
            finished=self._over is not None,
        )

    @property
    def seconds(self) -> float:
        """Since the run began, up to its end."""
        if self._started is None:
            return 0.0
        return (asyncio.get_running_loop().time() if self._over is None else self._over) - self._started

    async def _watch(self) -> None:
        async with watching(self._progress, self.progress):
            await self._finished.wait()

    @property
    def remaining(self) -> float | None:
        """About how many records are still to come; None while nothing tells."""
        if self._splitter is None or self.mode != "narrowing":
            return None
        return sum(map(self._splitter.remaining, (*self._reading, *self._pending)))

    @property
    def concurrency(self) -> int:
        """How many parts are read at the same time.

        What the limit allows is a page every ``1 / rate`` seconds, and a page takes `latency`: ``rate × latency`` readers keep
        the limit busy. Twice as many make up for the beginning and for readers that wait for the consumer, and no more are
        taken than hold 20,000 records together.
        """
        if self._given is not None:
            return self._given
        most = max(4, min(_MOST, _HELD // max(1, self.source.page_size)))
        if self._latency is None or self._rate is None:
            return min(most, 8)
        return max(2, min(most, math.ceil(2 * self._rate * self._latency)))

    def _allowed(self) -> float:
        """Requests a second that the operation's limits allow."""
        operation, session = self.source.operation, self.source.session
        rates = [operation.limits.burst]
        if session.limiter is not None:
            # With the overrides that the limiter was given, and what headers taught it.
            for bucket in session.limiter.snapshot(session.accounts).buckets:
                if bucket.name == operation.name and bucket.windows:
                    rates = [bucket.windows[0].rate]
        rates += [limit.rates[0] for limit in self.source.triggered]
        return min(rate.count / rate.seconds for rate in rates)

    # -- readers --------------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        self._started = asyncio.get_running_loop().time()
        if self._progress is not False:
            self._watcher = asyncio.create_task(self._watch(), name=f"progress of {self.source.operation.name}")
            self._watcher.add_done_callback(self._watched)
        kept = self.checkpoint.parts() if self.checkpoint is not None else None
        if kept is None:
            source = self.source
            kept = [Part(number=0, lower=source.since, upper=source.until)]
            if self.checkpoint is not None:
                self.checkpoint.add(kept)
        elif self.checkpoint is not None:
            self.mode = self.checkpoint.mode or self.mode
            ends = [part.upper for part in kept if part.upper is not None]
            self._splitter = Splitter(self.source.page_size, max((datetime.now(UTC), *ends)))
        self.parts_made = 1 if self.checkpoint is None else self.checkpoint.made
        self._pending.extend(kept)
        self._fill()

    def _fill(self) -> None:
        """Give idle readers work: parts that wait, then parts split off from those that are read."""
        if self._ended or self._failure is not None:
            return
        while self._pending and len(self._tasks) < self.concurrency:
            self._spawn(self._pending.popleft())
        if self.mode == "narrowing" and self._splitter is not None and not self._pending:
            idle = self.concurrency - len(self._tasks)
            if idle > 0:
                for part, times in self._splitter.cuts(self._reading, idle):
                    self._split(part, times)

    def _spawn(self, part: Part) -> None:
        self._reading[part] = None
        task = asyncio.create_task(self._read(part), name=f"export {self.source.operation.name} part {part.number}")
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and self._failure is None:
            self._failure = error
            for other in self._tasks:
                other.cancel()
        elif not self._ended and not task.cancelled():
            self._fill()
        self._ready.set()

    def _watched(self, watcher: asyncio.Task[None]) -> None:
        if not watcher.cancelled() and (error := watcher.exception()) is not None and self._failure is None:
            self._failure = error
            for task in self._tasks:
                task.cancel()
            self._ready.set()

    async def _read(self, part: Part) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with self.source.pages(part) as pages:
                began = loop.time()
                async for page in pages:
                    self._note(page, loop.time() - began)
                    first = part.pages == 0 and part.next is None and part.read is None
                    part.next = pages.next_target
                    if self._splitter is None:
                        self._learn(part, page)
                    if first and self._halve(part):
                        return
                    batch = self._batch(part, records_of(page, pages.path))
                    if batch.position.finished:
                        self._reading.pop(part, None)
                    if first and self.mode == "narrowing" and part.number == 0 and not batch.position.finished:
                        self._spread(part)
                    self._fill()
                    await self._room.acquire()
                    self._batches.append(batch)
                    self._ready.set()
                    if batch.position.finished:
                        return
                    began = loop.time()
        finally:
            self._reading.pop(part, None)

    def _note(self, page: Any, seconds: float) -> None:
        http = page.http
        self.requests += http.attempts
        self.waited += http.waited
        took = max(0.0, seconds - http.waited)
        if self._rate is None:
            self._rate = self._allowed()
        # The shortest one: what the others took longer, they waited for our own requests.
        self._latency = took if self._latency is None else min(self._latency, took)

    def _learn(self, part: Part, page: Any) -> None:
        """What the first page tells: the server's time, and whether records show theirs."""
        now = _server_time(page)
        self._splitter = Splitter(self.source.page_size, self.source.until or now)
        if self.source.moving and part.upper is None:
            # A record that changes from now on leaves the range, so it can't be met twice.
            part.upper = now + SECOND
        records = records_of(page, ("data",))
        if self.mode == "narrowing" and any(self.source.time(record) is None for record in records):
            # Not every record has a time: ranges of it would leave some out.
            self.mode = "single"
        if self.watermark is not None:
            self.watermark.begin(now)
        if self.checkpoint is not None:
            self.checkpoint.begin(self.mode, part)

    def _batch(self, part: Part, records: list[Any]) -> Batch:
        """The records of a page that belong to the part and are new, and where the part stands after them."""
        source, upper, seen = self.source, part.upper, part.recent | part.edge
        before = _position(part, finished=False)
        kept: list[Any] = []
        times: list[datetime | None] = []
        recent: set[str] = set()
        past = False
        lower, time_of, watermark = part.lower, source.time, self.watermark
        for record in records:
            time = time_of(record)
            if time is not None:
                if upper is not None and time >= upper:
                    past = True
                    continue
                if lower is not None and time < lower and not source.inside(time, lower, None):
                    continue
            key = getattr(record, "id", None) if isinstance(record, Model) else member(record, "id")
            if isinstance(key, str):
                recent.add(key)
                if key in seen or (watermark is not None and watermark.knows(key, time)):
                    continue
            kept.append(record)
            times.append(time)
        known = [time for time in times if time is not None]
        if known and self._splitter is not None:
            last = max(known)
            self._splitter.observe(part, min(known), last, len(known))
            ids = {member(record, "id") for record, time in zip(kept, times, strict=True) if time == last}
            part.edge = part.edge | ids if last == part.read else ids
            part.read = last
        else:
            part.pages += 1
        part.recent = recent
        position = _position(part, finished=part.next is None or past)
        return Batch(part=part, records=kept, times=times, before=before, position=position)

    # -- splitting ------------------------------------------------------------------------------------------------------

    def _spread(self, part: Part) -> None:
        """Cut the whole range, of which one page is known, into the parts to begin with."""
        if self._splitter is None:
            return
        times = self._splitter.first_cuts(part, min(self.concurrency, _FIRST_CUTS))
        if times:
            self._split(part, times)

    def _split(self, part: Part, times: list[datetime]) -> None:
        made = self._pieces(part, times)
        part.upper = times[0]
        if self.checkpoint is not None:
            self.checkpoint.split(part, made)
        for piece in made:
            self._spawn(piece)

    def _pieces(self, part: Part, times: list[datetime]) -> list[Part]:
        ends: Iterable[datetime | None] = (*times[1:], part.upper)
        made = [
            Part(number=self.parts_made + index, lower=lower, upper=upper, dense=part.dense)
            for index, (lower, upper) in enumerate(zip(times, ends, strict=True))
        ]
        self.parts_made += len(made)
        return made

    def _halve(self, part: Part) -> bool:
        """Where records don't show their times: split a part that has more than a page instead of reading it, if readers are
        idle. Its first page is read again by the first piece."""
        if self.mode != "halving" or part.next is None or len(self._tasks) >= self.concurrency:
            return False
        start = part.lower or datetime(2012, 1, 1, tzinfo=UTC)
        end = part.upper or (self._splitter.horizon if self._splitter is not None else datetime.now(UTC))
        if end - start < 2 * SECOND:
            return False
        times = cut(whole(start), end, min(_HALVES, self.concurrency - len(self._tasks) + 1))
        if not times:
            return False
        part.next = None
        self._split(part, times)
        self._pending.appendleft(part)
        return True


def _position(part: Part, *, finished: bool) -> Position:
    edge = tuple(part.edge) if len(part.edge) <= _LONG_EDGE else None
    return Position(read=part.read, edge=edge, next=part.next, finished=finished)


def _within(batch: Batch, used: int) -> Position | None:
    """The position inside a page, after its first records; None where it can't be told."""
    read = batch.times[used - 1]
    edge = {
        member(each, "id") for each, time in zip(batch.records[:used], batch.times[:used], strict=True) if time == read
    }
    if read == batch.before.read:
        if batch.before.edge is None:
            return None
        edge |= set(batch.before.edge)
    return Position(read=read, edge=tuple(edge), next=None, finished=False)


def _server_time(page: Any) -> datetime:
    """When the response was made, by the server's clock; by ours where it doesn't say."""
    try:
        return parsedate_to_datetime(page.http.headers.get("Date") or "").astimezone(UTC)
    except (ValueError, TypeError):
        return datetime.now(UTC).replace(microsecond=0)
