"""The file that an export writes: under another name until it is complete, then renamed; or appended to, if it grows."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import orjson

from klaviyo_async.bulk._export.atomic import rename, sync_folder
from klaviyo_async.bulk._export.columns import Layout
from klaviyo_async.bulk._export.formats import Csv, Ndjson, Parquet, Writer, header_of, packer
from klaviyo_async.bulk._import.columns import need_pyarrow
from klaviyo_async.errors import CheckpointError, ConfigurationError, QueryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from os import PathLike

    from klaviyo_async.bulk._export.source import Source

_KINDS = {".ndjson": "ndjson", ".jsonl": "ndjson", ".csv": "csv", ".parquet": "parquet"}
_PACKED = (".gz", ".zst")
_SLICE = 2_000


class Output:
    """A file to be written, in the format given by its name. Its methods block: they run in a thread, one at a time.

    Records go to ``NAME.partial`` beside it, which a crash leaves behind and the next run continues. If the export has a
    checkpoint and the format can't be truncated and continued, the partial file is NDJSON, and converted at the end.
    """

    def __init__(self, path: str | PathLike[str], source: Source, *, resumable: bool, growing: bool) -> None:
        self.path = Path(path)
        suffixes = [suffix.lower() for suffix in self.path.suffixes]
        self._packed = suffixes.pop() if suffixes and suffixes[-1] in _PACKED else ""
        kind = _KINDS.get(suffixes[-1]) if suffixes else None
        if kind is None:
            raise QueryError(
                f"{self.path.name}: the name must end in {', '.join(_KINDS)}; all but the last may be followed by .gz or .zst."
            )
        if kind == "parquet":
            if self._packed:
                raise QueryError(f"{self.path.name}: Parquet is already compressed; .gz and .zst are not supported.")
            need_pyarrow(self.path.name)
        if not self.path.parent.is_dir():
            raise QueryError(f"{self.path}: there is no folder {self.path.parent}.")
        self._kind = kind
        self._growing = growing
        self._layout = Layout(source.operation, source.params)
        self._spooled = resumable and (kind != "ndjson" or bool(self._packed))
        self._resumable = resumable
        self._partial = self.path.with_name(f"{self.path.name}.partial")
        self._file: IO[bytes] | None = None
        self._pack: Any = None
        self._writer: Writer | None = None

    def check_growth(self, size: int | None, intended: int | None) -> None:
        """Whether a growing export can be appended to the file: `size` is what the last run left, `intended` what a run
        that was interrupted while it appended had begun from."""
        if not self._growing or not self.path.exists():
            return
        if self._kind == "parquet" or self._packed == ".zst":
            raise ConfigurationError(
                f"{self.path} exists, and can't be appended to: give each run its own file, with the date in its name."
            )
        if intended is not None:
            with self.path.open("r+b") as file:
                file.truncate(intended)
        elif size != self.path.stat().st_size:
            raise ConfigurationError(
                f"{self.path} has changed since the last run, so nothing is appended. Use another file for the export."
            )
        if self._kind == "csv" and size:
            with import_gzip(self.path) if self._packed else self.path.open("rb") as file:
                if file.readline() != header_of(self._layout):
                    raise ConfigurationError(f"{self.path} has different columns than this export: use another file.")

    @property
    def appended_to(self) -> int | None:
        """Bytes that the file has already where it is appended to; None where it will be a new one."""
        return self.path.stat().st_size if self._growing and self.path.exists() else None

    def open(self, offset: int | None = None) -> None:
        """Begin, or go on behind so many bytes. Raises `ConfigurationError` where another process writes it."""
        if offset and not self._partial.exists():
            raise CheckpointError(
                f"{self._partial} is gone, but the checkpoint refers to it: delete the checkpoint to start again."
            )
        self._file = self._partial.open("r+b" if self._partial.exists() else "w+b")
        if not _lock(self._file):
            self._file.close()
            self._file = None
            raise ConfigurationError(f"{self.path} is being written by another process.")
        self._file.truncate(offset or 0)
        self._file.seek(0, os.SEEK_END)
        if self._spooled or (self._kind == "ndjson" and not self._packed):
            self._writer = Ndjson(self._file)
        else:
            self._writer = self._format(self._file)

    def _format(self, file: IO[bytes]) -> Writer:
        if self._packed:
            self._pack = file = packer(self._packed, file)
        if self._kind == "ndjson":
            return Ndjson(file)
        return (
            Csv(file, self._layout, header=self.appended_to in (None, 0))
            if self._kind == "csv"
            else Parquet(file, self._layout)
        )

    def write(self, records: Sequence[Any], *, sync: bool) -> int:
        """Write records; with `sync` they are on disk then. Gives the bytes so far."""
        if self._writer is None or self._file is None:
            raise RuntimeError("the output is not open")
        self._writer.write(records)
        if sync:
            self._file.flush()
            os.fsync(self._file.fileno())
        return self._file.tell()

    def finish(self) -> int:
        """Complete the file and give it its name, or append it. Gives the size of the file."""
        partial, file = self._partial, self._file
        if self._writer is None or file is None:
            raise RuntimeError("the output is not open")
        if self._spooled:
            made = self.path.with_name(f"{self.path.name}.made")
            with made.open("wb") as converted:
                self._writer = self._format(converted)
                file.flush()
                for records in _lines(partial):
                    self._writer.write(records)
                self._close_format(converted)
            self._name(made)
            file.close()
            partial.unlink()
        else:
            self._close_format(file)
            file.close()
            self._name(partial)
        self._file = None
        return self.path.stat().st_size

    def _close_format(self, file: IO[bytes]) -> None:
        if self._writer is not None:
            self._writer.finish()
        if self._pack is not None:
            self._pack.close()
            self._pack = None
        file.flush()
        os.fsync(file.fileno())

    def _name(self, made: Path) -> None:
        if self.appended_to is None:
            rename(made, self.path)
            return
        with made.open("rb") as new, self.path.open("ab") as file:
            shutil.copyfileobj(new, file)
            file.flush()
            os.fsync(file.fileno())
        made.unlink()
        sync_folder(self.path.parent)

    @property
    def complete(self) -> bool:
        """Whether the file has its name already: its partial one is gone."""
        return self.path.exists() and not self._partial.exists()

    def abort(self) -> None:
        """Give up. What a checkpoint goes on with stays."""
        file, self._file = self._file, None
        if file is None:
            return
        self._pack = self._writer = None
        with contextlib.suppress(OSError):
            file.close()
        if not self._resumable:
            self._partial.unlink(missing_ok=True)


def import_gzip(path: Path) -> Any:
    """A gzip file, opened for reading."""
    import gzip  # noqa: PLC0415 - rarely needed

    return gzip.open(path, "rb")


def _lines(path: Path) -> Iterator[list[Any]]:
    with path.open("rb") as file:
        held: list[Any] = []
        for line in file:
            held.append(orjson.loads(line))
            if len(held) == _SLICE:
                yield held
                held = []
        yield held


def _lock(file: IO[bytes]) -> bool:
    """Lock the file for this process: it goes with the process, however that ends."""
    try:
        import fcntl  # noqa: PLC0415 - not on Windows
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
