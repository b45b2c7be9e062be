"""docs/contract.md, section 1: the client."""

from __future__ import annotations

import asyncio
import gc
import inspect
import logging
import pickle
import traceback
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

import klaviyo_async
from klaviyo_async import (
    ApiKey,
    ConfigurationError,
    ConnectionFailed,
    Klaviyo,
    KlaviyoError,
    OAuth,
    RateLimitWait,
    RequestOptions,
    RequestTimeout,
    Unauthorized,
)
from klaviyo_async.testing import FakeKlaviyo
from tests.contract.wire import errors
from tests.support.servers import WebServer, document

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "pk_0123456789abcdef_do_not_show"


def test_the_signature_is_the_one_of_the_contract() -> None:
    parameters = inspect.signature(Klaviyo).parameters
    assert next(iter(parameters)) == "api_key"
    assert parameters["api_key"].default is None
    keyword_only = {
        "auth": None,
        "company_id": None,
        "base_url": "https://a.klaviyo.com",
        "revision": klaviyo_async.REVISION,
        "timeout": 30.0,
        "max_retries": 5,
        "max_wait": None,
        "limiter": None,
        "session": None,
        "middlewares": (),
        "validate": True,
    }
    for name, default in keyword_only.items():
        assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY, name
        assert parameters[name].default == default, name


async def test_the_first_example(fake: FakeKlaviyo) -> None:
    fake.seed(profiles=3)
    async with Klaviyo("pk_0", base_url=fake.url) as klaviyo:
        page = await klaviyo.profiles.get_profiles(page_size=100)
    assert len(page.data) == 3


