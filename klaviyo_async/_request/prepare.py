"""From the arguments of a call to a request: checks them against the operation and encodes them for the wire.

Nothing here depends on time or credentials. All problems of a call are collected into one `QueryError`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import repeat
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote
from uuid import UUID

from attrs import define, evolve

from klaviyo_async._data_frames import unwrapped
from klaviyo_async._did_you_mean import shown, unknown_keyword
from klaviyo_async._model.unset import UNSET
from klaviyo_async._request.bodies import build, with_cursor
from klaviyo_async._request.checks import WRITERS, Query
from klaviyo_async._request.links import cursor_of
from klaviyo_async._request.problems import Problems
from klaviyo_async._texts import text_of
from klaviyo_async.errors import PaginationError, QueryError

if TYPE_CHECKING:
    from klaviyo_async._request.bodies import Payload
    from klaviyo_async.operation import Operation, Parameter, ParameterLimit

__all__ = ["Prepared", "prepare", "quote_segment"]

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
# An id that needs no encoding in a path, and is neither "." nor "..".
_needs_no_encoding = re.compile(r"[A-Za-z0-9_~$:@-][A-Za-z0-9._~$:@-]*").fullmatch


@define(kw_only=True, eq=False)  # not frozen: one is created per call, and that would take twice as long
class Prepared:
    """Everything about a request that doesn't depend on time or credentials."""

    operation: Operation
    target: str
    """Percent-encoded path and query, starting with ``/``, without origin; sent as it is."""
    headers: Mapping[str, str] = _NOTHING
    """Headers that belong to the call; no credential, no revision."""
    triggered: tuple[ParameterLimit, ...] = ()
    """Parameter-dependent limits that apply to this call."""
    payload: Payload | None = None
    """The body."""
    safe_to_repeat: bool = False
    """Whether the request may be sent again when its outcome is unknown, because of the operation or of this call's values."""
    company_id: str | None = None
    """The public API key that a client-side operation sends: the account whose limits apply."""

    def following(self, target: str) -> Prepared:
        """The request for the page that a next link points to; `target` is the link without its origin, byte for byte.

        If the operation has the cursor in its body, the link's cursor goes there. Raises `PaginationError` if it has none.
        """
        pagination = self.operation.pagination
        if pagination is None or pagination.style != "post-body" or self.payload is None:
            return evolve(self, target=target)
        cursor = cursor_of(target)
        if cursor is None:
            raise PaginationError(f"{self.operation.name}: the next link has no cursor: {shown(target, 200)}.")
        return evolve(self, payload=with_cursor(self.payload, cursor))


def prepare(
    operation: Operation,
    path: Sequence[object] = (),
    params: Mapping[str, object] = _NOTHING,
    *,
    body: object = UNSET,
    write: Mapping[str, object] | None = None,
    validate: bool = True,
    origin: str | None = None,
) -> Prepared:
    """Check a call and build its request.

    `path` has the path arguments in path order; `params` the query and header parameters by Python name, where `None`
    and `UNSET` mean not given; `write` the keywords of the body. `origin` is the client's own (scheme, host and port):
    a whole ``links.next`` given as cursor must be on it. With `validate` off, names and values that the operation
    doesn't know are let through.

    Raises `QueryError` with all problems of the call, TypeError if an argument is unknown, missing or given twice.
    """
    plan = cast("_Plan | None", operation._plan) or _plan_of(operation)
    problems = Problems()
    target = plan.target(path, problems) if path or plan.names else operation.path
    query: Query | None = None
    for name, value in params.items():
        if value is None or value is UNSET:
            continue
        parameter = plan.parameters.get(name)
        if parameter is None:
            raise unknown_keyword(operation.name, name, plan.parameters)
        if query is None:
            query = Query(operation, problems, validate, origin, target)
        try:
            WRITERS[parameter.kind](query, parameter, value)
        except UnicodeEncodeError:
            problems.add(name, "the text has a lone surrogate, which can't be encoded")
        except ValueError as error:
            problems.add(name, f"the number is too long: {error}")
    if validate:
        for parameter in plan.required:
            value = params.get(parameter.name)
            if value is None or value is UNSET:
                problems.add(parameter.name, _missing(operation, parameter), "required")
    payload = None
    safe = operation.safe_to_repeat
    if operation.body is not None or write or body is not UNSET:
        if plan.cursor_in_body and write and "page_cursor" in write:
            query = query or Query(operation, problems, validate, origin, target)
            write = {**write, "page_cursor": query.cursor("page_cursor", write["page_cursor"])}
        payload = build(operation, path, body, write, problems, validate=validate)
        safe = safe or plan.repeatable(body, write)
    if problems:
        raise problems.error(operation.name)
    if query is None:
        return Prepared(
            operation=operation,
            target=target,
            payload=payload,
            safe_to_repeat=safe,
        )
    return Prepared(
        operation=operation,
        target=target + "?" + "&".join(query.pairs) if query.pairs else target,
        headers=query.headers or _NOTHING,
        triggered=query.triggered(),
        payload=payload,
        safe_to_repeat=safe,
        company_id=_company_id(params) if operation.public else None,
    )


