"""What is known about an operation before it is called: the facts in the generated `operation_table/`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any, ClassVar, Literal

from attrs import evolve, field, frozen

_EMPTY: Mapping[str, Any] = {}
"""What an operation has none of. Not a mapping proxy, which neither pickle nor deepcopy takes."""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Rate(str):
    """A limit in Klaviyo's notation, for instance ``"75/s"``: at most `count` requests in any window of `seconds`."""

    __slots__ = ()

    @property
    def count(self) -> int:  # type: ignore[override]  # a rate is no text whose letters are counted
        """Requests allowed in one window."""
        return int(self.partition("/")[0])

    @property
    def seconds(self) -> int:
        """Length of the window in seconds."""
        return _UNITS[self.partition("/")[2]]


@frozen(kw_only=True)
class ParameterLimit:
    """A limit that a parameter's value adds: a separate bucket, shared by every operation that triggers it."""

    parameter: str
    """Wire name of the query parameter, for instance ``additional-fields[profile]``."""
    value: str
    """The value that triggers it, for instance ``predictive_analytics``."""
    resource: str
    """The requested resource; together with parameter and value it identifies the shared bucket."""
    rates: tuple[Rate, ...]


@frozen(kw_only=True)
class Limits:
    """The rate limits of an operation, from ``x-klaviyo-ratelimit``."""

    burst: Rate
    steady: Rate
    daily: Rate | None = None
    by_parameter: tuple[ParameterLimit, ...] = ()
    """Additional limits that apply when a parameter has a certain value."""

    @property
    def rates(self) -> tuple[Rate, ...]:
        """Burst, steady and, if there is one, daily."""
        return (self.burst, self.steady) if self.daily is None else (self.burst, self.steady, self.daily)


@frozen(kw_only=True)
class FilterField:
    """What ``x-klaviyo-filters`` says about a field: its operators by kind of value, and the type of the value."""

    single: tuple[str, ...] = ()
    """Operators that take one value."""
    list: tuple[str, ...] = ()
    """Operators that take a list of values (`equals` also accepts a single one)."""
    none: tuple[str, ...] = ()
    """Operators without a value (`has`)."""
    type: str | None = None
    """JSON type of the value: string, integer, number or boolean; None if no operator takes a value."""
    format: str | None = None
    """`date-time` for times, otherwise None."""
    enum: tuple[Any, ...] = ()
    """The known values, if the document lists them."""

    @property
    def operators(self) -> tuple[str, ...]:
        """All operators of the field, each once."""
        return tuple(dict.fromkeys(self.single + self.list + self.none))


@frozen(kw_only=True)
class PageSize:
    """Bounds of ``page[size]``."""

    default: int | None = None
    minimum: int = 1
    maximum: int | None = None


@frozen(kw_only=True)
class Caps:
    """How much one request may contain. Bytes are decimal: 5 MB = 5,000,000."""

    rows: int | None = None
    bytes: int | None = None
    row_bytes: int | None = None
    string_bytes: int | None = None
    jobs: int | None = None
    """Jobs of this kind that may be queued or processing at the same time."""


@frozen(kw_only=True)
class Parameter:
    """A query or header parameter: its Python keyword and its wire name."""

    name: str
    """Python keyword, for instance ``page_size``, ``filter`` or ``company_id``."""
    wire: str
    """Wire name: ``page[size]``, ``X-Klaviyo-API-Filters``; for families, the part before the bracket."""
    place: Literal["query", "header"] = "query"
    kind: Literal[
        "filter",
        "sort",
        "include",
        "fields",
        "additional_fields",
        "page_size",
        "page_cursor",
        "integer",
        "boolean",
        "string",
    ] = "string"
    required: bool = False
    enum: tuple[str, ...] = ()
    """Allowed values of a plain parameter, if it has such a list."""


@frozen(kw_only=True)
class Pagination:
    """How a list is paginated, and where in a page its records are."""

    style: Literal["none", "cursor", "post-query", "post-body"]
    """none: one page, even if there are links; cursor: GET with ``page[cursor]``; post-query: the same POST again with
    ``page_cursor`` in the query; post-body: with ``page_cursor`` in ``data.attributes`` of the body."""
    records: tuple[str, ...] = ("data",)
    """Path of attribute names to the list of records in the document, for instance ``("data", "attributes", "results")``."""


