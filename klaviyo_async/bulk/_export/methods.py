"""The export methods of `klaviyo.bulk`."""

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
        """Read a whole collection in parallel, as fast as the limits allow, yielding each record once.

        ::

            async for event in klaviyo.bulk.export(klaviyo.events.get_events, since=datetime(2026, 1, 1, tzinfo=UTC)):
                ...

        The time range is divided into parts, dense stretches into more parts, which are read concurrently; so records are
        unordered. A list that can't be filtered by time is read page by page.

        :param operation: A list operation: ``klaviyo.events.get_events``, or its name. Its path arguments follow.
        :param split_on: The time field to split on, which `since` and `until` refer to. By default one that every record has
            and that never changes: ``datetime``, ``created``, ``created_at`` or ``joined_group_at``.
        :param since: Start of the range (inclusive); None for the beginning.
        :param until: End of the range (exclusive); None for no end. For ``updated`` and the like, None means the time of
            the call, since records move while they are read.
        :param filter: Conditions in addition to the time.
        :param page_size: Records per request; by default as many as the operation allows.
        :param checkpoint: A SQLite file from which the same call resumes after a crash. It is deleted at the end.
        :param watermark: A file that remembers how far the last run got: only what is new since then is exported.
        :param overlap: With `watermark`, how late a record may become visible; an hour by default.
        :param progress: True for a bar on a terminal and lines elsewhere, or a function that is called with `Progress`.
        :param concurrency: Parts read concurrently; by default enough to use the full limit at the observed latency.
        :param options: As for any call; the priority is ``bulk`` unless specified.
        :param params: Other parameters of the operation (``fields``, ``additional_fields``, …).

        Raises `QueryError` immediately for invalid arguments. Iterating raises `CheckpointError` for a checkpoint or watermark
        of another export, and whatever requests raise.
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
        """Export a collection to a file. The file name determines the format: ``.ndjson``, ``.csv``, ``.parquet``; the first
        two can be compressed, with ``.gz`` or ``.zst`` appended.

        ::

            report = await klaviyo.bulk.export_to("events.parquet", klaviyo.events.get_events, checkpoint="events.sqlite")

        The file gets its name once it is complete, and replaces an existing one. With `watermark` it grows instead: NDJSON and
        CSV are appended to, other formats need a new name each time. With `checkpoint` the same call resumes after a crash; the
        file has each record once. The other arguments are those of `export`.

        CSV and Parquet have columns that don't depend on the data: `id`, `type`, the attributes that the call asks for, with
        dots if they are nested, and the ids of relationships. Free-form objects and lists are JSON, as is the last column,
        ``_extra``, for what has no column or doesn't fit its column's type. Parquet needs the extra ``parquet``.
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
        """Divide an export into up to 1,000 parts with roughly the same number of records, so that several machines can run it.

        ::

            plan = await klaviyo.bulk.plan_export(klaviyo.events.get_events, since=datetime(2026, 1, 1, tzinfo=UTC), parts=32)
            reports = [await klaviyo.bulk.run(part, out=f"events-{part['number']:03}.parquet") for part in plan.parts]

        Each of `plan.parts` is plain JSON without a credential: put it into any queue, and `run` it anywhere, as often as
        necessary. Planning takes two requests to find the ends of the range, and four per part to sample its density. There may be
        fewer parts than requested, and only one if the operation doesn't filter by time. `options` apply to these requests;
        `run` takes its own.
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
        """Run one part of a plan into its own file, and return a report. See `plan_export` and `export_to`.

        A part can be run again: the file is replaced as a whole, and `merge` counts it once. While one process writes the file,
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
