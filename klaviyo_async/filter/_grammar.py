"""Klaviyo's filter grammar: ``operator(field,value)``, joined by ``and(…,…)`` or commas. It has neither *or* nor *not*."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from attrs import field as attribute
from attrs import frozen

from klaviyo_async._did_you_mean import nearest, shown
from klaviyo_async.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "FIELD",
    "LIST_OPERATORS",
    "METHODS",
    "NO_NOT",
    "NO_OR",
    "OPERATORS",
    "Condition",
    "no_method",
    "quote_string",
]

OPERATORS: Final = (
    "equals",
    "greater-than",
    "greater-or-equal",
    "less-than",
    "less-or-equal",
    "any",
    "contains",
    "contains-any",
    "contains-all",
    "starts-with",
    "ends-with",
    "has",
)
"""Every operator of the grammar, by its wire name."""
LIST_OPERATORS: Final = frozenset(("any", "contains-any", "contains-all"))
"""Operators whose value is always a list."""

NO_OR = (
    'Klaviyo\'s filters have no `or`. For several values of one field use any: F("email").any([…]); '
    "otherwise make one call per condition and combine the results."
)
NO_NOT = (
    "Klaviyo's filters have no `not` and no `!=`. Filter for what you want to keep, for several values with any: "
    'F("status").any([…]); or drop records after reading them.'
)

METHODS: Final = tuple(operator.replace("-", "_") for operator in OPERATORS)
"""The methods of a field: its operators in Python."""
_ELSEWHERE: Final = {
    "in_": "any", "isin": "any", "is_in": "any", "one_of": "any", "any_of": "any", "in": "any", "any_": "any",
    "eq": "equals", "is_": "equals", "exact": "equals", "equal": "equals",
    "gt": "greater_than", "gte": "greater_or_equal", "ge": "greater_or_equal", "after": "greater_than",
    "lt": "less_than", "lte": "less_or_equal", "le": "less_or_equal", "before": "less_than",
    "startswith": "starts_with", "endswith": "ends_with", "like": "contains", "ilike": "contains", "icontains": "contains",
    "exists": "has", "isnotnull": "has", "is_not_null": "has",
}  # fmt: skip
"""Names of these methods in other query languages."""
_NEGATIONS: Final = frozenset(("ne", "not_equals", "not_equal", "notin", "not_in", "not_contains", "not_any"))

FIELD = re.compile(r"[A-Za-z0-9_$](?:[A-Za-z0-9_$. :-]*[A-Za-z0-9_$])?")


def no_method(name: str, field: str, methods: Iterable[str]) -> str:
    """The message about a method that a field doesn't have."""
    if name in _NEGATIONS:
        return NO_NOT
    if name == "between":
        return f"{shown(field)} has no method between: write (F({field!r}) >= low) & (F({field!r}) <= high)."
    there = list(methods)
    if name in ("isnull", "is_null", "is_none") and "equals" in there:
        return f"{shown(field)} has no method {name}: write F({field!r}).equals(None)."
    if name in ("asc", "desc") and name not in there:
        return f"{shown(field)} only filters here. Sort keys come from F: sort=F({field!r}).{name}()."
    known = _ELSEWHERE.get(name)
    return f"{shown(field)} does not take {shown(name)[1:-1]}{nearest(known if known in there else name, there)}."


def quote_string(text: str) -> str:
    """The text as a string literal: in double quotes, with ``"`` and ``\\`` escaped and everything else unchanged."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise QueryError(
            f"The text {shown(text)} has a lone surrogate, which can't be encoded. Check how the text was decoded."
        ) from None
    # `str.__str__` returns the plain text of a string enum.
    return '"' + str.__str__(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


@frozen
class Condition:
    """One ``operator(field,value)`` in a filter."""

    operator: str
    """Wire name, for instance ``greater-than``."""
    field: str
    """Name of the field, dotted if nested."""
    literal: str
    """The value in wire form; empty for `has`."""
    value: object = attribute(eq=False, repr=False, default=None)
    """The value in Python: str, bool, int, float, datetime, date, None, or a tuple of them for a list."""

    def __str__(self) -> str:
        if self.operator == "has":
            return f"has({self.field})"
        return f"{self.operator}({self.field},{self.literal})"
