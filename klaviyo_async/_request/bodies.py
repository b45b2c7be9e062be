"""Request bodies: JSON:API documents from models, mappings or keywords, and forms for uploads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard
from uuid import UUID

from attrs import field, frozen

from klaviyo_async._data_frames import is_missing, members, unwrapped
from klaviyo_async._did_you_mean import shown, unknown_keyword
from klaviyo_async._model.base import Model
from klaviyo_async._model.codec import dumps, loads
from klaviyo_async._model.unset import UNSET
from klaviyo_async._request.form import Multipart
from klaviyo_async._request.quick import quick_body, quick_json
from klaviyo_async._texts import text_of
from klaviyo_async.errors import QueryError
from klaviyo_async.filter import Filter
from klaviyo_async.headers import JSON_API

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

    from klaviyo_async._request.problems import Problems
    from klaviyo_async.operation import Body, Nested, Operation, Relationship, Resource

__all__ = [
    "Multipart",
    "Payload",
    "build",
    "build_identifier",
    "build_plain",
    "build_resource",
    "json_text",
    "with_cursor",
]

_REPORT_VALUES = 100
_MOST_DIGITS = 4300
# As many as Python writes of an int: a decimal may be a few characters that stand for a gigabyte of digits.
_MEMBERS = frozenset(("type", "id", "attributes", "relationships", "meta", "links"))

Place: TypeAlias = "tuple[Place, str | int] | None"
"""The location of a value in the document: its parent's location, and its key there."""


def _shown(content: bytes | Multipart) -> str:
    # Bodies hold personal data and may be megabytes.
    return f"<{len(content)} bytes>" if isinstance(content, bytes) else repr(content)


@frozen
class Payload:
    """The body of a request."""

    content: bytes | Multipart = field(repr=_shown)
    """JSON, or a form that streams."""
    content_type: str


def pointer(place: Place) -> str:
    """The location as a JSON pointer."""
    steps: list[str] = []
    while place is not None:
        place, key = place
        steps.append(text_of(key).replace("~", "~0").replace("/", "~1"))
    return "/" + "/".join(reversed(steps))


def build(
    operation: Operation,
    path: Sequence[object],
    body: object,
    write: Mapping[str, object] | None,
    problems: Problems,
    *,
    validate: bool = True,
) -> Payload | None:
    """The payload of a call, from its `body` or its keywords; values that can't be sent are added to `problems`.

    `path` has the path arguments. Raises TypeError if the call itself is wrong: `body` together with keywords, an
    unknown keyword, a missing required one.
    """
    shape = operation.body
    given = {name: value for name, value in write.items() if value is not UNSET} if write else {}
    if shape is None:
        if given or body is not UNSET:
            raise TypeError(f"{operation.name} takes no body")
        return None
    if body is None and shape.kind == "resource":
        body = UNSET
    if given and body is not UNSET:
        raise TypeError(f"{operation.name} takes either body or keywords, not both: {', '.join(given)}")
    if isinstance(body, bytes):
        return Payload(body, JSON_API)
    # The id, if the path identifies the resource that is written.
    own_id = None
    if shape.id_from_path is not None:
        # With problems nothing is sent; one of them may be that this is no id.
        own_id = "?" if problems else text_of(path[operation.path_parameters.index(shape.id_from_path)])
    content = quick_body(shape, body, given, own_id)
    if content is not None:
        return Payload(content, JSON_API)
    builder = _Builder(problems, validate)
    document: object
    if shape.kind == "multipart":
        if isinstance(body, Mapping):
            given = dict(body)
        elif body is not UNSET and body is not None:
            given = {shape.fields[0]: body}
        return _form(operation, shape, given, problems, validate=validate)
    if shape.kind == "identifiers":
        _no_keywords(operation, given)
        if body is UNSET or (body is None and shape.many):
            raise TypeError(f"{operation.name} needs a body: an id{', or a list of ids' if shape.many else ''}")
        document = builder.identifiers(body, shape)
    elif shape.kind == "json" or shape.resource is None:
        _no_keywords(operation, given)
        if body is UNSET:
            if shape.required:
                raise TypeError(f"{operation.name} needs a body")
            return None
        document = builder.plain(body, None)
    elif body is UNSET:
        if not given and not shape.required:
            return None
        document = {"data": builder.from_keywords(operation, shape.resource, own_id, given)}
    else:
        document = builder.from_body(body, shape.resource)
    return None if problems else _written(document, problems)


