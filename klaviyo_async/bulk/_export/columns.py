"""Records as rows: columns from the operation's resource class and the call, never from the data; nothing of a record is lost."""

from __future__ import annotations

from datetime import date, datetime
from inspect import get_annotations
from typing import TYPE_CHECKING, Any, Final, Literal

import orjson
from attrs import frozen

from klaviyo_async._model.dates import parse_date, parse_time
from klaviyo_async._model.fields import DATE, REF, TIME
from klaviyo_async._model.references import One, load
from klaviyo_async.bulk._export.source import record_class

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from klaviyo_async.operation import Operation

Kind = Literal["text", "integer", "number", "boolean", "time", "date", "json", "id", "ids"]

EXTRA: Final = "_extra"
"""The last column: JSON of what has no column, or doesn't fit the type of its own. Mostly empty."""
_PLAIN: Mapping[str, Kind] = {"str": "text", "int": "integer", "float": "number", "bool": "boolean"}
_DEEPEST = 6
_DROPPED: Final = object()
_MISSING: Final = object()
_UNFIT: Final = object()


@frozen
class Column:
    """One column."""

    name: str
    """Dotted for what is nested: ``location.city``; ``relationships.profile`` has the id, or the ids, of what is related."""
    kind: Kind


class Layout:
    """The columns of an export, and how a record becomes a row of them.

    The columns are `id`, `type`, the attributes that the call asks for (those of objects under dotted names, free-form
    objects and lists as JSON), and the ids of relationships. What an attribute has besides goes to the last one, `_extra`.
    Links, which only repeat ids, are left out.
    """

    def __init__(self, operation: Operation, params: Mapping[str, Any]) -> None:
        self.columns: list[Column] = []
        self._tree: dict[str, Any] = {"links": _DROPPED}
        cls = record_class(operation)
        self._add("id", self._tree, "id", "text")
        self._add("type", self._tree, "type", "text")
        if cls is not None:
            self._resource(cls, _wanted(operation, cls, params))
        self.columns.append(Column(EXTRA, "json"))

    def _add(self, name: str, tree: dict[str, Any], key: str, kind: Kind) -> None:
        tree[key] = len(self.columns)
        self.columns.append(Column(name, kind))

    def _resource(self, cls: Any, wanted: Callable[[str], bool]) -> None:
        attributes = _inside(cls, "attributes")
        if attributes is not None:
            self._attributes(attributes, self._tree.setdefault("attributes", {}), "", wanted, 0)
        relationships = _inside(cls, "relationships")
        if relationships is None:
            return
        tree = self._tree.setdefault("relationships", {})
        for name, wire in relationships._wires.items():
            related = _inside(relationships, name)
            if related is None or "data" not in related._fields:
                continue
            many = not isinstance(related._fields["data"].metadata.get(REF), One)
            inside: dict[str, Any] = {"links": _DROPPED}
            tree[wire] = inside
            self._add(f"relationships.{wire}", inside, "data", "ids" if many else "id")

    def _attributes(
        self, cls: Any, tree: dict[str, Any], prefix: str, wanted: Callable[[str], bool], depth: int
    ) -> None:
        annotations = get_annotations(cls)
        for name, wire in cls._wires.items():
            place = f"{prefix}{wire}"
            if not wanted(place):
                continue
            inside = _inside(cls, name)
            if inside is not None and inside._wires and depth < _DEEPEST:
                self._attributes(inside, tree.setdefault(wire, {}), f"{place}.", wanted, depth + 1)
                continue
            self._add(
                place if place not in ("id", "type") else f"attributes.{place}",
                tree,
                wire,
                _kind(cls._fields[name].metadata, str(annotations[name])),
            )

    def row(self, record: dict[str, Any], convert: Mapping[Kind, Callable[[Any], Any]]) -> list[Any]:
        """The values of a record, by a converter for each kind."""
        values: list[Any] = [None] * len(self.columns)
        extra = self._walk(record, self._tree, values, convert)
        if extra:
            values[-1] = convert["json"](extra)
        return values

    def _walk(
        self,
        found: dict[str, Any],
        tree: dict[str, Any],
        values: list[Any],
        convert: Mapping[Kind, Callable[[Any], Any]],
    ) -> dict[str, Any]:
        extra: dict[str, Any] = {}
        for key, value in found.items():
            place = tree.get(key, _MISSING)
            if place is _DROPPED or value is None:
                continue
            if type(place) is int:
                made = convert[self.columns[place].kind](value)
                if made is _UNFIT:
                    extra[key] = value
                else:
                    values[place] = made
            elif type(place) is dict and type(value) is dict:
                if inside := self._walk(value, place, values, convert):
                    extra[key] = inside
            else:
                extra[key] = value
        return extra


