"""multipart/form-data bodies that stream: a file is read in chunks, in a thread, and reopened for each attempt.

Problems with the file are `QueryError`s that name it. A missing or closed file raises before anything is sent; so does, while it
is sent, one that can't be read to its end, grows or shrinks.
"""

from __future__ import annotations

import asyncio
import inspect
import io
import mimetypes
import os
import secrets
from pathlib import Path, PurePath
from typing import IO, TYPE_CHECKING, Any, Literal, TypeAlias

from klaviyo_async.errors import Problem, QueryError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

__all__ = ["FileInput", "Multipart"]

FileInput: TypeAlias = (
    str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | io.BufferedIOBase | io.RawIOBase
)
"""A file to upload: its path, its content, or an object opened in binary mode."""

_CHUNK = 1 << 18
_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png", "png"),
    (b"\xff\xd8\xff", "image/jpeg", "jpg"),
    (b"GIF8", "image/gif", "gif"),
    (b"RIFF", "image/webp", "webp"),
)


def _quoted(text: str) -> str:
    # As browsers do it (HTML, multipart/form-data encoding algorithm).
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


class _File:
    """The file of a form: its name, type and size, reopened for each attempt."""

    __slots__ = ("content_type", "filename", "label", "limit", "operation", "replayable", "size", "source", "start")

    def __init__(self, source: Any, name: str | None, operation: str, limit: int | None) -> None:
        self.operation = operation
        self.limit = limit
        self.start = 0
        self.replayable = True
        self.size: int | None
        self.label = "the bytes"
        head = b""
        own_name: str | None = None
        if isinstance(source, bytes | bytearray | memoryview):
            source = bytes(source)
            self.size = len(source)
            head = source[:16]
        elif isinstance(source, str | os.PathLike):
            source = Path(source)
            self.label = repr(str(source))
            self.size = self._size_of(source)
            own_name = source.name
        elif hasattr(source, "read") and not isinstance(source, type):
            named = getattr(source, "name", None)
            own_name = PurePath(named).name if isinstance(named, str) else None
            self.label = f"the file object {own_name!r}" if own_name else "the file object"
            self.size = self._measure(source)
        else:
            raise self.wrong(f"expected a path, bytes or a binary file object, got {type(source).__name__}", "type")
        if limit is not None and self.size is not None and self.size > limit:
            raise self.wrong(f"{self.label} has {self.size:,} bytes, but Klaviyo accepts at most {limit:,}", "range")
        self.source: Any = source
        kind, suffix = next(((kind, suffix) for magic, kind, suffix in _SIGNATURES if head.startswith(magic)), ("", ""))
        if own_name is None and suffix:
            # Bytes have no name; their type can be detected.
            stem = name or "image"
            own_name = stem if stem.endswith("." + suffix) else f"{stem}.{suffix}"
        # On POSIX a name may contain bytes that are not valid text.
        self.filename = (own_name or name or "file").encode(errors="replace").decode()
        self.content_type = kind or mimetypes.guess_type(self.filename)[0] or "application/octet-stream"

    def _size_of(self, path: Path) -> int:
        try:
            if path.is_file():
                return path.stat().st_size
        except (OSError, ValueError) as error:
            raise self.wrong(f"{self.label} can't be read: {error}") from None
        raise self.wrong(f"there is no file {self.label}. Pass the path of a file, or its bytes")

    def _measure(self, source: Any) -> int | None:
        mode = getattr(source, "mode", None)
        binary = isinstance(source, io.BufferedIOBase | io.RawIOBase)  # some of these have a mode without a "b"
        if isinstance(source, io.TextIOBase) or (isinstance(mode, str) and "b" not in mode and not binary):
            raise self.wrong('it is open in text mode. Open it in binary mode: open(path, "rb")')
        if inspect.iscoroutinefunction(source.read):
            raise self.wrong("asynchronous file objects are not supported: pass the path, and it is read in a thread")
        if getattr(source, "closed", False):
            raise self.wrong("it is closed. Pass an open one, or its path")
        try:
            self.start = source.tell()
            end = source.seek(0, os.SEEK_END)
            source.seek(self.start)
        except (AttributeError, OSError, ValueError):
            # A pipe, for instance: it can be sent once, with a length that isn't known in advance.
            self.replayable = False
            return None
        return end - self.start if isinstance(end, int) else None

    async def open(self) -> Any:
        """An object to read from, at its start."""
        if isinstance(self.source, bytes):
            return io.BytesIO(self.source)
        if isinstance(self.source, Path):
            return await self._attempt(self.source.open, "rb")
        if self.replayable:
            await self._attempt(self.source.seek, self.start)
        return self.source

    async def chunks(self) -> AsyncIterator[bytes]:
        """The content. Raises `QueryError` if it can't be read or its size differs from the announced one."""
        file = await self.open()
        sent = 0
        try:
            while chunk := await self._attempt(file.read, _CHUNK):
                if not isinstance(chunk, bytes):
                    raise self.wrong(f"{self.label} returns {type(chunk).__name__}, not bytes")
                sent += len(chunk)
                if self.size is not None and sent > self.size:
                    raise self._changed("grew", f"more than the {self.size:,} bytes that it had before")
                if self.limit is not None and sent > self.limit:
                    raise self.wrong(f"{self.label} has more than the {self.limit:,} bytes that Klaviyo accepts")
                yield chunk
            if self.size is not None and sent < self.size:
                raise self._changed("shrank", f"{sent:,} bytes instead of {self.size:,}")
        finally:
            # A file opened by the caller is left open.
            if file is not self.source:
                file.close()

    async def _attempt(self, read: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return await asyncio.to_thread(read, *arguments)
        except Exception as error:
            # Of any class, since the object is the caller's. Unwrapped it would be mistaken for a failure of the connection.
            reason = str(error) or type(error).__name__
            raise self.wrong(
                f"{self.label} can't be read: {reason}. Klaviyo did not receive the whole request"
            ) from error

    def _changed(self, how: str, what: str) -> QueryError:
        return self.wrong(
            f"{self.label} {how} while it was sent: {what}. Klaviyo did not receive the whole request. Call again when"
            " nothing writes to the file any more"
        )

    def wrong(self, what: str, kind: Literal["range", "type", "value"] = "value") -> QueryError:
        """An error that names the file."""
        problem = Problem("file", what, kind)
        return QueryError(f"{self.operation}: {problem}", operation=self.operation, problems=(problem,))


class Multipart:
    """A form with text fields and one file, streamed for each attempt."""

    __slots__ = ("_file", "_head", "_started", "_tail", "boundary")

    def __init__(
        self,
        file_field: str,
        file: FileInput,
        fields: Sequence[tuple[str, str]] = (),
        *,
        operation: str,
        limit: int | None = None,
    ) -> None:
        """`fields` are name and text of the other fields, sent before the file; `limit` is the maximum size of the file in bytes.

        Raises `QueryError` if the file is missing, closed, open in text mode or too large.
        """
        self.boundary: str = "klaviyo-async-" + secrets.token_hex(16)
        self._started = False
        self._file = _File(file, dict(fields).get("name"), operation, limit)
        parts = [
            f'--{self.boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"\r\n\r\n{text}\r\n'
            for name, text in fields
        ]
        parts.append(
            f"--{self.boundary}\r\n"
            f'Content-Disposition: form-data; name="{_quoted(file_field)}"; filename="{_quoted(self._file.filename)}"\r\n'
            f"Content-Type: {self._file.content_type}\r\n\r\n"
        )
        try:
            self._head = "".join(parts).encode()
        except UnicodeEncodeError:
            problem = Problem("", "a form field has a lone surrogate, which no encoding can send")
            raise QueryError(f"{operation}: {problem}", operation=operation, problems=(problem,)) from None
        self._tail = f"\r\n--{self.boundary}--\r\n".encode()

    @property
    def content_type(self) -> str:
        """Content-Type of the whole body, including the boundary."""
        return f"multipart/form-data; boundary={self.boundary}"

    @property
    def size(self) -> int | None:
        """Size of the whole body in bytes; None if the file doesn't know it (a pipe)."""
        return None if self._file.size is None else len(self._head) + self._file.size + len(self._tail)

    @property
    def replayable(self) -> bool:
        """Whether the body can be sent again: not if its file can't be rewound."""
        return self._file.replayable or not self._started

    async def stream(self) -> AsyncIterator[bytes]:
        """The bytes of the body. Raises `QueryError` on a second attempt with a file that can't be read again."""
        if not self.replayable:
            raise self._file.wrong(
                f"{self._file.label} was read by the first attempt and can't be rewound. Pass a path or bytes to"
                " have the upload retried"
            )
        self._started = True
        yield self._head
        async for chunk in self._file.chunks():
            yield chunk
        yield self._tail

    def __repr__(self) -> str:
        return f"Multipart({self._file.filename!r}, {self._file.content_type}, {self.size} bytes)"
