"""The window in a real browser: headless Chromium, light and dark, wide and narrow."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from klaviyo_async import Klaviyo, KlaviyoError
from klaviyo_async.testing import FakeKlaviyo

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

playwright = pytest.importorskip("playwright.async_api", reason="playwright is not installed: pip install playwright")
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (Debian package chromium)")

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PAGES = (
    "/",
    "/_window/requests/1",
    "/_window/resources/profile",
    "/_window/limits",
    "/_window/faults",
    "/_window/webhooks",
)


@pytest.fixture
async def fake() -> AsyncIterator[FakeKlaviyo]:
    async with FakeKlaviyo(window=True) as started:
        yield started


@pytest.fixture
async def open_page(tmp_path: Path) -> AsyncIterator[Any]:
    """Opens pages of one browser; whatever a page complains of fails the test."""
    complaints: list[str] = []
    async with playwright.async_playwright() as driver:
        contexts: list[Any] = []

        async def page(*, complains: bool = False, **options: Any) -> Any:
            context = await driver.chromium.launch_persistent_context(
                str(tmp_path / f"browser-{len(contexts)}"),
                executable_path=CHROMIUM,
                args=FLAGS,
                headless=True,
                **options,
            )
            contexts.append(context)
            made = await context.new_page()
            if not complains:
                made.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
                made.on("pageerror", lambda error: complaints.append(str(error)))
            made.set_default_timeout(15_000)
            return made

        yield page
        for context in contexts:
            await context.close()
    assert complaints == []


async def some_calls(fake: FakeKlaviyo) -> None:
    fake.seed(profiles=40, lists=2, events=40)
    async with Klaviyo("pk_test", base_url=fake.url, max_retries=0) as klaviyo:
        await klaviyo.profiles.get_profiles(page_size=20)
        with pytest.raises(KlaviyoError):
            await klaviyo.profiles.get_profile("<script>document.title = 'taken over'</script>")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
async def test_pages_fit_and_can_be_read(fake: FakeKlaviyo, open_page: Any, scheme: str, width: int) -> None:
    await some_calls(fake)
    page = await open_page(color_scheme=scheme, viewport={"width": width, "height": 800})
    for path in PAGES:
        response = await page.goto(fake.url + path)
        assert response.status == 200
        assert "Fake Klaviyo" in await page.title()
        assert await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), path
        assert await page.evaluate(CONTRAST) >= 4.5, path


CONTRAST = """
() => {
  // The lowest contrast of a text with what is behind it, by WCAG 2.
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (node) => {
    for (let one = node; one; one = one.parentElement) {
      const colour = parse(getComputedStyle(one).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  let lowest = 21;
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!own || !node.offsetParent) continue;
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(behind(node))];
    lowest = Math.min(lowest, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
  }
  return lowest;
}
"""


async def test_requests_show_as_they_come(fake: FakeKlaviyo, open_page: Any) -> None:
    page = await open_page()
    await page.goto(fake.url)
    await page.get_by_text("No requests yet").wait_for()
    await some_calls(fake)
    await page.get_by_role("link", name="get_profiles").wait_for()
    await page.get_by_role("link", name="get_profile", exact=True).click()
    await page.get_by_text("Profile with id").wait_for()
    assert await page.title() == "get_profile · Fake Klaviyo"
    await page.get_by_text("Headers").first.click()
    assert "Klaviyo-API-Key •••" in await page.content()


async def test_a_fault_is_planned_and_removed(fake: FakeKlaviyo, open_page: Any) -> None:
    page = await open_page()
    await page.goto(f"{fake.url}/_window/faults")
    await page.get_by_label("Operation").fill("get_lists")
    await page.get_by_label("Status", exact=True).fill("500")
    await page.get_by_role("button", name="Plan the fault").click()
    await page.get_by_text("responds 500 Internal Server Error").wait_for()
    assert fake.faults[0].operation == "get_lists"
    await page.get_by_role("button", name="Remove").click()
    await page.get_by_text("None: every request").wait_for()
    assert fake.faults == []


async def test_resetting_asks_first(fake: FakeKlaviyo, open_page: Any) -> None:
    fake.seed(profiles=3)
    page = await open_page()
    await page.goto(f"{fake.url}/_window/resources/profile")
    answers = iter(["dismiss", "accept"])

    async def answer(dialog: Any) -> None:
        await getattr(dialog, next(answers))()

    page.on("dialog", answer)
    await page.get_by_role("button", name="Reset").click()
    assert fake.store.count("profile") == 3
    await page.get_by_role("button", name="Reset").click()
    await page.get_by_text("No requests yet").wait_for()
    assert fake.store.count("profile") == 0


async def test_a_page_elsewhere_can_not_drive_it(fake: FakeKlaviyo, open_page: Any) -> None:
    fake.seed(profiles=3)
    async with FakeKlaviyo() as elsewhere:
        page = await open_page(complains=True)
        await page.route(
            f"{elsewhere.url}/attack",
            lambda route: route.fulfill(
                content_type="text/html",
                body=f'<form method="post" action="{fake.url}/_window/do/reset"><button>Win</button></form>',
            ),
        )
        await page.goto(f"{elsewhere.url}/attack")
        async with page.expect_response(lambda response: response.url.endswith("/do/reset")) as refused:
            await page.get_by_role("button", name="Win").click()
        assert (await refused.value).status == 403
        assert fake.store.count("profile") == 3
        await page.close()
