"""A package of another revision beside the shipped one: what its calls send, and what its client is and has."""

from __future__ import annotations

import inspect
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import klaviyo_async
from klaviyo_async import Klaviyo, LocalLimiter, QueryError, RequestOptions
from klaviyo_async.client import BaseClient
from klaviyo_async.testing import FakeKlaviyo

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import ModuleType

SHIPPED = klaviyo_async.REVISION
OTHER = "2024-02-15"


@pytest.fixture
async def fake() -> AsyncIterator[FakeKlaviyo]:
    async with FakeKlaviyo(limits=False) as fake:
        yield fake


def sent(fake: FakeKlaviyo) -> str:
    return fake.requests[-1].headers["revision"]


async def test_functions_ask_for_their_own_revision_on_any_client(fake: FakeKlaviyo, old: ModuleType) -> None:
    async with Klaviyo("pk_1", base_url=fake.url) as shipped, old.Klaviyo("pk_1", base_url=fake.url) as earlier:
        for client in (shipped, earlier, shipped.with_options(max_wait=1), earlier.with_options(max_wait=1)):
            await old.api.profiles.get_profiles(client)
            assert sent(fake) == old.REVISION
            await klaviyo_async.api.profiles.get_profiles(client)
            assert sent(fake) == SHIPPED
        await earlier.profiles.create_profile(email="sarah@example.com")
        assert sent(fake) == old.REVISION
        await shipped.profiles.create_profile(email="omar@example.com")
        assert sent(fake) == SHIPPED


async def test_a_clients_revision_is_for_the_operations_of_its_own_package(fake: FakeKlaviyo, old: ModuleType) -> None:
    async with (
        Klaviyo("pk_1", base_url=fake.url, revision=OTHER) as shipped,
        old.Klaviyo("pk_1", base_url=fake.url) as earlier,
    ):
        await shipped.profiles.get_profiles()
        assert sent(fake) == OTHER
        await shipped.request("GET", "/api/profiles")
        assert sent(fake) == OTHER
        await old.api.profiles.get_profiles(shipped)
        assert sent(fake) == old.REVISION
        derived = earlier.with_options(revision=OTHER)
        await derived.profiles.get_profiles()
        assert sent(fake) == OTHER
        await klaviyo_async.api.profiles.get_profiles(derived)
        assert sent(fake) == SHIPPED
        await earlier.profiles.get_profiles()
        assert sent(fake) == old.REVISION


async def test_the_revision_of_one_call_goes_before_all(fake: FakeKlaviyo, old: ModuleType) -> None:
    options = RequestOptions(revision=OTHER)
    async with Klaviyo("pk_1", base_url=fake.url, revision="2024-05-15") as shipped:
        await old.api.profiles.get_profiles(shipped, options=options)
        assert sent(fake) == OTHER
        await shipped.profiles.get_profiles(options=options)
        assert sent(fake) == OTHER
        await shipped.request("GET", "/api/profiles", options=options)
        assert sent(fake) == OTHER


async def test_every_page_asks_for_it(fake: FakeKlaviyo, old: ModuleType) -> None:
    fake.seed(profiles=5)
    async with Klaviyo("pk_1", base_url=fake.url) as klaviyo:
        found = [profile async for profile in old.api.profiles.get_profiles(klaviyo, page_size=2)]
    assert len(found) == 5
    assert {type(profile) for profile in found} == {old.resources.Profile}
    assert {request.headers["revision"] for request in fake.requests} == {old.REVISION}


async def test_errors_tell_the_revision_that_was_asked_for(fake: FakeKlaviyo, old: ModuleType) -> None:
    fake.fail("get_profiles", status=410)
    async with Klaviyo("pk_1", base_url=fake.url) as klaviyo:
        with pytest.raises(klaviyo_async.errors.Gone, match=f"Revision {old.REVISION} "):
            await old.api.profiles.get_profiles(klaviyo)


async def test_the_client_of_another_revision_is_a_client(fake: FakeKlaviyo, old: ModuleType) -> None:
    async with old.Klaviyo("pk_1", base_url=fake.url) as klaviyo:
        assert issubclass(old.Klaviyo, BaseClient)
        assert inspect.signature(old.Klaviyo).parameters["revision"].default == old.REVISION
        assert repr(klaviyo) == f"Klaviyo(base_url={fake.url!r}, revision={old.REVISION!r}, auth=ApiKey(…))"
        created = await klaviyo.profiles.create_profile(email="a@x.com", options=RequestOptions(max_retries=0))
        assert type(created.data) is old.resources.Profile
        assert created.http.status == 201
        answer = await klaviyo.request("GET", f"/api/profiles/{created.data.id}")
        assert answer["data"]["id"] == created.data.id
        assert fake.requests[-1].operation == "get_profile"
        assert not hasattr(klaviyo, "flows")
        assert klaviyo.with_options(max_wait=5).profiles is not klaviyo.profiles
        with pytest.raises(QueryError, match=r"sort: .*'updated'"):
            klaviyo.profiles.get_profiles(sort="updated")
    assert klaviyo.closed


async def test_a_plain_request_of_the_other_revisions_routes_has_their_limits(
    old: ModuleType, beta: ModuleType
) -> None:
    async with FakeKlaviyo() as fake, beta.Klaviyo("pk_plain", base_url=fake.url) as klaviyo:
        with pytest.raises(klaviyo_async.errors.NotFound):
            await klaviyo.request("GET", "/api/widgets")
        assert [bucket.name for bucket in klaviyo.limiter.snapshot().buckets] == ["get_widgets_beta"]
        async with old.Klaviyo("pk_plain", base_url=fake.url) as other:
            with pytest.raises(klaviyo_async.errors.NotFound):
                await other.request("GET", "/api/widgets")
            names = {bucket.name for bucket in other.limiter.snapshot().buckets}
            assert names == {"get_widgets_beta", "GET /api/widgets"}


