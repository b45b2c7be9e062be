"""Several OAuth objects, and several processes, with one rotating refresh token."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from klaviyo_async import ConfigurationError, Klaviyo, OAuth, Unauthorized
from klaviyo_async.testing import FakeKlaviyo

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class Store:
    """Where on_tokens writes and load_tokens reads; shared by all OAuth objects of a test."""

    def __init__(self, **kept: Any) -> None:
        self.kept: dict[str, Any] = kept
        self.writes = self.reads = 0
        self.delay = 0.0

    async def save(self, access_token: str, refresh_token: str, expires_at: Any) -> None:
        await asyncio.sleep(self.delay)
        self.writes += 1
        self.kept = {"access_token": access_token, "refresh_token": refresh_token, "expires_at": expires_at}

    def load(self) -> dict[str, Any]:
        self.reads += 1
        return dict(self.kept)


@pytest.fixture
async def fake() -> AsyncIterator[FakeKlaviyo]:
    async with FakeKlaviyo(limits=False) as started:
        started.oauth.rotate = True
        yield started


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("klaviyo_async.auth.oauth._LOOKS", (0.0, 0.01, 0.05, 0.1))


def oauth(fake: FakeKlaviyo, store: Store, **facts: Any) -> OAuth:
    shared = {"on_tokens": store.save, "load_tokens": store.load, "token_url": f"{fake.url}/oauth/token"}
    return OAuth("app", "secret", **shared | facts)


async def expire(fake: FakeKlaviyo, *auths: OAuth) -> None:
    """What an hour does: Klaviyo refuses the access tokens."""
    for auth in auths:
        if auth._header:
            fake.oauth.revoke(auth._header.removeprefix("Bearer "))


async def test_two_that_share_a_store_go_on_together(fake: FakeKlaviyo) -> None:
    store = Store(refresh_token="rt_0")
    auths = [oauth(fake, store, refresh_token="rt_0") for _ in range(2)]
    async with (
        Klaviyo(auth=auths[0], base_url=fake.url, limiter=False) as one,
        Klaviyo(auth=auths[1], base_url=fake.url, limiter=False) as two,
    ):
        for _ in range(3):
            for klaviyo in (one, two):
                await klaviyo.profiles.get_profiles()
            await expire(fake, *auths)
    # the second of each round took what the first had stored
    assert fake.oauth.refreshes == store.writes == 3


async def test_at_the_same_time_as_well(fake: FakeKlaviyo) -> None:
    """Both redeem the same refresh token; the one that is refused finds the other's tokens in the store."""
    store = Store(refresh_token="rt_0")
    store.delay = 0.15
    auths = [oauth(fake, store, refresh_token="rt_0") for _ in range(4)]
    for _ in range(3):
        headers = await asyncio.gather(*(auth.authorize() for auth in auths))
        assert all(fake.oauth.scopes(header.removeprefix("Bearer "))[0] for header in headers)
        for auth in auths:
            auth._header = None
    assert fake.oauth.refreshes <= 6


async def test_with_a_lock_one_refreshes_and_the_others_load(fake: FakeKlaviyo) -> None:
    store = Store(refresh_token="rt_0")
    guard = asyncio.Lock()
    held = 0

    @asynccontextmanager
    async def lock() -> AsyncIterator[None]:
        nonlocal held
        async with guard:
            held += 1
            yield

    auths = [oauth(fake, store, lock=lock) for _ in range(5)]
    headers = await asyncio.gather(*(auth.authorize() for auth in auths))
    assert len(set(headers)) == 1
    assert fake.oauth.refreshes == 1
    assert held == 5
    assert [request.status for request in fake.calls("oauth_token")] == [200]


async def test_a_good_stored_token_needs_no_refresh(fake: FakeKlaviyo) -> None:
    issued = fake.oauth.issue(client="app")
    store = Store(**issued, expires_at=time.time() + 3000)
    async with Klaviyo(auth=oauth(fake, store), base_url=fake.url, limiter=False) as klaviyo:
        await klaviyo.profiles.get_profiles()
        await klaviyo.profiles.get_profiles()
    assert fake.oauth.refreshes == 0
    assert store.reads == 1


