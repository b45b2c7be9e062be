"""Pages of a list, through the real client against a real server on loopback."""

# Loops are what is tested here, and what they saw before they failed.
# ruff: noqa: PT012, PERF401

from __future__ import annotations

import asyncio
import gc
import json
import warnings
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web

from klaviyo_async import Klaviyo
from klaviyo_async._request.links import own_target
from klaviyo_async._request.prepare import prepare
from klaviyo_async.errors import NotFound, PaginationError, QueryError
from klaviyo_async.operation_table import operations
from klaviyo_async.pages import Pages
from klaviyo_async.resources import Profile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.servers import WebServer


@pytest.fixture
async def klaviyo(server: WebServer) -> AsyncIterator[Klaviyo]:
    async with Klaviyo("pk_test", base_url=server.url, limiter=False, max_retries=0) as client:
        yield client


def profile(number: int) -> dict[str, Any]:
    return {"type": "profile", "id": f"p{number}", "attributes": {"email": f"{number}@x.com"}, "links": {"self": "x"}}


def serve(server: WebServer, total: int, size: int = 2, **links: Any) -> None:
    """Let the server have `total` profiles in pages of `size`, told apart by their cursor."""

    async def answer(request: web.BaseRequest) -> dict[str, Any]:
        start = int(request.query.get("page[cursor]", "0"))
        following: Any = None
        if start + size < total:
            following = f"{server.url}/api/profiles?page%5Bsize%5D={size}&page%5Bcursor%5D={start + size}"
        return {
            "data": [profile(number) for number in range(start, min(start + size, total))],
            "links": {"self": "x", "next": following, **links},
        }

    server.replies = [answer for _ in range(1000)]


def sending() -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if "Session.send" in repr(task)]


async def settled() -> None:
    for _ in range(50):
        if not sending():
            return
        await asyncio.sleep(0.002)
    raise AssertionError(f"still running: {sending()}")


async def test_awaited_it_is_one_page(klaviyo: Klaviyo, server: WebServer) -> None:
    serve(server, 5)
    pages = klaviyo.profiles.get_profiles(page_size=2)
    assert server.requests == []
    page = await pages
    assert [each.id for each in page.data] == ["p0", "p1"]
    assert page.http is not None
    assert page.http.status == 200
    assert len(server.requests) == 1
    assert sending() == []


async def test_iterated_it_is_every_record(klaviyo: Klaviyo, server: WebServer) -> None:
    serve(server, 5)
    ids = [each.id async for each in klaviyo.profiles.get_profiles(page_size=2)]
    assert ids == ["p0", "p1", "p2", "p3", "p4"]
    assert len(server.requests) == 3


async def test_every_page(klaviyo: Klaviyo, server: WebServer) -> None:
    serve(server, 5)
    sizes = [len(page.data) async for page in klaviyo.profiles.get_profiles().pages()]
    assert sizes == [2, 2, 1]


@pytest.mark.parametrize(
    ("limit", "records", "requests"),
    [(0, 0, 0), (1, 1, 1), (2, 2, 1), (3, 3, 2), (4, 4, 2), (5, 5, 3), (99, 5, 3), (None, 5, 3)],
)
async def test_collect_fetches_what_it_needs(
    klaviyo: Klaviyo, server: WebServer, limit: int | None, records: int, requests: int
) -> None:
    serve(server, 5)
    found = await klaviyo.profiles.get_profiles().collect(limit)
    assert [each.id for each in found] == [f"p{number}" for number in range(records)]
    await settled()
    assert len(server.requests) == requests


@pytest.mark.parametrize("limit", [-1, True, 1.5, "3"])
async def test_collect_refuses_a_bad_limit(klaviyo: Klaviyo, server: WebServer, limit: Any) -> None:
    with pytest.raises(QueryError, match="limit"):
        await klaviyo.profiles.get_profiles().collect(limit)
    assert server.requests == []


