"""Requests that no endpoint function makes: `klaviyo.request`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote
from uuid import UUID

from yarl import URL

from klaviyo_async._data_frames import unwrapped
from klaviyo_async._did_you_mean import shown
from klaviyo_async._keys import is_private_key
from klaviyo_async._request.bodies import build_plain
from klaviyo_async._request.checks import PRIVATE_COMPANY_ID, has_control_characters
from klaviyo_async._request.prepare import Prepared
from klaviyo_async._request.problems import Problems
from klaviyo_async._texts import text_of
from klaviyo_async.errors import ConfigurationError, QueryError
from klaviyo_async.filter import Filter
from klaviyo_async.operation import Limits, Operation, ParameterLimit, Rate
from klaviyo_async.options import checked_headers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from klaviyo_async.operation import OperationTable

__all__ = ["prepare_plain"]

_METHODS = frozenset({"GET", "POST", "PATCH", "PUT", "DELETE"})
_QUOTED = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")
_TIER_S = Limits(burst=Rate("3/s"), steady=Rate("60/m"))
_REFERENCE = "https://developers.klaviyo.com/en/reference/api_overview"


def prepare_plain(
    method: str,
    path: str,
    params: Mapping[str, object] | Iterable[tuple[str, object]] | None,
    json: object,
    *,
    operations: OperationTable,
    origin: str,
    company_id: str | None,
    headers: Mapping[str, str] | None = None,
) -> Prepared:
    """Build a request from its parts, for one of `operations` or any other. Raises `QueryError` for values that can't be sent
    as given."""
    if not isinstance(method, str) or method.upper() not in _METHODS:
        raise QueryError(f"{shown(method)} is not an HTTP method of the API: use {', '.join(sorted(_METHODS))}.")
    if not isinstance(path, str):
        raise QueryError(f"path must be a str such as /api/profiles, not {type(path).__name__}.")
    method, path = method.upper(), str.__str__(path)
    # Without the query, which may contain a key.
    name = f"{method} {shown(path.partition('?')[0], 200)[1:-1]}"
    problems = Problems()
    query: list[tuple[str, str]] = []
    url = _url(path, origin, name)
    try:
        query += _flat(params, problems)
    except (TypeError, ValueError):
        problems.add("params", f"expected a mapping or pairs of name and value, got {shown(params)}", "type")
    operation = operations.at(method, url.raw_path) or _unknown(method, url.raw_path)
    if operation.public and company_id is not None and "company_id" not in {*url.query, *(key for key, _ in query)}:
        query.append(("company_id", company_id))
    payload = None if json is None else build_plain(json, problems)
    sent_headers = None
    try:
        if headers is not None:
            sent_headers = checked_headers(headers)
    except ConfigurationError as error:
        problems.add("headers", str(error))
    if problems:
        raise problems.error(name)
    if query:
        url = url.extend_query(query)
    if is_private_key(url.query.get("company_id", "")):
        # Named without the query, which contains the key.
        raise QueryError(f"{method} {url.path}: company_id: {PRIVATE_COMPANY_ID}.")
    prepared = Prepared(
        safe_to_repeat=operation.safe_to_repeat,
        operation=operation,
        target=url.raw_path_qs,
        triggered=tuple(_triggered(operation, url)),
        payload=payload,
        company_id=url.query.get("company_id") if operation.public else None,
    )
    if sent_headers is not None:
        prepared.headers = sent_headers
    return prepared


def _url(path: str, origin: str, name: str) -> URL:
    if has_control_characters(path):
        raise QueryError(f"{name}: a path must not contain control characters.")
    try:
        path.encode()
        # One of Klaviyo's own links is sent byte for byte; anything else is quoted where necessary.
        url = URL(path, encoded=_QUOTED.fullmatch(path) is not None)
        if url.absolute:
            if (str(url.origin()) if url.scheme else "") != origin or url.user is not None:
                raise QueryError(
                    f"{shown(str(url.with_user(None).with_query(None)), 200)[1:-1]} is not on this client's origin {origin}: the"
                    " credential is not sent anywhere else."
                )
            url = url.relative()
    except UnicodeEncodeError:
        raise QueryError(f"{name}: the path has a lone surrogate, which can't be encoded.") from None
    except ValueError as error:
        if isinstance(error, QueryError):
            raise
        raise QueryError(f"{shown(path, 200)} is not a path: {error}.") from None
    if not url.raw_path.startswith("/"):
        raise QueryError(f"{name}: the path must start with a slash: /api/….")
    if any(unquote(part) in {".", ".."} for part in url.raw_path.split("/")):
        raise QueryError(f"{name}: a path must not contain . or .. segments.")
    if url.raw_fragment:
        raise QueryError(f"{name}: a path must not have a fragment ({shown('#' + url.fragment)[1:-1]}).")
    return url


def _flat(
    params: Mapping[str, object] | Iterable[tuple[str, object]] | None, problems: Problems
) -> Iterator[tuple[str, str]]:
    """The pairs of the query. Raises TypeError or ValueError if `params` is neither a mapping nor pairs."""
    if params is None:
        return
    if isinstance(params, str | bytes):
        raise TypeError
    pairs = cast("Mapping[str, object]", params).items() if isinstance(params, Mapping) else params
    for key, value in pairs:
        if value is None:
            continue
        inner: Iterator[tuple[object, object]] = iter([(key, value)])
        if isinstance(value, Mapping):
            inner = ((f"{text_of(key)}[{text_of(each)}]", item) for each, item in value.items() if item is not None)
        for wire, item in inner:
            if not isinstance(wire, str):
                problems.add("params", f"the name of a parameter must be a str, not {shown(wire)}", "type")
                continue
            text = _text(item, wire, problems)
            if text is not None and _sendable(wire, wire, problems):
                yield str.__str__(wire), text


def _text(value: Any, key: str, problems: Problems) -> str | None:
    """The text of a value; None, and a problem, if it has none."""
    if isinstance(value, Filter):
        return str(value)
    if isinstance(value, list | tuple | set | frozenset):
        texts = [_text(item, key, problems) for item in value]
        return ",".join(text for text in texts if text is not None)
    try:
        value = unwrapped(value)
    except ValueError as error:
        problems.add(key, str(error))
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = str.__str__(value)
        return text if _sendable(text, key, problems) else None
    if isinstance(value, int):
        try:
            return int.__repr__(value)
        except ValueError as error:
            problems.add(key, f"the number is too long: {error}")
            return None
    if isinstance(value, float | Decimal):
        if value.is_finite() if isinstance(value, Decimal) else isfinite(value):
            return text_of(value)
        problems.add(key, f"{value} can't be sent: it must be finite")
        return None
    if isinstance(value, datetime) and value.utcoffset() is None:
        problems.add(
            key, f"the datetime {value} has no time zone; give it one, such as value.replace(tzinfo=timezone.utc)"
        )
        return None
    if isinstance(value, date):  # datetimes are dates
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    problems.add(key, f"expected text, a number, a bool, a time or a list, got {type(value).__name__}", "type")
    return None


def _sendable(text: str, key: str, problems: Problems) -> bool:
    if has_control_characters(text):
        problems.add(shown(key)[1:-1], "a parameter must not contain control characters")
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        problems.add(shown(key)[1:-1], "the text has a lone surrogate, which can't be encoded")
        return False
    return True


def _triggered(operation: Operation, url: URL) -> Iterator[ParameterLimit]:
    for limit in operation.limits.by_parameter:
        if limit.value in url.query.get(limit.parameter, "").split(","):
            yield limit


def _unknown(method: str, path: str) -> Operation:
    """The operation for a method and path that the table doesn't have, with the limits of tier S."""
    # One bucket per collection: including the ids in paths would make a bucket per resource.
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
