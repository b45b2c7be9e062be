"""docs/contract.md, section 4: pages."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from klaviyo_async import F, Klaviyo, PaginationError, QueryError, ServerError
from tests.contract.wire import errors
from tests.support.servers import WebServer, document, until

if TYPE_CHECKING:
    from aiohttp import web

    from klaviyo_async.testing import FakeKlaviyo


def profile(number: int) -> dict[str, Any]:
    return {"type": "profile", "id": str(number), "attributes": {"email": f"{number}@x.com"}}


def listing(server: WebServer, pages: int, *, size: int = 2) -> None:
    """Pages of profiles by cursor, the links absolute as Klaviyo has them."""

    def handler(request: web.BaseRequest) -> web.Response:
        number = int(request.query.get("page[cursor]", "0"))
        rows = [profile(number * size + index) for index in range(size)]
        following = None
        if number + 1 < pages:
            following = f"{server.url}/api/profiles?page%5Bcursor%5D={number + 1}&page%5Bsize%5D={size}"
        return document({"data": rows, "links": {"self": "x", "next": following, "prev": None}})

    server.handler = handler


async def test_the_four_forms(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    fake.seed(profiles=250)
    page = await klaviyo.profiles.get_profiles(page_size=100)
    assert len(page.data) == 100
    seen = [one.id async for one in klaviyo.profiles.get_profiles(page_size=100)]
    assert len(seen) == len(set(seen)) == 250
    sizes = []
    async for page in klaviyo.profiles.get_profiles(page_size=100).pages():
        sizes.append(len(page.data))
    assert sizes == [100, 100, 50]
    assert page.http.status == 200
    first_70 = await klaviyo.profiles.get_profiles(page_size=50).collect(limit=70)
    assert [one.id for one in first_70] == seen[:70]
    assert len(await klaviyo.profiles.get_profiles().collect()) == 250


async def test_nothing_is_sent_before_it_is_asked_for(server: WebServer, client: Klaviyo) -> None:
    pages = client.profiles.get_profiles()
    aiter(pages)
    pages.pages()
    await asyncio.sleep(0.02)
    assert not server.requests
    with pytest.raises(QueryError):
        client.profiles.get_profiles(page_size=1000)


async def test_each_use_begins_anew(server: WebServer, client: Klaviyo) -> None:
    listing(server, 2)
    pages = client.profiles.get_profiles()
    assert [one.id for one in await pages.collect()] == [one.id async for one in pages] == ["0", "1", "2", "3"]
    assert (await pages).data[0].id == "0"
    assert (await pages).data[0].id == "0"


@pytest.mark.parametrize(("limit", "asked"), [(0, 0), (1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (100, 3)])
async def test_collect_asks_for_no_page_too_many(server: WebServer, client: Klaviyo, limit: int, asked: int) -> None:
    listing(server, 3)
    found = await client.profiles.get_profiles().collect(limit=limit)
    assert len(found) == min(limit, 6)
    await asyncio.sleep(0.02)
    assert len(server.requests) == asked


@pytest.mark.parametrize("limit", [-1, 1.5, "5", True])
async def test_limits_that_can_not_be(server: WebServer, client: Klaviyo, limit: Any) -> None:
    with pytest.raises(QueryError):
        await client.profiles.get_profiles().collect(limit=limit)


async def test_one_page_ahead_and_no_more(server: WebServer, client: Klaviyo) -> None:
    listing(server, 5)
    async with client.profiles.get_profiles().pages() as pages:
        await anext(pages)
        await until(lambda: len(server.requests) == 2)
        await asyncio.sleep(0.05)
        assert len(server.requests) == 2
        await anext(pages)
        await until(lambda: len(server.requests) == 3)


async def test_leaving_the_loop_cancels_the_prefetch(server: WebServer, client: Klaviyo) -> None:
    ended: list[str] = []

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        if "page[cursor]" in request.query:
            try:
                await asyncio.sleep(5)
            except asyncio.CancelledError:
                ended.append("cancelled")
                raise
            ended.append("answered")
        return document({"data": [profile(1)], "links": {"next": f"{server.url}/api/profiles?page%5Bcursor%5D=1"}})

    server.handler = handler
    async for _ in client.profiles.get_profiles():
        await until(lambda: len(server.requests) == 2)
        break
    others = [task for task in asyncio.all_tasks() if "klaviyo" in repr(task.get_coro())]
    await asyncio.sleep(0.05)
    assert not [task for task in others if not task.done()]


async def test_an_exception_in_the_loop_is_the_callers(server: WebServer, client: Klaviyo) -> None:
    listing(server, 3)
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async for _ in client.profiles.get_profiles():
            _ = 1 / 0


async def test_a_failed_prefetch_comes_out_after_the_records_before_it(
    server: WebServer, client: Klaviyo, naps: list[float]
) -> None:
    def handler(request: web.BaseRequest) -> web.Response:
        if "page[cursor]" in request.query:
            return errors(500)
        return document({"data": [profile(1)], "links": {"next": f"{server.url}/api/profiles?page%5Bcursor%5D=1"}})

    server.handler = handler
    seen = []
    with pytest.raises(ServerError):  # noqa: PT012
        async for one in client.profiles.get_profiles():
            seen.append(one.id)
            await asyncio.sleep(0.01)
    assert seen == ["1"]


@pytest.mark.parametrize(
    "missing", [{}, {"links": None}, {"links": {}}, {"links": {"self": "x"}}, {"links": {"next": None}}]
)
async def test_no_next_link_is_the_last_page(server: WebServer, client: Klaviyo, missing: dict[str, Any]) -> None:
    server.handler = lambda _: {"data": [profile(1)], **missing}
    assert len(await client.profiles.get_profiles().collect()) == 1


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/api/profiles?page%5Bcursor%5D=1",
        "//evil.example/api/profiles?page%5Bcursor%5D=1",
        "{origin}.evil.example/api/profiles",
        "{origin}@evil.example/api/profiles",
        "ftp://127.0.0.1/api/profiles",
        "https://127.0.0.1:1/api/profiles",
        "\\\\evil.example\\x",
    ],
)
async def test_a_link_elsewhere_is_not_followed(server: WebServer, client: Klaviyo, link: str) -> None:
    server.handler = lambda _: {"data": [profile(1)], "links": {"next": link.format(origin=server.url)}}
    seen = []
    with pytest.raises(PaginationError):  # noqa: PT012
        async for one in client.profiles.get_profiles():
            seen.append(one.id)  # noqa: PERF401
    assert seen == ["1"]
    assert len(server.requests) == 1
    assert (await client.profiles.get_profiles()).data[0].id == "1"


@pytest.mark.parametrize("loop", ["same", "first", "two"])
async def test_a_link_seen_before(server: WebServer, client: Klaviyo, loop: str) -> None:
    def handler(request: web.BaseRequest) -> web.Response:
        number = int(request.query.get("page[cursor]", "0"))
        following = {"same": 1, "first": 1 - number, "two": (number % 2) + 1}[loop]
        text = f"?page%5Bcursor%5D={following}" if following else ""
        return document({"data": [profile(number)], "links": {"next": f"{server.url}/api/profiles{text}"}})

    server.handler = handler
    with pytest.raises(PaginationError):
        async with asyncio.timeout(5):
            await client.profiles.get_profiles().collect()
    assert len(server.requests) <= 3


async def test_every_page_carries_what_the_first_had(server: WebServer, client: Klaviyo) -> None:
    listing(server, 2)
    await client.profiles.get_profiles(page_size=2).collect()
    assert [request.headers["Authorization"] for request in server.requests] == ["Klaviyo-API-Key pk_contract_key"] * 2
    assert [request.headers["revision"] for request in server.requests] == [server.requests[0].headers["revision"]] * 2
    assert server.requests[1].raw_query == "page%5Bcursor%5D=1&page%5Bsize%5D=2"


async def test_a_whole_link_or_a_cursor_as_page_cursor(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    fake.seed(profiles=50)
    page = await klaviyo.profiles.get_profiles(page_size=20, sort="-created")
    following = await klaviyo.profiles.get_profiles(page_size=20, sort="-created", page_cursor=page.links.next)
    everything = await klaviyo.profiles.get_profiles(page_size=20, sort="-created").collect()
    assert [one.id for one in following.data] == [one.id for one in everything[20:40]]


# -- every style --------------------------------------------------------------------------------------------------------


async def test_cursor_without_size(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    for number in range(250):
        fake.store.insert("metric", {"name": f"Metric {number}"})
    metrics = await klaviyo.metrics.get_metrics().collect()
    assert len({one.id for one in metrics}) == len(metrics) >= 250
    assert len(fake.calls("get_metrics")) == 2


async def test_a_report_that_pages_by_post(server: WebServer, client: Klaviyo) -> None:
    bodies = []

    def handler(request: web.BaseRequest) -> web.Response:
        bodies.append(server.json)
        number = int(request.query.get("page_cursor", "0"))
        following = f"{server.url}{request.path}?page_cursor={number + 1}" if number < 2 else None
        row = {"groupings": {"campaign_id": str(number)}, "statistics": {"opens": 2.0}}
        return document(
            {
                "data": {"type": "campaign-values-report", "id": "x", "attributes": {"results": [row, row]}},
                "links": {"self": "x", "next": following, "prev": None},
            }
        )

    server.handler = handler
    report = client.reporting.query_campaign_values(
        statistics=["opens"], timeframe={"key": "last_30_days"}, conversion_metric_id="abc"
    )
    rows = [row async for row in report]
    assert len(rows) == 6
    assert [row.groupings["campaign_id"] for row in rows] == ["0", "0", "1", "1", "2", "2"]
    assert rows[0].statistics["opens"] == 2.0
    assert [request.method for request in server.requests] == ["POST"] * 3
    assert bodies[0] == bodies[1] == bodies[2]
    assert [request.query.get("page_cursor") for request in server.requests] == [None, "1", "2"]


async def test_aggregates_that_page_in_the_body(server: WebServer, client: Klaviyo) -> None:
    bodies = []

    def handler(_: web.BaseRequest) -> web.Response:
        attributes = server.json["data"]["attributes"]
        bodies.append(attributes)
        number = int(attributes.get("page_cursor", "0"))
        following = f"{server.url}/api/metric-aggregates?page_cursor={number + 1}" if number < 1 else None
        row = {"dimensions": [str(number)], "measurements": {"count": [1, 2]}}
        return document(
            {
                "data": {"type": "metric-aggregate", "id": "-71", "attributes": {"dates": [], "data": [row]}},
                "links": {"self": "x", "next": following, "prev": None},
            }
        )

    server.handler = handler
    rows = await client.metrics.query_metric_aggregates(
        metric_id="abc",
        measurements=["count"],
        filter=["greater-or-equal(datetime,2026-01-01T00:00:00)", "less-than(datetime,2026-02-01T00:00:00)"],
    ).collect()
    assert [row.dimensions for row in rows] == [["0"], ["1"]]
    assert [body.get("page_cursor") for body in bodies] == [None, "1"]
    assert bodies[0]["filter"] == bodies[1]["filter"]


async def test_a_list_that_has_no_pages(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    assert len(await klaviyo.accounts.get_accounts().collect()) == 1
    assert [one async for one in klaviyo.accounts.get_accounts()]
    assert (await klaviyo.accounts.get_accounts()).data


async def test_relationship_lists_page_as_well(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    fake.seed(profiles=30, lists=1)
    (one,) = await klaviyo.lists.get_lists().collect()
    ids = [row.id async for row in klaviyo.lists.get_profile_ids_for_list(one.id, page_size=7)]
    assert len(set(ids)) == 30
    assert len(fake.calls("get_profile_ids_for_list")) == 5


# -- related ------------------------------------------------------------------------------------------------------------


async def test_related_in_order(server: WebServer, client: Klaviyo) -> None:
    def token(number: int) -> dict[str, Any]:
        return {"type": "push-token", "id": str(number), "attributes": {"token": f"t{number}"}}

    person = {
        **profile(1),
        "relationships": {
            "push-tokens": {"data": [{"type": "push-token", "id": "3"}, {"type": "push-token", "id": "2"}]},
            "lists": {"links": {"self": "x", "related": "y"}},
        },
    }
    server.handler = lambda _: {"data": [person, profile(2)], "included": [token(2), token(3), token(4)]}
    page = await client.profiles.get_profiles(include=["push-tokens"])
    assert [one.attributes.token for one in page.related(page.data[0], "push-tokens")] == ["t3", "t2"]
    assert [one.id for one in page.related(page.data[0], "push_tokens")] == ["3", "2"]
    assert list(page.related(page.data[1], "push-tokens")) == []
    assert list(page.related(page.data[0], "lists")) == []


async def test_related_of_events(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    fake.seed(profiles=3, events=9)
    async for page in klaviyo.events.get_events(include=["metric", "profile"], page_size=4).pages():
        for event in page.data:
            (metric,) = page.related(event, "metric")
            (person,) = page.related(event, "profile")
            assert metric.attributes.name
            assert person.attributes.email
            assert event.relationships is not None
            assert event.relationships.metric is not None
            assert event.relationships.metric.data is not None
            assert metric.id == event.relationships.metric.data.id


async def test_a_filtered_loop_left_early_and_five_loops_at_once(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    fake.seed(profiles=120)
    count = 0
    async for _ in klaviyo.profiles.get_profiles(
        filter=F("created") > dt.datetime(2000, 1, 1, tzinfo=dt.UTC), page_size=10
    ):
        count += 1
        if count == 15:
            break
    found = await asyncio.gather(*(klaviyo.profiles.get_profiles(page_size=30).collect() for _ in range(5)))
    assert [len(one) for one in found] == [120] * 5
