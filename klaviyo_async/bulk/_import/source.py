"""Sources of rows: any iterable, a data frame, or a file. Read in slices, so that the event loop is never blocked for long."""

from __future__ import annotations

import asyncio
import io
import itertools
import os
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sized
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar, runtime_checkable

from klaviyo_async._model.base import Model
from klaviyo_async.bulk._import.slices import SLICE, Source
from klaviyo_async.bulk.rows_file import RowsFile
from klaviyo_async.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Hashable
    from csv import DictReader
    from os import PathLike

    from klaviyo_async.api.types import Unchecked

__all__ = ["ArrowTable", "Frame", "Rows", "source_of"]

BREATH = 0.005
"""Seconds that a slow iterable may block the loop before other tasks get a turn."""
MOST_WAITING = 0.25
"""Seconds after which what an async iterable has given so far goes on, though the slice isn't full."""

R = TypeVar("R")


@runtime_checkable
class ArrowTable(Protocol):
    """What the Arrow PyCapsule interface makes of tables: pyarrow, polars, pandas, DuckDB, …"""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


@runtime_checkable
class Frame(Protocol):
    """A data frame of the interchange protocol."""

    def __dataframe__(self, nan_as_null: bool = False, allow_copy: bool = True) -> Any: ...


AnyRow: TypeAlias = "Mapping[str, object] | Mapping[Hashable, Unchecked]"
"""Rows come from elsewhere, so type checkers accept any mapping; the second is what pandas' `to_dict("records")` returns."""

Rows: TypeAlias = "Iterable[R | AnyRow] | AsyncIterable[R | AnyRow] | DictReader[Any] | Frame | ArrowTable | RowsFile | str | PathLike[str]"
"""What the methods of `klaviyo.bulk` take rows from: an iterable or async iterable of mappings or models, a `csv.DictReader`,
a data frame (pandas, polars, pyarrow and anything else that supports Arrow), or the path of a file (``.ndjson``, ``.csv``,
``.parquet``, also compressed; a `RowsFile` renames its columns)."""


def source_of(rows: object, types: Callable[[], Mapping[str, str]] | None = None) -> Source:
    """The source for `rows`.

    `types` tells of columns of text what they stand for (see `klaviyo_async.bulk._import.columns`). Raises `QueryError` for what
    can't be a source of rows.
    """
    from klaviyo_async.bulk._import import columns, files  # noqa: PLC0415 - only where they are needed

    if isinstance(rows, str | os.PathLike):
        return files.source(os.fspath(rows), types or dict)
    if isinstance(rows, RowsFile):
        return files.source(rows.path, types or dict, rows.columns)
    if isinstance(rows, io.IOBase):
        raise QueryError("rows must be the path of a file, not an open file: the format is chosen by the file name.")
    if isinstance(rows, bytes | bytearray | Mapping | Model):
        raise QueryError(
            f"rows must be an iterable of mappings or models, a data frame or a path, not one {type(rows).__name__}:"
            " put a single row into a list."
        )
    if (table := columns.table_of(rows)) is not None:
        return Source(lambda source: _in_slices(source, table.rows()), total=table.count)
    if isinstance(rows, AsyncIterable):
        given = rows
        return Source(lambda _: _of_async(given))
    if isinstance(rows, Iterable):
        total = len(rows) if isinstance(rows, Sized) else None
        return Source(lambda source: _in_slices(source, iter(rows)), total=total)
    raise QueryError(
        f"rows must be an iterable or async iterable of mappings or models, a data frame, or the path of a file, not"
        f" {type(rows).__name__}."
    )


async def _in_slices(_: Source, rows: Iterator[Any]) -> AsyncIterator[list[Any]]:
    """A plain iterator, a slice at a time. It runs in the loop's thread: many of them, cursors for instance, can't leave it."""
    while True:
        part: list[Any] = []
        until = time.perf_counter() + BREATH
        while len(part) < SLICE and time.perf_counter() < until:
            more = list(itertools.islice(rows, 32))
            part += more
            if len(more) < 32:
                if part:
                    yield part
                return
        yield part
        await asyncio.sleep(0)


async def _of_async(rows: AsyncIterable[Any]) -> AsyncIterator[list[Any]]:
    part: list[Any] = []
    until = time.perf_counter() + MOST_WAITING
    async for row in rows:
        part.append(row)
        if len(part) >= SLICE or time.perf_counter() >= until:
            yield part
            part = []
            # An async iterator that has its rows at hand never lets others run.
            await asyncio.sleep(0)
            until = time.perf_counter() + MOST_WAITING
    if part:
        yield part
