"""JSON made from the schemas of the documents, each with what a decoder should see in it.

Works on the documents before anything is rewritten for the engine, so that it has no mistake in common with the generator.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

import attrs

from klaviyo_async._model import Model, UnknownModel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PREFIX = "#/components/schemas/"
TIMES = (
    "2026-09-04T13:40:13+00:00",
    "2026-09-04T13:40:13.490826+00:00",
    "2026-09-04T13:40:37Z",
    "2026-09-04T15:40:13.75+02:00",
    "2022-11-08T00:00:00",
)
FREE: dict[str, Any] = {
    "$value": 9.5,
    "$extra": {"Email Domain": "x", "$consent": ["email"], "empty": {}},
    "$source": -9,
    "none": None,
    "list": [1, "two", [3.25], {"four": None}],
    "from_dict": "a property of that name",
}


UNDECIDABLE = (
    {"EmailSendOptions", "SMSSendOptions", "PushSendOptions"},
    {"CampaignsEmailTrackingOptions", "CampaignsSMSTrackingOptions"},
    {"SendTime", "SendTimeSubObject"},  # the same fields: a CampaignMessage has the first, whichever operation gives it
)
"""Members of unions that neither they nor anything beside them tell apart; see docs/design/unions.md."""


@attrs.frozen
class Obj:
    """An object that should be a model: of that class where the schema has a name."""

    name: str | None
    parts: Mapping[str, Seen]
    extra: Mapping[str, Any] = attrs.field(factory=dict)
    """What the schema has no properties for."""


@attrs.frozen
class Items:
    """A list."""

    parts: tuple[Seen, ...]


@attrs.frozen
class Keyed:
    """An object with free keys whose values are parts."""

    parts: Mapping[str, Seen]


@attrs.frozen
class Moment:
    """A time: an aware datetime, or a date."""

    text: str
    day: bool = False


@attrs.frozen
class Plain:
    """Anything else: it stays as it is."""

    value: Any


Seen = Obj | Items | Keyed | Moment | Plain


def attribute_of(wire: str) -> str:
    """The attribute that a JSON name has, as the contract says it."""
    name = re.sub(r"[^0-9A-Za-z_]", "_", wire)
    name = re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()
    taken = {"self", "class", "from", "in", "is", "not", "and", "or", "if", "for", "global", "import", "with", "http"}
    return f"{name}_" if name in taken else name


class Synthesiser:
    """Makes values of schemas; `turn` picks union members, list lengths, enum values and time formats."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self.schemas: dict[str, Any] = document["components"]["schemas"]
        self.covered: set[tuple[int, int]] = set()
        """The union members that were made: identity of the list of members, and which of them."""
        self.turn = 0
        self.depth = 5
        """How many references deep optional things are made."""
        self.only_required = False
        self.nulls = False

    @cached_property
    def objects(self) -> list[str]:
        return sorted(name for name, schema in self.schemas.items() if schema.get("type") == "object")

    @cached_property
    def enums(self) -> list[str]:
        return sorted(name for name, schema in self.schemas.items() if "enum" in schema)

    def component(
        self, name: str, turn: int = 0, *, only_required: bool = False, nulls: bool = False, depth: int = 3
    ) -> Seen:
        """A value of a named schema. With `nulls` all that may be null is, though not at the top."""
        self.turn, self.only_required, self.depth, self.nulls = turn, only_required, depth, nulls
        return self._make({"$ref": PREFIX + name}, 0)

    def instances(self, name: str, depth: int = 3) -> Iterator[Seen]:
        """Values of a named schema that have all there is in it: each union member, full, bare, and with nulls."""
        for turn in range(self.turns(name)):
            yield self.component(name, turn, depth=depth)
            yield self.component(name, turn, depth=depth, only_required=True)
        yield self.component(name, nulls=True, depth=depth)

    def turns(self, name: str, least: int = 3) -> int:
        """How many turns see every union member that stands in the schema itself."""
        found = list(self.unions(self.schemas[name]))
        nested = any("oneOf" in place for place, _ in found)
        return max([least, *(len(members) * (1 + 5 * nested) for _, members in found)])

    def unions(self, node: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], list[Any]]]:
        """The unions in a schema, references not followed."""
        if isinstance(node, dict):
            for key in ("oneOf", "anyOf"):
                if isinstance(node.get(key), list):
                    yield place, node[key]
            for key, value in node.items():
                if key != "example":
                    yield from self.unions(value, (*place, key))
        elif isinstance(node, list):
            for index, value in enumerate(node):
                yield from self.unions(value, (*place, str(index)))

    def merged(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """The schema behind references and allOf, with `x-name` where it is a named one alone."""
        out: dict[str, Any] = {key: value for key, value in schema.items() if key not in {"allOf", "$ref"}}
        parts = [*schema.get("allOf", ())]
        if "$ref" in schema:
            name = schema["$ref"].removeprefix(PREFIX)
            parts.append({"x-name": name, **self.schemas[name]})
        alone = len(parts) == 1 and not schema.get("properties")
        for part in parts:
            out = _united(out, self.merged(part))
        if not alone and parts:
            out.pop("x-name", None)
        return out

    def _make(self, schema: Mapping[str, Any], level: int) -> Seen:
        nullable = schema.get("nullable") is True
        level += "$ref" in schema or "allOf" in schema
        schema = self.merged(schema)
        nullable = nullable or schema.get("nullable") is True
        if nullable and (self.nulls or schema.keys() == {"nullable"}):
            return Plain(None)
        if "enum" in schema:
            return Plain(schema["enum"][self.turn % len(schema["enum"])])
        members = schema.get("oneOf") or schema.get("anyOf")
        if members:
            self.covered.add((id(members), self.turn % len(members)))
            # As digits of the turn, so that each member of a union inside meets this one's.
            turn = self.turn // len(members)
            return self._next(members[self.turn % len(members)], level, turn - self.turn)
        if "properties" in schema:
            return self._object(schema, level)
        kind = schema.get("type")
        if kind == "array":
            deep = level > self.depth or (self.only_required and self.turn % 2)
            count = min(0 if deep else (self.turn + 1) % 3, schema.get("maxItems", 2))
            return Items(tuple(self._next(schema.get("items", {}), level, index) for index in range(count)))
        if kind == "object":
            values = schema.get("additionalProperties")
            if isinstance(values, dict) and values:
                return Keyed({key: self._next(values, level, i) for i, key in enumerate(("one", "$two", "three 3"))})
            free = {} if self.only_required else FREE
            return Obj(schema["x-name"], {}, free) if "x-name" in schema else Plain(free)
        return self._scalar(schema)

    def _next(self, schema: Mapping[str, Any], level: int, index: int) -> Seen:
        turn = self.turn
        self.turn += index
        try:
            return self._make(schema, level)
        finally:
            self.turn = turn

    def _object(self, schema: Mapping[str, Any], level: int) -> Obj:
        required = schema.get("required", ())
        parts = {}
        for name, each in schema["properties"].items():
            if name in required or not (self.only_required or level > self.depth):
                parts[name] = self._make(each, level)
        return Obj(schema.get("x-name"), parts)

    def _scalar(self, schema: Mapping[str, Any]) -> Seen:
        kind, form = schema.get("type"), schema.get("format")
        if kind == "string" and form == "date-time":
            return Moment(TIMES[self.turn % len(TIMES)])
        if kind == "string" and form == "date":
            return Moment("2026-09-04", day=True)
        if kind == "string" and schema.get("pattern") == "^https://":
            return Plain("https://example.com/ä")
        if kind == "string":
            example = schema.get("example")
            return Plain(
                example if isinstance(example, str) and self.turn % 2 == 0 else ("", 'ä 🦆 " \\ \n')[self.turn % 2]
            )
        if kind == "integer":
            return Plain(max((1, 0, -7, 2**53 - 1)[self.turn % 4], schema.get("minimum", -7)))
        if kind == "number":
            return Plain(max((8.88, 2, 0.0, -0.5)[self.turn % 4], schema.get("minimum", -0.5)))
        if kind == "boolean":
            return Plain(self.turn % 2 == 0)
        return Plain(("anything", 1, None, ["x"])[self.turn % 4])


def _united(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """What satisfies both, as far as the documents' own allOf go."""
    out = {**first, **second}
    if "properties" in first and "properties" in second:
        mine, other = first["properties"], second["properties"]
        out["properties"] = {
            name: {"allOf": [mine[name], other[name]]} if name in mine and name in other else (mine | other)[name]
            for name in mine | other
        }
    if "required" in first and "required" in second:
        out["required"] = [*first["required"], *(name for name in second["required"] if name not in first["required"])]
    return out


def plain(seen: Seen) -> Any:
    """The JSON value."""
    if isinstance(seen, Obj):
        return {key: plain(part) for key, part in seen.parts.items()} | dict(seen.extra)
    if isinstance(seen, Keyed):
        return {key: plain(part) for key, part in seen.parts.items()}
    if isinstance(seen, Items):
        return [plain(part) for part in seen.parts]
    return seen.text if isinstance(seen, Moment) else seen.value


def differences(decoded: Any, seen: Seen, place: str = "") -> Iterator[str]:
    """Where what was decoded is not what should be seen."""
    if isinstance(seen, Obj):
        if not isinstance(decoded, Model):
            yield f"{place}: a {type(decoded).__name__} instead of the model {seen.name}"
            return
        found = type(decoded).__name__
        # A resource's schema is an alias of the resource's class.
        models = import_module(f"{type(decoded).__module__.rpartition('.')[0].rpartition('.')[0]}.models")
        named = seen.name is None or getattr(models, seen.name) is type(decoded)
        if isinstance(decoded, UnknownModel) or not (named or _alike(seen.name, found)):
            yield f"{place}: {type(decoded).__name__} instead of {seen.name}"
            return
        for wire, part in seen.parts.items():
            name = attribute_of(wire)
            if not any(each.name == name for each in attrs.fields(type(decoded))):
                yield f"{place}.{name}: {type(decoded).__name__} has no such field"
                continue
            yield from differences(getattr(decoded, name), part, f"{place}.{name}")
        if decoded.additional_properties != seen.extra:
            yield f"{place}: left over {sorted(decoded.additional_properties)}"
        for each in attrs.fields(type(decoded)):
            value = getattr(decoded, each.name)
            known = {attribute_of(wire) for wire in seen.parts} | {"additional_properties"}
            if each.name not in known and (value is not None or decoded.is_set(each.name)):
                yield f"{place}.{each.name}: {value!r} out of nothing"
    elif isinstance(seen, Items):
        if not isinstance(decoded, list) or len(decoded) != len(seen.parts):
            yield f"{place}: {decoded!r:.80} instead of a list of {len(seen.parts)}"
            return
        for index, (value, part) in enumerate(zip(decoded, seen.parts, strict=True)):
            yield from differences(value, part, f"{place}[{index}]")
    elif isinstance(seen, Keyed):
        if not isinstance(decoded, dict) or decoded.keys() != seen.parts.keys():
            yield f"{place}: {decoded!r:.80} instead of a dict"
            return
        for key, part in seen.parts.items():
            yield from differences(decoded[key], part, f"{place}[{key!r}]")
    elif isinstance(seen, Moment):
        wanted = _instant(seen)
        if type(decoded) is not type(wanted) or decoded != wanted:
            yield f"{place}: {decoded!r:.80} instead of {wanted!r}"
        elif isinstance(decoded, datetime) and decoded.utcoffset() is None:
            yield f"{place}: naive"
    elif decoded != seen.value or type(decoded) is not type(seen.value):
        yield f"{place}: {decoded!r:.80} instead of {seen.value!r:.80}"


def _alike(*names: str | None) -> bool:
    return any(set(names) <= same for same in UNDECIDABLE)


def _instant(moment: Moment) -> date:
    """The time that a text means, read by hand."""
    match = re.fullmatch(r"(\d+)-(\d+)-(\d+)(?:T(\d+):(\d+):(\d+)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)?)?", moment.text)
    assert match is not None
    if moment.day:
        return date(*map(int, match.group(1, 2, 3)))
    fraction = int((match[7] or "").ljust(6, "0") or 0)
    numbers = [int(part) for part in match.group(1, 2, 3, 4, 5, 6)]
    local = datetime(*numbers, fraction, tzinfo=UTC)  # type: ignore[misc, arg-type]
    offset = match[8]
    if offset in {None, "Z"}:
        return local
    sign = -1 if offset[0] == "-" else 1
    return local - sign * timedelta(hours=int(offset[1:3]), minutes=int(offset[4:6]))


def touch(value: Any) -> int:
    """Read every field of every model; the number of models."""
    count = 0
    stack = [value]
    while stack:
        each = stack.pop()
        if isinstance(each, Model):
            count += 1
            stack += [getattr(each, field.name) for field in attrs.fields(type(each))]
        elif isinstance(each, list):
            stack += each
        elif isinstance(each, dict):
            stack += each.values()
    return count
