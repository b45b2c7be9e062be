"""What the fake refuses with: problems that become JSON:API error documents in Klaviyo's shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TITLES: Mapping[int, tuple[str, str]] = {
    400: ("invalid", "Invalid input."),
    401: ("not_authenticated", "Authentication credentials were not provided."),
    403: ("permission_denied", "You do not have permission to perform this action."),
    404: ("not_found", "Not found."),
    405: ("method_not_allowed", "Method not allowed."),
    409: ("conflict", "Conflict."),
    410: ("gone", "Gone."),
    413: ("payload_too_large", "Payload too large."),
    415: ("unsupported_media_type", "Unsupported media type in request."),
    429: ("throttled", "Request was throttled."),
    500: ("error", "A server error occurred."),
    502: ("bad_gateway", "Bad gateway."),
    503: ("service_unavailable", "Service unavailable."),
    504: ("gateway_timeout", "Gateway timeout."),
}
"""Status → code and title as Klaviyo gives them."""


class Problem(Exception):  # noqa: N818 - it is a response, not an error of the fake
    """A response that is an error: one status and one or more error objects."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        pointer: str | None = None,
        parameter: str | None = None,
        code: str | None = None,
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        links: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status: int = status
        self.headers: dict[str, str] = dict(headers or {})
        self.errors: list[dict[str, Any]] = [
            error(status, detail, pointer=pointer, parameter=parameter, code=code, meta=meta, links=links)
        ]

    @classmethod
    def of(cls, status: int, errors: Sequence[dict[str, Any]]) -> Problem:
        """One problem that carries several error objects."""
        problem = cls(status, "; ".join(one["detail"] for one in errors))
        problem.errors = list(errors)
        return problem

    def document(self, request_id: str) -> dict[str, Any]:
        """The error document; the first error has the request's id, as Klaviyo's do."""
        return {"errors": [{"id": request_id, **one} for one in self.errors]}


def error(
    status: int,
    detail: str,
    *,
    pointer: str | None = None,
    parameter: str | None = None,
    code: str | None = None,
    meta: Mapping[str, Any] | None = None,
    links: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """One error object without its id."""
    usual, title = TITLES.get(status, ("error", "A server error occurred."))
    source = {"parameter": parameter} if parameter is not None else {"pointer": pointer or "/data"}
    return {
        "status": status,
        "code": code or usual,
        "title": title,
        "detail": detail,
        "source": source,
        "links": dict(links or {}),
        "meta": dict(meta or {}),
    }


def invalid(detail: str, *, pointer: str | None = None, parameter: str | None = None) -> Problem:
    """A 400."""
    return Problem(400, detail, pointer=pointer, parameter=parameter)
