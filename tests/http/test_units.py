"""The session on aioresponses: a users' way to test without a server."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import aiohttp
import pytest
from aioresponses import CallbackResult, aioresponses, core

from klaviyo_async import ConnectionFailed, F, Klaviyo, NotFound, RequestTimeout, TransportError
from tests.http.wire import PROFILE, PROFILES, Recorder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from yarl import URL

PROFILE_URL = "https://a.klaviyo.com/api/profiles/01"


@pytest.fixture
def mocked(monkeypatch: pytest.MonkeyPatch) -> Iterator[aioresponses]:
    if "stream_writer" in inspect.signature(aiohttp.ClientResponse.__init__).parameters:
        # aioresponses 0.7.9 doesn't know this parameter of aiohttp 3.14 yet.
        class Response(aiohttp.ClientResponse):
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, **({"stream_writer": Mock(output_size=0)} | kwargs))

        monkeypatch.setattr(core, "ClientResponse", Response)
    with aioresponses() as mock:
        yield mock


@pytest.fixture
async def klaviyo(recorder: Recorder) -> Any:
    async with Klaviyo("pk_x", limiter=recorder) as made:
        yield made


async def test_a_call(mocked: aioresponses, klaviyo: Klaviyo) -> None:
    mocked.get(PROFILE_URL, body=PROFILE, headers={"X-Klaviyo-Req-Id": "r"})
    document = await klaviyo.profiles.get_profile("01")
    assert document.http.request_id == "r"
    ((_, (call,)),) = mocked.requests.items()
    assert call.kwargs["headers"]["Authorization"] == "Klaviyo-API-Key pk_x"
    assert call.kwargs["allow_redirects"] is False


async def test_the_url_is_not_quoted_again(mocked: aioresponses, klaviyo: Klaviyo) -> None:
    mocked.get(re.compile(".*"), body=PROFILES)
    await klaviyo.profiles.get_profiles(filter=F("email").equals("a+b/c%2F@x.com"))
    ((_, url),) = mocked.requests
    assert url.query["filter"] == 'equals(email,"a+b/c%2F@x.com")'
    assert "%252F" in url.raw_query_string


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize(
    ("failure", "raised", "sent"),
    [
        (aiohttp.ServerDisconnectedError(), ConnectionFailed, None),
        (aiohttp.ClientOSError(104, "reset"), ConnectionFailed, None),
        (aiohttp.ClientConnectionError(), ConnectionFailed, None),
        (aiohttp.ClientPayloadError(), ConnectionFailed, None),
        (TimeoutError(), RequestTimeout, None),
        (aiohttp.SocketTimeoutError(), RequestTimeout, None),
        (aiohttp.ConnectionTimeoutError(), RequestTimeout, False),
        (aiohttp.ClientConnectorError(Mock(), OSError(111, "refused")), ConnectionFailed, False),
    ],
)
async def test_what_the_kind_of_a_failure_tells(
    mocked: aioresponses,
    recorder: Recorder,
    naps: list[float],
    failure: Exception,
    raised: type[TransportError],
    sent: bool | None,
    own: bool,
) -> None:
    async with (
        aiohttp.ClientSession() as session,
        Klaviyo("pk_x", limiter=recorder, session=None if own else session) as klaviyo,
    ):
        mocked.post("https://a.klaviyo.com/api/lists", exception=failure, repeat=True)
        with pytest.raises(raised) as caught:
            await klaviyo.lists.create_list(name="x")
    assert caught.value.sent is sent
    assert caught.value.attempts == (6 if sent is False else 1)
    assert recorder.fates == (["unsent"] * 6 if sent is False else ["lost"])


async def test_retries_then_success(mocked: aioresponses, klaviyo: Klaviyo, naps: list[float]) -> None:
    mocked.get(PROFILE_URL, status=429, headers={"Retry-After": "2"})
    mocked.get(PROFILE_URL, exception=aiohttp.ClientConnectionError())
    mocked.get(PROFILE_URL, body=PROFILE)
    assert (await klaviyo.profiles.get_profile("01")).http.attempts == 3
    assert naps[0] >= 2


async def test_an_error(mocked: aioresponses, klaviyo: Klaviyo) -> None:
    mocked.get(PROFILE_URL, status=404, payload={"errors": [{"id": "e", "detail": "not here"}]})
    with pytest.raises(NotFound, match="not here"):
        await klaviyo.profiles.get_profile("01")


async def test_callbacks_see_the_body(mocked: aioresponses, klaviyo: Klaviyo) -> None:
    bodies: list[Any] = []

    def look(url: URL, **kwargs: Any) -> CallbackResult:
        bodies.append(kwargs["data"])
        return CallbackResult(status=201, body=PROFILE.decode())

    mocked.post("https://a.klaviyo.com/api/profiles", callback=look)
    await klaviyo.profiles.create_profile(email="a@x.com")
    assert bodies == [b'{"data":{"type":"profile","attributes":{"email":"a@x.com"}}}']
