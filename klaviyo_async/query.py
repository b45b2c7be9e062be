"""From the arguments of a call to a request: checks them against the operation and writes them for the wire.

Nothing here depends on time or credentials. All problems of a call are collected into one `QueryError`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote, urlsplit
from uuid import UUID

from attrs import evolve

from klaviyo_async.errors import PaginationError, QueryError
from klaviyo_async.filter import Condition, Field, Fields, Filter, field_names
from klaviyo_async.filter_checks import check_filter
from klaviyo_async.model import UNSET
from klaviyo_async.record import frozen
from klaviyo_async.suggest import nearest, unknown_keyword

if TYPE_CHECKING:
    from collections.abc import Callable

    from klaviyo_async.documents import Payload
    from klaviyo_async.operation import Operation, Parameter, ParameterLimit

__all__ = ["Prepared", "prepare", "quote_segment"]

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})
_CURSOR_NAMES = ("page[cursor]", "page_cursor")


@frozen(kw_only=True)
class Prepared:
    """Everything of a request that doesn't depend on time or credentials."""

    operation: Operation
    target: str
    """Percent-encoded path and query, starting with ``/``, without origin; to be sent as it is."""
    headers: Mapping[str, str] = _NO_HEADERS
    """Headers that belong to the call; no credential, no revision."""
    triggered: tuple[ParameterLimit, ...] = ()
    """Parameter-dependent limits that this call sets off."""
    payload: Payload | None = None
    """The body."""
    safe_to_repeat: bool = False
    """Whether the request may be sent again when its fate is unknown, by the operation or by what this call carries."""

    def following(self, target: str) -> Prepared:
        """The request for the page that a next link names; `target` is the link without its origin, byte for byte.

        Where the operation pages in its body, the link's cursor goes there. Raises `PaginationError` where it has none.
        """
        pagination = self.operation.pagination
        if pagination is None or pagination.style != "post-body" or self.payload is None:
            return evolve(self, target=target)
        cursor = _cursor_of(target)
        if cursor is None:
            raise PaginationError(f"{self.operation.name}: the next link has no cursor: {target!r:.200}.")
        from klaviyo_async.documents import with_cursor  # noqa: PLC0415 - only one operation pages this way

        return evolve(self, payload=with_cursor(self.payload, cursor))


def prepare(
    operation: Operation,
    path: Sequence[object] = (),
    params: Mapping[str, object] = _NO_HEADERS,
    *,
    body: object = UNSET,
    write: Mapping[str, object] | None = None,
    validate: bool = True,
    origin: str | None = None,
) -> Prepared:
    """Check a call and write its request.

    `path` has the path arguments in path order; `params` the query and header parameters by Python name, where `None`
    and `UNSET` mean not given; `write` the keywords of the body. `origin` is the client's own (scheme, host and port):
    a whole ``links.next`` given as cursor has to be there. With `validate` off, names and values that the operation
    doesn't know are let through.

    Raises `QueryError` with all problems of the call, TypeError where an argument is unknown, missing or given twice.
    """
    plan = _plan_of(operation)
    problems: list[str] = []
    target = plan.path(path, problems)
    call = _Call(operation, problems, validate, origin, target)
    for name, value in params.items():
        if value is None or value is UNSET:
            continue
        parameter = plan.parameters.get(name)
        if parameter is None:
            raise unknown_keyword(operation.name, name, tuple(plan.parameters))
        try:
            _WRITERS[parameter.kind](call, parameter, value)
        except UnicodeEncodeError:
            problems.append(f"{name}: the text has a lone surrogate, which no encoding can send")
    if validate:
        for parameter in plan.required:
            value = params.get(parameter.name)
            if value is None or value is UNSET:
                problems.append(_missing(operation, parameter))
    if not validate:
        call.known_problems = 0
    if write and "page_cursor" in write and plan.cursor_in_body:
        write = {**write, "page_cursor": call.cursor("page_cursor", write["page_cursor"])}
    payload = None
    if operation.body is not None or write or body is not UNSET:
        from klaviyo_async.documents import build  # noqa: PLC0415 - a program that only reads never needs it

        arguments = dict(zip(operation.path_parameters, map(str, path), strict=False))
        payload = build(operation, arguments, body, write, problems, validate=validate)
    if problems:
        raise _error(operation, problems, hint=validate and call.known_problems > 0)
    return Prepared(
        operation=operation,
        target=target + "?" + "&".join(call.pairs) if call.pairs else target,
        headers=call.headers or _NO_HEADERS,
        triggered=call.triggered(),
        payload=payload,
        safe_to_repeat=operation.safe_to_repeat or plan.repeatable(body, write),
    )