async def test_without_a_key_it_reads_the_environment(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLAVIYO_API_KEY", "pk_from_environment")
    async with Klaviyo(base_url=server.url) as klaviyo:
        await klaviyo.accounts.get_accounts()
    assert server.requests[0].headers["Authorization"] == "Klaviyo-API-Key pk_from_environment"


async def test_the_argument_wins_over_the_environment(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLAVIYO_API_KEY", "pk_from_environment")
    async with Klaviyo("pk_given", base_url=server.url) as klaviyo:
        await klaviyo.accounts.get_accounts()
    assert server.requests[0].headers["Authorization"] == "Klaviyo-API-Key pk_given"


@pytest.mark.parametrize("value", [None, "", "   "])
def test_no_credentials_at_all_says_what_to_set(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if value is not None:
        monkeypatch.setenv("KLAVIYO_API_KEY", value)
    with pytest.raises(ConfigurationError) as caught:
        Klaviyo()
    assert "KLAVIYO_API_KEY" in str(caught.value)
    assert "auth" in str(caught.value)


def test_an_empty_key_is_no_key() -> None:
    with pytest.raises(ConfigurationError):
        Klaviyo("")


@pytest.mark.parametrize(
    "auth",
    [
        ApiKey("pk_plain"),
        lambda: "Klaviyo-API-Key pk_plain",
    ],
)
async def test_auth_is_anything_that_gives_the_header(server: WebServer, auth: Any) -> None:
    async with Klaviyo(auth=auth, base_url=server.url) as klaviyo:
        await klaviyo.accounts.get_accounts()
    assert server.requests[0].headers["Authorization"] == "Klaviyo-API-Key pk_plain"


async def test_auth_is_asked_asynchronously(server: WebServer) -> None:
    class Vault:
        async def authorize(self) -> str:
            await asyncio.sleep(0)
            return "Bearer from-the-vault"

    async with Klaviyo(auth=Vault(), base_url=server.url) as klaviyo:
        await klaviyo.accounts.get_accounts()
    assert server.requests[0].headers["Authorization"] == "Bearer from-the-vault"


async def test_every_request_has_the_revision_and_a_user_agent(server: WebServer) -> None:
    async with Klaviyo("pk_1", base_url=server.url) as klaviyo:
        await klaviyo.accounts.get_accounts()
    async with Klaviyo("pk_1", base_url=server.url, revision="2026-01-15") as klaviyo:
        await klaviyo.accounts.get_accounts()
    assert [request.headers["revision"] for request in server.requests] == [klaviyo_async.REVISION, "2026-01-15"]
    assert klaviyo_async.__version__ in server.requests[0].headers["User-Agent"]


async def test_timeout_is_for_one_attempt(server: WebServer, naps: list[float]) -> None:
    async def slow(_: web.BaseRequest) -> int:
        await asyncio.sleep(3)
        return 500

    server.handler = slow
    async with Klaviyo("pk_1", base_url=server.url, limiter=False, timeout=0.05, max_retries=2) as klaviyo:
        with pytest.raises(RequestTimeout):
            await klaviyo.accounts.get_accounts()
        assert len(server.requests) == 3
        with pytest.raises(RequestTimeout):
            await klaviyo.accounts.get_accounts(options=RequestOptions(max_retries=0))
        assert len(server.requests) == 4
    async with Klaviyo(
        "pk_1", base_url=server.url, limiter=False, timeout=aiohttp.ClientTimeout(total=0.05), max_retries=0
    ) as klaviyo:
        with pytest.raises(RequestTimeout):
            await klaviyo.accounts.get_accounts()


@pytest.mark.parametrize("timeout", [None, 0, -1, float("inf"), float("nan"), "30"])
def test_a_timeout_is_never_infinite_by_accident(timeout: Any) -> None:
    with pytest.raises(ConfigurationError):
        Klaviyo("pk_1", timeout=timeout)


async def test_a_callers_session_is_used_and_never_closed(server: WebServer) -> None:
    started = []
    tracing = aiohttp.TraceConfig()

    async def note(*_: Any) -> None:
        started.append(1)

    tracing.on_request_start.append(note)
    async with aiohttp.ClientSession(trace_configs=[tracing], headers={"X-Mine": "1"}) as session:
        async with Klaviyo("pk_1", base_url=server.url, session=session) as klaviyo:
            await klaviyo.accounts.get_accounts()
        await klaviyo.close()
        assert not session.closed
    assert started == [1]


def open_sessions() -> set[aiohttp.ClientSession]:
    return {thing for thing in gc.get_objects() if type(thing) is aiohttp.ClientSession and not thing.closed}


async def test_its_own_session_is_opened_lazily_and_closed(server: WebServer) -> None:
    others = open_sessions()  # what interrupted loops of earlier tests left
    klaviyo = Klaviyo("pk_1", base_url=server.url)
    assert open_sessions() <= others
    await klaviyo.accounts.get_accounts()
    (own,) = open_sessions() - others
    await klaviyo.close()
    await klaviyo.close()
    assert own not in open_sessions()
    with pytest.raises(KlaviyoError):
        await klaviyo.accounts.get_accounts()
    with pytest.raises(KlaviyoError):
        async with klaviyo:
            pass


def test_made_outside_of_a_loop_and_used_in_several() -> None:
    with FakeKlaviyo(limits=False) as fake:
        fake.seed(profiles=2)
        klaviyo = Klaviyo("pk_1", base_url=fake.url)

        async def count() -> int:
            return len(await klaviyo.profiles.get_profiles().collect())

        assert [asyncio.run(count()) for _ in range(3)] == [2, 2, 2]

        async def end() -> None:
            await klaviyo.close()

        asyncio.run(end())


async def test_closing_ends_calls_under_way(server: WebServer) -> None:
    arrived = asyncio.Event()

    async def hang(_: web.BaseRequest) -> int:
        arrived.set()
        await asyncio.sleep(10)
        return 200

    server.handler = hang
    klaviyo = Klaviyo("pk_1", base_url=server.url)
    call = asyncio.create_task(_first_page(klaviyo))
    await arrived.wait()
    await klaviyo.close()
    with pytest.raises(KlaviyoError):
        async with asyncio.timeout(2):
            await call


async def _first_page(klaviyo: Klaviyo) -> Any:
    return await klaviyo.profiles.get_profiles()


async def test_cancelling_a_call_raises_nothing_but_cancelled(server: WebServer) -> None:
    arrived = asyncio.Event()

    async def hang(_: web.BaseRequest) -> int:
        arrived.set()
        await asyncio.sleep(10)
        return 200

    server.handler = hang
    async with Klaviyo("pk_1", base_url=server.url) as klaviyo:
        call = asyncio.create_task(_first_page(klaviyo))
        await arrived.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        server.handler = lambda _: {"data": []}
        assert (await klaviyo.profiles.get_profiles()).data == []


async def test_middlewares_see_every_attempt_and_4xx_as_responses(server: WebServer, naps: list[float]) -> None:
    left = [503, 429]
    server.handler = lambda _: errors(left.pop()) if left else document({"data": []})
    seen: list[tuple[str, int, int]] = []

    async def watch(request: Any, call_next: Any) -> Any:
        response = await call_next(request)
        seen.append((request.method, request.attempt, response.status))
        return response

    async with Klaviyo("pk_1", base_url=server.url, middlewares=[watch]) as klaviyo:
        document_ = await klaviyo.profiles.get_profiles()
        assert seen == [("GET", 1, 429), ("GET", 2, 503), ("GET", 3, 200)]
        assert document_.http.attempts == 3
        server.handler = lambda _: errors(404)
        with pytest.raises(klaviyo_async.NotFound):
            await klaviyo.profiles.get_profile("x")
        assert seen[-1] == ("GET", 1, 404)


async def test_a_request_is_immutable_and_can_be_replaced(server: WebServer) -> None:
    async def mark(request: Any, call_next: Any) -> Any:
        with pytest.raises((AttributeError, TypeError)):
            request.method = "POST"
        assert KEY not in repr(request)
        return await call_next(request.replace(headers={**request.headers, "X-Trace": "abc"}))

    async def body(request: Any, call_next: Any) -> Any:
        response = await call_next(request)
        with pytest.raises((AttributeError, TypeError)):
            response.status = 500
        return response

    async with Klaviyo(KEY, base_url=server.url, middlewares=[mark, body]) as klaviyo:
        await klaviyo.profiles.get_profiles()
    assert server.requests[0].headers["X-Trace"] == "abc"
    assert server.requests[0].headers["Authorization"] == f"Klaviyo-API-Key {KEY}"


async def test_max_wait_on_retry_after(server: WebServer) -> None:
    server.handler = lambda _: errors(429, "throttled", {"Retry-After": "30"})
    async with Klaviyo("pk_max_wait", base_url=server.url, max_wait=0.5) as klaviyo:
        before = asyncio.get_running_loop().time()
        with pytest.raises(RateLimitWait) as caught:
            await klaviyo.profiles.get_profiles()
        assert asyncio.get_running_loop().time() - before < 0.5
    assert 25 < caught.value.seconds < 35
    assert len(server.requests) == 1


async def test_max_wait_on_the_limiter() -> None:
    async with FakeKlaviyo() as fake, Klaviyo("pk_wait_limiter", base_url=fake.url, max_wait=0) as klaviyo:
        # get_list with profile_count: one in a second
        made = await klaviyo.lists.create_list(name="VIP")
        fields = {"list": ["profile_count"]}
        await klaviyo.lists.get_list(made.data.id, additional_fields=fields)
        with pytest.raises(RateLimitWait) as caught:
            await klaviyo.lists.get_list(made.data.id, additional_fields=fields)
        assert 0 < caught.value.seconds <= 3
        assert fake.responses[429] == 0


async def test_company_id_is_for_the_client_side_operations(fake: FakeKlaviyo) -> None:
    seen = []

    async def watch(request: Any, call_next: Any) -> Any:
        seen.append(request)
        return await call_next(request)

    async with Klaviyo(KEY, company_id="AbC123", base_url=fake.url, middlewares=[watch]) as klaviyo:
        await klaviyo.client.create_client_event(
            metric={"name": "Viewed Product"}, profile={"email": "sarah@example.com"}, properties={"id": "1"}
        )
    sent = fake.calls("create_client_event")[0]
    assert "company_id=AbC123" in str(seen[0].url)
    assert "authorization" not in {name.lower() for name in sent.headers}


async def test_a_client_with_company_id_alone(server: WebServer) -> None:
    async with Klaviyo(company_id="AbC123", base_url=server.url) as klaviyo:
        server.handler = lambda _: web.Response(status=202)
        result = await klaviyo.client.create_client_event(
            metric={"name": "Viewed Product"},
            profile={"email": "sarah@example.com"},
            properties={},
            company_id="XyZ987",
        )
        assert result is None
        assert server.requests[0].query["company_id"] == "XyZ987"
        with pytest.raises(ConfigurationError):
            await klaviyo.profiles.get_profiles()
        assert len(server.requests) == 1


async def test_client_operations_without_company_id_say_so(server: WebServer) -> None:
    async with Klaviyo("pk_1", base_url=server.url) as klaviyo:
        with pytest.raises(KlaviyoError, match="company_id"):
            await klaviyo.client.create_client_event(
                metric={"name": "Viewed Product"}, profile={"email": "sarah@example.com"}, properties={}
            )
    assert not server.requests


def _deep(value: Any, depth: int = 0, seen: set[int] | None = None) -> str:
    """Everything that a nosy error reporter shows: reprs of an object's attributes, theirs, and so on."""
    seen = set() if seen is None else seen
    if id(value) in seen or depth > 6 or isinstance(value, type):
        return ""
    seen.add(id(value))
    text = repr(value)
    for name in {*getattr(value, "__dict__", {}), *getattr(type(value), "__slots__", ())}:
        if name.startswith("__"):
            continue
        try:
            text += _deep(getattr(value, name), depth + 1, seen)
        except AttributeError:
            continue
    if isinstance(value, BaseException):
        text += str(value) + "".join(_deep(part, depth + 1, seen) for part in value.args)
    return text


async def test_a_key_shows_in_no_repr_log_error_or_traceback(
    server: WebServer, caplog: pytest.LogCaptureFixture, naps: list[float]
) -> None:
    caplog.set_level(logging.DEBUG)
    failing: list[Callable[[web.BaseRequest], Any]] = [
        lambda _: errors(400),
        lambda _: errors(401),
        lambda _: errors(429),
        lambda _: web.Response(status=500, text="<html>"),
        lambda request: web.Response(status=400, text=f"you sent {request.headers['Authorization']}"),
        lambda request: request.transport.close() or 200,  # type: ignore[union-attr]
        lambda _: web.Response(body=b"no json", content_type="application/json"),
        lambda _: web.Response(status=302, headers={"Location": "/elsewhere"}),
    ]
    shown = []
    async with Klaviyo(KEY, base_url=server.url, max_retries=1) as klaviyo:
        shown += [repr(klaviyo), str(klaviyo), repr(klaviyo.profiles), repr(klaviyo.limiter.snapshot())]
        shown.append(repr(vars(klaviyo)))
        for index, handler in enumerate(failing):
            server.handler = handler
            with pytest.raises(KlaviyoError) as caught:
                await klaviyo.profiles.get_profile("a")
            if index != 4:  # what the server itself wrote into its answer is the server's
                shown.append(_deep(caught.value))
                shown.append(repr(caught.value) + str(caught.value) + repr(vars(caught.value)))
            report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
            if index != 4:
                shown.append("".join(report.format()))
            assert KEY.encode() not in pickle.dumps(caught.value) or index == 4
    shown.append(repr(ApiKey(KEY)) + repr(vars(ApiKey(KEY)) if hasattr(ApiKey(KEY), "__dict__") else ""))
    shown += [record.getMessage() + repr(record.args) for record in caplog.records]
    assert not [text for text in shown if KEY in text]


async def test_an_oauth_token_shows_nowhere(server: WebServer) -> None:
    secrets = ["the-client-secret", "the-refresh-token", "the-access-token"]
    auth = OAuth("id", "the-client-secret", refresh_token="the-refresh-token", token_url=f"{server.url}/oauth/token")
    server.handler = lambda request: (
        document({"access_token": "the-access-token", "refresh_token": "the-refresh-token", "expires_in": 3600})
        if request.path == "/oauth/token"
        else errors(400)
    )
    async with Klaviyo(auth=auth, base_url=server.url) as klaviyo:
        with pytest.raises(klaviyo_async.BadRequest) as caught:
            await klaviyo.profiles.get_profile("a")
        trace = caught.value.__traceback__
        assert trace is not None  # the test's own frame knows the secrets, and is left out
        report = traceback.TracebackException(type(caught.value), caught.value, trace.tb_next, capture_locals=True)
        shown = repr(klaviyo) + repr(auth) + "".join(report.format()) + _deep(caught.value)
    assert not [secret for secret in secrets if secret in shown]


async def test_a_wrong_key_names_where_it_came_from(fake: FakeKlaviyo, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.fail("get_accounts", status=401)
    monkeypatch.setenv("KLAVIYO_API_KEY", KEY)
    async with Klaviyo(base_url=fake.url) as klaviyo:
        with pytest.raises(Unauthorized) as caught:
            await klaviyo.accounts.get_accounts()
    assert "KLAVIYO_API_KEY" in str(caught.value)
    assert KEY not in str(caught.value)


def test_revision_and_version() -> None:
    assert isinstance(klaviyo_async.__version__, str)
    assert len(klaviyo_async.REVISION.split("-")) == 3


def test_import_loads_neither_models_nor_endpoints_nor_aiohttp(fresh: Callable[..., str]) -> None:
    printed = fresh(
        "import sys, klaviyo_async\n"
        "assert klaviyo_async.__version__\n"
        "print(*sorted(name for name in sys.modules if name.startswith(('klaviyo_async', 'aiohttp', 'orjson', 'attr'))))"
    ).split()
    assert not [name for name in printed if name.startswith(("klaviyo_async.models", "klaviyo_async.api", "aiohttp"))]


def test_everything_of_the_top_level_loads_no_models(fresh: Callable[..., str]) -> None:
    printed = fresh(
        "import sys\n"
        "from klaviyo_async import (Klaviyo, RequestOptions, F, Filter, Fields, UNSET, ApiKey, OAuth, LocalLimiter,\n"
        "    RedisLimiter, REVISION, operations, preload)\n"
        "klaviyo = Klaviyo('pk_1')\n"
        "print(*sorted(name for name in sys.modules if name.startswith('klaviyo_async.')))"
    ).split()
    assert not [name for name in printed if name.startswith("klaviyo_async.models.")]
    assert not [name for name in printed if name.startswith("klaviyo_async.api.")]


def test_preload_of_names_loads_these_and_of_none_all(fresh: Callable[..., str]) -> None:
    some, all_ = fresh(
        "import sys, klaviyo_async\n"
        "def count(prefix): return sum(name.startswith(prefix) for name in sys.modules)\n"
        "klaviyo_async.preload('get_profiles', 'create_event')\n"
        "import klaviyo_async.api.profiles\n"
        "print(count('klaviyo_async.models.'), 'aiohttp' in sys.modules)\n"
        "klaviyo_async.preload()\n"
        "print(count('klaviyo_async.models.'), 'aiohttp' in sys.modules)\n"
    ).splitlines()
    few, many = int(some.split()[0]), int(all_.split()[0])
    assert 0 < few < many / 4
    with pytest.raises(KlaviyoError, match="did you mean 'get_profile"):
        klaviyo_async.preload("get_profilez")


async def test_nobody_there_is_connection_failed(naps: list[float]) -> None:
    async with Klaviyo("pk_1", base_url="http://127.0.0.1:9", max_retries=1) as klaviyo:
        with pytest.raises(ConnectionFailed) as caught:
            await klaviyo.profiles.create_profile(email="a@x.com")
    assert isinstance(caught.value, klaviyo_async.TransportError)
    assert len(naps) == 1


async def test_request_reaches_what_the_spec_does_not_have(server: WebServer, naps: list[float]) -> None:
    async with Klaviyo("pk_1", base_url=server.url, company_id="AbC123") as klaviyo:
        server.handler = lambda _: {"data": [{"type": "thing", "id": "1"}]}
        found = await klaviyo.request("GET", "/api/things", params={"page[size]": 5, "filter": 'equals(name,"a b")'})
        assert found == {"data": [{"type": "thing", "id": "1"}]}
        assert server.requests[-1].headers["Authorization"] == "Klaviyo-API-Key pk_1"
        assert server.requests[-1].headers["revision"] == klaviyo_async.REVISION
        assert dict(server.requests[-1].query) == {"page[size]": "5", "filter": 'equals(name,"a b")'}
        server.handler = lambda _: web.Response(status=204)
        assert await klaviyo.request("POST", "/api/things", json={"data": {"type": "thing"}}) is None
        assert server.json == {"data": {"type": "thing"}}
        left = [429]
        server.handler = lambda _: errors(left.pop()) if left else document({"data": None})
        assert await klaviyo.request("get", "/api/things") == {"data": None}
        server.handler = lambda _: errors(409, "duplicate_profile", meta={"duplicate_profile_id": "01H"})
        with pytest.raises(klaviyo_async.Conflict) as caught:
            await klaviyo.request("POST", "/api/things", json={})
        assert caught.value.duplicate_profile_id == "01H"
        await_count = len(server.requests)
        with pytest.raises(KlaviyoError):
            await klaviyo.request("GET", "https://evil.example/api/things")
        assert len(server.requests) == await_count


async def test_options_override_the_client_for_one_call(server: WebServer, naps: list[float]) -> None:
    server.handler = lambda _: errors(503)
    async with Klaviyo("pk_1", base_url=server.url, max_retries=3) as klaviyo:
        options = RequestOptions(timeout=1.0, max_retries=0, max_wait=1.0, headers={"X-Mine": "1"}, priority="bulk")
        with pytest.raises(klaviyo_async.ServerError):
            await klaviyo.profiles.get_profiles(options=options)
        assert len(server.requests) == 1
        assert server.requests[0].headers["X-Mine"] == "1"
        with pytest.raises(klaviyo_async.ServerError):
            await klaviyo.profiles.get_profiles()
        assert len(server.requests) == 5
        assert "X-Mine" not in server.requests[1].headers


async def test_a_refused_and_a_broken_key_are_told_before_sending() -> None:
    for key in ("pk_ü", "pk_1\r\nX: y", " "):
        with pytest.raises(ConfigurationError) as caught:
            Klaviyo(key)
        assert key.strip() == "" or key not in str(caught.value)


@pytest.mark.parametrize("options", [{"timeout": 1}, 5, "x"])
async def test_options_that_are_none(server: WebServer, options: Any) -> None:
    async with Klaviyo("pk_1", base_url=server.url) as klaviyo:
        with pytest.raises(TypeError, match="RequestOptions"):
            klaviyo.profiles.get_profiles(options=options)
        with pytest.raises(TypeError, match="RequestOptions"):
            await klaviyo.profiles.get_profile("1", options=options)
        with pytest.raises(TypeError, match="RequestOptions"):
            await klaviyo.request("GET", "/api/profiles", options=options)


async def test_a_private_key_is_never_a_company(server: WebServer) -> None:
    """It would stand in the URL of a request that anybody may read."""
    with pytest.raises(ConfigurationError):
        Klaviyo("pk_1", company_id=KEY)
    async with Klaviyo("pk_1", company_id="AbC123", base_url=server.url) as klaviyo:
        with pytest.raises(KlaviyoError) as caught:
            await klaviyo.client.get_client_reviews(company_id=KEY)
        assert KEY not in str(caught.value)
        for path, params in ((f"/client/reviews?company_id={KEY}", None), ("/client/reviews", {"company_id": KEY})):
            with pytest.raises(KlaviyoError) as caught:
                await klaviyo.request("GET", path, params=params)
            assert KEY not in str(caught.value)
        assert not server.requests
        await klaviyo.request("GET", "/client/reviews")
        assert "Authorization" not in server.requests[0].headers
        assert server.requests[0].query["company_id"] == "AbC123"


@pytest.mark.parametrize("value", [None, 5, b"Bearer x", "", "Bearer a\r\nX: y"])
async def test_an_auth_that_gives_no_header(server: WebServer, value: Any) -> None:
    async def authorize() -> Any:
        return value

    async with Klaviyo(auth=authorize, base_url=server.url) as klaviyo:
        with pytest.raises(ConfigurationError):
            await klaviyo.profiles.get_profiles()
    assert not server.requests


async def test_clients_of_one_auth_object_share_the_limits() -> None:
    class Vault:
        async def authorize(self) -> str:
            return "Klaviyo-API-Key pk_vault"

    vault = Vault()
    async with (
        FakeKlaviyo() as fake,
        Klaviyo(auth=vault, base_url=fake.url) as one,
        Klaviyo(auth=vault, base_url=fake.url) as two,
        Klaviyo(auth=vault.authorize, base_url=fake.url) as three,
    ):
        await asyncio.gather(
            *(_first_page(client) for client in (one, two, three) for _ in range(40)),
        )
        assert fake.responses[429] == 0
