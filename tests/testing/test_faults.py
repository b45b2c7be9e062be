"""Faults on demand and latency."""

from __future__ import annotations

import asyncio
import random

import aiohttp
import pytest

from klaviyo_async import REVISION
from klaviyo_async.testing import FakeKlaviyo, recorder
from klaviyo_async.testing.faults import latency_of


async def test_a_status_so_many_times(send, fake):
    fault = fake.fail("get_lists", times=2, status=503, retry_after=7)
    answers = [await send("GET", "/api/lists") for _ in range(3)]
    assert [one.status for one in answers] == [503, 503, 200]
    assert answers[0].headers["Retry-After"] == "7"
    assert answers[0].error["code"] == "service_unavailable"
    assert fault.hits == 2
    assert (await send("GET", "/api/tags")).status == 200
    assert fake.responses == {503: 2, 200: 2}


async def test_after_so_many_and_for_ever(send, fake):
    fake.fail(after=1, times=None, status=500)
    assert [(await send("GET", "/api/lists")).status for _ in range(4)] == [200, 500, 500, 500]
    fake.clear_faults()
    assert (await send("GET", "/api/lists")).status == 200


@pytest.mark.parametrize(
    ("body", "kind"),
    [("<h1>524</h1>", "text/html"), (b"\xff", "text/html"), ({"errors": []}, "application/vnd.api+json")],
)
async def test_any_body(fake, body, kind):
    fake.fail("get_lists", status=524, body=body, headers={"Server": "cloudflare"})
    headers = {"Authorization": "Klaviyo-API-Key pk_x", "revision": REVISION}
    async with aiohttp.ClientSession(headers=headers) as session, session.get(f"{fake.url}/api/lists") as answer:
        assert (answer.status, answer.content_type, answer.headers["Server"]) == (524, kind, "cloudflare")
        content = await answer.read()
        assert content == (
            body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else b'{"errors":[]}'
        )


@pytest.mark.parametrize("processed", [False, True])
async def test_a_broken_connection_before_or_after_the_work(send, fake, body, processed):
    fake.fail("create_list", reset=True, processed=processed)
    with pytest.raises(aiohttp.ClientConnectionError):
        await send("POST", "/api/lists", json=body("list", name="L"))
    assert fake.store.count("list") == int(processed)
    assert [(one.operation, one.status) for one in fake.requests] == [("create_list", 0)]
    assert (await send("POST", "/api/lists", json=body("list", name="L"))).status == 201


async def test_a_lost_answer_with_a_status(send, fake, body):
    fake.fail("create_list", status=504, processed=True)
    assert (await send("POST", "/api/lists", json=body("list", name="L"))).status == 504
    assert fake.store.count("list") == 1


async def test_a_truncated_body(send, fake):
    fake.fail("get_lists", truncate=10)
    with pytest.raises(aiohttp.ClientPayloadError):
        await send("GET", "/api/lists")
    assert (await send("GET", "/api/lists")).status == 200


async def test_a_delay(send, fake):
    fake.fail("get_lists", delay=0.2)
    with pytest.raises(TimeoutError):
        await send("GET", "/api/lists", timeout=aiohttp.ClientTimeout(total=0.05))
    assert (await send("GET", "/api/lists")).status == 200


async def test_latency(make_sender):
    loop = asyncio.get_running_loop()
    async with FakeKlaviyo(limits=False, latency=0.05) as fake, make_sender(fake) as send:
        began = loop.time()
        await asyncio.gather(*(send("GET", "/api/lists") for _ in range(10)))
        assert 0.05 <= loop.time() - began < 0.4
        fake.latency = None
        await send("GET", "/api/lists")


def test_latency_distributions_repeat():
    def drawn(seed):
        chance = random.Random(seed)
        return [
            latency_of(one, chance) for one in (None, 0.5, (1, 2), lambda chance: chance.expovariate(5), lambda _: -1)
        ]

    first = drawn(1)
    assert first[:2] == [0.0, 0.5]
    assert 1 <= first[2] <= 2
    assert first[3] > 0
    assert first[4] == 0.0
    assert drawn(1) == first != drawn(2)


