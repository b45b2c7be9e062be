"""Reads the body of a response, with size limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from aiohttp import StreamReader

ERROR_BYTES = 2**20
"""Bytes of an error's body that are kept."""


class TooLarge(Exception):  # noqa: N818 - never seen outside of the transport
    """The body of a success exceeds the limit."""

    def __init__(self, start: bytes, limit: int) -> None:
        super().__init__()
        self.start = start
        self.limit = limit


async def read_success(content: StreamReader, limit: int) -> bytes:
    """The whole body. Raises `TooLarge` as soon as it exceeds `limit` bytes, after decompression."""
    if content.is_eof():
        # All of it arrived with the headers: nothing to wait for.
        body = content.read_nowait()
        if len(body) > limit:
            raise TooLarge(body[:ERROR_BYTES], limit)
        return body
    chunks: list[bytes] = []
    size = 0
    while chunk := await content.readany():
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            raise TooLarge(b"".join(chunks)[:ERROR_BYTES], limit)
    return b"".join(chunks)


class ErrorBody:
    """The body of an error, as far as it can be read: the status counts even if the body is endless, truncated or broken."""

    __slots__ = ("_chunks", "_size", "whole")

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._size = 0
        self.whole = False
        """Whether it was read to its end, so that the connection can be reused."""

    async def read(self, content: StreamReader) -> None:
        """Read up to a megabyte; a connection failure ends it like the end of the body."""
        try:
            while self._size < ERROR_BYTES:
                chunk = await content.readany()
                if not chunk:
                    self.whole = True
                    return
                self._chunks.append(chunk)
                self._size += len(chunk)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return

    def __bytes__(self) -> bytes:
        return b"".join(self._chunks)[:ERROR_BYTES]
