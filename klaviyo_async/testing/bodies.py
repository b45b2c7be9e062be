"""Checks of a request's body: its content type, its size, its form, and its schema."""

from __future__ import annotations

import email.message
import email.parser
import email.policy
from typing import TYPE_CHECKING, Any

import orjson

from klaviyo_async.headers import JSON_API
from klaviyo_async.testing.problems import Problem, error, invalid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from klaviyo_async.operation import Caps, Operation
    from klaviyo_async.testing.routes import Route
    from klaviyo_async.testing.schemas import Schemas

_JSON = (JSON_API, "application/json")
LARGEST = 64_000_000
"""Bytes that the server reads at most before any cap of an operation is looked at."""


def check_type(route: Route, content_type: str) -> None:
    """Refuse a content type that the operation doesn't take.

    Raises:
        Problem: 415.
    """
    wanted = (route.facts.media,) if route.facts.media not in _JSON else _JSON
    given = content_type.partition(";")[0].strip().lower()
    if given not in wanted:
        raise Problem(
            415,
            f"Unsupported media type '{given or 'none'}' in request: send {wanted[0]}.",
            pointer="/data",
        )


def check_size(operation: Operation, size: int) -> None:
    """Refuse a body, or the file of a form, past the operation's cap.

    Raises:
        Problem: 413.
    """
    cap = operation.caps.bytes or operation.caps.row_bytes
    if cap is not None and size > cap:
        raise Problem(413, f"The payload is {size} bytes, the maximum is {cap} bytes.", pointer="/data")


def read(route: Route, schemas: Schemas, content: bytes, *, strict: bool) -> Any:
    """The decoded body, checked against the operation's schema and caps.

    Raises:
        Problem: 400 with a JSON pointer for each thing that is wrong, 413 for a row that is too large.
    """
    if not content:
        if route.facts.required:
            raise invalid("A request body is required.", pointer="/data")
        return None
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError as failure:
        raise invalid(f"Invalid JSON: {failure}", pointer="/data") from failure
    caps = route.operation.caps
    _check_rows(caps, body)
    if route.facts.request is not None:
        checked = _without_emptied(schemas, route.facts.request, body) if route.operation.method == "PATCH" else body
        problems = schemas.problems(route.facts.request, checked, strict=strict)
        if problems:
            raise Problem.of(400, problems)
    return body


def _without_emptied(schemas: Schemas, request: str, body: Any) -> Any:
    """The body without the to-one relationships that it empties: the documents have only objects there, and null is taken
    all the same, as JSON:API has it (seen with mapped metrics)."""
    resource = schemas.resource(request) or {}
    relationships = schemas.resolve(resource.get("properties", {}).get("relationships", {})).get("properties", {})
    given = body.get("data") if isinstance(body, dict) else None
    if not isinstance(given, dict) or not isinstance(given.get("relationships"), dict):
        return body
    kept = {}
    for name, value in given["relationships"].items():
        linkage = schemas.resolve(relationships.get(name, {})).get("properties", {}).get("data", {})
        if value != {"data": None} or schemas.resolve(linkage).get("type") != "object":
            kept[name] = value
    return {**body, "data": {**given, "relationships": kept}}


def form(content_type: str, content: bytes) -> dict[str, Any]:
    """The fields of a multipart form; a file is a mapping of ``filename`` and ``content``.

    Raises:
        Problem: 400 for what is no form.
    """
    message = email.message_from_bytes(
        b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + content, policy=email.policy.HTTP
    )
    if not message.is_multipart():
        raise invalid("The body is not a multipart form.", pointer="/data")
    fields: dict[str, Any] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        value = part.get_payload(decode=True)
        if not isinstance(name, str) or not isinstance(value, bytes):
            continue
        filename = part.get_filename()
        fields[name] = (
            {"filename": filename, "content": value} if filename is not None else value.decode(errors="replace")
        )
    return fields


def file_size(fields: dict[str, Any]) -> int:
    """Bytes of the files in a form."""
    return sum(len(value["content"]) for value in fields.values() if isinstance(value, dict))


def _check_rows(caps: Caps, body: Any) -> None:
    for pointer, rows in _lists(body):
        if caps.rows is not None and len(rows) > caps.rows:
            raise invalid(f"At most {caps.rows} items are allowed, {len(rows)} were given.", pointer=pointer)
        problems = []
        for number, row in enumerate(rows):
            if caps.row_bytes is not None and len(orjson.dumps(row)) > caps.row_bytes:
                detail = f"The item is larger than {caps.row_bytes} bytes."
                problems.append(error(413, detail, pointer=f"{pointer}/{number}"))
        if problems:
            raise Problem.of(413, problems)
    if caps.string_bytes is not None:
        for pointer, text in _texts(body, ""):
            if len(text) > caps.string_bytes // 4 and len(text.encode()) > caps.string_bytes:
                raise invalid(f"The text is longer than {caps.string_bytes} bytes.", pointer=pointer)


def _lists(body: Any) -> Iterator[tuple[str, list[Any]]]:
    """The rows of a bulk body: the list in ``data``, or in the ``data`` of one of its attributes."""
    data = body.get("data") if isinstance(body, dict) else None
    if isinstance(data, list):
        yield "/data", data
        return
    attributes = data.get("attributes") if isinstance(data, dict) else None
    for name, value in attributes.items() if isinstance(attributes, dict) else ():
        rows = value.get("data") if isinstance(value, dict) else None
        if isinstance(rows, list):
            yield f"/data/attributes/{name}/data", rows
    relationships = data.get("relationships") if isinstance(data, dict) else None
    for name, value in relationships.items() if isinstance(relationships, dict) else ():
        rows = value.get("data") if isinstance(value, dict) else None
        if isinstance(rows, list):
            yield f"/data/relationships/{name}/data", rows


def _texts(value: Any, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from _texts(one, f"{pointer}/{name}")
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _texts(one, f"{pointer}/{number}")
