"""The fake's state: resources by type and id, the pairs of their relationships, and indexes built on first use."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING, Any

import orjson

from klaviyo_async.testing.clock import stamp
from klaviyo_async.testing.ids import Ids
from klaviyo_async.testing.problems import Problem
from klaviyo_async.testing.record import Record
from klaviyo_async.testing.resources import KINDS, Kind, Relationship
from klaviyo_async.testing.values import sort_key, values_of

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from klaviyo_async.testing.clock import Clock
    from klaviyo_async.testing.database import Database

Key = tuple[Any, ...]
_UNKNOWN = Kind()


class Table:
    """All resources of one type, in order of creation and in any other order that was requested."""

    def __init__(self, type: str) -> None:
        self.type = type
        self.records: dict[str, Record] = {}
        self.by_seq: dict[int, Record] = {}
        self.order: list[int] = []
        self._sorted: dict[str, list[tuple[Key, int]]] = {}
        self._hashed: dict[str, dict[Any, dict[int, None]]] = {}

    def put(self, record: Record) -> None:
        """Add a resource, or replace the one with its id, and update the indexes."""
        old = self.records.get(record.id)
        if old is not None:
            self._unindex(old)
        self.records[record.id] = record
        self.by_seq[record.seq] = record
        if old is None:
            if self.order and record.seq < self.order[-1]:
                insort(self.order, record.seq)
            else:
                self.order.append(record.seq)
        for field, entries in self._sorted.items():
            insort(entries, (_first(record, field), record.seq))
        for field, buckets in self._hashed.items():
            for value in values_of(record, field):
                buckets.setdefault(_hashable(value), {})[record.seq] = None

    def drop(self, record: Record) -> None:
        """Remove a resource."""
        self._unindex(record)
        del self.records[record.id]
        del self.by_seq[record.seq]
        del self.order[bisect_left(self.order, record.seq)]

    def sorted_by(self, field: str) -> list[tuple[Key, int]]:
        """Pairs of sort key and seq, ascending. Built on first use and maintained from then on."""
        entries = self._sorted.get(field)
        if entries is None:
            entries = sorted((_first(record, field), record.seq) for record in self.records.values())
            self._sorted[field] = entries
        return entries

    def having(self, field: str, value: Any) -> list[int]:
        """Seqs of the resources whose field has a value. The index is built on first use."""
        buckets = self._hashed.get(field)
        if buckets is None:
            buckets = self._hashed[field] = {}
            for record in self.records.values():
                for one in values_of(record, field):
                    buckets.setdefault(_hashable(one), {})[record.seq] = None
        return list(buckets.get(_hashable(value), ()))

    def _unindex(self, record: Record) -> None:
        for field, entries in self._sorted.items():
            at = bisect_left(entries, (_first(record, field), record.seq))
            del entries[at]
        for field, buckets in self._hashed.items():
            for value in values_of(record, field):
                bucket = buckets.get(_hashable(value))
                if bucket is not None:
                    bucket.pop(record.seq, None)
                    if not bucket:
                        del buckets[_hashable(value)]


def _first(record: Record, field: str) -> Key:
    values = values_of(record, field)
    return sort_key(values[0] if values else None)


def _hashable(value: Any) -> Any:
    if isinstance(value, str):
        return value
    return orjson.dumps(value) if isinstance(value, list | dict) else value


class Group:
    """The members of one to-many relationship of one resource, in the order they joined."""

    __slots__ = ("members", "order")

    def __init__(self) -> None:
        self.members: dict[int, float] = {}
        """Seq of the member → when it joined, in seconds since the epoch."""
        self.order: list[tuple[float, int]] = []

    def add(self, seq: int, joined: float) -> bool:
        """Add a member; False if it already was one."""
        if seq in self.members:
            return False
        self.members[seq] = joined
        entry = (joined, seq)
        if self.order and entry < self.order[-1]:
            insort(self.order, entry)
        else:
            self.order.append(entry)
        return True

    def discard(self, seq: int) -> bool:
        """Remove a member; False if it wasn't one."""
        joined = self.members.pop(seq, None)
        if joined is None:
            return False
        del self.order[bisect_left(self.order, (joined, seq))]
        return True


_EMPTY = Group()


