"""Turns a generated class into an attrs class that decodes and encodes itself with straight-line code."""

from __future__ import annotations

from datetime import date, datetime
from functools import partial
from inspect import get_annotations
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar, cast, dataclass_transform

import attrs

from klaviyo_async._did_you_mean import nearest
from klaviyo_async._model.base import Model
from klaviyo_async._model.dates import written
from klaviyo_async._model.fields import Spec, day, field, nested, time
from klaviyo_async._model.references import Either
from klaviyo_async._model.sources import Plan, decode_source, encode_source, getter_sources, listed
from klaviyo_async._model.tree import ATOMS, PLAIN, copied, tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from klaviyo_async._model.references import Ref

__all__ = ["UnknownModel", "model"]

T = TypeVar("T")
_KEPT_SHAPES = 256
_BUILDING = RLock()


@dataclass_transform(kw_only_default=True, field_specifiers=(field, nested, time, day))
def model(cls: type[T]) -> type[T]:
    """Turn a generated class into an attrs class (slots, keyword-only) that decodes itself.

    Only the slots are created immediately. attrs' fields and `__init__`, and the code from JSON and back, are compiled when
    they are first needed: a program never sees an instance of most of the classes it loads. A method of the class can't use
    `super()` without arguments.
    """
    own = dict(cls.__dict__)
    fields = {
        name: value if isinstance(value := own.pop(name, attrs.NOTHING), Spec) else Spec(value, None, None, {})
        for name, annotation in get_annotations(cls).items()
        if not str(annotation).startswith("ClassVar")
    }
    plan = Plan(fields)
    for name in ("__dict__", "__weakref__"):
        own.pop(name, None)
    kind: Any = type(cls)
    made = kind(
        cls.__name__,
        cls.__bases__,
        own
        | {
            "__qualname__": cls.__qualname__,
            # A slot that keeps the JSON until it is read, beside the property that reads it.
            "__slots__": tuple(plan.slots.values()),
            "__attrs_attrs__": _ATTRS,
            "_fields": fields,
            "_plan": plan,
            "_wires": plan.wires,
            "_slots": plan.slots,
            "_times": plan.times,
            "_names": {wire: name for name, wire in plan.wires.items()} | {name: name for name in plan.wires},
            "_learnt": set(),
        },
    )
    return cast("type[T]", made)


class _Late:
    """A class attribute that is created when it is first requested, together with others."""

    def __init__(self, name: str, build: Callable[[Any], None]) -> None:
        self.name = name
        self.build = build

    def __get__(self, instance: object, cls: type) -> Any:
        if isinstance(instance, type):
            # Since Python 3.13 `inspect.signature` binds a class's attributes to the class itself.
            return self.__get__(None, instance).__get__(instance, cls)
        owner = next((base for base in cls.__mro__ if "_plan" in base.__dict__), None)
        if owner is None:
            raise AttributeError(f"{cls.__name__} has no fields", name=self.name, obj=cls)
        with _BUILDING:
            if isinstance(owner.__dict__.get(self.name, self), _Late):
                self.build(owner)
        return getattr(cls if instance is None else instance, self.name)


def _build_attrs(cls: Any) -> None:
    """attrs' fields and `__init__`, taken from an attrs class with the same fields."""
    members = {
        name: attrs.field(default=spec.default, alias=spec.alias, metadata=spec.metadata)
        for name, spec in cls._fields.items()
    }
    same = {
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "__annotations__": get_annotations(cls),
    }
    made: Any = attrs.define(
        type(cls)(cls.__name__, cls.__bases__, same | members),
        slots=True,
        kw_only=True,
        eq=False,
        repr=False,
        match_args=False,
        weakref_slot=False,
        getstate_setstate=False,
        on_setattr=attrs.setters.NO_OP,
    )
    cls.__init__ = made.__init__
    cls.__attrs_attrs__ = made.__attrs_attrs__


