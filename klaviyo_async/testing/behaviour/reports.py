"""Reports on campaigns, flows, forms and segments: a row for each that there is, with figures that are always the same.

What the figures say means nothing. They are made of ids and names, so that a program sees plausible ones, which differ
from row to row and stay from run to run.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from klaviyo_async.errors import QueryError
from klaviyo_async.filter import Filter
from klaviyo_async.testing import render
from klaviyo_async.testing.behaviour.generic import success
from klaviyo_async.testing.behaviour.registry import handles
from klaviyo_async.testing.call import Response
from klaviyo_async.testing.evaluate import holds
from klaviyo_async.testing.examples import example
from klaviyo_async.testing.problems import invalid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from klaviyo_async.testing.call import Call
    from klaviyo_async.testing.record import Record

_STEPS = {"hourly": timedelta(hours=1), "daily": timedelta(days=1), "weekly": timedelta(weeks=1)}
_DAYS = {"last_7_days": 7, "last_30_days": 30, "last_90_days": 90, "last_365_days": 365, "last_12_months": 365}
_MOST_DATES = 20_000
_LARGEST = 5000


@handles("get_client_review_values_reports", coverage="example")
def review_values(call: Call) -> Response:
    """The schema's example, with links as the real reports have them."""
    document: dict[str, Any] = example(call.world.schemas, str(call.route.facts.response))
    for one in document["data"]:
        one.setdefault("id", call.world.store.ids.uuid())
    document["links"] = _links(call)
    return Response(status=success(call), document=document)


@handles(
    *(f"query_{of}_{kind}" for of in ("campaign", "flow", "form", "segment") for kind in ("values", "series")),
    coverage="computed",
)
def report(call: Call) -> Response:
    """A row for each campaign, flow, form or segment, grouped and filtered as asked."""
    kind = call.data["type"].partition("-")[0]
    asked = call.attributes
    dates = _dates(call) if "interval" in asked else None
    rows: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}
    for groupings in _groupings(call, kind):
        if _passes(asked.get("filter"), groupings):
            kept = {key: value for key, value in groupings.items() if key in (asked.get("group_by") or groupings)}
            rows.setdefault(tuple(kept.items()), kept)
    results = [
        {"groupings": groupings, "statistics": {name: _figures(groupings, name, dates) for name in asked["statistics"]}}
        for groupings in rows.values()
    ]
    attributes: dict[str, Any] = {"results": results}
    if dates is not None:
        attributes["date_times"] = [date.isoformat() for date in dates]
    data = {"type": call.data["type"], "id": call.world.store.ids.uuid(), "attributes": attributes}
    return Response(status=success(call), document={"data": data, "links": _links(call)})


def _links(call: Call) -> dict[str, str | None]:
    links: dict[str, str | None] = {"self": render.self_link(call)}
    if any(parameter.kind == "page_cursor" for parameter in call.route.operation.parameters):
        links |= {"next": None, "prev": None}
    return links


def _groupings(call: Call, kind: str) -> Iterator[dict[str, str]]:
    store = call.world.store
    for record in store.records(kind):
        if kind == "campaign":
            for message in store.members(record, "campaign-messages"):
                definition = message.attributes.get("definition") or {}
                yield {
                    "send_channel": str(definition.get("channel") or "email"),
                    "campaign_id": record.id,
                    "campaign_message_id": message.id,
                    "campaign_message_name": str(definition.get("label") or ""),
                }
        elif kind == "flow":
            yield {"send_channel": "email", "flow_id": record.id, "flow_name": _name(record)}
        else:
            yield {f"{kind}_id": record.id}


def _name(record: Record) -> str:
    return str(record.attributes.get("name") or "")


def _passes(text: str | None, groupings: dict[str, str]) -> bool:
    if not text:
        return True
    try:
        conditions = Filter.parse(text).conditions
    except QueryError as failure:
        raise invalid(f"Invalid filter provided: {failure}", pointer="/data/attributes/filter") from failure
    return all(
        holds(condition, [groupings[condition.field]] if condition.field in groupings else [])
        for condition in conditions
    )


def _figures(groupings: dict[str, str], name: str, dates: list[datetime] | None) -> float | list[float]:
    if dates is None:
        return _figure(groupings, name, "")
    return [_figure(groupings, name, date.isoformat()) for date in dates]


def _figure(groupings: dict[str, str], name: str, at: str) -> float:
    seed = "\0".join((name, at, *groupings.values())).encode()
    drawn = int.from_bytes(hashlib.sha256(seed).digest()[:4]) % _LARGEST
    return round(drawn / _LARGEST, 4) if name.endswith("_rate") else float(drawn)


def _dates(call: Call) -> list[datetime]:
    start, end = _timeframe(call)
    found: list[datetime] = []
    at = start
    while at < end:
        if len(found) == _MOST_DATES:
            raise invalid("The timeframe has too many intervals.", pointer="/data/attributes/timeframe")
        found.append(at)
        step = _STEPS.get(call.attributes["interval"])
        at = (at.replace(day=1) + timedelta(days=32)).replace(day=1) if step is None else at + step
    return found


def _timeframe(call: Call) -> tuple[datetime, datetime]:
    asked = call.attributes["timeframe"]
    if "key" not in asked:
        return _time(asked["start"]), _time(asked["end"])
    midnight = call.world.clock.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=_DAYS.get(asked["key"], 30)), midnight


def _time(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
