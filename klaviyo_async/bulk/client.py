"""`Bulk`: what a client has as `klaviyo.bulk`."""

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

    What it sends goes through the client's session, under its limits, with ``priority="bulk"``: calls of the same client
    that somebody waits for go first.

    The methods that take rows have in common:

    - ``rows``: an iterable or async iterable of mappings or models, a data frame (pandas, polars, pyarrow and whatever else
      speaks Arrow), or the path of a file: ``.ndjson``, ``.csv``, ``.parquet``, the first two also with ``.gz`` or ``.zst``
      (a `RowsFile` where its columns have other names).
      A mapping has the keys that the endpoint function takes for such a resource; the columns of tables may be dotted
      (``properties.tier``), and their empty cells are left out. Rows are numbered from 0 in the order given. They are never
      all in memory, and each is checked and encoded once.
    - ``checkpoint``: a SQLite file that keeps what became of every row. After a crash, a cancellation or an error the same
      call goes on where it stopped. What was being sent at that moment is sent once more where the operation is safe to
      repeat (`Operation.safe_to_repeat`), and is listed in `Report.unknown` either way. Called again after its end, it
      sends nothing and gives the report again.
    - ``progress``: True for a bar on a terminal and plain lines on stderr elsewhere, or a function that is called with a
      `Progress` a few times a second.
    - ``failed_to``: an NDJSON file for the rows that did not get through; it can be fed in again.
    - ``dry_run``: check every row, and tell how many requests it would take and how long the limits make that. Nothing is sent.
    - ``options``: as for every call.

    They give a `Report`. A row that can't be sent, or that Klaviyo refuses, is in `Report.errors`, and the others go on: where
    Klaviyo refuses a request for some of its rows it is split until these stand alone. Rows about the same thing, as the
    operation tells them apart (`Operation.bulk.same_by`), don't overtake each other: a later one waits for the earlier one's
    end.

    Raises `QueryError` for rows or keywords that can't be right, `CheckpointError` for a checkpoint of another job or source,
    and whatever would end every request alike (`Unauthorized`, `NotFound` for a list, `RateLimitWait`, …). Such an error has
    the `Report` of what had become of the rows until then as `report`.
    """

    __slots__ = ()


@cache
def bulk_of(package: str) -> type[Bulk]:
    """The class with the bulk operations of a package's revision. To type checkers it is that of the shipped one."""
    if package == "klaviyo_async":
        return Bulk
    methods: tuple[Any, ...] = ()
    if find_spec(f"{package}.api._bulk") is not None:
        methods = (import_module(f"{package}.api._bulk").BulkMethods,)
    made = type(
        "Bulk", (*methods, Exporting), {"__slots__": (), "__doc__": Bulk.__doc__, "__module__": f"{package}.api"}
    )
    return cast("type[Bulk]", made)
