"""docs/contract.md, section 7: errors and retries."""

from __future__ import annotations

import asyncio
import copy
import pickle
from typing import Any

import pytest
from aiohttp import web

import klaviyo_async
from klaviyo_async import (
    APIError,
    BadRequest,
    ConfigurationError,
    Conflict,
    ConnectionFailed,
    DecodeError,
    F,
    Filter,
    Forbidden,
    Gone,
    Klaviyo,
    KlaviyoError,
    NotFound,
    PaginationError,
    PayloadTooLarge,
    QueryError,
    RateLimited,
    RateLimitWait,
    RequestOptions,
    RequestTimeout,
    ServerError,
    TransportError,
    Unauthorized,
    WebhookSignatureError,
    operations,
)
from tests.contract.wire import errors
from tests.support.servers import WebServer, document

BY_STATUS = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    413: PayloadTooLarge,
    429: RateLimited,
    500: ServerError,
    502: ServerError,
    503: ServerError,
    504: ServerError,
    524: ServerError,
}
UNTYPED: Any = F
"""For what type checkers refuse already, and what is refused when it runs all the same."""
ONCE = RequestOptions(max_retries=0)


def test_the_tree() -> None:
    for error in (
        ConfigurationError,
        QueryError,
        PaginationError,
        WebhookSignatureError,
        DecodeError,
        TransportError,
        RateLimitWait,
        APIError,
    ):
        assert error.__bases__[0] is KlaviyoError
    assert issubclass(QueryError, ValueError)
    assert RequestTimeout.__bases__ == ConnectionFailed.__bases__ == (TransportError,)
    assert all(issubclass(error, APIError) for error in BY_STATUS.values())
    assert issubclass(KlaviyoError, Exception)
    assert not issubclass(RateLimitWait, APIError)


@pytest.mark.parametrize("status", BY_STATUS)
async def test_by_status_with_every_attribute(server: WebServer, client: Klaviyo, status: int) -> None:
    made = lambda: errors(  # noqa: E731
        status, "a_code", {"X-Klaviyo-Req-Id": "req-1", "Retry-After": "7"}, meta={"duplicate_profile_id": "01H"}
    )
    server.handler = lambda _: made()
    server_body = made().body
    with pytest.raises(APIError) as caught:
        await client.profiles.create_profile(email="a@x.com", options=ONCE)
    error = caught.value
    assert type(error) is BY_STATUS[status]
    assert error.status == status
    assert error.code == "a_code"
    assert error.detail == "A detail."
    assert error.request_id == "req-1"
    assert error.headers["retry-after"] == "7"
    assert error.headers["Retry-After"] == "7"
    assert error.body == server_body
    assert error.operation == "create_profile"
    (one,) = error.errors
    assert (one.code, one.title, one.detail, one.status) == ("a_code", "A title", "A detail.", status)
    assert one.source.pointer == "/data/attributes/email"
    assert one.id is not None
    assert one.id.startswith("3a1c7e50")
    for word in ("create_profile", str(status), "A detail.", "req-1"):
        assert word in str(error), word
    if isinstance(error, Conflict):
        assert error.duplicate_profile_id == "01H"
    if isinstance(error, RateLimited):
        assert error.retry_after == 7
    for clone in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(clone) is type(error)
        assert str(clone) == str(error)
        assert (clone.status, clone.code, clone.errors, clone.body, clone.request_id) == (
            error.status,
            error.code,
            error.errors,
            error.body,
            error.request_id,
        )
        assert clone.headers["RETRY-AFTER"] == "7"


