"""Every request that the fake got, decoded, and the status of each response."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Any

import orjson
from attrs import define, field, frozen

from klaviyo_async.testing import bodies
from klaviyo_async.testing.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEPT_REQUESTS = 100_000
_KEPT_BYTES = 64_000_000
_KEPT_ANSWERS = 500
CHECKS: Mapping[str, str] = {
    "path": "there is such an operation",
    "key": "the key or token is right",
    "revision": "the revision is one",
    "limits": "the rate limits allow it",
    "scopes": "the key has the scopes",
    "query": "query and filters fit the operation",
    "body": "the body fits its schema and caps",
}
"""What a request is checked for, in this order, and what it means to pass."""


@frozen
class Answer:
    """What the fake responded."""

    headers: Mapping[str, str]
    content: bytes


@define(kw_only=True)
class RecordedRequest:
    """A request that the fake got."""

    operation: str | None
    """Name of the operation (``oauth_token`` and the like for those paths); None where the path is none of the API's."""
    method: str
    path: str
    """Raw path, percent-encoded as it came."""
    arguments: tuple[str, ...]
    """Path arguments, decoded."""
    parameters: Mapping[str, str]
    """Query parameters, decoded; of a repeated one the last."""
    headers: Mapping[str, str]
    """Headers, of any case."""
    status: int
    """Status of the response; 0 if the connection was broken instead."""
    content: bytes = field(repr=False)
    """The body as it came; emptied for old requests once 64 MB of bodies are kept."""
    number: int = 0
    """Counts all requests of the fake, from 1."""
    at: float = 0.0
    """When it came, in seconds since the epoch by the fake's clock."""
    seconds: float = 0.0
    """How long the response took."""
    passed: tuple[str, ...] = ()
    """The checks that it passed, in order: ``path``, ``key``, ``revision``, ``limits``, ``scopes``, ``query``, ``body``."""
    refused: bool = False
    """Whether the next check after those refused it."""
    fault: bool = False
    """Whether a planned fault struck it."""
    answer: Answer | None = field(default=None, repr=False)
    """The response, kept for the latest requests of a fake with a window."""

    @property
    def body(self) -> Any:
        """The decoded body: JSON, or the fields of a form; bytes if it is neither, None if it is empty."""
        if not self.content:
            return None
        content_type = self.headers.get("Content-Type", "")
        try:
            if content_type.startswith("multipart/form-data"):
                return bodies.form(content_type, self.content)
            return orjson.loads(self.content)
        except (orjson.JSONDecodeError, Problem):
            return self.content


class Recorder:
    """Keeps the last hundred thousand requests and the last 64 MB of their bodies."""

    def __init__(self) -> None:
        self.requests: list[RecordedRequest] = []
        self.responses: Counter[int] = Counter()
        """Status → how many responses had it."""
        self.count: int = 0
        """All requests so far."""
        self.keeps_answers = False
        """Whether the answers of the latest requests are kept."""
        self._with_answer: deque[RecordedRequest] = deque()
        self._with_content: deque[RecordedRequest] = deque()
        self._bytes = 0

    def add(self, request: RecordedRequest) -> None:
        """Note one request and its response."""
        self.count += 1
        request.number = self.count
        if request.answer is not None:
            self._with_answer.append(request)
            if len(self._with_answer) > _KEPT_ANSWERS:
                self._with_answer.popleft().answer = None
        if request.status:
            self.responses[request.status] += 1
        if len(self.requests) >= _KEPT_REQUESTS:
            del self.requests[: _KEPT_REQUESTS // 10]
        self.requests.append(request)
        if request.content:
            self._with_content.append(request)
            self._bytes += len(request.content)
            while self._bytes > _KEPT_BYTES and len(self._with_content) > 1:
                oldest = self._with_content.popleft()
                self._bytes -= len(oldest.content)
                oldest.content = b""

    def clear(self) -> None:
        """Forget all."""
        self.requests.clear()
        self.responses.clear()
        self._with_content.clear()
        self._with_answer.clear()
        self._bytes = 0
