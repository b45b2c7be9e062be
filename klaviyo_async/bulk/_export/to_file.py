"""Runs an export into a file."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from klaviyo_async.bulk._export.export import report_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from klaviyo_async.bulk._export.engine import Batch, Engine
    from klaviyo_async.bulk._export.export import Setup
    from klaviyo_async.bulk._export.output import Output
    from klaviyo_async.bulk.export_report import ExportReport

_HELD = 2_000
_OFTEN = 1.0
"""Seconds after which what is held is written although it isn't much."""


async def write(setup: Setup, output: Output, **report: Any) -> ExportReport:
    """Run an export into a file, and tell what it came to.

    What a checkpoint says was written is on disk before it says so.
    """
    engine = setup.begin(out=str(output.path))
    with ThreadPoolExecutor(1, thread_name_prefix="export") as thread:
        loop = asyncio.get_running_loop()

        async def do(work: Callable[..., Any], *arguments: Any) -> Any:
            return await loop.run_in_executor(thread, work, *arguments)

        try:
            size = await _written(engine, output, do)
            made = report_of(engine, out=(str(output.path),), bytes=size, **report)
        except BaseException:
            await asyncio.shield(do(output.abort))
            await engine.close()
            if engine.checkpoint is not None:
                engine.checkpoint.close()
            raise
    return made


async def _written(engine: Engine, output: Output, do: Callable[..., Any]) -> int:
    checkpoint, watermark = engine.checkpoint, engine.watermark
    if checkpoint is not None and checkpoint.noted("written") and output.complete:
        size = output.path.stat().st_size
    else:
        if watermark is not None:
            await do(output.check_growth, watermark.size, watermark.appending)
        offset = int(checkpoint.noted("offset") or 0) if checkpoint is not None else 0
        await do(output.open, offset)
        await _pages(engine, output, do)
        if checkpoint is not None:
            checkpoint.note(written="1")
        if watermark is not None and (appended_to := output.appended_to) is not None:
            watermark.intend(appended_to)
        size = await do(output.finish)
    if watermark is not None:
        watermark.advance(size)
    if checkpoint is not None:
        checkpoint.remove()
    await engine.finish()
    return int(size)


async def _pages(engine: Engine, output: Output, do: Callable[..., Any]) -> None:
    held: list[Batch] = []
    while True:
        batch: Batch | None = None
        try:
            async with asyncio.timeout(_OFTEN if held else None):
                batch = await engine.take()
            over = batch is None
        except TimeoutError:
            over = False
        if batch is not None:
            held.append(batch)
        if held and (batch is None or sum(len(each.records) for each in held) >= _HELD):
            await _settle(engine, output, held, do)
            held = []
        if over:
            return


async def _settle(engine: Engine, output: Output, held: list[Batch], do: Callable[..., Any]) -> None:
    records = [record for batch in held for record in batch.records]
    checkpoint = engine.checkpoint
    if checkpoint is None:
        await do(lambda: output.write(records, sync=False))
        for batch in held:
            engine.settle(batch)
        return
    offset = await do(lambda: output.write(records, sync=True))
    with checkpoint.together():
        for batch in held:
            engine.settle(batch)
        checkpoint.note(offset=str(offset))
