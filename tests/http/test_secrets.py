"""The key and the tokens show nowhere: not in repr, logs, errors, pickles, tracebacks or other hosts' requests."""

from __future__ import annotations

import asyncio
import copy
import io
import logging
import pickle
import traceback
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from klaviyo_async import ConfigurationError, Klaviyo, KlaviyoError, QueryError, RequestOptions
from klaviyo_async._http.attempts import Attempts
from klaviyo_async.headers import Headers
from klaviyo_async.middleware import Request, Response
from tests.http.test_faults import BROKEN, STALLED, _closed_port
from tests.http.wire import PROFILE
from tests.support.servers import RawServer, reply

if TYPE_CHECKING:
    from yarl import URL

SECRET = "pk_3a7f_very_secret"
OPTIONS = RequestOptions(timeout=0.1, max_retries=0)


def everything(value: object, depth: int = 0) -> str:
    """All that a debugger, an error tracker or a careless print could show of an object."""
    shown = [repr(value)] if depth else [repr(value), str(value)]
    if depth < 5:
        inside = [*vars(value).values()] if hasattr(value, "__dict__") else []
        if isinstance(value, BaseException):
            inside += [*value.args, value.__cause__, value.__context__]
            shown += traceback.format_exception(value)
            frame = value.__traceback__
            while frame is not None:
                shown += [
                    f"{name}={local!r}"
                    for name, local in frame.tb_frame.f_locals.items()
                    if name not in {"SECRET", "base_url"}
                ]
                frame = frame.tb_next
        shown += [everything(item, depth + 1) for item in inside if item is not None]
    return "\n".join(shown)


def assert_hidden(*values: object, secret: str = SECRET) -> None:
    for value in values:
        assert secret not in everything(value)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    asyncio.get_event_loop_policy()
    return caplog


async def test_no_failure_shows_the_key(server: RawServer, log: pytest.LogCaptureFixture) -> None:
    faults = [
        *BROKEN.values(),
        *STALLED.values(),
        reply(401, b"{}", WWW_Authenticate="Klaviyo-API-Key"),
        reply(403),
        reply(503),
    ]
    faults += [reply(200, b"<html>"), reply(302, Location="https://elsewhere.example/"), reply(429, Retry_After="3")]
    targets = [server.url] * len(faults) + [f"http://127.0.0.1:{_closed_port()}", server.url.replace("http", "https")]
    asyncio.get_running_loop().set_debug(True)
    for fault, base_url in zip([*faults, faults[0], faults[0]], targets, strict=True):
        server.plan(fault)
        async with Klaviyo(SECRET, base_url=base_url, limiter=False) as klaviyo:
            with pytest.raises(KlaviyoError) as caught:
                await klaviyo.profiles.get_profile("01", options=OPTIONS)
        error = caught.value
        assert_hidden(error)
        assert SECRET.encode() not in pickle.dumps(error)
        assert_hidden(pickle.loads(pickle.dumps(error)), copy.deepcopy(error))
    asyncio.get_running_loop().set_debug(False)
    assert log.records
    assert SECRET not in log.text
    assert any(record.name == "klaviyo_async" and record.levelname == "DEBUG" for record in log.records)


async def test_nor_does_the_client(server: RawServer) -> None:
    server.plan(reply(200, PROFILE))
    seen: list[Any] = []

    async def look(request: Request, call_next: Any) -> Response:
        seen.append(request)
        response = await call_next(request)
        seen.append(response)
        return response

    async with Klaviyo(SECRET, base_url=server.url, limiter=False, middlewares=[look]) as klaviyo:
        document = await klaviyo.profiles.get_profile("01")
        assert server.requests[0].headers["authorization"].endswith(SECRET)
        assert_hidden(klaviyo, klaviyo.profiles, klaviyo._session, klaviyo._session.settings, *seen, document.http)
        assert SECRET.encode() not in pickle.dumps(document)
        for holder in (klaviyo, klaviyo._session.settings.auth):
            with pytest.raises(TypeError, match="can't be pickled"):
                pickle.dumps(holder)


