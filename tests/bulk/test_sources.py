"""Where rows come from."""

from __future__ import annotations

import asyncio
import gzip
import importlib
import json
import sys
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from klaviyo_async import ConfigurationError, QueryError, operations
from klaviyo_async.bulk._import.columns import Columns, kinds_of, nested
from klaviyo_async.bulk._import.slices import SLICE, Unreadable
from klaviyo_async.bulk._import.source import source_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from klaviyo_async import Klaviyo
    from klaviyo_async.testing import FakeKlaviyo


async def rows_of(given: object, operation: str = "bulk_import_profiles") -> list[Any]:
    source = source_of(given, lambda: kinds_of(operations[operation]))
    return [row async for part in source for row in part]


def has(name: str) -> bool:
    return find_spec(name) is not None


async def test_a_csv_file(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    text = (
        "\ufeffemail,first_name,location.city,properties.tier,properties.a.b\r\n"
        'a@x.com,"Sa,rah",Boston,gold,1\r\n'
        "b@x.com,,,,\r\n"
        "\r\n"
        "c@x.com,Short\r\n"
        "d@x.com,,,,,too many\r\n"
        '"e@x.com","two\nlines",,,\r\n'
    )
    path.write_text(text, encoding="utf-8", newline="")
    a, b, c, d, e = await rows_of(path)
    assert a == {
        "email": "a@x.com",
        "first_name": "Sa,rah",
        "location": {"city": "Boston"},
        "properties": {"tier": "gold", "a.b": "1"},
    }
    assert b == {"email": "b@x.com"}
    assert c == {"email": "c@x.com", "first_name": "Short"}
    assert isinstance(d, Unreadable)
    assert "6 cells" in d.why
    assert e["first_name"] == "two\nlines"


@pytest.mark.parametrize(("name", "mark"), [("x.csv", ";"), ("x.tsv", "\t"), ("x.csv.gz", ",")])
async def test_other_delimiters_and_packed_files(tmp_path: Path, name: str, mark: str) -> None:
    path = tmp_path / name
    data = f"external_id{mark}price{mark}published{mark}images\nS1{mark}9.50{mark}TRUE{mark}[]\nS2{mark}x{mark}{mark}\n".encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert await rows_of(str(path), "bulk_create_catalog_items") == [
        {"external_id": "S1", "price": 9.5, "published": True, "images": []},
        {"external_id": "S2", "price": "x"},
    ]


async def test_an_ndjson_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.ndjson"
    path.write_bytes(b'\xef\xbb\xbf{"email":"a@x.com"}\n\n{}\nnot json\n{"email":"b@x.com"}')
    a, empty, bad, b = await rows_of(path)
    assert (a, empty, b) == ({"email": "a@x.com"}, {}, {"email": "b@x.com"})
    assert isinstance(bad, Unreadable)


async def test_a_json_file_holds_a_list(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text('[{"email":"a@x.com"}]')
    assert await rows_of(path) == [{"email": "a@x.com"}]
    for text in ("{}", "not json"):
        path.write_text(text)
        with pytest.raises(QueryError, match="ndjson"):
            await rows_of(path)


async def test_broken_files(tmp_path: Path) -> None:
    path = tmp_path / "rows.ndjson.gz"
    path.write_bytes(gzip.compress(b'{"email":"a@x.com"}\n' * 5000)[:-20])
    with pytest.raises(QueryError, match="can't be read beyond row"):
        await rows_of(path)
    path.write_bytes(b"no gzip at all")
    with pytest.raises(QueryError, match="can't be read beyond row 0"):
        await rows_of(path)
    path = tmp_path / "rows.csv"
    path.write_bytes(b"")
    with pytest.raises(QueryError, match="first line must have the column names"):
        await rows_of(path)
    path.write_bytes(b"email,email\na,b\n")
    with pytest.raises(QueryError, match="'email' occurs twice"):
        await rows_of(path)
    path.write_bytes(b"location,location.city\na,b\n")
    with pytest.raises(QueryError, match="columns nested in it"):
        await rows_of(path)
    path.write_bytes(b"email,\na,b\n")
    with pytest.raises(QueryError, match="column 2 has no name"):
        await rows_of(path)


async def test_text_that_is_no_utf8_is_refused_row_by_row(klaviyo: Klaviyo, fake: FakeKlaviyo, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"email,first_name\na@x.com,J\xf6rg\nb@x.com,Anna\n")
    report = await klaviyo.bulk.import_profiles(path)
    assert (report.succeeded, report.failed) == (1, 1), list(report.errors)
    assert report.errors[0].row == 0
    assert report.errors[0].id == "a@x.com"


async def test_a_cell_that_is_too_large_is_its_rows_own_fault(klaviyo: Klaviyo, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("email,properties.note\na@x.com," + "x" * 200_000 + "\nb@x.com,short\n")
    report = await klaviyo.bulk.import_profiles(path)
    assert (report.succeeded, [(error.row, error.code) for error in report.errors]) == (1, [(0, "too_large")])


async def test_a_quote_that_is_never_closed_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('email,first_name\na@x.com,"A\n1"\nb@x.com,"B\nc@x.com,C\nd@x.com,D\n')
    first, second = await rows_of(path)
    assert first == {"email": "a@x.com", "first_name": "A\n1"}
    assert isinstance(second, Unreadable)
    assert "never closed, so it takes up the last 3 lines" in second.why
    path.write_text('email\n"' + "x\n" * 5_500_000)
    with pytest.raises(QueryError, match=r"beyond row 0: .*Is there a quote that is never closed"):
        await rows_of(path)


async def test_names_of_columns_may_have_line_breaks(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('email,"properties.the\nnote"\na@x.com,A\n')
    assert await rows_of(path) == [{"email": "a@x.com", "properties": {"the\nnote": "A"}}]


@pytest.mark.parametrize("name", ["rows.csv", "rows.ndjson", "rows.json"])
async def test_utf16_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("email\na@x.com\n", encoding="utf-16")
    with pytest.raises(QueryError, match="is UTF-16: save it as UTF-8"):
        await rows_of(path)


@pytest.mark.parametrize("name", ["rows.ndjson", "rows.csv", "rows.json"])
async def test_zstd(tmp_path: Path, name: str) -> None:
    zstandard = pytest.importorskip("zstandard")
    rows = [{"email": f"p{number}@x.com"} for number in range(50_000)]
    texts = {
        "rows.ndjson": "".join(f"{json.dumps(row)}\n" for row in rows),
        "rows.csv": "email\n" + "".join(f"{row['email']}\n" for row in rows),
        "rows.json": json.dumps(rows),
    }
    text = texts[name].encode()
    path = tmp_path / f"{name}.zst"

    def packed(part: bytes) -> bytes:
        return bytes(zstandard.ZstdCompressor().compress(part))

    path.write_bytes(packed(text))
    assert await rows_of(path) == rows
    path.write_bytes(packed(text[:70_001]) + packed(text[70_001:]))
    assert await rows_of(path) == rows
    path.write_bytes(packed(text)[:-50])
    with pytest.raises(QueryError, match=r"can't be read beyond row .*it was cut off"):
        await rows_of(path)
    path.write_bytes(text)
    with pytest.raises(QueryError, match="can't be read beyond row 0"):
        await rows_of(path)


async def test_an_open_file_is_no_source(klaviyo: Klaviyo, fake: FakeKlaviyo, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("email\na@x.com\n")
    for mode in ("r", "rb"):
        with path.open(mode) as file, pytest.raises(QueryError, match="the path of a file, not an open file"):
            await klaviyo.bulk.import_profiles(file)  # type: ignore[arg-type]
    assert not fake.requests


async def test_a_column_of_a_data_frame(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    frame = pd.DataFrame({"email": ["a@x.com", "b@x.com"]})
    report = await klaviyo.bulk.suppress_profiles(frame["email"])
    assert (report.submitted, report.succeeded) == (2, 2)


async def test_a_file_from_end_to_end(klaviyo: Klaviyo, fake: FakeKlaviyo, tmp_path: Path) -> None:
    path = tmp_path / "rows.ndjson"
    path.write_text("".join(json.dumps({"email": f"p{n}@x.com"}) + "\n" for n in range(700)) + "nonsense\n")
    told: list[Any] = []
    report = await klaviyo.bulk.import_profiles(path, progress=told.append)
    assert (report.submitted, report.succeeded, report.failed) == (701, 700, 1)
    assert (report.errors[0].row, report.errors[0].code) == (700, "not_json")
    assert told[-1].total == 701


async def test_a_pandas_frame(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    frame = pd.DataFrame(
        {
            "email": ["a@x.com", "b@x.com", None],
            "location.city": ["Boston", None, "Rome"],
            "properties.orders": [3, 4, 5],
            "properties.score": [1.5, float("nan"), 2.5],
            "properties.seen": pd.to_datetime(pd.Series(["2026-01-01", None, "2026-01-03"]), utc=True),
            "properties.flag": pd.array([True, None, False], dtype="boolean"),
        }
    )
    a, b, c = await rows_of(frame)
    assert set(a["properties"]) == {"orders", "score", "seen", "flag"}
    assert b == {"email": "b@x.com", "properties": {"orders": 4}}
    assert "email" not in c
    assert source_of(frame).total == 3
    report = await klaviyo.bulk.import_profiles(frame)
    assert (report.succeeded, report.failed) == (2, 1), list(report.errors)
    named: Iterator[Any] = frame[["email"]].dropna().itertuples()
    report = await klaviyo.bulk.import_profiles(named)
    assert report.ok, list(report.errors)
    report = await klaviyo.bulk.import_profiles(frame[["email"]].dropna().to_dict("records"))
    assert report.ok


@pytest.mark.skipif(not has("pyarrow"), reason="pyarrow is not installed")
async def test_arrow_tables_and_parquet(tmp_path: Path) -> None:
    pa = importlib.import_module("pyarrow")
    parquet = importlib.import_module("pyarrow.parquet")
    table = pa.table({"email": [f"p{n}@x.com" for n in range(1300)], "location.city": ["Boston", None] * 650})
    wanted = [{"email": f"p{n}@x.com", **({"location": {"city": "Boston"}} if n % 2 == 0 else {})} for n in range(1300)]
    assert await rows_of(table) == wanted

    class Capsule:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return table.__arrow_c_stream__(requested_schema)

    class Interchange:
        def __dataframe__(self, *_: Any, **__: Any) -> Any:
            return table.__dataframe__()

    assert await rows_of(Capsule()) == wanted
    assert await rows_of(Interchange()) == wanted
    parquet.write_table(table, tmp_path / "rows.parquet")
    source = source_of(tmp_path / "rows.parquet")
    assert source.total == 1300
    assert await rows_of(tmp_path / "rows.parquet") == wanted
    (tmp_path / "bad.parquet").write_bytes(b"nonsense")
    with pytest.raises(QueryError, match="not a Parquet file"):
        source_of(tmp_path / "bad.parquet")


@pytest.mark.skipif(not has("polars"), reason="polars is not installed")
async def test_a_polars_frame() -> None:
    pl = importlib.import_module("polars")
    frame = pl.DataFrame({"email": ["a@x.com", None], "properties.n": [1, 2]})
    assert await rows_of(frame) == [{"email": "a@x.com", "properties": {"n": 1}}, {"properties": {"n": 2}}]


async def test_arrow_without_pyarrow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    class Capsule:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            raise AssertionError

    class Interchange:
        def __dataframe__(self, *_: Any, **__: Any) -> Any:
            raise AssertionError

    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    for given in (Capsule(), Interchange(), tmp_path / "x.parquet"):
        with pytest.raises(ConfigurationError, match=r"klaviyo-async\[parquet\]"):
            source_of(given)


async def test_a_slow_iterable_lets_others_run() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def slow() -> Any:
        for number in range(640):
            if number % 32 == 0:
                time.sleep(0.006)
            yield {"n": number}

    task = asyncio.create_task(other())
    rows = await rows_of(slow())
    task.cancel()
    assert len(rows) == 640
    assert turns >= 15


async def test_an_async_iterable_that_has_all_at_hand_lets_others_run() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def ready() -> Any:
        for number in range(SLICE * 4):
            yield {"n": number}

    task = asyncio.create_task(other())
    assert len(await rows_of(ready())) == SLICE * 4
    task.cancel()
    assert turns >= 4


def test_columns() -> None:
    assert nested({"a.b.c": 1, "a.b.d": 2, "properties.x.y": 3, "plain": 4}) == {
        "a": {"b": {"c": 1, "d": 2}},
        "properties": {"x.y": 3},
        "plain": 4,
    }
    with pytest.raises(QueryError, match="name must be text"):
        Columns(["email", 7])
    kinds = kinds_of(operations["bulk_create_events"])
    assert kinds["value"] == "number"
    assert kinds["profile.location"] == "json"
    assert kinds_of(operations["bulk_delete_catalog_items"]) == {}
    columns = Columns(
        ["value", "time", "backfill", "properties", "inventory_policy"], {**kinds, "inventory_policy": "integer"}
    )
    assert columns.text_row(["12", "2026-01-01", "maybe", '{"a":1}', "2"]) == {
        "value": 12,
        "time": "2026-01-01",
        "backfill": "maybe",
        "properties": {"a": 1},
        "inventory_policy": 2,
    }
    assert columns.text_row(["1e3", "", "no", "{", "two"]) == {
        "value": 1000.0,
        "backfill": False,
        "properties": "{",
        "inventory_policy": "two",
    }
