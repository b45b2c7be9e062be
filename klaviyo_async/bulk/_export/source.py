"""What an operation offers an export: how it can be split by time, the request for a range, the time of a record."""

from __future__ import annotations

import hashlib
import sys
from datetime import UTC, datetime, timedelta
from importlib import import_module
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal

from attrs import evolve

from klaviyo_async._did_you_mean import nearest, shown
from klaviyo_async._http.namespace import Namespace
from klaviyo_async._model.member import member
from klaviyo_async.bulk._export.parts import SECOND, Part
from klaviyo_async.errors import QueryError
from klaviyo_async.filter import F, Filter
from klaviyo_async.options import RequestOptions
from klaviyo_async.pages import PageIterator, Pages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from klaviyo_async._request.prepare import Prepared
    from klaviyo_async.operation import FilterField, Operation, ParameterLimit

# Times that every record has and that never change: what an export is split on when nothing is said.
_FIXED = ("datetime", "created", "created_at", "joined_group_at")
# Times that move on while the export runs: a record must not be met again at its new place.
_MOVING = ("updated", "updated_at", "joined_group_at")

Mode = Literal["narrowing", "halving", "single"]


class Source:
    """A list operation with its arguments, as an export reads it.

    `mode`: ``narrowing`` where records come in order and show their time, so that parts can be split while they are read;
    ``halving`` where only the filter splits, so a part is split before it is read; ``single`` for one sequence of pages.
    """

    def __init__(
        self,
        client: Any,
        operation: object,
        path: tuple[object, ...],
        params: Mapping[str, Any],
        *,
        split_on: str | None,
        since: datetime | None,
        until: datetime | None,
    ) -> None:
        self._call = _callable(client, operation)
        self._path = path
        self.params: dict[str, Any] = {name: value for name, value in params.items() if value is not None}
        self.options: RequestOptions = _options(self.params.pop("options", None))
        pages = self._pages(self.params)
        self.operation: Operation = pages._prepared.operation
        self.session: Any = pages._session
        name = self.operation.name
        for taken, why in _NOT_HERE.items():
            if taken in self.params:
                raise QueryError(f"{name}: {taken} can't be passed to an export: {why}.", operation=name)
        self.base: Filter | None = _base(self.params.pop("filter", None))
        self.since: datetime | None = _time(name, "since", since)
        self.until: datetime | None = _time(name, "until", until)
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise QueryError(f"{name}: since must be before until.", operation=name)
        self.split_on: str | None = self._split_on(split_on)
        self.mode: Mode = self._mode()
        bounds = self.operation.page_size
        if self.takes("page_size") and bounds is not None and bounds.maximum is not None:
            self.params.setdefault("page_size", bounds.maximum)
        self.page_size: int = int(self.params.get("page_size") or (bounds.default if bounds else None) or 100)
        self._read_time = _reader(self.split_on) if self.split_on is not None else None
        # Everything is checked before anything is sent, with conditions such as they will be.
        some = datetime(2026, 1, 1, tzinfo=UTC)
        prepared = self.request(Part(number=0, lower=self.since or some, upper=self.until or some + SECOND))
        self.triggered: tuple[ParameterLimit, ...] = prepared.triggered
        """The parameter-dependent limits that its requests set off."""

    # -- what the operation offers --------------------------------------------------------------------------------------

    def takes(self, kind: str) -> bool:
        """Whether the operation has a parameter of a kind."""
        return any(parameter.kind == kind for parameter in self.operation.parameters)

    def _split_on(self, given: str | None) -> str | None:
        operation = self.operation
        times = {name: each for name, each in operation.filters.items() if each.format == "date-time"}
        if given is None:
            found = next((name for name in _FIXED if name in times and _lower(times[name])), None)
            if found is None and (self.since is not None or self.until is not None):
                raise QueryError(
                    f"{operation.name}: since and until need split_on, the time field that they refer to"
                    + (f": one of {', '.join(times)}." if times else ", but the operation doesn't filter by time."),
                    operation=operation.name,
                )
        elif given in times:
            found = given
        else:
            instead = f"{nearest(given, times)}." if times else ". It doesn't filter by time: leave split_on out."
            raise QueryError(
                f"{operation.name}: split_on can't be {shown(given)}{instead}",
                operation=operation.name,
            )
        if found is None:
            return None
        if self.base is not None and any(each.field == found for each in self.base.conditions):
            raise QueryError(
                f"{operation.name}: the filter has a condition on {found}, which the export splits on: pass since and until"
                " instead.",
                operation=operation.name,
            )
        if self.since is not None and not _lower(times[found]):
            raise QueryError(f"{operation.name}: {found} has no operator for since.", operation=operation.name)
        if self.until is not None and not (_upper(times[found]) or found in operation.sort):
            raise QueryError(f"{operation.name}: {found} has no operator for until.", operation=operation.name)
        return found

    def _mode(self) -> Mode:
        operation, split_on = self.operation, self.split_on
        if split_on is None or operation.pagination is None or operation.pagination.style != "cursor":
            return "single"
        field = operation.filters[split_on]
        if split_on in operation.sort and self.takes("sort") and _lower(field) and self._visible(split_on):
            return "narrowing"
        exact = "greater-or-equal" in field.single and "less-than" in field.single
        return "halving" if exact else "single"

    def _visible(self, split_on: str) -> bool:
        """Whether records show the time: then it is in the fieldset too, if there is one."""
        kind = record_type(self.operation)
        if kind is None:
            return False
        wanted = split_on.partition(".")[0]
        if not _has_field(self.operation, wanted):
            return False
        if "." in split_on and kind not in (self.params.get("additional_fields") or {}):
            return False
        fields = self.params.get("fields")
        if not fields:
            return True
        given = {str(name).replace("_", "-"): tuple(names) for name, names in dict(fields).items()}
        if kind in given and split_on not in given[kind] and wanted not in given[kind]:
            if split_on not in self.operation.fields.get(kind, ()):
                return False
            given[kind] = (*given[kind], split_on)
            self.params["fields"] = given
        return True

    @property
    def moving(self) -> bool:
        """Whether the time that it is split on changes with its record."""
        return self.split_on is not None and self.split_on in _MOVING

    # -- requests -------------------------------------------------------------------------------------------------------

    def request(self, part: Part, **params: Any) -> Prepared:
        """The request for the first page of what is left of a part, or for its next page where that is known."""
        if part.next is not None:
            return self._prepare({**self.params, **self._bounds(None, None)}).following(part.next)
        return self._prepare({**self.params, **self._bounds(part.read or part.lower, part.upper), **params})

    def pages(self, part: Part) -> PageIterator[Any]:
        """The pages of what is left of a part, each requested when it is asked for."""
        return PageIterator(self.session, self.request(part), self.options, 0)

    async def page(self, part: Part, **params: Any) -> Any:
        """The first page of a part."""
        return await self.session.send(self.request(part, **params), self.options)

    def _bounds(self, lower: datetime | None, upper: datetime | None) -> dict[str, Any]:
        made: dict[str, Any] = {}
        conditions = [self.base]
        if self.split_on is not None:
            field, offered = F(self.split_on), self.operation.filters[self.split_on]
            if lower is not None:
                conditions.append(
                    field.greater_or_equal(lower)
                    if "greater-or-equal" in offered.single
                    else field.greater_than(before(lower))
                )
            if upper is not None:
                if "less-than" in offered.single:
                    conditions.append(field.less_than(upper))
                elif "less-or-equal" in offered.single:
                    conditions.append(field.less_or_equal(upper))
            if self.split_on in self.operation.sort:
                made["sort"] = self.split_on
        joined = Filter.all(conditions)
        if joined is not None:
            made["filter"] = joined
        return made

    def _prepare(self, params: Mapping[str, Any]) -> Prepared:
        return self._pages(params)._prepared

    def _pages(self, params: Mapping[str, Any]) -> Pages[Any, Any]:
        pages = self._call(*self._path, **params)
        if not isinstance(pages, Pages):
            close = getattr(pages, "close", None)
            if close is not None:
                close()
            raise QueryError("An export needs a list operation, for instance klaviyo.events.get_events.")
        pages.close()
        return pages

    def use(self, options: RequestOptions) -> None:
        """Send with other options."""
        self.options = _options(options)

    # -- records --------------------------------------------------------------------------------------------------------

    def time(self, record: Any) -> datetime | None:
        """The time of a record; None where it shows none."""
        found = self._read_time(record) if self._read_time is not None else None
        return found if isinstance(found, datetime) and found.tzinfo is not None else None

    def inside(self, time: datetime, lower: datetime | None, upper: datetime | None) -> bool:
        """Whether a time that a record shows lies in a range.

        A time shown without its fraction may be up to a second later in truth: the user's own ends of the range, which the
        server knows exactly, are held against the fraction only where it is shown.
        """
        if lower is not None and time < lower and (time.microsecond or time < lower.replace(microsecond=0)):
            return False
        return upper is None or time < upper

    def describe(self) -> dict[str, Any]:
        """What tells this export from another one, as plain JSON."""
        # Without the size of pages, which changes nothing of what comes.
        params = {name: value for name, value in self.params.items() if name != "page_size"}
        prepared = self._prepare({**params, **self._bounds(None, None)})
        content = prepared.payload.content if prepared.payload is not None else None
        return {
            "operation": self.operation.name,
            "request": prepared.target,
            "body": hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else None,
            "split_on": self.split_on,
            "since": None if self.since is None else self.since.isoformat(),
            "until": None if self.until is None else self.until.isoformat(),
        }


