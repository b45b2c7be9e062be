"""The direct way: it sends what the usual way sends, stands aside for whatever isn't stock, and survives odd servers."""

from __future__ import annotations

import asyncio
import functools
import socket
import warnings
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

import klaviyo_async
from klaviyo_async import ConnectionFailed, DecodeError, Klaviyo, RequestOptions, ServerError
from klaviyo_async._http.direct import LARGEST, Direct
from klaviyo_async._http.usual import TrackedRequest
from klaviyo_async.middleware import Request
from tests.http.test_faults import EVENT, hang_up, reset
from tests.http.wire import PROFILE, Recorder
from tests.support.servers import RawServer, Received, reply

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def took_direct(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The methods of the requests that took the direct way."""
    taken: list[str] = []
    send = Direct.send

    async def noted(self: Direct, request: Any, *rest: Any) -> Any:
        taken.append(request.method)
        return await send(self, request, *rest)

    monkeypatch.setattr(Direct, "send", noted)
    return taken


async def calls(klaviyo: Klaviyo) -> None:
    options = RequestOptions(headers={"X-Own": "tab\tand ümlaut"})
    await klaviyo.profiles.get_profile("$custom:::a/b", fields={"profile": ["email"]}, options=options)
    await klaviyo.profiles.create_profile(email="a@x.com")
    await klaviyo.profiles.update_profile("01", email="b@x.com")
    await klaviyo.lists.delete_list("L")
    await klaviyo.lists.remove_profiles_from_list("L", ["01"])
    await klaviyo.request("POST", "/api/nothing")


async def test_both_ways_send_the_same(
    server: RawServer, monkeypatch: pytest.MonkeyPatch, took_direct: list[str]
) -> None:
    server.plan(reply(200, PROFILE))
    for direct in (True, False):
        monkeypatch.setattr("klaviyo_async._http.transport.DIRECT", direct)
        async with Klaviyo("pk_x", base_url=server.url, limiter=False, headers={"User-Agent": "shop/1"}) as klaviyo:
            await calls(klaviyo)
    first, second = server.requests[:6], server.requests[6:]
    for one, other in zip(first, second, strict=True):
        assert (one.method, one.target, one.body) == (other.method, other.target, other.body)
        assert sorted(one.headers.items()) == sorted(other.headers.items())
    assert took_direct == ["GET", "POST", "PATCH", "DELETE", "DELETE"]


with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # discouraged, and done all the same

    class Subclassed(aiohttp.ClientSession):
        pass


class SubclassedConnector(aiohttp.TCPConnector):
    pass


class SubclassedResponse(aiohttp.ClientResponse):
    pass


async def _middleware(request: Any, handler: Callable[..., Any]) -> Any:
    return await handler(request)


def _jar() -> aiohttp.CookieJar:
    jar = aiohttp.CookieJar(unsafe=True)
    jar.update_cookies({"a": "b"})
    return jar


UNUSUAL: dict[str, Callable[[], aiohttp.ClientSession]] = {
    "a subclass": lambda: Subclassed(cookie_jar=aiohttp.DummyCookieJar()),
    "a connector of another class": lambda: plain(connector=SubclassedConnector()),
    "responses of another class": lambda: plain(response_class=SubclassedResponse),
    "cookies": lambda: aiohttp.ClientSession(cookie_jar=_jar()),
    "headers of its own": lambda: plain(headers={"X-Mine": "1"}),
    "HTTP/1.0": lambda: plain(version=aiohttp.HttpVersion10),
    "tracing": lambda: plain(trace_configs=[aiohttp.TraceConfig()]),
    "an environment that is trusted": lambda: plain(trust_env=True),
    "no default Accept-Encoding": lambda: plain(skip_auto_headers=["Accept-Encoding"]),
    "connections that close": lambda: plain(connector=aiohttp.TCPConnector(force_close=True)),
}
if "middlewares" in aiohttp.ClientSession.__init__.__code__.co_varnames:
    UNUSUAL["middlewares"] = lambda: plain(middlewares=[_middleware])


def plain(**options: Any) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(**{"cookie_jar": aiohttp.DummyCookieJar(), **options})


@pytest.mark.parametrize("unusual", UNUSUAL)
async def test_a_session_that_is_not_stock_takes_the_usual_way(
    server: RawServer, took_direct: list[str], unusual: str
) -> None:
    server.plan(reply(200, PROFILE))
    async with UNUSUAL[unusual]() as session, Klaviyo("pk_x", base_url=server.url, session=session) as klaviyo:
        await klaviyo.profiles.get_profile("01")
    assert len(server.requests) == 1
    assert took_direct == []


async def test_a_stock_session_of_the_callers_takes_the_direct_one(
    server: RawServer, took_direct: list[str], way: str
) -> None:
    server.plan(reply(200, PROFILE))
    async with plain() as session:
        async with Klaviyo("pk_x", base_url=server.url, session=session, limiter=False) as klaviyo:
            await klaviyo.profiles.get_profile("01")
            assert took_direct == (["GET"] if way == "direct" else [])
            # Patched while it is in use, as a mock does it.
            session.trace_configs.append(aiohttp.TraceConfig())
            session.trace_configs[0].freeze()
            await klaviyo.profiles.get_profile("01")
        assert len(took_direct) <= 1
        assert not session.closed


@pytest.mark.parametrize("name", ["_request", "request"])
async def test_a_patch_takes_the_usual_way(
    server: RawServer, klaviyo: Klaviyo, took_direct: list[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    server.plan(reply(200, PROFILE))
    await klaviyo.profiles.get_profile("01")
    before = len(took_direct)
    original = getattr(aiohttp.ClientSession, name)
    seen: list[Any] = []

    @functools.wraps(original)
    def patched(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(args)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(aiohttp.ClientSession, name, patched)
    await klaviyo.profiles.get_profile("01")
    assert len(seen) == 1
    # And where it was there before the session was.
    async with Klaviyo("pk_x", base_url=server.url, limiter=False) as later:
        await later.profiles.get_profile("01")
    assert len(seen) == 2
    assert len(took_direct) == before


@pytest.mark.parametrize("name", ["set_response_params", "start_timeout", "should_close"])
async def test_a_missing_private_name_takes_the_usual_way(
    server: RawServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    class Other:
        read = None

    async with plain() as session:
        assert Direct.of(session, server.url) is not None
        monkeypatch.setattr("klaviyo_async._http.aiohttp_internals.ResponseHandler", Other)
        assert Direct.of(session, server.url) is None
        monkeypatch.undo()
        monkeypatch.delattr(session, "_default_proxy")
        assert Direct.of(session, server.url) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"headers": {"Expect": "100-continue"}}, {"headers": {"Transfer-Encoding": "chunked"}}, {"headers": {"Cookie": "a=b"}},
        {"headers": {"Connection": "close"}}, {"headers": {"Content-Encoding": "gzip"}}, {"headers": {"Host": "x"}},
        {"url": "http://127.0.0.1:1/x#y"}, {"url": "http://127.0.0.1:2/api/x"}, {"url": "http://127.0.0.1:1/a b"}, {"url": "http://127.0.0.1:1?x"}, {"method": "OPTIONS"}, {"body": b"x" * (LARGEST + 1), "method": "POST"},
        {"body": b"x", "headers": {}, "method": "POST"},
    ],
)  # fmt: skip
async def test_a_request_that_is_not_plain_takes_the_usual_way(changes: dict[str, Any]) -> None:
    url = "http://127.0.0.1:1"
    request = Request(
        method="POST",
        url=f"{url}/api/x",
        headers={"Content-Type": "application/json"},
        body=b"{}",
        operation=klaviyo_async.operations["get_list"],
    )
    async with plain() as session:
        direct = Direct.of(session, url)
        assert direct is not None
        head = direct.head(request)
        assert head is not None
        assert head.startswith(b"POST /api/x HTTP/1.1\r\nHost: 127.0.0.1:1\r\n")
        assert direct.head(request.replace(**changes)) is None


async def test_responses_ahead_of_the_response(server: RawServer, klaviyo: Klaviyo) -> None:
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    server.plan(early + reply(200, PROFILE))
    assert (await klaviyo.profiles.get_profile("01")).http.status == 200
    assert (await klaviyo.profiles.get_profile("01")).http.status == 200
    assert len(server.connections) == 1


async def test_head_has_no_body(server: RawServer) -> None:
    async def head(request: Any, call_next: Any) -> Any:
        return await call_next(request.replace(method="HEAD"))

    server.plan(reply(200, b"", length=500))
    async with Klaviyo("pk_x", base_url=server.url, limiter=False, middlewares=[head]) as klaviyo:
        for _ in range(2):
            assert await klaviyo.profiles.get_profile("01") is None
    assert len(server.connections) == 1


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_a_connection_that_the_server_closes_is_not_used_again(
    server: RawServer, klaviyo: Klaviyo, version: bytes
) -> None:
    server.plan(reply(200, PROFILE, Connection="close").replace(b"HTTP/1.1", b"HTTP/" + version))
    for _ in range(2):
        assert (await klaviyo.profiles.get_profile("01")).http.attempts == 1
    assert [len(connection.requests) for connection in server.connections] == [1, 1]


async def test_a_body_that_ends_with_the_connection(server: RawServer, klaviyo: Klaviyo) -> None:
    async def until_the_end(_request: Received, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + PROFILE)
        return True

    server.plan(until_the_end)
    assert (await klaviyo.profiles.get_profile("01")).data.id == "01"
    assert (await klaviyo.profiles.get_profile("01")).data.id == "01"


@pytest.mark.parametrize("ending", [hang_up, reset])
@pytest.mark.parametrize("pause", [0, 0.001, 0.05])
async def test_an_idle_connection_that_the_server_closes(
    server: RawServer, klaviyo: Klaviyo, recorder: Recorder, naps: list[float], ending: Any, pause: float
) -> None:
    async def close_after(request: Received, writer: asyncio.StreamWriter) -> bool:
        writer.write(reply(200, PROFILE))
        await writer.drain()
        await asyncio.sleep(pause)
        return bool(await ending(request, writer))

    server.plan(*[close_after, reply(200, PROFILE)] * 20)
    for _ in range(20):
        assert (await klaviyo.profiles.get_profile("01")).data.id == "01"
        await asyncio.sleep(pause)
    assert set(recorder.fates) <= {200, "lost", "unsent"}
    assert recorder.fates.count(200) == 20


async def test_what_comes_while_a_connection_is_idle_is_not_a_response(
    server: RawServer, klaviyo: Klaviyo, way: str
) -> None:
    if way == "usual":
        pytest.skip("aiohttp takes it for one")
    unasked = reply(200, PROFILE.replace(b'"01"', b'"99"'))

    async def twice(_request: Received, writer: asyncio.StreamWriter) -> bool:
        writer.write(reply(200, PROFILE))
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.write(unasked)
        await writer.drain()
        return False

    server.plan(twice)
    for _ in range(3):
        assert (await klaviyo.profiles.get_profile("01")).data.id == "01"
        await asyncio.sleep(0.05)
    assert len(server.connections) == 3


async def test_the_end_of_the_time_ends_the_body_of_an_error(server: RawServer, klaviyo: Klaviyo) -> None:
    async def endless(_request: Received, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nstart\r\n")
        await asyncio.sleep(30)
        return True

    server.plan(endless)
    task = asyncio.current_task()
    assert task is not None
    with pytest.raises(ServerError, match="start"):
        await klaviyo.profiles.get_profile("01", options=RequestOptions(timeout=0.2, max_retries=0))
    assert task.cancelling() == 0
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await klaviyo.profiles.get_profile("01", options=RequestOptions(timeout=5, max_retries=0))
    assert task.cancelling() == 0


def flood(status: int, encoding: str = "") -> Any:
    """A body without end."""

    async def script(_request: Received, writer: asyncio.StreamWriter) -> bool:
        writer.write(f"HTTP/1.1 {status} X\r\nTransfer-Encoding: chunked\r\n{encoding}\r\n".encode())
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        for _ in range(2000):
            writer.write(chunk)
            await writer.drain()
        return True

    return script


async def test_the_body_of_an_error_is_kept_up_to_a_megabyte(server: RawServer, klaviyo: Klaviyo) -> None:
    server.plan(flood(400))
    with pytest.raises(Exception, match="400") as caught:
        await klaviyo.profiles.get_profile("01")
    assert len(caught.value.body) == 2**20  # type: ignore[attr-defined]


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_success_that_is_too_large(
    server: RawServer, klaviyo: Klaviyo, recorder: Recorder, chunked: bool
) -> None:
    server.plan(flood(200) if chunked else reply(200, b"x" * 300_000))
    options = RequestOptions(max_response_bytes=200_000)
    with pytest.raises(DecodeError, match=r"over 200,000 bytes.*raise max_response_bytes") as caught:
        await klaviyo.profiles.get_profile("01", options=options)
    assert len(caught.value.body) <= 2**20
    assert caught.value.status == 200
    with pytest.raises(DecodeError):
        await klaviyo.with_options(max_response_bytes=200_000).request("GET", "/api/x")
    assert recorder.fates == [200, 200]
    session = klaviyo._session.transport.connections.own
    assert session is not None
    assert not session.connector._acquired  # type: ignore[union-attr]


async def test_a_small_body_that_is_too_large(server: RawServer, klaviyo: Klaviyo) -> None:
    server.plan(reply(200, PROFILE))
    with pytest.raises(DecodeError, match="over 20 bytes"):
        await klaviyo.profiles.get_profile("01", options=RequestOptions(max_response_bytes=20))


async def test_a_large_body_goes_out_without_a_warning(server: RawServer, klaviyo: Klaviyo) -> None:
    # pytest makes errors of warnings, aiohttp's ResourceWarning for large bytes included.
    server.plan(reply(202, content_type=None))
    await klaviyo.request("POST", "/api/x", json={"a": "x" * 3_000_000})
    (request,) = server.requests
    assert len(request.body) > 3_000_000
    assert request.headers["content-type"] == "application/vnd.api+json"
    assert request.headers["content-length"] == str(len(request.body))


async def test_a_connection_that_never_comes_is_known_to_be_unsent(recorder: Recorder, naps: list[float]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        async with Klaviyo("pk_x", base_url=url, limiter=recorder, max_retries=1) as klaviyo:
            with pytest.raises(ConnectionFailed) as caught:
                await klaviyo.events.create_event(**EVENT)
    assert caught.value.sent is False
    assert recorder.fates == ["unsent", "unsent"]


def test_the_tracked_request_is_what_plain_sessions_of_ours_have() -> None:
    assert issubclass(TrackedRequest, aiohttp.ClientRequest)
