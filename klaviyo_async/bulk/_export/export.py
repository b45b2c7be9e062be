"""`Export`: the result of ``klaviyo.bulk.export(…)``, to be iterated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from klaviyo_async.bulk._export.checkpoint import Checkpoint
from klaviyo_async.bulk._export.engine import Batch, Engine
from klaviyo_async.bulk._export.watermark import Watermark
from klaviyo_async.bulk.export_report import ExportReport
from klaviyo_async.errors import QueryError

if TYPE_CHECKING:
    from datetime import timedelta
    from os import PathLike

    from klaviyo_async.bulk._export.source import Source
    from klaviyo_async.bulk.progress import ProgressCallback

R_co = TypeVar("R_co", covariant=True)


class Setup:
    """The arguments of an export that was checked, but not started."""

    def __init__(
        self,
        source: Source,
        *,
        checkpoint: str | PathLike[str] | None = None,
        watermark: str | PathLike[str] | None = None,
        overlap: timedelta | None = None,
        concurrency: int | None = None,
        progress: bool | ProgressCallback = False,
    ) -> None:
        if concurrency is not None and (
            isinstance(concurrency, bool) or not isinstance(concurrency, int) or concurrency < 1
        ):
            raise QueryError(f"concurrency must be a whole number, 1 or more, not {concurrency!r}.")
        self.source = source
        self.watermark: Watermark | None = None if watermark is None else Watermark(watermark, source, overlap)
        self.checkpoint = checkpoint
        self.concurrency = concurrency
        self.progress = progress

    def begin(self, **more: Any) -> Engine:
        """Open the files and create the engine, in the running loop. `more` distinguishes runs of the same export."""
        export = self.source.describe() | more
        if self.watermark is not None:
            self.watermark.open()
            export["watermark"] = self.watermark.since_text
        checkpoint = None if self.checkpoint is None else Checkpoint(self.checkpoint, export)
        if self.watermark is not None:
            self.watermark.resume(checkpoint)
        return Engine(
            self.source,
            checkpoint=checkpoint,
            watermark=self.watermark,
            concurrency=self.concurrency,
            progress=self.progress,
        )


class Export(Generic[R_co]):
    """Every record of a collection, once, unordered. Nothing is sent until it is iterated.

    ``async for record in export`` yields the records. Each iteration is a separate run, which resumes from the checkpoint if
    there is one. Leaving the loop cancels the requests in flight.
    """

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._engine: Engine | None = None

    def __aiter__(self) -> ExportIterator[R_co]:
        self._engine = self._setup.begin()
        return ExportIterator(self._engine)

    @property
    def report(self) -> ExportReport:
        """The report of the last iteration, so far or final."""
        if self._engine is None:
            return ExportReport(operation=self._setup.source.operation.name)
        return report_of(self._engine)

    async def collect(self) -> list[R_co]:
        """All records as a list."""
        async with aiter(self) as records:
            return [record async for record in records]

    def __repr__(self) -> str:
        return f"<Export of {self._setup.source.operation.name}>"


class ExportIterator(AsyncIterator[R_co]):
    """Iterates over the records of an export. Leaving a loop early drops the iterator, and with it the requests in flight. If
    you keep the iterator yourself, call `aclose`, or use it with ``async with``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._batch: Batch | None = None
        self._at = 0
        self._busy = False
        self._over = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> R_co:
        batch = self._batch
        if batch is not None and self._at < len(batch.records):
            self._at += 1
            record: R_co = batch.records[self._at - 1]
            return record
        if self._busy:
            raise RuntimeError("This export is already being read by another task; give each task its own export.")
        self._busy = True
        try:
            return await self._next()
        finally:
            self._busy = False

    async def _next(self) -> R_co:
        if self._over:
            raise StopAsyncIteration
        self._loop = asyncio.get_running_loop()
        while True:
            if self._batch is not None:
                self._engine.settle(self._batch)
                self._batch = None
            try:
                batch = await self._engine.take()
            except asyncio.CancelledError:
                # Only the wait: the readers continue, and the caller may too.
                raise
            except BaseException:
                await self.aclose()
                raise
            if batch is None:
                await self._finish()
                raise StopAsyncIteration
            self._batch, self._at = batch, 0
            if batch.records:
                self._at = 1
                record: R_co = batch.records[0]
                return record

    async def _finish(self) -> None:
        self._over = True
        engine = self._engine
        if engine.watermark is not None:
            engine.watermark.advance()
        if engine.checkpoint is not None:
            engine.checkpoint.remove()
        await engine.finish()

    def _stop(self) -> None:
        """End the export: a record that was yielded but not followed by another request counts as unprocessed."""
        if self._over:
            return
        self._over = True
        batch, self._batch = self._batch, None
        _stop_dropped(self._engine, batch, self._at)

    async def aclose(self) -> None:
        """End the export and wait until the requests in flight are cancelled. A checkpoint is kept."""
        self._stop()
        await self._engine.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        loop = getattr(self, "_loop", None)
        if loop is None or getattr(self, "_over", True):
            return
        if loop.is_closed():  # and its tasks with it
            _keep(self._engine, self._batch, self._at)
            return
        try:
            here = asyncio.get_running_loop() is loop
        except RuntimeError:
            here = False
        if here:
            _stop_dropped(self._engine, self._batch, self._at)
        else:  # the garbage collector may run this in any thread
            loop.call_soon_threadsafe(_stop_dropped, self._engine, self._batch, self._at)


def report_of(engine: Engine, **more: Any) -> ExportReport:
    """The report of a run."""
    return ExportReport(
        operation=engine.source.operation.name,
        records=engine.rows,
        earlier=engine.earlier,
        requests=engine.requests,
        waited=engine.waited,
        seconds=engine.seconds,
        **more,
    )


def _stop_dropped(engine: Engine, batch: Batch | None, at: int) -> None:
    _keep(engine, batch, at)
    engine.cancel()


def _keep(engine: Engine, batch: Batch | None, at: int) -> None:
    """Record how far the loop got, and release the checkpoint."""
    if batch is not None and at:
        engine.settle(batch, at - 1)
    if engine.checkpoint is not None:
        engine.checkpoint.close()