@pytest.mark.usefixtures("quick")
async def test_a_refusal_counts_only_when_the_store_has_nothing_newer(fake: FakeKlaviyo) -> None:
    store = Store(refresh_token="rt_0")
    auth = oauth(fake, store, refresh_token="rt_0")
    fake.oauth.revoke("rt_0")
    for _ in range(3):
        with pytest.raises(Unauthorized, match="invalid_grant"):
            await auth.authorize()
    assert len(fake.calls("oauth_token")) == 1
    # the app is authorised again, wherever that happens
    store.kept = {"refresh_token": "rt_1"}
    assert (await auth.authorize()).startswith("Bearer at_")
    assert store.kept["refresh_token"] not in {"rt_0", "rt_1"}


@pytest.mark.usefixtures("quick")
async def test_a_store_that_lags_behind_loses_no_newer_token(fake: FakeKlaviyo) -> None:
    store = Store(refresh_token="rt_0")
    auth = oauth(fake, store, refresh_token="rt_0")
    await auth.authorize()
    for stale in (
        {"access_token": "at_old", "refresh_token": "rt_0", "expires_at": 1.0},
        {"refresh_token": "rt_0"},  # says nothing of its age
    ):
        store.kept = dict(stale)
        await expire(fake, auth)
        assert await auth.rejected(str(auth._header))
        assert fake.oauth.scopes((await auth.authorize()).removeprefix("Bearer "))[0]
    assert fake.oauth.refreshes == 3


@pytest.mark.usefixtures("quick")
async def test_a_stored_access_token_that_klaviyo_refuses_is_not_taken_twice(fake: FakeKlaviyo) -> None:
    store = Store(access_token="at_unknown", refresh_token="rt_0")
    async with Klaviyo(auth=oauth(fake, store), base_url=fake.url, limiter=False) as klaviyo:
        await klaviyo.profiles.get_profiles()
    assert [request.status for request in fake.calls("get_profiles")] == [401, 200]
    assert fake.oauth.refreshes == 1


async def test_an_empty_store(fake: FakeKlaviyo) -> None:
    for nothing in (None, {}):
        auth = oauth(fake, Store(), load_tokens=lambda nothing=nothing: nothing)
        with pytest.raises(ConfigurationError, match="no refresh token"):
            await auth.authorize()
        with pytest.raises(ConfigurationError, match="no refresh token to revoke"):
            await auth.revoke()
        # what OAuth was given is enough
        given = oauth(fake, Store(), load_tokens=lambda nothing=nothing: nothing, refresh_token="rt_0")
        assert (await given.authorize()).startswith("Bearer ")
        fake.oauth._revoked.clear()
    with pytest.raises(ConfigurationError, match="load_tokens must return a mapping"):
        await oauth(fake, Store(), load_tokens=lambda: "at").authorize()
    with pytest.raises(ConfigurationError, match="refresh_token is missing"):
        OAuth("app", "secret")


async def test_revoking_what_is_stored(fake: FakeKlaviyo) -> None:
    auth = oauth(fake, Store(refresh_token="rt_9"))
    await auth.revoke()
    assert "rt_9" in fake.oauth._revoked


@pytest.mark.skipif(sys.platform == "win32", reason="the worker locks a file with fcntl")
@pytest.mark.parametrize("locked", ["locked", "unlocked"])
async def test_processes_that_share_a_file(tmp_path: Path, locked: str) -> None:
    path = tmp_path / "tokens.json"
    path.write_text(json.dumps({"refresh_token": "rt_0"}))
    with FakeKlaviyo(limits=False) as fake:
        fake.oauth.rotate = True
        workers = [
            await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.auth.sharing_worker", fake.url, str(path), locked,
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )
            for _ in range(2)
        ]  # fmt: skip
        outputs = await asyncio.gather(*(worker.communicate() for worker in workers))
        assert [out.decode().strip() for out, _ in outputs] == ["4", "4"], outputs
        if locked == "locked":
            assert not [request for request in fake.calls("oauth_token") if request.status != 200]
