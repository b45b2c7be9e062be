"""`F` builds filter expressions, `Filter.parse` parses them; sort keys and sparse fieldsets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from math import isfinite
from typing import TYPE_CHECKING, ClassVar, Final, NoReturn, TypeAlias
from uuid import UUID

from attrs import frozen

from klaviyo_async._data_frames import is_missing, members, unwrapped
from klaviyo_async._did_you_mean import shown
from klaviyo_async.errors import QueryError
from klaviyo_async.filter._grammar import (
    FIELD,
    LIST_OPERATORS,
    METHODS,
    NO_NOT,
    NO_OR,
    Condition,
    no_method,
    quote_string,
)
from klaviyo_async.filter._parser import parse

__all__ = ["Condition", "F", "Field", "Fields", "Filter", "SortKey"]

Scalar: TypeAlias = str | bool | int | float | Decimal | datetime | date | None
"""A value that a condition can compare with."""
Value: TypeAlias = Scalar | Iterable[Scalar]
"""A value, or the values of an operator that takes a list."""

NO_TRUTH = (
    "A filter expression has no truth value: `and`, `or`, `if`, `in` and chained comparisons (1 < F.a < 5) would drop half "
    "of it. Join conditions with &, each in parentheses: (F.a > 1) & (F.a < 5). If some may be None: Filter.all([…])."
)
_PARENTHESES = "Put each comparison in parentheses, since & binds tighter: (F.a == 1) & (F.b == 2)."


_MOST_DIGITS: Final = 4300
"""As many as Python writes of an int: a decimal may be a few characters that stand for a gigabyte of digits."""


def literal(value: object) -> str:
    """The wire form of one value. Raises `QueryError` for a value that the grammar can't express."""
    if isinstance(value, str):
        return quote_string(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return _number(value)
    if isinstance(value, date) and not is_missing(value):
        return _datetime(value) if isinstance(value, datetime) else date.isoformat(value)
    hint = ""
    if isinstance(value, Field):
        hint = " A condition compares a field with a value, not with another field."
    elif isinstance(value, Filter):
        hint = f" {_PARENTHESES}"
    elif isinstance(value, Enum):
        hint = " Give the member's .value."
    elif isinstance(value, UUID):
        hint = " Give str(…) of it."
    raise QueryError(
        f"A filter can't hold a value of type {type(value).__name__}.{hint} It takes str, bool, int, float, Decimal, "
        "aware datetime, date, None, and lists of these."
    )


def _number(value: float | Decimal) -> str:
    try:
        if isinstance(value, int):
            return int.__repr__(value)
        if not (value.is_finite() if isinstance(value, Decimal) else isfinite(value)):
            raise QueryError(f"{value} is not a number that a filter can hold. Use a finite one.")
        exact = value if isinstance(value, Decimal) else Decimal(float.__repr__(value))
        if abs(exact.adjusted()) > _MOST_DIGITS:
            raise QueryError(f"The number is too long for a filter: {shown(exact)}.")
        # Plain digits: Klaviyo's grammar has no exponents.
        return format(exact, "f")
    except ValueError as error:
        if isinstance(error, QueryError):
            raise
        raise QueryError(f"The number is too long for a filter: {error}.") from None


def _datetime(value: datetime) -> str:
    offset = value.utcoffset()
    if offset is None:
        raise QueryError(
            f"The datetime {datetime.isoformat(value)} has no time zone, so it names no instant. Give it one, for "
            "instance value.replace(tzinfo=timezone.utc), or value.astimezone() for local time."
        )
    if offset % timedelta(minutes=1):
        # RFC 3339 offsets have no seconds (old local mean times do): use the same instant in UTC.
        try:
            value = value.astimezone(UTC)
        except OverflowError:
            raise QueryError(f"The datetime {datetime.isoformat(value)} is out of range in UTC.") from None
    return datetime.isoformat(value)


def _scalar(value: object, where: str) -> tuple[object, str]:
    """The value in Python and on the wire. Raises a `QueryError` that begins with `where`."""
    try:
        if type(value) not in _PLAIN:
            value = unwrapped(value)
        return value, literal(value)
    except QueryError as error:
        raise QueryError(f"{where}: {error}") from None
    except ValueError as error:
        raise QueryError(f"{where}: {error}.") from None


_PLAIN: Final = frozenset((str, bool, int, float, datetime, type(None)))
"""Types that don't wrap anything."""


def _list_literal(values: object, operator: str, field: str) -> tuple[tuple[object, ...], str]:
    given = members(values)
    if given is None:
        method = operator.replace("-", "_")
        raise QueryError(
            f"{operator} of {shown(field)} takes a list of values, got {type(values).__name__}: write {method}([…])."
        )
    pairs = [_scalar(value, f"{operator} of {shown(field)}, value {index}") for index, value in enumerate(given)]
    if not pairs:
        raise QueryError(
            f"{operator} of {shown(field)} was given an empty list, which would match nothing. Leave the call out instead."
        )
    return tuple(value for value, _ in pairs), "[" + ",".join(text for _, text in pairs) + "]"


@frozen(repr=False)
class Filter:
    """A filter expression: a condition, or several joined by *and*.

    `F` and the classes in `klaviyo_async.filters` build them, ``&`` joins them, ``str()`` returns the wire form.
    Two filters are equal if their wire forms are.
    """

    conditions: tuple[Condition, ...]
    """The conditions in order, never nested."""

    @classmethod
    def parse(cls, text: str) -> Filter:
        """Parse a filter from its wire form, before percent-encoding.

        Accepts single and double quotes, spaces between tokens, nested ``and(…)``, and commas at the top level.
        Raises `QueryError` with the position at which the text is invalid.
        """
        if not isinstance(text, str):
            raise QueryError(f"Filter.parse: expected a str, got {type(text).__name__}.")
        return cls(tuple(parse(text)))

    @classmethod
    def all(cls, conditions: Iterable[Filter | None], /) -> Filter | None:
        """Join conditions, skipping None. If nothing remains it returns None, which a call treats as no filter.

        Useful for optional conditions: ``Filter.all([F.email == email if email else None, …])``.
        Raises `QueryError` for anything that is not a condition.
        """
        given = members(conditions)
        if given is None:
            raise QueryError(
                f"Filter.all: expected a list of conditions, got {type(conditions).__name__}: write Filter.all([…])."
            )
        found: list[Condition] = []
        for each in given:
            if isinstance(each, Filter):
                found += each.conditions
            elif each is not None:
                raise _not_joinable(each)
        return cls(tuple(found)) if found else None

    def __str__(self) -> str:
        if len(self.conditions) == 1:
            return str(self.conditions[0])
        return "and(" + ",".join(map(str, self.conditions)) + ")"

    def __repr__(self) -> str:
        return f"Filter.parse({str(self)!r})"

    def __and__(self, other: Filter) -> Filter:
        if isinstance(other, Filter):
            return Filter(self.conditions + other.conditions)
        raise _not_joinable(other)

    def __bool__(self) -> NoReturn:
        raise QueryError(NO_TRUTH)

    if not TYPE_CHECKING:  # these are errors to a type checker, which would accept a method that never returns

        def __rand__(self, other: object) -> NoReturn:
            raise _not_joinable(other)

        def __or__(self, other: object) -> NoReturn:
            raise QueryError(NO_OR)

        __ror__ = __or__

        def __invert__(self) -> NoReturn:
            raise QueryError(NO_NOT)


def _not_joinable(other: object) -> QueryError:
    if isinstance(other, str):
        return QueryError("& joins filter expressions, not text. Parse the text first: Filter.parse(text).")
    if isinstance(other, Field):
        return QueryError(f"{other!r} alone is not a condition. Compare it with a value. {_PARENTHESES}")
    if other is None:
        return QueryError("& joins filter expressions, not None. If some may be None: Filter.all([first, second]).")
    return QueryError(f"& joins filter expressions, not {type(other).__name__}. {_PARENTHESES}")


def condition(operator: str, field: str, value: object = None) -> Filter:
    """The filter ``operator(field,value)``. Raises `QueryError` for a value that the grammar can't express."""
    if operator == "has":
        return Filter((Condition("has", field, ""),))
    many = operator in LIST_OPERATORS
    if many or (operator == "equals" and isinstance(value, list | tuple | set | frozenset)):
        value, text = _list_literal(value, operator, field)
    else:
        value, text = _scalar(value, f"{operator} of {shown(field)}")
    return Filter((Condition(operator, field, text, value),))


class SortKey(str):
    """A sort key: the name of a field, with a minus in front for descending order."""

    __slots__ = ()


class Field:
    """A field to filter or sort by, created with ``F("profile.id")`` or ``F.profile.id``."""

    __slots__ = ("_field_",)
    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # `==` builds a filter, so fields can't be keys
    _field_: str

    def __init__(self, name: str) -> None:
        self._field_ = name

    def __getattr__(self, name: str) -> Field:
        name = _attribute_name(self, name)
        return Field(f"{self._field_}.{name}")

    def __str__(self) -> str:
        return self._field_

    def __repr__(self) -> str:
        return f"F({self._field_!r})"

    def __eq__(self, value: Value) -> Filter:  # type: ignore[override]
        return condition("equals", self._field_, value)

    def __gt__(self, value: Scalar) -> Filter:
        return condition("greater-than", self._field_, value)

    def __ge__(self, value: Scalar) -> Filter:
        return condition("greater-or-equal", self._field_, value)

    def __lt__(self, value: Scalar) -> Filter:
        return condition("less-than", self._field_, value)

    def __le__(self, value: Scalar) -> Filter:
        return condition("less-or-equal", self._field_, value)

    def equals(self, value: Value) -> Filter:
        """The field has this value; for some fields, one of these values."""
        return condition("equals", self._field_, value)

    def greater_than(self, value: Scalar) -> Filter:
        """The field is greater or later than the value."""
        return condition("greater-than", self._field_, value)

    def greater_or_equal(self, value: Scalar) -> Filter:
        """The field is the value, or greater or later."""
        return condition("greater-or-equal", self._field_, value)

    def less_than(self, value: Scalar) -> Filter:
        """The field is less or earlier than the value."""
        return condition("less-than", self._field_, value)

    def less_or_equal(self, value: Scalar) -> Filter:
        """The field is the value, or less or earlier."""
        return condition("less-or-equal", self._field_, value)

    def any(self, values: Iterable[Scalar]) -> Filter:
        """The field has one of these values."""
        return condition("any", self._field_, values)

    def contains(self, value: Scalar) -> Filter:
        """The field's text contains this text."""
        return condition("contains", self._field_, value)

    def contains_any(self, values: Iterable[Scalar]) -> Filter:
        """The field's list contains one of these values."""
        return condition("contains-any", self._field_, values)

    def contains_all(self, values: Iterable[Scalar]) -> Filter:
        """The field's list contains all of these values."""
        return condition("contains-all", self._field_, values)

    def starts_with(self, value: Scalar) -> Filter:
        """The field's text starts with this text."""
        return condition("starts-with", self._field_, value)

    def ends_with(self, value: Scalar) -> Filter:
        """The field's text ends with this text."""
        return condition("ends-with", self._field_, value)

    def has(self) -> Filter:
        """The field has a value."""
        return condition("has", self._field_)

    def asc(self) -> SortKey:
        """Sort key: smallest or earliest first."""
        return SortKey(self._field_)

    def desc(self) -> SortKey:
        """Sort key: greatest or latest first."""
        return SortKey("-" + self._field_)

    def __bool__(self) -> NoReturn:
        raise QueryError(NO_TRUTH)

    if not TYPE_CHECKING:  # as in Filter

        def __call__(self, *_: object, **__: object) -> NoReturn:
            owner, _, method = self._field_.rpartition(".")
            if not owner:
                raise QueryError(f"{self!r} is a field, not a function: compare it, for instance F.{method} == value.")
            raise QueryError(no_method(method, owner, METHODS))

        def __ne__(self, value: object) -> NoReturn:
            raise QueryError(NO_NOT)

        def __contains__(self, value: object) -> NoReturn:
            raise QueryError(f"`in` doesn't build a filter. Use {self!r}.contains(…) or {self!r}.any([…]).")

        def __and__(self, other: object) -> NoReturn:
            raise _not_joinable(self)

        __rand__ = __and__

        def __or__(self, other: object) -> NoReturn:
            raise QueryError(NO_OR)

        __ror__ = __or__

        def __invert__(self) -> NoReturn:
            raise QueryError(NO_NOT)


def _attribute_name(owner: object, name: str) -> str:
    # Tools probe objects for such names (copy, pickle, notebooks); Klaviyo has no such field.
    if name.startswith("_") and name.endswith("_"):
        raise AttributeError(name, name=name, obj=owner)
    return name


class FieldFactory:
    """The type of `F`: ``F("a.b")`` and ``F.a.b`` are the same field.

    The call accepts every name, attributes only names that aren't methods of a field: ``F("list.any")``.
    """

    __slots__ = ()

    def __call__(self, name: str) -> Field:
        if not isinstance(name, str):
            raise QueryError(f"F: expected the name of a field, a str, got {type(name).__name__}.")
        if not FIELD.fullmatch(name):
            raise QueryError(
                f"{shown(name)} is not a field name: letters, digits, _ $ - and dots, spaces inside only. Values go into the comparison."
            )
        return Field(str.__str__(name))  # of a string enum its text

    def __getattr__(self, name: str) -> Field:
        return self(_attribute_name(self, name))

    def __repr__(self) -> str:
        return "F"


F: Final = FieldFactory()
"""Start of a filter expression or sort key: ``F("email") == "a@x.com"``, ``F.profile.id.any([…])``, ``F.created.desc()``."""


class Fields(Mapping[str, tuple[str, ...]]):
    """A sparse fieldset: which fields of which resource type to return.

    ``Fields(profile=["email"], push_token=["token"])``. Keywords are type names with ``_`` for ``-``. A mapping with the
    original names can be passed first: ``Fields({"push-token": ["token"]})``.
    """

    __slots__ = ("_types",)

    def __init__(
        self, types: Mapping[str, Iterable[str] | str] | None = None, /, **by_keyword: Iterable[str] | str
    ) -> None:
        given: dict[str, Iterable[str] | str] = dict(types or {})
        given.update((name.replace("_", "-"), names) for name, names in by_keyword.items())
        self._types = {name: field_names(names) for name, names in given.items()}

    def __getitem__(self, name: str) -> tuple[str, ...]:
        return self._types[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._types)

    def __len__(self) -> int:
        return len(self._types)

    def __hash__(self) -> int:
        return hash(tuple(self._types.items()))

    def __repr__(self) -> str:
        return f"Fields({self._types!r})"


def field_names(names: object) -> tuple[str, ...]:
    """A list of names, given as such or as one comma-separated text. Raises `QueryError` for anything else."""
    if isinstance(names, str):
        return tuple(part.strip() for part in names.split(","))
    given = members(names)
    if given is not None:
        listed = tuple(given)
        if all(isinstance(member, str) for member in listed):
            return listed
    raise QueryError(f"Expected a list of names, got {shown(names)}.")
