"""Rows from files: NDJSON, CSV and Parquet, compressed or not, read a piece at a time in a thread."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import itertools
import zlib
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any

import orjson

from klaviyo_async._did_you_mean import nearest
from klaviyo_async.bulk._import.columns import Columns, need_pyarrow, nested, of_batches
from klaviyo_async.bulk._import.slices import SLICE, Source, Unreadable
from klaviyo_async.errors import ConfigurationError, QueryError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

__all__ = ["source"]

_KINDS = {
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
}
_SAME: Mapping[str, str] = MappingProxyType({})
_PACKED = frozenset({".gz", ".zst"})
_MARK = b"\xef\xbb\xbf"
_LONGEST_CELL = 10_000_000
"""Characters. What is longer than a request may be is a quote that is never closed, and would fill the memory."""
_PACKED_BYTES = 8192
"""What is unpacked at a time: it may come to a hundred times as much."""


def source(name: str, kinds: Callable[[], Mapping[str, str]], columns: Mapping[str, str] = _SAME) -> Source:
    """The rows of a file, whose kind its name tells; `columns` gives some of its columns other names, or none. Raises `QueryError` where it doesn't, or there is no such file."""
    path = Path(name)
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = suffixes.pop() if suffixes and suffixes[-1] in _PACKED else ""
    kind = _KINDS.get(suffixes[-1]) if suffixes else None
    if kind is None:
        raise QueryError(
            f"{path.name}: rows come from files named {', '.join(_KINDS)}, optionally followed by .gz or .zst."
        )
    if not path.is_file():
        raise QueryError(f"there is no file {path}.")
    if kind == "parquet":
        if packed:
            raise QueryError(f"{path.name}: Parquet is already compressed; .gz and .zst are not supported.")
        parquet = _parquet(path, columns)
        return Source(lambda given: _in_a_thread(given, parquet), total=parquet.total)
    if kind == "csv":
        return Source(lambda given: _in_a_thread(given, _Csv(path, packed, kinds(), columns)))
    if kind == "json":
        return Source(lambda given: _in_a_thread(given, _Json(path, packed, columns)))
    return Source(lambda given: _in_a_thread(given, _Lines(path, packed, columns)))


async def _in_a_thread(given: Source, reader: _Reader) -> AsyncIterator[list[Any]]:
    try:
        while rows := await asyncio.to_thread(reader.read):
            given.total = reader.total
            yield rows
        given.total = reader.given
    finally:
        reader.close()


class _Reader:
    """Reads a file piece by piece."""

    name = ""
    total: int | None = None
    """How many rows there seem to be."""
    given = 0
    rows: Iterator[Any]

    def read(self) -> list[Any]:
        """The next rows; none at the end."""
        try:
            rows = list(itertools.islice(self.rows, SLICE))
        except csv.Error as error:
            raise QueryError(
                f"{self.name} can't be read beyond row {self.given}: {error}. Is there a quote that is never closed?"
            ) from None
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise QueryError(f"{self.name} can't be read beyond row {self.given}: {error}.") from None
        self.given += len(rows)
        self._estimate()
        return rows

    def _estimate(self) -> None:
        return

    def close(self) -> None:
        return