@pytest.mark.parametrize(
    "answer",
    [
        {"data": [profile(1)], "links": {"self": "x", "next": None}},
        {"data": [profile(1)], "links": {"self": "x"}},
        {"data": [profile(1)], "links": {}},
        {"data": [profile(1)], "links": None},
        {"data": [profile(1)], "links": {"next": ""}},
        {"data": [profile(1)]},
    ],
)
async def test_null_absent_and_missing_links_mean_the_last_page(
    klaviyo: Klaviyo, server: WebServer, answer: dict[str, Any]
) -> None:
    server.replies = [answer]
    assert len(await klaviyo.profiles.get_profiles().collect()) == 1
    assert len(server.requests) == 1


@pytest.mark.parametrize("data", [None, []])
async def test_a_page_without_records_is_passed_over(klaviyo: Klaviyo, server: WebServer, data: Any) -> None:
    server.replies = [
        {"data": data, "links": {"next": f"{server.url}/api/profiles?page%5Bcursor%5D=2"}},
        {"data": [profile(1)], "links": {"next": None}},
    ]
    assert [each.id async for each in klaviyo.profiles.get_profiles()] == ["p1"]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        '{"links": []}',
        '{"data": null}',
        '{"data": "x", "links": {}}',
        '{"data": {}, "links": {"next": null}}',
    ],
)
async def test_a_list_never_ends_at_what_is_no_page(klaviyo: Klaviyo, server: WebServer, body: str) -> None:
    following = f"{server.url}/api/profiles?page%5Bcursor%5D=2"

    def page() -> web.Response:
        return web.Response(text=body, content_type="application/json")

    server.replies = [page(), {"data": [profile(1)], "links": {"next": following}}, page(), {"data": [profile(2)]}]
    with pytest.raises(PaginationError, match="get_profiles: a page of the list has no"):
        await klaviyo.profiles.get_profiles().collect()
    records = aiter(klaviyo.profiles.get_profiles())
    assert (await anext(records)).id == "p1"
    with pytest.raises(PaginationError, match="get_profiles: a page of the list has no"):
        await anext(records)
    assert (await anext(records)).id == "p2"


async def test_one_object_in_place_of_a_list_is_one_record(klaviyo: Klaviyo, server: WebServer) -> None:
    server.replies = [
        {"data": profile(1), "links": {"next": f"{server.url}/api/profiles?page%5Bcursor%5D=2"}},
        {"data": [profile(2)], "links": {"next": None}},
    ]
    records = [each async for each in klaviyo.profiles.get_profiles()]
    assert [type(each) for each in records] == [Profile, Profile]
    assert [each.id for each in records] == ["p1", "p2"]


async def test_awaited_a_response_without_a_body_is_none(klaviyo: Klaviyo, server: WebServer) -> None:
    server.replies = [web.Response(status=200)]
    assert await klaviyo.profiles.get_profiles() is None


@pytest.mark.parametrize(
    "links", [[], "x", 5, {"next": 5}, {"next": ["x"]}, {"next": {"href": 5}}, {"next": True}, {"next": {}}]
)
async def test_links_that_cannot_be_read_end_with_an_error(klaviyo: Klaviyo, server: WebServer, links: Any) -> None:
    server.replies = [{"data": [profile(1)], "links": links}]
    seen = []
    with pytest.raises(PaginationError, match=r"get_profiles: the .*so the next page can't be found"):
        async for each in klaviyo.profiles.get_profiles():
            seen.append(each.id)
    assert seen == ["p1"]


async def test_a_lone_surrogate_in_a_link_is_an_error_of_the_pages(klaviyo: Klaviyo, server: WebServer) -> None:
    link = '{"data": [], "links": {"next": "/api/profiles?page%5Bcursor%5D=\\ud800"}}'
    server.replies = [web.Response(text=link, content_type="application/json")]
    with pytest.raises(PaginationError, match="lone surrogate") as caught:
        await klaviyo.profiles.get_profiles().collect()
    str(caught.value).encode()