def test_headers_black_secrets_out_and_do_not_pickle_them() -> None:
    headers = Headers({"Authorization": SECRET, "X-Other": "shown", "Set-Cookie": SECRET})
    assert headers["authorization"] == SECRET
    assert_hidden(headers)
    assert "shown" in repr(headers)
    assert SECRET.encode() not in pickle.dumps(headers)
    assert pickle.loads(pickle.dumps(headers)) == Headers({"x-other": "shown"})


async def test_a_redirect_takes_no_key_along(server: RawServer) -> None:
    other = RawServer()
    await other.start()
    other.plan(reply(200, PROFILE))
    server.plan(reply(302, Location=f"{other.url}/api/profiles/01"))
    async with Klaviyo(SECRET, base_url=server.url, limiter=False) as klaviyo:
        with pytest.raises(KlaviyoError):
            await klaviyo.profiles.get_profile("01")
    assert other.requests == []
    await other.stop()


async def test_a_middleware_that_sends_elsewhere_takes_no_key_along(server: RawServer) -> None:
    other = RawServer()
    await other.start()
    other.plan(reply(200, PROFILE))

    async def elsewhere(request: Request, call_next: Any) -> Response:
        return await call_next(request.replace(url=request.url.replace(server.url, other.url)))

    async with Klaviyo(SECRET, base_url=server.url, limiter=False, middlewares=[elsewhere]) as klaviyo:
        await klaviyo.profiles.get_profile("01")
    assert "authorization" not in other.requests[0].headers
    await other.stop()


async def test_an_origin_that_only_begins_alike_is_another(server: RawServer) -> None:
    klaviyo = Klaviyo(SECRET, base_url="https://a.klaviyo.com", limiter=False)
    prepared = klaviyo._session.prepare("get_profile", ("1",))
    attempts = Attempts(klaviyo._session, prepared, klaviyo._session.settings)
    for url in (
        "https://a.klaviyo.com.evil.example/api",
        "https://a.klaviyo.com@evil.example/",
        "http://a.klaviyo.com/api",
    ):
        request = Request(method="GET", url=url, headers=Headers(), operation=prepared.operation)
        assert await attempts._credential_for(request) is None


@pytest.mark.parametrize(
    "base_url",
    [
        "", "a.klaviyo.com", "ftp://a.klaviyo.com", "https://user:pw@a.klaviyo.com", "https://a.klaviyo.com/api",
        "https://a.klaviyo.com?x=1", "https://a.klaviyo.com#x", "https://", "https://a.klaviyo.com:99999", "/api", 7, None,
    ],
)  # fmt: skip
def test_base_urls_that_are_no_origin(base_url: Any) -> None:
    with pytest.raises(ConfigurationError, match="base_url must be an origin") as caught:
        Klaviyo(SECRET, base_url=base_url)
    assert "pw" not in str(caught.value)


def test_a_key_over_plain_http_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    Klaviyo(SECRET, base_url="http://klaviyo.example")
    Klaviyo(SECRET, base_url="http://127.0.0.1:80")
    Klaviyo(SECRET, base_url="https://A.Klaviyo.com/")
    assert [record.getMessage() for record in caplog.records] == [
        "base_url is http://klaviyo.example: the credential is sent there unencrypted."
    ]


@pytest.mark.parametrize("key", [SECRET, SECRET.upper(), f" {SECRET}"])
async def test_a_private_key_as_company_is_refused(server: RawServer, key: str) -> None:
    with pytest.raises(ConfigurationError, match="this is a private one") as caught:
        Klaviyo(SECRET, company_id=key)
    assert_hidden(str(caught.value))
    async with Klaviyo(SECRET, base_url=server.url) as klaviyo:
        with pytest.raises(QueryError, match="this is a private API key") as refused:
            await klaviyo.client.get_client_reviews(company_id=key)
    assert_hidden(str(refused.value))
    assert not server.requests


