"""Webhooks: masked addresses, signed deliveries to a local URL, tried again when refused."""

from __future__ import annotations

import hashlib
import hmac

import orjson
import pytest
from aiohttp import web

from klaviyo_async import webhooks

SECRET = "s3cret-s3cret-s3cret"


@pytest.fixture
async def receiver():
    """A URL that deliveries come to; answers what `status` says, 200 by default."""

    class Receiver:
        def __init__(self):
            self.deliveries, self.statuses, self.url = [], [], ""

        async def take(self, request):
            body = await request.read()
            self.deliveries.append((request.headers, body))
            return web.Response(status=self.statuses.pop(0) if self.statuses else 200)

    found = Receiver()
    runner = web.ServerRunner(web.Server(found.take))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook/secret-path"
    yield found
    await runner.cleanup()


def webhook(url, *topics, **attributes):
    return {
        "data": {
            "type": "webhook",
            "attributes": {"name": "W", "endpoint_url": url, "secret_key": SECRET, **attributes},
            "relationships": {"webhook-topics": {"data": [{"type": "webhook-topic", "id": one} for one in topics]}},
        }
    }


def event(name="Placed Order", unique="1"):
    metric = {"data": {"type": "metric", "attributes": {"name": name}}}
    profile = {"data": {"type": "profile", "attributes": {"email": "a@x.com"}}}
    attributes = {"metric": metric, "profile": profile, "properties": {"n": 1}, "unique_id": unique}
    return {"data": {"type": "event", "attributes": attributes}}


async def test_an_event_is_delivered_and_signed(send, fake, receiver):
    made = await send("POST", "/api/webhooks", json=webhook(receiver.url, "event:api.placed_order"))
    assert made.status == 201, made.json
    assert made.data["attributes"]["endpoint_url"].endswith("/*****")
    assert "secret_key" not in made.data["attributes"]
    assert made.data["relationships"]["webhook-topics"]["data"] == [
        {"type": "webhook-topic", "id": "event:api.placed_order"}
    ]
    await send("POST", "/api/events", json=event())
    await send("POST", "/api/events", json=event("Viewed Product"))
    await fake.settle()
    ((headers, body),) = receiver.deliveries
    expected = hmac.new(SECRET.encode(), body + headers["Klaviyo-Timestamp"].encode(), hashlib.sha256).hexdigest()
    assert headers["Klaviyo-Signature"] == expected
    assert headers["Klaviyo-Webhook-Id"] == made.data["id"]
    delivery = orjson.loads(body)
    assert delivery["meta"]["klaviyo_webhook_id"] == made.data["id"]
    assert delivery["meta"]["klaviyo_account_id"] == next(fake.store.all("account"))["id"]
    (one,) = delivery["data"]
    assert one["topic"] == "event:api.placed_order"
    assert one["payload"]["data"]["id"] == one["external_id"]
    assert one["payload"]["data"]["attributes"]["event_properties"]["n"] == 1
    assert {other["type"] for other in one["payload"]["included"]} == {"metric", "profile"}
    assert fake.deliveries == [(made.data["id"], 200)]


async def test_our_own_verification_takes_the_delivery(send, fake, receiver):
    await send("POST", "/api/webhooks", json=webhook(receiver.url, "event:api.placed_order"))
    await send("POST", "/api/events", json=event())
    await fake.settle()
    ((headers, body),) = receiver.deliveries
    assert len(webhooks.verify(body, headers, SECRET, max_age=60).events) == 1


async def test_refused_deliveries_come_again(send, fake, receiver):
    receiver.statuses = [500, 204]
    made = await send("POST", "/api/webhooks", json=webhook(receiver.url, "event:api.placed_order"))
    await send("POST", "/api/events", json=event())
    await fake.settle()
    assert [status for _, status in fake.deliveries] == [500, 204, 200]
    assert {one for one, _ in fake.deliveries} == {made.data["id"]}


async def test_a_webhook_that_is_off_hears_nothing(send, fake, receiver, body):
    hook = (await send("POST", "/api/webhooks", json=webhook(receiver.url, "event:api.placed_order"))).data["id"]
    off = await send("PATCH", f"/api/webhooks/{hook}", json=body("webhook", hook, enabled=False))
    assert off.data["attributes"]["enabled"] is False
    await send("POST", "/api/events", json=event())
    await fake.settle()
    assert receiver.deliveries == fake.deliveries == []


async def test_nobody_there_is_no_harm(send, fake):
    await send("POST", "/api/webhooks", json=webhook("http://127.0.0.1:1/x", "event:api.placed_order"))
    assert (await send("POST", "/api/events", json=event())).status == 202
    await fake.settle()
    assert [status for _, status in fake.deliveries] == [None] * 3


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"secret_key": "short"}, "/data/attributes/secret_key"),
        ({"endpoint_url": "x"}, "/data/attributes/endpoint_url"),
        ({"endpoint_url": "http://example.com"}, "/data/attributes/endpoint_url"),
        ({"endpoint_url": "http://localhost.example.com"}, "/data/attributes/endpoint_url"),
    ],
)
async def test_what_a_webhook_gets_wrong(send, change, pointer):
    given = webhook("https://x.example", "event:klaviyo.sent_sms")
    given["data"]["attributes"] |= change
    assert (await send("POST", "/api/webhooks", json=given)).error["source"] == {"pointer": pointer}


async def test_topics_can_be_listed(send):
    topics = {one["id"] for one in (await send("GET", "/api/webhook-topics")).data}
    assert "event:klaviyo.opened_email" in topics
    one = await send("GET", "/api/webhook-topics/event:klaviyo.opened_email")
    assert "attributes" not in one.data
    wrong = await send("POST", "/api/webhooks", json=webhook("https://x.example", "no topic"))
    assert wrong.status == 404
