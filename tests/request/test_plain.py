"""`klaviyo.request`: what can't be sent as given is refused before anything is sent."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import pytest

from klaviyo_async import Klaviyo, QueryError
from klaviyo_async._request.plain import prepare_plain
from klaviyo_async.filter import F
from klaviyo_async.models import ListCreateQuery
from klaviyo_async.operation_table import operations

if TYPE_CHECKING:
    from collections.abc import Callable

ORIGIN = "https://a.klaviyo.com"


def plain(method: Any = "GET", path: Any = "/api/x", params: Any = None, json: Any = None, **more: Any) -> Any:
    return prepare_plain(method, path, params, json, operations=operations, origin=ORIGIN, company_id=None, **more)


def query(params: Any) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(plain(params=params).target).query, keep_blank_values=True)


@pytest.mark.parametrize(
    "call",
    [
        lambda: plain(None),
        lambda: plain("FETCH"),
        lambda: plain(path=None),
        lambda: plain(path=b"/api/x"),
        lambda: plain(path="/api/x\n"),
        lambda: plain(path="/api/\x00"),
        lambda: plain(path="/api/\x7f?a=b"),
        lambda: plain(path="/api/\ud800"),
        lambda: plain(path="/api/x?a=\udfff"),
        lambda: plain(params="a=b"),
        lambda: plain(params=b"a=b"),
        lambda: plain(params=5),
        lambda: plain(params=["ab", 5]),
        lambda: plain(params=[("a", "b", "c")]),
        lambda: plain(params={5: "x"}),
        lambda: plain(params={"a": "b\r\nc"}),
        lambda: plain(params={"a": "\ud800"}),
        lambda: plain(params={"\ud800": "a"}),
        lambda: plain(params={"a\n": "b"}),
        lambda: plain(params={"a": math.nan}),
        lambda: plain(params={"a": [1, -math.inf]}),
        lambda: plain(params={"a": Decimal("NaN")}),
        lambda: plain(params={"a": datetime(2026, 1, 1)}),  # noqa: DTZ001
        lambda: plain(params={"a": object()}),
        lambda: plain(params={"a": b"b"}),
        lambda: plain(params={"a": ListCreateQuery.from_dict({"data": {"type": "list", "attributes": {"name": "x"}}})}),
        lambda: plain(params={"a": Klaviyo("pk_secret")}),
        lambda: plain(params={"a": {"b": {"c": "d"}}}),
        lambda: plain(params={"sort": F.created}),
        lambda: plain(headers={"X-A": "b\r\nX-B: c"}),
        lambda: plain(headers={"Authorization": "x"}),
        lambda: plain(headers={"a b": "x"}),
        lambda: plain("POST", json=math.nan),
        lambda: plain("POST", json={"a": {1: 2}}),
        lambda: plain("POST", json=object()),
        lambda: plain(params={"a": 10**5000}),
        lambda: plain(params={"a": [10**5000]}),
        lambda: plain("POST", json={"a": 10**5000}),
    ],
)
def test_what_cannot_be_sent_as_given_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(QueryError) as caught:
        call()
    assert "pk_secret" not in str(caught.value)
    str(caught.value).encode()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plain(params={"sort": F.created}), "sort: expected text, a number, .* got Field"),
        (lambda: plain("POST", json={"a": F.created}), "body /a: a value of type Field can't be written as JSON"),
        (lambda: plain("POST", json={"a": F}), "body /a: a value of type FieldFactory can't be written as JSON"),
        (lambda: plain(params={"a": Decimal("sNaN")}), "a: sNaN can't be sent: it must be finite"),
        (lambda: plain("POST", json={"a": Decimal("1E+999999999")}), "body /a: the decimal .* is too long for JSON"),
    ],
)
def test_what_is_wrong_is_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises(QueryError, match=message):
        call()


def test_a_number_that_json_has_not_is_refused_with_its_place() -> None:
    with pytest.raises(QueryError) as caught:
        plain("PATCH", json={"data": {"attributes": {"score": [1.0, math.nan]}}})
    assert [problem.pointer for problem in caught.value.problems] == ["/data/attributes/score/1"]


def test_what_has_a_form_on_the_wire_is_sent() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    given = {
        "a": True, "b": 5, "c": 1.5, "d": ["x", 2], "e": noon, "f": date(2026, 1, 1), "g": UUID(int=1), "h": Decimal("1.10"),
        "filter": (F.name == "a\nb") & (F.created > noon), "sort": F.created.desc(), "fields": {"profile": ["email"]}, "no": None,
    }  # fmt: skip
    assert query(given) == [
        ("a", "true"), ("b", "5"), ("c", "1.5"), ("d", "x,2"), ("e", "2026-01-01T12:00:00+00:00"), ("f", "2026-01-01"),
        ("g", str(UUID(int=1))), ("h", "1.10"),
        ("filter", 'and(equals(name,"a\nb"),greater-than(created,2026-01-01T12:00:00+00:00))'),
        ("sort", "-created"), ("fields[profile]", "email"),
    ]  # fmt: skip
    assert query([("a", 1), ("a", 2)]) == [("a", "1"), ("a", "2")]


def test_headers_belong_to_the_request() -> None:
    assert dict(plain(headers={"X-A": "b"}).headers) == {"X-A": "b"}


def test_long_culprits_are_quoted_shortened() -> None:
    with pytest.raises(QueryError) as caught:
        plain("G" * 10_000)
    assert len(str(caught.value)) < 300
    with pytest.raises(QueryError) as caught:
        plain(path="x" * 10_000)
    assert len(str(caught.value)) < 400


def test_the_account_of_a_client_side_request() -> None:
    request = prepare_plain("POST", "/client/new", None, {}, operations=operations, origin=ORIGIN, company_id="AbC123")
    assert request.company_id == "AbC123"
    assert request.target == "/client/new?company_id=AbC123"
    assert plain().company_id is None
