"""Building blocks of the classes in `klaviyo_async.filters`: fields that have only the operators they support.

Each operator is a separate class; a generated field inherits those of its operation. `T` is the type of its values.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, TypeAlias, TypeVar

from klaviyo_async._did_you_mean import nearest
from klaviyo_async.errors import QueryError
from klaviyo_async.filter._checks import check_value
from klaviyo_async.filter._grammar import NO_NOT, no_method
from klaviyo_async.filter.expressions import NO_TRUTH, Filter, condition
from klaviyo_async.operation import FilterField

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "AnyOf",
    "Contains",
    "ContainsAll",
    "ContainsAny",
    "EndsWith",
    "Equals",
    "EqualsList",
    "FieldGroup",
    "GreaterOrEqual",
    "GreaterThan",
    "Has",
    "LessOrEqual",
    "LessThan",
    "Moment",
    "OperationFilters",
    "StartsWith",
    "TypedField",
    "Values",
]

T = TypeVar("T")

Moment: TypeAlias = date
"""What a time can be compared with: an aware datetime, or a date."""
# Not Iterable: to a type checker a text is a list of texts.
Values: TypeAlias = list[T] | tuple[T, ...] | set[T] | frozenset[T]
"""Values of an operator that takes a list."""


class _UnknownNameError(QueryError, AttributeError):
    """An unknown field or operator; also an AttributeError, so that `hasattr` works."""


def _public(cls: type) -> list[str]:
    return [name for name in dir(cls) if not name.startswith("_")]


def _refusing(operator: str) -> Callable[[TypedField[Any], object], NoReturn]:
    """A comparison that the field doesn't support."""

    def refuse(self: TypedField[Any], _: object) -> NoReturn:
        methods = _public(type(self))
        raise QueryError(f"{str(self)!r} does not take {operator}{nearest(operator.replace('-', '_'), methods)}.")

    return refuse


class TypedField(Generic[T]):
    """A field that an operation filters on."""

    __slots__ = ("_facts", "_name")
    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # `==` builds a filter, so fields can't be keys

    def __init__(
        self, name: str, type: str | None = None, format: str | None = None, enum: tuple[Any, ...] = ()
    ) -> None:
        self._name = name
        self._facts = FilterField(type=type, format=format, enum=enum)

    def _one(self, operator: str, value: object) -> Filter:
        made = condition(operator, self._name, value)
        problem = check_value(made.conditions[0].value, self._facts, operator, self._name)
        if problem is not None:
            raise QueryError(f"{problem.message}.")
        return made

    def _many(self, operator: str, values: object) -> Filter:
        made = condition(operator, self._name, values)
        for value in made.conditions[0].value:  # type: ignore[attr-defined]  # a list operator's value is a tuple
            problem = check_value(value, self._facts, operator, self._name)
            if problem is not None:
                raise QueryError(f"{problem.message}.")
        return made

    def __str__(self) -> str:
        return self._name

    def __repr__(self) -> str:
        return f"F({self._name!r})"

    def __bool__(self) -> NoReturn:
        raise QueryError(NO_TRUTH)

    if not TYPE_CHECKING:  # to a type checker these don't exist

        def __getattr__(self, name: str) -> NoReturn:
            if name.startswith("_"):
                raise AttributeError(name, name=name, obj=self)
            raise _UnknownNameError(no_method(name, self._name, _public(type(self))))

        __lt__ = _refusing("less-than")
        __le__ = _refusing("less-or-equal")
        __gt__ = _refusing("greater-than")
        __ge__ = _refusing("greater-or-equal")
        __eq__ = _refusing("equals")

        def __ne__(self, value: object) -> NoReturn:
            raise QueryError(NO_NOT)


class Equals(TypedField[T]):
    """Supports `equals` with a single value."""

    __slots__ = ()
    __hash__: ClassVar[None] = None

    def equals(self, value: T | None) -> Filter:
        """The field has this value."""
        return self._one("equals", value)

    def __eq__(self, value: T | None) -> Filter:  # type: ignore[override]
        return self._one("equals", value)