class Store:
    """All state of a fake, for tests to read and change. Times are the fake's clock; ids are generated unless given."""

    def __init__(
        self,
        clock: Clock,
        chance: random.Random,
        database: Database | None = None,
        *,
        kinds: Mapping[str, Kind] = KINDS,
    ) -> None:
        self.clock: Clock = clock
        self.kinds: Mapping[str, Kind] = kinds
        """Resource type → what is known about it."""
        self.ids: Ids = Ids(clock, chance)
        self.before_reading: Callable[[], None] = lambda: None
        """Called before tests read: first processes what is due by the clock (jobs)."""
        self._tables: dict[str, Table] = {}
        self._pairs: dict[tuple[str, str], dict[int, Group]] = {}
        self._seq = 0
        self._database = database
        if database is not None:
            self._restore(database)

    # what tests use

    def get(self, type: str, id: str) -> dict[str, Any] | None:
        """The resource as a plain mapping (``type``, ``id``, ``attributes``, ``relationships`` of ids), None if absent."""
        self.before_reading()
        record = self.table(type).records.get(id)
        return None if record is None else self.plain(record)

    def all(self, type: str) -> Iterator[dict[str, Any]]:
        """Every resource of a type, oldest first."""
        self.before_reading()
        for seq in list(self.table(type).order):
            record = self.table(type).by_seq.get(seq)
            if record is not None:
                yield self.plain(record)

    def types(self) -> list[str]:
        """Every type that the fake knows, or has resources of."""
        return [*self.kinds, *(self._tables.keys() - self.kinds.keys())]

    def latest(self, type: str) -> Iterator[dict[str, Any]]:
        """Every resource of a type, newest first."""
        self.before_reading()
        for seq in reversed(list(self.table(type).order)):
            record = self.table(type).by_seq.get(seq)
            if record is not None:
                yield self.plain(record)

    def relationships(self, type: str) -> list[tuple[str, str, bool]]:
        """Name and target type of each relationship of a type, and whether it is to-many."""
        return [(name, one.target, one.kept != "one") for name, one in self.kind(type).relationships.items()]

    def find(self, type: str, **attributes: Any) -> dict[str, Any] | None:
        """The first resource whose attributes have these values; None if there is none."""
        self.before_reading()
        for record in self.records(type):
            if all(record.attributes.get(name) == value for name, value in attributes.items()):
                return self.plain(record)
        return None

    def count(self, type: str) -> int:
        """How many resources of a type there are."""
        self.before_reading()
        return len(self.table(type).records)

    def add(
        self,
        type: str,
        attributes: Mapping[str, Any] | None = None,
        *,
        id: str | None = None,
        relationships: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Add a resource. Ids of relationships are a text or a list of texts.

        Raises:
            KeyError: if a related resource doesn't exist.
            ValueError: if the id is taken.
        """
        if id is not None and id in self.table(type).records:
            message = f"there already is a {type} with id {id}: use update()"
            raise ValueError(message)
        return self.plain(self.insert(type, attributes or {}, id=id, relationships=relationships))

    def update(
        self,
        type: str,
        id: str,
        attributes: Mapping[str, Any] | None = None,
        *,
        relationships: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Change attributes and relationships; the others stay.

        Raises:
            KeyError: if the resource, or a related one, doesn't exist.
        """
        return self.plain(self.change(self.table(type).records[id], attributes or {}, relationships=relationships))

    def remove(self, type: str, id: str) -> None:
        """Remove a resource, and remove it from all relationships.

        Raises:
            KeyError: if it doesn't exist.
        """
        self.delete(self.table(type).records[id])

    def link(self, type: str, id: str, relationship: str, ids: Iterable[str]) -> None:
        """Add members to a to-many relationship; existing members stay as they are.

        Raises:
            KeyError: if either side doesn't exist.
        """
        record = self.table(type).records[id]
        target = self.table(self.relationship(type, relationship).target)
        for member in [target.records[one] for one in ids]:
            self.join(record, relationship, member)

    def unlink(self, type: str, id: str, relationship: str, ids: Iterable[str]) -> None:
        """Remove members from a to-many relationship; ids that aren't members are ignored."""
        record = self.table(type).records[id]
        target = self.table(self.relationship(type, relationship).target)
        for one in ids:
            if one in target.records:
                self.part(record, relationship, target.records[one])

    def related(self, type: str, id: str, relationship: str) -> list[str]:
        """Ids of the related resources, in the order they joined.

        Raises:
            KeyError: if the resource doesn't exist.
        """
        self.before_reading()
        return [member.id for member in self.members(self.table(type).records[id], relationship)]

    def plain(self, record: Record) -> dict[str, Any]:
        """A record in the form that tests see."""
        attributes, refs = record.load()
        # names with a tilde are internal to the fake
        attributes = {name: value for name, value in attributes.items() if "~" not in name}
        relationships: dict[str, Any] = {
            name: refs.get(name) for name, one in self.kind(record.type).relationships.items() if one.kept == "one"
        }
        return {"type": record.type, "id": record.id, "attributes": attributes, "relationships": relationships}

    # what the fake itself uses

    def table(self, type: str) -> Table:
        """The table of a type; created on first use."""
        table = self._tables.get(type)
        if table is None:
            table = self._tables[type] = Table(type)
        return table

    def missing(self, type: str, id: str) -> Problem:
        """The 404 for a resource that doesn't exist."""
        text = self.kind(type).missing or type.replace("-", " ").capitalize() + " with id {id} not found."
        return Problem(404, text.replace("{id}", id), pointer="/data/")

    def kind(self, type: str) -> Kind:
        """What is known about a type."""
        return self.kinds.get(type, _UNKNOWN)

    def relationship(self, type: str, name: str) -> Relationship:
        """What is known about a relationship.

        Raises:
            KeyError: if the type has no such relationship.
        """
        return self.kind(type).relationships[name]

    def record(self, type: str, id: str) -> Record | None:
        """The record; None if absent."""
        return self.table(type).records.get(id)

    def records(self, type: str) -> Iterator[Record]:
        """Every record of a type, oldest first; the table may change during iteration."""
        table = self.table(type)
        for seq in list(table.order):
            record = table.by_seq.get(seq)
            if record is not None:
                yield record

    def first(self, type: str, field: str, value: Any) -> Record | None:
        """The first record whose field has a value, by index."""
        table = self.table(type)
        found = table.having(field, value)
        return table.by_seq[min(found)] if found else None

    def insert(
        self,
        type: str,
        attributes: Mapping[str, Any],
        *,
        id: str | None = None,
        relationships: Mapping[str, Any] | None = None,
    ) -> Record:
        """A new record with its defaults and timestamps."""
        kind = self.kind(type)
        now = stamp(self.clock.time())
        full: dict[str, Any] = {**kind.defaults}
        if kind.created:
            full[kind.created] = now
        if kind.updated:
            full[kind.updated] = now
        full |= attributes
        self._seq += 1
        record = Record(type, id or self._free_id(type, kind.id), self._seq, b"")
        return self._write(record, full, {}, relationships)

    def _free_id(self, type: str, style: str) -> str:
        # a fake that continues from a file starts the random sequence from the seed again, and would generate the same ids
        known = self.table(type).records
        made = self.ids.make(style)
        while made in known:
            made = self.ids.make(style)
        return made

    def change(
        self, record: Record, attributes: Mapping[str, Any], *, relationships: Mapping[str, Any] | None = None
    ) -> Record:
        """The record with some attributes and relationships changed, and its update time."""
        kind = self.kind(record.type)
        old, refs = record.load()
        if kind.updated:
            old[kind.updated] = stamp(self.clock.time())
        return self._write(Record(record.type, record.id, record.seq, b""), {**old, **attributes}, refs, relationships)

    def overwrite(self, record: Record, attributes: Mapping[str, Any]) -> Record:
        """The record with exactly these attributes."""
        return self._write(Record(record.type, record.id, record.seq, b""), attributes, record.refs, None)

    def _write(
        self,
        record: Record,
        attributes: Mapping[str, Any],
        refs: dict[str, str | None],
        relationships: Mapping[str, Any] | None,
    ) -> Record:
        kind = self.kind(record.type)
        many: list[tuple[str, list[Record]]] = []
        for name, value in (relationships or {}).items():
            one = kind.relationships[name]
            if one.kept == "one":
                refs[name] = None if value is None else self.table(one.target).records[value].id
            else:
                many.append((name, [self.table(one.target).records[member] for member in value or ()]))
        # copied, since orjson returns the whole buffer that it wrote to, several times the size
        record.body = bytes(memoryview(orjson.dumps((attributes, refs), option=orjson.OPT_NON_STR_KEYS)))
        self.table(record.type).put(record)
        if self._database is not None:
            self._database.save(record)
        for name, members in many:
            wanted = {member.seq for member in members}
            for member in list(self.members(record, name)):
                if member.seq not in wanted:
                    self.part(record, name, member)
            for member in members:
                self.join(record, name, member)
        return record

    def delete(self, record: Record) -> None:
        """Remove a record, and remove it from all relationships."""
        for name, one in self.kind(record.type).relationships.items():
            if one.kept == "many":
                for member in list(self.members(record, name)):
                    self.part(record, name, member)
        for groups in self._pairs.values():
            groups.pop(record.seq, None)
        for key, groups in self._pairs.items():
            if self.relationship(*key).target == record.type and self.relationship(*key).inverse is None:
                for owner, group in groups.items():
                    if group.discard(record.seq) and self._database is not None:
                        self._database.unlink(key, owner, record.seq)
        self.table(record.type).drop(record)
        if self._database is not None:
            self._database.remove(record)

    def members(self, record: Record, name: str) -> Iterator[Record]:
        """The related records of a relationship of any kind, in the order they joined."""
        one = self.relationship(record.type, name)
        table = self.table(one.target)
        if one.kept == "one":
            found = table.records.get(record.refs.get(name) or "")
            if found is not None:
                yield found
        elif one.kept == "reverse":
            for seq in sorted(table.having(f"@{one.inverse}", record.id)):
                yield table.by_seq[seq]
        else:
            for _, seq in list(self.group(record, name).order):
                if seq in table.by_seq:
                    yield table.by_seq[seq]

    def group(self, record: Record, name: str) -> Group:
        """The members of a to-many relationship that is kept as pairs, seen from this side."""
        return self._pairs.get((record.type, name), {}).get(record.seq, _EMPTY)

    def join(self, record: Record, name: str, member: Record, *, at: float | None = None) -> bool:
        """Add one member to a relationship, on both sides; False if it was already there."""
        one = self.relationship(record.type, name)
        if one.kept == "one":
            self.change(record, {}, relationships={name: member.id})
            return True
        if one.kept == "reverse":
            # being in a reverse relationship means pointing to its owner
            self.change(member, {}, relationships={str(one.inverse): record.id})
            return True
        joined = self.clock.time() if at is None else at
        added = self._pairs.setdefault((record.type, name), {}).setdefault(record.seq, Group()).add(member.seq, joined)
        if added and one.inverse is not None:
            back = self._pairs.setdefault((member.type, one.inverse), {})
            back.setdefault(member.seq, Group()).add(record.seq, joined)
        if added and self._database is not None:
            owner, target = (record, member) if one.owner else (member, record)
            self._database.link((owner.type, name if one.owner else str(one.inverse)), owner.seq, target.seq, joined)
        return added

    def part(self, record: Record, name: str, member: Record) -> bool:
        """Remove one member from a relationship, on both sides; False if it wasn't there."""
        one = self.relationship(record.type, name)
        if one.kept == "one":
            self.change(record, {}, relationships={name: None})
            return True
        if one.kept == "reverse":
            self.change(member, {}, relationships={str(one.inverse): None})
            return True
        removed = self._pairs.get((record.type, name), {}).get(record.seq, Group()).discard(member.seq)
        if removed and one.inverse is not None:
            self._pairs.get((member.type, one.inverse), {}).get(member.seq, Group()).discard(record.seq)
        if removed and self._database is not None:
            owner, target = (record, member) if one.owner else (member, record)
            self._database.unlink((owner.type, name if one.owner else str(one.inverse)), owner.seq, target.seq)
        return removed

    def clear(self) -> None:
        """Forget everything."""
        self._tables.clear()
        self._pairs.clear()
        if self._database is not None:
            self._database.clear()

    def flush(self) -> None:
        """Write changes to the database, if there is one."""
        if self._database is not None:
            self._database.flush()

    def _restore(self, database: Database) -> None:
        for record in database.records():
            self.table(record.type).put(record)
            self._seq = max(self._seq, record.seq)
        for kind, name, owner, member, joined in database.pairs():
            one = self.relationship(kind, name)
            self._pairs.setdefault((kind, name), {}).setdefault(owner, Group()).add(member, joined)
            if one.inverse is not None:
                self._pairs.setdefault((one.target, one.inverse), {}).setdefault(member, Group()).add(owner, joined)