async def test_after_a_timeout_the_list_goes_on_where_it_was(klaviyo: Klaviyo, server: WebServer) -> None:
    late = asyncio.Event()

    def following(number: int) -> str:
        return f"{server.url}/api/profiles?page%5Bcursor%5D={number}"

    async def never(_: web.BaseRequest) -> dict[str, Any]:
        late.set()
        await asyncio.sleep(3600)
        return {}

    server.replies = [
        never,
        {"data": [profile(1)], "links": {"next": following(2)}},
        never,
        {"data": [profile(2)], "links": {"next": following(3)}},
        {"data": [profile(3)], "links": {"next": None}},
    ]
    records = aiter(klaviyo.profiles.get_profiles())
    seen = []
    for _ in range(6):
        late.clear()
        try:
            seen.append((await asyncio.wait_for(anext(records), 1.0)).id)
        except TimeoutError:
            seen.append("late")
        except StopAsyncIteration:
            seen.append("end")
    assert seen == ["late", "p1", "late", "p2", "p3", "end"]
    await settled()


async def test_the_next_link_is_kept_byte_for_byte(klaviyo: Klaviyo, server: WebServer) -> None:
    odd = "/api/profiles?filter=equals%28email%2c'a%2fb+c'%29&page[size]=2&page%5Bcursor%5D=A%2bB==&x=%C3%BC~!*()"
    server.replies = [
        {"data": [profile(1)], "links": {"next": server.url + odd}},
        {"data": [profile(2)], "links": {"next": None}},
    ]
    assert len(await klaviyo.profiles.get_profiles(page_size=2).collect()) == 2
    assert server.requests[1].target == odd


async def test_one_page_is_fetched_ahead_and_only_one(klaviyo: Klaviyo, server: WebServer) -> None:
    serve(server, 8)
    pages = klaviyo.profiles.get_profiles().pages()
    await anext(pages)
    await asyncio.sleep(0.05)
    assert len(server.requests) == 2
    await anext(pages)
    await asyncio.sleep(0.05)
    assert len(server.requests) == 3
    await pages.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(pages)


def stall(server: WebServer) -> asyncio.Event:
    """The first page at once, the second never."""
    asked = asyncio.Event()

    async def never(_: web.BaseRequest) -> dict[str, Any]:
        asked.set()
        await asyncio.sleep(3600)
        return {}

    server.replies = [
        {"data": [profile(1), profile(2)], "links": {"next": f"{server.url}/api/profiles?page%5Bcursor%5D=2"}},
        never,
    ]
    return asked


async def test_leaving_the_loop_cancels_what_is_under_way(klaviyo: Klaviyo, server: WebServer) -> None:
    asked = stall(server)
    async for _ in klaviyo.profiles.get_profiles():
        await asked.wait()
        assert len(sending()) == 1
        break
    await settled()
    asked = stall(server)
    async for _ in klaviyo.profiles.get_profiles().pages():
        await asked.wait()
        break
    await settled()
    asked = stall(server)
    with pytest.raises(ZeroDivisionError):
        async for _ in klaviyo.profiles.get_profiles():
            await asked.wait()
            _ = 1 / 0
    gc.collect()
    await settled()


async def test_cancelling_the_reader_cancels_what_is_under_way(klaviyo: Klaviyo, server: WebServer) -> None:
    asked = stall(server)

    async def read() -> None:
        async for _ in klaviyo.profiles.get_profiles():
            pass

    reader = asyncio.create_task(read())
    await asked.wait()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    await settled()


async def test_async_with_closes(klaviyo: Klaviyo, server: WebServer) -> None:
    asked = stall(server)
    async with aiter(klaviyo.profiles.get_profiles()) as records:
        first = await anext(records)
        assert first.id == "p1"
        await asked.wait()
    assert sending() == []
    with pytest.raises(StopAsyncIteration):
        await anext(records)


async def test_an_error_comes_where_its_page_is_asked_for(klaviyo: Klaviyo, server: WebServer) -> None:
    bad = web.json_response({"errors": [{"id": "1", "code": "not_found", "title": "x", "detail": "y"}]}, status=404)
    server.replies = [
        {"data": [profile(1), profile(2)], "links": {"next": f"{server.url}/api/profiles?page%5Bcursor%5D=2"}},
        bad,
    ]
    seen = []
    with pytest.raises(NotFound):
        async for each in klaviyo.profiles.get_profiles():
            await asyncio.sleep(0.02)
            seen.append(each.id)
    assert seen == ["p1", "p2"]