@pytest.mark.parametrize("status", [402, 405, 406, 415, 418, 422, 451])
async def test_other_4xx_are_plain_api_errors(server: WebServer, client: Klaviyo, status: int) -> None:
    server.handler = lambda _: errors(status)
    with pytest.raises(APIError) as caught:
        await client.profiles.get_profile("1")
    assert type(caught.value) is APIError
    assert caught.value.status == status
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "text/plain"),
        (b"<html><h1>Attention Required! | Cloudflare</h1></html>", "text/html"),
        (b"\xff\xfe\x00", "application/octet-stream"),
        (b"null", "application/json"),
        (b"[]", "application/json"),
        (b'"text"', "application/json"),
        (b"5", "application/json"),
        (b'{"errors": null}', "application/json"),
        (b'{"errors": "x"}', "application/json"),
        (b'{"errors": [null, 5, {}, {"detail": 5, "source": "x", "meta": []}]}', "application/json"),
        (b'{"detail": "x"}', "application/json"),
        (b'{"errors": [{"detail": "half', "application/json"),
    ],
)
@pytest.mark.parametrize("status", [400, 403, 409, 429, 500])
async def test_any_body_is_an_error_of_its_status(
    server: WebServer, client: Klaviyo, body: bytes, kind: str, status: int
) -> None:
    server.handler = lambda _: web.Response(status=status, body=body, content_type=kind)
    with pytest.raises(BY_STATUS[status]) as caught:
        await client.profiles.create_profile(email="a@x.com", options=ONCE)
    error = caught.value
    assert error.body == body
    assert error.status == status
    assert str(status) in str(error)
    pickle.loads(pickle.dumps(error))
    for one in error.errors:
        assert one.code is None or isinstance(one.code, str)
    if status == 409:
        assert error.duplicate_profile_id is None
    if status == 429:
        assert error.retry_after is None


def _all_errors() -> list[KlaviyoError]:
    found: list[KlaviyoError] = [
        ConfigurationError("x"),
        PaginationError("x"),
        WebhookSignatureError("x"),
        RateLimitWait(seconds=1.5),
        DecodeError("op", status=200, body=b"x"),
        RequestTimeout("x", operation="op"),
        ConnectionFailed("x", operation="op", sent=True, attempts=3),
    ]
    for call in (lambda: UNTYPED("a") | 1, lambda: Filter.parse("x("), lambda: Klaviyo("")):
        try:
            call()
        except KlaviyoError as error:
            found.append(error)
    return found


@pytest.mark.parametrize("error", _all_errors(), ids=lambda error: type(error).__name__)
def test_all_of_them_pickle(error: KlaviyoError) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        clone = pickle.loads(pickle.dumps(error, protocol))
        assert type(clone) is type(error)
        assert str(clone) == str(error)
        assert vars(clone) == vars(error)
    assert pickle.loads(pickle.dumps(RateLimitWait(seconds=2.5))).seconds == 2.5


# -- retries ------------------------------------------------------------------------------------------------------------


CALLS: dict[str, Any] = {
    "get": lambda klaviyo: klaviyo.profiles.get_profile("1"),
    "delete": lambda klaviyo: klaviyo.lists.delete_list("1"),
    "patch": lambda klaviyo: klaviyo.profiles.update_profile("1", first_name="x"),
    "membership": lambda klaviyo: klaviyo.lists.add_profiles_to_list("1", ["2"]),
    "upsert": lambda klaviyo: klaviyo.profiles.create_or_update_profile(email="a@x.com"),
    "event with unique_id": lambda klaviyo: klaviyo.events.create_event(
        metric={"name": "x"}, profile={"email": "a@x.com"}, properties={}, unique_id="1"
    ),
    "event with unique_id in a body": lambda klaviyo: klaviyo.events.create_event(
        {"data": {"type": "event", "attributes": {"unique_id": "1", "properties": {}, "metric": {}, "profile": {}}}},
        options=RequestOptions(validate=False),
    ),
}
UNSAFE: dict[str, Any] = {
    "event": lambda klaviyo: klaviyo.events.create_event(
        metric={"name": "x"}, profile={"email": "a@x.com"}, properties={}
    ),
    "create": lambda klaviyo: klaviyo.profiles.create_profile(email="a@x.com"),
    "send": lambda klaviyo: klaviyo.campaigns.send_campaign(id="1"),
    "raw": lambda klaviyo: klaviyo.request("POST", "/api/things", json={}),
}
OK = {"data": {"type": "profile", "id": "1", "attributes": {}}}


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("name", [*CALLS, *UNSAFE])
async def test_retried_for_every_operation(
    server: WebServer, client: Klaviyo, naps: list[float], name: str, status: int
) -> None:
    left = [status, status]
    server.handler = lambda _: errors(left.pop()) if left else document(OK)
    await {**CALLS, **UNSAFE}[name](client)
    assert len(server.requests) == 3
    assert server.requests[0].body == server.requests[2].body
    assert len(naps) == 2


