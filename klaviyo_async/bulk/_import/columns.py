"""Tables → rows: columns under dotted names find their place inside, empty cells are left out, text becomes what it stands for."""

from __future__ import annotations

import re
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import orjson
from attrs import frozen

from klaviyo_async._data_frames import is_missing
from klaviyo_async._model.fields import REF
from klaviyo_async._model.references import load
from klaviyo_async.errors import ConfigurationError, QueryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from klaviyo_async.operation import Operation

__all__ = ["Columns", "Kind", "Table", "kinds_of", "need_pyarrow", "nested", "of_batches", "table_of"]

Kind: TypeAlias = Literal["text", "number", "integer", "boolean", "json"]

_BATCH = 512
_SAME: Mapping[str, str] = MappingProxyType({})
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}


@frozen
class Table:
    """Rows that a data frame has."""

    rows: Callable[[], Iterator[dict[str, Any]]]
    count: int | None


class Columns:
    """The columns of one table, and where in a row each of them goes."""

    def __init__(self, names: Sequence[object], kinds: Mapping[str, str] | None = None) -> None:
        """`kinds` tells for columns of text what they stand for; without it values are taken as they are.

        Raises `QueryError` for names that can't be columns: empty, there twice, or both a value and what holds others.
        """
        texts = [name if isinstance(name, str) else "" for name in names]
        if bad := next((shown for name, shown in zip(texts, names, strict=True) if not name), None):
            raise QueryError(f"a column's name must be text; one of them is {bad!r}.")
        if "" in texts:
            raise QueryError(f"column {texts.index('') + 1} has no name.")
        if len(set(texts)) < len(texts):
            raise QueryError(f"the column {next(name for name in texts if texts.count(name) > 1)!r} occurs twice.")
        heads = {name.split(".", 1)[0] for name in texts if "." in name}
        if mixed := heads.intersection(texts):
            raise QueryError(
                f"there is a column {mixed.pop()!r} as well as columns nested in it: use only one of the two forms."
            )
        self._names = texts
        self._nested = bool(heads)
        self._read = [_READERS[kinds.get(name, "text")] for name in texts] if kinds is not None else None

    def row(self, values: Sequence[Any]) -> dict[str, Any]:
        """One row of typed values."""
        row = {name: value for name, value in zip(self._names, values, strict=True) if _is_there(value)}
        for name, value in row.items():
            if type(value) not in _PLAIN and getattr(value, "ndim", None) and hasattr(value, "tolist"):
                row[name] = value.tolist()
        return nested(row) if self._nested else row

    def text_row(self, cells: Sequence[str]) -> dict[str, Any]:
        """One row of texts; there may be fewer of them than columns."""
        assert self._read is not None  # noqa: S101 - for the type checkers
        row = {
            name: cell if read is None else read(cell)
            for name, cell, read in zip(self._names, cells, self._read, strict=False)
            if cell
        }
        return nested(row) if self._nested else row

    def __len__(self) -> int:
        return len(self._names)


_PLAIN = frozenset({str, int, float, bool, dict, list})


def _is_there(value: Any) -> bool:
    kind = type(value)
    if kind is str or kind is int:
        return True
    if value is None or (kind is float and value != value):  # noqa: PLR0124 - NaN
        return False
    return not is_missing(value) and not (isinstance(value, float) and value != value)  # noqa: PLR0124 - numpy's


def nested(row: Mapping[Any, Any]) -> dict[Any, Any]:
    """The row with what stands under dotted names (``location.city``) put inside (``{"location": {"city": …}}``).

    A name with more dots goes deeper only where that is written out: ``profile.location.city``; in ``properties`` what
    stands behind the first dot is the name of one property, dots included.
    """
    made: dict[Any, Any] = {}
    for name, value in row.items():
        if not isinstance(name, str) or "." not in name:
            made[name] = value
            continue
        into = made
        *way, last = _way(name)
        for step in way:
            inner = into.setdefault(step, {})
            if not isinstance(inner, dict):
                break
            into = inner
        into[last] = value
    return made


def _way(name: str) -> list[str]:
    way = name.split(".")
    for depth, step in enumerate(way[:-1]):
        if step in _FREE:
            return [*way[: depth + 1], ".".join(way[depth + 1 :])]
    return way


_FREE = frozenset({"properties", "custom_metadata", "record"})
"""Attributes whose keys are the caller's own, and may have dots."""


# -- text -----------------------------------------------------------------------------------------------------------------


def _number(cell: str) -> Any:
    try:
        number = float(cell)
    except ValueError:
        return cell
    return int(number) if number.is_integer() and abs(number) < 2**53 and "e" not in cell.lower() else number


def _integer(cell: str) -> Any:
    try:
        return int(cell)
    except ValueError:
        return cell


def _boolean(cell: str) -> Any:
    return _BOOLEANS.get(cell.strip().lower(), cell)


def _json(cell: str) -> Any:
    try:
        return orjson.loads(cell)
    except orjson.JSONDecodeError:
        return cell


