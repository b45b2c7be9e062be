"""Small immutable attrs classes, built fast: a program that starts up waits for each class that it uses.

attrs compiles comparison, hash and repr for each class, which is most of what a class costs. Here all classes share one
of each, written against `attrs.fields`; all else is attrs' own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

__all__ = ["frozen"]


def _frozen(cls: Any = None, /, *, kw_only: bool = False, eq: bool = True, repr: bool = True) -> Any:
    """`attrs.frozen`, of whose options it has three. What a class defines itself stays."""

    def make(cls: Any) -> Any:
        methods = ({"__repr__": _repr} if repr else {}) | ({"__eq__": _equal, "__hash__": _hash} if eq else {})
        for name, method in methods.items():
            if name not in cls.__dict__:
                setattr(cls, name, method)
        return attrs.frozen(cls, kw_only=kw_only, eq=False, repr=False, weakref_slot=False, match_args=not kw_only)

    return make if cls is None else make(cls)


if TYPE_CHECKING:
    from attrs import frozen
else:
    frozen = _frozen


def _values(self: Any) -> tuple[Any, ...]:
    return tuple(getattr(self, field.name) for field in attrs.fields(type(self)) if field.eq)


def _equal(self: Any, other: object) -> Any:
    if type(other) is not type(self):
        return NotImplemented
    return _values(self) == _values(other)


def _hash(self: Any) -> int:
    return hash((type(self), *_values(self)))


def _repr(self: Any) -> str:
    shown = (
        f"{field.name}={(field.repr if callable(field.repr) else repr)(getattr(self, field.name))}"
        for field in attrs.fields(type(self))
        if field.repr
    )
    return f"{type(self).__qualname__}({', '.join(shown)})"
