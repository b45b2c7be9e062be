"""All errors of the library. Their messages say what went wrong, and what to do next.

All of them can be pickled and copied, and none of them contains a credential.
"""

# ruff: noqa: N818 - the names are the public interface: RequestTimeout, NotFound, Conflict …

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Self

from attrs import field, frozen

from klaviyo_async._did_you_mean import printable
from klaviyo_async.headers import Headers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from klaviyo_async.operation import Operation

_EMPTY: Mapping[str, Any] = MappingProxyType({})
_SNIPPET = 200
_SHOWN = 5


class KlaviyoError(Exception):
    """Base class of every error that the library raises deliberately."""

    report: Any = None
    """The `klaviyo_async.bulk.Report` of the bulk job that this error ended: the outcome of its rows up to then."""

    def __str__(self) -> str:
        # Text from the network or the caller may contain lone surrogates, which terminals and log files don't accept.
        return printable(super().__str__())

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions pickle by calling their class with `args`, which doesn't work with keyword-only constructors.
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(kind: type[KlaviyoError], args: tuple[object, ...], state: dict[str, object]) -> KlaviyoError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


def _rebuild_response(kind: type[APIError], args: tuple[object, ...], state: dict[str, object]) -> KlaviyoError:
    error = _rebuild(kind, args, state)
    assert isinstance(error, APIError)  # noqa: S101 - for the type checkers
    error.errors = parse_errors(error.body)
    return error


class ConfigurationError(KlaviyoError):
    """The client is not set up correctly: a missing credential, a bad base URL, a session of another event loop."""


@frozen
class Problem:
    """One problem with a call. `str()` returns the sentence describing it."""

    pointer: str = field(converter=printable)
    """Where: a JSON pointer into the body (``/data/attributes/email``), or the keyword (``filter``, ``fields[profile]``).
    Empty if the problem has no location of its own."""
    message: str = field(converter=printable)
    kind: Literal["unknown", "mismatch", "range", "required", "type", "value"] = "value"
    """unknown: a name or value that the operation doesn't have; mismatch: a filter value of another type than documented;
    range: a number out of bounds; required: something is missing; type: a Python type that can't be sent here; value: a
    value that can't be sent."""

    @property
    def maybe_new(self) -> bool:
        """Whether a later revision of Klaviyo may accept it; ``validate=False`` lets it through."""
        return self.kind in _MAYBE_NEW

    def __str__(self) -> str:
        where = f"body {self.pointer}: " if self.pointer.startswith("/") else self.pointer and f"{self.pointer}: "
        return f"{where}{self.message.rstrip('.')}{'' if self.message.endswith('?') else '.'}"


_MAYBE_NEW = frozenset({"unknown", "mismatch", "range"})


