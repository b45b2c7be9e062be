"""A row of the source → its JSON text, checked and encoded once; or everything that is wrong with it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import define, frozen

from klaviyo_async._did_you_mean import nearest, printable, shown
from klaviyo_async._model.base import Model
from klaviyo_async._model.codec import parse
from klaviyo_async._request.bodies import build_identifier, build_resource, json_text
from klaviyo_async._request.problems import Problems
from klaviyo_async._request.quick import quick_json, quick_resource
from klaviyo_async.bulk._import.columns import nested
from klaviyo_async.bulk._import.slices import Unreadable
from klaviyo_async.bulk.report import RowError

if TYPE_CHECKING:
    from klaviyo_async.errors import Problem
    from klaviyo_async.operation import Operation, Resource

__all__ = ["Encoder", "Row", "Unsendable", "identities", "identity", "identity_of"]

_MEMBERS = frozenset({"type", "id", "attributes", "relationships", "meta", "links"})
_NAMES = ("email", "phone_number", "external_id", "unique_code", "unique_id", "name", "anonymous_id")
"""What identifies a row to people if it has no id."""


@define
class Row:
    """A row that can be sent."""

    number: int
    text: bytes
    """The resource object as it appears in the body."""
    keys: tuple[int, ...] = ()
    """What it is about, as hashes: rows that share one are about the same record."""
    weight: int = 1
    """How much it counts for the cap on rows."""


@frozen
class Unsendable:
    """A row that can't be sent as it is."""

    number: int
    id: str | None
    code: str
    problems: tuple[Problem, ...]
    text: bytes | None
    """The row as JSON, if it can be expressed as JSON."""

    def error(self) -> RowError:
        """Its entry in the report."""
        first = self.problems[0]
        return RowError(
            row=self.number,
            id=self.id,
            state="unsent",
            code=self.code,
            detail=first.message,
            pointer=first.pointer.rstrip("/") or None,
            problems=self.problems,
        )


