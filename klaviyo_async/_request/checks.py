"""Checks the query and header parameters of a call against its operation, and encodes them for the wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit
from uuid import UUID

from klaviyo_async._data_frames import unwrapped
from klaviyo_async._did_you_mean import nearest, shown
from klaviyo_async._keys import is_private_key
from klaviyo_async._model.unset import UNSET
from klaviyo_async._request.links import cursor_of, origin_of
from klaviyo_async._texts import text_of
from klaviyo_async.errors import QueryError
from klaviyo_async.filter import Condition, Field, Fields, Filter
from klaviyo_async.filter._checks import check_filter
from klaviyo_async.filter.expressions import field_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from klaviyo_async._request.problems import Problems
    from klaviyo_async.operation import Operation, Parameter, ParameterLimit

__all__ = ["WRITERS", "Query", "has_control_characters"]

PRIVATE_COMPANY_ID: Final = "this is a private API key; company_id is the account's public one, six letters and digits, and would appear in the URL"


def has_control_characters(text: str) -> bool:
    """Whether it contains control characters, which a header can't hold."""
    return not text.isprintable() and any(character < " " or character == "\x7f" for character in text)


@lru_cache(maxsize=2048)
def _quoted_name(name: str) -> str:
    # Names of parameters, fields and types: few, short, and the same in every call.
    return quote(name, safe="")


# Each ASCII character percent-encoded as `quote(…, safe="")` would; that takes four times as long.
_ENCODED: Final = {character: quote(character, safe="") for character in map(chr, range(128))}.__getitem__


