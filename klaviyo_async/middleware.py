"""What middlewares are given and give back: `Request` and `Response`, immutable values."""

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
    """The body of an upload, which is read while it is sent."""

    @property
    @abstractmethod
    def content_type(self) -> str:
        """Its media type, the boundary of a form included."""

    @property
    @abstractmethod
    def size(self) -> int | None:
        """Its length in bytes; None where that isn't known before the end, as of a pipe."""

    @property
    @abstractmethod
    def replayable(self) -> bool:
        """Whether it can be sent once more."""

    @abstractmethod
    def stream(self) -> AsyncIterator[bytes]:
        """Its bytes, from the start."""


def _headers(items: Mapping[str, str]) -> Headers:
    return items if isinstance(items, Headers) else Headers(items)


def _shown_body(body: object) -> str:
    # Bodies hold personal data and may be megabytes.
    return "None" if body is None else f"<{len(body)} bytes>" if isinstance(body, bytes) else f"<{type(body).__name__}>"


@frozen(kw_only=True)
class Request:
    """One attempt at a request, as a middleware sees it.

    The credential is not in it: it is added behind the last middleware, and only where `url` is on the client's own
    origin. A middleware that sets an ``Authorization`` header of its own has its way.
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
    """Seconds that the call has waited so far, for the limiter and between attempts."""

    def replace(self, **changes: Any) -> Request:
        """A copy with these attributes changed: ``request.replace(headers={**request.headers, "X-Trace": "1"})``."""
        return evolve(self, **changes)


@frozen(kw_only=True)
class Response:
    """The response to one attempt; one with 4xx or 5xx is a response like any other."""

    status: int
    headers: Headers = field(converter=_headers, factory=Headers)
    body: bytes = field(default=b"", repr=_shown_body)

    @property
    def request_id(self) -> str | None:
        """Klaviyo's id of the request, for its support."""
        return self.headers.get("X-Klaviyo-Req-Id")

    def json(self) -> Any:
        """The body as JSON. Raises ValueError where it isn't JSON."""
        return json.loads(self.body)

    def replace(self, **changes: Any) -> Response:
        """A copy with these attributes changed."""
        return evolve(self, **changes)


CallNext: TypeAlias = "Callable[[Request], Awaitable[Response]]"
"""What a middleware gets to call: the next middleware, or the request itself."""
Middleware: TypeAlias = "Callable[[Request, CallNext], Awaitable[Response]]"
"""``async def middleware(request, call_next)``."""
