"""Base of the generated models: attrs classes that build their nested parts when these are first read.

A decoded object has its scalars and times in slots. An object or a list of objects inside it remains parsed JSON until
the attribute is read, and is then replaced by models. So what isn't looked at costs almost nothing, and what isn't
understood is sent back unchanged. docs/design/decoding.md has the reasons and the figures.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import attrs

from klaviyo_async._did_you_mean import nearest
from klaviyo_async._model.codec import dumps, parse, rest
from klaviyo_async._model.fields import REF
from klaviyo_async._model.references import load
from klaviyo_async._model.rows import row
from klaviyo_async._model.show import short
from klaviyo_async._model.tree import checked
from klaviyo_async._model.unset import UNSET
from klaviyo_async._model.validation import json_schema, schema
from klaviyo_async.errors import DecodeError, QueryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from klaviyo_async._model.fields import Spec

__all__ = ["Model"]

_NAMES_LEARNT = 64
_TEXTS = (bytes, str, bytearray, memoryview)
_put = object.__setattr__


class _State:
    """What a model stores besides its fields."""

    __slots__ = ("_absent", "_texts")

    _absent: frozenset[str] | None
    """Names of the missing fields; None if there are none."""
    _texts: tuple[Any, ...]
    """What is sent for the fields that are times, in order; None if a class has none."""

    if TYPE_CHECKING:
        # Actually of `Model`; there pyright would treat it as a field, which constructors require.
        _extra: dict[str, Any] | None


@attrs.define(slots=True, kw_only=True, eq=False, repr=False, weakref_slot=False, getstate_setstate=False)
class Model(_State):
    """A JSON object of the API.

    A field missing from the response reads as `None`, like one that is null; `is_set` tells them apart. In a body, a field that
    is omitted, or given as `UNSET`, is not sent, and `None` is sent as null. Undeclared members are in
    `additional_properties`, can be read as attributes, and are included in `to_dict`.
    """

    additional_properties: dict[str, Any] = attrs.field(default=None)

    if TYPE_CHECKING:
        _decode: ClassVar[Callable[[Any], Any]]
        # Fields: name → as the class declares it; name → wire name; name → slot; either name → name; names of times → their reader.
        _fields: ClassVar[dict[str, Spec]]
        _wires: ClassVar[dict[str, str]]
        _slots: ClassVar[dict[str, str]]
        _names: ClassVar[dict[str, str]]
        _times: ClassVar[dict[str, Callable[[Model, int, Any], Any]]]
        # A subclass that is identical except for `__setattr__`.
        _blank: ClassVar[type[Any]]
        # Undeclared names that are attributes nevertheless, because they were received.
        _learnt: ClassVar[set[str]]

        # What is set, by wire name; nested models as they are.
        def _wire(self) -> dict[str, Any]: ...

        # The same for the encoder, with nested models as dicts.
        def _tree(self) -> dict[str, Any]: ...

        # The same as plain JSON values that share nothing with the model.
        def _dict(self) -> dict[str, Any]: ...

    @classmethod
    def from_json(cls, data: bytes | bytearray | memoryview | str) -> Self:
        """Decode the JSON text of an object. Raises DecodeError if it is not one."""
        if not isinstance(data, _TEXTS):
            hint = "; a mapping goes to from_dict" if isinstance(data, Mapping) else ""
            raise TypeError(
                f"{cls.__name__}.from_json: expected JSON text, bytes or str, got {type(data).__name__}{hint}"
            )
        resting = rest(data)
        try:
            return cls._of(parse(data))
        except ValueError as error:
            raise _decode_error(cls, data, str(error)) from None
        finally:
            if resting:
                gc.enable()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Decode a JSON object that has already been parsed; the mapping is copied, not kept.

        Raises QueryError for what JSON can't hold (NaN, infinity, objects of other types), with its location.
        """
        if not isinstance(data, Mapping):
            hint = "; JSON text goes to from_json" if isinstance(data, _TEXTS) else ""
            raise TypeError(f"{cls.__name__}.from_dict: expected a mapping, got {type(data).__name__}{hint}")
        try:
            return cls._of(checked(data))
        except RecursionError:
            raise QueryError(f"{cls.__name__}: the mapping is nested too deeply, or contains itself.") from None

    @classmethod
    def _of(cls, value: Any) -> Self:
        if type(value) is not dict:
            raise _decode_error(cls, dumps(value), f"expected a JSON object, got {type(value).__name__}")
        return cast("Self", _rebuild(cls, value))

    def to_dict(self) -> dict[str, Any]:
        """What is set, as plain JSON values under the API's names. Changing it does not change the model."""
        resting = rest()
        try:
            return self._dict()
        finally:
            if resting:
                gc.enable()

    def to_json(self) -> bytes:
        """What is set, as JSON text."""
        resting = rest()
        try:
            return dumps(self._tree())
        finally:
            if resting:
                gc.enable()

    def is_set(self, name: str) -> bool:
        """Whether a field is set: False for one that is missing or was omitted, True for one that is null.

        `name` is the field's Python name or its API name (``push-tokens``). Raises AttributeError for a name that the
        class does not have and that was not received either.
        """
        field = self._names.get(name)
        if field is not None:
            return self._absent is None or field not in self._absent
        if self._extra and name in self._extra:
            return True
        raise AttributeError(
            f"{type(self).__name__} has no field {name!r}{nearest(name, self._wires)}", name=name, obj=self
        )

    def replace(self, **changes: Any) -> Self:
        """A copy with other values for some fields. Unset fields stay unset; `UNSET` unsets a field.

        Raises TypeError for a name that the class does not have.
        """
        made: Self = _copy(self)
        for name, value in changes.items():
            if name not in self._wires and name != "additional_properties":
                raise TypeError(f"{type(self).__name__} has no field {name!r}{nearest(name, self._wires)}")
            setattr(made, name, value)
        return made

    __replace__ = replace

    def to_row(self) -> dict[str, Any]:
        """`id`, `type` and attributes of a resource as one flat dict: nested names are dotted (`location.city`), lists stay lists.

        `pandas.DataFrame(profile.to_row() for profile in page.data)` makes a table of a page. Times are datetimes; unset
        values are omitted. A model that is not a resource is flattened in the same way.
        """
        return row(self)

    @classmethod
    def preload(cls) -> None:
        """Load the models that this one refers to, recursively."""
        seen, stack = {cls}, [cls]
        while stack:
            found = stack.pop()
            package = found.__module__.rpartition(".")[0]
            for spec in found._fields.values():
                ref = spec.metadata.get(REF)
                for name in ref.names() if ref is not None else ():
                    inside = load(package, name)
                    if inside not in seen:
                        seen.add(inside)
                        stack.append(inside)

    def __attrs_pre_init__(self) -> None:
        blank = self._blank
        if blank.__base__ is type(self):
            _put(self, "__class__", blank)
        else:  # a user's subclass: its `__init__` goes through `__setattr__`
            _put(self, "_absent", None)
            _put(self, "_texts", (None,) * len(self._times))

    def __attrs_post_init__(self) -> None:
        blank = self._blank
        if type(self) is not blank:
            return
        _put(self, "_texts", (None,) * len(self._times))
        absent = []
        for name, slot in self._slots.items():
            value = getattr(self, slot)
            if value is UNSET:
                _put(self, name, None)
                absent.append(name)
            elif name in self._times and value is not None:
                self._set_time(name, value)
        _put(self, "_absent", frozenset(absent) or None)
        _put(self, "__class__", blank.__base__)

    if not TYPE_CHECKING:  # to a type checker, assigning to what is not a field is an error

        def __setattr__(self, name: str, value: Any) -> None:
            if name not in self._wires:
                _put(self, name, value)
                return
            if value is UNSET:
                self.__delattr__(name)
                return
            if name in self._times:
                self._set_time(name, value)
            else:
                _put(self, name, value)
            if self._absent and name in self._absent:
                _put(self, "_absent", (self._absent - {name}) or None)

        def __delattr__(self, name: str) -> None:
            if name not in self._wires:
                object.__delattr__(self, name)
                return
            _put(self, name, None)
            if name in self._times:
                self._set_time(name, None)
            _put(self, "_absent", (self._absent or frozenset()) | {name})

    def _set_time(self, name: str, value: Any) -> None:
        """Set a time field: text, or a list of texts, is parsed and kept."""
        index = [*self._times].index(name)
        texts: list[Any] = list(self._texts)
        texts[index] = value
        _put(self, "_texts", tuple(texts))
        _put(self, name, self._times[name](self, index, value))

    @classmethod
    def _learn(cls, names: Iterable[str]) -> None:
        """Make undeclared members readable as attributes.

        `__getattr__` would do it, but on Python 3.11 it makes reading any other field slower than reading a dict. So each
        name becomes a property of the class when it is first received. As names can be made up without end, a class that
        has met more than a few dozen gets a `__getattr__` after all.
        """
        for name in names:
            if name in cls._learnt or hasattr(cls, name):
                continue
            if len(cls._learnt) == _NAMES_LEARNT:
                setattr(cls, "__getattr__", _read_extra)  # noqa: B010 - type checkers would let any name through
                return
            cls._learnt.add(name)
            setattr(cls, name, _extra_property(name))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return schema(cls)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:
        return json_schema(cls)

    def __dir__(self) -> list[str]:
        # Received names are completed in their own object, even if the class has learnt no more names.
        came = {name for name in self._extra or () if name.isidentifier()}
        return [*({*object.__dir__(self)} - self._learnt | came)]

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return (
            (self._absent or frozenset()) == (other._absent or frozenset())
            and (self._extra or {}) == (other._extra or {})
            and all(getattr(self, name) == getattr(other, name) for name in self._wires)
        )

    __hash__: ClassVar[None] = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return short(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self._wire())


