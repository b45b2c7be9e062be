"""Requests that no endpoint function makes: `klaviyo.request`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

from yarl import URL

from klaviyo_async.documents import Payload
from klaviyo_async.errors import QueryError
from klaviyo_async.model import dumps
from klaviyo_async.operation import Limits, Operation, ParameterLimit, Rate
from klaviyo_async.operation_table import operations
from klaviyo_async.query import Prepared

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_METHODS = frozenset({"GET", "POST", "PATCH", "PUT", "DELETE"})
_QUOTED = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")
_JSON = "application/vnd.api+json"
_TIER_S = Limits(burst=Rate("3/s"), steady=Rate("60/m"))
_REFERENCE = "https://developers.klaviyo.com/en/reference/api_overview"


def prepare_plain(
    method: str,
    path: str,
    params: Mapping[str, object] | Iterable[tuple[str, object]] | None,
    json: object,
    *,
    origin: str,
    company_id: str | None,
) -> Prepared:
    """Put a request together from its parts. Raises `QueryError` for what can't be sent."""
    method = method.upper()
    name = f"{method} {path}"
    if method not in _METHODS:
        raise QueryError(f"{method!r} is not a method of the API: use {', '.join(sorted(_METHODS))}.")
    url = _url(path, origin, name)
    query = list(_flat(params, name))
    operation = _operation(method, url.raw_path)
    if operation.public and company_id is not None and "company_id" not in {*url.query, *(key for key, _ in query)}:
        query.append(("company_id", company_id))
    if query:
        url = url.extend_query(query)
    if url.query.get("company_id", "").startswith("pk_"):
        # Named without the query, which holds the key.
        raise QueryError(f"{method} {url.path}: company_id is the account's public API key, and this is a private one.")
    try:
        payload = None if json is None else Payload(content=dumps(json), content_type=_JSON)
    except (TypeError, ValueError) as error:
        raise QueryError(f"{name}: json can't be sent: {error}.", operation=name) from None
    return Prepared(
        safe_to_repeat=operation.safe_to_repeat,
        operation=operation,
        target=url.raw_path_qs,
        headers={},
        triggered=tuple(_triggered(operation, url)),
        payload=payload,
    )


def _url(path: str, origin: str, name: str) -> URL:
    try:
        # A link of Klaviyo's is sent byte for byte; anything else is quoted where it needs to be.
        url = URL(path, encoded=_QUOTED.fullmatch(path) is not None)
        if url.absolute:
            if (str(url.origin()) if url.scheme else "") != origin or url.user is not None:
                raise QueryError(
                    f"{url.with_user(None).with_query(None)} is not on this client's origin {origin}: its credential goes nowhere else."
                )
            url = url.relative()
    except ValueError as error:
        if isinstance(error, QueryError):
            raise
        raise QueryError(f"{path!r} is not a path: {error}.") from None
    if not url.raw_path.startswith("/"):
        raise QueryError(f"{name}: the path has to start with a slash: /api/….")
    if any(unquote(part) in {".", ".."} for part in url.raw_path.split("/")):
        raise QueryError(f"{name}: a path has no . and .. in it.")
    if url.raw_fragment:
        raise QueryError(f"{name}: a path has no fragment (#{url.fragment}).")
    return url


def _flat(params: Mapping[str, object] | Iterable[tuple[str, object]] | None, name: str) -> Iterator[tuple[str, str]]:
    if params is None:
        return
    pairs: Iterable[tuple[str, Any]] = (
        cast("Mapping[str, object]", params).items() if isinstance(params, Mapping) else params
    )
    for key, value in pairs:
        if isinstance(value, Mapping):
            for inner, item in value.items():
                if item is not None:
                    yield f"{key}[{inner}]", _text(item, f"{key}[{inner}]", name)
        elif value is not None:
            yield key, _text(value, key, name)


def _text(value: object, key: str, name: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, list | tuple | set | frozenset):
        return ",".join(_text(item, key, name) for item in value)
    if isinstance(value, date):  # datetimes are dates
        return value.isoformat()
    if type(value).__module__.startswith("klaviyo_async."):  # filters and sort keys are their text
        return str(value)
    raise QueryError(
        f"{name}: {key} can't be {type(value).__name__}; give text, a number, a bool or a list.", operation=name
    )


def _triggered(operation: Operation, url: URL) -> Iterator[ParameterLimit]:
    for limit in operation.limits.by_parameter:
        if limit.value in url.query.get(limit.parameter, "").split(","):
            yield limit


@cache
def _patterns() -> dict[str, list[tuple[re.Pattern[str], str]]]:
    """Method → path patterns and the operations they belong to; literal segments before parameters."""
    found: dict[str, list[tuple[re.Pattern[str], str]]] = {}
    for operation in sorted((operations[name] for name in operations), key=lambda known: known.path.count("{")):
        pattern = "/".join(
            "[^/]+" if part.startswith("{") else re.escape(part) for part in operation.path.rstrip("/").split("/")
        )
        found.setdefault(operation.method, []).append((re.compile(pattern + "/?"), operation.name))
    return found


def _operation(method: str, path: str) -> Operation:
    """The known operation behind a method and path; otherwise one with the limits of tier S."""
    for pattern, name in _patterns().get(method, ()):
        if pattern.fullmatch(path):
            return operations[name]
    # One bucket for each collection: ids in paths would make a bucket for each resource.
    collection = "/".join(path.split("/")[:3])
    return Operation(
        name=f"{method} {collection}",
        method=cast("Any", method),
        path=collection,
        tag="",
        summary="A request that the operation table doesn't have",
        limits=_TIER_S,
        safe_to_repeat=method != "POST",
        public=path.startswith("/client/"),
        reference=_REFERENCE,
    )