async def test_an_error_that_nobody_waits_for_is_not_reported_as_forgotten(
    klaviyo: Klaviyo, server: WebServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.replies = [
        {"data": [profile(1)], "links": {"next": f"{server.url}/api/profiles?page%5Bcursor%5D=2"}},
        web.json_response({"errors": []}, status=404),
    ]
    async for _ in klaviyo.profiles.get_profiles().pages():
        await asyncio.sleep(0.05)
        break
    gc.collect()
    await asyncio.sleep(0)
    assert "never retrieved" not in caplog.text


async def test_after_an_error_the_same_page_can_be_asked_for_again(klaviyo: Klaviyo, server: WebServer) -> None:
    server.replies = [
        {"data": [profile(1)], "links": {"next": f"{server.url}/api/profiles?page%5Bcursor%5D=2"}},
        web.json_response({"errors": []}, status=404),
        {"data": [profile(2)], "links": {"next": None}},
    ]
    pages = klaviyo.profiles.get_profiles().pages()
    await anext(pages)
    with pytest.raises(NotFound):
        await anext(pages)
    assert (await anext(pages)).data[0].id == "p2"


async def test_two_readers_of_one_iterator_are_told(klaviyo: Klaviyo, server: WebServer) -> None:
    asked = stall(server)
    pages = klaviyo.profiles.get_profiles().pages()
    await anext(pages)
    await asked.wait()
    reader = asyncio.create_task(anext(pages))
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="own iterator"):
        await anext(pages)
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    await settled()


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.test/api/profiles?page%5Bcursor%5D=1",
        "//evil.test/api/profiles?x=1",
        "http://ORIGIN@evil.test/api/profiles",
        "https://ORIGIN/api/profiles",
        "http://user:pw@ORIGIN/api/profiles",
        "ftp://ORIGIN/api/profiles",
        "http://ORIGIN:1/api/profiles",
        "http://ORIGIN\\@evil.test/api/profiles",
        "http:/\\evil.test/api",
        "/\\evil.test/api",
        "http://ORIGIN/api/profiles?a b",
        "http://ORIGIN/api\r\nX: y",
        "http://[::1/api",
        "profiles?page=2",
        "javascript:alert(1)",
    ],
)
async def test_a_link_elsewhere_is_not_followed(klaviyo: Klaviyo, server: WebServer, link: str) -> None:
    link = link.replace("ORIGIN", server.url.removeprefix("http://"))
    server.replies = [{"data": [profile(1)], "links": {"next": link}}]
    seen = []
    with pytest.raises(PaginationError, match="origin"):
        async for each in klaviyo.profiles.get_profiles():
            seen.append(each.id)
    assert seen == ["p1"]
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("https://a.klaviyo.com/api/x?y=1#z", "/api/x?y=1"),
        ("HTTPS://A.KLAVIYO.COM:443/api/x", "/api/x"),
        ("https://a.klaviyo.com?y=1", "/?y=1"),
        ("/api/x?u=https://b.test/", "/api/x?u=https://b.test/"),
        ("https://a.klaviyo.com/api/x?y=ü", "/api/x?y=%C3%BC"),
        ("https://a.klaviyo.com", "/"),
    ],
)
def test_own_links(link: str, target: str) -> None:
    assert own_target(link, "https://a.klaviyo.com", "get_x") == target


async def test_a_loop_ends_with_an_error(klaviyo: Klaviyo, server: WebServer) -> None:
    def page(number: int, cursor: int) -> dict[str, Any]:
        following = f"{server.url}/api/profiles?page%5Bcursor%5D={cursor}"
        return {"data": [profile(number)], "links": {"next": following}}

    server.replies = [page(1, 2), page(2, 3), page(3, 2)]
    seen = []
    with pytest.raises(PaginationError, match="already"):
        async for each in klaviyo.profiles.get_profiles():
            seen.append(each.id)
    assert seen == ["p1", "p2", "p3"]
    assert len(server.requests) == 3