@frozen(kw_only=True)
class Nested:
    """The structure of a value in a keyword write: a resource in its own envelope, a list of resources, or plain JSON.

    `kind`: ``resource`` is ``{"data": {…}}``, ``resources`` is ``{"data": [{…}, …]}``, ``bare`` and ``bares`` are the same
    without ``data``, ``object`` is a mapping, ``objects`` a list of mappings, whose own keys may be nested again.
    """

    kind: Literal["resource", "resources", "bare", "bares", "object", "objects"]
    resource: Resource | None = None
    keys: Mapping[str, Nested] = field(default=_EMPTY)
    """For ``object`` and ``objects``: which of its keys are nested again (by wire name)."""


@frozen(kw_only=True)
class Resource:
    """How a JSON:API resource object in a request body is built from keywords."""

    type: str
    id: Literal["none", "optional", "required"] = "none"
    id_keyword: str = "id"
    """Keyword of the id: ``id_`` if the path has an ``id`` that is something else."""
    attributes: Mapping[str, str] = field(default=_EMPTY)
    """Keyword → wire name of each attribute."""
    required: tuple[str, ...] = ()
    """Keywords that the document requires (attributes, relationships, ``id``)."""
    nested: Mapping[str, Nested] = field(default=_EMPTY)
    """The attributes (by keyword) whose value is or contains a resource."""
    relationships: Mapping[str, Relationship] = field(default=_EMPTY)
    """Keyword → relationship."""
    meta: bool = False
    """Whether the resource takes a ``meta``."""
    meta_nested: Nested | None = None
    wraps_attributes: bool = True
    """Whether there is an ``attributes`` object at all."""
    filters: Mapping[str, Literal["string", "list"]] = field(default=_EMPTY)
    """The attributes (by keyword) that are filters: a single text, or a list with one condition each."""


@frozen(kw_only=True)
class Relationship:
    """A relationship that a write can set: ``{"data": {"type": …, "id": …}}`` or a list of them."""

    wire: str
    many: bool
    type: str
    resource: Resource | None = None
    """Set if the related resource has more than its type and id (bulk jobs contain whole resources)."""


@frozen(kw_only=True)
class Body:
    """What an operation accepts as its request body."""

    kind: Literal["resource", "identifiers", "multipart", "json"]
    """resource: one ``data`` object, also by keywords; identifiers: ids or a list of them; multipart: form fields;
    json: anything else, only as `body`."""
    model: str
    """Name of the body's class in `klaviyo_async.models`."""
    required: bool = True
    many: bool = False
    """For identifiers: whether ``data`` is a list."""
    resource: Resource | None = None
    """How ``data`` (or one member of it) is built."""
    id_from_path: str | None = None
    """Path parameter that provides ``data.id``, if the path identifies that resource."""
    fields: tuple[str, ...] = ()
    """For multipart: the form's fields, the file first."""


@frozen(kw_only=True)
class Job:
    """The asynchronous job that an operation starts: how to follow it, and where to read the outcome of its rows."""

    get: str
    """The operation that retrieves the job; it takes the job's id."""
    errors: str | None = None
    """The operation that lists the failed rows, if there is one."""
    embeds_errors: bool = False
    """Whether the job itself lists them, in its attribute ``errors``."""
    counts: tuple[str, ...] = ()
    """The attributes of the job that count rows, for instance ``completed_count``, ``failed_count``, ``skipped_count``."""
    ended: tuple[str, ...] = ("complete", "cancelled")
    """The final values of its ``status``. A job with failed rows is ``complete`` as well."""


@frozen(kw_only=True)
class Bulk:
    """Specifics of an operation that takes many rows in one request."""

    rows: str
    """Keyword of the attribute or relationship that holds them."""
    counts: str | None = None
    """Key of a list in each row, if `Caps.rows` counts the members of that list instead of the rows."""
    same_by: tuple[str, ...] = ()
    """Keys that identify what a row is about: two rows that agree in one of them are about the same record, and their order
    matters."""
    identified_by: tuple[str, ...] = ()
    """Keys of which a row needs at least one."""
    instead: tuple[str, ...] = ()
    """Relationships that may be passed instead of rows; exactly one of the rows and these."""
    global_without: str | None = None
    """The relationship without which the operation acts on the whole account."""
    job: Job | None = None
    """None if there is no job to poll: a 2xx says that the rows were accepted, and nothing more will be known."""


