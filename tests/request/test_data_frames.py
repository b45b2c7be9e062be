"""Values as data frames give them: in filters, parameters, paths and bodies alike."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import frozen

from klaviyo_async._request.plain import prepare_plain
from klaviyo_async._request.prepare import prepare
from klaviyo_async.errors import QueryError
from klaviyo_async.filter import F, Fields, Filter
from klaviyo_async.filters import GetProfiles
from klaviyo_async.operation_table import operations


def in_body(value: object) -> Any:
    """What is sent for the value as a property of an event."""
    write = {"metric": {"name": "m"}, "profile": {"email": "e"}, "properties": {"list": [1, value]}}
    payload = prepare(operations["create_event"], write=write).payload
    assert payload is not None
    assert isinstance(payload.content, bytes)
    return json.loads(payload.content)["data"]["attributes"]["properties"]["list"][1]


def refused(value: object) -> None:
    with pytest.raises(QueryError) as caught:
        in_body(value)
    assert [problem.pointer for problem in caught.value.problems] == ["/data/attributes/properties/list/1"]
    with pytest.raises(QueryError, match="equals of 'x': "):
        _ = F.x == value
    with pytest.raises(QueryError, match="any of 'x', value 1: "):
        F.x.any([1, value])  # type: ignore[list-item]
    with pytest.raises(QueryError) as caught:
        prepare_plain(
            "GET", "/api/x", {"key": [1, value]}, None, operations=operations, origin="http://x", company_id=None
        )
    assert [problem.pointer for problem in caught.value.problems] == ["key"]


# Stand-ins: what is known of numpy's scalars and pandas' missing values, for where these are not installed.


@frozen(eq=False)
class DType:
    kind: str


@frozen(eq=False)
class Scalar:
    value: Any
    dtype: DType = DType("i")
    ndim: int = 0

    def item(self) -> Any:
        return self.value


class NaTType(datetime):
    """A datetime to `isinstance`, as pandas' own is."""


class NAType:
    def __eq__(self, other: object) -> bool:
        raise TypeError("boolean value of NA is ambiguous")

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("value", "plain"), [(Scalar(5), 5), (Scalar(1.5), 1.5), (Scalar(True), True), (Scalar("x"), "x")]
)
def test_scalars_are_what_they_stand_for(value: Any, plain: object) -> None:
    assert in_body(value) == plain
    assert str(F.x == value) == str(F.x == plain)
    assert F.x.any([value]).conditions[0].value == (plain,)


@pytest.mark.parametrize(
    "value", [NaTType(1, 1, 1, tzinfo=UTC), NAType(), math.nan, math.inf, Scalar(math.nan), Scalar(5, DType("M")), Scalar(5, DType("m"))]
)  # fmt: skip
def test_what_stands_for_nothing_is_refused_with_its_place(value: object) -> None:
    refused(value)


def test_everywhere_in_a_call() -> None:
    call = prepare(
        operations["get_profiles"], (), {"page_size": Scalar(50), "filter": GetProfiles.email == Scalar("a@x.com")}
    )
    assert call.target == "/api/profiles?page%5Bsize%5D=50&filter=equals%28email%2C%22a%40x.com%22%29"
    assert prepare(operations["get_catalog_item"], (Scalar(7),), {}).target == "/api/catalog-items/7"
    added = prepare(operations["add_profiles_to_list"], ("L",), body=[Scalar("01"), Scalar(2)]).payload
    assert added is not None
    assert added.content == b'{"data":[{"type":"profile","id":"01"},{"type":"profile","id":"2"}]}'
    with pytest.raises(QueryError, match=r"id: .*missing"):
        prepare(operations["get_profile"], (NAType(),), {})


# The real ones.


def test_numpy() -> None:
    numpy = pytest.importorskip("numpy")
    for value, plain in [
        (numpy.int64(5), 5), (numpy.float32(1.5), 1.5), (numpy.float64(2.5), 2.5), (numpy.bool_(True), True),
        (numpy.str_("x"), "x"), (numpy.uint8(7), 7), (numpy.longdouble(1.5), 1.5),
    ]:  # fmt: skip
        assert in_body(value) == plain
        assert str(F.x == value) == str(F.x == plain)
    assert str(F.x.any(numpy.array([1, 2]))) == "any(x,[1,2])"
    alone = numpy.array("a")  # an array without dimensions, which is iterable in name only
    for call in (
        lambda: F.x.any(alone),
        lambda: Filter.all(alone),
        lambda: Fields(profile=alone),
        lambda: prepare(operations["get_profiles"], (), {"include": alone}),
        lambda: prepare(operations["get_profiles"], (), {"fields": {"profile": alone}}),
        lambda: prepare(operations["add_profiles_to_list"], ("L",), body=alone),
    ):
        with pytest.raises(QueryError, match=r"list"):
            call()
    for value in (
        numpy.float64("nan"),
        numpy.float32("inf"),
        numpy.datetime64("2026-01-01"),
        numpy.datetime64("NaT", "s"),
        numpy.complex64(1),
    ):
        refused(value)
    with pytest.raises(QueryError, match="tolist"):
        in_body(numpy.array([1]))


def test_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    noon = pandas.Timestamp("2026-01-01T12:00:00", tz="Europe/Berlin")
    assert in_body(noon) == "2026-01-01T12:00:00+01:00"
    assert str(F.created > noon) == "greater-than(created,2026-01-01T12:00:00+01:00)"
    assert str(GetProfiles.created > noon) == "greater-than(created,2026-01-01T12:00:00+01:00)"
    assert str(F.id.any(pandas.Series(["a", "b"]))) == 'any(id,["a","b"])'
    for value in (pandas.NaT, pandas.NA, pandas.Timestamp("2026-01-01"), pandas.Timedelta("1s")):
        refused(value)
