"""docs/contract.md, section 10: FakeKlaviyo, as those see it who test their own programs with it."""

from __future__ import annotations

import asyncio
import urllib.request
from typing import Any

import aiohttp
import pytest

import klaviyo_async
from klaviyo_async import (
    BadRequest,
    Conflict,
    ConnectionFailed,
    F,
    Forbidden,
    Klaviyo,
    NotFound,
    QueryError,
    RateLimited,
    RequestOptions,
    RequestTimeout,
    ServerError,
    Unauthorized,
)
from klaviyo_async.testing import FakeKlaviyo

LAX = RequestOptions(validate=False)


async def test_as_the_contract_types_it() -> None:
    async with FakeKlaviyo() as fake, Klaviyo("pk_test", base_url=fake.url) as klaviyo:
        assert fake.url.startswith("http://127.0.0.1:")
        made = await klaviyo.profiles.create_profile(email="sarah@example.com", properties={"tier": "gold"})
        read = await klaviyo.profiles.get_profile(made.data.id)
        assert read.data.attributes.email == "sarah@example.com"


async def test_the_fixture_of_the_package(fake_klaviyo: FakeKlaviyo) -> None:
    async with Klaviyo("pk_test", base_url=fake_klaviyo.url) as klaviyo:
        assert await klaviyo.profiles.get_profiles().collect() == []


def test_the_fixture_in_a_plain_test(fake_klaviyo: FakeKlaviyo) -> None:
    async def main() -> int:
        async with Klaviyo("pk_test", base_url=fake_klaviyo.url) as klaviyo:
            await klaviyo.lists.create_list(name="VIP")
            return len(await klaviyo.lists.get_lists().collect())

    assert asyncio.run(main()) == 1
    request = urllib.request.Request(
        f"{fake_klaviyo.url}/api/lists",
        headers={"Authorization": "Klaviyo-API-Key pk_1", "revision": klaviyo_async.REVISION},
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200


async def _raw(fake: FakeKlaviyo, method: str, path: str, json: Any = None, **headers: str) -> tuple[int, Any]:
    given = {"Authorization": "Klaviyo-API-Key pk_1", "revision": klaviyo_async.REVISION, **headers}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, fake.url + path, json=json, headers={k: v for k, v in given.items() if v}) as answer,
    ):
        return answer.status, await answer.json(content_type=None)


@pytest.mark.parametrize(
    ("status", "method", "path", "json", "headers"),
    [
        (401, "GET", "/api/profiles", None, {"Authorization": ""}),
        (401, "GET", "/api/profiles", None, {"Authorization": "Klaviyo-API-Key nonsense"}),
        (401, "GET", "/api/profiles", None, {"Authorization": "Bearer nonsense"}),
        (400, "GET", "/api/profiles", None, {"revision": ""}),
        (400, "GET", "/api/profiles", None, {"revision": "nonsense"}),
        (200, "GET", "/api/profiles", None, {"revision": "2026-07-15"}),
        (404, "GET", "/api/nonsense", None, {}),
        (405, "PUT", "/api/profiles", None, {}),
        (404, "GET", "/api/profiles/01NONE", None, {}),
        (400, "GET", "/api/profiles?page%5Bsize%5D=1000", None, {}),
        (400, "GET", "/api/profiles?page%5Bcursor%5D=nonsense", None, {}),
        (400, "GET", "/api/profiles?filter=equals(email,me@x.com)", None, {}),
        (400, "GET", "/api/profiles?filter=contains(email,'x')", None, {}),
        (400, "GET", "/api/profiles?filter=greater-than(created,'2026-01-01T00:00:00Z')", None, {}),
        (400, "GET", "/api/profiles?sort=nonsense", None, {}),
        (400, "GET", "/api/profiles?fields%5Bprofile%5D=nonsense", None, {}),
        (400, "GET", "/api/profiles?include=nonsense", None, {}),
        (400, "GET", "/api/campaigns", None, {}),
        (400, "POST", "/api/profiles", {"data": {"type": "list", "attributes": {}}}, {}),
        (400, "POST", "/api/profiles", {}, {}),
        (400, "POST", "/api/lists", {"data": {"type": "list", "attributes": {}}}, {}),
        (201, "POST", "/api/lists", {"data": {"type": "list", "attributes": {"name": "x"}}}, {}),
    ],
)
async def test_it_checks_requests(
    fake: FakeKlaviyo, status: int, method: str, path: str, json: Any, headers: dict[str, str]
) -> None:
    content = {} if json is None else {"Content-Type": "application/vnd.api+json"}
    found, body = await _raw(fake, method, path, json, **content, **headers)
    assert found == status, body
    if status >= 400:
        assert {"id", "status", "code", "title", "detail"} <= set(body["errors"][0])
        assert body["errors"][0]["status"] == status


async def test_keys_and_their_scopes() -> None:
    async with FakeKlaviyo(api_keys={"pk_all": None, "pk_lists": ["lists:read"]}, limits=False) as fake:
        async with Klaviyo("pk_all", base_url=fake.url) as klaviyo:
            await klaviyo.profiles.get_profiles()
        async with Klaviyo("pk_lists", base_url=fake.url) as klaviyo:
            await klaviyo.lists.get_lists()
            with pytest.raises(Forbidden):
                await klaviyo.profiles.get_profiles()
        async with Klaviyo("pk_other", base_url=fake.url) as klaviyo:
            with pytest.raises(Unauthorized):
                await klaviyo.profiles.get_profiles()


