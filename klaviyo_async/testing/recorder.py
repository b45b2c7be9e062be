"""Every request that the fake got, decoded, and how each was answered."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Any

import orjson
from attrs import define, field

from klaviyo_async.testing import bodies
from klaviyo_async.testing.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEPT_REQUESTS = 100_000
_KEPT_BYTES = 64_000_000


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
    """Status that was answered; 0 where the connection was broken instead."""
    content: bytes = field(repr=False)
    """The body as it came; emptied for old requests once 64 MB of bodies are kept."""

    @property
    def body(self) -> Any:
        """The body, decoded: JSON, or the fields of a form; bytes where it is neither; None where there is none."""
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
        self.answers: Counter[int] = Counter()
        """Status → how many times it was answered."""
        self._with_content: deque[RecordedRequest] = deque()
        self._bytes = 0

    def add(self, request: RecordedRequest) -> None:
        """Note one request and its answer."""
        if request.status:
            self.answers[request.status] += 1
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
        self.answers.clear()
        self._with_content.clear()
        self._bytes = 0
