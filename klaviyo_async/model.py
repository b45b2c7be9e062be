"""Base of the generated models: attrs classes that hold JSON as it came and build their nested parts when first read.

A decoded object has its own scalars in slots; an object or a list of objects inside it stays the parsed JSON until the
attribute is read, and is then replaced by models; a time stays its text and is parsed on reading. So what isn't looked
at costs nothing, and what was not understood is sent back just as it came. docs/design/decoding.md has the reasons and
the figures.
"""

from __future__ import annotations

import gc
import json
from datetime import date, datetime
from decimal import Decimal
from importlib import import_module
from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self, TypeVar, cast, dataclass_transform

import attrs
import orjson

from klaviyo_async.references import Either, Many, One, Ref, Union, Values, Variant
from klaviyo_async.times import parse_date, parse_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .message import Http

__all__ = [
    "UNSET",
    "Document",
    "Either",
    "Many",
    "Model",
    "Union",
    "UnknownModel",
    "Unset",
    "Values",
    "Variant",
    "day",
    "dumps",
    "field",
    "loads",
    "model",
    "nested",
    "time",
]

T = TypeVar("T")
_new = object.__new__
_MANY_OBJECTS = 16_384


class Unset:
    """The type of `UNSET`."""

    __slots__ = ()
    _instance: ClassVar[Unset | None] = None

    def __new__(cls) -> Unset:
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "UNSET"

    def __reduce__(self) -> str:
        return "UNSET"


UNSET: Final = Unset()
"""A field that is not there, apart from `None`: in a body `None` clears, `UNSET` leaves alone."""


# --- JSON ------------------------------------------------------------------------------------------------------------


def loads(data: bytes | bytearray | memoryview | str) -> Any:
    """Parse JSON, forgiving what orjson refuses and servers send: lone surrogates, NaN, control characters, a BOM.

    Raises ValueError where the text is no JSON at all.
    """
    resting = _rest(data)
    try:
        return _parse(data)
    finally:
        if resting:
            gc.enable()


def _rest(data: bytes | bytearray | memoryview | str) -> bool:
    """Let the cyclic garbage collector rest while a large body is parsed, and tell whether it has to be woken afterwards.

    It would walk the growing tree again and again and can find nothing in it.
    """
    if len(data) > _MANY_OBJECTS and gc.isenabled():
        gc.disable()
        return True
    return False


def _parse(data: bytes | bytearray | memoryview | str) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        text = data if isinstance(data, str) else bytes(data).decode("utf-8-sig", "surrogateescape")
        return json.loads(text, strict=False)


def dumps(value: object) -> bytes:
    """Encode plain JSON values, models, and in them times, dates, UUIDs and decimals.

    Raises TypeError for values that JSON has no form for.
    """
    try:
        return orjson.dumps(value, default=_encode)
    except orjson.JSONEncodeError as error:
        if isinstance(error.__cause__, TypeError):
            raise TypeError(str(error.__cause__)) from None
        # Integers beyond 64 bits and lone surrogates: JSON has them, orjson does not.
        return json.dumps(value, default=_encode_any, allow_nan=False, separators=(",", ":")).encode()


