"""multipart/form-data bodies that stream: a file is read in chunks, in a thread, and opened anew for each attempt."""

from __future__ import annotations

import asyncio
import io
import mimetypes
import os
import secrets
from pathlib import Path, PurePath
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from aiohttp.payload import Payload as AiohttpPayload

from klaviyo_async.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from aiohttp.abc import AbstractStreamWriter

__all__ = ["FileInput", "Multipart"]

FileInput: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes]
"""A file to upload: its path, its content, or an object that is open for reading bytes."""

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
    """The file of a form: says its name, type and size, and opens for each attempt."""

    __slots__ = ("content_type", "filename", "replayable", "size", "source", "start")

    def __init__(self, source: Any, name: str | None) -> None:
        self.start = 0
        self.replayable = True
        self.size: int | None
        head = b""
        own_name: str | None = None
        if isinstance(source, bytes | bytearray | memoryview):
            source = bytes(source)
            self.size = len(source)
            head = source[:16]
        elif isinstance(source, str | os.PathLike):
            source = Path(source)
            try:
                if not source.is_file():
                    raise QueryError(f"file: there is no file {str(source)!r}. Give the path of a file, or its bytes.")
                self.size = source.stat().st_size
            except (OSError, ValueError) as error:
                if isinstance(error, QueryError):
                    raise
                raise QueryError(f"file: {str(source)!r} can't be read: {error}.") from None
            own_name = source.name
        elif hasattr(source, "read") and not isinstance(source, type):
            self.size = self._measure(source)
            named = getattr(source, "name", None)
            own_name = PurePath(named).name if isinstance(named, str) else None
        else:
            raise QueryError(f"file: a path, bytes or a binary file object is wanted, not {type(source).__name__}.")
        self.source: Any = source
        kind, suffix = next(((kind, suffix) for magic, kind, suffix in _SIGNATURES if head.startswith(magic)), ("", ""))
        if own_name is None and suffix:
            # Bytes have no name of their own; what they are can be seen.
            stem = name or "image"
            own_name = stem if stem.endswith("." + suffix) else f"{stem}.{suffix}"
        self.filename = own_name or name or "file"
        self.content_type = kind or mimetypes.guess_type(self.filename)[0] or "application/octet-stream"

    def _measure(self, source: Any) -> int | None:
        if isinstance(source, io.TextIOBase) or "b" not in getattr(source, "mode", "b"):
            raise QueryError('file: it is open as text. Open it for bytes: open(path, "rb").')
        if getattr(source, "closed", False):
            raise QueryError("file: it is closed already. Give an open one, or its path.")
        try:
            self.start = source.tell()
            end = source.seek(0, os.SEEK_END)
            source.seek(self.start)
        except (AttributeError, OSError, ValueError):
            # A pipe, for instance: it can be sent once, with a length that nobody knows before.
            self.replayable = False
            return None
        return end - self.start if isinstance(end, int) else None

    async def open(self) -> Any:
        """An object to read from, at its start."""
        if isinstance(self.source, bytes):
            return io.BytesIO(self.source)
        if isinstance(self.source, Path):
            return await asyncio.to_thread(self.source.open, "rb")
        if self.replayable:
            await asyncio.to_thread(self.source.seek, self.start)
        return self.source

    async def chunks(self) -> AsyncIterator[bytes]:
        file = await self.open()
        try:
            while chunk := await asyncio.to_thread(file.read, _CHUNK):
                if not isinstance(chunk, bytes):
                    raise QueryError(f"file: read() gave {type(chunk).__name__}, not bytes.")
                yield chunk
        finally:
            # What the caller opened stays the caller's.
            if file is not self.source:
                file.close()


class Multipart:
    """A form with text fields and one file. `payload()` gives a fresh aiohttp payload for each attempt."""

    __slots__ = ("_file", "_head", "_started", "_tail", "boundary")

    def __init__(self, file_field: str, file: FileInput, fields: Sequence[tuple[str, str]] = ()) -> None:
        """`fields` are name and text of the other fields, sent before the file.

        Raises `QueryError` where the file is missing, closed or open as text.
        """
        self.boundary = "klaviyo-async-" + secrets.token_hex(16)
        self._started = False
        self._file = _File(file, dict(fields).get("name"))
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
            raise QueryError("A form field has a lone surrogate, which no encoding can send.") from None
        self._tail = f"\r\n--{self.boundary}--\r\n".encode()

    @property
    def content_type(self) -> str:
        """Content-Type of the whole body, boundary included."""
        return f"multipart/form-data; boundary={self.boundary}"

    @property
    def size(self) -> int | None:
        """Bytes of the whole body; None where the file can't say (a pipe)."""
        return None if self._file.size is None else len(self._head) + self._file.size + len(self._tail)

    @property
    def replayable(self) -> bool:
        """Whether the body can be sent once more: not where its file can't go back to its start."""
        return self._file.replayable or not self._started

    async def stream(self) -> AsyncIterator[bytes]:
        """The bytes of the body. Raises `QueryError` at a second attempt with a file that can't be read again."""
        if not self.replayable:
            raise QueryError(
                "file: it was read by the first attempt and can't go back to its start. Give a path or bytes to have "
                "the upload retried."
            )
        self._started = True
        yield self._head
        async for chunk in self._file.chunks():
            yield chunk
        yield self._tail

    def payload(self) -> AiohttpPayload:
        """An aiohttp payload for one attempt, to be given as `data`; sets Content-Type and, where known, the length."""
        return _MultipartPayload(self)

    def __repr__(self) -> str:
        return f"Multipart({self._file.filename!r}, {self._file.content_type}, {self.size} bytes)"


class _MultipartPayload(AiohttpPayload):
    """One sending of a `Multipart`."""

    _autoclose = True

    def __init__(self, value: Multipart) -> None:
        super().__init__(value, content_type=value.content_type)
        self._size = value.size

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:  # noqa: ARG002 - aiohttp's signature
        raise TypeError("A streamed form has no text form.")

    async def write(self, writer: AbstractStreamWriter) -> None:
        async for chunk in self._value.stream():
            await writer.write(chunk)
