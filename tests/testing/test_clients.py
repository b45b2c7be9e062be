"""The fake against clients that we did not write: the official package and curl; skipped where absent. And our own."""

from __future__ import annotations

import asyncio
import gzip
import json
import shutil
from typing import Any

import pytest
from yarl import URL

import klaviyo_async
from klaviyo_async.testing import FakeKlaviyo

CURL = shutil.which("curl")


@pytest.fixture
def official():
    """The official client; it is synchronous, so the fake runs in a thread of its own."""
    package = pytest.importorskip("klaviyo_api", reason="the official client is not installed: pip install klaviyo-api")
    with FakeKlaviyo() as fake:
        yield fake, package.KlaviyoAPI("pk_official", max_delay=5, max_retries=2, test_host=fake.url)


def plain(answer):
    """Models as mappings: what the official client gives depends on the operation."""
    return answer if isinstance(answer, dict) else answer.model_dump(by_alias=True)


@pytest.mark.filterwarnings("ignore")
def test_the_official_client_creates_reads_and_pages(official):
    fake, client = official
    made: Any = None
    for number in range(5):
        attributes = {"email": f"{number}@x.com", "properties": {"n": number}}
        made = plain(client.Profiles.create_profile({"data": {"type": "profile", "attributes": attributes}}))
    read = plain(client.Profiles.get_profile(made["data"]["id"], additional_fields_profile=["subscriptions"]))
    assert read["data"]["attributes"]["email"] == "4@x.com"
    seen, cursor = [], None
    while True:
        page = plain(client.Profiles.get_profiles(page_size=2, page_cursor=cursor, sort="email"))
        seen += [one["attributes"]["email"] for one in page["data"]]
        if page["links"]["next"] is None:
            break
        # its own extraction from a whole URL looks for https:// only
        cursor = URL(page["links"]["next"]).query["page[cursor]"]
    assert seen == [f"{number}@x.com" for number in range(5)]
    found = plain(client.Profiles.get_profiles(filter='any(email,["1@x.com","3@x.com"])'))
    assert len(found["data"]) == 2
    group = plain(client.Lists.create_list({"data": {"type": "list", "attributes": {"name": "VIP"}}}))["data"]["id"]
    client.Lists.add_profiles_to_list(group, {"data": [{"type": "profile", "id": made["data"]["id"]}]})
    assert len(plain(client.Lists.get_profiles_for_list(group))["data"]) == 1
    event = {
        "type": "event",
        "attributes": {
            "metric": {"data": {"type": "metric", "attributes": {"name": "Placed Order"}}},
            "profile": {"data": {"type": "profile", "attributes": {"email": "0@x.com"}}},
            "properties": {"OrderId": "1"},
            "value": 9.5,
        },
    }
    client.Events.create_event({"data": event})
    assert fake.store.count("event") == 1
    assert set(fake.responses) <= {200, 201, 202, 204}
    assert {one.headers["revision"] for one in fake.requests} == {client._REVISION}


@pytest.mark.filterwarnings("ignore")
def test_the_official_client_understands_errors_and_429s(official):
    fake, client = official
    body = {"data": {"type": "profile", "attributes": {"email": "a@x.com"}}}
    client.Profiles.create_profile(body)
    with pytest.raises(Exception, match="duplicate_profile") as caught:
        client.Profiles.create_profile(body)
    error: Any = caught.value
    assert error.status == 409
    for _ in range(2):
        client.Accounts.get_accounts()
    # one a second: the client was told to wait, waited, and came back
    assert fake.responses[429] >= 1


@pytest.mark.skipif(CURL is None, reason="curl is not installed")
class TestCurl:
    @pytest.fixture
    async def curl(self, fake):
        async def run(*arguments):
            process = await asyncio.create_subprocess_exec(
                str(CURL),
                "-sS",
                "--globoff",
                "-w",
                "\n%{http_code} %{content_type}",
                "-H",
                "Authorization: Klaviyo-API-Key pk_curl",
                "-H",
                f"revision: {klaviyo_async.REVISION}",
                *arguments,
                stdout=asyncio.subprocess.PIPE,
            )
            out, _ = await process.communicate()
            assert process.returncode == 0
            content, _, status = out.decode().rpartition("\n")
            return status, json.loads(content) if content else None

        return run

    async def test_as_in_the_documentation(self, fake, curl):
        body = json.dumps({"data": {"type": "profile", "attributes": {"email": "sarah@example.com"}}})
        status, made = await curl(
            "-X", "POST", f"{fake.url}/api/profiles/", "-H", "content-type: application/vnd.api+json", "-d", body
        )
        assert status == "201 application/vnd.api+json"
        status, page = await curl(f"{fake.url}/api/profiles?page[size]=1&filter=equals(email,'sarah@example.com')")
        assert (status[:3], page["data"][0]["id"]) == ("200", made["data"]["id"])
        status, nothing = await curl("-X", "DELETE", f"{fake.url}/api/profiles/{made['data']['id']}")
        assert (status[:3], nothing["errors"][0]["code"]) == ("405", "method_not_allowed")

    async def test_compressed_and_uploaded(self, fake, curl, tmp_path):
        packed = tmp_path / "body.gz"
        packed.write_bytes(gzip.compress(json.dumps({"data": {"type": "list", "attributes": {"name": "L"}}}).encode()))
        status, _ = await curl(
            "-X",
            "POST",
            f"{fake.url}/api/lists",
            "-H",
            "content-type: application/json",
            "-H",
            "content-encoding: gzip",
            "--data-binary",
            f"@{packed}",
        )
        assert status[:3] == "201"
        image = tmp_path / "a b.png"
        image.write_bytes(b"\x89PNG" + bytes(range(256)))
        status, made = await curl("-F", f"file=@{image}", "-F", "hidden=true", f"{fake.url}/api/image-upload")
        assert status[:3] == "201"
        assert made["data"]["attributes"]["size"] == 260


