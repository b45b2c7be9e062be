"""The usual path of a request: through `ClientSession.request`."""

from __future__ import annotations

import io
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from yarl import URL

from klaviyo_async._http.bodies import ErrorBody, read_success
from klaviyo_async._http.multipart import MultipartPayload
from klaviyo_async.headers import Headers
from klaviyo_async.middleware import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.connector import Connection

    from klaviyo_async._http.credential import Credential
    from klaviyo_async._http.sending import Sending
    from klaviyo_async.middleware import Request

LARGE: Final = 2**20
"""Size of a body above which aiohttp should read it in chunks."""

_current: ContextVar[Sending | None] = ContextVar("klaviyo_async_sending", default=None)


class TrackedRequest(aiohttp.ClientRequest):
    """Records that the request is about to be written, and refuses to be written twice.

    aiohttp resends idempotent requests by itself when a kept-alive connection turns out to be dead. That second request
    would be neither counted by the limiter nor reported as an attempt: retries are up to the session.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        sending = _current.get()
        if sending is not None and sending.sent is None:
            sending.sent = False

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        sending = _current.get()
        if sending is not None and self.method != "CONNECT":
            if sending.sent:
                raise aiohttp.ServerDisconnectedError
            transport = conn.transport
            if transport is not None and not transport.is_closing():
                sending.sent = True
        return await super().send(conn)


async def send(session: aiohttp.ClientSession, request: Request, sending: Sending) -> Response:
    """Send and receive. Raises what aiohttp raises, TimeoutError after the total time, and `TooLarge`."""
    token = _current.set(sending)
    try:
        response = await session.request(
            request.method,
            URL(request.url, encoded=True),
            headers=_headers(request.headers, sending.credential),
            data=_body(request),
            timeout=sending.times,
            allow_redirects=False,
            raise_for_status=False,
            auto_decompress=True,
        )
    finally:
        # A call that is closed in a different context than it ran in can't reset it, and needn't.
        with suppress(ValueError):
            _current.reset(token)
    headers = Headers.of(response.headers)
    sending.answered(response.status, headers)
    try:
        if response.status < 300:
            body = await read_success(response.content, sending.limit)
        else:
            found = ErrorBody()
            await found.read(response.content)
            body = bytes(found)
            if found.whole:
                response.release()
        return Response(status=response.status, headers=headers, body=body)
    finally:
        # Has no effect on a connection that went back to the pool.
        response.close()


def _headers(headers: Headers, credential: Credential | None) -> Mapping[str, str]:
    if credential is None:
        return headers.multi
    items = headers.multi.copy()
    items["Authorization"] = credential.value
    return items


def _body(request: Request) -> Any:
    body = request.body
    if body is None:
        return None
    if isinstance(body, bytes):
        return io.BytesIO(body) if len(body) > LARGE else body
    return MultipartPayload(body)
