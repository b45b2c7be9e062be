"""Metric aggregates, counted from the fake's events."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from klaviyo_async.errors import QueryError
from klaviyo_async.filter import Filter
from klaviyo_async.testing import render
from klaviyo_async.testing.behaviour.generic import require, success
from klaviyo_async.testing.behaviour.registry import handles
from klaviyo_async.testing.call import Response
from klaviyo_async.testing.evaluate import holds
from klaviyo_async.testing.problems import invalid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from klaviyo_async.filter import Condition
    from klaviyo_async.testing.call import Call

_MOST_BUCKETS = 20_000


@handles("query_metric_aggregates", coverage="computed")
def aggregates(call: Call) -> Response:
    """Counts, sums and uniques by interval and by event property, from the events that are there."""
    store = call.world.store
    asked = call.attributes
    metric = require(store, "metric", asked["metric_id"])
    conditions = _conditions(asked["filter"])
    start, end = _range(conditions)
    zone = _zone(asked.get("timezone") or "UTC")
    edges = list(_edges(start.astimezone(zone), end, asked.get("interval") or "day"))
    by = asked.get("by") or []
    rows: dict[tuple[str, ...], dict[str, list[Any]]] = {}
    uniques: dict[tuple[tuple[str, ...], int], set[str | None]] = defaultdict(set)
    measurements = asked["measurements"]
    for seq in store.table("event").having("@metric", metric.id):
        attributes, refs = store.table("event").by_seq[seq].load()
        properties = attributes["event_properties"]
        at = datetime.fromtimestamp(attributes["timestamp"], UTC)
        if not start <= at < end or not _passes(conditions, properties):
            continue
        place = next(index for index in range(len(edges) - 1, -1, -1) if edges[index] <= at)
        key = tuple(str(properties.get(name, "")) for name in by)
        row = rows.setdefault(key, {name: [0.0] * len(edges) for name in measurements})
        uniques[key, place].add(refs.get("profile"))
        for name in measurements:
            if name == "count":
                row[name][place] += 1.0
            elif name == "sum_value":
                row[name][place] += float(properties.get("$value") or 0)
            else:
                row[name][place] = float(len(uniques[key, place]))
    if not rows and not by:
        rows[()] = {name: [0.0] * len(edges) for name in measurements}
    document = {
        "data": {
            "type": "metric-aggregate",
            "id": str(call.world.chance.getrandbits(63)),
            "attributes": {
                "dates": [edge.astimezone(UTC).isoformat() for edge in edges],
                "data": [{"dimensions": list(key), "measurements": values} for key, values in sorted(rows.items())],
            },
            "links": {"self": f"{call.origin}/api/metric-aggregates/"},
        },
        "links": {"self": render.self_link(call), "next": None, "prev": None},
    }
    return Response(status=success(call), document=document)


def _conditions(texts: list[str]) -> list[Condition]:
    found: list[Condition] = []
    for number, text in enumerate(texts):
        try:
            found.extend(Filter.parse(text).conditions)
        except QueryError as failure:
            raise invalid(
                f"Invalid filter provided: {failure}", pointer=f"/data/attributes/filter/{number}"
            ) from failure
    return found


def _range(conditions: list[Condition]) -> tuple[datetime, datetime]:
    bounds = {one.operator: one.value for one in conditions if one.field == "datetime"}
    start, end = bounds.get("greater-or-equal"), bounds.get("less-than")
    if start is None or end is None:
        raise invalid(
            "The filter must have greater-or-equal(datetime,…) and less-than(datetime,…).",
            pointer="/data/attributes/filter",
        )
    first, last = (_aware(value) for value in (start, end))
    if last <= first or last - first > timedelta(days=366):
        raise invalid("The range must be positive and at most one year.", pointer="/data/attributes/filter")
    return first, last


def _aware(value: Any) -> datetime:
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC) if hasattr(value, "year") else None
    if value is None:
        raise invalid("datetime must be compared with a time.", pointer="/data/attributes/filter")
    moment: datetime = value
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as failure:
        raise invalid(f"'{name}' is not a time zone.", pointer="/data/attributes/timezone") from failure


def _edges(start: datetime, end: datetime, interval: str) -> Iterator[datetime]:
    edge = start.replace(minute=0, second=0, microsecond=0)
    if interval != "hour":
        edge = edge.replace(hour=0)
    if interval == "week":
        edge -= timedelta(days=edge.weekday())
    if interval == "month":
        edge = edge.replace(day=1)
    for _ in range(_MOST_BUCKETS):
        if edge >= end:
            return
        yield edge
        if interval == "month":
            edge = (edge + timedelta(days=32)).replace(day=1)
        else:
            edge += {"hour": timedelta(hours=1), "week": timedelta(weeks=1)}.get(interval, timedelta(days=1))


def _passes(conditions: list[Condition], properties: dict[str, Any]) -> bool:
    for condition in conditions:
        if condition.field != "datetime":
            value = properties.get(condition.field)
            if not holds(condition, [] if value is None else [value]):
                return False
    return True