def test_faults_that_mean_nothing_are_refused():
    fake = FakeKlaviyo(limits=False)
    with pytest.raises(ValueError, match="no operation 'get_profilez'"):
        fake.fail("get_profilez", status=500)
    with pytest.raises(ValueError, match="has no effect"):
        fake.fail("get_profiles")


async def test_requests_are_recorded_decoded(send, fake, body):
    group = fake.store.add("list", {"name": "L"})["id"]
    await send("GET", f"/api/lists/{group}?fields[list]=name")
    await send("POST", "/api/lists", json=body("list", name="M"))
    await send("GET", "/api/nothing/here")
    await send("POST", "/api/lists", data=b"{", headers={"Content-Type": "application/json"})
    read, made, lost, broken = fake.requests
    assert (read.operation, read.arguments, read.parameters) == ("get_list", (group,), {"fields[list]": "name"})
    assert read.headers["authorization"] == "Klaviyo-API-Key pk_test"
    assert (made.operation, made.method, made.status) == ("create_list", "POST", 201)
    assert made.body["data"]["attributes"] == {"name": "M"}
    assert (lost.operation, lost.path, lost.status) == (None, "/api/nothing/here", 404)
    assert (broken.status, broken.body) == (400, b"{")
    assert fake.calls("get_list") == [read]
    assert "pk_test" not in repr(fake)


async def test_faults_of_the_oauth_server_and_of_paths_that_it_does_not_have(send, fake):
    fake.fail("oauth_token", status=503)
    form = {"grant_type": "refresh_token", "refresh_token": "rt"}
    basic = {"Authorization": "Basic aWQ6c2VjcmV0"}
    assert (await send("POST", "/oauth/token", data=form, headers=basic)).status == 503
    assert (await send("POST", "/oauth/token", data=form, headers=basic)).status == 200
    assert [one.status for one in fake.calls("oauth_token")] == [503, 200]
    fake.fail(status=502)
    assert (await send("GET", "/api/of-tomorrow")).status == 502
    assert (await send("GET", "/api/of-tomorrow")).status == 404


def test_bodies_are_kept_up_to_a_limit(monkeypatch):
    monkeypatch.setattr(recorder, "_KEPT_BYTES", 100)
    kept = recorder.Recorder()
    for number in range(5):
        content = b'{"n": %d, "x": "%s"}' % (number, b"x" * 30)
        kept.add(
            recorder.RecordedRequest(
                operation=None,
                method="POST",
                path="/",
                arguments=(),
                parameters={},
                headers={},
                status=200,
                content=content,
            )
        )
    assert [(one.body or {}).get("n") for one in kept.requests] == [None, None, None, 3, 4]
    assert kept.responses == {200: 5}


async def test_forms_are_recorded_by_their_fields(send, fake):
    form = aiohttp.FormData()
    form.add_field("file", b"\x89PNG", filename="a.png")
    await send("POST", "/api/image-upload", data=form)
    assert fake.requests[0].body == {"file": {"filename": "a.png", "content": b"\x89PNG"}}


@pytest.mark.parametrize("more", [{}, {"truncate": 10}])
async def test_a_stalled_request_waits_until_the_faults_are_cleared(fake, send, body, more):
    fake.fail("create_list", stall=True, **more)
    # a POST, because aiohttp by itself repeats a GET whose connection breaks
    call = asyncio.create_task(send("POST", "/api/lists", json=body("list", name="L")))
    done, _ = await asyncio.wait([call], timeout=0.2)
    assert not done
    assert (await send("GET", "/api/lists")).status == 200
    fake.clear_faults()
    async with asyncio.timeout(5):
        with pytest.raises(aiohttp.ClientError):
            await call


async def test_clearing_the_faults_ends_a_delay(fake, send):
    fake.fail("get_lists", delay=60)
    call = asyncio.create_task(send("GET", "/api/lists"))
    await asyncio.sleep(0.1)
    fake.clear_faults()
    async with asyncio.timeout(5):
        assert (await call).status == 200


async def test_a_fake_stops_with_requests_that_stall(make_sender):
    fake = await FakeKlaviyo(limits=False).start()
    async with make_sender(fake) as send:
        fake.fail(stall=True)
        call = asyncio.create_task(send("GET", "/api/lists"))
        await asyncio.sleep(0.1)
        async with asyncio.timeout(10):
            await fake.stop()
            with pytest.raises(aiohttp.ClientError):
                await call