def build_plain(value: object, problems: Problems) -> Payload | None:
    """The payload for this value as JSON: plain values or models. Values that can't be sent are added to `problems`."""
    content = quick_json(value)
    if content is not None:
        return Payload(content, JSON_API)
    document = _Builder(problems, validate=False).plain(value, None)
    return None if problems else _written(document, problems)


def build_resource(resource: Resource, value: object, problems: Problems, *, validate: bool = True) -> object:
    """One resource object inside a body: from a mapping of its contents, a complete resource, a model, or its id.

    Values that can't be sent are added to `problems`, with pointers into the resource.
    """
    return _Builder(problems, validate).resource(value, resource, None)


def build_identifier(kind: str, value: object, problems: Problems) -> object:
    """One resource identifier inside a body. Values that can't be sent are added to `problems`."""
    return _Builder(problems, validate=True).one_identifier(value, kind, None)


def _written(document: object, problems: Problems) -> Payload | None:
    content = json_text(document, problems)
    return None if content is None else Payload(content, JSON_API)


def json_text(document: object, problems: Problems) -> bytes | None:
    """The document as JSON text; values that can't be written are added to `problems`."""
    try:
        return dumps(document)
    except (TypeError, ValueError, RecursionError) as error:
        problems.add("/", f"it can't be written as JSON: {error}")
        return None


def with_cursor(payload: Payload, cursor: str) -> Payload:
    """The same JSON body with another ``page_cursor`` in its attributes."""
    if not isinstance(payload.content, bytes):
        raise TypeError("a form has no cursor")
    document = loads(payload.content)
    document["data"].setdefault("attributes", {})["page_cursor"] = cursor
    return Payload(dumps(document), payload.content_type)


def _no_keywords(operation: Operation, given: Mapping[str, object]) -> None:
    if given:
        raise TypeError(f"{operation.name} has no keyword {next(iter(given))!r}; give its data as body")


def _form(
    operation: Operation, shape: Body, given: Mapping[str, object], problems: Problems, *, validate: bool
) -> Payload | None:
    file_field, *others = shape.fields
    for name in given:
        if name not in shape.fields:
            raise unknown_keyword(operation.name, name, shape.fields)
    file: Any = given.get(file_field)
    if file is None:
        raise TypeError(f"{operation.name} is missing the required keyword {file_field!r}")
    fields: list[tuple[str, str]] = []
    for name in others:
        try:
            value = unwrapped(given.get(name))
        except ValueError as error:
            problems.add(name, str(error))
            continue
        if value is None:
            continue
        if isinstance(value, bool):
            fields.append((name, "true" if value else "false"))
        elif isinstance(value, float) and not isfinite(value):
            problems.add(name, f"{value} can't be sent: it must be finite")
        elif isinstance(value, str | int | float):
            fields.append((name, text_of(value)))
        else:
            problems.add(name, f"expected a str, a number or a bool, got {type(value).__name__}", "type")
    try:
        limit = (operation.caps.bytes or operation.caps.row_bytes) if validate else None
        form = Multipart(file_field, file, fields, operation=operation.name, limit=limit)
    except QueryError as error:
        problems += error.problems
        return None
    return Payload(form, form.content_type)