async def test_resuming_from_a_cursor_and_from_a_whole_link(klaviyo: Klaviyo, server: WebServer) -> None:
    serve(server, 5)
    found = await klaviyo.profiles.get_profiles(page_cursor="4").collect()
    assert [each.id for each in found] == ["p4"]
    page = await klaviyo.profiles.get_profiles()
    link = page.links.next
    found = await klaviyo.profiles.get_profiles(page_cursor=link).collect()
    assert [each.id for each in found] == ["p2", "p3", "p4"]
    count = len(server.requests)
    for bad in (
        "https://evil.test/api/profiles?page%5Bcursor%5D=4",
        f"{server.url}/api/lists?page%5Bcursor%5D=4",
        f"{server.url}/api/profiles?page%5Bsize%5D=4",
        "http://[::1/api/profiles?page%5Bcursor%5D=4",
    ):
        with pytest.raises(QueryError, match="page_cursor"):
            klaviyo.profiles.get_profiles(page_cursor=bad)
    assert len(server.requests) == count


STATISTICS: dict[str, Any] = {
    "statistics": ["opens"],
    "timeframe": {"key": "last_30_days"},
    "conversion_metric_id": "abc",
}


async def test_reports_page_by_the_same_post(klaviyo: Klaviyo, server: WebServer) -> None:
    def page(number: int, cursor: str | None) -> dict[str, Any]:
        following = f"{server.url}/api/campaign-values-reports?page_cursor={cursor}" if cursor else None
        rows = [{"groupings": {"campaign_id": str(number)}, "statistics": {"opens": 1.0}}]
        return {
            "data": {"type": "campaign-values-report", "id": "x", "attributes": {"results": rows}},
            "links": {"self": "x", "next": following, "prev": None},
        }

    server.replies = [page(1, "c%2B2"), page(2, None)]
    rows = await klaviyo.reporting.query_campaign_values(**STATISTICS).collect()
    assert len(rows) == 2
    assert [each.method for each in server.requests] == ["POST", "POST"]
    assert server.requests[1].target == "/api/campaign-values-reports?page_cursor=c%2B2"
    assert server.requests[0].body == server.requests[1].body
    assert rows[0].groupings is not None


async def test_metric_aggregates_page_in_the_body(klaviyo: Klaviyo, server: WebServer) -> None:
    def page(number: int, cursor: str | None) -> dict[str, Any]:
        following = f"{server.url}/api/metric-aggregates?page_cursor={cursor}" if cursor else None
        rows = [{"dimensions": [str(number)], "measurements": {"count": [1]}}]
        return {
            "data": {"type": "metric-aggregate", "id": "x", "attributes": {"dates": [], "data": rows}},
            "links": {"self": "x", "next": following},
        }

    server.replies = [page(1, "c%2B2"), page(2, "c3"), page(3, "c3")]
    arguments: dict[str, Any] = {
        "metric_id": "m",
        "measurements": ["count"],
        "filter": ["greater-or-equal(datetime,2026-01-01T00:00:00)", "less-than(datetime,2026-02-01T00:00:00)"],
    }
    seen = []
    with pytest.raises(PaginationError, match="already"):
        async for row in klaviyo.metrics.query_metric_aggregates(**arguments):
            seen.append(row.dimensions)
    assert seen == [["1"], ["2"], ["3"]]

    bodies = [json.loads(each.body)["data"]["attributes"] for each in server.requests]
    assert [each.get("page_cursor") for each in bodies] == [None, "c+2", "c3"]
    assert {each.target for each in server.requests} == {"/api/metric-aggregates"}
    server.replies = [page(1, None)]
    link = f"{server.url}/api/metric-aggregates?page_cursor=c%2B9"
    await klaviyo.metrics.query_metric_aggregates(page_cursor=link, **arguments)
    assert json.loads(server.requests[-1].body)["data"]["attributes"]["page_cursor"] == "c+9"


async def test_lists_without_paging_follow_a_link_all_the_same(klaviyo: Klaviyo, server: WebServer) -> None:
    server.replies = [
        {
            "data": [{"type": "account", "id": "a"}],
            "links": {"next": f"{server.url}/api/accounts?page%5Bcursor%5D=2"},
        },
        {"data": [{"type": "account", "id": "b"}]},
    ]
    assert [each.id async for each in klaviyo.accounts.get_accounts()] == ["a", "b"]


