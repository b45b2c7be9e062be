"""One attempt on the wire: which path it takes, how its permit is settled, and what a failure means."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import aiohttp
from yarl import URL

from klaviyo_async._http import usual
from klaviyo_async._http.bodies import TooLarge
from klaviyo_async._http.connections import Connections
from klaviyo_async._http.direct import Direct
from klaviyo_async._http.failures import NOT_CONNECTED, translated, was_sent
from klaviyo_async._http.sending import Sending
from klaviyo_async.errors import DecodeError

if TYPE_CHECKING:
    from klaviyo_async._http.credential import Credential
    from klaviyo_async.limiter.base import Permit
    from klaviyo_async.middleware import Request, Response
    from klaviyo_async.options import Settings

CONNECT: Final = 10.0
"""Seconds that establishing a connection may take, if `timeout` is longer."""

DIRECT = os.environ.get("KLAVIYO_ASYNC_DIRECT", "1") != "0"
"""Whether ordinary requests take the direct path; KLAVIYO_ASYNC_DIRECT=0 sends all of them through `ClientSession.request`."""


class Transport:
    """Sends attempts to one origin."""

    def __init__(self, session: aiohttp.ClientSession | None, origin: str) -> None:
        self.connections: Connections = Connections(session)
        self._origin = origin
        self._direct: Direct | None = None
        self._looked_at: aiohttp.ClientSession | None = None

    async def send(
        self, request: Request, credential: Credential | None, settings: Settings, permit: Permit
    ) -> Response:
        """One attempt; settles the permit, whatever happens.

        Raises `RequestTimeout` or `ConnectionFailed`, whose `sent` says what is known, and `DecodeError` for a success
        that is too large. If it is cancelled at any point, it leaves neither an open connection nor an unsettled permit.
        """
        sending = Sending(permit, credential, timeout_of(settings.timeout), settings.max_response_bytes)
        sent: bool | None = False
        failure: Exception
        try:
            session = self.connections.session()
            direct = self._way(session)
            head = None if direct is None else direct.head(request)
            sent = None
            if direct is not None and head is not None:
                return await direct.send(request, head, sending)
            return await usual.send(session, request, sending)
        except Exception as error:  # noqa: BLE001 - every failure becomes one of ours below, outside of this block
            if isinstance(error.__context__, GeneratorExit):
                # The call was closed in flight, and something on the way out lacked its loop or its context.
                sending.ended(sending.sent)
                raise GeneratorExit from None
            failure = error
        except BaseException:  # a cancellation, or the end of the loop
            sending.ended(sending.sent)
            raise
        if sent is None:
            sent = was_sent(failure) if sending.sent is None else sending.sent
        sending.ended(sent)
        if isinstance(failure, NOT_CONNECTED):
            self.connections.forget_address(URL(request.url, encoded=True).raw_host)
        if isinstance(failure, TooLarge):
            raise _too_large(request.operation.name, failure, sending)
        try:
            # Raised out here so that aiohttp's exception, which may contain the request's headers, is neither chained
            # automatically nor left in this frame.
            raise translated(failure, request, sent, sending.times)
        finally:
            del failure

    def _way(self, session: aiohttp.ClientSession) -> Direct | None:
        """The direct path through this session; None if it must be the usual one."""
        if not DIRECT:
            return None
        if session is not self._looked_at:
            self._direct = Direct.of(session, self._origin)
            self._looked_at = session
        return self._direct

    async def close(self) -> None:
        """Close the connections; the caller's session is left alone."""
        self._direct = self._looked_at = None
        await self.connections.close()


def _too_large(operation: str, failure: TooLarge, sending: Sending) -> DecodeError:
    return DecodeError(
        operation,
        status=sending.status,
        headers=sending.headers,
        body=failure.start,
        over=failure.limit,
    )


@lru_cache(maxsize=64)  # 1.3 µs, more than 1 % of a call
def timeout_of(timeout: float | aiohttp.ClientTimeout) -> aiohttp.ClientTimeout:
    """`timeout` in aiohttp's terms: the seconds cover the whole attempt, of which connecting gets a share."""
    if isinstance(timeout, aiohttp.ClientTimeout):
        return timeout
    return aiohttp.ClientTimeout(total=timeout, sock_connect=min(timeout, CONNECT))