def quote_segment(value: str) -> str:
    """The text percent-encoded as one path segment.

    ``$``, ``:`` and ``@`` stay, as RFC 3986 allows and as Klaviyo writes catalog ids itself. Raises `QueryError` for an
    empty text and for ``.`` and ``..``, which no encoding keeps from meaning another path.
    """
    if not value:
        raise QueryError("an id must not be empty")
    if value in (".", ".."):
        raise QueryError(f"{value!r} can't be an id: in a path it means another folder")
    try:
        return quote(value, safe="$:@")
    except UnicodeEncodeError:
        raise QueryError("an id with a lone surrogate can't be sent") from None


def _error(operation: Operation, problems: list[str], *, hint: bool) -> QueryError:
    lines = [problem.rstrip(".") + "." for problem in problems]
    after = " validate=False lets through what Klaviyo may have added since this revision." if hint else ""
    if len(lines) == 1:
        return QueryError(f"{operation.name}: {lines[0]}{after}", operation=operation.name, problems=lines)
    listed = "".join(f"\n  - {line}" for line in lines)
    return QueryError(
        f"{operation.name}: {len(lines)} problems, nothing was sent:{listed}{after and chr(10)}{after.strip()}",
        operation=operation.name,
        problems=lines,
    )


def _missing(operation: Operation, parameter: Parameter) -> str:
    text = f"{parameter.name}: it is required"
    if parameter.kind == "filter" and operation.filters:
        wanted = operation.filter_requires or tuple(operation.filters)[:1]
        return f"{text}, with a condition on {' or '.join(map(repr, wanted))}"
    if parameter.name == "company_id":
        return f"{text}: give it here or to Klaviyo(company_id=…); it is the account's public key"
    if parameter.enum:
        return f"{text}; there are: {', '.join(parameter.enum)}"
    return text


def _cursor_of(url: str) -> str | None:
    """The cursor in the query of a link; None where it has none."""
    query = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
    return next((query[name] for name in _CURSOR_NAMES if query.get(name)), None)


@lru_cache(maxsize=2048)
def _quoted_name(name: str) -> str:
    # Names of parameters, fields and types: few, short, and in every call the same.
    return quote(name, safe="")


class _Plan:
    """What of an operation is the same for each call."""

    __slots__ = ("cursor_in_body", "operation", "parameters", "required", "segments", "unique")

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self.parameters = {parameter.name: parameter for parameter in operation.parameters}
        self.required = tuple(parameter for parameter in operation.parameters if parameter.required)
        # The template's fixed parts, one more than there are path parameters.
        self.segments: list[str] = []
        rest = operation.path
        for name in operation.path_parameters:
            before, _, rest = rest.partition("{" + name + "}")
            self.segments.append(before)
        self.segments.append(rest)
        self.cursor_in_body = operation.pagination is not None and operation.pagination.style == "post-body"
        resource = operation.body.resource if operation.body is not None else None
        self.unique = (
            resource.attributes.get(operation.safe_with, operation.safe_with)
            if operation.safe_with is not None and resource is not None
            else operation.safe_with
        )

    def path(self, arguments: Sequence[object], problems: list[str]) -> str:
        names = self.operation.path_parameters
        if len(arguments) != len(names):
            raise TypeError(f"{self.operation.name} takes {len(names)} path arguments ({', '.join(names)})")
        if not arguments:
            return self.operation.path
        parts = [self.segments[0]]
        for name, value, after in zip(names, arguments, self.segments[1:], strict=True):
            if isinstance(value, str):
                text = str.__str__(value)
            elif (isinstance(value, int) and not isinstance(value, bool)) or isinstance(value, UUID):
                text = str(value)
            else:
                problems.append(f"{name}: an id is wanted, a str that is not empty, not {type(value).__name__}")
                continue
            try:
                parts += (quote_segment(text), after)
            except QueryError as error:
                problems.append(f"{name}: {error}")
        return "".join(parts)

    def repeatable(self, body: object, write: Mapping[str, object] | None) -> bool:
        """Whether the call carries the key that makes its repetition harmless."""
        keyword, wire = self.operation.safe_with, self.unique
        if keyword is None or wire is None:
            return False
        if write and write.get(keyword) not in (None, UNSET):
            return True
        try:
            data: Any = body["data"] if isinstance(body, Mapping) else body.data  # type: ignore[attr-defined]
            attributes = data["attributes"] if isinstance(data, Mapping) else data.attributes
            value = attributes[wire] if isinstance(attributes, Mapping) else getattr(attributes, keyword)
        except (KeyError, AttributeError, TypeError):
            return False
        return value not in (None, UNSET)


_plans: dict[int, tuple[Operation, _Plan]] = {}