_READERS: Mapping[str, Callable[[str], Any] | None] = {
    "text": None,
    "number": _number,
    "integer": _integer,
    "boolean": _boolean,
    "json": _json,
}


def kinds_of(operation: Operation) -> dict[str, Kind]:
    """What the columns of text of an operation's rows stand for, by dotted name; those that stay text are left out."""
    body, bulk = operation.body, operation.bulk
    if body is None or body.resource is None or bulk is None or bulk.rows not in body.resource.nested:
        return {}
    model = load(operation.models, body.model)
    attributes = _along(model, "data", "attributes", body.resource.attributes[bulk.rows], "data", "attributes")
    if attributes is None:
        return {}
    found = _kinds(attributes, "", 3)
    if bulk.counts is not None:
        inner = _along(attributes, bulk.counts, "data", "attributes")
        found |= {} if inner is None else _kinds(inner, "", 3)
    return found


def _along(model: Any, *wires: str) -> Any:
    """The model at the end of a path of wire names; None where the path ends before."""
    for wire in wires:
        model = None if model is None else _inside(model, model._names.get(wire, ""))
    return model


def _inside(model: Any, name: str) -> Any:
    """The one model inside a field; None where there is none, or several."""
    spec = model._fields.get(name)
    reference = None if spec is None else spec.metadata.get(REF)
    names = [] if reference is None else list(reference.names())
    return load(model.__module__.rpartition(".")[0], names[0]) if len(names) == 1 else None


def _kinds(model: Any, prefix: str, depth: int) -> dict[str, Kind]:
    found: dict[str, Kind] = {}
    for name, annotation in model.__annotations__.items():
        wire = model._wires.get(name, name)
        kind = _kind(annotation)
        if kind != "text":
            found[prefix + wire] = found[prefix + name] = kind
        inside = _inside(model, name)
        if inside is not None and depth:
            if set(inside._names) >= {"data"}:
                inside = _inside(inside, "data")
                inside = inside and _inside(inside, "attributes")
            if inside is not None:
                found |= _kinds(inside, f"{prefix}{wire}.", depth - 1)
    return found


def _kind(annotation: str) -> Kind:
    words = set(re.findall(r"\w+", re.sub(r"Literal\[[^]]*\]", "str" if "'" in annotation else "int", annotation)))
    words -= {"None", "Unset"}
    if "dict" in words or "list" in words:
        return "json"
    if words & {"str", "datetime", "date"}:
        return "text"
    if words == {"bool"}:
        return "boolean"
    if words == {"int"}:
        return "integer"
    if words in ({"float"}, {"int", "float"}):
        return "number"
    return "json" if words else "text"


# -- data frames ----------------------------------------------------------------------------------------------------------


def table_of(rows: Any) -> Table | None:
    """The table that `rows` is; None where it is none."""
    home = type(rows).__module__.partition(".")[0]
    if home == "pandas" and hasattr(rows, "itertuples"):
        return Table(lambda: map(Columns(list(rows.columns)).row, rows.itertuples(index=False, name=None)), len(rows))
    if home == "polars" and hasattr(rows, "iter_rows"):
        return Table(lambda: map(Columns(list(rows.columns)).row, rows.iter_rows(buffer_size=_BATCH)), len(rows))
    if home == "pyarrow" and hasattr(rows, "to_batches"):
        count = rows.num_rows
        return Table(lambda: of_batches(rows.to_batches(max_chunksize=_BATCH)), count)
    if home in {"pandas", "polars", "pyarrow"}:
        return None  # a column: its values are the rows
    if hasattr(rows, "__arrow_c_stream__"):
        arrow = need_pyarrow(f"rows from a {type(rows).__name__}")
        return Table(lambda: of_batches(arrow.RecordBatchReader.from_stream(rows)), None)
    if hasattr(rows, "__dataframe__"):
        need_pyarrow(f"rows from a {type(rows).__name__}")
        table = import_module("pyarrow.interchange").from_dataframe(rows)
        return Table(lambda: of_batches(table.to_batches(max_chunksize=_BATCH)), table.num_rows)
    return None


def of_batches(batches: Any, renamed: Mapping[str, str] = _SAME) -> Iterator[dict[str, Any]]:
    """The rows of Arrow's record batches, some of the columns under other names."""
    columns: Columns | None = None
    for batch in batches:
        columns = columns or Columns([renamed.get(name, name) for name in batch.schema.names])
        for start in range(0, batch.num_rows, _BATCH):
            part = batch.slice(start, _BATCH)
            yield from map(columns.row, zip(*(column.to_pylist() for column in part.columns), strict=True))


def need_pyarrow(what: str) -> Any:
    """pyarrow. Raises `ConfigurationError` where it is not installed."""
    try:
        return import_module("pyarrow")
    except ImportError:
        raise ConfigurationError(f"{what} needs pyarrow: pip install 'klaviyo-async[parquet]'.") from None