def _build_decoder(cls: Any) -> None:
    """The code from JSON, and the getters of fields that hold models."""
    # An object is an instance of this class while its slots are filled: attribute stores are fast without `__setattr__`.
    blank = type(
        cls.__name__,
        (cls,),
        {
            "__slots__": (),
            "__module__": cls.__module__,
            "__init__": object.__init__,
            "__setattr__": object.__setattr__,
            "__delattr__": object.__delattr__,
        },
    )
    plan: Plan = cls._plan
    package = cls.__module__.rpartition(".")[0]
    shapes: dict[tuple[str, ...], _Shape] = {}
    scope: dict[str, Any] = {
        "cls": cls,
        "blank": blank,
        "shapes": shapes,
        "shape": _shape_of(cls, shapes),
        "time": datetime.fromisoformat,
        "date": date.fromisoformat,
        "CONTAINERS": _CONTAINERS,
    }
    for index, read in enumerate(plan.times.values()):
        scope[f"read{index}"] = read
    for index, (name, ref) in enumerate(plan.refs.items()):
        scope[f"put{index}"] = cls.__dict__[f"_raw_{name}"].__set__
        scope[f"decode{index}"] = _late(scope, f"decode{index}", ref, package)
    decode = _run(cls, decode_source(plan) + getter_sources(plan), scope)["decode"]
    for index, (name, ref) in enumerate(plan.refs.items()):
        put = scope[f"put{index}"]
        setter = _list_setter(put, single=isinstance(ref, Either)) if listed(ref) else put
        setattr(cls, name, property(scope[f"get{index}"], setter))
    cls._decode = staticmethod(decode)
    cls._blank = blank


def _build_encoder(cls: Any, kind: str) -> None:
    scope = {
        "wire_of": cls._plan.wires,
        "Model": Model,
        "ATOMS": ATOMS,
        "PLAIN": PLAIN,
        "tree": tree,
        "copied": copied,
        "written": written,
    }
    setattr(cls, kind, _run(cls, encode_source(cls._plan, kind), scope)["encode"])


def _run(cls: Any, source: str, scope: dict[str, Any]) -> dict[str, Any]:
    exec(compile(source, f"<JSON of {cls.__qualname__}>", "exec"), scope)  # noqa: S102 - made of field names only
    return scope


_ATTRS = _Late("__attrs_attrs__", _build_attrs)
setattr(Model, "__init__", _Late("__init__", _build_attrs))  # noqa: B010 - mypy
for _name in ("_blank", "_decode"):
    setattr(Model, _name, _Late(_name, _build_decoder))
for _name in ("_wire", "_tree", "_dict"):
    setattr(Model, _name, _Late(_name, partial(_build_encoder, kind=_name)))

_CONTAINERS = frozenset({list, dict, tuple})


# For an object with certain keys: the fields that it lacks, the undeclared keys, and nulls for the missing fields.
_Shape = tuple[frozenset[str] | None, tuple[str, ...], dict[str, None]]


def _shape_of(cls: Any, shapes: dict[tuple[str, ...], _Shape]) -> Callable[[tuple[str, ...]], _Shape]:
    known = frozenset(cls._wires.values())

    def shape(keys: tuple[str, ...]) -> _Shape:
        absent = {name: wire for name, wire in cls._wires.items() if wire not in keys}
        extra = tuple(key for key in keys if key not in known)
        cls._learn(extra)
        found = (frozenset(absent) or None, extra, dict.fromkeys(absent.values()))
        if len(shapes) < _KEPT_SHAPES:
            shapes[keys] = found
        return found

    return shape


def _list_setter(put: Callable[[Any, Any], None], *, single: bool) -> Callable[[Any, Any], None]:
    def write(self: Model, value: Any) -> None:
        if type(value) is tuple:
            value = list(value)
        # A list of models remains the same list object; JSON in it is decoded when it is read.
        members = value.values() if type(value) is dict else value if type(value) is list else ()
        raw = (single and type(value) is dict) or any(type(member) in _CONTAINERS for member in members)
        put(self, (value,) if raw else value)

    return write


def _late(scope: dict[str, Any], place: str, ref: Ref, package: str) -> Callable[..., Any]:
    """A decoder that loads the models when it is first needed, and replaces itself with the real one."""

    def decode(*values: Any) -> Any:
        scope[place] = found = ref.bind(package, UnknownModel._decode)
        return found(*values)

    return decode


@model
class UnknownModel(Model):
    """An object of a type that this revision doesn't know: all of it is in `additional_properties` and its attributes."""

    @classmethod
    def _learn(cls, names: Iterable[str]) -> None:
        """Does nothing: any name may be an attribute here."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            extra = self._extra
            if name[:2] != "__" and extra and name in extra:
                return extra[name]
            raise AttributeError(
                f"{type(self).__name__} has no {name!r}{nearest(name, extra or ())}", name=name, obj=self
            )