class _Builder:
    """Builds one document and collects what can't be sent."""

    __slots__ = ("problems", "validate")

    def __init__(self, problems: Problems, validate: bool) -> None:
        self.problems = problems
        self.validate = validate

    def problem(self, place: Place, what: str, kind: Literal["value", "type", "required", "range"] = "value") -> None:
        self.problems.add(pointer(place), what, kind)

    # --- the document ---

    def from_body(self, body: object, resource: Resource) -> object:
        """The document that was passed as a whole; if only type and id are needed, the id is enough."""
        if isinstance(body, str) and not resource.wraps_attributes and not resource.relationships:
            return {"data": {"type": resource.type, "id": self.identifier(body, ((None, "data"), "id"))}}
        document = self.plain(body, None)
        if self.validate and not (isinstance(document, dict) and "data" in document):
            self.problem(
                None,
                f"expected a whole document, {{'data': {{'type': {resource.type!r}, …}}}}; give attributes as keywords instead",
                "type",
            )
        return document

    def from_keywords(
        self, operation: Operation, resource: Resource, own_id: str | None, given: Mapping[str, object]
    ) -> dict[str, object]:
        """The resource object built from the keywords."""
        data: dict[str, object] = {"type": resource.type}
        if own_id is not None:
            data["id"] = own_id
        missing = [name for name in resource.required if name not in given and not (name == "id" and own_id)]
        for name in given:
            if not _is_keyword(resource, name, own_id):
                raise unknown_keyword(operation.name, name, _keywords(resource, own_id))
        if missing and self.validate:
            names = ", ".join(map(repr, missing))
            raise TypeError(
                f"{operation.name} is missing the required keyword{'s' if len(missing) > 1 else ''} {names} "
                "(or the whole document as body)"
            )
        self.fill(data, resource, given, (None, "data"))
        return data

    def fill(self, data: dict[str, object], resource: Resource, given: Mapping[Any, object], place: Place) -> None:
        """Put each value where it belongs in a resource object: id, meta, a relationship, or else an attribute."""
        attributes: dict[str, object] = {}
        relationships: dict[str, object] = {}
        known = resource.attributes
        for name, value in given.items():
            if value is UNSET:
                continue
            if not self.is_key(name, place):
                continue
            if name not in known and name not in resource.relationships:
                name = _keyword_of(resource, name) or name
            if name in known:
                wire = known[name]
                attributes[wire] = self.attribute(resource, name, value, ((place, "attributes"), wire))
            elif (related := resource.relationships.get(name)) is not None:
                at: Place = ((place, "relationships"), related.wire)
                relationships[related.wire] = self.relationship(value, related, at)
            elif name == resource.id_keyword and resource.id != "none":
                data["id"] = self.identifier(value, (place, "id"))
            elif name == "meta" and resource.meta:
                at = (place, "meta")
                nested = resource.meta_nested
                data["meta"] = self.plain(value, at) if nested is None else self.nested(value, nested, at)
            else:
                # The documents don't declare it, but Klaviyo may still accept it (`anonymous_id`).
                attributes[name] = self.plain(value, ((place, "attributes"), name))
        if resource.wraps_attributes or attributes:
            data["attributes"] = attributes
        if relationships:
            data["relationships"] = relationships

    def attribute(self, resource: Resource, name: str, value: object, place: Place) -> object:
        nested = resource.nested.get(name)
        if nested is not None:
            return self.nested(value, nested, place)
        kind = resource.filters.get(name)
        if kind is not None and value is not None:
            return self.filter(value, kind, place)
        return self.plain(value, place)

    def filter(self, value: object, kind: str, place: Place) -> object:
        """A filter inside a body: one text, or a list of texts with one condition each."""
        if kind == "string":
            return self.filter_text(value, place, report=True)
        if isinstance(value, Filter):
            return [str(condition) for condition in value.conditions]
        if isinstance(value, str):
            return [self.filter_text(value, place)]
        given = members(value)
        if given is not None:
            texts: list[object] = []
            for index, member in enumerate(given):
                if isinstance(member, Filter):
                    texts.extend(map(str, member.conditions))
                else:
                    texts.append(self.filter_text(member, (place, index)))
            return texts
        self.problem(place, f"expected a list of filters, got {type(value).__name__}", "type")
        return value

    def filter_text(self, value: object, place: Place, *, report: bool = False) -> object:
        if not isinstance(value, str | Filter):
            self.problem(place, f"expected a filter, an expression of F or a str, got {type(value).__name__}", "type")
            return value
        if self.validate:
            try:
                parsed = value if isinstance(value, Filter) else Filter.parse(value)
            except QueryError as error:
                self.problem(place, str(error))
                return value
            if report:
                self.report_filter(parsed, place)
        return str(value)

    def report_filter(self, value: Filter, place: Place) -> None:
        """What Klaviyo's reports require of their filter, as stated only in prose: one condition per field, short lists."""
        seen: set[str] = set()
        for condition in value.conditions:
            if condition.field in seen:
                self.problem(
                    place, f"only one condition on {shown(condition.field)} is allowed here; use a list of values"
                )
            seen.add(condition.field)
            if isinstance(condition.value, tuple) and len(condition.value) > _REPORT_VALUES:
                self.problem(
                    place,
                    f"{condition.operator} of {shown(condition.field)} takes at most {_REPORT_VALUES} values here",
                    "range",
                )

    # --- identifiers and relationships ---

    def identifiers(self, body: object, shape: Body) -> object:
        resource = shape.resource
        assert resource is not None  # noqa: S101 - for the type checker: identifiers always have it
        if isinstance(body, Model):
            body = body._wire()
        if isinstance(body, Mapping) and "data" in body:
            return self.plain(body, None)
        return {"data": self.linkage(body, resource.type, shape.many, (None, "data"))}

    def relationship(self, value: object, related: Relationship, place: Place) -> object:
        if isinstance(value, Model):
            value = value._wire()
        if isinstance(value, Mapping) and "data" in value:
            return self.plain(value, place)
        at: Place = (place, "data")
        if related.resource is not None and value is not None:
            build_one = related.resource
            if related.many:
                return {"data": [self.resource(v, build_one, (at, i)) for i, v in enumerate(self.members(value, at))]}
            return {"data": self.resource(value, build_one, at)}
        return {"data": self.linkage(value, related.type, related.many, at)}

    def linkage(self, value: object, kind: str, many: bool, place: Place) -> object:
        """Resource identifiers from an id, a mapping with `id`, or a list of either."""
        if not many:
            return None if value is None else self.one_identifier(value, kind, place)
        if value is None:
            return []
        if isinstance(value, str | int | Mapping | Model):
            value = [value]
        return [self.one_identifier(v, kind, (place, i)) for i, v in enumerate(self.members(value, place))]

    def one_identifier(self, value: object, kind: str, place: Place) -> object:
        if isinstance(value, Model):
            value = value._wire()
        if isinstance(value, Mapping):
            if "id" not in value:
                self.problem(place, "a resource identifier needs an 'id'", "required")
            if "attributes" in value or "relationships" in value or "links" in value:
                # A whole resource, as read from a response, stands for its identifier: Klaviyo accepts nothing else of it here.
                value = {key: member for key, member in value.items() if key in {"type", "id"}}
            other = value.keys() - {"type", "id", "meta"}
            if self.validate and not other <= _MEMBERS:
                self.problem(
                    place, f"a resource identifier has 'id' and 'meta', not {shown(', '.join(sorted(map(str, other))))}"
                )
            return {"type": kind} | {
                text_of(key): self.identifier(member, (place, key))
                if key == "id"
                else self.plain(member, (place, text_of(key)))
                for key, member in value.items()
                if member is not UNSET
            }
        return {"type": kind, "id": self.identifier(value, place)}

    def identifier(self, value: object, place: Place) -> object:
        if isinstance(value, str) and value:
            return self.text(str.__str__(value), place)
        if isinstance(value, int | UUID) and not isinstance(value, bool):
            return text_of(value)
        try:
            stands_for = unwrapped(value)
        except ValueError as error:
            self.problem(place, str(error))
            return value
        if stands_for is not value:
            return self.identifier(stands_for, place)
        if isinstance(value, str):
            self.problem(place, "an id must not be empty")
        else:
            self.problem(place, f"expected an id, a str that is not empty, got {shown(value)}", "type")
        return value

    def members(self, value: object, place: Place) -> list[object]:
        given = members(value)
        if given is not None:
            return list(given)
        self.problem(place, f"expected a list, got {type(value).__name__}", "type")
        return []

    # --- nested resources ---

    def nested(self, value: object, nested: Nested, place: Place) -> object:
        """A value that is or contains a resource, in the envelope that belongs there."""
        if value is None:
            return None
        kind = nested.kind
        if kind in ("object", "objects"):
            if kind == "object":
                return self.holder(value, nested, place)
            return [self.holder(v, nested, (place, i)) for i, v in enumerate(self.members(value, place))]
        resource = nested.resource
        assert resource is not None  # noqa: S101 - for the type checker: these kinds always have it
        enveloped = kind in ("resource", "resources")
        if isinstance(value, Model):
            value = value._wire()
        if enveloped and isinstance(value, Mapping) and value.keys() == {"data"}:
            if value["data"] is None or "data" in resource.attributes:
                return self.plain(value, place)
            value = value["data"]
            if isinstance(value, Model):
                value = value._wire()
        at: Place = (place, "data") if enveloped else place
        data: object
        if kind in ("resources", "bares"):
            if isinstance(value, Mapping | Model):
                value = [value]
            data = [self.resource(v, resource, (at, i)) for i, v in enumerate(self.members(value, at))]
        else:
            data = self.resource(value, resource, at)
        return {"data": data} if enveloped else data

    def holder(self, value: object, nested: Nested, place: Place) -> object:
        if isinstance(value, Model):
            value = value._wire()
        if not isinstance(value, Mapping):
            return self.plain(value, place)
        made: dict[str, object] = {}
        for key, member in value.items():
            if member is UNSET or not self.is_key(key, place):
                continue
            inner = nested.keys.get(key)
            at: Place = (place, key)
            made[str.__str__(key)] = self.plain(member, at) if inner is None else self.nested(member, inner, at)
        return made

    def resource(self, value: object, resource: Resource, place: Place) -> object:
        """One resource object inside the body: already complete, or a mapping of its contents, or only its id."""
        if isinstance(value, Model):
            value = value._wire()
        if isinstance(value, str) and resource.id != "none":
            value = {"id": value}
        if not isinstance(value, Mapping):
            self.problem(
                place, f"expected a mapping, the attributes of a {resource.type!r}, got {type(value).__name__}", "type"
            )
            return value
        if _is_whole(value, resource):
            return self.plain(value, place)
        data: dict[str, object] = {"type": resource.type}
        self.fill(data, resource, value, place)
        if self.validate:
            names = {name if name in resource.attributes else _keyword_of(resource, name) or name for name in value}
            for name in resource.required:
                if name not in names:
                    self.problem(place, f"{name!r} is missing from this {resource.type!r}", "required")
        return data

    # --- plain values ---

    def plain(self, value: Any, place: Place) -> Any:
        """The value as plain JSON; values that have no JSON form are noted as problems."""
        kind = type(value)
        if kind is str:
            return value if value.isascii() else self.text(value, place)
        if value is None or kind is int or kind is bool:
            return value
        if kind is float:
            if isfinite(value):
                return value
            self.problem(place, f"{value} is not a JSON number; leave it out, or give None to clear what is there")
            return None
        try:
            if isinstance(value, Mapping):
                return self.mapping(value, place)
            if isinstance(value, list | tuple):
                return [self.plain(member, (place, index)) for index, member in enumerate(value)]
        except RecursionError:
            self.problem(None, "it is nested too deeply, or contains itself")
            return None
        return self.other(value, place)

    def text(self, value: str, place: Place) -> str:
        if _is_text(value):
            return value
        self.problem(place, "the text contains a lone surrogate, which can't be encoded; check how it was decoded")
        return ""

    def is_key(self, key: object, place: Place) -> TypeGuard[str]:
        if not isinstance(key, str):
            self.problem(place, f"a key must be a str, not {shown(key)}", "type")
            return False
        if not _is_text(key):
            self.problem(place, f"the key {shown(key)} contains a lone surrogate, which can't be encoded")
            return False
        return True

    def mapping(self, value: Mapping[Any, Any], place: Place) -> dict[str, object]:
        made: dict[str, object] = {}
        for key, member in value.items():
            if member is UNSET:
                continue
            if not (type(key) is str and key.isascii()) and not self.is_key(key, place):
                continue
            made[str.__str__(key)] = self.plain(member, (place, key))
        return made

    def other(self, value: Any, place: Place) -> Any:
        """Values that aren't JSON by themselves."""
        if isinstance(value, Model):
            return self.mapping(value._wire(), place)
        if isinstance(value, datetime) and not is_missing(value):
            if value.utcoffset() is None:
                self.problem(
                    place,
                    f"the datetime {datetime.isoformat(value)} has no time zone; give it one, for instance "
                    "value.replace(tzinfo=timezone.utc)",
                )
            return datetime.isoformat(value)
        if isinstance(value, date | time) and not is_missing(value):
            return value.isoformat()
        if isinstance(value, Enum):
            return self.plain(value.value, place)
        if isinstance(value, str):
            return self.text(str.__str__(value), place)
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float):
            return self.plain(float(value), place)
        if isinstance(value, Decimal):
            return self.decimal(value, place)
        if isinstance(value, UUID | Filter):
            return str(value)
        if isinstance(value, set | frozenset):
            return [self.plain(member, place) for member in _ordered(value)]
        try:
            stands_for = unwrapped(value)
        except ValueError as error:
            self.problem(place, str(error))
            return None
        if stands_for is not value:
            return self.plain(stands_for, place)
        hint = "; give value.tolist()" if hasattr(type(value), "tolist") else ""
        self.problem(place, f"a value of type {type(value).__name__} can't be written as JSON{hint}", "type")
        return None

    def decimal(self, value: Decimal, place: Place) -> object:
        if not value.is_finite():
            self.problem(place, f"{value} is not a JSON number; leave it out, or give None to clear what is there")
            return None
        if value.adjusted() > _MOST_DIGITS:
            self.problem(place, f"the decimal {shown(value)} is too long for JSON; give a str")
            return None
        if value == value.to_integral_value():
            return int(value)
        number = float(value)
        if Decimal(repr(number)) != value:
            self.problem(
                place, f"the decimal {value} has more digits than a JSON number keeps; give a str, or round it"
            )
        return number


