"""What the tests of the fake share: a raw HTTP client, and a fake that has one of everything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import orjson
import pytest
from yarl import URL

from klaviyo_async import REVISION
from klaviyo_async.testing import FakeKlaviyo
from klaviyo_async.testing.examples import example
from klaviyo_async.testing.schemas import load

HEADERS = {"Authorization": "Klaviyo-API-Key pk_test", "revision": REVISION}


class Answered:
    """Status, headers and decoded body of an answer."""

    def __init__(self, status: int, headers: Any, content: bytes) -> None:
        self.status = status
        self.headers = headers
        self.content = content
        self.json: Any = orjson.loads(content) if content else None

    @property
    def error(self) -> dict[str, Any]:
        return self.json["errors"][0]

    @property
    def data(self) -> Any:
        return self.json["data"]


Send = Callable[..., Awaitable[Answered]]


@pytest.fixture
async def fake() -> AsyncIterator[FakeKlaviyo]:
    async with FakeKlaviyo(limits=False) as started:
        yield started


@pytest.fixture
async def send(fake: FakeKlaviyo) -> AsyncIterator[Send]:
    """Raw requests to the fake: `await send("GET", "/api/lists")`, JSON bodies as `json=`."""
    async with sender(fake) as function:
        yield function


class sender:  # noqa: N801 - used like a function
    def __init__(self, fake: FakeKlaviyo) -> None:
        self.fake = fake

    async def __aenter__(self) -> Send:
        self.session = aiohttp.ClientSession(headers=HEADERS)

        async def send(method: str, path: str, **keywords: Any) -> Answered:
            keywords.setdefault("allow_redirects", False)
            url = URL(self.fake.url + path, encoded=True) if isinstance(path, str) else path
            async with self.session.request(method, url, **keywords) as response:
                return Answered(response.status, response.headers, await response.read())

        return send

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()


@pytest.fixture
def make_sender() -> type[sender]:
    return sender


def resource(kind: str, id: str | None = None, **attributes: Any) -> dict[str, Any]:
    """A JSON:API body of one resource."""
    data: dict[str, Any] = {"type": kind, "attributes": attributes}
    if id is not None:
        data["id"] = id
    return {"data": data}


@pytest.fixture
def body() -> Callable[..., dict[str, Any]]:
    return resource


def one_of_everything(fake: FakeKlaviyo) -> dict[str, str]:
    """Put one resource of each type in; type → id."""
    add = fake.store.add
    ids = {
        kind: next(fake.store.all(kind))["id"] for kind in ("account", "tracking-setting", "tag-group", "webhook-topic")
    }
    ids["mapped-metric"] = "revenue"
    # the group that every account has can't be deleted
    ids["tag-group"] = add("tag-group", {"name": "Season"})["id"]
    ids["profile"] = add("profile", {"email": "one@example.com"})["id"]
    ids["list"] = add("list", {"name": "VIP"}, relationships={"profiles": [ids["profile"]]})["id"]
    ids["segment"] = add("segment", {"name": "Buyers", "definition": {"condition_groups": []}})["id"]
    fake.store.link("segment", ids["segment"], "profiles", [ids["profile"]])
    ids["metric"] = add(
        "metric", {"name": "Placed Order", "integration": {"key": "api", "name": "API", "category": "API"}}
    )["id"]
    ids["metric-property"] = add(
        "metric-property",
        {"label": "x", "property": "x", "inferred_type": "string"},
        relationships={"metric": ids["metric"]},
    )["id"]
    ids["event"] = add(
        "event",
        {
            "timestamp": 1_700_000_000,
            "event_properties": {"a": 1},
            "datetime": "2023-11-14T22:13:20+00:00",
            "uuid": "f9204180-a865-11f1-8001-eb4883aa7288",
        },
        relationships={"profile": ids["profile"], "metric": ids["metric"]},
    )["id"]
    ids["catalog-item"] = add(
        "catalog-item",
        {"external_id": "A", "title": "A", "description": "a", "url": "https://x.example/a"},
        id="$custom:::$default:::A",
    )["id"]
    ids["catalog-variant"] = add(
        "catalog-variant",
        {
            "external_id": "A-1",
            "title": "A1",
            "description": "a",
            "url": "https://x.example/a",
            "sku": "A-1",
            "price": 1.5,
            "inventory_quantity": 3,
        },
        id="$custom:::$default:::A-1",
        relationships={"item": ids["catalog-item"]},
    )["id"]
    ids["catalog-category"] = add("catalog-category", {"external_id": "C", "name": "C"}, id="$custom:::$default:::C")[
        "id"
    ]
    ids["coupon"] = add("coupon", {"external_id": "10OFF"}, id="10OFF")["id"]
    ids["coupon-code"] = add("coupon-code", {"unique_code": "X"}, id="X-10OFF", relationships={"coupon": "10OFF"})["id"]
    ids["template"] = add("template", {"name": "T", "editor_type": "CODE", "html": "<p>{{ name }}</p>"})["id"]
    ids["template-universal-content"] = add("template-universal-content", {"name": "U", "definition": None})["id"]
    ids["image"] = add("image", {"name": "i", "format": "png", "size": 3, "image_url": "https://x.example/i.png"})["id"]
    ids["campaign"] = add("campaign", {"name": "C", "audiences": {"included": [ids["list"]], "excluded": []}})["id"]
    ids["campaign-message"] = add(
        "campaign-message",
        {"definition": {"channel": "email", "label": None, "content": {}}},
        relationships={"campaign": ids["campaign"], "template": ids["template"], "image": ids["image"]},
    )["id"]
    ids["campaign-send-job"] = add("campaign-send-job", {"status": "queued", "~at": 9e9}, id=ids["campaign"])["id"]
    for kind, attributes in (
        ("campaign-recipient-estimation", {"estimated_recipient_count": 1}),
        ("campaign-recipient-estimation-job", {"status": "complete"}),
    ):
        ids[kind] = add(kind, attributes, id=ids["campaign"])["id"]
    ids["flow"] = add("flow", {"name": "F"})["id"]
    ids["flow-action"] = add("flow-action", {}, relationships={"flow": ids["flow"]})["id"]
    ids["flow-message"] = add(
        "flow-message",
        {"channel": "Email"},
        relationships={"flow-action": ids["flow-action"]},
    )["id"]
    fake.store.update(
        "flow-message",
        ids["flow-message"],
        relationships={"template": add("template", {"name": "T2", "editor_type": "CODE"})["id"]},
    )
    ids["form"] = add("form", {"name": "F"})["id"]
    ids["form-version"] = add(
        "form-version",
        {"form_type": "popup", "variation_name": "A", "status": "draft", "ab_test": None},
        relationships={"form": ids["form"]},
    )["id"]
    ids["custom-metric"] = add(
        "custom-metric", {"name": "M", "definition": {"aggregation_method": "count", "metric_groups": []}}
    )["id"]
    ids["data-source"] = add("data-source", {"title": "D"})["id"]
    ids["push-token"] = add(
        "push-token",
        {"token": "t", "platform": "ios", "vendor": "apns", "recorded_date": "2026-01-01T00:00:00+00:00"},
        relationships={"profile": ids["profile"]},
    )["id"]
    ids["review"] = add(
        "review",
        {"review_type": "review", "verified": True, "images": [], "status": {"value": "published"}},
    )["id"]
    ids["tag"] = add("tag", {"name": "T"}, relationships={"tag-group": ids["tag-group"]})["id"]
    ids["web-feed"] = add(
        "web-feed", {"name": "W", "url": "https://x.example", "request_method": "get", "content_type": "json"}
    )["id"]
    ids["webhook"] = add(
        "webhook",
        {"name": "W", "endpoint_url": "http://127.0.0.1:1/hook", "secret_key": "s" * 16},
        relationships={"webhook-topics": [ids["webhook-topic"]]},
    )["id"]
    ids["conversation"] = add("conversation", {"channel": "sms"}, relationships={"profile": ids["profile"]})["id"]
    ids["ip-allowlist"] = "integration-egress"
    ids["object-type"] = add("object-type", {"title": "Ride"})["id"]
    for number in (1, 2):
        mapping = add("source-mapping")["id"]
        schema = add(
            "object-schema",
            {"title": f"Ride {number}", "visibility": "private"},
            relationships={"object-type": ids["object-type"], "source-mapping": mapping},
        )["id"]
        ids |= {"source-mapping": mapping, "object-schema": schema}
    meta = {"relationship_id": "01K5YKKQKM819VVGCPZZKGE6D4", "name": "items", "description": ""}
    owner = {"owner": ids["object-schema"]}
    add("profile-object-schema", {"meta": meta}, id=f"{ids['object-schema']}/profile:::items", relationships=owner)
    ids["profile-object-schema"] = "profile"
    itself = f"{ids['object-schema']}/{ids['object-schema']}:::items"
    add("object-schema-link", {"meta": meta}, id=itself, relationships=owner | {"to": ids["object-schema"]})
    fake.store.update(
        "object-type",
        ids["object-type"],
        relationships={"current-schema": ids["object-schema"], "draft-schema": ids["object-schema"]},
    )
    ids["object-record"] = add(
        "object-record",
        {"record_properties": {"a": 1}},
        id=f"{ids['object-type']}:::1",
        relationships={"object-type": ids["object-type"]},
    )["id"]
    ids["object-ingestion-log"] = add(
        "object-ingestion-log",
        {
            "status": "error",
            "event_type": "validation_error",
            "timestamp": "2026-01-01T00:00:00+00:00",
            "summary": "",
            "errors": [],
        },
        relationships={"object-type": ids["object-type"], "object-record": ids["object-record"]},
    )["id"]
    for kind in list(fake._world.jobs._families):
        submitted = fake._world.jobs.submit(fake.store, kind, [])
        ids[kind] = submitted.id
    return ids


@pytest.fixture
def everything() -> Callable[[FakeKlaviyo], dict[str, str]]:
    return one_of_everything


def valid_body(name: str, ids: dict[str, str], *, full: bool = False) -> Any:
    """The smallest body that an operation's schema takes, its identifiers being those of resources that are there."""
    schemas = load()
    request = schemas.operations[name].request
    if request is None:
        return None
    body = example(schemas, request, full=full)
    _identify(body, ids)
    data = body.get("data")
    if isinstance(data, dict):
        whole = example(schemas, request)["data"]
        if "relationships" in whole:
            # the schemas don't say that a relationship needs its data
            data["relationships"] = whole["relationships"]
            _identify(data["relationships"], ids)
        _adjust(name, data, ids)
    return body


