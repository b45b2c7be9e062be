"""What a client and the options of a call can be set to, and what is refused with which words."""

from __future__ import annotations

import enum
import math
from typing import Any

import aiohttp
import pytest

from klaviyo_async import REVISION, ApiKey, Auth, ConfigurationError, Klaviyo, LocalLimiter, OAuth, RequestOptions
from klaviyo_async._http.transport import timeout_of
from tests.http.wire import PROFILE, Recorder
from tests.support.servers import RawServer, reply


class TestCredentials:
    def test_none_at_all(self) -> None:
        with pytest.raises(ConfigurationError, match=r'Klaviyo\("pk_…"\).*KLAVIYO_API_KEY.*auth'):
            Klaviyo()

    def test_an_empty_variable_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KLAVIYO_API_KEY", "  ")
        with pytest.raises(ConfigurationError, match="No credential"):
            Klaviyo()

    async def test_from_the_environment(self, server: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KLAVIYO_API_KEY", "pk_env\n")
        server.plan(reply(200, PROFILE))
        async with (
            Klaviyo(base_url=server.url, limiter=False) as first,
            Klaviyo("pk_arg", base_url=server.url, limiter=False) as second,
        ):
            await first.profiles.get_profile("1")
            await second.profiles.get_profile("1")
        assert [r.headers["authorization"] for r in server.requests] == [
            "Klaviyo-API-Key pk_env",
            "Klaviyo-API-Key pk_arg",
        ]

    @pytest.mark.parametrize(
        "given",
        [
            {"api_key": "pk_a", "auth": ApiKey("pk_b")}, {"api_key": ""}, {"api_key": 7}, {"auth": "pk_a"}, {"auth": ApiKey}, {"auth": 7},
            {"api_key": ApiKey("pk_a")},
        ],
    )  # fmt: skip
    def test_what_is_no_credential(self, given: Any) -> None:
        with pytest.raises(ConfigurationError):
            Klaviyo(**given)

    async def test_anything_that_gives_the_header(self, server: RawServer) -> None:
        class Own(Auth):
            async def authorize(self) -> str:
                return "Own subclass"

        class Duck:
            async def authorize(self) -> str:
                return "Own duck"

        async def function() -> str:
            return "Own coroutine"

        server.plan(reply(200, PROFILE))
        for auth in (Own(), Duck(), function, lambda: "Own plain", ApiKey("pk_x")):
            async with Klaviyo(auth=auth, base_url=server.url, limiter=False) as klaviyo:
                await klaviyo.profiles.get_profile("1")
                assert "Own" not in repr(klaviyo).replace("Own(…)", "")
        assert [r.headers["authorization"] for r in server.requests] == [
            "Own subclass", "Own duck", "Own coroutine", "Own plain", "Klaviyo-API-Key pk_x",
        ]  # fmt: skip

    @pytest.mark.parametrize("header", ["", "a\r\nX-Evil: 1", "a\n"])
    async def test_a_header_that_is_none(self, server: RawServer, recorder: Recorder, header: str) -> None:
        async with Klaviyo(auth=lambda: header, base_url=server.url, limiter=recorder) as klaviyo:
            with pytest.raises(ConfigurationError, match="one line of printable text") as caught:
                await klaviyo.profiles.get_profile("1")
        assert "Evil" not in str(caught.value)
        assert recorder.fates == ["unsent"]
        assert server.requests == []

    async def test_an_auth_that_fails_gives_the_permit_back(self, server: RawServer, recorder: Recorder) -> None:
        async def broken() -> str:
            raise LookupError("vault is sealed")

        async with Klaviyo(auth=broken, base_url=server.url, limiter=recorder) as klaviyo:
            with pytest.raises(LookupError, match="sealed"):
                await klaviyo.profiles.get_profile("1")
        assert recorder.fates == ["unsent"]

    def test_subclasses_without_authorize(self) -> None:
        class Lazy(Auth):
            pass

        with pytest.raises(TypeError, match="authorize"):
            Lazy()  # type: ignore[abstract]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"timeout": 0}, "timeout must be a positive number of seconds or an aiohttp.ClientTimeout"),
        ({"timeout": -1}, "timeout"), ({"timeout": None}, "timeout"), ({"timeout": True}, "timeout"), ({"timeout": math.nan}, "timeout"),
        ({"timeout": math.inf}, r"aiohttp\.ClientTimeout\(total=None\)"), ({"timeout": "30"}, "timeout"),
        ({"timeout": 10**400}, "timeout"), ({"max_wait": 10**400}, "max_wait"), ({"max_wait": 10**5000}, "max_wait"),
        ({"max_retries": -1}, "max_retries must be a whole number"), ({"max_retries": 1.5}, "max_retries"), ({"max_retries": True}, "max_"),
        ({"max_wait": -0.1}, "max_wait must be a number of seconds"), ({"max_wait": math.nan}, "max_wait"), ({"max_wait": "1"}, "max_wait"),
        ({"revision": "2026"}, "revision must be a date such as"), ({"revision": "2026-04-15\r\n"}, "revision"), ({"revision": 7}, "revision"),
        ({"limiter": "no"}, "limiter must be"), ({"limiter": LocalLimiter}, "not the class LocalLimiter"), ({"limiter": True}, "limiter"), ({"session": "http"}, "aiohttp.ClientSession"),
        ({"company_id": "a b"}, "company_id"), ({"company_id": ""}, "company_id"), ({"company_id": 7}, "company_id"),
        ({"headers": {"X-A": "a\r\nX-B: 1"}}, "The header X-A"), ({"headers": {"X A": "1"}}, "is not a valid header name"),
        ({"headers": {"Authorization": "x"}}, "made from `api_key` or `auth`"), ({"headers": {"Revision": "x"}}, "made from `revision`"),
        ({"headers": ["X-A"]}, "mapping"), ({"headers": {"X-A": 1}}, "The header X-A"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Klaviyo("pk_x", **given)


@pytest.mark.parametrize(
    "given",
    [
        {"timeout": 0}, {"timeout": math.inf}, {"max_retries": -1}, {"max_wait": -1}, {"priority": "urgent"}, {"headers": {"Host": "x"}},
        {"headers": {"X": "\n"}}, {"revision": "new"},
    ],
)  # fmt: skip
def test_options_that_cannot_be(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        RequestOptions(**given)


async def test_settings_that_are_members_of_enums(server: RawServer) -> None:
    """Their `str()` on Python 3.11 is their name."""

    class Shop(str, enum.Enum):  # noqa: UP042 - not StrEnum, whose `str()` is the value
        KEY = "pk_shop"
        COMPANY = "AbC123"
        REVISION = "2026-01-15"
        HEADER = "X-Shop"
        NAME = "shop/1.2"
        URL = server.url

    server.plan(reply(200, b'{"data":[]}'))
    headers = {Shop.HEADER: Shop.NAME, "User-Agent": Shop.NAME}
    async with Klaviyo(
        Shop.KEY, company_id=Shop.COMPANY, base_url=Shop.URL, revision=Shop.REVISION, headers=headers, limiter=False
    ) as klaviyo:
        await klaviyo.profiles.get_profiles()
        await klaviyo.client.get_client_reviews()
        assert repr(klaviyo) == f"Klaviyo(base_url='{server.url}', revision='2026-01-15', auth=ApiKey(…))"

    async def authorize() -> str:
        return Shop.KEY

    async with Klaviyo(auth=authorize, base_url=server.url, limiter=False) as klaviyo:
        await klaviyo.profiles.get_profiles()
    private, public, own = server.requests
    assert private.headers["authorization"] == "Klaviyo-API-Key pk_shop"
    assert (private.headers["revision"], private.headers["x-shop"]) == ("2026-01-15", "shop/1.2")
    assert private.headers["user-agent"].startswith("shop/1.2 klaviyo_async/")
    assert public.query["company_id"] == "AbC123"
    assert own.headers["authorization"] == "pk_shop"


def test_options_show_what_was_given() -> None:
    assert repr(RequestOptions()) == "RequestOptions()"
    options = RequestOptions(timeout=5, max_wait=0, headers={"X-Shop": "1"}, validate=False)
    assert (
        repr(options) == "RequestOptions(timeout=5.0, max_wait=0.0, headers=Headers({'X-Shop': '1'}), validate=False)"
    )


def test_options_are_values() -> None:
    options = RequestOptions(timeout=1, headers={"X-A": "1"})
    assert options == RequestOptions(timeout=1, headers={"x-a": "1"})
    assert RequestOptions() == RequestOptions(timeout=None)
    with pytest.raises(AttributeError):
        options.timeout = 2  # type: ignore[misc]


async def test_headers_for_all_calls_and_for_one(server: RawServer) -> None:
    server.plan(reply(200, PROFILE))
    async with Klaviyo(
        "pk_x", base_url=server.url, limiter=False, headers={"X-All": "a", "X-Both": "client"}
    ) as klaviyo:
        await klaviyo.profiles.get_profile("1", options=RequestOptions(headers={"X-One": "o", "x-both": "call"}))
        await klaviyo.profiles.get_profile("1")
    first, second = (request.headers for request in server.requests)
    assert (first["x-all"], first["x-one"], first["x-both"]) == ("a", "o", "call")
    assert (second["x-all"], second["x-both"]) == ("a", "client")
    assert "x-one" not in second


async def test_validate_is_the_clients_or_the_calls(server: RawServer) -> None:
    server.plan(reply(200, b'{"data":[]}'))
    async with Klaviyo("pk_x", base_url=server.url, limiter=False, validate=False) as klaviyo:
        await klaviyo.profiles.get_profiles(sort="-new_field")
        with pytest.raises(ValueError, match="new_field"):
            await klaviyo.profiles.get_profiles(sort="-new_field", options=RequestOptions(validate=True))
    assert len(server.requests) == 1


def test_timeouts_are_never_infinite_by_default() -> None:
    times = timeout_of(Klaviyo("pk_x")._session.settings.timeout)
    assert (times.total, times.sock_connect) == (30, 10)
    assert timeout_of(2.0).sock_connect == 2
    own = aiohttp.ClientTimeout(total=None, sock_read=7)
    assert timeout_of(Klaviyo("pk_x", timeout=own)._session.settings.timeout) == own


class TestLimiter:
    def test_is_shared_by_the_clients_of_the_process(self) -> None:
        first, second = (Klaviyo(key)._session.limiter for key in ("pk_a", "pk_b"))
        assert first is second
        own = LocalLimiter()
        assert Klaviyo("pk_a", limiter=own)._session.limiter is own

    async def test_a_client_sees_its_own_account_only(self, server: RawServer) -> None:
        server.plan(reply(200, PROFILE))
        async with Klaviyo("pk_mine", base_url=server.url) as mine, Klaviyo("pk_other", base_url=server.url) as other:
            await mine.profiles.get_profile("1")
            assert [bucket.name for bucket in mine.limiter.snapshot().buckets] == ["get_profile"]
            assert other.limiter.snapshot().buckets == ()
            mine.limiter.reset()

    def test_turned_off(self) -> None:
        with pytest.raises(ConfigurationError, match="limiter=False"):
            _ = Klaviyo("pk_a", limiter=False).limiter

    async def test_the_same_credential_at_the_same_place_is_one_account(
        self, server: RawServer, recorder: Recorder
    ) -> None:
        other = RawServer()
        await other.start()
        for place in (server, other):
            place.plan(reply(200, PROFILE))
        for key, base_url in (
            ("pk_a", server.url),
            ("pk_a", server.url + "/"),
            ("pk_b", server.url),
            ("pk_a", other.url),
        ):
            async with Klaviyo(key, base_url=base_url, limiter=recorder) as klaviyo:
                await klaviyo.profiles.get_profile("1")
        first, same, another, elsewhere = [asked["account"] for asked in recorder.asked]
        assert first == same
        assert len({first, another, elsewhere}) == 3
        assert "pk_" not in first + another + elsewhere
        await other.stop()

    async def test_is_not_closed_with_the_client(self, server: RawServer) -> None:
        class Closing(Recorder):
            closed = False

            async def close(self) -> None:
                self.closed = True

        limiter = Closing()
        await Klaviyo("pk_a", limiter=limiter).close()
        assert not limiter.closed

    async def test_it_is_told_what_the_call_sets_off(
        self, server: RawServer, klaviyo: Klaviyo, recorder: Recorder
    ) -> None:
        server.plan(reply(200, b'{"data":[]}'))
        await klaviyo.profiles.get_profiles(additional_fields={"profile": ["predictive_analytics"]})
        (asked,) = recorder.asked
        assert [limit.value for limit in asked["triggered"]] == ["predictive_analytics"]
        assert (asked["priority"], asked["max_wait"]) == ("interactive", None)


def test_what_a_client_shows() -> None:
    assert (
        repr(Klaviyo("pk_secret"))
        == f"Klaviyo(base_url='https://a.klaviyo.com', revision='{REVISION}', auth=ApiKey(…))"
    )
    assert "OAuth(…)" in repr(Klaviyo(auth=OAuth("a", "b", refresh_token="c")))


class TestHeaders:
    @pytest.mark.parametrize(
        ("name", "instead"),
        [
            ("Accept", "application/vnd.api\\+json"), ("revision", "`revision`"), ("authorization", "`api_key` or `auth`"),
            ("Host", "`base_url`"), ("Content-Type", "the body"), ("Content-Length", "the body"),
            ("Transfer-Encoding", "the body"), ("Connection", "force_close"),
        ],
    )  # fmt: skip
    def test_of_the_clients_own_are_refused(self, name: str, instead: str) -> None:
        for make in (lambda: Klaviyo("pk_x", headers={name: "x"}), lambda: RequestOptions(headers={name: "x"})):
            with pytest.raises(ConfigurationError, match=f"{name} can't be set: .*{instead}"):
                make()

    async def test_a_user_agent_goes_in_front(self, server: RawServer) -> None:
        server.plan(reply(200, PROFILE))
        async with Klaviyo("pk_x", base_url=server.url, limiter=False, headers={"user-agent": "shop/1.2"}) as klaviyo:
            await klaviyo.profiles.get_profile("1")
            await klaviyo.profiles.get_profile("1", options=RequestOptions(headers={"User-Agent": "job/3"}))
        first, second = (request.headers["user-agent"] for request in server.requests)
        assert first.startswith("shop/1.2 klaviyo_async/")
        assert second.startswith("job/3 klaviyo_async/")

    def test_lone_surrogates_can_not_be_sent(self) -> None:
        with pytest.raises(ConfigurationError, match="lone surrogates"):
            Klaviyo("pk_x", headers={"X-A": "\ud800"})


class TestWithOptions:
    async def test_is_the_same_client_with_other_defaults(self, server: RawServer, recorder: Recorder) -> None:
        server.plan(reply(200, PROFILE))
        async with Klaviyo("pk_x", base_url=server.url, limiter=recorder, headers={"X-A": "1"}) as klaviyo:
            await klaviyo.profiles.get_profile("1")
            bulk = klaviyo.with_options(priority="bulk", max_wait=600, headers={"X-B": "2"}, revision="2026-01-15")
            await bulk.profiles.get_profile("1")
            await bulk.profiles.get_profile("1", options=RequestOptions(priority="interactive"))
            await klaviyo.profiles.get_profile("1")
        assert [asked["priority"] for asked in recorder.asked] == ["interactive", "bulk", "interactive", "interactive"]
        assert [asked["max_wait"] for asked in recorder.asked] == [None, 600, 600, None]
        assert len({asked["account"] for asked in recorder.asked}) == 1
        assert len(server.connections) == 1
        first, second, _, last = (request.headers for request in server.requests)
        assert (second["x-a"], second["x-b"], second["revision"]) == ("1", "2", "2026-01-15")
        assert "x-b" not in first
        assert last == first

    async def test_owns_nothing(self, server: RawServer) -> None:
        server.plan(reply(200, PROFILE))
        klaviyo = Klaviyo("pk_x", base_url=server.url, limiter=False)
        async with klaviyo.with_options(timeout=1).with_options(max_retries=0) as derived:
            await derived.profiles.get_profile("1")
        assert not derived.closed
        await klaviyo.profiles.get_profile("1")
        await klaviyo.close()
        assert derived.closed
        with pytest.raises(ConfigurationError, match="closed"):
            await derived.profiles.get_profile("1")

    def test_takes_what_options_take(self) -> None:
        klaviyo = Klaviyo("pk_x")
        with pytest.raises(ConfigurationError, match="priority must be"):
            klaviyo.with_options(priority="urgent")  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            klaviyo.with_options(api_key="pk_y")  # type: ignore[call-arg]

        class Own(Klaviyo):
            pass

        assert type(Own("pk_x").with_options(timeout=1)) is Own


async def test_options_must_be_options(klaviyo: Klaviyo) -> None:
    with pytest.raises(TypeError, match="options must be RequestOptions"):
        await klaviyo.request("GET", "/api/x", options={"timeout": 1})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="options must be RequestOptions"):
        await klaviyo.profiles.get_profile("1", options={"timeout": 1})  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [0, -1, 1.5, True, "1"])
def test_a_size_that_cannot_be(size: Any) -> None:
    with pytest.raises(ConfigurationError, match="max_response_bytes must be"):
        Klaviyo("pk_x", max_response_bytes=size)


async def test_an_origin_without_limits_needs_no_limiter(
    server: RawServer, klaviyo: Klaviyo, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.plan(reply(200, PROFILE))
    monkeypatch.setattr("klaviyo_async._http.attempts.ORIGINS", {server.url})
    await klaviyo.profiles.get_profile("1")
    assert recorder.asked == []