def _is_text(value: str) -> bool:
    """Whether it can be encoded: lone surrogates, which wrongly decoded or truncated text contains, can't."""
    try:
        return value.isascii() or bool(value.encode())
    except UnicodeEncodeError:
        return False


def _ordered(values: Iterable[Any]) -> list[Any]:
    # A set has no order of its own: the same call should produce the same bytes.
    members = list(values)
    try:
        return sorted(members)
    except TypeError:
        return sorted(members, key=repr)


def _is_whole(value: Mapping[Any, object], resource: Resource) -> bool:
    """Whether the mapping already is a JSON:API resource object, and not the contents of one."""
    if "type" not in value or not value.keys() <= _MEMBERS:
        return False
    if "attributes" in value or "relationships" in value:
        return True
    return value["type"] == resource.type and "type" not in resource.attributes


def _keyword_of(resource: Resource, wire: str) -> str | None:
    """The keyword of an attribute or relationship that was given by its wire name."""
    for keyword, name in resource.attributes.items():
        if name == wire:
            return keyword
    return next((keyword for keyword, related in resource.relationships.items() if related.wire == wire), None)


def _is_keyword(resource: Resource, name: str, own_id: str | None) -> bool:
    return (
        name in resource.attributes
        or name in resource.relationships
        or (name == resource.id_keyword and resource.id != "none" and own_id is None)
        or (name == "meta" and resource.meta)
    )


def _keywords(resource: Resource, own_id: str | None) -> list[str]:
    names = [*resource.attributes, *resource.relationships]
    if resource.id != "none" and own_id is None:
        names.append(resource.id_keyword)
    if resource.meta:
        names.append("meta")
    return names
