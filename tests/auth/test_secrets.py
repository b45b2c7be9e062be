"""Keys and tokens show nowhere: not in repr, frames of tracebacks, asyncio's debug log or pickles."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import pickle
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from klaviyo_async import (
    ApiKey,
    ConfigurationError,
    DecodeError,
    Klaviyo,
    KlaviyoError,
    OAuth,
    RequestOptions,
    Unauthorized,
)
from klaviyo_async._keys import is_private_key
from klaviyo_async.auth.base import CallableAuth
from klaviyo_async.auth.secret import Secret
from tests.auth.shown import assert_no_frame_shows, plainly
from tests.http.wire import PROFILE
from tests.support.servers import RawServer, reply

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "pk_3a7f_very_secret"
SECRETS = ("CLIENTSECRET", "REFRESH-OLD", "REFRESH-NEW", "ACCESS-NEW", "ACCESS-OLD", "CODE-SECRET", "VERIFIER-SECRET")
GRANTED = {"access_token": "ACCESS-NEW", "refresh_token": "REFRESH-NEW", "expires_in": 3600}


def tokens(**changes: Any) -> bytes:
    return reply(200, json.dumps(GRANTED | changes).encode(), content_type="application/json")


def oauth(server: RawServer, **facts: Any) -> OAuth:
    facts = {"refresh_token": "REFRESH-OLD", "token_url": f"{server.url}/oauth/token"} | facts
    return OAuth("app", "CLIENTSECRET", **facts)


def test_a_secret_stays_one() -> None:
    secret = Secret("REFRESH-OLD")
    for same in (
        secret,
        secret[2:],
        secret[0],
        "Bearer " + secret,
        secret + "!",
        copy.deepcopy(secret),
        copy.copy(secret),
    ):
        assert isinstance(same, Secret)
        assert repr(same) == "'***'"
    assert "Bearer " + secret == "Bearer REFRESH-OLD"
    assert secret + "!" == "REFRESH-OLD!"
    assert secret[:3] == "REF"
    keyed: dict[str, int] = {secret: 1}
    assert keyed["REFRESH-OLD"] == 1
    assert json.dumps({"t": secret}) == '{"t": "REFRESH-OLD"}'
    assert type(str(secret)) is str


def test_private_keys_are_told_from_public_ones() -> None:
    assert all(map(is_private_key, ("pk_1", " pk_1 ", "PK_1", KEY)))
    assert not any(map(is_private_key, ("AbC123", "", None, 7, "xpk_")))


@pytest.mark.parametrize("key", ["", "  ", "pk_a b", "pk_\n", "pk_a\r\nX-Evil: 1", "pk_ä", "pk_\x00"])
def test_a_key_that_cannot_be_sent_is_refused_and_not_shown(key: str) -> None:
    if key.strip() == key.strip("\n") == "pk_":
        assert ApiKey(key)
        return
    with pytest.raises(ConfigurationError) as caught:
        ApiKey(key)
    assert "X-Evil" not in str(caught.value)
    assert key.strip() == "" or key not in str(caught.value)
    if key.strip():
        assert_no_frame_shows(caught.value, key)


def test_oauth_hides_all_of_its_secrets() -> None:
    auth = OAuth("client", "s3cret-1", refresh_token="s3cret-2", access_token="s3cret-3", expires_at=1)
    assert not plainly(auth, "s3cret")
    for value in vars(auth).values():
        assert "s3cret" not in repr(value)
    with pytest.raises(TypeError, match="can't be pickled"):
        pickle.dumps(auth)
    with pytest.raises(TypeError, match="can't be pickled"):
        copy.deepcopy(auth)


def test_the_account_is_a_digest() -> None:
    assert KEY not in ApiKey(KEY).account
    assert ApiKey(KEY).account == ApiKey(KEY).account != ApiKey(KEY + "x").account


@pytest.mark.parametrize(
    "facts",
    [{"expires_at": "soon", "access_token": "ACCESS-OLD"}, {"token_url": "nowhere"}, {"on_tokens": 7}, {"access_token": b"ACCESS-OLD"}],
)  # fmt: skip
def test_a_wrong_argument_shows_no_other(facts: dict[str, Any]) -> None:
    arguments: dict[str, Any] = {"refresh_token": "REFRESH-OLD", **facts}
    with pytest.raises(ConfigurationError) as caught:
        OAuth("app", "CLIENTSECRET", **arguments)
    assert_no_frame_shows(caught.value, *SECRETS)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Klaviyo(KEY, timeout=-1),
        lambda: Klaviyo(KEY, base_url="nowhere"),
        lambda: Klaviyo(KEY, auth=ApiKey("pk_1")),
        lambda: Klaviyo(KEY, limiter=5),  # type: ignore[arg-type]
        lambda: Klaviyo(KEY + " x"),
        lambda: Klaviyo(KEY.encode()),  # type: ignore[arg-type]
        lambda: Klaviyo([KEY]),  # type: ignore[arg-type]
        lambda: Klaviyo(auth=KEY),
        lambda: Klaviyo("pk_1", company_id=KEY),
        lambda: ApiKey(KEY + " x"),
        lambda: ApiKey(KEY.encode()),  # type: ignore[arg-type]
    ],
)
def test_a_client_that_can_not_be_made_shows_no_key(make: Callable[[], object]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert KEY not in str(caught.value)
    assert_no_frame_shows(caught.value, KEY)


def test_nor_does_one_with_a_broken_key_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLAVIYO_API_KEY", KEY + " x")
    with pytest.raises(ConfigurationError, match="KLAVIYO_API_KEY contains characters") as caught:
        Klaviyo()
    assert_no_frame_shows(caught.value, KEY)


@pytest.mark.parametrize("make", [lambda: Klaviyo(KEY, timeout=-1), lambda: RequestOptions(timeout=-1)])
def test_what_is_not_made_yet_has_a_repr(make: Callable[[], object]) -> None:
    """Whoever shows a traceback with its locals shows `self` of the `__init__` that raised."""
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert caught.value.__traceback__ is not None
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    text = "".join(shown.format())
    assert "self = " in text
    assert "repr() failed" not in text


def raising(*_: Any) -> None:
    raise OSError("the disk is full")


async def never(*_: Any) -> None:
    await asyncio.Event().wait()


FAILURES: dict[str, tuple[bytes, dict[str, Any]]] = {
    "refused": (reply(400, b'{"error":"invalid_grant","error_description":"REFRESH-OLD and CLIENTSECRET"}'), {}),
    "server error": (reply(500, json.dumps(GRANTED).encode()), {}),
    "no JSON": (reply(200, b'{"access_token": "ACCESS-NEW", "refresh_token": "REFRESH-NEW"'), {}),
    "no access token": (reply(200, b'{"refresh_token": "REFRESH-NEW", "x": {"access_token": "ACCESS-NEW"}}'), {}),
    "a list": (reply(200, b'["ACCESS-NEW", "REFRESH-NEW"]'), {}),
    "broken": (b"HTTP/1.1 2", {}),
    "malformed": (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n" + json.dumps(GRANTED).encode(), {}),
    "on_tokens fails": (tokens(), {"on_tokens": raising}),
    "on_tokens hangs": (tokens(), {"on_tokens": never}),
    "load_tokens gives rubbish": (
        tokens(),
        {"load_tokens": lambda: {"access_token": "ACCESS-OLD", "refresh_token": "REFRESH-NEW", "expires_at": object()}},
    ),
    "load_tokens gives no refresh token": (tokens(), {"load_tokens": lambda: {"access_token": "ACCESS-OLD"}}),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_no_failure_of_a_refresh_shows_a_token(
    server: RawServer, name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("klaviyo_async.auth._hooks.PATIENCE", 0.05)
    response, facts = FAILURES[name]
    server.plan(response)
    caplog.set_level(logging.DEBUG)
    auth = oauth(server, timeout=0.3, **facts)
    async with Klaviyo(auth=auth, base_url=server.url, limiter=False, max_retries=0) as klaviyo:
        with pytest.raises((KlaviyoError, OSError)) as caught:
            await klaviyo.profiles.get_profile("01")
    with pytest.raises((KlaviyoError, OSError)) as again:
        await auth.authorize()
    for error in (caught.value, again.value):
        assert_no_frame_shows(error, *SECRETS)
        for secret in SECRETS:
            assert secret not in str(error) + repr(error)
            assert secret.encode() not in pickle.dumps(error)
    assert not any(secret in caplog.text for secret in SECRETS)


async def test_nor_does_the_frame_of_the_refresh_itself(server: RawServer) -> None:
    # What waits gets a copy of the error: the task's own has the frames in which the tokens were.
    server.plan(FAILURES["no access token"][0])
    auth = oauth(server)
    with pytest.raises(DecodeError):
        await auth.authorize()
    assert auth._refreshing is not None
    error = auth._refreshing.exception()
    assert error is not None
    assert_no_frame_shows(error, *SECRETS)


async def test_nor_does_a_failed_exchange(server: RawServer) -> None:
    async def exchange(**facts: Any) -> OAuth:
        facts = {"code": "CODE-SECRET", "verifier": "VERIFIER-SECRET"} | facts
        return await OAuth.exchange(
            "app", "CLIENTSECRET", redirect_uri="https://x.example", token_url=f"{server.url}/oauth/token", **facts
        )

    server.plan(reply(400, b'{"error":"invalid_grant","error_description":"CODE-SECRET VERIFIER-SECRET"}'))
    with pytest.raises(Unauthorized) as caught:
        await exchange()
    assert_no_frame_shows(caught.value, *SECRETS)
    assert "SECRET" not in str(caught.value)
    server.plan(tokens())
    with pytest.raises(OSError, match="disk") as failed:
        await exchange(on_tokens=raising)
    assert_no_frame_shows(failed.value, *SECRETS)
    with pytest.raises(ConfigurationError) as refused:
        await exchange(code=b"CODE-SECRET")
    assert_no_frame_shows(refused.value, *SECRETS)


async def test_the_tokens_of_the_users_function_hide_as_well(server: RawServer) -> None:
    server.plan(tokens())
    seen: list[Any] = []

    def keep(access_token: str, refresh_token: str, expires_at: Any) -> None:
        seen.extend((access_token, refresh_token))

    await oauth(server, on_tokens=keep).authorize()
    assert seen == ["ACCESS-NEW", "REFRESH-NEW"]
    assert repr(seen) == "['***', '***']"


async def plain_header() -> str:
    return f"Klaviyo-API-Key {KEY}"


@pytest.mark.parametrize(
    "make",
    [
        lambda server: ApiKey(KEY),
        lambda server: CallableAuth(plain_header),
        lambda server: oauth(server, on_tokens=lambda *kept: kept[0]),
        lambda server: oauth(server, load_tokens=lambda: GRANTED | {"expires_at": 4e9}),
        lambda server: oauth(server, load_tokens=stored_slowly, on_tokens=kept_slowly),
    ],
)
def test_asyncios_debug_log_shows_no_token(make: Callable[[RawServer], Any], caplog: pytest.LogCaptureFixture) -> None:
    """In debug mode asyncio logs each step that took long, with the result of the task."""
    caplog.set_level(logging.DEBUG)

    async def main() -> str:
        loop = asyncio.get_running_loop()
        loop.slow_callback_duration = 0.0
        server = RawServer()
        await server.start()
        server.plan(respond)
        auth = make(server)
        header = await asyncio.create_task(auth.authorize())
        async with Klaviyo(auth=auth, base_url=server.url, limiter=False) as klaviyo:
            await asyncio.gather(*(klaviyo.profiles.get_profile(str(n)) for n in range(3)))
        await server.stop()
        return str(header)

    header = asyncio.run(main(), debug=True)
    assert header.endswith((KEY, "ACCESS-NEW"))
    assert "Executing <Task" in caplog.text
    shown = caplog.text.replace(f"result='{header}'", "")  # of main() itself, which is the user's
    assert not [secret for secret in (KEY, *SECRETS) if secret in shown]


async def stored_slowly() -> dict[str, Any]:
    await asyncio.sleep(0.01)
    return {"access_token": "ACCESS-OLD", "refresh_token": "REFRESH-OLD", "expires_at": 1.0}


async def kept_slowly(*kept: Any) -> Any:
    await asyncio.sleep(0.01)
    return kept


async def respond(request: Any, writer: Any) -> bool:
    writer.write(tokens() if request.target == "/oauth/token" else reply(200, PROFILE))
    return False
