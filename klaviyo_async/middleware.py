"""What middlewares receive and return: `Request` and `Response`, immutable values."""

from __future__ import annotations

import json
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from attrs import evolve, field, frozen

from klaviyo_async.headers import Headers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from klaviyo_async.operation import Operation

__all__ = ["CallNext", "Middleware", "Request", "Response", "StreamedBody"]


class StreamedBody(Protocol):
    """The body of an upload, read while it is sent."""

    @property
    @abstractmethod
    def content_type(self) -> str:
        """Its media type, including the boundary of a form."""

    @property
    @abstractmethod
    def size(self) -> int | None:
        """Its length in bytes; None if that isn't known in advance, as for a pipe."""

    @property
    @abstractmethod
    def replayable(self) -> bool:
        """Whether it can be sent again."""

    @abstractmethod
    def stream(self) -> AsyncIterator[bytes]:
        """Its bytes, from the beginning."""


def _headers(items: Mapping[str, str]) -> Headers:
    return items if isinstance(items, Headers) else Headers(items)


def _shown_body(body: object) -> str:
    # Bodies hold personal data and may be megabytes.
    return "None" if body is None else f"<{len(body)} bytes>" if isinstance(body, bytes) else f"<{type(body).__name__}>"


@frozen(kw_only=True)
class Request:
    """One attempt at a request, as a middleware sees it.

    It doesn't contain the credential, which is added after the last middleware, and only if `url` is on the client's own
    origin. A middleware may set its own ``Authorization`` header, which is then used instead.
    """

    method: str
    url: str
    """Absolute and percent-encoded; sent as it is."""
    headers: Headers = field(converter=_headers)
    body: bytes | StreamedBody | None = field(default=None, repr=_shown_body)
    operation: Operation = field(repr=lambda operation: operation.name)
    attempt: int = 1
    """1 for the first attempt of a call, 2 for the first retry."""
    waited: float = 0.0
    """Seconds that the call has waited so far, for rate limits and between attempts."""

    def replace(self, **changes: Any) -> Request:
        """A copy with these attributes changed: ``request.replace(headers={**request.headers, "X-Trace": "1"})``."""
        return evolve(self, **changes)


@frozen(kw_only=True)
class Response:
    """The response to one attempt. A 4xx or 5xx is a response like any other."""

    status: int
    headers: Headers = field(converter=_headers, factory=Headers)
    body: bytes = field(default=b"", repr=_shown_body)

    @property
    def request_id(self) -> str | None:
        """Klaviyo's id for the request, for its support."""
        return self.headers.get("X-Klaviyo-Req-Id")

    def json(self) -> Any:
        """The body as JSON. Raises ValueError if it isn't JSON."""
        return json.loads(self.body)

    def replace(self, **changes: Any) -> Response:
        """A copy with these attributes changed."""
        return evolve(self, **changes)


CallNext: TypeAlias = "Callable[[Request], Awaitable[Response]]"
"""What a middleware calls: the next middleware, or the request itself."""
Middleware: TypeAlias = "Callable[[Request, CallNext], Awaitable[Response]]"
"""``async def middleware(request, call_next)``."""