class Encoder:
    """Checks and encodes the rows of one operation."""

    def __init__(self, operation: Operation, *, room: int | None, validate: bool = True) -> None:
        """`room` is how many bytes a row alone in a request may have; `validate` off leaves names to Klaviyo."""
        body, bulk = operation.body, operation.bulk
        assert body is not None  # noqa: S101 - for the type checkers: bulk operations have all of these
        assert body.resource is not None  # noqa: S101
        assert bulk is not None  # noqa: S101
        held, related = body.resource.nested.get(bulk.rows), body.resource.relationships.get(bulk.rows)
        self._resource: Resource | None = held.resource if held is not None else None
        self._identifier = related.type if related is not None else ""
        self._identified_by = bulk.identified_by
        self._counts = bulk.counts
        self._caps = operation.caps
        self._room = room
        self._validate = validate
        self._unquestioned = min(
            filter(None, (self._caps.row_bytes, self._caps.string_bytes, room)), default=sys.maxsize
        )
        """Bytes up to which no row is too large."""
        resource = self._resource
        # Attributes that go into the body as they are, under their own names: of most rows there are no others.
        self._plain: frozenset[str] | None = None
        if resource is not None and self._counts is None and resource.wraps_attributes:
            self._plain = frozenset(
                name
                for name, wire in resource.attributes.items()
                if name == wire and name not in resource.nested and name not in resource.filters
            )
        self._type = "" if resource is None else resource.type
        self._required = () if resource is None else resource.required
        self._salts = tuple((name, hash(name)) for name in bulk.same_by if name != "id")
        self._by_id = "id" in bulk.same_by

    def encode(self, number: int, given: object) -> Row | Unsendable:
        """The row as it goes into a body, or what keeps it from going there."""
        data = self._quickly(given)
        if data is not None:
            keys = self._keys(data)
            if keys or self._is_identified(data):
                text = quick_json(data)
                if text is not None:
                    return self._sized(number, data, text, keys)
        return self._carefully(number, given)

    def _quickly(self, given: object) -> dict[str, Any] | None:
        """The resource object of a row that has nothing out of the ordinary; None where the careful way must look."""
        plain = self._plain
        if plain is None or type(given) is not dict:
            return None
        if not plain.issuperset(given):
            assert self._resource is not None  # noqa: S101 - for the type checkers: there is no plain without it
            return quick_resource(self._resource, given)
        for name in self._required:
            if name not in given:
                return None
        return {"type": self._type, "attributes": given}

    def _carefully(self, number: int, given: object) -> Row | Unsendable:
        problems = Problems()
        if isinstance(given, Unreadable):
            problems.add("/", given.why)
            return Unsendable(number, None, "not_json", tuple(problems), None)
        if self._resource is None:
            data: Any = build_identifier(self._identifier, given, problems)
        else:
            value = self._spread(given, self._resource, problems)
            if self._counts is not None and isinstance(value, dict):
                value = self._wrapped(value, self._resource, self._counts)
            if isinstance(value, dict) and self._validate:
                self._check_names(value, self._resource, problems)
            data = build_resource(self._resource, value, problems, validate=self._validate)
            if not problems and self._validate and not self._is_identified(data):
                problems.add("/", f"it needs one of {', '.join(self._identified_by)}", "required")
        text = None if problems else json_text(data, problems)
        if text is None:
            known = all(problem.kind in {"type", "value"} for problem in problems)
            return self._refused(number, given, "not_json" if known else "invalid", problems)
        return self._sized(number, data, text, self._keys(data))

    # -- what a row may be ----------------------------------------------------------------------------------------------

    def _spread(self, given: object, resource: Resource, problems: Problems) -> object:
        """The row as one mapping of attributes, relationships, id and meta; anything else as it is."""
        if isinstance(given, str):
            return _from_text(given, resource)
        read = isinstance(given, Model)
        if isinstance(given, Model):
            given = given._wire()
        elif isinstance(given, tuple) and (names := getattr(given, "_fields", None)):
            # A named tuple, as `itertuples` of pandas gives them.
            given = {name: value for name, value in zip(names, given, strict=True) if name != "Index"}
        if not isinstance(given, Mapping):
            return given
        if given.keys() == {"data"} and "data" not in resource.attributes:
            inner = given["data"]
            return self._spread(inner, resource, problems)
        if not _is_whole(given, resource):
            row = nested(given) if any("." in name for name in given if isinstance(name, str)) else dict(given)
            if row.get("type") == resource.type and "type" not in resource.attributes:
                del row["type"]  # as `to_row` has it
            return row
        if given["type"] != resource.type:
            problems.add("/type", f"a {resource.type!r} is expected here, not a {shown(given['type'])}")
        row = {key: given[key] for key in ("id", "meta") if key in given}
        for member in ("attributes", "relationships"):
            inside = given.get(member)
            if isinstance(inside, Model):
                inside = inside._wire()
            if isinstance(inside, Mapping):
                row |= inside
        if read:
            # What was read has more than can be written: when it was created, where it is, who it belongs to.
            names = _names_of(resource)
            row = {key: value for key, value in row.items() if key in names}
        return row

    def _wrapped(self, row: dict[Any, Any], resource: Resource, counts: str) -> dict[Any, Any]:
        """One member of the list that the row has, given as a row by itself: an event with its profile."""
        if counts in row:
            return row
        inner = resource.nested[counts].resource
        inside = _names_of(inner) if inner is not None else {}
        outside = _names_of(resource).keys() - inside.keys()
        outer = {key: value for key, value in row.items() if key in outside}
        return {**outer, counts: [{key: value for key, value in row.items() if key not in outside}]}

    def _check_names(self, row: Mapping[Any, Any], resource: Resource, problems: Problems, at: str = "") -> None:
        known = _names_of(resource)
        for name in [name for name in row if name not in known]:
            what = f"a {resource.type!r} has no {shown(name)} here{nearest(str(name), known)}"
            problems.add(f"{at}/attributes/{name}", what, "unknown")
        held = None if self._counts is None else resource.nested.get(self._counts)
        if held is not None and (inner := held.resource) is not None:
            for index, member in enumerate(row.get(self._counts) or ()):
                if isinstance(member, Mapping) and not _is_whole(member, inner):
                    self._check_names(member, inner, problems, f"{at}/attributes/{self._counts}/data/{index}")

    def _is_identified(self, data: Any) -> bool:
        if not self._identified_by:
            return True
        attributes = data.get("attributes") or {}
        for key in self._identified_by:  # noqa: SIM110 - for each row: `any` takes twice as long
            if (data if key == "id" else attributes).get(key) is not None:
                return True
        return False

    # -- what it comes to -----------------------------------------------------------------------------------------------

    def _sized(self, number: int, data: dict[str, Any], text: bytes, keys: tuple[int, ...]) -> Row | Unsendable:
        size = len(text)
        if size <= self._unquestioned and self._counts is None:
            return Row(number, text, keys)
        caps = self._caps
        problems: list[tuple[str, str]] = []
        if caps.row_bytes is not None and size > caps.row_bytes:
            problems.append(("/", f"it has {size:,} bytes, but a row may have at most {caps.row_bytes:,}"))
        elif self._room is not None and size > self._room:
            problems.append(("/", f"it has {size:,} bytes, but a request has room for {self._room:,}"))
        if caps.string_bytes is not None and size > caps.string_bytes:
            problems += [
                (place, f"the text has {length:,} bytes, but may have at most {caps.string_bytes:,}")
                for place, length in _texts(data)
                if length > caps.string_bytes
            ]
        weight = 1
        if self._counts is not None:
            weight = max(1, len(_members(data, self._counts)))
            if caps.rows is not None and weight > caps.rows:
                problems.append(
                    (
                        f"/attributes/{self._counts}",
                        f"it has {weight:,} {self._counts}, but may have at most {caps.rows:,}",
                    )
                )
        if problems:
            found = Problems()
            for place, what in problems:
                found.add(place, what, "range")
            return Unsendable(number, identity_of(data), "too_large", tuple(found), text)
        return Row(number, text, keys, weight)

    def _keys(self, data: dict[str, Any]) -> tuple[int, ...]:
        get = (data.get("attributes") or {}).get
        # Hashes take a fraction of the memory of texts; that two differ and agree here costs a moment's wait.
        keys = [hash(value.lower()) ^ salt for name, salt in self._salts if type(value := get(name)) is str]
        if self._by_id and "id" in data:
            keys.append(hash(data["id"]))
        return tuple(keys)

    def keys_of(self, texts: Sequence[bytes]) -> list[int]:
        """The keys of rows that were encoded earlier."""
        return [key for text in texts for key in self._keys(parse(text))] if self._salts or self._by_id else []

    def _refused(self, number: int, given: object, code: str, problems: Problems) -> Unsendable:
        try:
            # Only what JSON has: what would come back as something else is no row to feed in again.
            text = json.dumps(given.to_dict() if isinstance(given, Model) else given, allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError):
            text = None
        return Unsendable(number, identity_of(given), code, tuple(problems), text)