class _TextFile(_Reader):
    def __init__(self, path: Path, packed: str) -> None:
        self.name = path.name
        self._size = path.stat().st_size
        self._raw = path.open("rb")
        try:
            self._file = _unpacked(self._raw, packed, path)
        except BaseException:
            self._raw.close()
            raise

    def _check_encoding(self) -> None:
        if self._file.peek(2)[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise QueryError(f"{self.name} is UTF-16: save it as UTF-8.")

    def _estimate(self) -> None:
        # How far it is in the file as it lies on the disk, packed or not.
        read = self._raw.tell()
        self.total = round(self.given * self._size / read) if read else None

    def close(self) -> None:
        self._file.close()
        self._raw.close()


class _Lines(_TextFile):
    def __init__(self, path: Path, packed: str, columns: Mapping[str, str]) -> None:
        super().__init__(path, packed)
        rows = self._all()
        self.rows = (_renamed(row, columns) for row in rows) if columns else rows

    def _all(self) -> Iterator[Any]:
        self._check_encoding()
        first = self._file.readline().removeprefix(_MARK)
        yield from (_parsed(line) for line in itertools.chain([first], self._file) if line.strip())


class _Json(_TextFile):
    """One array of rows. It is read whole."""

    def __init__(self, path: Path, packed: str, columns: Mapping[str, str]) -> None:
        super().__init__(path, packed)
        self._path = path
        rows = self._members()
        self.rows = (_renamed(row, columns) for row in rows) if columns else rows

    def _members(self) -> Iterator[Any]:
        self._check_encoding()
        try:
            found = orjson.loads(self._file.read().removeprefix(_MARK))
        except orjson.JSONDecodeError as error:
            raise QueryError(f"{self._path.name} is not JSON: {error}. For one row per line use .ndjson.") from None
        if not isinstance(found, list):
            raise QueryError(f"{self._path.name} must contain a list of rows; for one row per line use .ndjson.")
        yield from found


class _Csv(_TextFile):
    def __init__(self, path: Path, packed: str, kinds: Mapping[str, str], columns: Mapping[str, str]) -> None:
        super().__init__(path, packed)
        self.rows = self._all(path, kinds, columns)

    def _all(self, path: Path, kinds: Mapping[str, str], columns: Mapping[str, str]) -> Iterator[Any]:
        # What is no UTF-8 becomes lone surrogates, which are refused row by row.
        self._check_encoding()
        text = io.TextIOWrapper(io.BufferedReader(_Raw(self._file)), "utf-8-sig", "surrogateescape", newline="")
        head = text.readline()
        delimiter = "\t" if self.name.lower().partition(".")[2].startswith("tsv") else _delimiter(head)
        if csv.field_size_limit() < _LONGEST_CELL:
            # It holds for the whole process, and so is only ever raised.
            csv.field_size_limit(_LONGEST_CELL)
        lines = _Counted(itertools.chain([head] if head else [], text))
        rows = csv.reader(lines, delimiter=delimiter)
        names = [name.strip() for name in next(rows, [])]
        lines.taken = 0
        if not names:
            raise QueryError(f"{self.name} is empty: its first line must have the column names.")
        kept = _kept(names, columns, path) if columns else None
        try:
            wanted = names if kept is None else [columns.get(names[place], names[place]) for place in kept]
            found = Columns(wanted, kinds)
        except QueryError as error:
            raise QueryError(f"{self.name}: {error}") from None
        for cells in rows:
            taken, lines.taken = lines.taken, 0
            if not cells:
                continue
            if lines.over:
                # Only a cell in quotes makes the reader go beyond the last line.
                yield Unreadable(
                    ",".join(cells), f"it has a quote that is never closed, so it takes up the last {taken} lines"
                )
                continue
            if len(cells) > len(names):
                yield Unreadable(",".join(cells), f"it has {len(cells)} cells, but there are {len(names)} columns")
                continue
            if kept is not None:
                cells = [cells[place] if place < len(cells) else "" for place in kept]
            yield found.text_row(cells)


class _Counted:
    """Lines, how many of them were taken, and whether somebody wanted more."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.taken = 0
        self.over = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        for line in self._lines:
            self.taken += 1
            return line
        self.over = True
        raise StopIteration


class _Raw(io.RawIOBase):
    """A file whose end doesn't close it: the text around it may be collected before."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Parquet(_Reader):
    def __init__(self, file: Any, path: Path, columns: Mapping[str, str]) -> None:
        self._file = file
        self.total = file.metadata.num_rows
        names = file.schema_arrow.names
        try:
            wanted = [names[place] for place in _kept(names, columns, path)] if columns else None
        except QueryError:
            file.close()
            raise
        self.rows = of_batches(file.iter_batches(batch_size=SLICE, columns=wanted), columns)

    def close(self) -> None:
        self._file.close()


def _kept(names: Sequence[str], columns: Mapping[str, str], path: Path) -> list[int]:
    """The places of the columns that aren't mapped to nothing. Raises `QueryError` for a mapped column that isn't there."""
    for name in columns:
        if name not in names:
            raise QueryError(f"{path.name} has no column {name!r}{nearest(name, names)}")
    return [place for place, name in enumerate(names) if columns.get(name) != ""]


def _renamed(row: Any, columns: Mapping[str, str]) -> Any:
    if not isinstance(row, dict):
        return row
    return nested({columns.get(name, name): value for name, value in row.items() if columns.get(name) != ""})


def _parquet(path: Path, columns: Mapping[str, str]) -> _Parquet:
    need_pyarrow(f"{path.name}: Parquet")
    parquet = import_module("pyarrow.parquet")
    try:
        file = parquet.ParquetFile(path)
    except (OSError, ValueError) as error:  # pyarrow's own errors are ValueErrors
        raise QueryError(f"{path.name} is not a Parquet file: {error}.") from None
    return _Parquet(file, path, columns)


def _parsed(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return Unreadable(line.decode("utf-8", "replace").strip(), f"the line is not JSON: {error}")


def _delimiter(head: str) -> str:
    return max(",;\t", key=lambda mark: (head.count(mark), mark == ","))


def _unpacked(file: Any, packed: str, path: Path) -> Any:
    if packed == ".gz":
        return gzip.GzipFile(fileobj=file)
    if packed == ".zst":
        return io.BufferedReader(_Zst(file, path))
    return file


class _Zst(io.RawIOBase):
    """A file that zstd has compressed, of one frame or several; an EOFError where it was cut off."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file = file
        self._frame: Any = None
        self._packed = self._found = b""
        try:
            self._module = import_module("compression.zstd")  # of Python from 3.14 on
            self._begin = self._module.ZstdDecompressor
        except ImportError:
            try:
                self._module = import_module("zstandard")
            except ImportError:
                raise ConfigurationError(f"{path.name}: .zst needs zstandard: pip install zstandard.") from None
            # Its own reader takes a file that was cut off for one that is at its end.
            self._begin = self._module.ZstdDecompressor().decompressobj

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._found:
            packed = self._packed or self._file.read(_PACKED_BYTES)
            if not packed:
                if self._frame is not None:
                    raise EOFError("it was cut off")
                return 0
            self._frame = self._frame or self._begin()
            try:
                self._found = self._frame.decompress(packed)
            except self._module.ZstdError as error:
                raise EOFError(str(error)) from None
            self._packed = b""
            if self._frame.eof:
                self._packed, self._frame = self._frame.unused_data, None
        data, self._found = self._found[: len(buffer)], self._found[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)
