"""Pages: every record once, whatever comes and goes meanwhile; links as the real server gives them."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klaviyo_async.filter import Filter
from klaviyo_async.testing import FakeKlaviyo
from klaviyo_async.testing.checks import Query
from klaviyo_async.testing.listing import page_of_members, page_of_type


async def walk(send, fake, path):
    pages = []
    while path is not None:
        answer = await send("GET", path)
        assert answer.status == 200
        pages.append(answer.json)
        following = answer.json["links"]["next"]
        path = None if following is None else following.removeprefix(fake.url)
    return pages


@pytest.mark.parametrize("sort", ["", "&sort=email", "&sort=-created", "&sort=-id"])
async def test_every_record_comes_once(send, fake, sort):
    fake.seed(profiles=53)
    pages = await walk(send, fake, f"/api/profiles?page[size]=10{sort}")
    assert [len(page["data"]) for page in pages] == [10, 10, 10, 10, 10, 3]
    assert len({one["id"] for page in pages for one in page["data"]}) == 53
    assert pages[0]["links"]["prev"] is None
    assert pages[-1]["links"]["next"] is None
    field = sort.removeprefix("&sort=").removeprefix("-")
    if field:
        values = [one["id"] if field == "id" else one["attributes"][field] for page in pages for one in page["data"]]
        assert values == sorted(values, reverse="-" in sort)


async def test_the_way_back_leads_to_the_same_pages(send, fake):
    fake.seed(profiles=25)
    forward = await walk(send, fake, "/api/profiles?page[size]=10&sort=email")
    path = forward[-1]["links"]["prev"]
    backward = []
    while path is not None:
        page = (await send("GET", path.removeprefix(fake.url))).json
        backward.append(page)
        path = page["links"]["prev"]
    assert [page["data"] for page in backward] == [page["data"] for page in forward[-2::-1]]
    onward = (await send("GET", backward[-1]["links"]["next"].removeprefix(fake.url))).json
    assert onward["data"] == forward[1]["data"]


async def test_a_cursor_keeps_the_rest_of_the_query(send, fake):
    fake.seed(profiles=30)
    first = await send(
        "GET", "/api/profiles?page[size]=5&fields[profile]=email&filter=greater-than(created,2000-01-01T00:00:00Z)"
    )
    following = await send("GET", first.json["links"]["next"].removeprefix(fake.url))
    assert len(following.data) == 5
    assert all(set(one["attributes"]) == {"email"} for one in following.data)
    assert first.json["links"]["self"].count("page[cursor]") == 0


@pytest.mark.parametrize("cursor", ["nonsense", "", "AAAA", "bnVsbA", "%F0%9F%A4%B7"])
async def test_a_cursor_of_somebody_else_is_refused(send, fake, cursor):
    fake.seed(profiles=3)
    answer = await send("GET", f"/api/profiles?page[cursor]={cursor}")
    assert answer.status == 400
    assert answer.error["source"] == {"parameter": "page[cursor]"}


async def test_a_cursor_belongs_to_its_order(send, fake):
    fake.seed(profiles=3)
    first = await send("GET", "/api/profiles?page[size]=1&sort=email")
    cursor = first.json["links"]["next"].rpartition("=")[2]
    assert (await send("GET", f"/api/profiles?page[size]=1&page[cursor]={cursor}")).status == 400
    assert (await send("GET", f"/api/profiles?page[size]=1&sort=email&page[cursor]={cursor}")).status == 200


async def test_lists_without_pages_have_no_neighbours(send, fake):
    group = fake.store.add("list", {"name": "L"})
    answer = await send("GET", f"/api/lists/{group['id']}/tags")
    assert set(answer.json["links"]) == {"self"}


async def test_members_are_paged_by_when_they_joined(send, fake):
    people = [fake.store.add("profile", {"email": f"{n}@x.com"})["id"] for n in range(6)]
    group = fake.store.add("list", {"name": "L"})
    for profile in reversed(people):
        fake.clock.advance(60)
        fake.store.link("list", group["id"], "profiles", [profile])
    pages = await walk(send, fake, f"/api/lists/{group['id']}/profiles?page[size]=2&sort=joined_group_at")
    assert [one["id"] for page in pages for one in page["data"]] == people[::-1]
    latest = pages[1]["data"][0]["attributes"]["joined_group_at"].replace("+", "%2B")
    found = await send("GET", f"/api/lists/{group['id']}/profiles?filter=greater-than(joined_group_at,{latest})")
    assert [one["id"] for one in found.data] == [people[2], people[1], people[0]]
    ids = await walk(send, fake, f"/api/lists/{group['id']}/relationships/profiles?page[size]=4&sort=-joined_group_at")
    assert [one["id"] for page in ids for one in page["data"]] == people


CHANGES = st.lists(st.tuples(st.sampled_from(["add", "remove", "change", "next"]), st.integers(0, 10**6)), max_size=60)


@settings(max_examples=60)
@given(
    start=st.integers(0, 25), size=st.integers(1, 7), sort=st.sampled_from([None, "email", "-email"]), changes=CHANGES
)
def test_what_stays_is_seen_exactly_once_while_others_come_and_go(start, size, sort, changes):
    store = FakeKlaviyo(limits=False).store
    made = [store.add("profile", {"email": f"{n * 37 % 101:03}@x.com"})["id"] for n in range(start)]
    stable, seen, cursor, count = set(made), [], None, start
    changes = [*changes, *[("next", 0)] * 200]
    for what, number in changes:
        if what == "add":
            count += 1
            made.append(store.add("profile", {"email": f"{number % 101:03}-{count}@x.com"})["id"])
        elif what == "remove" and made:
            gone = made.pop(number % len(made))
            store.remove("profile", gone)
            stable.discard(gone)
        elif what == "change" and made and sort is None:
            store.update("profile", made[number % len(made)], {"first_name": str(number)})
        elif what == "next":
            page = page_of_type(store, "profile", Query(size=size, cursor=cursor, sort=sort))
            seen += [record.id for record in page.records]
            if page.next is None:
                break
            cursor = page.next
    assert len(seen) == len(set(seen))
    assert stable <= set(seen)


@settings(max_examples=40)
@given(
    members=st.lists(st.integers(0, 14), unique=True),
    size=st.integers(1, 6),
    emails=st.lists(st.integers(0, 16), max_size=5),
    sort=st.sampled_from([None, "joined_group_at", "-joined_group_at", "-email"]),
)
def test_members_by_filter_are_the_members_that_pass(members, size, emails, sort):
    fake = FakeKlaviyo(limits=False)
    store = fake.store
    made = [store.add("profile", {"email": f"{n:02}@x.com"})["id"] for n in range(15)]
    group = store.add("list", {"name": "L"})
    for one in members:
        fake.clock.advance(1)
        store.link("list", group["id"], "profiles", [made[one]])
    conditions = ()
    if emails:
        listed = ",".join(f'"{one:02}@x.com"' for one in emails)
        conditions = Filter.parse(f"any(email,[{listed}])").conditions
    expected = [made[one] for one in members if not emails or one in emails]
    if sort == "-joined_group_at":
        expected.reverse()
    elif sort == "-email":
        expected.sort(key=made.index, reverse=True)
    record = store.record("list", group["id"])
    assert record is not None
    seen, cursor = [], None
    for _ in range(20):
        query = Query(size=size, cursor=cursor, sort=sort, conditions=conditions)
        page = page_of_members(store, "profile", query, store.group(record, "profiles"))
        seen += [one.id for one in page.records]
        cursor = page.next
        if cursor is None:
            break
    if sort is None and emails:
        # by index, in the order of creation
        assert sorted(seen) == sorted(expected)
    else:
        assert seen == expected


async def test_paging_is_as_fast_at_the_end_as_at_the_start(send, fake):
    fake.seed(profiles=3000, lists=1)
    loop = asyncio.get_running_loop()

    async def cost(pages):
        path, spent = "/api/profiles?page[size]=10&fields[profile]=email", 0.0
        for number in range(pages):
            began = loop.time()
            answer = await send("GET", path)
            if number >= pages - 30:
                spent += loop.time() - began
            path = answer.json["links"]["next"].removeprefix(fake.url)
        return spent

    early, late = await cost(30), await cost(290)
    # a cost that grew with the depth would be tenfold; the rest is a busy machine
    assert late < early * 5