def _plan_of(operation: Operation) -> _Plan:
    # Operations hold mappings and so have no hash; each is made once and kept, so its identity will do.
    found = _plans.get(id(operation))
    if found is not None and found[0] is operation:
        return found[1]
    plan = _Plan(operation)
    _plans[id(operation)] = (operation, plan)
    return plan


class _Call:
    """The query and headers of one call while they are written."""

    __slots__ = ("headers", "known_problems", "operation", "origin", "pairs", "problems", "sent", "target", "validate")

    def __init__(
        self, operation: Operation, problems: list[str], validate: bool, origin: str | None, target: str
    ) -> None:
        self.operation = operation
        self.problems = problems
        self.validate = validate
        self.origin = origin
        self.target = target
        self.pairs: list[str] = []
        self.headers: dict[str, str] = {}
        self.sent: list[tuple[str, str, Sequence[str]]] = []
        """Parameters that a limit may depend on: wire name, Python name, values."""
        self.known_problems = 0
        """How many of the problems validate=False would let through."""

    def unknown(self, text: str) -> None:
        """A problem with something that the documents don't have."""
        self.problems.append(text)
        self.known_problems += 1

    def add(self, wire: str, text: str) -> None:
        self.pairs.append(f"{_quoted_name(wire)}={quote(text, safe='')}")

    def add_list(self, wire: str, members: Sequence[str]) -> None:
        # JSON:API separates the members by commas; one inside a member is encoded.
        self.pairs.append(f"{_quoted_name(wire)}={','.join(map(_quoted_name, members))}")

    def triggered(self) -> tuple[ParameterLimit, ...]:
        limits = self.operation.limits.by_parameter
        if not limits or not self.sent:
            return ()
        sent = {wire: values for wire, _, values in self.sent}
        return tuple(limit for limit in limits if limit.value in sent.get(limit.parameter, ()))

    # --- one method for each kind of parameter ---

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
                    self.problems.append(f"{name}: {error}")
                    return
        else:
            hint = " (the comparison gave no filter)" if isinstance(value, bool) else ""
            if isinstance(value, Field):
                hint = " (a field alone is no condition)"
            self.problems.append(
                f"{name}: a filter is wanted, an expression of F or text, not {type(value).__name__}{hint}"
            )
            return
        if self.validate:
            found = check_filter(self.operation, conditions)
            if found:
                self.problems.extend(f"{name}: {problem}" for problem in found)
                self.known_problems += len(found)
                return
        if parameter.place == "header":
            if any(ord(character) < 32 or ord(character) == 127 for character in text):
                self.problems.append(f"{name}: this filter travels in a header, which can't hold control characters")
                return
            self.headers[parameter.wire] = text
        else:
            self.add(parameter.wire, text)

    def sort(self, parameter: Parameter, value: object) -> None:
        if not isinstance(value, str):
            hint = "; use .asc() or .desc()" if isinstance(value, Field) else ""
            self.problems.append(f"{parameter.name}: one sort key is wanted, a str, not {type(value).__name__}{hint}")
            return
        if self.validate and value not in self.operation.sort:
            self.unknown(f"{parameter.name}: {value!r} is no sort key here{nearest(value, self.operation.sort)}")
            return
        self.add(parameter.wire, value)

    def include(self, parameter: Parameter, value: object) -> None:
        names = self.names(parameter.name, value)
        if self.validate:
            for name in names:
                if name not in self.operation.include:
                    self.unknown(
                        f"{parameter.name}: {name!r} can't be included here{nearest(name, self.operation.include)}"
                    )
        if names:
            self.add_list(parameter.wire, names)
            self.sent.append((parameter.wire, parameter.name, names))

    def names(self, where: str, value: object) -> tuple[str, ...]:
        try:
            return field_names(value)
        except QueryError:
            self.problems.append(f"{where}: a list of names is wanted, not {value!r:.80}")
            return ()

    def fields(self, parameter: Parameter, value: object) -> None:
        self.fieldsets(parameter, value, self.operation.fields)

    def additional_fields(self, parameter: Parameter, value: object) -> None:
        self.fieldsets(parameter, value, self.operation.additional_fields)

    def fieldsets(self, parameter: Parameter, value: object, known: Mapping[str, tuple[str, ...]]) -> None:
        where = parameter.name
        if not isinstance(value, Mapping):
            self.problems.append(
                f'{where}: a mapping from resource type to fields is wanted, for instance Fields(profile=["email"]), '
                f"not {type(value).__name__}"
            )
            return
        for kind, given in value.items():
            if not isinstance(kind, str):
                self.problems.append(f"{where}: {kind!r} is no resource type")
                continue
            if kind not in known and (hyphened := kind.replace("_", "-")) in known:
                kind = hyphened
            names = given if isinstance(value, Fields) else self.names(f"{where}[{kind}]", given)
            if self.validate:
                allowed = known.get(kind)
                if allowed is None:
                    self.unknown(f"{where}: {kind!r} is no resource type here{nearest(kind, known)}")
                    continue
                for name in names:
                    if name not in allowed:
                        self.unknown(f"{where}[{kind}]: there is no field {name!r}{nearest(name, allowed)}")
            wire = f"{parameter.wire}[{kind}]"
            self.add_list(wire, names)
            self.sent.append((wire, where, names))

    def page_size(self, parameter: Parameter, value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            self.problems.append(f"{parameter.name}: a whole number is wanted, not {value!r:.80}")
            return
        bounds = self.operation.page_size
        if self.validate:
            low = bounds.minimum if bounds is not None else 1
            high = bounds.maximum if bounds is not None else None
            if value < low or (high is not None and value > high):
                allowed = f"{low} to {high}" if high is not None else f"{low} or more"
                self.unknown(f"{parameter.name}: {value} is out of bounds; it takes {allowed}")
                return
        self.add(parameter.wire, str(value))

    def page_cursor(self, parameter: Parameter, value: object) -> None:
        cursor = self.cursor(parameter.name, value)
        if isinstance(cursor, str):
            self.add(parameter.wire, cursor)

    def cursor(self, name: str, value: object) -> object:
        """The cursor itself, also out of a whole next link."""
        if value is None or value is UNSET:
            return value
        if not isinstance(value, str) or not value:
            self.problems.append(f"{name}: a cursor or a whole links.next is wanted, a str, not {value!r:.80}")
            return UNSET
        if not value.startswith(("https://", "http://", "/")) or "?" not in value:
            return value
        try:
            link = urlsplit(value)
            same = not link.netloc or self.origin is None or origin_of(value) == origin_of(self.origin)
        except ValueError:
            self.problems.append(f"{name}: {value!r:.200} is no valid URL")
            return UNSET
        if not same:
            self.problems.append(
                f"{name}: this link leads to {link.netloc.rpartition('@')[2]}, not to the client's own origin {self.origin}"
            )
            return UNSET
        if not link.path.rstrip("/").endswith(self.target.rstrip("/")):
            self.problems.append(f"{name}: this link is of another list, {link.path}, not of {self.target}")
            return UNSET
        cursor = _cursor_of(value)
        if cursor is None:
            self.problems.append(f"{name}: this link has no cursor in it: {value!r:.200}")
            return UNSET
        return cursor

    def integer(self, parameter: Parameter, value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            self.problems.append(f"{parameter.name}: a whole number is wanted, not {value!r:.80}")
            return
        self.add(parameter.wire, str(value))

    def boolean(self, parameter: Parameter, value: object) -> None:
        if not isinstance(value, bool):
            self.problems.append(f"{parameter.name}: True or False is wanted, not {value!r:.80}")
            return
        self.add(parameter.wire, "true" if value else "false")

    def string(self, parameter: Parameter, value: object) -> None:
        name = parameter.name
        members: Sequence[str]
        if isinstance(value, str):
            members = (str.__str__(value),)
        elif isinstance(value, bool):
            members = ("true" if value else "false",)
        elif isinstance(value, int | float | UUID):
            members = (str(value),)
        else:
            members = self.names(name, value)
        if self.validate and parameter.enum:
            for member in members:
                if member not in parameter.enum:
                    self.unknown(f"{name}: {member!r} is not allowed{nearest(member, parameter.enum)}")
        if parameter.place == "header":
            text = ",".join(members)
            if any(ord(character) < 32 or ord(character) == 127 for character in text):
                self.problems.append(f"{name}: a header can't hold control characters")
                return
            self.headers[parameter.wire] = text
        else:
            self.add_list(parameter.wire, members)
        self.sent.append((parameter.wire, name, members))


_DEFAULT_PORTS = {"http": 80, "https": 443}


def origin_of(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of a URL, in one spelling. Raises ValueError for a bad port or address."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    return scheme, (parts.hostname or "").lower(), parts.port or _DEFAULT_PORTS.get(scheme)


_WRITERS: Final[Mapping[str, Callable[[_Call, Parameter, object], None]]] = {
    "filter": _Call.filter,
    "sort": _Call.sort,
    "include": _Call.include,
    "fields": _Call.fields,
    "additional_fields": _Call.additional_fields,
    "page_size": _Call.page_size,
    "page_cursor": _Call.page_cursor,
    "integer": _Call.integer,
    "boolean": _Call.boolean,
    "string": _Call.string,
}
