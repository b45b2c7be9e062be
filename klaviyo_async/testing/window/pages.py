"""What each page shows, as plain values for its template."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from klaviyo_async.testing.recorder import CHECKS
from klaviyo_async.testing.window import secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from klaviyo_async.testing.faults import Fault
    from klaviyo_async.testing.recorder import RecordedRequest
    from klaviyo_async.testing.server import FakeKlaviyo

_ROWS = 100
_LONGEST = 200_000
"""Characters of a body that are shown."""
_FIRST = ("profile", "event", "list", "segment", "metric")
_COLUMNS = (
    "email",
    "phone_number",
    "external_id",
    "name",
    "title",
    "status",
    "datetime",
    "endpoint_url",
    "label",
    "unique_code",
)
_MOST_COLUMNS = 4
_DEEPEST = 64


def requests(fake: FakeKlaviyo, query: Mapping[str, str]) -> dict[str, Any]:
    """The latest requests, newest first; `operation`, `failed` and `before` narrow them."""
    operation, failed = query.get("operation", ""), query.get("failed", "")
    before = int(query["before"]) if query.get("before", "").isdecimal() else None
    rows: list[RecordedRequest] = []
    for one in reversed(fake.requests):
        if before is not None and one.number >= before:
            continue
        if operation and operation not in f"{one.operation or ''} {one.path}":
            continue
        if failed and 200 <= one.status < 400:
            continue
        rows.append(one)
        if len(rows) > _ROWS:
            break
    return {
        "rows": [_row(one) for one in rows[:_ROWS]],
        "older": rows[_ROWS - 1].number if len(rows) > _ROWS else None,
        "operation": operation,
        "failed": failed,
        "before": before,
        "responses": [(status, count, _tone(status)) for status, count in sorted(fake.responses.items())],
    }


def request(fake: FakeKlaviyo, number: str) -> dict[str, Any] | None:
    """One request with its body, its checks and its answer; None where it is not (or no longer) there."""
    one = next((each for each in reversed(fake.requests) if str(each.number) == number), None)
    if one is None:
        return None
    oauth = (one.operation or "").startswith("oauth_")
    answer = one.answer
    return {
        **_row(one),
        "arguments": one.arguments,
        "parameters": secrets.parameters(one.parameters),
        "headers": secrets.headers(one.headers),
        "body": _body(one.content, one.headers.get("Content-Type", ""), one.body, oauth=oauth),
        "checks": [(name, meaning, _outcome(one, name)) for name, meaning in CHECKS.items()],
        "fault": one.fault,
        "answer": None
        if answer is None
        else {
            "headers": secrets.headers(answer.headers),
            "body": _body(answer.content, answer.headers.get("Content-Type", ""), None, oauth=oauth),
        },
    }


def resources(fake: FakeKlaviyo, query: Mapping[str, str], wanted: str | None) -> dict[str, Any]:
    """How many there are of each type, and the latest of one type."""
    counts = {name: fake.store.count(name) for name in fake.store.types()}
    order = [*(name for name in _FIRST if name in counts), *sorted(counts.keys() - set(_FIRST))]
    shown = wanted or next((name for name in order if counts[name]), None)
    search = query.get("search", "").strip().lower()
    found: list[dict[str, Any]] = []
    if shown is not None:
        for one in fake.store.latest(shown):
            if search and search not in json.dumps(one, ensure_ascii=False, default=str).lower():
                continue
            found.append(one)
            if len(found) >= _ROWS:
                break
    columns = [name for name in _COLUMNS if any(one["attributes"].get(name) for one in found)][:_MOST_COLUMNS]
    return {
        "types": [(name, counts[name]) for name in order if counts[name] or name in _FIRST or name == shown],
        "type": shown,
        "search": query.get("search", ""),
        "columns": columns,
        "rows": [(one["id"], [_cell(one["attributes"].get(name)) for name in columns]) for one in found],
        "count": counts.get(shown or "", 0),
        "jobs": any(name.endswith("-job") and count for name, count in counts.items()),
    }


def resource(fake: FakeKlaviyo, type: str, id: str) -> dict[str, Any] | None:
    """One resource and what belongs to it."""
    found = fake.store.get(type, id)
    if found is None:
        return None
    related = []
    for name, target, many in fake.store.relationships(type):
        ids = fake.store.related(type, id, name) if many else [found["relationships"].get(name)]
        ids = [one for one in ids if one is not None]
        related.append((name, target, ids[:_ROWS], len(ids)))
    return {"type": type, "id": id, "attributes": _json(secrets.value(found["attributes"])), "related": related}


def limits(fake: FakeKlaviyo) -> dict[str, Any]:
    """What is left of each limit that was used."""
    left = fake.limits_left()
    return {
        "on": left is not None,
        "rows": [
            (
                " ".join(key[1:]),
                key[0],
                [
                    {
                        "rate": f"{window.limit}/{_unit(window.seconds)}",
                        "left": window.limit - window.used,
                        "limit": window.limit,
                        "reset": _span(reset),
                    }
                    for window, reset in windows
                ],
            )
            for key, windows in sorted((left or {}).items())
        ],
    }


def faults(fake: FakeKlaviyo) -> dict[str, Any]:
    """The planned faults, and what may be planned."""
    return {
        "planned": [
            (number, one.operation or "any operation", _does(one), _when(one), one.hits)
            for number, one in enumerate(fake.faults)
        ],
        "operations": sorted(fake.coverage()),
        "latency": fake.latency if isinstance(fake.latency, float | int) else None,
    }


def webhooks(fake: FakeKlaviyo) -> dict[str, Any]:
    """The webhooks, the topics, and the deliveries so far."""
    every = list(fake.store.all("webhook"))
    names = {one["id"]: one["attributes"].get("name") or one["id"] for one in every}
    return {
        "webhooks": [
            (
                one["id"],
                names[one["id"]],
                one["attributes"].get("endpoint_url"),
                bool(one["attributes"].get("enabled")),
                fake.store.related("webhook", one["id"], "webhook-topics"),
            )
            for one in every
        ],
        "topics": [one["id"] for one in fake.store.all("webhook-topic")],
        "wanted": sorted(
            {topic for one in every for topic in fake.store.related("webhook", one["id"], "webhook-topics")}
        ),
        "deliveries": [
            (names.get(webhook, webhook), status, _tone(status or 0))
            for webhook, status in reversed(fake.deliveries[-_ROWS:])
        ],
    }


# -- how values look ----------------------------------------------------------------------------------------------------


def _row(one: RecordedRequest) -> dict[str, Any]:
    return {
        "number": one.number,
        "time": datetime.fromtimestamp(one.at, UTC).strftime("%H:%M:%S"),
        "operation": one.operation or "unknown",
        "method": one.method,
        "path": secrets.text(unquote(one.path, errors="replace")),
        "query": ", ".join(f"{name}={value}" for name, value in secrets.parameters(one.parameters)),
        "status": one.status,
        "phrase": _phrase(one.status),
        "tone": _tone(one.status),
        "milliseconds": round(one.seconds * 1000),
        "size": len(one.content),
        "refused_by": next((name for name in CHECKS if _outcome(one, name) == "refused"), None),
        "fault": one.fault,
    }


def _outcome(one: RecordedRequest, check: str) -> str:
    """``passed``, ``refused`` (the first that wasn't passed, of a refused request) or ``not reached``."""
    if check in one.passed:
        return "passed"
    missing = [name for name in CHECKS if name not in one.passed]
    return "refused" if one.refused and missing[0] == check else "not reached"


def _body(content: bytes, content_type: str, decoded: Any, *, oauth: bool) -> dict[str, Any] | None:
    if not content:
        return None
    note = ""
    if content_type.startswith("multipart/form-data") and isinstance(decoded, dict):
        shown = _json({name: _part(value) for name, value in decoded.items()})
    else:
        try:
            shown = _json(secrets.value(json.loads(content), oauth=oauth))
        except (ValueError, RecursionError):
            try:
                plain = content.decode()
                shown = secrets.form(plain) if "urlencoded" in content_type else secrets.text(plain)
            except UnicodeDecodeError:
                shown, note = "", "not text"
    if len(shown) > _LONGEST:
        shown, note = shown[:_LONGEST], "shortened"
    return {"text": shown, "note": note, "size": len(content)}


def _part(value: Any) -> Any:
    content = getattr(value, "content", value)
    if isinstance(content, bytes):
        return f"{len(content)} bytes"
    return (
        secrets.value(content) if isinstance(content, str | int | float | bool | None | list | dict) else str(content)
    )


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str).encode("utf-8", "backslashreplace").decode()