def _from_text(given: str, resource: Resource) -> object:
    """What a row that is just a text stands for: the id, or the only thing that such a resource needs."""
    if resource.id != "none":
        return {"id": given}
    if len(resource.required) == 1 and resource.required[0] in resource.attributes:
        return {resource.required[0]: given}
    return given


def _is_whole(value: Mapping[Any, Any], resource: Resource) -> bool:
    """Whether the mapping is a JSON:API resource object, and not what goes into one."""
    if "type" not in value or not value.keys() <= _MEMBERS:
        return False
    return "attributes" in value or "relationships" in value or "type" not in resource.attributes


def _names_of(resource: Resource) -> dict[str, None]:
    """Every key that a row of the resource may have, in order: keywords, and the names on the wire."""
    names = ["id"] if resource.id != "none" else []
    names += [*resource.attributes, *resource.relationships, *(["meta"] if resource.meta else [])]
    names += [*resource.attributes.values(), *(related.wire for related in resource.relationships.values())]
    return dict.fromkeys(names)


def _members(data: Mapping[str, Any], key: str) -> Any:
    found = (data.get("attributes") or {}).get(key)
    found = found.get("data") if isinstance(found, Mapping) else found
    return found if isinstance(found, list) else ()


def _texts(value: object, place: str = "") -> Iterator[tuple[str, int]]:
    """Pointer and bytes of every text in a JSON value that is long enough to matter."""
    stack = [(place, value)]
    while stack:
        at, found = stack.pop()
        if isinstance(found, str):
            yield at, len(found.encode(errors="surrogatepass"))
        elif isinstance(found, Mapping):
            stack += [(f"{at}/{key}", member) for key, member in reversed(list(found.items()))]
        elif isinstance(found, list | tuple):
            stack += [(f"{at}/{index}", member) for index, member in reversed(list(enumerate(found)))]


def identity(text: bytes) -> str | None:
    """What identifies a row that was encoded."""
    try:
        return identity_of(parse(text))
    except ValueError:
        return None


def identity_of(given: object) -> str | None:
    """What identifies a row: its id, or else an address, a number or the like; None where there is nothing."""
    if isinstance(given, Model):
        given = given._wire()
    if isinstance(given, str):
        return printable(given)
    if not isinstance(given, Mapping):
        return None
    places: list[Mapping[Any, Any]] = [given]
    if isinstance(inside := given.get("attributes"), Mapping | Model):
        places.append(inside._wire() if isinstance(inside, Model) else inside)
    if _is_text(given.get("id")):
        return printable(str(given["id"]))
    for name in _NAMES:
        for place in places:
            if _is_text(place.get(name)):
                return printable(str(place[name]))
    for place in places:
        profile = place.get("profile")
        if isinstance(profile, Mapping):
            return identity_of(profile.get("data", profile))
    return None


def _is_text(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and value != ""


def identities(row: object) -> Iterator[str]:
    """Everything that identifies a row, as it was sent (bytes) or as an error gives it back (a mapping)."""
    if isinstance(row, bytes):
        row = parse(row)
    if not isinstance(row, Mapping):
        return
    attributes = row.get("attributes")
    for place in (row, attributes if isinstance(attributes, Mapping) else {}):
        for name in ("id", *_NAMES):
            if _is_text(place.get(name)):
                yield str(place[name])