class EqualsList(TypedField[T]):
    """Supports `equals` with a value or a list of values."""

    __slots__ = ()
    __hash__: ClassVar[None] = None

    def equals(self, value: T | Values[T] | None) -> Filter:
        """The field has this value, or one of these."""
        if isinstance(value, list | tuple | set | frozenset):
            return self._many("equals", value)
        return self._one("equals", value)

    def __eq__(self, value: T | Values[T] | None) -> Filter:  # type: ignore[override]
        return self.equals(value)


class AnyOf(TypedField[T]):
    """Takes `any`."""

    __slots__ = ()

    def any(self, values: Values[T]) -> Filter:
        """The field has one of these values."""
        return self._many("any", values)


class GreaterThan(TypedField[T]):
    """Takes `greater-than`."""

    __slots__ = ()

    def greater_than(self, value: T) -> Filter:
        """The field is greater or later than the value."""
        return self._one("greater-than", value)

    def __gt__(self, value: T) -> Filter:
        return self._one("greater-than", value)


class GreaterOrEqual(TypedField[T]):
    """Takes `greater-or-equal`."""

    __slots__ = ()

    def greater_or_equal(self, value: T) -> Filter:
        """The field is the value, or greater or later."""
        return self._one("greater-or-equal", value)

    def __ge__(self, value: T) -> Filter:
        return self._one("greater-or-equal", value)


class LessThan(TypedField[T]):
    """Takes `less-than`."""

    __slots__ = ()

    def less_than(self, value: T) -> Filter:
        """The field is less or earlier than the value."""
        return self._one("less-than", value)

    def __lt__(self, value: T) -> Filter:
        return self._one("less-than", value)


class LessOrEqual(TypedField[T]):
    """Takes `less-or-equal`."""

    __slots__ = ()

    def less_or_equal(self, value: T) -> Filter:
        """The field is the value, or less or earlier."""
        return self._one("less-or-equal", value)

    def __le__(self, value: T) -> Filter:
        return self._one("less-or-equal", value)


class Contains(TypedField[T]):
    """Takes `contains`."""

    __slots__ = ()

    def contains(self, value: T) -> Filter:
        """The field's text contains this text."""
        return self._one("contains", value)


class ContainsAny(TypedField[T]):
    """Takes `contains-any`."""

    __slots__ = ()

    def contains_any(self, values: Values[T]) -> Filter:
        """The field's list contains one of these values."""
        return self._many("contains-any", values)


class ContainsAll(TypedField[T]):
    """Takes `contains-all`."""

    __slots__ = ()

    def contains_all(self, values: Values[T]) -> Filter:
        """The field's list contains all of these values."""
        return self._many("contains-all", values)


class StartsWith(TypedField[T]):
    """Takes `starts-with`."""

    __slots__ = ()

    def starts_with(self, value: T) -> Filter:
        """The field's text starts with this text."""
        return self._one("starts-with", value)


class EndsWith(TypedField[T]):
    """Takes `ends-with`."""

    __slots__ = ()

    def ends_with(self, value: T) -> Filter:
        """The field's text ends with this text."""
        return self._one("ends-with", value)


class Has(TypedField[T]):
    """Supports `has`, which takes no value."""

    __slots__ = ()

    def has(self) -> Filter:
        """The field has a value."""
        return condition("has", self._name)


class _Names(type):
    """Lists the existing fields at run time if an unknown one is accessed."""

    if not TYPE_CHECKING:  # to a type checker an unknown field is an error

        def __getattr__(cls, name: str) -> NoReturn:
            if name.startswith("__"):
                raise AttributeError(name, name=name, obj=cls)
            there = [each for each in vars(cls) if not each.startswith("__")]
            raise _UnknownNameError(f"{cls.__name__.strip('_')} has no field {name!r}{nearest(name, there)}.")


class FieldGroup(metaclass=_Names):
    """Fields with a dot in their name, grouped by the part before it."""

    __slots__ = ()


class OperationFilters(FieldGroup):
    """The fields that an operation filters on."""

    __slots__ = ()