async def test_cookies_are_neither_kept_nor_sent(server: RawServer) -> None:
    server.plan(reply(200, PROFILE, Set_Cookie="__cf_bm=tracking; Path=/"))
    # By name: cookie jars ignore bare addresses anyway.
    async with Klaviyo(SECRET, base_url=server.url.replace("127.0.0.1", "localhost"), limiter=False) as klaviyo:
        await klaviyo.profiles.get_profile("01")
        await klaviyo.profiles.get_profile("01")
    assert all("cookie" not in request.headers for request in server.requests)


async def test_a_callers_tracing_session_is_the_callers_business(server: RawServer) -> None:
    server.plan(reply(500))
    output = io.StringIO()
    async with (
        aiohttp.ClientSession() as session,
        Klaviyo(SECRET, base_url=server.url, session=session, limiter=False) as klaviyo,
    ):
        with pytest.raises(KlaviyoError) as caught:
            await klaviyo.profiles.get_profile("01", options=OPTIONS)
    traceback.print_exception(caught.value, file=output)
    assert SECRET not in output.getvalue()


@pytest.mark.parametrize("kind", ["frames", "attributes"])
async def test_what_aiohttp_knew_of_the_request_does_not_come_along(kind: str) -> None:
    """Header bytes in the frames of a failed write, the request's headers in an error of the parser."""

    class Broken:
        closed = False

        async def request(self, method: str, url: URL, *, headers: Any, **_: Any) -> Any:
            written = b"Authorization: " + headers["Authorization"].encode()
            if kind == "frames":
                try:
                    int("not a number")
                except ValueError as error:
                    raise aiohttp.ClientOSError(104, "reset") from error
            plain = CIMultiDictProxy(CIMultiDict({"Authorization": written.decode()}))
            raise aiohttp.ClientResponseError(aiohttp.RequestInfo(url, method, plain, url), ())

    broken: Any = Broken()
    async with Klaviyo(SECRET, session=broken, limiter=False, max_retries=0) as klaviyo:
        with pytest.raises(KlaviyoError) as caught:
            await klaviyo.profiles.get_profile("01")
    assert_hidden(caught.value)
    chain = [caught.value.__cause__, caught.value.__context__]
    while chain:
        link = chain.pop()
        if link is not None:
            assert_hidden(link)
            chain += [link.__cause__, link.__context__]


async def test_no_frame_of_ours_holds_the_raw_secret(server: RawServer) -> None:
    """As error trackers collect them: the locals of every frame of the client's own making, and what they are made of."""
    faults = [reply(401), reply(500), reply(200, b"<html>"), *BROKEN.values(), *STALLED.values()]
    for fault in faults:
        server.plan(fault)
        async with Klaviyo(SECRET, base_url=server.url, limiter=False) as klaviyo:
            with pytest.raises(KlaviyoError) as caught:
                await klaviyo.profiles.get_profile("01", options=OPTIONS)
        frame = caught.value.__traceback__
        while frame is not None:
            if (
                "klaviyo_async" in frame.tb_frame.f_code.co_filename
                and "/tests/" not in frame.tb_frame.f_code.co_filename
            ):
                for name, value in frame.tb_frame.f_locals.items():
                    assert not (isinstance(value, str) and SECRET in value), name
                    assert not (isinstance(value, bytes) and SECRET.encode() in value), name
                    assert SECRET not in repr(value), name
            frame = frame.tb_next


async def test_a_header_that_is_none_is_not_in_the_traceback(server: RawServer) -> None:
    async def authorize() -> str:
        return f"Bearer {SECRET}\nX-Evil: 1"

    async with Klaviyo(auth=authorize, base_url=server.url, limiter=False) as klaviyo:
        with pytest.raises(ConfigurationError) as caught:
            await klaviyo.profiles.get_profile("01")
    frame = caught.value.__traceback__
    while frame is not None:
        if "_http" in frame.tb_frame.f_code.co_filename:
            assert not any(SECRET in repr(value) for value in frame.tb_frame.f_locals.values())
        frame = frame.tb_next
