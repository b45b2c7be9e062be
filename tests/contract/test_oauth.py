"""docs/contract.md, section 10: OAuth."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import inspect
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from aiohttp import web

from klaviyo_async import Klaviyo, KlaviyoError, OAuth, Unauthorized
from klaviyo_async.testing import FakeKlaviyo
from tests.contract.wire import errors
from tests.support.servers import WebServer, document

if TYPE_CHECKING:
    from datetime import datetime


def oauth(fake: FakeKlaviyo, **more: Any) -> OAuth:
    return OAuth("id", "secret", **{"refresh_token": "rt_stored", "token_url": f"{fake.url}/oauth/token", **more})


def test_the_signatures() -> None:
    parameters = inspect.signature(OAuth).parameters
    assert [*parameters][:2] == ["client_id", "client_secret"]
    assert {"refresh_token", "on_tokens", "token_url"} <= set(parameters)
    assert [*inspect.signature(OAuth.authorize_url).parameters][:4] == ["client_id", "redirect_uri", "scopes", "state"]
    assert {"code", "verifier", "redirect_uri"} <= set(inspect.signature(OAuth.exchange).parameters)


def test_authorize_url() -> None:
    url, verifier = OAuth.authorize_url(
        "id", "https://app.example/back?x=1", ["profiles:read", "events:write"], state="s t"
    )
    assert url.startswith("https://www.klaviyo.com/oauth/authorize?")
    assert re.fullmatch(r"[a-zA-Z0-9\-._~]{43,128}", verifier)
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    assert query == {
        "response_type": "code",
        "client_id": "id",
        "redirect_uri": "https://app.example/back?x=1",
        "scope": "profiles:read events:write",
        "state": "s t",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    again, other = OAuth.authorize_url("id", "https://app.example/back", ["profiles:read"])
    assert other != verifier
    assert "state" not in parse_qs(urlsplit(again).query)


async def test_the_whole_way(fake: FakeKlaviyo) -> None:
    kept: list[dict[str, Any]] = []

    async def on_tokens(access_token: str, refresh_token: str, expires_at: datetime) -> None:
        kept.append({"access_token": access_token, "refresh_token": refresh_token, "expires_at": expires_at})

    url, verifier = OAuth.authorize_url("id", "https://app.example/back", ["profiles:read"], state="s")
    async with aiohttp.ClientSession() as browser:
        target = url.replace("https://www.klaviyo.com", fake.url)
        async with browser.get(target, allow_redirects=False) as answer:
            back = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert back["state"] == ["s"]
    auth = await OAuth.exchange(
        "id",
        "secret",
        code=back["code"][0],
        verifier=verifier,
        redirect_uri="https://app.example/back",
        on_tokens=on_tokens,
        token_url=f"{fake.url}/oauth/token",
    )
    assert isinstance(auth, OAuth)
    assert len(kept) == 1
    assert kept[0]["expires_at"].tzinfo is not None
    async with Klaviyo(auth=auth, base_url=fake.url) as klaviyo:
        assert (await klaviyo.profiles.get_profiles()).data == []
        sent = fake.calls("get_profiles")[0].headers["Authorization"]
        assert sent == f"Bearer {kept[0]['access_token']}"
        # an hour later
        fake.oauth.revoke(kept[0]["access_token"])
        await klaviyo.profiles.get_profiles()
        assert len(kept) == 2
    stored = OAuth("id", "secret", refresh_token=kept[-1]["refresh_token"], token_url=f"{fake.url}/oauth/token")
    async with Klaviyo(auth=stored, base_url=fake.url) as klaviyo:
        assert (await klaviyo.profiles.get_profiles()).data == []


async def test_the_token_request_is_what_klaviyo_wants(server: WebServer) -> None:
    server.handler = lambda request: (
        document({"access_token": "at", "refresh_token": "rt2", "expires_in": 3600, "token_type": "bearer"})
        if request.path == "/oauth/token"
        else document({"data": []})
    )
    auth = OAuth("id", "se cret:x", refresh_token="rt1", token_url=f"{server.url}/oauth/token")
    async with Klaviyo(auth=auth, base_url=server.url) as klaviyo:
        await klaviyo.profiles.get_profiles()
    request, body = server.requests[0], server.requests[0].body
    assert request.method == "POST"
    assert request.headers["Content-Type"].startswith("application/x-www-form-urlencoded")
    assert base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode() == "id:se cret:x"
    assert parse_qs(body.decode()) == {"grant_type": ["refresh_token"], "refresh_token": ["rt1"]}
    assert server.requests[1].headers["Authorization"] == "Bearer at"


@pytest.mark.parametrize("plain", [True, False])
async def test_on_tokens_comes_before_their_use(server: WebServer, plain: bool) -> None:
    log: list[Any] = []

    def handler(request: web.BaseRequest) -> web.Response:
        log.append(request.path)
        if request.path == "/oauth/token":
            return document({"access_token": "at", "refresh_token": "rt2", "expires_in": 3600})
        return document({"data": []})

    def keep(access_token: str, refresh_token: str, expires_at: datetime) -> None:
        log.append((access_token, refresh_token, expires_at.tzinfo is not None))

    async def keep_slowly(access_token: str, refresh_token: str, expires_at: datetime) -> None:
        await asyncio.sleep(0.02)
        keep(access_token, refresh_token, expires_at)

    server.handler = handler
    auth = OAuth(
        "id",
        "secret",
        refresh_token="rt",
        on_tokens=keep if plain else keep_slowly,
        token_url=f"{server.url}/oauth/token",
    )
    async with Klaviyo(auth=auth, base_url=server.url) as klaviyo:
        await asyncio.gather(*(_page(klaviyo) for _ in range(5)))
    assert log == ["/oauth/token", ("at", "rt2", True), *["/api/profiles"] * 5]


async def _page(klaviyo: Klaviyo) -> Any:
    return await klaviyo.profiles.get_profiles()


async def test_single_flight_across_clients(fake: FakeKlaviyo) -> None:
    auth = oauth(fake)
    async with Klaviyo(auth=auth, base_url=fake.url) as one, Klaviyo(auth=auth, base_url=fake.url) as two:
        await asyncio.gather(*(_page(client) for client in (one, two) for _ in range(20)))
    assert fake.oauth.refreshes == 1


async def test_refresh_before_expiry(server: WebServer) -> None:
    def handler(request: web.BaseRequest) -> web.Response:
        if request.path == "/oauth/token":
            return document({"access_token": "at", "refresh_token": "rt", "expires_in": 1})
        return document({"data": []})

    server.handler = handler
    auth = OAuth("id", "secret", refresh_token="rt", token_url=f"{server.url}/oauth/token")
    async with Klaviyo(auth=auth, base_url=server.url) as klaviyo:
        await klaviyo.profiles.get_profiles()
        await klaviyo.profiles.get_profiles()
    assert [request.path for request in server.requests].count("/oauth/token") == 2


async def test_a_401_refreshes_once_and_no_more(server: WebServer) -> None:
    def handler(request: web.BaseRequest) -> web.Response:
        if request.path == "/oauth/token":
            return document({"access_token": "at", "refresh_token": "rt", "expires_in": 3600})
        return errors(401, "not_authenticated")

    server.handler = handler
    auth = OAuth("id", "secret", refresh_token="rt", token_url=f"{server.url}/oauth/token")
    async with Klaviyo(auth=auth, base_url=server.url) as klaviyo:
        with pytest.raises(Unauthorized):
            await klaviyo.profiles.create_profile(email="a@x.com")
    assert [request.path for request in server.requests] == [
        "/oauth/token",
        "/api/profiles",
        "/oauth/token",
        "/api/profiles",
    ]


async def test_rotation(fake: FakeKlaviyo) -> None:
    fake.oauth.rotate = True
    given = fake.oauth.issue()
    kept: list[str] = []
    auth = oauth(
        fake, refresh_token=given["refresh_token"], on_tokens=lambda access, refresh, expires: kept.append(refresh)
    )
    async with Klaviyo(auth=auth, base_url=fake.url) as klaviyo:
        for _ in range(3):
            await klaviyo.profiles.get_profiles()
            for request in fake.calls("get_profiles"):
                fake.oauth.revoke(request.headers["Authorization"].removeprefix("Bearer "))
    assert len(set(kept)) == 3 == fake.oauth.refreshes


async def test_a_lost_grant_says_authorise_again(fake: FakeKlaviyo) -> None:
    fake.oauth.revoke("rt_gone")
    async with Klaviyo(auth=oauth(fake, refresh_token="rt_gone"), base_url=fake.url) as klaviyo:
        for _ in range(3):
            with pytest.raises(Unauthorized) as caught:
                await klaviyo.profiles.get_profiles()
            assert "uthori" in str(caught.value)
            assert "rt_gone" not in str(caught.value) + repr(vars(caught.value))
    assert len(fake.calls("oauth_token")) == 1


async def test_on_tokens_that_fails_keeps_the_tokens(fake: FakeKlaviyo) -> None:
    tries: list[str] = []

    def on_tokens(access_token: str, refresh_token: str, expires_at: datetime) -> None:
        tries.append(refresh_token)
        if len(tries) == 1:
            raise OSError("disk full")

    async with Klaviyo(auth=oauth(fake, on_tokens=on_tokens), base_url=fake.url) as klaviyo:
        with pytest.raises(OSError, match="disk full"):
            await klaviyo.profiles.get_profiles()
        assert not fake.calls("get_profiles")
        await klaviyo.profiles.get_profiles()
    assert len(tries) == 2
    assert tries[0] == tries[1]
    assert fake.oauth.refreshes == 1


async def test_wrong_credentials_of_the_app(fake: FakeKlaviyo) -> None:
    async with FakeKlaviyo(oauth_clients={"id": "right"}) as strict:  # noqa: SIM117
        async with Klaviyo(auth=oauth(strict), base_url=strict.url) as klaviyo:
            with pytest.raises(KlaviyoError) as caught:
                await klaviyo.profiles.get_profiles()
    assert "secret" not in repr(vars(caught.value)).replace("client_secret", "")


async def test_scopes_of_a_token(fake: FakeKlaviyo) -> None:
    given = fake.oauth.issue(scopes=("lists:read",))
    async with Klaviyo(auth=oauth(fake, refresh_token=given["refresh_token"]), base_url=fake.url) as klaviyo:
        await klaviyo.lists.get_lists()
        with pytest.raises(KlaviyoError, match="profiles:read"):
            await klaviyo.profiles.get_profiles()