@frozen(kw_only=True)
class Operation:
    """An operation of the API, described without loading any of its models."""

    name: str
    """The document's ``operationId``."""
    method: Literal["GET", "POST", "PATCH", "DELETE", "PUT"]
    path: str
    """Path template, for instance ``/api/lists/{id}/relationships/profiles``."""
    tag: str
    """The snake_case name of its group on the client."""
    summary: str
    scopes: tuple[str, ...] = ()
    limits: Limits
    path_parameters: tuple[str, ...] = ()
    """Names of the path's parameters, in path order."""
    parameters: tuple[Parameter, ...] = ()
    """Query and header parameters, except ``revision``."""
    filters: Mapping[str, FilterField] = field(default=_EMPTY)
    filter_requires: tuple[str, ...] = ()
    """Fields of which a filter must name at least one, if the operation requires that (``messages.channel`` for get_campaigns)."""
    sort: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    fields: Mapping[str, tuple[str, ...]] = field(default=_EMPTY)
    """Resource type → fields that a sparse fieldset may name."""
    additional_fields: Mapping[str, tuple[str, ...]] = field(default=_EMPTY)
    page_size: PageSize | None = None
    pagination: Pagination | None = None
    """Set for every operation whose result is a list of records."""
    body: Body | None = None
    response: str | None = None
    """Name of the success document's class in `models`; None if there is no body."""
    package: str = "klaviyo_async"
    """The generated package with the operation's function and models: `klaviyo_async`, or that of another revision."""
    revision: str | None = None
    """The revision of the API that its requests use; None for `klaviyo.request`, which uses the client's."""
    caps: Caps = Caps()
    bulk: Bulk | None = None
    """Set for the operations that take many rows in one request."""
    aliases: tuple[str, ...] = ()
    safe_to_repeat: bool
    """Whether a request with an unknown outcome may be sent again."""
    safe_with: str | None = None
    """Keyword whose presence makes a write safe to repeat (``unique_id`` for create_event)."""
    public: bool = False
    """Whether it is a client-side operation, which sends ``company_id`` and never the private key."""
    deprecated: bool = False
    reference: str
    """URL of Klaviyo's reference page for this operation and revision."""
    _plan: object = field(init=False, eq=False, repr=False, default=None)
    # Derived from the operation at the first call, for preparing further ones.

    def __hash__(self) -> int:
        # Some of its facts are mappings; the name alone is enough, and operations are keys of whoever counts calls.
        return hash(self.name)

    @property
    def models(self) -> str:
        """Name of the module with the operation's models: `klaviyo_async.models`, or that of another revision."""
        return f"{self.package}.models"


class OperationTable(Mapping[str, Operation]):
    """operationId → `Operation`, in alphabetical order. The module of a tag is loaded when one of its operations is requested.

    `module` is the package of these modules, and `tags` says which of them contains an operation.
    """

    loaded: ClassVar[list[OperationTable]] = []
    """The tables of all packages that this process has imported."""

    def __init__(self, module: str, tags: dict[str, str], *, revision: str) -> None:
        self.package: str = module.rpartition(".")[0]
        """The generated package of this table: `klaviyo_async`, or that of another revision."""
        self.revision: str = revision
        """The revision of the API that the package was generated from."""
        self._module = module
        self._tags = tags
        self._loaded: dict[str, Operation] = {}
        self._routes: dict[str, list[tuple[re.Pattern[str], str]]] = {}
        self.loaded.append(self)

    def __getitem__(self, name: str) -> Operation:
        try:
            return self._loaded[name]
        except KeyError:
            module = import_module(f"{self._module}.{self._tags[name]}")
        # Only a package knows its own location, so the facts of a tag don't contain it.
        self._loaded.update(
            (operation.name, evolve(operation, package=self.package, revision=self.revision))
            for operation in module.OPERATIONS
        )
        return self._loaded[name]

    def at(self, method: str, path: str) -> Operation | None:
        """The operation for a request's method and percent-encoded path; None if there is none.

        A trailing slash is ignored, and a literal path takes precedence over one with a parameter in the same place.
        """
        if not self._routes:
            self._routes = _routes(self.values())
        for pattern, name in self._routes.get(method, ()):
            if pattern.fullmatch(path):
                return self[name]
        return None

    def __contains__(self, name: object) -> bool:
        return name in self._tags

    def __iter__(self) -> Iterator[str]:
        return iter(self._tags)

    def __len__(self) -> int:
        return len(self._tags)

    def __repr__(self) -> str:
        return f"<{len(self)} operations of {self.revision}>"


def _routes(operations: Iterable[Operation]) -> dict[str, list[tuple[re.Pattern[str], str]]]:
    """Method → path patterns and the operations they belong to; literal segments before parameters."""
    found: dict[str, list[tuple[re.Pattern[str], str]]] = {}
    for operation in sorted(operations, key=lambda known: known.path.count("{")):
        pattern = "/".join(
            "[^/]+" if part.startswith("{") else re.escape(part) for part in operation.path.rstrip("/").split("/")
        )
        found.setdefault(operation.method, []).append((re.compile(pattern + "/?"), operation.name))
    return found