async def test_limits_are_shared_by_the_clients_of_all_revisions(old: ModuleType) -> None:
    async with (
        FakeKlaviyo() as fake,
        Klaviyo("pk_shared", base_url=fake.url) as shipped,
        old.Klaviyo("pk_shared", base_url=fake.url) as earlier,
    ):
        for client in (shipped, earlier, earlier, shipped, earlier):
            await client.profiles.get_profiles()
        for client in (shipped, earlier):
            (bucket,) = client.limiter.snapshot().buckets
            assert (bucket.name, bucket.windows[1].spent) == ("get_profiles", 5)
        assert fake.responses == {200: 5}


async def test_overrides_of_limits_name_operations_of_any_revision(
    beta: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    rates = {"burst": "2/s"}
    limiter = LocalLimiter(overrides={"get_widgets_beta": rates}, clock=lambda: 0.0)
    assert caplog.text == ""
    LocalLimiter(overrides={"get_widgets_bate": rates})
    assert "did you mean 'get_widgets_beta'?" in caplog.text
    async with FakeKlaviyo() as fake, beta.Klaviyo("pk_1", base_url=fake.url, limiter=limiter) as klaviyo:
        with pytest.raises(klaviyo_async.errors.NotFound):
            await klaviyo.widgets.get_widgets_beta()
    (bucket,) = limiter.snapshot().buckets
    assert bucket.windows[0].rate == "2/s"


async def test_records_pickle_and_relate(fake: FakeKlaviyo, old: ModuleType) -> None:
    vip = fake.store.add("list", {"name": "VIP"})
    for number in range(3):
        fake.store.add("profile", {"email": f"{number}@x.com"}, relationships={"lists": [vip["id"]]})
    async with old.Klaviyo("pk_1", base_url=fake.url) as klaviyo:
        async for page in klaviyo.profiles.get_profiles(page_size=2, sort="-email").pages():
            assert pickle.loads(pickle.dumps(page)) == page
            for profile in page.data:
                assert pickle.loads(pickle.dumps(profile)) == profile
        wanted = old.filters.GetProfiles.email.any(["1@x.com", "2@x.com"])
        assert [one.attributes.email for one in await klaviyo.profiles.get_profiles(filter=wanted).collect()] == [
            "1@x.com",
            "2@x.com",
        ]
        with pytest.raises(AttributeError):
            old.filters.GetProfiles.email.contains("x")


def test_what_operations_tell(old: ModuleType, beta: ModuleType) -> None:
    operation = old.operations["get_profiles"]
    assert operation.reference == f"https://developers.klaviyo.com/en/v{old.REVISION}/reference/get_profiles"
    assert (operation.revision, operation.package) == (old.REVISION, "shop.vendored.klaviyo_2026_04")
    assert beta.operations["get_widgets_beta"].package == "klaviyo_beta"
    assert repr(beta.operations) == f"<{len(beta.operations)} operations of 2026-04-15.pre>"
    shipped = klaviyo_async.operations["get_profiles"]
    assert (shipped.revision, shipped.package) == (SHIPPED, "klaviyo_async")


def test_preload(old: ModuleType) -> None:
    old.preload("get_profiles")
    old.preload()
    with pytest.raises(QueryError, match="no operation 'get_profile_s'"):
        old.preload("get_profile_s")
    with pytest.raises(QueryError, match="get_flows"):
        old.preload("get_flows")


LAZY = """
import sys
from shop.vendored import klaviyo_2026_04 as old
name = old.__name__ + "."
print(*sorted(each.removeprefix(name) for each in sys.modules if each.startswith(name)))
old.operations["get_profiles"], old.Klaviyo
print(any(each == "aiohttp" or each.startswith((name + "models", name + "api.")) for each in sys.modules))
old.preload("get_profile")
print(name + "models.get_profile_response" in sys.modules, name + "filters" in sys.modules)
old.preload()
print(name + "filters.get_profiles" in sys.modules)
print(old.api.profiles.get_profiles.__module__, old.filters.GetProfiles.__name__)
print(old.api.profiles is old.api.profiles, "Klaviyo" in dir(old), "resources" in dir(old))
"""


def test_importing_it_loads_next_to_nothing(roots: list[Path]) -> None:
    path = os.pathsep.join(map(str, [*roots, Path.cwd()]))
    done = subprocess.run(
        [sys.executable, "-c", LAZY], capture_output=True, text=True, check=False, env={"PYTHONPATH": path}
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "operation_table",
        "False",
        "True False",
        "True",
        "shop.vendored.klaviyo_2026_04.api.profiles GetProfiles",
        "True True True",
    ]


async def test_bulk_has_the_operations_of_the_clients_package(fake: FakeKlaviyo, old: ModuleType) -> None:
    async with Klaviyo("pk_1", base_url=fake.url) as shipped, old.Klaviyo("pk_1", base_url=fake.url) as earlier:
        assert hasattr(shipped.bulk, "import_profiles")
        assert not hasattr(earlier.bulk, "import_profiles")
        assert hasattr(earlier.bulk, "export")
        assert earlier.bulk is earlier.bulk