_extra_slot: Any = Model.__dict__["additional_properties"]


def _additional_properties(self: Model) -> dict[str, Any]:
    extra = _extra_slot.__get__(self)
    if extra is None:
        extra = {}
        _extra_slot.__set__(self, extra)
    return cast("dict[str, Any]", extra)


# As with nested fields: the slot is `_extra`, and the field creates the dict when it is requested.
Model._extra = _extra_slot
setattr(Model, "additional_properties", property(_additional_properties, _extra_slot.__set__))  # noqa: B010 - mypy
Model._fields, Model._wires, Model._slots, Model._names, Model._times, Model._learnt = {}, {}, {}, {}, {}, set()


def _read_extra(self: Model, name: str) -> Any:
    # Our own names are never looked up in undeclared members: `_extra` itself may not exist yet, in a copy that is being made.
    extra = None if name.startswith("_") else self._extra
    if extra is None or name not in extra:
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)
    return extra[name]


def _extra_property(name: str) -> property:
    return property(lambda self: _read_extra(self, name))


def _copy(model: Model) -> Any:
    rebuild, arguments, *state = model.__reduce__()
    made = rebuild(*arguments)
    for name, value in (state[0][1] if state else {}).items():
        setattr(made, name, value)
    return made


def _rebuild(cls: type[Model], wire: dict[str, Any]) -> Model:
    decoded = cast("Model", cls._decode(wire))
    return decoded if type(decoded) is cls else _moved(decoded, cls)


def _moved(model: Model, cls: type[Model]) -> Model:
    """The model as one of a subclass that someone made, whose code from JSON is its base's."""
    made = cls.__new__(cls)
    for slot in ("_absent", "_texts", "_extra", *model._slots.values()):
        _put(made, slot, getattr(model, slot))
    for field in attrs.fields(cls):
        # What an attrs class adds isn't in JSON: it has its default.
        default: Any = field.default
        if field.name not in {*model._wires, "additional_properties"} and default is not attrs.NOTHING:
            _put(made, field.name, default.factory() if hasattr(default, "factory") else default)
    return made


def _decode_error(cls: type, data: Any, reason: str) -> Exception:
    return DecodeError(
        cls.__name__,
        status=None,
        body=data.encode("utf-8", "backslashreplace") if isinstance(data, str) else bytes(data),
        reason=reason,
    )
