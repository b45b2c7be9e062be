"""Answers that are errors: their class, what was read out of them, what they say to do, and that they travel."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import klaviyo_async
from klaviyo_async import Klaviyo, errors
from klaviyo_async.errors import (
    APIError,
    BadRequest,
    CheckpointError,
    ConfigurationError,
    Conflict,
    ConnectionFailed,
    DecodeError,
    ErrorObject,
    ErrorSource,
    Forbidden,
    Gone,
    KlaviyoError,
    NotFound,
    PaginationError,
    PayloadTooLarge,
    Problem,
    QueryError,
    RateLimited,
    RateLimitWait,
    RequestTimeout,
    ServerError,
    TransportError,
    Unauthorized,
    WebhookSignatureError,
    error_of,
)
from tests.support.servers import RawServer, reply

BY_STATUS = {
    400: BadRequest, 401: Unauthorized, 403: Forbidden, 404: NotFound, 405: APIError, 409: Conflict, 410: Gone,
    413: PayloadTooLarge, 415: APIError, 422: APIError, 429: RateLimited, 500: ServerError, 502: ServerError, 503: ServerError,
    504: ServerError, 520: ServerError, 524: ServerError,
}  # fmt: skip
FULL = {
    "id": "e-1",
    "status": 400,
    "code": "invalid",
    "title": "Invalid input.",
    "detail": "'email' is not valid",
    "source": {"pointer": "/data/attributes/email", "extra": 1},
    "links": {"type": "https://example.com/x"},
    "meta": {"k": [1]},
    "surprise": True,
}


def body(*objects: object) -> bytes:
    return json.dumps({"errors": list(objects)}).encode()


@pytest.mark.parametrize("status", BY_STATUS)
async def test_each_status_has_its_class(server: RawServer, status: int) -> None:
    server.plan(reply(status, body(FULL), X_Klaviyo_Req_Id="req-9"))
    async with klaviyo_async.Klaviyo("pk_x", base_url=server.url, limiter=False, max_retries=0) as klaviyo:
        with pytest.raises(APIError) as caught:
            await klaviyo.profiles.get_profile("01")
    error = caught.value
    assert type(error) is BY_STATUS[status]
    assert (error.status, error.operation, error.request_id) == (status, "get_profile", "req-9")
    assert (error.code, error.detail, error.body) == ("invalid", "'email' is not valid", body(FULL))
    assert error.headers["X-KLAVIYO-REQ-ID"] == "req-9"
    (found,) = error.errors
    assert (found.id, found.status, found.code, found.title) == ("e-1", 400, "invalid", "Invalid input.")
    assert found.source == ErrorSource(pointer="/data/attributes/email", additional={"extra": 1})
    assert (found.links, found.meta) == ({"type": "https://example.com/x"}, {"k": [1]})
    assert found.additional == {"surprise": True}
    for part in ("get_profile", str(status), "invalid", "'email' is not valid", "/data/attributes/email", "req-9"):
        assert part in str(error)


@pytest.mark.parametrize(
    ("content", "kind", "shown"),
    [
        (b"", None, "no body"),
        (b"<html><h1>524</h1>\n a timeout</html>", "text/html", "<h1>524</h1> a timeout"),
        (b'{"errors":[{"detail":"cut', "application/vnd.api+json", "cut"),
        (b"\xff\xfe broken \x80", "application/vnd.api+json", "broken"),
        (b"null", "application/json", "null"),
        (b'{"errors": null}', "application/json", "null"),
        (b'{"errors": {"a": 1}}', "application/json", "a"),
        (b'{"error": "invalid_grant"}', None, "invalid_grant"),
        (b"[" * 100_000, None, "[[["),
    ],
)
async def test_bodies_that_are_no_error_objects(
    server: RawServer, content: bytes, kind: str | None, shown: str
) -> None:
    server.plan(reply(500, content, content_type=kind))
    async with klaviyo_async.Klaviyo("pk_x", base_url=server.url, limiter=False, max_retries=0) as klaviyo:
        with pytest.raises(ServerError) as caught:
            await klaviyo.profiles.get_profile("01")
    error = caught.value
    assert (error.errors, error.code, error.detail, error.request_id) == ((), None, None, None)
    assert error.body == content
    assert shown in str(error)
    assert len(str(error)) < 500


def test_fields_of_wrong_types_are_missing_and_the_id_stands_in_for_the_header() -> None:
    odd = {
        "id": 7,
        "status": "409",
        "code": None,
        "title": ["x"],
        "detail": {},
        "source": "x",
        "links": [],
        "meta": None,
    }
    error = error_of(_operation(), status=409, headers={}, body=body(odd, "not an object", {"detail": "second"}))
    first, second = error.errors
    assert (first.id, first.status, first.code, first.title, first.detail) == ("7", 409, None, None, None)
    assert (first.source, first.links, first.meta) == (ErrorSource(), {}, {})
    assert second.detail == error.detail == "second"
    assert error.request_id == "7"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda v: st.lists(v) | st.dictionaries(st.text(), v),
    )
)
def test_no_error_body_is_a_problem(value: Any) -> None:
    for document in (
        value,
        {"errors": value},
        {"errors": [value]},
        {"errors": [{"source": value, "meta": value, "detail": value}]},
    ):
        error = error_of(_operation(), status=400, headers={}, body=json.dumps(document).encode())
        assert str(error).startswith("get_profile: 400")
        assert pickle.loads(pickle.dumps(error)).errors == error.errors


@given(st.binary())
def test_no_bytes_are_a_problem(content: bytes) -> None:
    assert str(error_of(_operation(), status=500, headers={}, body=content))


def test_many_errors_are_cut_short_in_the_message_only() -> None:
    error = error_of(_operation(), status=400, headers={}, body=body(*({"detail": f"no {n}."} for n in range(50))))
    assert len(error.errors) == 50
    assert "no 4." in str(error)
    assert "no 5." not in str(error)
    assert "and 45 more" in str(error)


def _operation(name: str = "get_profile") -> Any:
    return klaviyo_async.operations[name]


@pytest.mark.parametrize(
    ("status", "name", "said"),
    [
        (401, "get_profile", "the api_key argument"),
        (401, "create_client_event", "check that this is the account's public API key"),
        (403, "get_profile", "profiles:read"),
        (403, "create_client_event", "company_id"),
        (410, "get_profile", "Revision 2026-04-15"),
        (413, "bulk_import_profiles", "10,000 rows, 5,000,000 bytes"),
        (413, "get_profile", "Send less"),
        (429, "get_profile", "max_retries"),
    ],
)
def test_messages_say_what_to_do(status: int, name: str, said: str) -> None:
    error = error_of(
        _operation(name), status=status, headers={}, body=b"", credential="the api_key argument", revision="2026-04-15"
    )
    assert said in str(error)


def test_a_duplicate_profile_is_named() -> None:
    error = error_of(
        _operation(), status=409, headers={}, body=body({"meta": {}}, {"meta": {"duplicate_profile_id": "01X"}})
    )
    assert isinstance(error, Conflict)
    assert error.duplicate_profile_id == "01X"
    other = error_of(_operation(), status=409, headers={}, body=b"")
    assert isinstance(other, Conflict)
    assert other.duplicate_profile_id is None


RECORDED = sorted(
    (Path(__file__).resolve().parents[2] / ".." / "shared" / "fixtures" / "recorded").glob("errors__*.json")
)


@pytest.mark.skipif(not RECORDED, reason="no recorded answers here")
@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
async def test_recorded_errors(server: RawServer, path: Path) -> None:
    record = json.loads(path.read_bytes())  # noqa: ASYNC240 - a small file
    told = record["response"]
    server.plan(reply(told["status"], json.dumps(told["body"]).encode(), **told["headers"] | {"content-type": "x"}))
    async with klaviyo_async.Klaviyo("pk_x", base_url=server.url, limiter=False, max_retries=0) as klaviyo:
        with pytest.raises(APIError) as caught:
            await klaviyo.request(record["request"]["method"], record["request"]["path"])
    error = caught.value
    assert type(error) is BY_STATUS[told["status"]]
    assert len(error.errors) == len(told["body"]["errors"])
    for found, expected in zip(error.errors, told["body"]["errors"], strict=True):
        assert (found.id, found.status, found.code, found.title, found.detail) == tuple(
            expected.get(key) for key in ("id", "status", "code", "title", "detail")
        )
        assert found.source.pointer or found.source.parameter
        assert found.additional == found.source.additional == {}
        assert (found.links, found.meta) == (expected.get("links", {}), expected.get("meta", {}))
        assert found.detail is not None
        assert found.detail in str(error)
    if isinstance(error, RateLimited):
        assert error.retry_after == int(told["headers"]["retry-after"])


EVERY: list[KlaviyoError] = [
    KlaviyoError("plain"),
    ConfigurationError("c"),
    QueryError("q", operation="get_profile", problems=[Problem("sort", "a"), Problem("filter", "b")]),
    PaginationError("p"),
    WebhookSignatureError("w"),
    CheckpointError("c"),
    DecodeError("get_profile", status=200, headers={"Content-Type": "text/html"}, body=b"<html>", reason="no JSON"),
    TransportError("t", operation="x", sent=None),
    RequestTimeout("t", operation="x", sent=True, attempts=3),
    ConnectionFailed("t", operation="x", sent=False),
    RateLimitWait(seconds=12.5, operation="get_profile"),
    *(
        error_of(
            _operation(),
            status=status,
            headers={"Retry-After": "3"},
            body=body(FULL),
            retry_after=3.0,
            attempts=2,
            waited=1.5,
        )
        for status in BY_STATUS
    ),
]


@pytest.mark.parametrize("error", EVERY, ids=lambda error: f"{type(error).__name__}{getattr(error, 'status', '')}")
def test_they_pickle_and_copy(error: KlaviyoError) -> None:
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(other) is type(error)
        assert str(other) == str(error)
        assert other.args == error.args
        assert vars(other) == vars(error)


def test_every_error_is_tested_and_at_the_top_level() -> None:
    declared = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, KlaviyoError)}
    assert {type(error) for error in EVERY} == declared
    for kind in declared:
        assert getattr(klaviyo_async, kind.__name__) is kind
        assert kind.__name__ in klaviyo_async.__all__


def test_the_tree() -> None:
    assert issubclass(QueryError, ValueError)
    assert RequestTimeout.__base__ is ConnectionFailed.__base__ is TransportError
    for kind in (
        BadRequest,
        Unauthorized,
        Forbidden,
        NotFound,
        Conflict,
        Gone,
        PayloadTooLarge,
        RateLimited,
        ServerError,
    ):
        assert kind.__base__ is APIError
    assert ErrorObject(code="x", detail="y", source=ErrorSource(parameter="sort")).__str__() == "x: y (parameter sort)"


async def test_every_text_can_be_printed(server: RawServer, klaviyo: Klaviyo) -> None:
    server.plan(reply(400, b'{"errors":[{"code":"x\\ud800","detail":"lone \\udfff"}]}'))
    with pytest.raises(BadRequest) as caught:
        await klaviyo.profiles.get_profile("01")
    assert str(caught.value).encode() == str(caught.value).encode("utf-8", "strict")
    assert "\\udfff" in str(caught.value)


@pytest.mark.parametrize("depth", [100, 400, 900, 100_000])
def test_a_deeply_nested_error_pickles(depth: int) -> None:
    body = b'{"errors":[{"code":"deep","meta":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}]}"
    error = BadRequest("get_profile", status=400, body=body)
    loaded = pickle.loads(pickle.dumps(error))
    assert (loaded.code, loaded.body, str(loaded)) == (error.code, body, str(error))
    assert copy.copy(error).code == error.code


async def test_an_errors_document_in_a_200_keeps_its_status(server: RawServer, klaviyo: Klaviyo) -> None:
    server.plan(reply(200, b'{"errors":[{"status":"404","detail":"gone"}]}'))
    with pytest.raises(NotFound) as caught:
        await klaviyo.profiles.get_profile("01")
    assert caught.value.status == 200
