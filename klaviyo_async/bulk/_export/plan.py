"""Plans: an export as parts that are plain JSON, each to be run on its own, anywhere."""

from __future__ import annotations

import hashlib
import json
from asyncio import TaskGroup
from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from attrs import frozen

from klaviyo_async._did_you_mean import shown
from klaviyo_async.bulk._export.parts import SECOND, Part, cut, seconds, whole
from klaviyo_async.bulk._export.source import Source, named
from klaviyo_async.errors import QueryError
from klaviyo_async.filter import Filter
from klaviyo_async.pages import records_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Plan"]

_VERSION = 1
_SAMPLES = 4
"""Samples for each part."""
_SAMPLE = 50
"""Records that a sample asks for."""
_MOST = 1_000
"""Parts of a plan: each costs samples, and more machines than that have no use of an account's limits."""


@frozen(kw_only=True)
class Plan:
    """An export in parts."""

    id: str
    """The same for the same export and parts."""
    operation: str
    parts: tuple[dict[str, Any], ...]
    """What `klaviyo.bulk.run` takes: plain JSON, without a credential."""

    def __len__(self) -> int:
        return len(self.parts)


def request_of(source: Source, path: Sequence[object]) -> dict[str, Any]:
    """An export's call as plain JSON."""
    params = {name: _plain(value) for name, value in source.params.items()}
    if source.base is not None:
        params["filter"] = str(source.base)
    return {
        "version": _VERSION,
        "operation": source.operation.name,
        "package": source.operation.models.rpartition(".")[0],
        "path": [str(each) for each in path],
        "params": params,
        "split_on": source.split_on,
    }


def _plain(value: Any) -> Any:
    if hasattr(value, "items"):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)


def source_of(client: Any, part: Mapping[str, Any]) -> Source:
    """The export of a part. Raises `QueryError` if it isn't one."""
    try:
        version, operation, package = part["version"], part["operation"], part["package"]
        path, params, split_on = tuple(part["path"]), dict(part["params"]), part["split_on"]
        since, until = _time(part["since"]), _time(part["until"])
        _ = part["plan"], int(part["number"]), int(part["of"])
    except (KeyError, TypeError, ValueError) as error:
        raise QueryError(
            f"This is not a part of a plan ({type(error).__name__}: {error}): pass one of plan.parts."
        ) from None
    if version != _VERSION:
        raise QueryError(f"This part was planned by another version of the library ({version}): plan the export again.")
    params["filter"] = Filter.parse(params["filter"]) if params.get("filter") else None
    return Source(client, named(operation, package), path, params, split_on=split_on, since=since, until=until)


async def planned(source: Source, path: Sequence[object], parts: int) -> Plan:
    """Divide an export into parts with roughly the same number of records."""
    if isinstance(parts, bool) or not isinstance(parts, int) or not 1 <= parts <= _MOST:
        raise QueryError(f"parts must be a whole number from 1 to {_MOST:,}, not {shown(parts)}.")
    since, until = source.since, source.until
    if source.moving and until is None:
        # All parts end at the same moment: a record that changes meanwhile would move from one to another.
        until = whole(datetime.now(UTC))
    times: list[datetime] = []
    if parts > 1 and source.mode == "narrowing":
        times = await _even(source, until, parts)
    elif parts > 1 and source.mode == "halving":
        times = cut(whole(since or datetime(2012, 1, 1, tzinfo=UTC)), until or datetime.now(UTC), parts)
    request = request_of(source, path)
    ends = list(zip((since, *times), (*times, until), strict=True))
    described = json.dumps([request, [(_text(lower), _text(upper)) for lower, upper in ends]], sort_keys=True)
    plan = hashlib.sha256(described.encode()).hexdigest()[:16]
    made = [
        {**request, "plan": plan, "number": number, "of": len(ends), "since": _text(lower), "until": _text(upper)}
        for number, (lower, upper) in enumerate(ends)
    ]
    return Plan(id=plan, operation=source.operation.name, parts=tuple(made))


async def _even(source: Source, until: datetime | None, parts: int) -> list[datetime]:
    """Times between which there are roughly equal numbers of records, by sampling the whole range."""
    everything = Part(number=0, lower=source.since, upper=until)
    oldest = await _times(source, everything, 1)
    if not oldest:
        return []
    start = oldest[0]
    newest = await _times(source, everything, 1, newest=True)
    end = min(until, newest[0] + SECOND) if until is not None and newest else (newest[0] + SECOND if newest else start)
    places = [start, *cut(start, end, _SAMPLES * parts)]
    async with TaskGroup() as group:
        asked = [group.create_task(_times(source, Part(number=0, lower=place, upper=end), _SAMPLE)) for place in places]
    weights = []
    for place, following, task in zip(places, (*places[1:], end), asked, strict=True):
        found = [time for time in task.result() if time < following]
        width = seconds(following - place)
        if len(found) < len(task.result()) or len(found) < _SAMPLE:
            weights.append(float(len(found)))
        else:
            weights.append(len(found) / max(1.0, seconds(found[-1] - place)) * width)
    return _quantiles([*places, end], weights, parts)


def _quantiles(places: Sequence[datetime], weights: Sequence[float], parts: int) -> list[datetime]:
    """Where to cut so that each part has the same weight; `weights` lie evenly between the places."""
    sums = [0.0, *accumulate(weights)]
    found: list[datetime] = []
    for index in range(1, parts):
        wanted = sums[-1] * index / parts
        at = min(bisect_right(sums, wanted) - 1, len(weights) - 1)
        share = (wanted - sums[at]) / weights[at] if weights[at] else 0.0
        time = whole(places[at] + timedelta(seconds=seconds(places[at + 1] - places[at]) * share))
        if places[0] < time < places[-1] and (not found or time > found[-1]):
            found.append(time)
    return found


async def _times(source: Source, part: Part, count: int, *, newest: bool = False) -> list[datetime]:
    params: dict[str, Any] = {}
    if source.takes("page_size"):
        params["page_size"] = min(count, source.page_size)
    if newest:
        if f"-{source.split_on}" not in source.operation.sort:
            return [datetime.now(UTC)]
        params["sort"] = f"-{source.split_on}"
    page = await source.page(part, **params)
    times = [source.time(record) for record in records_of(page, ("data",))]
    found = [time for time in times if time is not None]
    return found if len(found) == len(times) else []


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
