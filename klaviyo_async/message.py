"""The immutable values that travel through the middlewares: `Request`, `Response`, and `Http`, what is left of both."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from attrs import evolve, field
from multidict import CIMultiDict

from klaviyo_async.record import frozen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from multidict import CIMultiDictProxy

    from klaviyo_async.multipart import Multipart
    from klaviyo_async.operation import Operation

_SECRET = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})


class Headers(Mapping[str, str]):
    """HTTP headers: read-only, names in any case, secrets blacked out in the `repr`."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        self._items: CIMultiDict[str] | CIMultiDictProxy[str]
        if isinstance(items, Headers):
            self._items = items._items
        elif isinstance(items, Mapping):
            self._items = CIMultiDict()
            for name, value in cast("Mapping[str, str]", items).items():
                # Of two spellings of one name the later wins, as in a plain mapping with one key.
                self._items[name] = value
        else:
            self._items = CIMultiDict(items)

    @classmethod
    def of(cls, items: CIMultiDict[str] | CIMultiDictProxy[str]) -> Headers:
        """Wrap headers that nobody changes any more, without a copy."""
        headers = cls.__new__(cls)
        headers._items = items
        return headers

    def __getitem__(self, name: str) -> str:
        return self._items[name]

    if not TYPE_CHECKING:  # Mapping's own types are right; this is for speed

        def get(self, name, default=None):  # noqa: ANN001, ANN201
            return self._items.get(name, default)

    def getall(self, name: str) -> list[str]:
        """Every value of a header that came more than once; empty where there is none."""
        return self._items.getall(name, [])

    def __contains__(self, name: object) -> bool:
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(self._items))

    def __len__(self) -> int:
        return len(dict.fromkeys(name.lower() for name in self._items))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Mapping):
            return {k.lower(): v for k, v in self.items()} == {k.lower(): v for k, v in other.items()}
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = ", ".join(f"{k!r}: {'***' if k.lower() in _SECRET else v!r}" for k, v in self._items.items())
        return f"Headers({{{shown}}})"

    def __reduce__(self) -> tuple[Any, ...]:
        # What is written somewhere must not carry a credential or a session cookie along.
        return Headers, ([(str(k), v) for k, v in self._items.items() if k.lower() not in _SECRET],)

    def merged(self, changes: Mapping[str, str]) -> Headers:
        """These headers with `changes` set over them."""
        items = CIMultiDict(self._items)
        for name, value in changes.items():
            items[name] = value
        return Headers.of(items)

    @property
    def multi(self) -> CIMultiDict[str] | CIMultiDictProxy[str]:
        """The multidict inside, for aiohttp."""
        return self._items


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
    body: bytes | Multipart | None = field(default=None, repr=_shown_body)
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
    """The answer to one attempt; 4xx and 5xx are answers like any other."""

    status: int
    headers: Headers = field(converter=_headers, factory=Headers)
    body: bytes = field(default=b"", repr=_shown_body)

    @property
    def request_id(self) -> str | None:
        """Klaviyo's id of the request, for its support."""
        return self.headers.get("X-Klaviyo-Req-Id")

    def json(self) -> Any:
        """The body as JSON. Raises ValueError where it is none."""
        return json.loads(self.body)

    def replace(self, **changes: Any) -> Response:
        """A copy with these attributes changed."""
        return evolve(self, **changes)


@frozen
class Http:
    """How a document came about: `document.http`."""

    status: int
    headers: Headers
    """The answer's headers."""
    request_id: str | None
    """Klaviyo's id of the request, for its support."""
    attempts: int
    """How often the request was sent."""
    waited: float
    """Seconds that the call spent waiting, for the limiter and between attempts."""


CallNext: TypeAlias = "Callable[[Request], Awaitable[Response]]"
"""What a middleware gets to call: the next middleware, or the request itself."""
Middleware: TypeAlias = "Callable[[Request, CallNext], Awaitable[Response]]"
"""``async def middleware(request, call_next)``."""