def _cell(value: Any) -> str:
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _tone(status: int) -> str:
    if 200 <= status < 400:
        return "good"
    return "slow" if status == 429 else "bad"


def _phrase(status: int) -> str:
    if not status:
        return "connection broken"
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _unit(seconds: int) -> str:
    return {1: "s", 60: "m", 3600: "h", 86400: "d"}.get(seconds, f"{seconds}s")


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{round(seconds)} s"
    return f"{round(seconds / 60)} min" if seconds < 7200 else f"{round(seconds / 3600)} h"


def _does(fault: Fault) -> str:
    parts: list[str] = []
    if fault.delay:
        parts.append(f"waits {fault.delay:g} s")
    if fault.status is not None:
        parts.append(f"responds {fault.status} {_phrase(fault.status)}".rstrip())
    if fault.truncate is not None:
        parts.append(f"breaks off after {fault.truncate} bytes")
    if fault.reset:
        parts.append("breaks the connection")
    if fault.stall:
        parts.append("holds the connection in silence")
    return ", ".join(parts) + (", after taking effect" if fault.processed else "")


def _when(fault: Fault) -> str:
    times: Iterable[str] = (
        "every request"
        if fault.times is None
        else "the next request"
        if fault.times == 1
        else f"{fault.times} requests",
        f"after {fault.after} more" if fault.after else "",
    )
    return " ".join(filter(None, times))