class TestOurOwn:
    @pytest.fixture
    async def client(self, fake):
        async with klaviyo_async.Klaviyo("pk_test", base_url=fake.url, company_id="AbC123") as client:
            yield client

    async def test_the_readme(self, client, fake):
        await client.profiles.create_profile(email="sarah@example.com", properties={"tier": "gold"})
        with pytest.raises(klaviyo_async.Conflict) as caught:
            await client.profiles.create_profile(email="sarah@example.com")
        found = fake.store.find("profile", email="sarah@example.com")
        assert caught.value.duplicate_profile_id == found["id"]
        group = await client.lists.create_list(name="VIP")
        await client.lists.add_profiles_to_list(group.data.id, [found["id"]])
        assert [one.attributes.email async for one in client.lists.get_profiles_for_list(group.data.id)] == [
            "sarah@example.com"
        ]
        await client.events.create_event(
            metric={"name": "Placed Order"},
            profile={"email": "sarah@example.com"},
            properties={"OrderId": "1"},
            value=9.5,
            unique_id="1",
        )
        page = await client.events.get_events(include=["metric", "profile"])
        assert page.data[0].attributes.event_properties["OrderId"] == "1"
        cleared = await client.profiles.update_profile(found["id"], properties={"tier": None})
        assert cleared.data.attributes.properties == {"tier": None}
        await client.client.create_client_event(
            metric={"name": "Viewed"}, profile={"email": "b@x.com"}, properties={}, unique_id="2"
        )
        assert "Authorization" not in fake.calls("create_client_event")[0].headers

    async def test_every_page_and_a_429_that_is_waited_for(self, client, fake):
        fake.seed(profiles=230)
        fake.fail("get_profiles", status=429, retry_after=0)
        emails = [one.attributes.email async for one in client.profiles.get_profiles(page_size=100)]
        assert len(set(emails)) == 230
        assert fake.responses == {200: 3, 429: 1}


@pytest.mark.parametrize("name", sorted(klaviyo_async.operations))
async def test_our_client_calls_every_operation(fake, everything, valid, name):
    operation = klaviyo_async.operations[name]
    ids = everything(fake)
    ids["other-profile"] = fake.store.add("profile", {"email": "two@example.com"})["id"]
    if name == "send_campaign":
        fake.store.remove("campaign-send-job", ids["campaign"])
    if name == "cancel_campaign_send":
        fake.store.update("campaign", ids["campaign"], {"status": "Scheduled"})
    kind = fake._world.router.routes[name].type
    path = [ids[kind]] if operation.path_parameters else []
    given = {}
    for parameter in operation.parameters:
        if parameter.required and parameter.kind != "filter" and parameter.name != "company_id":
            given[parameter.name] = parameter.enum[0] if parameter.enum else "x"
    needed = {"get_campaigns": "equals(messages.channel,'email')", "get_coupon_codes": "any(coupon.id,['10OFF'])"}
    if name in needed:
        given["filter"] = needed[name]
    if name == "upload_image_from_file":
        given["file"] = b"\x89PNG"
    elif operation.body is not None:
        given["body"] = valid(name, ids)
    async with klaviyo_async.Klaviyo("pk_test", base_url=fake.url, company_id="AbC123") as client:
        document = await getattr(getattr(client, operation.tag), name)(*path, **given)
    (request,) = fake.requests
    assert (request.operation, request.status < 300) == (name, True)
    if document is not None:
        assert type(document).__name__ == operation.response
        assert document.http.status == request.status
        assert document.http.request_id
    else:
        assert operation.response is None
