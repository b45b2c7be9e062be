"""The fake's answers beside recorded ones of the real server; skipped where the recordings are absent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from klaviyo_async.testing.call import Call
from klaviyo_async.testing.checks import Query
from klaviyo_async.testing.limits import throttled
from klaviyo_async.testing.render import resource

SOURCE = Path(__file__).resolve().parents[2] / ".." / "shared" / "fixtures" / "recorded"


def recordings(*patterns):
    found = [json.loads(path.read_text()) for pattern in patterns for path in sorted(SOURCE.glob(pattern))]
    return [one for one in found if one.get("real") and isinstance(one["response"].get("body"), dict)]


def resources(document):
    data = document.get("data")
    yield from data if isinstance(data, list) else [data] if data else []
    yield from document.get("included", [])


# of a revision later than the fake's, or told by the listing and not by the resource
ELSEWHERE = {("profile", "conversations"), ("profile", "joined_group_at")}


@pytest.mark.parametrize("recorded", recordings("*__20?.json"), ids=lambda one: one["operation"])
def test_every_recorded_member_is_there(fake, everything, recorded):
    ids = everything(fake)
    fake.store.update("mapped-metric", "revenue", relationships={"metric": ids["metric"]})
    for real in resources(recorded["response"]["body"]):
        kind = real["type"]
        record = fake.store.record(kind, ids.get(kind, ""))
        if record is None:
            assert kind.endswith(("-report", "metric-aggregate"))
            continue
        asked = {kind: ("subscriptions", "predictive_analytics", "profile_count", "definition", "sample_values")}
        route: Any = None  # no part of a resource depends on it
        call = Call(
            world=fake._world, route=route, path=(), query=Query(additional=asked), body=None, origin="", target=""
        )
        ours = resource(call, record, include=tuple(real.get("relationships", ())))
        for part in ("attributes", "relationships"):
            missing = {name for name in real.get(part) or {} if name not in (ours.get(part) or {})}
            assert {name for name in missing if (kind, name) not in ELSEWHERE} == set(), (kind, part)
        assert ("links" in ours) or "links" not in real


ERRORS = (
    "errors__create_profile__409.json",
    "errors__get_account__404.json",
    "errors__get_campaign_send_job__404.json",
    "errors__get_campaigns__400.json",
    "errors__get_catalog_item__404.json",
    "errors__get_event__400.json",
    "errors__get_mapped_metric__400.json",
    "errors__get_webhook__404.json",
)


@pytest.mark.parametrize("recorded", recordings(*ERRORS), ids=lambda one: one["operation"])
async def test_errors_are_those_of_the_real_server(fake, send, body, recorded):
    fake.store.add("profile", {"email": "a@x.com"}, id="01M1PAAR5HBCRHA3NN9NG5WRTA")
    request = recorded["request"]
    given = body("profile", email="a@x.com") if request["method"] == "POST" else None
    path = f"{request['path']}?{urlencode(request['query'])}" if request["query"] else request["path"]
    answer = await send(request["method"], path, json=given)
    assert answer.status == recorded["response"]["status"]
    assert answer.headers["Content-Type"] == recorded["response"]["headers"]["content-type"]
    (real,) = recorded["response"]["body"]["errors"]
    ours = answer.error
    for name in ("status", "code", "title", "detail", "source"):
        assert ours[name] == real[name], name
    assert set(real) <= set(ours)
    assert ours["meta"] == real.get("meta", {})


@pytest.mark.parametrize("recorded", recordings("errors__*__429.json"), ids=lambda one: one["operation"])
async def test_a_429_is_that_of_the_real_server(fake, recorded):
    problem = throttled(0.3)
    (real,) = recorded["response"]["body"]["errors"]
    (ours,) = problem.document(real["id"])["errors"]
    assert ours == real
    assert problem.headers == {"Retry-After": recorded["response"]["headers"]["retry-after"]}
