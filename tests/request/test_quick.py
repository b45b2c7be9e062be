"""The quick way to a body against the careful one: the same bytes, the same errors, whatever is given."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections import OrderedDict, namedtuple
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klaviyo_async import models
from klaviyo_async._model import UNSET
from klaviyo_async._request import bodies
from klaviyo_async._request.plain import prepare_plain
from klaviyo_async._request.prepare import prepare
from klaviyo_async.errors import QueryError
from klaviyo_async.filter import F
from klaviyo_async.operation_table import operations


class Colour(enum.Enum):
    RED = "red"
    NOT_A_NUMBER = math.nan
    NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Level(enum.IntEnum):
    HIGH = 3


class Word(enum.StrEnum):
    LIVE = "live"


class Text(str):
    __slots__ = ()


class Number(int):
    pass


class Loud(dict[str, Any]):
    """A mapping whose items are not what it holds: what `items()` gives counts."""

    def items(self) -> Any:
        return [("loud", True)]


Pair = namedtuple("Pair", "left right")


@dataclasses.dataclass
class Data:
    x: int = 1


ODD = st.sampled_from(
    [
        math.nan, math.inf, -math.inf, Decimal("1.10"), Decimal("NaN"), Decimal("1.2345678901234567890123"), 2**64, -(2**70),
        UUID(int=7), date(2026, 1, 1), time(1, 2), datetime(2026, 1, 1),  # noqa: DTZ001
        datetime(2026, 1, 1, 12, tzinfo=UTC),
        datetime(2026, 1, 1, 0, 0, 0, 5, tzinfo=timezone(timedelta(hours=-3, minutes=-7))), timedelta(1), b"bytes", bytearray(b"b"),
        {1, 2}, frozenset("a"), object, object(), 1j, Fraction(1, 3), Text("text"), Number(5), Loud(a=1), OrderedDict(a=1),
        Pair(1, math.nan), Data(), Colour.RED, Colour.NOT_A_NUMBER, Colour.NOON, Level.HIGH, Word.LIVE, UNSET, F.email == "x", F.email,
        "\ud800", "null", "é\u2028", "", models.ListCreateQuery.from_dict({"data": {"x": 1}}),
        (), ("a", 1), range(3), {1: 2}, {None: 1}, {"a": {"b": math.nan}}, {Text("k"): 1}, {"type": "profile", "attributes": {}},
        {"data": {"type": "metric", "attributes": {"name": "m"}}}, {"data": None}, {"data": [], "x": 1}, {"id": "01"}, {"name": "m", "id": 5},
    ]
)  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | ODD
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.just("null"), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = st.sampled_from(
    [
        "email",
        "name",
        "id",
        "type",
        "data",
        "attributes",
        "meta",
        "properties",
        "phone_number",
        "location",
        "made_up",
        "_kx",
        "service",
    ]
)
NESTED = st.dictionaries(KEYS, VALUES, max_size=3) | VALUES
ROWS = st.lists(NESTED, max_size=3) | NESTED

CALLS = st.one_of(
    st.tuples(
        st.just("create_event"),
        st.fixed_dictionaries(
            {"metric": st.just({"name": "m"}) | NESTED, "profile": st.just({"email": "e"}) | NESTED, "properties": VALUES},
            optional={"value": VALUES, "time": VALUES, "unique_id": VALUES, "made_up": VALUES},
        ),
    ),
    st.tuples(
        st.sampled_from(["create_profile", "update_profile"]),
        st.dictionaries(KEYS, VALUES, max_size=3),
    ),
    st.tuples(st.just("create_list"), st.fixed_dictionaries({"name": VALUES})),
    st.tuples(
        st.just("bulk_import_profiles"), st.fixed_dictionaries({"profiles": ROWS}, optional={"lists": VALUES, "meta": VALUES})
    ),
    st.tuples(st.just("bulk_create_events"), st.fixed_dictionaries({"events_bulk_create": ROWS})),
    st.tuples(st.just("create_campaign"), st.dictionaries(st.sampled_from(["name", "audiences", "campaign_messages"]), NESTED)),
    st.tuples(st.just("query_metric_aggregates"), st.dictionaries(st.sampled_from(["metric_id", "measurements", "filter"]), VALUES)),
)  # fmt: skip
BODIES = st.tuples(
    st.sampled_from(["create_profile", "update_profile", "add_profiles_to_list", "update_image_for_campaign_message"]),
    st.fixed_dictionaries({"data": VALUES}, optional={"links": VALUES}) | st.lists(VALUES, max_size=3) | VALUES,
)


def outcome(name: str, body: object, write: dict[str, Any] | None, *, validate: bool) -> Any:
    """The bytes that a call sends, or the error that it raises."""
    operation = operations[name]
    try:
        prepared = prepare(
            operation, ["01"] * len(operation.path_parameters), body=body, write=write, validate=validate
        )
    except (QueryError, TypeError) as error:
        return type(error), str(error), getattr(error, "problems", None)
    return prepared.payload.content if prepared.payload is not None else None


def compare(name: str, body: object, write: dict[str, Any] | None, *, validate: bool) -> None:
    found = outcome(name, body, write, validate=validate)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bodies, "quick_body", lambda *_: None)
        assert outcome(name, body, write, validate=validate) == found


@settings(max_examples=300)
@given(CALLS, st.booleans())
def test_keywords_make_the_same_body_both_ways(call: tuple[str, dict[str, Any]], validate: bool) -> None:
    compare(call[0], UNSET, call[1], validate=validate)


@settings(max_examples=300)
@given(BODIES, st.booleans())
def test_bodies_are_the_same_both_ways(call: tuple[str, object], validate: bool) -> None:
    compare(call[0], call[1], None, validate=validate)


@settings(max_examples=300)
@given(VALUES)
def test_plain_json_is_the_same_both_ways(value: object) -> None:
    def outcome() -> Any:
        try:
            prepared = prepare_plain(
                "POST", "/api/x", None, value, operations=operations, origin="http://x", company_id=None
            )
        except QueryError as error:
            return str(error)
        return prepared.payload and prepared.payload.content

    found = outcome()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bodies, "quick_json", lambda _: None)
        assert outcome() == found


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("create_event", {"metric": {"name": "m"}, "profile": {"email": "e"}, "properties": {"a": 1}, "value": 9.5}),
        (
            "create_event",
            {"metric": {"name": "m"}, "profile": {}, "properties": {}, "time": datetime(2026, 1, 1, tzinfo=UTC)},
        ),
        ("update_profile", {"email": "e"}),
        ("bulk_create_events", {"events_bulk_create": [{"profile": {"email": "e"}, "events": []}]}),
    ],
)
def test_what_is_usual_takes_the_quick_way(name: str, write: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_Builder", None)
    assert isinstance(outcome(name, UNSET, write, validate=True), bytes)


def test_identifiers_take_the_quick_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_Builder", None)
    assert outcome("add_profiles_to_list", ["01", "02"], None, validate=True) == (
        b'{"data":[{"type":"profile","id":"01"},{"type":"profile","id":"02"}]}'
    )