class QueryError(KlaviyoError, ValueError):
    """An invalid call, detected before anything was sent."""

    operation: str | None
    """Name of the operation; None if the mistake isn't tied to one (a standalone expression)."""
    problems: tuple[Problem, ...]
    """Everything that is wrong with the call."""

    def __init__(self, message: str, *, operation: str | None = None, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.operation = operation
        self.problems = tuple(problems) or (Problem("", message),)


class PaginationError(KlaviyoError):
    """A list can't be read to its end: a next link points to another origin, was already followed or can't be parsed, or a
    page has no body."""


class CheckpointError(KlaviyoError):
    """A checkpoint file can't be used: it belongs to another job or source, is in use by another run, or isn't a checkpoint."""


class WebhookSignatureError(KlaviyoError):
    """A webhook request isn't signed with the secret, is too old, or isn't a delivery at all."""


class DecodeError(KlaviyoError):
    """A success response whose body isn't what the operation promises: not JSON, or larger than `max_response_bytes`.

    A model's `from_json` raises it too, for text that isn't a JSON object.
    """

    operation: str
    """Name of the operation; of the model, where `from_json` was given the text."""
    status: int | None
    """None where `from_json` was given the text."""
    content_type: str
    snippet: str
    """The first characters of the body."""
    request_id: str | None
    reason: str
    """Why it can't be decoded."""
    body: bytes
    """The body; if it is too large, its first megabyte."""
    headers: Mapping[str, str]

    def __init__(
        self,
        operation: str,
        *,
        status: int | None,
        headers: Mapping[str, str] = _EMPTY,
        body: bytes = b"",
        reason: str = "",
        over: int | None = None,
    ) -> None:
        """`over` is the number of bytes that the body exceeds, if it is too large."""
        self.operation = operation
        self.status = status
        self.headers = _plain(headers)
        self.content_type = _find(headers, "content-type") or ""
        self.request_id = _request_id(headers)
        self.body = body
        self.reason = reason or (f"the body is over {over:,} bytes" if over is not None else "")
        self.snippet = _snippet(body)
        about = f"content type {self.content_type or 'missing'}{_and_id(self.request_id)}"
        if over is not None:
            message = (
                f"{operation}: Klaviyo responded with status {status} and a body of over {over:,} bytes ({about}), which was not"
                " read to its end. The request was processed. Request less, or raise max_response_bytes."
            )
        elif status is None:
            message = f"{operation}.from_json: the text is not the JSON of an object ({len(body)} bytes; {reason}): {self.snippet!r}."
        else:
            message = (
                f"{operation}: Klaviyo responded with status {status} and a body that isn't the expected JSON ({about},"
                f" {len(body)} bytes{'; ' + reason if reason else ''}): {self.snippet!r}. If the response came from Klaviyo, the"
                " request was processed; but it may have come from a proxy, or from another server because base_url is wrong."
            )
        super().__init__(message)


class TransportError(KlaviyoError):
    """No complete response was received."""

    operation: str
    sent: bool | None
    """False: Klaviyo never received the request. True: it may have processed it. None: unknown."""
    attempts: int
    """How often the request was attempted."""
    permanent: bool = False
    """Whether retrying is pointless, for instance because a certificate was rejected."""

    def __init__(self, message: str, *, operation: str, sent: bool | None = None, attempts: int = 1) -> None:
        super().__init__(message)
        self.operation = operation
        self.sent = sent
        self.attempts = attempts

    def after(self, attempts: int) -> Self:
        """This error, with the total number of attempts."""
        self.attempts = attempts
        if attempts > 1:
            self.args: tuple[Any, ...] = (f"{self} [{attempts} attempts]",)
        return self


class RequestTimeout(TransportError):
    """An attempt took longer than its `timeout`."""


class ConnectionFailed(TransportError):
    """The connection could not be established, or broke before the response was complete."""


class RateLimitWait(KlaviyoError):
    """The call would have to wait for the rate limit longer than it may."""

    seconds: float
    """How long it would have had to wait, in seconds."""
    operation: str | None

    def __init__(self, message: str = "", *, seconds: float, operation: str | None = None) -> None:
        self.seconds = seconds
        self.operation = operation
        super().__init__(
            message
            or f"{operation or 'request'}: the rate limit requires a wait of {seconds:.1f} s, longer than max_wait allows."
            " Call again later, or raise max_wait."
        )


@frozen(kw_only=True)
class ErrorSource:
    """Which part of the request an error is about."""

    pointer: str | None = None
    """JSON pointer into the request body, for instance ``/data/attributes/email``."""
    parameter: str | None = None
    """Name of the query parameter."""
    header: str | None = None
    additional: Mapping[str, Any] = field(default=_EMPTY)
    """All other members."""

    def __str__(self) -> str:
        if self.pointer:
            return f"at {self.pointer}"
        if self.parameter:
            return f"parameter {self.parameter}"
        return f"header {self.header}" if self.header else ""

    def __reduce__(self) -> tuple[Any, ...]:
        return _thaw, (ErrorSource, _state(self, ("pointer", "parameter", "header", "additional")))


@frozen(kw_only=True)
class ErrorObject:
    """A JSON:API error object as Klaviyo sent it; every field may be missing."""

    id: str | None = None
    status: int | None = None
    code: str | None = None
    """Klaviyo's code for the problem, for instance ``duplicate_profile``. The set of codes is open."""
    title: str | None = None
    detail: str | None = None
    source: ErrorSource = field(factory=ErrorSource)
    links: Mapping[str, Any] = field(default=_EMPTY)
    meta: Mapping[str, Any] = field(default=_EMPTY)
    additional: Mapping[str, Any] = field(default=_EMPTY)
    """Members that JSON:API doesn't define."""

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ErrorObject:
        """Read an error object; members of the wrong type count as missing, and nothing raises."""
        source = _mapping(data.get("source"))
        return cls(
            id=_text(data.get("id")),
            status=_integer(data.get("status")),
            code=_text(data.get("code")),
            title=_text(data.get("title")),
            detail=_text(data.get("detail")),
            source=ErrorSource(
                pointer=_text(source.get("pointer")),
                parameter=_text(source.get("parameter")),
                header=_text(source.get("header")),
                additional={k: v for k, v in source.items() if k not in {"pointer", "parameter", "header"}} or _EMPTY,
            ),
            links=_mapping(data.get("links")),
            meta=_mapping(data.get("meta")),
            additional={k: v for k, v in data.items() if k not in _MEMBERS} or _EMPTY,
        )

    def __str__(self) -> str:
        said = ": ".join(part for part in (self.code, self.detail or self.title) if part)
        where = str(self.source)
        return f"{said} ({where})" if said and where else said or where

    def __reduce__(self) -> tuple[Any, ...]:
        return _thaw, (ErrorObject, _state(self, (*_MEMBERS, "additional")))


_MEMBERS = ("id", "status", "code", "title", "detail", "source", "links", "meta")


class APIError(KlaviyoError):
    """Klaviyo responded with a status other than success."""

    status: int
    errors: tuple[ErrorObject, ...]
    """The JSON:API error objects; empty if the body has none."""
    request_id: str | None
    """Klaviyo's id for the request, for its support."""
    headers: Mapping[str, str]
    """The headers of the response."""
    body: bytes
    """The body of the response, as far as it was received; at most a megabyte."""
    operation: str
    attempts: int
    """How often the request was sent."""
    waited: float
    """Seconds that the call waited for rate limits and between attempts."""

    def __init__(
        self,
        operation: str,
        *,
        status: int,
        headers: Mapping[str, str] = _EMPTY,
        body: bytes = b"",
        hint: str = "",
        attempts: int = 1,
        waited: float = 0.0,
    ) -> None:
        self.operation = operation
        self.status = status
        self.headers = _plain(headers)
        self.body = body
        self.errors = parse_errors(body)
        self.request_id = _request_id(headers) or next((error.id for error in self.errors if error.id), None)
        self.attempts = attempts
        self.waited = waited
        super().__init__(self._message(hint))

    def __reduce__(self) -> tuple[Any, ...]:
        # The error objects are read from the body again: they may be nested more deeply than pickle allows.
        state = {name: value for name, value in self.__dict__.items() if name != "errors"}
        return _rebuild_response, (type(self), self.args, state)

    @property
    def code(self) -> str | None:
        """`code` of the first error object that has one."""
        return next((error.code for error in self.errors if error.code), None)

    @property
    def detail(self) -> str | None:
        """`detail` of the first error object that has one."""
        return next((error.detail for error in self.errors if error.detail), None)

    def _message(self, hint: str) -> str:
        said = [text for error in self.errors[:_SHOWN] if (text := str(error))]
        if len(self.errors) > _SHOWN:
            said.append(f"and {len(self.errors) - _SHOWN} more")
        if not said:
            kind = _find(self.headers, "content-type") or "no content type"
            said = [f"{_snippet(self.body)!r} ({kind})" if self.body else "no body"]
        times = f", {self.attempts} attempts" if self.attempts > 1 else ""
        ident = f" [request id {self.request_id}{times}]" if self.request_id else f" [{times[2:]}]" if times else ""
        return f"{self.operation}: {self.status} {'; '.join(said)}{ident}{' ' + hint if hint else ''}"


class BadRequest(APIError):
    """400: the request is malformed or contains an invalid name or value."""


class Unauthorized(APIError):
    """401: the credential is missing, wrong or revoked."""


class Forbidden(APIError):
    """403: the credential lacks a scope, or the account an entitlement."""


class NotFound(APIError):
    """404: no such resource."""


class Conflict(APIError):
    """409: the resource already exists, or is in a state that doesn't allow this."""

    @property
    def duplicate_profile_id(self) -> str | None:
        """Id of the existing profile, if the conflict is about a profile."""
        return next((_text(error.meta.get("duplicate_profile_id")) for error in self.errors if error.meta), None)


class Gone(APIError):
    """410: the endpoint or the whole revision has been retired."""


class PayloadTooLarge(APIError):
    """413: the body is larger than the operation allows."""


class RateLimited(APIError):
    """429: too many requests, and no attempts were left."""

    retry_after: float | None = None
    """Seconds until Klaviyo will accept the request again; None if it didn't say."""


class ServerError(APIError):
    """5xx: the failure is on Klaviyo's side."""

    retry_after: float | None = None
    """Seconds until the retry that Klaviyo asked for; None if it didn't say."""


_BY_STATUS: Mapping[int, type[APIError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    413: PayloadTooLarge,
    429: RateLimited,
}


def class_of(status: int) -> type[APIError]:
    """The error class for a status."""
    return _BY_STATUS.get(status) or (ServerError if status >= 500 else APIError)


def error_of(
    operation: Operation,
    *,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    kind: int | None = None,
    credential: str = "",
    revision: str = "",
    retry_after: float | None = None,
    attempts: int = 1,
    waited: float = 0.0,
) -> APIError:
    """The error for a response other than a success.

    `kind` is the status that determines the class, if it differs from the response's own; `credential` says where the
    credential came from (never the credential itself), `revision` which revision was requested.
    """
    kind = status if kind is None else kind
    error = class_of(kind)(
        operation.name,
        status=status,
        headers=headers,
        body=body,
        hint=_hint(operation, kind, headers, credential, revision),
        attempts=attempts,
        waited=waited,
    )
    if isinstance(error, RateLimited | ServerError):
        error.retry_after = retry_after
    return error


def parse_errors(body: bytes) -> tuple[ErrorObject, ...]:
    """The error objects in a response's body; empty if there are none (HTML, empty, truncated)."""
    try:
        document = json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return ()
    found = document.get("errors") if isinstance(document, dict) else None
    return (
        tuple(ErrorObject.from_dict(item) for item in found if isinstance(item, dict))
        if isinstance(found, list)
        else ()
    )


def _hint(operation: Operation, status: int, headers: Mapping[str, str], credential: str, revision: str) -> str:
    if 300 <= status < 400:
        target = _find(headers, "location")
        if target is None:
            return "Klaviyo's API has no such responses, so this came from something else. Check base_url."
        return (
            f"Klaviyo's API never redirects; the redirect to {target!r} was not followed, because that would have sent the"
            " credential along. Check base_url."
        )
    credential = credential or "the credential"
    match status:
        case 401 | 403 if operation.public:
            return "The request has no private key, only company_id: check that this is the account's public API key."
        case 401:
            return f"Klaviyo rejected {credential}: check that it is complete, belongs to this account and has not been revoked."
        case 403:
            return _scopes(operation.scopes, credential)
        case 410:
            return f"Revision {revision} or this endpoint of it has been retired: set a newer `revision`, or upgrade klaviyo_async."
        case 413:
            return _caps(operation)
        case 429:
            return "No retries were left: raise max_retries, or share the limiter with whatever else uses this account."
        case _:
            return ""


def _scopes(scopes: Sequence[str], credential: str) -> str:
    if not scopes:
        return f"Check the permissions of {credential}."
    one = len(scopes) == 1
    return (
        f"The operation needs the scope{'' if one else 's'} {', '.join(scopes)}: check that {credential} has {'it' if one else 'them'},"
        " and that the account's plan includes the feature."
    )


def _caps(operation: Operation) -> str:
    caps = operation.caps
    if operation.body is not None and operation.body.kind == "multipart":
        most = caps.bytes or caps.row_bytes
        return f"The file may have at most {most:,} bytes." if most is not None else "Send a smaller file."
    known = [
        f"{limit:,} {what}"
        for limit, what in (
            (caps.rows, "rows"),
            (caps.bytes, "bytes in total"),
            (caps.row_bytes, "bytes per row"),
            (caps.string_bytes, "bytes per string"),
        )
        if limit is not None
    ]
    return (
        f"A request may contain at most {', '.join(known)}: send less per request."
        if known
        else "Send less per request."
    )


def _snippet(body: bytes) -> str:
    text = " ".join(body[: _SNIPPET * 4].decode("utf-8", "replace").split())
    return text if len(text) <= _SNIPPET else text[:_SNIPPET] + "…"


def _plain(headers: Mapping[str, str]) -> Mapping[str, str]:
    return headers if isinstance(headers, Headers) else Headers(headers)


def _find(headers: Mapping[str, str], name: str) -> str | None:
    value = headers.get(name)
    if value is None:
        value = next((text for key, text in headers.items() if key.lower() == name), None)
    return value


def _request_id(headers: Mapping[str, str]) -> str | None:
    return _find(headers, "x-klaviyo-req-id")


def _and_id(request_id: str | None) -> str:
    return f", request id {request_id}" if request_id else ""


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _integer(value: object) -> int | None:
    try:
        return int(value) if isinstance(value, int | str) and not isinstance(value, bool) else None
    except ValueError:
        return None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else _EMPTY


def _state(value: object, names: Sequence[str]) -> dict[str, Any]:
    # The shared empty mapping is a read-only proxy, which can't be pickled.
    return {name: item for name in names if (item := getattr(value, name)) is not _EMPTY}


def _thaw(kind: type[Any], state: dict[str, Any]) -> Any:
    return kind(**state)