def _wanted(operation: Operation, cls: Any, params: Mapping[str, Any]) -> Callable[[str], bool]:
    """Whether a call asks for an attribute: by its fieldset, or as an additional field."""
    kind = cls._fields["type"].default
    fields = _names(params.get("fields"), kind)
    additional = _names(params.get("additional_fields"), kind) or ()
    offered = operation.additional_fields.get(kind, ())

    def wanted(place: str) -> bool:
        top = place.partition(".")[0]
        if top in offered and top not in additional and not (fields and any(_covers(each, place) for each in fields)):
            return False
        return fields is None or top in additional or any(_covers(each, place) for each in fields)

    return wanted


def _covers(field: str, place: str) -> bool:
    return field == place or field.startswith(f"{place}.") or place.startswith(f"{field}.")


def _names(given: Any, kind: str) -> tuple[str, ...] | None:
    for key, names in dict(given or {}).items():
        if str(key).replace("_", "-") == kind:
            return (names,) if isinstance(names, str) else tuple(names)
    return None


def _inside(cls: Any, name: str) -> Any:
    """The class of the one object in a field; None where it holds anything else."""
    spec = cls._fields.get(name)
    ref = spec.metadata.get(REF) if spec is not None else None
    return load(cls.__module__.rpartition(".")[0], ref.name) if isinstance(ref, One) else None


def _kind(metadata: Mapping[str, Any], annotation: str) -> Kind:
    if annotation.startswith("list["):
        return "json"
    if TIME in metadata:
        return "time"
    if DATE in metadata:
        return "date"
    if REF in metadata:
        return "json"
    members = {each.strip() for each in annotation.split(" | ")} - {"None", "Unset"}
    if "str" in members or all(each.startswith("Literal[") for each in members):
        return "text" if not members & {"int", "float", "bool"} else "json"
    if members == {"int", "float"}:
        return "number"
    if len(members) == 1:
        (member,) = members
        # A name of its own is one of the enumerations, which are texts.
        return _PLAIN.get(member, "text" if member.isidentifier() and member not in ("Any", "object") else "json")
    return "json"


# -- converters: what comes out, or _UNFIT ---------------------------------------------------------------------------------


def _text(value: Any) -> Any:
    return value if type(value) is str else _UNFIT


def _integer(value: Any) -> Any:
    if type(value) is float and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value if type(value) is int and -(2**63) <= value < 2**63 else _UNFIT


def _number(value: Any) -> Any:
    if type(value) is int:
        return float(value) if abs(value) <= 2**53 else _UNFIT
    return value if type(value) is float else _UNFIT


def _boolean(value: Any) -> Any:
    return value if type(value) is bool else _UNFIT


def _time(value: Any) -> Any:
    found = parse_time(value) if type(value) is str else None
    return found if isinstance(found, datetime) else _UNFIT


def _date(value: Any) -> Any:
    found = parse_date(value) if type(value) is str else None
    return found if type(found) is date else _UNFIT


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _id(value: Any) -> Any:
    return value["id"] if _is_identifier(value) else _UNFIT


def _ids(value: Any) -> Any:
    if type(value) is not list or not all(map(_is_identifier, value)):
        return _UNFIT
    return _json([each["id"] for each in value])


def _is_identifier(value: Any) -> bool:
    return type(value) is dict and value.keys() <= {"type", "id"} and type(value.get("id")) is str


TYPED: Mapping[Kind, Callable[[Any], Any]] = {
    "text": _text,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "time": _time,
    "date": _date,
    "json": _json,
    "id": _id,
    "ids": _ids,
}
"""Values as Parquet has them."""


def _written(check: Callable[[Any], Any], write: Callable[[Any], str]) -> Callable[[Any], Any]:
    return lambda value: _UNFIT if check(value) is _UNFIT else write(value)


TEXTS: Mapping[Kind, Callable[[Any], Any]] = {
    **TYPED,
    "integer": _written(_integer, str),
    "number": _written(_number, repr),
    "boolean": _written(_boolean, _json),
    "time": _written(_time, str),
    "date": _written(_date, str),
}
"""Values as CSV has them: times as they came."""
