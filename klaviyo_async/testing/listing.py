"""Lists: which records pass, in which order, and the page that a cursor points to.

A cursor names the last record seen by its sort key, not by a position, so pages stay right while records come and go.
"""

from __future__ import annotations

import base64
import math
from bisect import bisect_left, bisect_right
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import orjson
from attrs import frozen

from klaviyo_async.testing.clock import stamp
from klaviyo_async.testing.evaluate import field_values, matches
from klaviyo_async.testing.problems import Problem, invalid
from klaviyo_async.testing.store import Group
from klaviyo_async.testing.values import self_contained, sort_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from klaviyo_async.filter import Condition
    from klaviyo_async.testing.checks import Query
    from klaviyo_async.testing.record import Record
    from klaviyo_async.testing.store import Store

JOINED = "joined_group_at"
Entry = tuple[Any, int]


@frozen(kw_only=True)
class Page:
    """One page and the cursors to its neighbours."""

    records: list[Record]
    joined: dict[int, str]
    """Seq → when it joined, for members of a group."""
    next: str | None
    prev: str | None


def page_of_type(store: Store, type: str, query: Query) -> Page:
    """A page of all resources of a type."""
    table = store.table(type)
    sort = query.sort or store.kind(type).default_sort
    field, descending = _split(sort)
    narrowed = _narrow(store, type, query.conditions)
    entries: Sequence[Entry]
    if narrowed is not None:
        entries = _sort(store, (table.by_seq[seq] for seq in narrowed), field)
    elif field is None:
        return _page(store, type, query, _Plain(table.order), None, descending=False)
    elif self_contained(type, field):
        entries = table.sorted_by(field)
        return _page(store, type, query, entries, None, descending=descending, window=_window(entries, query))
    else:
        entries = _sort(store, table.by_seq.values(), field)
    return _page(store, type, query, entries, None, descending=descending)


def page_of_members(store: Store, type: str, query: Query, members: Group | Iterable[Record]) -> Page:
    """A page of the members of a group (with the times they joined), or of related records."""
    field, descending = _split(query.sort)
    if not isinstance(members, Group):
        return _page(store, type, query, _sort(store, members, field), None, descending=descending)
    group = members
    table = store.table(type)
    narrowed = _narrow(store, type, [one for one in query.conditions if one.field != JOINED])
    entries: Sequence[Entry]
    if narrowed is not None or (field is not None and field != JOINED):
        seqs = group.members if narrowed is None else [seq for seq in narrowed if seq in group.members]
        if field == JOINED or field is None:
            entries = sorted((group.members[seq], seq) for seq in seqs)
        else:
            entries = _sort(store, [table.by_seq[seq] for seq in seqs], field)
    else:
        entries = group.order
    return _page(store, type, query, entries, group, descending=descending)


class _Plain:
    """Seqs seen as entries, without a tuple for each of a hundred thousand."""

    def __init__(self, order: list[int]) -> None:
        self._order = order

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, at: int) -> Entry:
        return (0, self._order[at])


def _split(sort: str | None) -> tuple[str | None, bool]:
    if sort is None:
        return None, False
    return sort.removeprefix("-"), sort.startswith("-")


def _sort(store: Store, records: Iterable[Record], field: str | None) -> list[Entry]:
    if field is None:
        return sorted((0, record.seq) for record in records)
    return sorted((sort_key(next(iter(field_values(store, record, field)), None)), record.seq) for record in records)


def _narrow(store: Store, type: str, conditions: Sequence[Condition]) -> list[int] | None:
    """Seqs that a condition of equality leaves, by index; None where no condition narrows."""
    best: list[int] | None = None
    for condition in conditions:
        if condition.operator not in {"equals", "any"} or not self_contained(type, condition.field):
            continue
        wanted = condition.value if isinstance(condition.value, tuple) else (condition.value,)
        if not all(isinstance(one, str) for one in wanted):
            continue
        table = store.table(type)
        if condition.field in {"id", "ids"}:
            seqs = [table.records[str(one)].seq for one in wanted if one in table.records]
        else:
            seqs = [seq for one in wanted for seq in table.having(condition.field, one)]
        seqs = list(dict.fromkeys(seqs))
        if best is None or len(seqs) < len(best):
            best = seqs
    return best


