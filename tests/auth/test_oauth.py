"""OAuth against a token endpoint on loopback."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from klaviyo_async import (
    ConfigurationError,
    ConnectionFailed,
    DecodeError,
    Klaviyo,
    KlaviyoError,
    OAuth,
    ServerError,
    Unauthorized,
)
from tests.http.wire import PROFILE
from tests.support.servers import RawServer, Received, reply

BASIC = "Basic " + base64.b64encode(b"app:app-secret").decode()


class Klaviyos(RawServer):
    """Gives tokens at /oauth/token and takes the newest at the API."""

    def __init__(self) -> None:
        super().__init__()
        self.given = 0
        self.refreshes: list[dict[str, str]] = []
        self.rotate = True
        self.delay = 0.02
        self.valid: set[str] = set()
        self.refresh_token = "refresh-0"
        self.plan(self.serve)

    async def serve(self, request: Received, writer: asyncio.StreamWriter) -> bool:
        form = dict(parse_qsl(request.body.decode()))
        if request.target == "/oauth/token":
            self.refreshes.append(form)
            await asyncio.sleep(self.delay)
            writer.write(self.token(request, form))
        elif request.target == "/oauth/revoke":
            self.refreshes.append(form)
            writer.write(reply(200, content_type=None))
        else:
            scheme, _, token = request.headers["authorization"].partition(" ")
            assert scheme == "Bearer"
            writer.write(
                reply(200, PROFILE) if token in self.valid else reply(401, b'{"errors":[{"code":"not_authenticated"}]}')
            )
        return False

    def token(self, request: Received, form: dict[str, str]) -> bytes:
        assert request.headers["authorization"] == BASIC
        assert request.headers["content-type"] == "application/x-www-form-urlencoded"
        if form["grant_type"] == "refresh_token" and form["refresh_token"] != self.refresh_token:
            return reply(
                400,
                b'{"error":"invalid_grant","error_description":"refresh token %s is gone"}'
                % form["refresh_token"].encode(),
            )
        self.given += 1
        self.valid = {f"access-{self.given}"}
        if self.rotate:
            self.refresh_token = f"refresh-{self.given}"
        body = {
            "access_token": f"access-{self.given}",
            "refresh_token": self.refresh_token,
            "expires_in": 3600,
            "token_type": "Bearer",
        }
        return reply(200, json.dumps(body).encode(), content_type="application/json")


@pytest.fixture
async def klaviyos() -> Any:
    made = Klaviyos()
    await made.start()
    yield made
    await made.stop()


def oauth(server: Klaviyos, **facts: Any) -> OAuth:
    facts = {"refresh_token": "refresh-0", "token_url": f"{server.url}/oauth/token"} | facts
    return OAuth("app", "app-secret", **facts)


def client(server: Klaviyos, auth: OAuth, **settings: Any) -> Klaviyo:
    return Klaviyo(auth=auth, base_url=server.url, limiter=False, **settings)


async def test_the_first_call_refreshes_and_hands_the_tokens_over_first(klaviyos: Klaviyos) -> None:
    kept: list[tuple[Any, ...]] = []

    async def keep(access_token: str, refresh_token: str, expires_at: datetime) -> None:
        assert all("oauth" in request.target for request in klaviyos.requests)
        await asyncio.sleep(0.01)
        kept.append((access_token, refresh_token, expires_at))

    async with client(klaviyos, oauth(klaviyos, on_tokens=keep)) as klaviyo:
        for _ in range(3):
            await klaviyo.profiles.get_profile("01")
    ((access, refresh, expires_at),) = kept
    assert (access, refresh) == ("access-1", "refresh-1")
    assert timedelta(minutes=59) < expires_at - datetime.now(UTC) <= timedelta(hours=1)
    assert klaviyos.refreshes == [{"grant_type": "refresh_token", "refresh_token": "refresh-0"}]


@pytest.mark.parametrize(
    "shape",
    [
        lambda kept: lambda access_token, refresh_token, expires_at: kept.append(access_token),
        lambda kept: lambda a, b, c: kept.append(a),
        lambda kept: lambda *tokens: kept.append(tokens[0]),
        lambda kept: lambda **tokens: kept.append(tokens["access_token"]),
        lambda kept: lambda *, access_token, refresh_token, expires_at: kept.append(access_token),
    ],
)
async def test_on_tokens_of_every_shape(klaviyos: Klaviyos, shape: Any) -> None:
    kept: list[str] = []
    auth = oauth(klaviyos, on_tokens=shape(kept))
    assert await auth.authorize() == "Bearer access-1"
    assert kept == ["access-1"]


def test_an_on_tokens_that_cannot_take_them(klaviyos: Klaviyos) -> None:
    for wrong in (lambda: None, lambda token: None, "print", 7):
        with pytest.raises(ConfigurationError, match="on_tokens must"):
            oauth(klaviyos, on_tokens=wrong)


async def test_fifty_calls_at_once_refresh_once(klaviyos: Klaviyos) -> None:
    async with client(klaviyos, oauth(klaviyos)) as klaviyo:
        await asyncio.gather(*(klaviyo.profiles.get_profile(str(n)) for n in range(50)))
    assert len(klaviyos.refreshes) == 1


async def test_a_good_access_token_is_used_as_it_is(klaviyos: Klaviyos) -> None:
    klaviyos.valid = {"mine"}
    for expires_at in (None, time.time() + 600, datetime.now(UTC) + timedelta(minutes=10)):
        async with client(klaviyos, oauth(klaviyos, access_token="mine", expires_at=expires_at)) as klaviyo:
            await klaviyo.profiles.get_profile("01")
    assert klaviyos.refreshes == []


async def test_an_access_token_about_to_expire_is_refreshed_before_use(klaviyos: Klaviyos) -> None:
    klaviyos.valid = {"mine"}
    async with client(klaviyos, oauth(klaviyos, access_token="mine", expires_at=time.time() + 20)) as klaviyo:
        await klaviyo.profiles.get_profile("01")
    assert [request.target for request in klaviyos.requests] == ["/oauth/token", "/api/profiles/01"]


async def test_a_401_refreshes_once_for_all_calls(klaviyos: Klaviyos) -> None:
    async with client(klaviyos, oauth(klaviyos, access_token="stale"), max_retries=0) as klaviyo:
        documents = await asyncio.gather(*(klaviyo.profiles.get_profile(str(n)) for n in range(20)))
        assert {document.http.attempts for document in documents} == {2}
        await klaviyo.events.create_event(metric={"name": "m"}, profile={"email": "a@x.com"}, properties={})
    assert len(klaviyos.refreshes) == 1


async def test_a_second_401_is_the_callers(klaviyos: Klaviyos) -> None:
    async with client(klaviyos, oauth(klaviyos, access_token="stale")) as klaviyo:
        klaviyos.token = lambda request, form: reply(200, b'{"access_token":"never-valid","refresh_token":"refresh-0"}')  # type: ignore[method-assign]
        with pytest.raises(Unauthorized, match="the OAuth access token"):
            await klaviyo.profiles.get_profile("01")
    assert len(klaviyos.refreshes) == 1


async def test_an_api_key_is_not_tried_twice_on_a_401(server: RawServer) -> None:
    server.plan(reply(401))
    async with Klaviyo("pk_x", base_url=server.url, limiter=False) as klaviyo:
        with pytest.raises(Unauthorized, match="the api_key argument"):
            await klaviyo.profiles.get_profile("01")
    assert len(server.requests) == 1


async def test_the_key_of_the_environment_is_named(server: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLAVIYO_API_KEY", "public")
    server.plan(reply(401))
    async with Klaviyo(base_url=server.url, limiter=False) as klaviyo:
        with pytest.raises(Unauthorized, match=r'KLAVIYO_API_KEY \(it does not start with "pk_"'):
            await klaviyo.profiles.get_profile("01")


async def test_cancelling_one_waiter_leaves_the_refresh_to_the_others(klaviyos: Klaviyos) -> None:
    klaviyos.delay = 0.1
    kept: list[str] = []
    auth = oauth(klaviyos, on_tokens=lambda access_token, refresh_token, expires_at: kept.append(refresh_token))
    async with client(klaviyos, auth) as klaviyo:
        first, second = (asyncio.create_task(klaviyo.profiles.get_profile(n)) for n in "12")
        await asyncio.sleep(0.05)
        first.cancel()
        assert (await second).data.id == "01"
        with pytest.raises(asyncio.CancelledError):
            await first
    assert kept == ["refresh-1"]


async def test_with_all_waiters_gone_the_tokens_are_still_kept(klaviyos: Klaviyos) -> None:
    klaviyos.delay = 0.1
    kept: list[str] = []
    auth = oauth(klaviyos, on_tokens=lambda access_token, refresh_token, expires_at: kept.append(refresh_token))
    klaviyo = client(klaviyos, auth)
    call = asyncio.create_task(klaviyo.profiles.get_profile("1"))
    await asyncio.sleep(0.05)
    await klaviyo.close()
    with pytest.raises(ConnectionFailed):
        await call
    assert kept == ["refresh-1"]
    assert await auth.authorize() == "Bearer access-1"
    assert len(klaviyos.refreshes) == 1


async def test_invalid_grant_asks_to_authorise_again_and_is_not_repeated(klaviyos: Klaviyos) -> None:
    klaviyos.refresh_token = "another"
    auth = oauth(klaviyos)
    for _ in range(3):
        with pytest.raises(Unauthorized, match=r"invalid_grant.*authorise the app for this account again") as caught:
            await auth.authorize()
        assert caught.value.status == 400
        assert "refresh-0" not in str(caught.value)
        assert b"refresh-0" not in caught.value.body
    assert len(klaviyos.refreshes) == 1


async def test_tokens_that_could_not_be_handed_over_are_not_used_and_not_lost(klaviyos: Klaviyos) -> None:
    kept: list[str] = []
    broken = True

    def keep(access_token: str, refresh_token: str, expires_at: datetime) -> None:
        if broken:
            raise OSError("the disk is full")
        kept.append(refresh_token)

    async with client(klaviyos, oauth(klaviyos, on_tokens=keep)) as klaviyo:
        with pytest.raises(OSError, match="disk"):
            await klaviyo.profiles.get_profile("01")
        assert not [request for request in klaviyos.requests if "api" in request.target]
        broken = False
        await klaviyo.profiles.get_profile("01")
    assert kept == ["refresh-1"]
    assert len(klaviyos.refreshes) == 1


async def test_the_token_endpoint_is_asked_again_where_it_did_not_take_the_request(
    klaviyos: Klaviyos, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("klaviyo_async._retry.BASE", 0.01)
    answers = [reply(503), reply(200, b'{"access_token":"a","expires_in":"60"}')]
    klaviyos.token = lambda request, form: answers.pop(0)  # type: ignore[method-assign]
    assert await oauth(klaviyos).authorize() == "Bearer a"
    assert len(klaviyos.refreshes) == 2
    klaviyos.token = lambda request, form: reply(500, b"<html>")  # type: ignore[method-assign]
    with pytest.raises(ServerError, match="OAuth token: 500"):
        await oauth(klaviyos).authorize()
    assert len(klaviyos.refreshes) == 3


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"access_token": 7}', b'{"access_token": ""}'])
async def test_a_token_answer_that_is_none(klaviyos: Klaviyos, body: bytes) -> None:
    klaviyos.token = lambda request, form: reply(200, body)  # type: ignore[method-assign]
    with pytest.raises(DecodeError, match="OAuth token"):
        await oauth(klaviyos).authorize()


async def test_a_token_endpoint_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("klaviyo_async._retry.BASE", 0.01)
    auth = OAuth("app", "s", refresh_token="r", token_url="http://127.0.0.1:1/oauth/token", timeout=2)
    with pytest.raises(ConnectionFailed, match="no response from the token endpoint") as caught:
        await auth.authorize()
    assert caught.value.sent is False
    async with Klaviyo(auth=auth, base_url="http://127.0.0.1:1", limiter=False, max_retries=0) as klaviyo:
        with pytest.raises(KlaviyoError, match="OAuth token"):
            await klaviyo.profiles.get_profile("01")


def test_the_authorisation_url_has_pkce() -> None:
    url, verifier = OAuth.authorize_url(
        "app", "https://me.example/cb?x=1", ["profiles:read", "events:write"], state="s t"
    )
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.path) == ("https", "www.klaviyo.com", "/oauth/authorize")
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    assert parse_qs(parts.query) == {
        "response_type": ["code"], "client_id": ["app"], "redirect_uri": ["https://me.example/cb?x=1"], "state": ["s t"],
        "scope": ["profiles:read events:write"], "code_challenge_method": ["S256"], "code_challenge": [challenge],
    }  # fmt: skip
    assert 43 <= len(verifier) <= 128
    assert OAuth.authorize_url("app", "https://x", "a b")[1] != verifier
    assert "state" not in OAuth.authorize_url("app", "https://x", "a b")[0]
    for nothing in ([], "", " ", None):
        with pytest.raises(ConfigurationError, match="scopes"):
            OAuth.authorize_url("app", "https://x", nothing)  # type: ignore[arg-type]


async def test_a_code_is_exchanged(klaviyos: Klaviyos) -> None:
    kept: list[str] = []
    auth = await OAuth.exchange(
        "app", "app-secret", code="c", verifier="v" * 43, redirect_uri="https://me.example/cb",
        token_url=f"{klaviyos.url}/oauth/token", on_tokens=lambda a, r, e: kept.append(r),
    )  # fmt: skip
    assert klaviyos.refreshes == [
        {
            "grant_type": "authorization_code",
            "code": "c",
            "code_verifier": "v" * 43,
            "redirect_uri": "https://me.example/cb",
        }
    ]
    assert kept == ["refresh-1"]
    assert await auth.authorize() == "Bearer access-1"
    assert len(klaviyos.refreshes) == 1


async def test_a_code_that_is_too_old(klaviyos: Klaviyos) -> None:
    klaviyos.token = lambda request, form: reply(400, b'{"error":"invalid_grant"}')  # type: ignore[method-assign]
    with pytest.raises(Unauthorized, match="older than five minutes"):
        await OAuth.exchange(
            "app",
            "app-secret",
            code="c",
            verifier="v",
            redirect_uri="https://x",
            token_url=f"{klaviyos.url}/oauth/token",
        )


async def test_revoking(klaviyos: Klaviyos) -> None:
    await oauth(klaviyos).revoke()
    assert klaviyos.refreshes == [{"token": "refresh-0", "token_type_hint": "refresh_token"}]


def test_in_several_loops(klaviyos: Klaviyos) -> None:
    auth = OAuth("app", "app-secret", refresh_token="r", access_token="a")
    for _ in range(2):
        assert asyncio.run(auth.authorize()) == "Bearer a"


def test_the_account_is_the_same_for_the_same_account(klaviyos: Klaviyos) -> None:
    assert oauth(klaviyos).account == oauth(klaviyos).account != oauth(klaviyos, refresh_token="x").account
    assert oauth(klaviyos, account="A").account == oauth(klaviyos, account="A", refresh_token="x").account


@pytest.mark.parametrize(
    "facts",
    [
        {"refresh_token": ""}, {"access_token": " "}, {"expires_at": datetime(2026, 1, 1), "access_token": "a"},  # noqa: DTZ001 - the point
        {"expires_at": "soon", "access_token": "a"}, {"expires_at": float("nan"), "access_token": "a"}, {"token_url": "a.klaviyo.com"},
    ],
)  # fmt: skip
def test_what_cannot_be(klaviyos: Klaviyos, facts: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        oauth(klaviyos, **facts)
