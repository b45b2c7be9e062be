"""The window into the fake: what it shows, that it escapes and hides, and that other web pages can't drive it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from klaviyo_async import ConfigurationError, Klaviyo, KlaviyoError
from klaviyo_async.testing import FakeKlaviyo

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PREFIX = "/_window"


class Browser:
    """Reads pages and sends forms as a browser on a page of the window would."""

    def __init__(self, fake: FakeKlaviyo, session: aiohttp.ClientSession) -> None:
        self.fake = fake
        self._session = session

    async def get(self, path: str, status: int = 200, **headers: str) -> str:
        async with self._session.get(self.fake.url + path, headers=headers) as response:
            text = await response.text()
            assert response.status == status, response.status
            return text

    async def post(self, action: str, expected: int = 200, headers: dict[str, str] | None = None, **fields: str) -> str:
        headers = {"Origin": self.fake.url} if headers is None else headers
        async with self._session.post(f"{self.fake.url}{PREFIX}/do/{action}", data=fields, headers=headers) as response:
            text = await response.text()
            assert response.status == expected, response.status
            return text


@pytest.fixture
async def fake() -> AsyncIterator[FakeKlaviyo]:
    async with FakeKlaviyo(window=True) as started:
        yield started


@pytest.fixture
async def browser(fake: FakeKlaviyo) -> AsyncIterator[Browser]:
    async with aiohttp.ClientSession() as session:
        yield Browser(fake, session)


@pytest.fixture
async def klaviyo(fake: FakeKlaviyo) -> AsyncIterator[Klaviyo]:
    async with Klaviyo("pk_do_not_show", base_url=fake.url, max_retries=0) as client:
        yield client


async def test_requests_with_body_checks_and_answer(browser: Browser, klaviyo: Klaviyo) -> None:
    assert "No requests yet" in await browser.get("/")
    await klaviyo.profiles.create_profile(email="sarah@example.com", properties={"tier": "gold"})
    listed = await browser.get(f"{PREFIX}/")
    assert "create_profile" in listed
    assert "/api/profiles" in listed
    detail = await browser.get(f"{PREFIX}/requests/1")
    assert "&#34;tier&#34;: &#34;gold&#34;" in detail
    assert detail.count('class="passed"') == 7
    assert "Klaviyo-API-Key •••" in detail
    assert "X-Klaviyo-Req-Id" in detail


@pytest.mark.parametrize(
    ("headers", "path", "refused", "passed"),
    [
        ({}, "/api/nothing", "path", 0),
        ({}, "/api/profiles", "key", 1),
        ({"Authorization": "Klaviyo-API-Key pk_x"}, "/api/profiles", "revision", 2),
        ({"Authorization": "Klaviyo-API-Key pk_x", "revision": "2026-04-15"}, "/api/profiles?sort=x", "query", 5),
    ],
)
async def test_the_check_that_refused(
    browser: Browser, headers: dict[str, str], path: str, refused: str, passed: int
) -> None:
    async with aiohttp.ClientSession() as session, session.get(browser.fake.url + path, headers=headers):
        pass
    detail = await browser.get(f"{PREFIX}/requests/1")
    assert '<li class="refused" title="' in detail
    assert f"<b>{refused}</b> refused" in detail
    assert detail.count('class="passed"') == passed


async def test_a_body_that_does_not_fit(browser: Browser, klaviyo: Klaviyo) -> None:
    with pytest.raises(KlaviyoError):
        await klaviyo.request("POST", "/api/lists", json={"data": {"type": "list", "attributes": {"nome": "x"}}})
    assert "<b>body</b> refused" in await browser.get(f"{PREFIX}/requests/1")


async def test_markup_is_shown_and_not_run(browser: Browser, klaviyo: Klaviyo) -> None:
    evil = "<script>document.title='x'</script>\"'><img src=x onerror=alert(1)>"
    made = await klaviyo.profiles.create_profile(email="a@example.com", first_name=evil, properties={evil: evil})
    await klaviyo.lists.create_list(name=evil)
    with pytest.raises(KlaviyoError):
        await klaviyo.request("GET", "/api/" + "<img src=x>", params={evil: evil}, headers={"X-Mine": "<b>x</b>"})
    pages = [
        "/",
        f"{PREFIX}/resources/list",
        f"{PREFIX}/resources/profile/{made.data.id}",
        f"{PREFIX}/resources/%3Cb%3E",
    ]
    pages += [f"{PREFIX}/requests/{number}" for number in (1, 2, 3)] + [f"{PREFIX}/?operation=%3Cscript%3E%22"]
    for path in pages:
        page = await browser.get(path)
        assert "<script>" not in page
        assert "<img" not in page
        assert "<b>x" not in page
        assert page.count("<script ") == 1


async def test_keys_and_tokens_are_not_shown(browser: Browser, fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    await klaviyo.webhooks.create_webhook(
        name="shop",
        endpoint_url="https://shop.example.com",
        secret_key="do_not_show_this_secret",
        webhook_topics=["event:klaviyo.opened_email"],
    )
    async with aiohttp.ClientSession() as session:
        form = {
            "grant_type": "refresh_token",
            "refresh_token": "do_not_show_r",
            "client_id": "app",
            "client_secret": "do_not_show_s",
        }
        await (await session.post(f"{fake.url}/oauth/token", data=form)).read()
        await (
            await session.get(
                f"{fake.url}/api/accounts?api_key=do_not_show_a", headers={"Authorization": "Bearer do_not_show_b"}
            )
        ).read()
        await (await session.get(f"{fake.url}/api/accounts/pk_do_not_show_c")).read()
    webhook = next(fake.store.all("webhook"))["id"]
    paths = ["/", f"{PREFIX}/webhooks", f"{PREFIX}/resources/webhook", f"{PREFIX}/resources/webhook/{webhook}"]
    for path in [*paths, *(f"{PREFIX}/requests/{number}" for number in range(1, len(fake.requests) + 1))]:
        assert "do_not_show" not in await browser.get(path), path


async def test_narrowing_and_going_back(browser: Browser, fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    fake.fail("get_lists", status=503)
    with pytest.raises(KlaviyoError):
        await klaviyo.lists.get_lists()
    await klaviyo.profiles.get_profiles()
    assert "get_profiles" not in await browser.get(f"{PREFIX}/?failed=1")
    assert "get_lists" in await browser.get(f"{PREFIX}/?failed=1")
    assert "get_lists" not in await browser.get(f"{PREFIX}/?operation=profiles")
    assert ">fault</span>" in await browser.get(f"{PREFIX}/?operation=lists")
    await browser.get(f"{PREFIX}/requests/99", status=404)
    await browser.get(f"{PREFIX}/nowhere", status=404)


async def test_state_and_jobs(browser: Browser, fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    fake.seed(profiles=130, lists=1)
    page = await browser.get(f"{PREFIX}/resources/profile")
    assert "100 of 130" in page
    one = next(fake.store.latest("profile"))
    assert one["id"] in await browser.get(f"{PREFIX}/resources/profile?search={one['attributes']['email']}")
    member = next(fake.store.all("list"))["id"]
    assert "/resources/profile/" in await browser.get(f"{PREFIX}/resources/list/{member}")
    await klaviyo.profiles.bulk_import_profiles(profiles=[{"email": "new@example.com"}])
    assert "Finish all jobs" in await browser.get(f"{PREFIX}/resources")
    await browser.post("finish-jobs")
    assert fake.store.find("profile", email="new@example.com") is not None


async def test_limits(browser: Browser, klaviyo: Klaviyo) -> None:
    assert "Nothing has been used" in await browser.get(f"{PREFIX}/limits")
    await klaviyo.profiles.get_profiles(additional_fields={"profile": ["predictive_analytics"]})
    page = await browser.get(f"{PREFIX}/limits")
    assert "749 of 750" in page
    assert "predictive_analytics" in page
    async with FakeKlaviyo(window=True, limits=False) as unlimited:
        browser.fake = unlimited
        assert "Limits are off" in await browser.get(f"{PREFIX}/limits")


async def test_faults_are_switched_on_and_off(browser: Browser, fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    await browser.post("plan-fault", operation="get_lists", kind="status", status="503", times="2", retry_after="7")
    assert "responds 503 Service Unavailable" in await browser.get(f"{PREFIX}/faults")
    with pytest.raises(KlaviyoError) as refused:
        await klaviyo.with_options(max_wait=1).lists.get_lists()
    assert refused
    assert fake.faults[0].hits == 1
    await browser.post("plan-fault", kind="reset", always="1", after="3", processed="1")
    page = await browser.get(f"{PREFIX}/faults")
    assert "breaks the connection, after taking effect" in page
    assert "every request after 3 more" in page
    await browser.post("drop-fault", number="0")
    assert [one.reset for one in fake.faults] == [True]
    await browser.post("clear-faults")
    assert fake.faults == []
    await browser.post("set-latency", seconds="0.25")
    assert fake.latency == 0.25
    await browser.post("set-latency", seconds="0")
    assert fake.latency is None


@pytest.mark.parametrize(
    ("action", "fields", "said"),
    [
        ("plan-fault", {}, "Choose what"),
        ("plan-fault", {"kind": "status", "operation": "get_nothing"}, "there is no operation"),
        ("plan-fault", {"kind": "status", "status": "99"}, "from 200 to 599"),
        ("plan-fault", {"kind": "delay", "seconds": "soon"}, "Seconds must be"),
        ("set-latency", {"seconds": "-1"}, "Seconds must be"),
        ("add-webhook", {"url": "http://elsewhere.example", "secret": "s" * 16}, "https URL"),
        ("add-webhook", {"url": "https://shop.example", "secret": "short"}, "16 characters"),
        ("trigger", {"topic": "event:none.such"}, "Choose a topic"),
        ("trigger", {"topic": "event:klaviyo.opened_email", "email": "nobody"}, "e-mail address"),
    ],
)
async def test_what_can_not_be_done_is_told(browser: Browser, action: str, fields: dict[str, Any], said: str) -> None:
    assert said in await browser.post(action, expected=400, **fields)
    assert browser.fake.faults == []


async def test_a_webhook_is_triggered(browser: Browser, fake: FakeKlaviyo) -> None:
    got: list[Any] = []

    async def receive(request: web.Request) -> web.Response:
        got.append((await request.json(), request.headers))
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    topic = "event:klaviyo.opened_email"
    await browser.post("add-webhook", url=url, secret="s" * 20, topic=topic)
    await browser.post("trigger", topic=topic, email="sarah@example.com")
    await fake.settle()
    await runner.cleanup()
    [(body, headers)] = got
    assert body["data"][0]["topic"] == topic
    assert headers["Klaviyo-Signature"]
    page = await browser.get(f"{PREFIX}/webhooks")
    assert '<span class="status good">200</span>' in page


async def test_reset(browser: Browser, fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    await klaviyo.lists.create_list(name="x")
    fake.fail("get_lists", status=503)
    await browser.post("reset")
    assert (fake.store.count("list"), fake.requests, fake.faults) == (0, [], [])


# -- who may ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8700", "127.0.0.1.evil.example", "192.168.0.1", ""])
async def test_a_name_that_was_pointed_here_is_refused(browser: Browser, host: str) -> None:
    for path in ("/", f"{PREFIX}/", f"{PREFIX}/static/window.js"):
        assert "and localhost" in await browser.get(path, status=403, Host=host)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "{url}", "Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_other_pages_can_not_change_anything(browser: Browser, headers: dict[str, str]) -> None:
    browser.fake.store.add("list", {"name": "kept"})
    sent = {name: value.replace("{url}", browser.fake.url) for name, value in headers.items()}
    await browser.post("reset", expected=403, headers=sent)
    assert browser.fake.store.count("list") == 1


async def test_nothing_from_outside(browser: Browser) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{browser.fake.url}{PREFIX}/") as response:
        policy = response.headers["Content-Security-Policy"]
        assert response.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_only_on_loopback() -> None:
    with pytest.raises(ConfigurationError, match="not loopback"):
        FakeKlaviyo(window=True, host="0.0.0.0")


async def test_without_a_window_there_is_none() -> None:
    async with FakeKlaviyo() as fake, aiohttp.ClientSession() as session:
        for path in ("/", f"{PREFIX}/"):
            async with session.get(fake.url + path) as response:
                assert response.status == 404
                assert (await response.json())["errors"]
        assert fake.requests[0].answer is None


async def test_answers_are_kept_for_the_latest_alone(fake: FakeKlaviyo) -> None:
    async with aiohttp.ClientSession() as session:
        for _ in range(505):
            async with session.get(f"{fake.url}/api/nothing") as response:
                await response.read()
    assert [one.number for one in fake.requests if one.answer is None] == [1, 2, 3, 4, 5]


def test_tests_do_not_load_it() -> None:
    code = "import sys, klaviyo_async.testing.server as s; s.FakeKlaviyo(); print([n for n in sys.modules if 'jinja2' in n or 'window.server' in n])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