def quote_segment(value: str) -> str:
    """The text percent-encoded as one path segment.

    ``$``, ``:`` and ``@`` are kept, as RFC 3986 allows and as Klaviyo writes catalog ids itself. Raises `QueryError` for an
    empty text and for ``.`` and ``..``, which would mean another path in any encoding.
    """
    if not value:
        raise QueryError("an id must not be empty")
    if value in (".", ".."):
        raise QueryError(f"{value!r} can't be an id: in a path it means another folder")
    try:
        return quote(value, safe="$:@")
    except UnicodeEncodeError:
        raise QueryError("an id with a lone surrogate can't be sent") from None


def _segment(name: str, value: object, problems: Problems) -> str:
    try:
        value = unwrapped(value)
    except ValueError as error:
        problems.add(name, str(error))
        return ""
    if (not isinstance(value, str | int | UUID)) or isinstance(value, bool):
        problems.add(name, f"expected an id, a str that is not empty, got {type(value).__name__}", "type")
        return ""
    try:
        return quote_segment(text_of(value))
    except ValueError as error:  # a QueryError is one, and what an int of more than 4300 digits raises
        problems.add(name, str(error))
        return ""


def _company_id(params: Mapping[str, object]) -> str | None:
    company_id = params.get("company_id")
    return company_id if isinstance(company_id, str) else None


def _missing(operation: Operation, parameter: Parameter) -> str:
    if parameter.kind == "filter" and operation.filters:
        wanted = operation.filter_requires or tuple(operation.filters)[:1]
        return f"it is required, with a condition on {' or '.join(map(repr, wanted))}"
    if parameter.name == "company_id":
        return "it is required: give it here or to Klaviyo(company_id=…); it is the account's public key"
    if parameter.enum:
        return f"it is required. Allowed: {', '.join(parameter.enum)}"
    return "it is required"


class _Plan:
    """What is the same for each call of an operation."""

    __slots__ = ("cursor_in_body", "names", "operation", "parameters", "required", "safe_with", "template", "unique")

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self.names = operation.path_parameters
        self.parameters = {parameter.name: parameter for parameter in operation.parameters}
        self.required = tuple(parameter for parameter in operation.parameters if parameter.required)
        template = operation.path.replace("%", "%%")
        for name in self.names:
            template = template.replace("{" + name + "}", "%s")
        self.template = template
        self.cursor_in_body = operation.pagination is not None and operation.pagination.style == "post-body"
        resource = operation.body.resource if operation.body is not None else None
        self.safe_with = operation.safe_with
        self.unique = (
            resource.attributes.get(operation.safe_with, operation.safe_with)
            if operation.safe_with is not None and resource is not None
            else operation.safe_with
        )

    def target(self, arguments: Sequence[object], problems: Problems) -> str:
        """The path with these arguments in it; invalid ones are added to the problems."""
        if len(arguments) != len(self.names):
            raise TypeError(f"{self.operation.name} takes {len(self.names)} path arguments ({', '.join(self.names)})")
        for value in arguments:
            if type(value) is not str or not _needs_no_encoding(value):
                return self.template % tuple(map(_segment, self.names, arguments, repeat(problems)))
        return self.template % tuple(arguments)

    def repeatable(self, body: object, write: Mapping[str, object] | None) -> bool:
        """Whether the call has the key that makes repeating it safe."""
        keyword, wire = self.safe_with, self.unique
        if keyword is None or wire is None:
            return False
        if write and (given := write.get(keyword)) is not None and given is not UNSET:
            return True
        try:
            data: Any = body["data"] if isinstance(body, Mapping) else body.data  # type: ignore[attr-defined]
            attributes = data["attributes"] if isinstance(data, Mapping) else data.attributes
            value = attributes[wire] if isinstance(attributes, Mapping) else getattr(attributes, keyword)
        except (KeyError, AttributeError, TypeError):
            return False
        return value is not None and value is not UNSET


def _plan_of(operation: Operation) -> _Plan:
    plan = _Plan(operation)
    object.__setattr__(operation, "_plan", plan)
    return plan