async def test_it_keeps_state_filters_sorts_and_pages(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    for number in range(25):
        await klaviyo.profiles.create_profile(email=f"{number:02}@x.com", external_id=f"e{number}")
    found = await klaviyo.profiles.get_profiles(filter=F("email") == "07@x.com")
    assert [one.attributes.external_id for one in found.data] == ["e7"]
    listed = await klaviyo.profiles.get_profiles(sort="-email", page_size=10).collect()
    assert [one.attributes.email for one in listed] == [f"{number:02}@x.com" for number in reversed(range(25))]
    some = await klaviyo.profiles.get_profiles(filter=F("email").any(["01@x.com", "02@x.com", "none@x.com"])).collect()
    assert len(some) == 2
    sparse = await klaviyo.profiles.get_profiles(fields={"profile": ["email"]}, page_size=1)
    assert set(sparse.to_dict()["data"][0]["attributes"]) == {"email"}


async def test_duplicates_conflict(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    made = await klaviyo.profiles.create_profile(email="a@x.com")
    with pytest.raises(Conflict) as caught:
        await klaviyo.profiles.create_profile(email="a@x.com")
    assert caught.value.duplicate_profile_id == made.data.id
    assert caught.value.code == "duplicate_profile"


async def test_deleted_is_gone(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    made = await klaviyo.lists.create_list(name="x")
    await klaviyo.lists.delete_list(made.data.id)
    with pytest.raises(NotFound):
        await klaviyo.lists.get_list(made.data.id)
    with pytest.raises(NotFound):
        await klaviyo.lists.delete_list(made.data.id)


async def test_it_limits() -> None:
    async with FakeKlaviyo() as fake, Klaviyo("pk_fake_limits", base_url=fake.url, limiter=False) as klaviyo:
        calls = (klaviyo.accounts.get_account("x", options=RequestOptions(max_retries=0)) for _ in range(10))
        found = await asyncio.gather(*calls, return_exceptions=True)
        assert any(isinstance(one, RateLimited) for one in found)
        assert fake.responses[429] >= 7


async def test_it_injects_faults(fake: FakeKlaviyo) -> None:
    async with Klaviyo("pk_1", base_url=fake.url, max_retries=0, timeout=0.3) as klaviyo:
        fake.fail("get_profiles", status=500)
        with pytest.raises(ServerError):
            await klaviyo.profiles.get_profiles()
        fake.fail("get_profiles", status=429, retry_after=3)
        with pytest.raises(RateLimited) as caught:
            await klaviyo.profiles.get_profiles()
        assert caught.value.retry_after == 3
        fake.fail("get_profiles", reset=True)
        with pytest.raises(ConnectionFailed):
            await klaviyo.profiles.get_profiles()
        fake.fail("get_profiles", delay=1)
        with pytest.raises(RequestTimeout):
            await klaviyo.profiles.get_profiles()
        fake.fail("create_profile", reset=True, processed=True)
        with pytest.raises(ConnectionFailed):
            await klaviyo.profiles.create_profile(email="a@x.com")
        assert len(await klaviyo.profiles.get_profiles().collect()) == 1
        with pytest.raises(ValueError, match="get_profilez"):
            fake.fail("get_profilez", status=500)


async def test_it_runs_jobs(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    job = await klaviyo.profiles.bulk_import_profiles(
        profiles=[{"email": f"{n}@x.com", "properties": {"n": n}} for n in range(10)]
    )
    assert job.data.attributes.status in {"queued", "processing"}
    fake.finish_jobs()
    done = await klaviyo.profiles.get_bulk_import_profiles_job(job.data.id)
    assert done.data.attributes.status == "complete"
    assert done.data.attributes.completed_count == 10
    assert len(await klaviyo.profiles.get_profiles().collect()) == 10


async def test_it_tells_what_was_asked(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    await klaviyo.lists.create_list(name="VIP")
    (call,) = fake.calls("create_list")
    assert (call.method, call.path, call.status) == ("POST", "/api/lists", 201)
    assert call.body == {"data": {"type": "list", "attributes": {"name": "VIP"}}}
    assert fake.requests[-1] is call or fake.requests[-1] == call
    fake.reset()
    assert await klaviyo.lists.get_lists().collect() == []


@pytest.mark.parametrize("revision", ["2026-07-15", "2026-10-15", "2025-01-15"])
async def test_a_revision_that_it_does_not_have_is_served_as_its_own(fake: FakeKlaviyo, revision: str) -> None:
    async with Klaviyo("pk_1", base_url=fake.url, revision=revision) as klaviyo:
        assert (await klaviyo.profiles.get_profiles()).http.status == 200


async def test_a_strict_body(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    body = {"data": {"type": "profile", "attributes": {"email": "a@x.com", "brand_new": 1}}}
    with pytest.raises(BadRequest) as caught:
        await klaviyo.profiles.create_profile(body, options=LAX)  # type: ignore[arg-type]
    assert "brand_new" in str(caught.value)


async def test_two_fakes_are_two_accounts(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    async with FakeKlaviyo(limits=False) as other, Klaviyo("pk_test", base_url=other.url) as elsewhere:
        await klaviyo.lists.create_list(name="x")
        assert await elsewhere.lists.get_lists().collect() == []


async def test_checks_of_the_library_are_those_of_the_fake(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    """What the library refuses the fake refuses as well: neither is stricter than the documents."""
    for facts in (
        {"sort": "crated"},
        {"page_size": 1000},
        {"filter": "contains(email,'x')"},
        {"fields": {"profile": ["emial"]}},
        {"include": ["nonsense"]},
    ):
        with pytest.raises(QueryError):
            await klaviyo.profiles.get_profiles(**facts)  # type: ignore[arg-type]
        with pytest.raises(BadRequest):
            await klaviyo.profiles.get_profiles(**facts, options=LAX)  # type: ignore[arg-type]
