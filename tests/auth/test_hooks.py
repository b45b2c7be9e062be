"""The user's own functions during a refresh: they may use the client, hang, or close it, and nothing waits for ever."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from klaviyo_async import ConfigurationError, Klaviyo, KlaviyoError, OAuth
from klaviyo_async.testing import FakeKlaviyo

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def fake() -> AsyncIterator[FakeKlaviyo]:
    async with FakeKlaviyo(limits=False) as started:
        started.oauth.rotate = True
        yield started


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("klaviyo_async.auth._hooks.PATIENCE", 0.1)
    monkeypatch.setattr("klaviyo_async.auth._hooks.LOCK_PATIENCE", 0.1)


def oauth(fake: FakeKlaviyo, **facts: Any) -> OAuth:
    facts = {"refresh_token": "rt_0", "token_url": f"{fake.url}/oauth/token"} | facts
    return OAuth("app", "secret", **facts)


def client(fake: FakeKlaviyo, auth: OAuth) -> Klaviyo:
    return Klaviyo(auth=auth, base_url=fake.url, limiter=False)


async def test_on_tokens_may_use_the_client(fake: FakeKlaviyo) -> None:
    accounts: list[str] = []

    async def keep(access_token: str, refresh_token: str, expires_at: Any) -> None:
        account = await klaviyo.accounts.get_accounts()
        accounts.append(account.data[0].id)

    async with asyncio.timeout(5), client(fake, oauth(fake, on_tokens=keep)) as klaviyo:
        await asyncio.gather(*(klaviyo.profiles.get_profiles() for _ in range(3)))
    assert len(accounts) == 1
    assert fake.oauth.refreshes == 1
    # the others used them only after it had returned
    assert [request.operation for request in fake.requests][:2] == ["oauth_token", "get_accounts"]


async def test_a_401_within_on_tokens_is_its_own(fake: FakeKlaviyo) -> None:
    async def keep(access_token: str, refresh_token: str, expires_at: Any) -> None:
        fake.oauth.revoke(access_token)
        await klaviyo.accounts.get_accounts()

    async with asyncio.timeout(5), client(fake, oauth(fake, on_tokens=keep)) as klaviyo:
        with pytest.raises(KlaviyoError, match="401"):
            await klaviyo.profiles.get_profiles()
    assert fake.oauth.refreshes == 1


async def test_a_task_that_on_tokens_left_behind_is_like_any_other(fake: FakeKlaviyo) -> None:
    left: list[asyncio.Task[str]] = []

    async def later() -> str:
        await asyncio.sleep(0.05)
        await auth.rejected(await auth.authorize())
        return await auth.authorize()

    def keep(access_token: str, refresh_token: str, expires_at: Any) -> None:
        if not left:
            left.append(asyncio.create_task(later()))

    auth = oauth(fake, on_tokens=keep)
    async with asyncio.timeout(5):
        first = await auth.authorize()
        assert await left[0] != first
    assert fake.oauth.refreshes == 2


async def test_on_tokens_may_close_the_client(fake: FakeKlaviyo) -> None:
    async def keep(access_token: str, refresh_token: str, expires_at: Any) -> None:
        await klaviyo.close()

    klaviyo = client(fake, oauth(fake, on_tokens=keep))
    async with asyncio.timeout(5):
        with pytest.raises(KlaviyoError):
            await klaviyo.profiles.get_profiles()


@pytest.mark.usefixtures("impatient")
async def test_an_on_tokens_that_never_ends_keeps_the_tokens(fake: FakeKlaviyo) -> None:
    stuck = True
    kept: list[str] = []

    async def keep(access_token: str, refresh_token: str, expires_at: Any) -> None:
        if stuck:
            await asyncio.Event().wait()
        kept.append(refresh_token)

    async with asyncio.timeout(5), client(fake, oauth(fake, on_tokens=keep)) as klaviyo:
        results = await asyncio.gather(*(klaviyo.profiles.get_profiles() for _ in range(3)), return_exceptions=True)
        assert [type(result) for result in results] == [ConfigurationError] * 3
        assert "on_tokens has not returned after 0.1 s" in str(results[0])
        stuck = False
        await klaviyo.profiles.get_profiles()
    assert len(kept) == 1
    assert fake.oauth.refreshes == 1
    assert not fake.calls("get_profiles")[1:]


@pytest.mark.usefixtures("impatient")
async def test_closing_does_not_wait_for_it_either(fake: FakeKlaviyo) -> None:
    async def keep(access_token: str, refresh_token: str, expires_at: Any) -> None:
        called.set()
        while True:
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                if over:
                    raise

    over, called = False, asyncio.Event()
    klaviyo = client(fake, oauth(fake, on_tokens=keep))
    async with asyncio.timeout(5):
        call = asyncio.create_task(_page(klaviyo))
        await called.wait()
        await klaviyo.close()
        with pytest.raises(KlaviyoError):
            await call
    over = True
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


async def _page(klaviyo: Klaviyo) -> Any:
    return await klaviyo.profiles.get_profiles()


async def test_load_tokens_cannot_use_the_client(fake: FakeKlaviyo) -> None:
    async def load() -> None:
        await klaviyo.accounts.get_accounts()

    async with asyncio.timeout(5), client(fake, oauth(fake, load_tokens=load)) as klaviyo:
        with pytest.raises(ConfigurationError, match="load_tokens called Klaviyo with the credential"):
            await klaviyo.profiles.get_profiles()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("hook", ["load_tokens", "lock"])
async def test_neither_of_the_others_is_waited_for_for_ever(fake: FakeKlaviyo, hook: str) -> None:
    async def load() -> None:
        await asyncio.Event().wait()

    @asynccontextmanager
    async def lock() -> AsyncIterator[None]:
        await asyncio.Event().wait()
        yield

    auth = oauth(fake, **{hook: {"load_tokens": load, "lock": lock}[hook]})
    async with asyncio.timeout(5):
        with pytest.raises(ConfigurationError, match=rf"^{hook} (has not returned|was not free)"):
            await auth.authorize()
        await auth.close()


async def test_what_they_raise_reaches_the_call(fake: FakeKlaviyo) -> None:
    def fail() -> None:
        raise LookupError("no such row")

    for facts in ({"load_tokens": fail}, {"lock": fail}):
        with pytest.raises(LookupError, match="no such row"):
            await oauth(fake, **facts).authorize()
    with pytest.raises(ConfigurationError, match="async context manager, not NoneType"):
        await oauth(fake, lock=lambda: None).authorize()
    for name in ("load_tokens", "lock"):
        with pytest.raises(ConfigurationError, match=f"{name} must be a function"):
            oauth(fake, **{name: 7})


async def test_a_lock_that_cannot_be_released_loses_nothing(
    fake: FakeKlaviyo, caplog: pytest.LogCaptureFixture
) -> None:
    @asynccontextmanager
    async def lock() -> AsyncIterator[None]:
        yield
        raise ConnectionResetError("redis went away")

    assert (await oauth(fake, lock=lock).authorize()).startswith("Bearer at_")
    assert "lock could not be released: ConnectionResetError" in caplog.text


async def test_two_accounts_whose_on_tokens_use_each_other(fake: FakeKlaviyo) -> None:
    """The chain A → B → A ends because A's tokens are there already."""

    async def keep_one(*_: Any) -> None:
        await two.accounts.get_accounts()

    async def keep_two(*_: Any) -> None:
        await one.accounts.get_accounts()

    async with (
        asyncio.timeout(5),
        client(fake, oauth(fake, on_tokens=keep_one)) as one,
        client(fake, oauth(fake, on_tokens=keep_two, refresh_token="rt_b")) as two,
    ):
        await one.profiles.get_profiles()
    assert fake.oauth.refreshes == 2