_NOT_HERE = {
    "sort": "parts are read concurrently, so there is no order; sort the records yourself",
    "page_cursor": "an export starts at the beginning; pass since, or a checkpoint",
    "include": "an export yields records, and included resources would be lost; export those separately",
}


def before(lower: datetime) -> datetime:
    """A time for `greater-than` that leaves nothing out that is at or after `lower`; what it lets in besides is dropped."""
    return lower - (timedelta(microseconds=1) if lower.microsecond else SECOND)


def _callable(client: Any, operation: object) -> Callable[..., Any]:
    if isinstance(operation, str):
        operation = named(operation)
    if not callable(operation):
        raise QueryError(
            f"An export needs a list operation, for instance klaviyo.events.get_events, not {type(operation).__name__}."
        )
    if isinstance(getattr(operation, "__self__", None), Namespace):
        return operation
    return lambda *path, **params: operation(client, *path, **params)


def named(name: str, package: str = "klaviyo_async") -> Callable[..., Any]:
    """An operation's function, whose first argument is the client, by the operation's name.

    `package` is that of another revision; it must have been imported. Raises `QueryError` where there is no such operation.
    """
    if package != "klaviyo_async" and f"{package}.operation_table" not in sys.modules:
        raise QueryError(f"The operations of the package {shown(package)} are needed: import it first.")
    table = import_module(f"{package}.operation_table").operations
    if name not in table:
        raise QueryError(f"There is no operation {shown(name)}{nearest(name, table) or '.'}")
    function: Callable[..., Any] = getattr(import_module(f"{package}.api.{table[name].tag}"), name)
    return function


