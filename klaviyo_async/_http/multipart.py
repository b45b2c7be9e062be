"""A form in the shape that aiohttp sends: streamed, and created for each attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp.payload import Payload

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter

    from klaviyo_async.middleware import StreamedBody


class MultipartPayload(Payload):
    """One sending of a form."""

    _autoclose = True

    def __init__(self, value: StreamedBody) -> None:
        super().__init__(value, content_type=value.content_type)
        self._size = value.size

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:  # noqa: ARG002 - aiohttp's signature
        raise TypeError("A streamed form can't be converted to text.")

    async def write(self, writer: AbstractStreamWriter) -> None:
        async for chunk in self._value.stream():
            await writer.write(chunk)
