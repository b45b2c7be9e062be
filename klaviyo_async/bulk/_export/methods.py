"""What `klaviyo.bulk` has for exports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from klaviyo_async._http.namespace import Namespace
from klaviyo_async.bulk._export import to_file
from klaviyo_async.bulk._export.export import Export, Setup
from klaviyo_async.bulk._export.output import Output
from klaviyo_async.bulk._export.plan import Plan, planned, source_of
from klaviyo_async.bulk._export.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime, timedelta
    from os import PathLike

    from klaviyo_async.bulk.export_report import ExportReport
    from klaviyo_async.bulk.progress import ProgressCallback
    from klaviyo_async.filter import Filter
    from klaviyo_async.options import RequestOptions
    from klaviyo_async.pages import Pages

R = TypeVar("R")


class Exporting(Namespace):
    """Exports of a client."""

    __slots__ = ()

    def export(
        self,
        operation: Callable[..., Pages[Any, R]] | str,
        *path: str,
        split_on: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        filter: Filter | str | None = None,
        page_size: int | None = None,
        checkpoint: str | PathLike[str] | None = None,
        watermark: str | PathLike[str] | None = None,
        overlap: timedelta | None = None,
        progress: bool | ProgressCallback = False,
        concurrency: int | None = None,
        options: RequestOptions | None = None,
        **params: Any,
    ) -> Export[R]:
        """Read a whole collection, in parallel and as fast as the limits allow, each record once.

        ::

            async for event in klaviyo.bulk.export(klaviyo.events.get_events, since=datetime(2026, 1, 1, tzinfo=UTC)):
                ...

        The range of time is split, the dense stretches finer, and the parts are read at the same time; so records come in no
        order. A list that can't be filtered by time is read page after page.

        :param operation: A list operation: ``klaviyo.events.get_events``, or its name. Its path arguments follow.
        :param split_on: The time to split on, and that `since` and `until` mean. By default one that every record has and
            that never changes: ``datetime``, ``created``, ``created_at`` or ``joined_group_at``.
        :param since: First time that is taken; None from the beginning.
        :param until: First time that is not taken; None to the end. On ``updated`` and its like None means the moment of
            the call, since records move on while they are read.
        :param filter: Conditions besides the time.
        :param page_size: Records a request; by default as many as the operation allows.
        :param checkpoint: A SQLite file from which the same call goes on after a crash. It is deleted at the end.
        :param watermark: A file that remembers how far the last run came: only what is new since then is taken.
        :param overlap: With `watermark`, how late a record may become visible; an hour by default.
        :param progress: True for a bar on a terminal and lines elsewhere, or a function that is called with `Progress`.
        :param concurrency: Parts read at the same time; by default what keeps the limit busy at the latency that is seen.
        :param options: As for any call; the priority is ``bulk`` unless it says otherwise.
        :param params: Other parameters of the operation (``fields``, ``additional_fields``, …).

        Raises `QueryError` at once for what can't be right, `CheckpointError` when iterated for a checkpoint or watermark
        of another export; while it is iterated what requests raise.
        """
        given = {"filter": filter, "page_size": page_size, "options": options, **params}
        source = Source(self, operation, path, given, split_on=split_on, since=since, until=until)
        return Export(
            Setup(
                source,
                checkpoint=checkpoint,
                watermark=watermark,
                overlap=overlap,
                progress=progress,
                concurrency=concurrency,
            )
        )

    async def export_to(
        self,
        out: str | PathLike[str],
        operation: Callable[..., Pages[Any, Any]] | str,
        *path: str,
        split_on: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        filter: Filter | str | None = None,
        page_size: int | None = None,
        checkpoint: str | PathLike[str] | None = None,
        watermark: str | PathLike[str] | None = None,
        overlap: timedelta | None = None,
        progress: bool | ProgressCallback = False,
        concurrency: int | None = None,
        options: RequestOptions | None = None,
        **params: Any,
    ) -> ExportReport:
        """Export a collection to a file, whose format its name tells: ``.ndjson``, ``.csv``, ``.parquet``; the first two also
        compressed, with ``.gz`` or ``.zst`` behind that.

        ::

            report = await klaviyo.bulk.export_to("events.parquet", klaviyo.events.get_events, checkpoint="events.sqlite")

        The file has its name once it is complete, and takes the place of one that is there. With `watermark` it grows
        instead: NDJSON and CSV are appended to, others need a new name each time. With `checkpoint` the same call goes on
        after a crash; each record is in the file once. The other arguments are those of `export`.

        CSV and Parquet have columns that don't depend on the data: `id`, `type`, the attributes that the call asks for, with
        dots where they are nested, and the ids of relationships. Free-form objects and lists are JSON; so is the last column,
        ``_extra``, of what has no column or doesn't fit the type of its own. Parquet needs the extra ``parquet``.
        """
        given = {"filter": filter, "page_size": page_size, "options": options, **params}
        source = Source(self, operation, path, given, split_on=split_on, since=since, until=until)
        output = Output(out, source, resumable=checkpoint is not None, growing=watermark is not None)
        setup = Setup(
            source,
            checkpoint=checkpoint,
            watermark=watermark,
            overlap=overlap,
            progress=progress,
            concurrency=concurrency,
        )
        return await to_file.write(setup, output)

    async def plan_export(
        self,
        operation: Callable[..., Pages[Any, Any]] | str,
        *path: str,
        parts: int,
        split_on: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        filter: Filter | str | None = None,
        page_size: int | None = None,
        options: RequestOptions | None = None,
        **params: Any,
    ) -> Plan:
        """Cut an export into parts of about as many records each, so that several machines can run it.

        ::

            plan = await klaviyo.bulk.plan_export(klaviyo.events.get_events, since=datetime(2026, 1, 1, tzinfo=UTC), parts=32)
            reports = [await klaviyo.bulk.run(part, out=f"events-{part['number']:03}.parquet") for part in plan.parts]

        Each of `plan.parts` is plain JSON without a credential: put it into any queue, and `run` it anywhere, as often as it
        takes. Two requests find the ends of the range, and four for each part how dense it is. There may be fewer parts than asked
        for, and one only where the operation filters by no time. `options` are for these requests; `run` takes its own.
        """
        given = {"filter": filter, "page_size": page_size, "options": options, **params}
        source = Source(self, operation, path, given, split_on=split_on, since=since, until=until)
        return await planned(source, path, parts)

    async def run(
        self,
        part: Mapping[str, Any],
        *,
        out: str | PathLike[str],
        checkpoint: str | PathLike[str] | None = None,
        progress: bool | ProgressCallback = False,
        concurrency: int | None = None,
        options: RequestOptions | None = None,
    ) -> ExportReport:
        """Run one part of a plan into a file of its own, and tell what it came to. See `plan_export` and `export_to`.

        A part may be run again: the file is replaced as a whole, and `merge` counts it once. While one process writes the file
        another one is refused with `ConfigurationError`.
        """
        source = source_of(self, part)
        if options is not None:
            source.use(options)
        output = Output(out, source, resumable=checkpoint is not None, growing=False)
        setup = Setup(source, checkpoint=checkpoint, progress=progress, concurrency=concurrency)
        return await to_file.write(
            setup, output, plan=part.get("plan"), parts=(int(part["number"]),), of=int(part["of"])
        )