def _options(options: RequestOptions | None) -> RequestOptions:
    options = options or RequestOptions()
    if not isinstance(options, RequestOptions):
        raise TypeError(f"options must be RequestOptions(…), not {type(options).__name__}.")
    return options if options.priority is not None else evolve(options, priority="bulk")


def _base(filter: Filter | str | None) -> Filter | None:
    return Filter.parse(filter) if isinstance(filter, str) else filter


def _time(operation: str, name: str, value: object) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        what = "a naive one" if isinstance(value, datetime) else type(value).__name__
        raise QueryError(
            f"{operation}: {name} must be an aware datetime, for instance datetime(2026, 1, 1, tzinfo=UTC), not {what}.",
            operation=operation,
        )
    return value.astimezone(UTC)


def _lower(field: FilterField) -> bool:
    return "greater-or-equal" in field.single or "greater-than" in field.single


def _upper(field: FilterField) -> bool:
    return "less-or-equal" in field.single or "less-than" in field.single


def record_class(operation: Operation) -> Any:
    """The class of an operation's records; None where they are not resources."""
    from klaviyo_async._model.fields import REF  # noqa: PLC0415 - models load when they are first used
    from klaviyo_async._model.references import Many, load  # noqa: PLC0415

    if operation.response is None or operation.pagination is None or operation.pagination.records != ("data",):
        return None
    spec = load(operation.models, operation.response)._fields.get("data")
    ref = spec.metadata.get(REF) if spec is not None else None
    names = [*ref.names()] if isinstance(ref, Many) else []
    return load(operation.models, names[0]) if len(names) == 1 else None


def record_type(operation: Operation) -> str | None:
    """The JSON:API type of an operation's records; None where they have none."""
    cls = record_class(operation)
    spec = cls._fields.get("type") if cls is not None else None
    return spec.default if spec is not None and isinstance(spec.default, str) else None


def _has_field(operation: Operation, name: str) -> bool:
    from klaviyo_async._model.fields import REF  # noqa: PLC0415
    from klaviyo_async._model.references import load  # noqa: PLC0415

    cls = record_class(operation)
    spec = cls._fields.get("attributes") if cls is not None else None
    if spec is None:
        return False
    inside = load(cls.__module__.rpartition(".")[0], next(iter(spec.metadata[REF].names())))
    return name in inside._names


def _reader(split_on: str) -> Callable[[Any], Any]:
    names = ("attributes", *split_on.split("."))
    fast = attrgetter(".".join(names))

    def read(record: Any) -> Any:
        try:
            return fast(record)
        except AttributeError:
            pass
        found = record
        for name in names:
            found = member(found, name)
            if found is None:
                return None
        return found

    return read