async def test_the_parameters_arrive_with_the_first_request(klaviyo: Klaviyo, server: WebServer) -> None:
    serve(server, 1)
    await klaviyo.profiles.get_profiles(page_size=2, sort="-created", fields={"profile": ["email"]})
    query = parse_qs(urlsplit(server.requests[0].target).query)
    assert query == {"page[size]": ["2"], "sort": ["-created"], "fields[profile]": ["email"]}


def test_a_bad_call_is_refused_where_it_is_written() -> None:
    klaviyo = Klaviyo("pk_test")
    with pytest.raises(QueryError, match="sort"):
        klaviyo.profiles.get_profiles(sort="nonsense")  # type: ignore[arg-type]


async def test_leaving_the_loop_and_the_client_at_once(server: WebServer, caplog: pytest.LogCaptureFixture) -> None:
    asked = stall(server)
    async with Klaviyo("pk_test", base_url=server.url, limiter=False) as client:
        async for _ in client.profiles.get_profiles():
            await asked.wait()
            break
    await settled()
    gc.collect()
    assert not caplog.records


# --- a call goes wherever a coroutine goes ---


async def test_a_call_goes_wherever_a_coroutine_goes(klaviyo: Klaviyo, server: WebServer) -> None:
    serve(server, 2)
    get = klaviyo.profiles.get_profiles
    assert asyncio.iscoroutine(get().pages()) is False
    async with asyncio.TaskGroup() as group:
        one = group.create_task(get())
        two = group.create_task(get(), name="two")
    three = asyncio.create_task(get())
    pages = [one.result(), two.result(), await three]
    pages += await asyncio.gather(get(), get())
    pages.append(await asyncio.wait_for(get(), 5))
    pages.append(await asyncio.shield(get()))
    assert [len(page.data) for page in pages] == [2] * 7
    call = get()
    assert asyncio.iscoroutine(call)
    assert "get_profiles" in repr(asyncio.ensure_future(call))


def test_a_call_goes_into_asyncio_run() -> None:
    class Page:
        data = ("x",)

    class Session:
        origin = "http://x"

        async def send(self, prepared: Any, options: Any) -> Any:
            await asyncio.sleep(0)
            return Page

    assert asyncio.run(Pages(Session(), prepare(operations["get_profiles"]))) is Page


async def test_a_task_of_a_call_is_cancelled_like_any_other(klaviyo: Klaviyo, server: WebServer) -> None:
    asked = asyncio.Event()

    async def never(_: web.BaseRequest) -> dict[str, Any]:
        asked.set()
        await asyncio.sleep(3600)
        return {}

    server.replies = [never]
    early = asyncio.create_task(klaviyo.profiles.get_profiles())
    early.cancel()
    late = asyncio.create_task(klaviyo.profiles.get_profiles())
    await asked.wait()
    late.cancel()
    assert [type(each) for each in await asyncio.gather(early, late, return_exceptions=True)] == [
        asyncio.CancelledError
    ] * 2
    assert len(server.requests) == 1


async def test_a_coroutine_is_awaited_once(klaviyo: Klaviyo, server: WebServer) -> None:
    serve(server, 1)
    call = klaviyo.profiles.get_profiles()
    assert len((await asyncio.create_task(call)).data) == 1
    with pytest.raises(RuntimeError, match="already awaited"):
        await asyncio.create_task(call)


async def test_a_call_that_is_never_awaited_warns(klaviyo: Klaviyo, server: WebServer) -> None:
    with pytest.warns(RuntimeWarning, match="get_profiles was never awaited"):
        klaviyo.profiles.get_profiles()
    serve(server, 1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        await klaviyo.profiles.get_profiles()
        await klaviyo.profiles.get_profiles().collect()
        klaviyo.profiles.get_profiles().close()
        aiter(klaviyo.profiles.get_profiles())
        klaviyo.profiles.get_profiles().pages()
        asyncio.create_task(klaviyo.profiles.get_profiles()).cancel()
        await asyncio.sleep(0)
        with pytest.raises(QueryError):
            klaviyo.profiles.get_profiles(sort="nonsense")  # type: ignore[arg-type]
        gc.collect()
    assert caught == []