def _encode(value: Any) -> Any:
    if isinstance(value, Model):
        return value._wire()
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise TypeError(f"{value} has no form in JSON")
        return int(value) if value == value.to_integral_value() and abs(value) < 2**53 else float(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if value is UNSET:
        raise TypeError("UNSET can't be sent: leave the key out, or use None to clear the value")
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _encode_any(value: Any) -> Any:
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    try:
        return _encode(value)
    except TypeError:
        return json.loads(orjson.dumps(value))


# --- fields ----------------------------------------------------------------------------------------------------------

_REF = "klaviyo_async.ref"
_WIRE = "klaviyo_async.wire"
_TIME = "klaviyo_async.time"
_DATE = "klaviyo_async.date"


def field(*, default: Any = attrs.NOTHING, wire: str | None = None, alias: str | None = None) -> Any:
    """A field whose name on the wire differs from its own."""
    return attrs.field(default=default, alias=alias, metadata=None if wire is None else {_WIRE: wire})


def nested(ref: Ref | str, *, default: Any = attrs.NOTHING, wire: str | None = None, alias: str | None = None) -> Any:
    """A field that holds another model, or several."""
    ref = One(ref) if isinstance(ref, str) else ref
    metadata: dict[str, object] = {_REF: ref}
    if wire is not None:
        metadata[_WIRE] = wire
    return attrs.field(default=default, alias=alias, metadata=metadata)


def time(*, default: Any = attrs.NOTHING, wire: str | None = None, alias: str | None = None) -> Any:
    """A field that holds a time: text on the wire, an aware datetime when read."""
    return attrs.field(default=default, alias=alias, metadata={_TIME: True} | ({} if wire is None else {_WIRE: wire}))


def day(*, default: Any = attrs.NOTHING, wire: str | None = None, alias: str | None = None) -> Any:
    """A field that holds a date: text on the wire, a date when read."""
    return attrs.field(default=default, alias=alias, metadata={_DATE: True} | ({} if wire is None else {_WIRE: wire}))


def _time_property(slot: Any, parse: Callable[[str], object]) -> property:
    get = slot.__get__

    def read(self: Model) -> Any:
        value = get(self)
        if type(value) is str:
            return parse(value)
        if type(value) is list:
            # A list of its own for each reading, so that the texts stay what goes out again.
            return [parse(member) if type(member) is str else member for member in value]
        return value

    return property(read, slot.__set__)


def _nested_property(slot: Any, ref: Ref, package: str) -> property:
    get, put = slot.__get__, slot.__set__
    decode: Callable[[Any], Any] | None = None

    def read_object(self: Model) -> Any:
        nonlocal decode
        value = get(self)
        if type(value) is dict:
            if decode is None:
                decode = ref.bind(package)
            value = decode(value)
            put(self, value)
        return value

    def read_list(self: Model) -> Any:
        nonlocal decode
        value = get(self)
        # A list whose first member is a model has been decoded already.
        if type(value) is list and value and not isinstance(value[0], Model):
            if decode is None:
                decode = ref.bind(package)
            value = decode(value)
            put(self, value)
        return value

    def read_either(self: Model) -> Any:
        return read_list(self) if type(get(self)) is list else read_object(self)

    if isinstance(ref, Either):
        return property(read_either, slot.__set__)
    if isinstance(ref, Union) and ref.beside:
        return property(_read_beside(slot, ref, package), slot.__set__)
    return property(read_list if isinstance(ref, Many) else read_object, slot.__set__)


def _read_beside(slot: Any, ref: Union, package: str) -> Callable[[Model], Any]:
    get, put = slot.__get__, slot.__set__
    decode: Callable[..., Any] | None = None

    def read(self: Model) -> Any:
        nonlocal decode
        value = get(self)
        if type(value) is dict:
            if decode is None:
                decode = ref.bind(package)
            value = decode(value, getattr(self, ref.beside))
            put(self, value)
        return value

    return read


@dataclass_transform(kw_only_default=True, field_specifiers=(field, nested, time, day))
def model(cls: type[T]) -> type[T]:
    """Make a generated class an attrs class (slots, keyword-only) that decodes itself."""
    made = cast(
        "Any",
        attrs.define(
            cls,
            slots=True,
            kw_only=True,
            eq=False,
            repr=False,
            match_args=False,
            weakref_slot=False,
            getstate_setstate=False,
            on_setattr=attrs.setters.NO_OP,
        ),
    )
    package = made.__module__.rpartition(".")[0]
    slots: list[str] = []
    wires: list[str] = []
    for attribute in made.__attrs_attrs__:
        name, metadata = attribute.name, attribute.metadata
        if name == "additional_properties":
            continue
        wires.append(metadata.get(_WIRE, name))
        if not metadata or metadata.keys() == {_WIRE}:
            slots.append(name)
            continue
        # The slot keeps what came; under the field's own name stands a property that makes it what it is.
        slot = made.__dict__[name]
        setattr(made, f"_raw_{name}", slot)
        slots.append(f"_raw_{name}")
        ref = metadata.get(_REF)
        if ref is not None:
            setattr(made, name, _nested_property(slot, ref, package))
        else:
            setattr(made, name, _time_property(slot, parse_time if _TIME in metadata else parse_date))
    decode, wire = _compile(made, slots, wires)
    made._decode = staticmethod(decode)
    made._wire = wire
    return cast("type[T]", made)


def _compile(cls: type, slots: list[str], wires: list[str]) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """Straight-line code from a JSON object to an instance and back, as attrs compiles an `__init__`."""
    targets = "".join(f"self.{slot}, " for slot in slots)
    names = {"new": _new, "cls": cls, "wires": tuple(wires), "known": frozenset(wires), "UNSET": UNSET}
    if len(wires) > 1:
        names["get"] = itemgetter(*wires)
        take, find = f"({targets}) = get(value)", f"({targets}) = [value.get(wire, UNSET) for wire in wires]"
    elif wires:
        take, find = f"self.{slots[0]} = value[{wires[0]!r}]", f"self.{slots[0]} = UNSET"
    else:
        take = find = "pass"
    set_fields = "\n".join(
        f"    if (value := self.{slot}) is not UNSET: out[{wire!r}] = value"
        for slot, wire in zip(slots, wires, strict=True)
    )
    source = f"""
def decode(value):
    if type(value) is not dict:
        return value
    self = new(cls)
    if len(value) >= {len(wires)}:
        try:
            {take}
        except KeyError:
            pass
        else:
            self._extra = None if len(value) == {len(wires)} else {{key: value[key] for key in value.keys() - known}}
            return self
    {find}
    self._extra = None if value.keys() <= known else {{key: value[key] for key in value.keys() - known}}
    return self

def wire(self):
    out = {{}}
{set_fields}
    if self._extra:
        out.update(self._extra)
    return out
"""
    scope: dict[str, Any] = {}
    exec(compile(source, f"<JSON of {cls.__qualname__}>", "exec"), names, scope)  # noqa: S102 - made of field names only
    return scope["decode"], scope["wire"]


# --- the base --------------------------------------------------------------------------------------------------------


@attrs.define(slots=True, kw_only=True, eq=False, repr=False, weakref_slot=False, getstate_setstate=False)
class Model:
    """A JSON object of the API.

    Fields that did not come, or are not to be sent, are `UNSET`. What came without a field of its own is in
    `additional_properties`, can be read as an attribute, and goes out again with `to_dict`.
    """

    additional_properties: dict[str, Any] = attrs.field(default=None)

    if TYPE_CHECKING:
        _extra: dict[str, Any] | None
        _decode: ClassVar[Callable[[Any], Any]]

        # What is set, by name on the wire; nested models as they are.
        def _wire(self) -> dict[str, Any]: ...

    @classmethod
    def from_json(cls, data: bytes | bytearray | memoryview | str) -> Self:
        """Decode the JSON text of an object. Raises DecodeError where it is none."""
        resting = _rest(data)
        try:
            return cls._of(_parse(data))
        except ValueError as error:
            raise _decode_error(cls, data, str(error)) from None
        finally:
            if resting:
                gc.enable()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Decode a JSON object that is parsed already; the mapping is copied, not kept."""
        return cls._of(loads(dumps(data if type(data) is dict else dict(data))))

    @classmethod
    def _of(cls, value: Any) -> Self:
        if type(value) is not dict:
            raise _decode_error(cls, dumps(value), f"it is a JSON object, not {type(value).__name__}")
        return cast("Self", cls._decode(value))

    def to_dict(self) -> dict[str, Any]:
        """The JSON object as plain Python values; changing it does not change the model."""
        return cast("dict[str, Any]", loads(dumps(self)))

    def to_json(self) -> bytes:
        """The JSON object as text."""
        return dumps(self)

    @classmethod
    def preload(cls) -> None:
        """Load the models that this one refers to, and those that they refer to."""
        package, seen, stack = cls.__module__.rpartition(".")[0], {cls}, [cls]
        while stack:
            for attribute in attrs.fields(stack.pop()):
                ref = attribute.metadata.get(_REF)
                for name in ref.names() if ref is not None else ():
                    found = getattr(import_module(package), name)
                    if found not in seen:
                        seen.add(found)
                        stack.append(found)

    if not TYPE_CHECKING:  # to a type checker an unknown field is an error

        def __getattr__(self, name: str) -> Any:
            if name[:1] != "_" and self._extra and name in self._extra:
                return self._extra[name]
            known = ", ".join(attribute.name for attribute in attrs.fields(type(self)))
            raise AttributeError(f"{type(self).__name__} has no field {name!r}; it has {known}", name=name, obj=self)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(
            getattr(self, attribute.name) == getattr(other, attribute.name) for attribute in attrs.fields(type(self))
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = [
            f"{attribute.name}={value!r}"
            for attribute in attrs.fields(type(self))
            if (value := getattr(self, attribute.name)) is not UNSET
            and not (attribute.name == "additional_properties" and not value)
        ]
        return f"{type(self).__name__}({', '.join(shown)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self._wire())


_extra_slot: Any = Model.__dict__["additional_properties"]


def _additional_properties(self: Model) -> dict[str, Any]:
    extra = _extra_slot.__get__(self)
    if extra is None:
        extra = {}
        _extra_slot.__set__(self, extra)
    return cast("dict[str, Any]", extra)


# As with nested fields: the slot is `_extra`, the field makes the dict when it is asked for.
Model._extra = _extra_slot
setattr(Model, "additional_properties", property(_additional_properties, _extra_slot.__set__))  # noqa: B010 - mypy


def _rebuild(cls: type[Model], wire: dict[str, Any]) -> Model:
    return cast("Model", cls._decode(wire))


@model
class UnknownModel(Model):
    """An object whose type this revision doesn't know: all of it is in `additional_properties`."""


class Document(Model):
    """A success answer: what came, and in `http` how."""

    __slots__ = ("_http", "_included_index")

    @property
    def http(self) -> Http:
        """Status, headers, request id, attempts and seconds waited of the answer.

        None on a document that no client has given, one made in a test for instance; so rare that the type doesn't say it.
        """
        return cast("Http", getattr(self, "_http", None))

    @http.setter
    def http(self, value: Http) -> None:
        self._http = value

    def __reduce__(self) -> tuple[Any, ...]:
        # With the state that slots are set from: copies and pickles tell how the answer came as well.
        whole = super().__reduce__()
        http = getattr(self, "_http", None)
        return whole if http is None else (*whole, (None, {"_http": http}))

    def related(self, resource: object, name: str) -> list[Any]:
        """The included resources that `resource` names in its relationship `name`, in order.

        A relationship without data, or whose resources were not included, gives those that are there: maybe none.
        """
        from .related import related  # noqa: PLC0415 - most documents are never asked

        return list(related(self, resource, name))


def _decode_error(cls: type, data: Any, reason: str) -> Exception:
    from .errors import DecodeError  # noqa: PLC0415 - only where it is raised

    return DecodeError(
        cls.__name__, status=200, body=data.encode() if isinstance(data, str) else bytes(data), reason=reason
    )
