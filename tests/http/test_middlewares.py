"""Middlewares: once for each attempt, immutable requests, answers of every status."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
from typing import Any

import pytest
from attrs.exceptions import FrozenInstanceError

from klaviyo_async import ConfigurationError, Http, Klaviyo, NotFound, RateLimited, Request, RequestTimeout, Response
from tests.http.wire import PROFILE, Recorder
from tests.support.servers import RawServer, reply


def client(server: RawServer, *middlewares: Any, limiter: Any = False, **settings: Any) -> Klaviyo:
    return Klaviyo("pk_x", base_url=server.url, limiter=limiter, middlewares=middlewares, **settings)


async def test_they_nest_and_run_for_each_attempt(server: RawServer, naps: list[float]) -> None:
    said: list[str] = []

    def named(name: str) -> Any:
        async def middleware(request: Request, call_next: Any) -> Response:
            said.append(f"{name} {request.operation.name} {request.attempt}")
            response = await call_next(request)
            said.append(f"{name} {response.status}")
            return response

        return middleware

    server.plan(reply(503), reply(200, PROFILE))
    async with client(server, named("outer"), named("inner")) as klaviyo:
        document = await klaviyo.profiles.get_profile("01")
    assert said == [
        "outer get_profile 1", "inner get_profile 1", "inner 503", "outer 503",
        "outer get_profile 2", "inner get_profile 2", "inner 200", "outer 200",
    ]  # fmt: skip
    assert document.http.attempts == 2


async def test_what_a_request_tells(server: RawServer, naps: list[float]) -> None:
    seen: list[Request] = []

    async def look(request: Request, call_next: Any) -> Response:
        seen.append(request)
        return await call_next(request)

    server.plan(reply(429, Retry_After="3"), reply(201, PROFILE))
    async with client(server, look, limiter=Recorder(waits=1.5)) as klaviyo:
        await klaviyo.profiles.create_profile(email="a@x.com")
    first, second = seen
    assert (first.method, first.url, first.attempt, first.waited) == ("POST", f"{server.url}/api/profiles", 1, 1.5)
    assert isinstance(first.body, bytes)
    assert json.loads(first.body)["data"]["attributes"] == {"email": "a@x.com"}
    assert first.headers["Content-Type"] == "application/vnd.api+json"
    assert "authorization" not in first.headers
    assert second.attempt == 2
    assert second.waited == pytest.approx(3.0 + naps[0])
    with pytest.raises(FrozenInstanceError):
        first.url = "https://evil.example"  # pyright: ignore[reportAttributeAccessIssue]


async def test_a_request_can_be_replaced(server: RawServer) -> None:
    async def add(request: Request, call_next: Any) -> Response:
        return await call_next(
            request.replace(
                headers={**request.headers, "X-Trace": "1", "ACCEPT": "text/plain"}, url=request.url + "?a=1"
            )
        )

    server.plan(reply(200, PROFILE))
    async with client(server, add) as klaviyo:
        await klaviyo.profiles.get_profile("01")
    (request,) = server.requests
    assert (request.headers["x-trace"], request.headers["accept"]) == ("1", "text/plain")
    assert request.target.endswith("?a=1")
    assert request.headers["authorization"] == "Klaviyo-API-Key pk_x"


async def test_a_middleware_may_authorise_by_itself(server: RawServer) -> None:
    async def mine(request: Request, call_next: Any) -> Response:
        return await call_next(request.replace(headers={**request.headers, "authorization": "Bearer mine"}))

    server.plan(reply(200, PROFILE))
    async with client(server, mine) as klaviyo:
        await klaviyo.profiles.get_profile("01")
    assert server.requests[0].headers["authorization"] == "Bearer mine"


async def test_a_response_can_be_replaced_and_errors_are_responses(server: RawServer) -> None:
    async def forgive(request: Request, call_next: Any) -> Response:
        response = await call_next(request)
        assert response.status == 404
        assert response.json() == {"errors": []}
        assert response.request_id == "r"
        return response.replace(status=200, body=PROFILE)

    server.plan(reply(404, b'{"errors":[]}', X_Klaviyo_Req_Id="r"))
    async with client(server, forgive) as klaviyo:
        document = await klaviyo.profiles.get_profile("01")
    assert document.http == Http(200, document.http.headers, "r", 1, 0.0)


async def test_one_that_answers_by_itself_costs_nothing(server: RawServer, recorder: Recorder) -> None:
    async def cache(request: Request, call_next: Any) -> Response:
        return Response(status=200, body=PROFILE)

    async with client(server, cache, limiter=recorder) as klaviyo:
        assert (await klaviyo.profiles.get_profile("01")).data.id == "01"
    assert server.requests == []
    assert recorder.fates == ["unsent"]


async def test_one_that_sends_twice_takes_two_permits(server: RawServer, recorder: Recorder) -> None:
    async def twice(request: Request, call_next: Any) -> Response:
        await call_next(request)
        return await call_next(request)

    server.plan(reply(200, PROFILE))
    async with client(server, twice, limiter=recorder) as klaviyo:
        await klaviyo.profiles.get_profile("01")
    assert recorder.fates == [200, 200]
    assert len(server.requests) == 2


async def test_its_exceptions_come_out_as_they_are(server: RawServer, recorder: Recorder) -> None:
    async def before(request: Request, call_next: Any) -> Response:
        raise LookupError("before")

    async def after(request: Request, call_next: Any) -> Response:
        await call_next(request)
        raise LookupError("after")

    server.plan(reply(200, PROFILE))
    for middleware, fate in ((before, "unsent"), (after, 200)):
        async with client(server, middleware, limiter=recorder) as klaviyo:
            with pytest.raises(LookupError, match=middleware.__name__):
                await klaviyo.profiles.get_profile("01")
        assert recorder.fates[-1] == fate


async def test_it_sees_failures_of_the_connection(server: RawServer, naps: list[float]) -> None:
    seen: list[BaseException] = []

    async def look(request: Request, call_next: Any) -> Response:
        try:
            return await call_next(request)
        except RequestTimeout as error:
            seen.append(error)
            raise

    async def stall(*_: Any) -> bool:
        await asyncio.sleep(9)
        return True

    server.plan(stall, reply(200, PROFILE))
    async with client(server, look, timeout=0.1) as klaviyo:
        await klaviyo.profiles.get_profile("01")
    assert len(seen) == 1


async def test_one_that_raises_an_api_error_is_not_retried(server: RawServer) -> None:
    async def strict(request: Request, call_next: Any) -> Response:
        raise RateLimited(request.operation.name, status=429)

    async with client(server, strict) as klaviyo:
        with pytest.raises(RateLimited):
            await klaviyo.profiles.get_profile("01")


async def test_what_is_no_middleware(server: RawServer) -> None:
    async def forgetful(request: Request, call_next: Any) -> None:
        await call_next(request)

    server.plan(reply(404))
    with pytest.raises(ConfigurationError, match="must be a list"):
        Klaviyo("pk_x", middlewares=forgetful)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigurationError, match="async def middleware"):
        Klaviyo("pk_x", middlewares=["log"])  # pyright: ignore[reportArgumentType]
    async with client(server, forgetful) as klaviyo:
        with pytest.raises(ConfigurationError, match="returned NoneType: it must return the Response"):
            await klaviyo.profiles.get_profile("01")


async def test_request_and_pages_go_through_them(server: RawServer) -> None:
    names: list[str] = []

    async def look(request: Request, call_next: Any) -> Response:
        names.append(request.operation.name)
        return await call_next(request)

    server.plan(reply(200, b'{"data":[],"links":{"next":null}}'))
    async with client(server, look) as klaviyo:
        await klaviyo.request("GET", "/api/lists")
        assert [item async for item in klaviyo.profiles.get_profiles()] == []
    assert names == ["get_lists", "get_profiles"]


async def test_a_404_after_a_middleware_is_an_error(server: RawServer) -> None:
    async def passing(request: Request, call_next: Any) -> Response:
        return await call_next(request)

    server.plan(reply(404))
    async with client(server, passing) as klaviyo:
        with pytest.raises(NotFound):
            await klaviyo.profiles.get_profile("01")


@pytest.mark.parametrize("body", ["text", None, {"data": []}, bytearray(b"{}")])
async def test_a_body_that_is_not_bytes(server: RawServer, body: Any) -> None:
    async def own(request: Request, call_next: Any) -> Response:
        return Response(status=200, body=body)

    async with client(server, own) as klaviyo:
        with pytest.raises(ConfigurationError, match=rf"body is {type(body).__name__}: it must be bytes"):
            await klaviyo.profiles.get_profile("01")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"body": '{"data":{}}'}, "body is str: it must be bytes"),
        ({"body": {"data": {}}}, "body is dict: it must be bytes"),
        ({"url": "/api/profiles"}, "url is '/api/profiles': it must be absolute"),
        ({"url": None}, "url is None: it must be absolute"),
        ({"method": 5}, "method is 5: it must be a str"),
        ({"headers": {"X-Shop": 5}}, "header X-Shop is not a str"),
    ],
)
async def test_a_request_that_can_not_be_sent(
    server: RawServer, recorder: Recorder, changes: dict[str, Any], told: str
) -> None:
    async def own(request: Request, call_next: Any) -> Response:
        return await call_next(request.replace(**changes))

    server.plan(reply(200, PROFILE))
    async with client(server, own, limiter=recorder) as klaviyo:
        with pytest.raises(ConfigurationError, match=told):
            await klaviyo.profiles.create_profile(email="a@x.com")
    assert server.requests == []
    assert recorder.fates == ["unsent"]


async def test_what_is_no_request_no_status_and_no_coroutine(server: RawServer) -> None:
    async def no_request(request: Request, call_next: Any) -> Response:
        return await call_next({"url": request.url})

    async def no_status(request: Request, call_next: Any) -> Response:
        return Response(status="200")  # type: ignore[arg-type]

    def not_async(request: Request, call_next: Any) -> int:
        return 5

    server.plan(reply(200, PROFILE))
    for middleware, told in (
        (no_request, "call_next with dict"),
        (no_status, "status is '200': it must be an int"),
        (not_async, "not_async.* is not async"),
    ):
        async with client(server, middleware) as klaviyo:
            with pytest.raises(ConfigurationError, match=told):
                await klaviyo.profiles.get_profile("01")
    assert server.requests == []


async def test_counts_by_operation(server: RawServer) -> None:
    """An operation is a key, as whoever counts or times calls wants it."""
    calls: dict[Any, int] = {}

    async def count(request: Request, call_next: Any) -> Response:
        calls[request.operation] = calls.get(request.operation, 0) + 1
        return await call_next(request)

    server.plan(reply(200, PROFILE))
    async with client(server, count) as klaviyo:
        for _ in range(2):
            await klaviyo.profiles.get_profile("01")
        await klaviyo.request("GET", "/api/things")
    assert [(operation.name, times) for operation, times in calls.items()] == [
        ("get_profile", 2), ("GET /api/things", 1),
    ]  # fmt: skip


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
async def test_what_a_middleware_sees_can_be_kept(server: RawServer, copied: Any) -> None:
    """For whoever records requests, or sends them to another process to be looked at."""
    seen: list[Any] = []

    async def record(request: Request, call_next: Any) -> Response:
        response = await call_next(request)
        seen.append((request, response))
        return response

    server.plan(reply(200, PROFILE))
    async with client(server, record) as klaviyo:
        await klaviyo.profiles.create_profile(email="a@x.com")
        await klaviyo.request("GET", "/api/things")
    for each in seen:
        assert copied(each) == each
