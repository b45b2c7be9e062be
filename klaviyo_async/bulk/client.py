"""`Bulk`: the `klaviyo.bulk` of a client."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, cast

from klaviyo_async.api._bulk import BulkMethods
from klaviyo_async.bulk._export.methods import Exporting

__all__ = ["Bulk", "bulk_of"]


class Bulk(BulkMethods, Exporting):
    """Bulk jobs of a client: ``klaviyo.bulk``.

    Requests go through the client's session, under its limits, with ``priority="bulk"``: interactive calls on the same client
    go first.

    The methods that take rows have in common:

    - ``rows``: an iterable or async iterable of mappings or models, a data frame (pandas, polars, pyarrow and anything else
      that supports Arrow), or the path of a file: ``.ndjson``, ``.csv``, ``.parquet``, the first two also with ``.gz`` or
      ``.zst`` (a `RowsFile` renames its columns).
      A mapping has the keys that the endpoint function takes for such a resource. Columns of tables may be dotted
      (``properties.tier``), and their empty cells are omitted. Rows are numbered from 0 in the order given. They are never
      all in memory, and each is checked and encoded once.
    - ``checkpoint``: a SQLite file that records the outcome of every row. After a crash, a cancellation or an error the same
      call continues where it stopped. Rows that were being sent at that moment are sent once more if the operation is safe to
      repeat (`Operation.safe_to_repeat`), and are listed in `Report.unknown` either way. Repeating a finished call
      sends nothing and returns its report again.
    - ``progress``: True for a bar on a terminal and plain lines on stderr elsewhere, or a function that is called with a
      `Progress` a few times a second.
    - ``failed_to``: an NDJSON file for the rows that did not get through; it can be imported again.
    - ``dry_run``: check every row, and report how many requests the import needs and how long the limits make it. Nothing is sent.
    - ``options``: as for every call.

    They return a `Report`. Rows that can't be sent, or that Klaviyo rejects, are in `Report.errors`, and the others continue: if
    Klaviyo rejects a request because of some of its rows, it is split until these are isolated. Rows about the same record
    (by `Operation.bulk.same_by`) don't overtake each other: a later one waits until the earlier one is done.

    Raises `QueryError` for invalid rows or keywords, `CheckpointError` for a checkpoint of another job or source,
    and errors that would affect every request (`Unauthorized`, `NotFound` for a list, `RateLimitWait`, …). The `report` of
    such an error has the outcome of the rows up to then.
    """

    __slots__ = ()


@cache
def bulk_of(package: str) -> type[Bulk]:
    """The class with the bulk operations of a package's revision. To type checkers it is that of the shipped revision."""
    if package == "klaviyo_async":
        return Bulk
    methods: tuple[Any, ...] = ()
    if find_spec(f"{package}.api._bulk") is not None:
        methods = (import_module(f"{package}.api._bulk").BulkMethods,)
    made = type(
        "Bulk", (*methods, Exporting), {"__slots__": (), "__doc__": Bulk.__doc__, "__module__": f"{package}.api"}
    )
    return cast("type[Bulk]", made)