def _identify(node: Any, ids: dict[str, str]) -> None:
    if isinstance(node, dict):
        if node.get("type") in ids and "id" in node:
            node["id"] = ids[node["type"]]
        for value in node.values():
            _identify(value, ids)
    elif isinstance(node, list):
        for value in node:
            _identify(value, ids)


def _adjust(name: str, data: dict[str, Any], ids: dict[str, str]) -> None:
    """What a schema can't say: names that are free, addresses that are addresses, ids that are only texts."""
    attributes = data.get("attributes", {})
    if name in {"send_campaign", "refresh_campaign_recipient_estimation", "create_campaign_clone"}:
        data["id"] = ids["campaign"]
    if name == "cancel_campaign_send":
        data["id"] = ids["campaign"]
    if name == "merge_profiles":
        data["id"] = ids["other-profile"]
        data["relationships"] = {"profiles": {"data": [{"type": "profile", "id": ids["profile"]}]}}
    if name == "update_mapped_metric":
        data["id"] = "revenue"
        data["relationships"] = {"metric": {"data": {"type": "metric", "id": ids["metric"]}}}
    if "audiences" in attributes:
        attributes["audiences"] = {"included": [ids["list"]]}
    if name == "query_metric_aggregates":
        attributes["metric_id"] = ids["metric"]
        attributes["filter"] = [
            "greater-or-equal(datetime,2026-01-01T00:00:00),less-than(datetime,2026-01-03T00:00:00)"
        ]
        attributes.pop("timezone", None)
        attributes["interval"] = "day"
    if name in {"create_webhook", "update_webhook"} and attributes:
        attributes.update(endpoint_url="https://example.com/hook", secret_key="s" * 16)
    for group in (attributes.get("definition") or {}).get("metric_groups", ()) if "custom_metric" in name else ():
        group["metric_id"] = ids["metric"]
    if name == "create_coupon":
        attributes["external_id"] = "20OFF"
    if name in {"create_profile", "create_or_update_profile", "create_client_profile"}:
        attributes["email"] = "new@example.com"
    if name == "update_flow":
        attributes["status"] = "live"
    if name == "request_profile_deletion":
        attributes["profile"]["data"] = {"type": "profile", "attributes": {"email": "one@example.com"}}
    if name in {"bulk_suppress_profiles", "bulk_unsuppress_profiles"}:
        data["attributes"] = {"profiles": {"data": [{"type": "profile", "attributes": {"email": "one@example.com"}}]}}
        data.pop("relationships", None)
    _address(attributes)


def _address(node: Any) -> None:
    if isinstance(node, dict):
        profile = node.get("type") == "profile" and "attributes" in node
        if profile:
            node["attributes"]["email"] = "new@example.com"
            node.pop("id", None)
            if "phone_number" in node["attributes"]:
                node["attributes"]["phone_number"] = "+15005550006"
        for value in node.values():
            _address(value)
    elif isinstance(node, list):
        for value in node:
            _address(value)


@pytest.fixture
def valid() -> Callable[..., Any]:
    return valid_body
