"""One sending of a request: its parameters, how far it got, and the consequence for its permit."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import aiohttp

    from klaviyo_async._http.credential import Credential
    from klaviyo_async.headers import Headers
    from klaviyo_async.limiter.base import Permit


class Sending:
    """What both paths need besides the request itself. Settles the permit, once."""

    __slots__ = ("_permit", "credential", "headers", "limit", "sent", "status", "times")

    def __init__(self, permit: Permit, credential: Credential | None, times: aiohttp.ClientTimeout, limit: int) -> None:
        """`limit` is the maximum size of a success body in bytes."""
        self._permit: Permit | None = permit
        self.credential = credential
        self.times = times
        self.limit = limit
        self.sent: bool | None = None
        """Whether the request was written; None while unknown, as with a mocked session."""

    def answered(self, status: int, headers: Headers) -> None:
        """A response was received: the server has counted the request, whatever happens to the body."""
        self.status = status
        self.headers = headers
        permit, self._permit = self._permit, None
        if permit is not None:
            permit.answered(status, headers)

    def ended(self, sent: bool | None) -> None:
        """No response was received. If it is unknown whether the request was sent, the server may have counted it."""
        permit, self._permit = self._permit, None
        if permit is not None:
            permit.unsent() if sent is False else permit.lost()