class Query:
    """The query and headers of one call while they are built."""

    __slots__ = ("headers", "operation", "origin", "pairs", "problems", "sent", "target", "validate")

    def __init__(
        self, operation: Operation, problems: Problems, validate: bool, origin: str | None, target: str
    ) -> None:
        self.operation = operation
        self.problems = problems
        self.validate = validate
        self.origin = origin
        self.target = target
        self.pairs: list[str] = []
        self.headers: dict[str, str] = {}
        self.sent: list[tuple[str, Sequence[str]]] = []
        """Parameters that a limit may depend on: wire name and values."""

    def add(self, wire: str, text: str) -> None:
        value = "".join(map(_ENCODED, text)) if text.isascii() else quote(text, safe="")
        self.pairs.append(f"{_quoted_name(wire)}={value}")

    def add_list(self, wire: str, members: Sequence[str]) -> None:
        # JSON:API separates members by commas; a comma inside a member is encoded.
        self.pairs.append(f"{_quoted_name(wire)}={','.join(map(_quoted_name, members))}")

    def triggered(self) -> tuple[ParameterLimit, ...]:
        """The parameter-dependent limits that apply to the call."""
        limits = self.operation.limits.by_parameter
        if not limits or not self.sent:
            return ()
        sent = dict(self.sent)
        return tuple(limit for limit in limits if limit.value in sent.get(limit.parameter, ()))

    # --- one method per kind of parameter ---

    def filter(self, parameter: Parameter, value: object) -> None:
        name = parameter.name
        text: str
        conditions: tuple[Condition, ...] = ()
        if isinstance(value, Filter):
            text, conditions = str(value), value.conditions
        elif isinstance(value, str):
            text = str.__str__(value)
            if self.validate:
                try:
                    conditions = Filter.parse(text).conditions
                except QueryError as error:
                    self.problems.add(name, str(error))
                    return
        else:
            hint = ""
            if isinstance(value, bool):
                hint = " (the comparison gave no filter: is the field an F?)"
            elif isinstance(value, Field):
                hint = " (a field alone is not a condition: compare it with a value)"
            elif isinstance(value, list | tuple):
                hint = "; join conditions with &, or with Filter.all(conditions)"
            self.problems.add(name, f"expected an expression of F or a str, got {type(value).__name__}{hint}", "type")
            return
        if self.validate:
            found = check_filter(self.operation, conditions)
            if found:
                self.problems += found
                return
        if parameter.place == "header":
            if has_control_characters(text):
                self.problems.add(name, "this filter is sent in a header, which can't hold control characters")
                return
            text.encode()
            self.headers[parameter.wire] = text
        else:
            self.add(parameter.wire, text)

    def sort(self, parameter: Parameter, value: object) -> None:
        if not isinstance(value, str):
            hint = "; use .asc() or .desc()" if isinstance(value, Field) else ""
            self.problems.add(parameter.name, f"expected one sort key, a str, got {type(value).__name__}{hint}", "type")
            return
        if self.validate and value not in self.operation.sort:
            self.problems.add(
                parameter.name, f"{shown(value)} is not a sort key here{nearest(value, self.operation.sort)}", "unknown"
            )
            return
        self.add(parameter.wire, value)

    def include(self, parameter: Parameter, value: object) -> None:
        names = self.names(parameter.name, value)
        if self.validate:
            allowed = self.operation.include
            for name in names:
                if name not in allowed:
                    self.problems.add(
                        parameter.name, f"{shown(name)} can't be included here{nearest(name, allowed)}", "unknown"
                    )
        if names:
            self.add_list(parameter.wire, names)
            self.sent.append((parameter.wire, names))

    def names(self, where: str, value: object) -> tuple[str, ...]:
        try:
            return field_names(value)
        except QueryError:
            self.problems.add(where, f"expected a list of names, got {shown(value)}", "type")
            return ()

    def fields(self, parameter: Parameter, value: object) -> None:
        self.fieldsets(parameter, value, self.operation.fields)

    def additional_fields(self, parameter: Parameter, value: object) -> None:
        self.fieldsets(parameter, value, self.operation.additional_fields)

    def fieldsets(self, parameter: Parameter, value: object, known: Mapping[str, tuple[str, ...]]) -> None:
        where = parameter.name
        if not isinstance(value, Mapping):
            self.problems.add(
                where,
                'expected a mapping from resource type to fields, for instance {"profile": ["email"]}, '
                f"got {type(value).__name__}",
                "type",
            )
            return
        for kind, given in value.items():
            if not isinstance(kind, str):
                self.problems.add(where, f"a resource type must be a str, not {shown(kind)}", "type")
                continue
            kind = str.__str__(kind)
            if kind not in known and (hyphened := kind.replace("_", "-")) in known:
                kind = hyphened
            names = given if isinstance(value, Fields) else self.names(f"{where}[{kind}]", given)
            if self.validate:
                allowed = known.get(kind)
                if allowed is None:
                    self.problems.add(
                        where, f"{shown(kind)} is not a resource type here{nearest(kind, known)}", "unknown"
                    )
                    continue
                for name in names:
                    if name not in allowed:
                        self.problems.add(
                            f"{where}[{kind}]", f"there is no field {shown(name)}{nearest(name, allowed)}", "unknown"
                        )
            wire = f"{parameter.wire}[{kind}]"
            self.add_list(wire, names)
            self.sent.append((wire, names))

    def page_size(self, parameter: Parameter, value: object) -> None:
        number = self.whole(parameter.name, value)
        if number is None:
            return
        bounds = self.operation.page_size
        if self.validate:
            low = bounds.minimum if bounds is not None else 1
            high = bounds.maximum if bounds is not None else None
            if number < low or (high is not None and number > high):
                allowed = f"from {low} to {high}" if high is not None else f"{low} or more"
                self.problems.add(parameter.name, f"{shown(number)} is out of range: it must be {allowed}", "range")
                return
        self.add(parameter.wire, str(number))

    def whole(self, name: str, value: object) -> int | None:
        """A whole number; a problem if it isn't one."""
        value = self.unwrapped(name, value)
        if isinstance(value, int) and not isinstance(value, bool):
            return int(value)
        if value is not None:
            self.problems.add(name, f"expected an int, got {shown(value)}", "type")
        return None

    def unwrapped(self, name: str, value: object) -> object:
        """The plain value of a data frame's value; None, and a problem, if it has none."""
        try:
            return unwrapped(value)
        except ValueError as error:
            self.problems.add(name, str(error))
            return None

    def page_cursor(self, parameter: Parameter, value: object) -> None:
        cursor = self.cursor(parameter.name, value)
        if isinstance(cursor, str):
            self.add(parameter.wire, cursor)

    def cursor(self, name: str, value: object) -> object:
        """The cursor itself, or the one in a whole next link."""
        if value is None or value is UNSET:
            return value
        if not isinstance(value, str) or not value:
            self.problems.add(name, f"expected a cursor or a whole links.next, a str, got {shown(value)}", "type")
            return UNSET
        if not value.startswith(("https://", "http://", "/")) or "?" not in value:
            return value
        try:
            link = urlsplit(value)
            same = not link.netloc or self.origin is None or origin_of(value) == origin_of(self.origin)
        except ValueError:
            self.problems.add(name, f"{shown(value, 200)} is not a valid URL")
            return UNSET
        cursor = cursor_of(value)
        if not same:
            host = link.netloc.rpartition("@")[2]
            self.problems.add(
                name, f"this link points to {shown(host)[1:-1]}, not to the client's own origin {self.origin}"
            )
        elif not link.path.rstrip("/").endswith(self.target.rstrip("/")):
            self.problems.add(name, f"this link is of another list, {shown(link.path)}, not of {self.target}")
        elif cursor is None:
            self.problems.add(name, f"there is no cursor in this link: {shown(value, 200)}")
        else:
            return cursor
        return UNSET

    def integer(self, parameter: Parameter, value: object) -> None:
        number = self.whole(parameter.name, value)
        if number is not None:
            self.add(parameter.wire, str(number))

    def boolean(self, parameter: Parameter, value: object) -> None:
        value = self.unwrapped(parameter.name, value)
        if isinstance(value, bool):
            self.add(parameter.wire, "true" if value else "false")
        elif value is not None:
            self.problems.add(parameter.name, f"expected True or False, got {shown(value)}", "type")

    def string(self, parameter: Parameter, value: object) -> None:
        name = parameter.name
        members: Sequence[str]
        if not isinstance(value, str):
            value = self.unwrapped(name, value)
            if value is None:
                return
        if isinstance(value, str):
            members = (str.__str__(value),)
        elif isinstance(value, bool):
            members = ("true" if value else "false",)
        elif isinstance(value, float) and not isfinite(value):
            self.problems.add(name, f"{value} can't be sent: it must be finite")
            return
        elif isinstance(value, int | float | UUID):
            members = (text_of(value),)
        else:
            members = self.names(name, value)
        if self.validate and parameter.enum:
            for member in members:
                if member not in parameter.enum:
                    self.problems.add(
                        name, f"{shown(member)} is not allowed{nearest(member, parameter.enum)}", "unknown"
                    )
        if name == "company_id" and any(map(is_private_key, members)):
            # It is not shown: it is a key.
            self.problems.add(name, PRIVATE_COMPANY_ID)
            return
        if parameter.place == "header":
            text = ",".join(members)
            if has_control_characters(text):
                self.problems.add(name, "a header can't hold control characters")
                return
            text.encode()
            self.headers[parameter.wire] = text
        else:
            self.add_list(parameter.wire, members)
        self.sent.append((parameter.wire, members))


WRITERS: Final[Mapping[str, Callable[[Query, Parameter, object], None]]] = {
    "filter": Query.filter,
    "sort": Query.sort,
    "include": Query.include,
    "fields": Query.fields,
    "additional_fields": Query.additional_fields,
    "page_size": Query.page_size,
    "page_cursor": Query.page_cursor,
    "integer": Query.integer,
    "boolean": Query.boolean,
    "string": Query.string,
}
"""What checks and encodes a parameter, by its kind."""