def _page(
    store: Store,
    type: str,
    query: Query,
    entries: Sequence[Entry] | _Plain,
    group: Group | None,
    *,
    descending: bool,
    window: tuple[int, int] | None = None,
) -> Page:
    table = store.table(type)
    sort = query.sort
    backwards, after = _read(query.cursor, sort) if query.cursor is not None else (False, None)
    downwards = descending != backwards
    found: list[tuple[Entry, Record]] = []
    for entry in _from(entries, after, window or (0, len(entries)), downwards=downwards):
        record = table.by_seq.get(entry[1])
        if record is None:
            continue
        extra = {JOINED: stamp(group.members[record.seq])} if group is not None else None
        if not query.conditions or matches(store, record, query.conditions, extra):
            found.append((entry, record))
            if len(found) > query.size:
                break
    more = len(found) > query.size
    del found[query.size :]
    if backwards:
        found.reverse()
    # coming from somewhere, there is something that way
    follows = bool(found) and (more if not backwards else True)
    precedes = bool(found) and (more if backwards else after is not None)
    return Page(
        records=[record for _, record in found],
        joined={record.seq: stamp(group.members[record.seq]) for _, record in found} if group is not None else {},
        next=_write("n", found[-1][0], sort) if follows else None,
        prev=_write("p", found[0][0], sort) if precedes else None,
    )


def _window(entries: Sequence[Entry], query: Query) -> tuple[int, int]:
    """Where the entries lie that conditions on the sort key can hold for: the others need not be looked at."""
    field, _ = _split(query.sort)
    start, end = 0, len(entries)
    for condition in query.conditions:
        if condition.field != field or not isinstance(condition.value, datetime):
            continue
        key = sort_key(condition.value)
        below, past = (key, -math.inf), (key, math.inf)
        if condition.operator == "greater-or-equal":
            start = max(start, bisect_left(entries, below))
        elif condition.operator == "greater-than":
            start = max(start, bisect_left(entries, past))
        elif condition.operator == "less-than":
            end = min(end, bisect_left(entries, below))
        elif condition.operator == "less-or-equal":
            end = min(end, bisect_left(entries, past))
    return start, end


def _from(
    entries: Sequence[Entry] | _Plain, after: Entry | None, window: tuple[int, int], *, downwards: bool
) -> Iterator[Entry]:
    """Entries of a window past a place, upwards or downwards."""
    low, high = window
    if downwards:
        start = high if after is None else min(high, bisect_left(entries, after))
        steps = range(start - 1, low - 1, -1)
    else:
        start = low if after is None else max(low, bisect_right(entries, after))
        steps = range(start, high)
    return (entries[at] for at in islice(steps, None))


def _write(direction: str, entry: Entry, sort: str | None) -> str:
    raw = orjson.dumps((direction, entry[0], entry[1], sort or ""))
    return base64.urlsafe_b64encode(raw[::-1]).decode().rstrip("=")


def _read(cursor: str, sort: str | None) -> tuple[bool, Entry]:
    """Direction and place of a cursor.

    Raises:
        Problem: 400 for a cursor that this fake didn't give, or gave for another order.
    """
    try:
        # the official Python client sends a cursor that it cut from a URL with its equals sign
        cursor = cursor.removeprefix("=")
        raw = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))[::-1]
        direction, key, seq, made_for = orjson.loads(raw)
        entry = (tuple(key) if isinstance(key, list) else key, int(seq))
    except (ValueError, TypeError) as failure:
        raise _bad_cursor() from failure
    if direction not in {"n", "p"} or made_for != (sort or ""):
        raise _bad_cursor()
    return direction == "p", entry


def _bad_cursor() -> Problem:
    return invalid("Invalid page cursor.", parameter="page[cursor]")
