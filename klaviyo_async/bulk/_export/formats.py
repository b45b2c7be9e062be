"""NDJSON, CSV and Parquet, written to an open file piece by piece."""

from __future__ import annotations

import gzip
from importlib import import_module
from typing import IO, TYPE_CHECKING, Any, Protocol

import orjson

from klaviyo_async._model import Model
from klaviyo_async.bulk._export.columns import TEXTS, TYPED
from klaviyo_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from klaviyo_async.bulk._export.columns import Column, Layout

_GROUP = 20_000
"""Rows in a row group of Parquet."""


class Writer(Protocol):
    """Writes records to a file."""

    def write(self, records: Sequence[Any]) -> None:
        """Write records: models or plain JSON."""

    def finish(self) -> None:
        """Write what is still held back. The file stays open."""


class Ndjson:
    """A line of JSON for each record, as it came."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, records: Sequence[Any]) -> None:
        """Write records."""
        lines = [each.to_json() if isinstance(each, Model) else orjson.dumps(each) for each in records]
        if lines:
            self._file.write(b"\n".join(lines) + b"\n")

    def finish(self) -> None:
        """Nothing is held back."""


class Csv:
    """Comma-separated values (RFC 4180, UTF-8, a line feed at the end of each line).

    An empty field is null or absent, an empty text is ``""``.
    """

    def __init__(self, file: IO[bytes], layout: Layout, *, header: bool) -> None:
        self._file = file
        self._layout = layout
        if header:
            self._file.write(header_of(layout))

    def write(self, records: Sequence[Any]) -> None:
        """Write records."""
        lines = [",".join(map(_field, self._layout.row(_plain(each), TEXTS))) for each in records]
        if lines:
            self._file.write(("\n".join(lines) + "\n").encode("utf-8", "surrogatepass"))

    def finish(self) -> None:
        """Nothing is held back."""


def header_of(layout: Layout) -> bytes:
    """The first line of a CSV file."""
    return (",".join(_field(column.name) for column in layout.columns) + "\n").encode()


def _field(value: str | None) -> str:
    if value is None:
        return ""
    if value and not any(character in value for character in ',"\r\n') and value == value.strip():
        return value
    return '"' + value.replace('"', '""') + '"'


class Parquet:
    """Typed columns: text, int64, double, boolean, timestamps in UTC to the microsecond, dates; JSON as text."""

    def __init__(self, file: IO[bytes], layout: Layout) -> None:
        self._arrow = import_module("pyarrow")
        self._layout = layout
        self._schema = self._arrow.schema([self._arrow_field(column) for column in layout.columns])
        parquet = import_module("pyarrow.parquet")
        self._writer = parquet.ParquetWriter(file, self._schema, compression="zstd")
        self._rows: list[list[Any]] = []

    def _arrow_field(self, column: Column) -> Any:
        arrow = self._arrow
        types = {
            "integer": arrow.int64(),
            "number": arrow.float64(),
            "boolean": arrow.bool_(),
            "time": arrow.timestamp("us", tz="UTC"),
            "date": arrow.date32(),
        }
        return arrow.field(column.name, types.get(column.kind, arrow.string()))

    def write(self, records: Sequence[Any]) -> None:
        """Write records; a row group when there are enough of them."""
        self._rows += [self._layout.row(_plain(each), TYPED) for each in records]
        while len(self._rows) >= _GROUP:
            self._group(self._rows[:_GROUP])
            del self._rows[:_GROUP]

    def _group(self, rows: list[list[Any]]) -> None:
        columns = zip(*rows, strict=True)
        arrays = [
            self._arrow.array(values, type=field.type) for values, field in zip(columns, self._schema, strict=True)
        ]
        self._writer.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))

    def finish(self) -> None:
        """Write the last rows and the footer."""
        if self._rows:
            self._group(self._rows)
            self._rows = []
        self._writer.close()


def _plain(record: Any) -> dict[str, Any]:
    return record.to_dict() if isinstance(record, Model) else record


def packer(packed: str, file: IO[bytes]) -> Any:
    """A file that compresses into another one; closing it leaves that open."""
    if packed == ".gz":
        return gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=6, mtime=0)
    try:
        return import_module("compression.zstd").ZstdFile(file, "w")  # of Python from 3.14 on
    except ImportError:
        pass
    try:
        return import_module("zstandard").ZstdCompressor().stream_writer(file, closefd=False)
    except ImportError:
        raise ConfigurationError(".zst files need zstandard: pip install 'klaviyo-async[zstd]'.") from None
