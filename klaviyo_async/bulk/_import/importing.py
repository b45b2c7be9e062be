"""The implementation of the `klaviyo.bulk` methods that take rows: checks, the ledger, the run, the report."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from klaviyo_async._model.codec import loads
from klaviyo_async._model.unset import UNSET
from klaviyo_async.bulk._import.batches import Envelope, Packer
from klaviyo_async.bulk._import.columns import kinds_of
from klaviyo_async.bulk._import.jobs import Follower
from klaviyo_async.bulk._import.ledger import Ledger
from klaviyo_async.bulk._import.rows import Encoder, Row
from klaviyo_async.bulk._import.run import Run
from klaviyo_async.bulk._import.source import source_of
from klaviyo_async.bulk._import.submission import Target, job_of
from klaviyo_async.bulk._watch import watching
from klaviyo_async.bulk.progress import Progress
from klaviyo_async.bulk.report import Report, RowError, write_failed
from klaviyo_async.errors import KlaviyoError, QueryError
from klaviyo_async.options import RequestOptions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    from klaviyo_async._http.session import Session
    from klaviyo_async.bulk._import.jobs import Ended
    from klaviyo_async.bulk.progress import ProgressCallback
    from klaviyo_async.operation import Operation

__all__ = ["import_rows"]


async def import_rows(
    session: Session,
    operation: Operation,
    rows: object,
    write: Mapping[str, object],
    params: Mapping[str, object] | None = None,
    *,
    checkpoint: str | PathLike[str] | None = None,
    progress: bool | ProgressCallback = False,
    failed_to: str | PathLike[str] | None = None,
    dry_run: bool = False,
    confirm_global: bool = False,
    options: RequestOptions | None = None,
) -> Report:
    """Send rows with a bulk operation. `write` are the keywords of the body except the rows, `params` those of the query."""
    bulk, body = operation.bulk, operation.body
    if bulk is None or body is None or body.resource is None:
        raise TypeError(f"{operation.name} is not a bulk operation")
    given = {name: value for name, value in write.items() if value is not UNSET and value is not None}
    if bulk.global_without is not None and bulk.global_without not in given and not confirm_global:
        raise QueryError(
            f"{operation.name}: without a {bulk.global_without} it acts on the whole account, and nobody in the rows will get"
            f" marketing any more. Give {bulk.global_without}=…, or confirm_global=True if that is what you want.",
            operation=operation.name,
        )
    instead = [name for name in bulk.instead if name in given]
    if bulk.instead and (rows is not None) + len(instead) != 1:
        raise QueryError(
            f"{operation.name}: pass exactly one of rows, {', '.join(f'{name}=…' for name in bulk.instead)}.",
            operation=operation.name,
        )
    session = _settings(session, options)
    if instead:
        for name, value in (("checkpoint", checkpoint), ("failed_to", failed_to)):
            if value is not None:
                raise QueryError(f"{operation.name}: {name} is for rows, and there are none.", operation=operation.name)
        return await _without_rows(session, operation, given, params, progress, dry_run=dry_run)
    if failed_to is not None:
        _check_place(operation, Path(failed_to))
    target = _target(session, operation, bulk.rows, given, params or {})
    envelope = target.envelope
    room = None if operation.caps.bytes is None else operation.caps.bytes - len(envelope)
    encoder = Encoder(operation, room=room, validate=session.settings.validate)
    source = source_of(rows, lambda: kinds_of(operation))
    if dry_run:
        return await _dry(operation, envelope, encoder, source)
    about = {"operation": operation.name, "request": (envelope.head + envelope.tail).decode()}
    async with await Ledger.open(checkpoint, about) as ledger:
        run = Run(target, encoder, ledger)
        async with watching(progress, run.look):
            failure = await run.run(source)
        report = await run.report()
    if failure is not None:
        if isinstance(failure, KlaviyoError):
            failure.report = report
        failure.add_note(f"The run ended early. {report}")
    if failed_to is not None:
        try:
            await asyncio.to_thread(write_failed, report, failed_to)
        except OSError as error:
            error.add_note(f"The rows that did not get through could not be written. {report}")
            raise error from failure
    if failure is not None:
        raise failure
    return report


def _check_place(operation: Operation, failed_to: Path) -> None:
    """Hours later would be too late to find out."""
    wrong = None
    if failed_to.is_dir():
        wrong = f"{failed_to} is a folder"
    elif not failed_to.parent.is_dir():
        wrong = f"there is no folder {failed_to.parent}"
    if wrong is not None:
        raise QueryError(
            f"{operation.name}: failed_to must be a file that can be written: {wrong}.", operation=operation.name
        )


def _settings(session: Session, options: RequestOptions | None) -> Session:
    settings = session.settings.merge(RequestOptions(priority="bulk"))
    if options is not None:
        settings = settings.merge(options)
    return session.with_settings(settings)


def _target(
    session: Session, operation: Operation, rows: str, given: Mapping[str, object], params: Mapping[str, object]
) -> Target:
    """Where in the body the rows go. Also checks the keywords."""
    assert operation.body is not None  # noqa: S101 - for the type checkers: it was looked at
    assert operation.body.resource is not None  # noqa: S101
    resource = operation.body.resource
    prepared = session.prepare(operation, (), params, write={**given, rows: []})
    assert prepared.payload is not None  # noqa: S101
    assert isinstance(prepared.payload.content, bytes)  # noqa: S101
    if rows in resource.relationships:
        path = ("data", "relationships", resource.relationships[rows].wire, "data")
    else:
        path = ("data", "attributes", resource.attributes[rows], "data")
    envelope = Envelope.around(loads(prepared.payload.content), path)
    return Target(session=session, operation=operation, params=params, envelope=envelope, rows="/" + "/".join(path))


async def _without_rows(
    session: Session,
    operation: Operation,
    given: Mapping[str, object],
    params: Mapping[str, object] | None,
    progress: bool | ProgressCallback,
    *,
    dry_run: bool,
) -> Report:
    """A job for a list or a segment: one request."""
    assert operation.bulk is not None  # noqa: S101 - for the type checkers: it was looked at
    prepared = session.prepare(operation, (), params, write=given)
    if dry_run:
        return Report(operation=operation.name, requests=1, dry_run=True)
    loop = asyncio.get_running_loop()
    began = loop.time()
    ended: Ended | None = None

    def look() -> Progress:
        rows = None if ended is None else (ended.succeeded or 0) + ended.skipped + (ended.failed or 0)
        return Progress(
            operation=operation.name,
            done=rows or 0,
            total=rows,
            failed=0 if ended is None else ended.failed or 0,
            jobs=int(ended is None),
            seconds=loop.time() - began,
            finished=ended is not None,
        )

    async with watching(progress, look):
        document = session.decoder.plain(await session.exchange(prepared, None))
        if operation.bulk.job is None:
            return Report(operation=operation.name, requests=1, seconds=loop.time() - began)
        ended = await Follower(session, operation).follow(job_of(operation, document))
    errors = tuple(
        RowError(row=index, state="failed", code=each.code, detail=each.detail, pointer=each.source.pointer)
        for index, each in enumerate(ended.errors)
    )
    last = look()
    return Report(
        operation=operation.name,
        submitted=last.done,
        succeeded=last.done - last.failed,
        failed=last.failed,
        errors=errors,
        skipped=ended.skipped,
        requests=1,
        jobs=1,
        seconds=last.seconds,
    )


async def _dry(operation: Operation, envelope: Envelope, encoder: Encoder, source: Any) -> Report:
    """Check every row and count the requests; nothing is sent."""
    packer = Packer(operation.caps, envelope)
    number = requests = 0
    errors: list[RowError] = []
    failed = 0
    async for rows in source:
        for row in rows:
            encoded = encoder.encode(number, row)
            number += 1
            if isinstance(encoded, Row):
                requests += packer.add(encoded) is not None
                continue
            failed += 1
            if len(errors) < MOST_ERRORS:
                errors.append(encoded.error())
    requests += packer.flush() is not None
    waits = [(requests - rate.count) / rate.count * rate.seconds for rate in operation.limits.rates]
    return Report(
        operation=operation.name,
        submitted=number,
        failed=failed,
        unsent=failed,
        errors=tuple(errors),
        requests=requests,
        seconds=math.ceil(max(0.0, *waits)),
        dry_run=True,
    )


MOST_ERRORS = 1000
"""Maximum number of errors that a dry run keeps."""