@pytest.mark.parametrize("failure", [504, 524, "reset", "timeout"])
@pytest.mark.parametrize("name", [*CALLS, *UNSAFE])
async def test_retried_only_where_safe(server: WebServer, naps: list[float], name: str, failure: int | str) -> None:
    left = [failure]

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        if not left:
            return document(OK)
        found = left.pop()
        if found == "reset":
            assert request.transport is not None
            request.transport.abort()
            return document({})
        if found == "timeout":
            await asyncio.sleep(0.6)
            return document({})
        return errors(int(found))

    server.handler = handler
    async with Klaviyo("pk_1", base_url=server.url, limiter=False, timeout=0.2) as klaviyo:
        if name in CALLS:
            await CALLS[name](klaviyo)
            assert len(server.requests) == 2
        else:
            with pytest.raises((ServerError, TransportError)) as caught:
                await UNSAFE[name](klaviyo)
            assert len(server.requests) == 1
            if failure == "timeout":
                assert isinstance(caught.value, RequestTimeout)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 413])
async def test_not_retried(server: WebServer, client: Klaviyo, naps: list[float], status: int) -> None:
    server.handler = lambda _: errors(status)
    with pytest.raises(BY_STATUS[status]):
        await client.profiles.get_profile("1")
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [500, 502, 504, 520, 524])
async def test_failures_of_the_server_are_retried_where_that_is_safe(
    server: WebServer, client: Klaviyo, naps: list[float], status: int
) -> None:
    server.handler = lambda _: errors(status)
    with pytest.raises(BY_STATUS.get(status, ServerError)):
        await client.profiles.get_profile("1")
    assert len(server.requests) == 6
    with pytest.raises(BY_STATUS.get(status, ServerError)):
        await client.lists.create_list(name="VIP")
    assert len(server.requests) == 7


async def test_the_number_of_retries(server: WebServer, client: Klaviyo, naps: list[float]) -> None:
    server.handler = lambda _: errors(429)
    with pytest.raises(RateLimited):
        await client.profiles.get_profile("1")
    assert len(server.requests) == 6
    with pytest.raises(RateLimited):
        await client.profiles.get_profile("1", options=RequestOptions(max_retries=2))
    assert len(server.requests) == 9


async def test_full_jitter_exponential(server: WebServer, client: Klaviyo, naps: list[float]) -> None:
    server.handler = lambda _: errors(503)
    for _ in range(30):
        with pytest.raises(ServerError):
            await client.profiles.get_profile("1")
    by_attempt = [naps[index::5] for index in range(5)]
    highest = [max(found) for found in by_attempt]
    assert highest == sorted(highest)
    assert min(naps) < 0.1  # full jitter: from zero on
    assert highest[4] > 4 * highest[0] > 0


async def test_retry_after_is_obeyed(server: WebServer, client: Klaviyo, naps: list[float]) -> None:
    left = [503, 429]
    server.handler = lambda _: errors(left.pop(), headers={"Retry-After": "3"}) if left else document(OK)
    found = await client.profiles.get_profile("1")
    assert len(naps) == 2
    assert all(3 <= nap < 4 for nap in naps)
    assert found.http.attempts == 3


async def test_retry_after_in_real_time(server: WebServer) -> None:
    left = [429]
    server.handler = lambda _: errors(left.pop(), headers={"Retry-After": "1"}) if left else document(OK)
    async with Klaviyo("pk_real_time", base_url=server.url) as klaviyo:
        before = asyncio.get_running_loop().time()
        found = await klaviyo.profiles.get_profile("1")
        took = asyncio.get_running_loop().time() - before
    assert 1 <= took < 3
    assert 0.9 <= found.http.waited <= took


async def test_a_success_that_is_no_json(server: WebServer, client: Klaviyo) -> None:
    server.handler = lambda _: web.Response(body=b"<html>", content_type="text/html", headers={"x-klaviyo-req-id": "r"})
    with pytest.raises(DecodeError) as caught:
        await client.profiles.get_profile("1")
    assert "get_profile" in str(caught.value)
    assert caught.value.body == b"<html>"


def test_what_the_table_says_is_what_is_done() -> None:
    for name in ("create_profile", "send_campaign", "create_list", "bulk_subscribe_profiles"):
        assert operations[name].safe_to_repeat is False
    for name in ("get_profile", "delete_list", "update_profile", "add_profiles_to_list", "create_or_update_profile"):
        assert operations[name].safe_to_repeat is True
    assert operations["create_event"].safe_to_repeat is not True


def test_errors_are_at_the_top() -> None:
    for error in {*BY_STATUS.values(), APIError, KlaviyoError, TransportError}:
        assert getattr(klaviyo_async, error.__name__) is error
        assert getattr(klaviyo_async.errors, error.__name__) is error
