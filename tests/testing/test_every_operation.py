"""Every operation of the table against the fake: a right request gets the success, each kind of wrong one its refusal."""

from __future__ import annotations

import io
from urllib.parse import quote

import aiohttp
import pytest

from klaviyo_async import operations
from klaviyo_async.testing import FakeKlaviyo
from klaviyo_async.testing.schemas import load

ALL = sorted(load().operations)
WITH_BODY = [
    name for name in ALL if operations[name].body is not None and load().operations[name].media != "multipart/form-data"
]
WITH_ID = [name for name in ALL if operations[name].path_parameters]
SIZED = [name for name in ALL if any(one.kind == "page_size" for one in operations[name].parameters)]
SCOPED = [name for name in ALL if operations[name].scopes and not operations[name].public]
# what the real server answers where the documents say otherwise
LIVE = {"merge_profiles": 202, "clone_template": 200, "render_template": 200, "delete_template": 200}


def path_of(name, ids):
    """Path and the query that an operation can't do without."""
    operation = operations[name]
    path = operation.path
    if operation.path_parameters:
        collection = path.split("/")[2]
        kind = KINDS[name]
        path = path.replace("{" + operation.path_parameters[0] + "}", quote(ids.get(kind, f"no-{collection}"), safe=""))
    query = []
    for parameter in operation.parameters:
        if parameter.required and parameter.kind != "filter":
            value = parameter.enum[0] if parameter.enum else "AbC123"
            query.append(f"{parameter.wire}={value}")
    if name == "get_campaigns":
        query.append("filter=equals(messages.channel,'email')")
    if name == "get_coupon_codes":
        query.append("filter=equals(coupon.id,'10OFF')")
    return path + ("?" + "&".join(query) if query else "")


KINDS = {name: route.type for name, route in FakeKlaviyo(limits=False)._world.router.routes.items()}


@pytest.fixture(scope="module")
def shared():
    with FakeKlaviyo(limits=False, api_keys={"pk_test": None, "pk_none": []}) as fake:
        yield fake


@pytest.fixture
async def world(shared, everything, make_sender):
    shared.reset()
    ids = everything(shared)
    ids["other-profile"] = shared.store.add("profile", {"email": "two@example.com"})["id"]
    async with make_sender(shared) as send:
        yield shared, ids, send


def loosened(problems):
    """Complaints that stand although the real server sends the same: nulls for which the documents have no room."""
    return [
        one
        for one in problems
        if not one["source"]["pointer"].endswith(
            ("/links/next", "/links/prev", "/template/data", "/image/data", "/attributes/name")
        )
    ]


@pytest.mark.parametrize("name", ALL)
async def test_a_right_request_gets_the_success(name, world, valid):
    fake, ids, send = world
    if name == "upload_image_from_file":
        form = aiohttp.FormData()
        form.add_field("file", b"\x89PNG....", filename="a.png")
        answer = await send("POST", path_of(name, ids), data=form)
    else:
        if name == "send_campaign":
            fake.store.remove("campaign-send-job", ids["campaign"])
        if name == "cancel_campaign_send":
            fake.store.update("campaign", ids["campaign"], {"status": "Scheduled"})
        answer = await send(operations[name].method, path_of(name, ids), json=valid(name, ids))
    facts = load().operations[name]
    assert answer.status in ({LIVE[name]} if name in LIVE else facts.success), answer.json
    if facts.response is None or LIVE.get(name) == 202:
        assert name in LIVE or not answer.content
        return
    assert answer.headers["Content-Type"] == "application/vnd.api+json"
    if answer.data is None:
        assert "links" not in answer.json
        return
    problems = loosened(load().problems(facts.response, answer.json, strict=False))
    assert not problems
    assert answer.json["links"]["self"].startswith(fake.url)
    assert fake.requests[-1].operation == name


def request_of(name, ids, valid):
    return operations[name].method, path_of(name, ids), valid(name, ids)


@pytest.mark.parametrize("name", ALL)
async def test_an_unknown_parameter_is_refused(name, world, valid):
    _, ids, send = world
    method, path, body = request_of(name, ids, valid)
    answer = await send(method, path + ("&" if "?" in path else "?") + "no-such=1", json=body)
    assert answer.status == 400
    assert [one["source"] for one in answer.json["errors"]] == [{"parameter": "no-such"}]
    assert answer.error["code"] == "invalid"
    assert answer.error["id"] == answer.headers["X-Klaviyo-Req-Id"]


@pytest.mark.parametrize("name", ALL)
async def test_credentials_and_revision_are_checked(name, world, valid):
    _, ids, send = world
    method, path, body = request_of(name, ids, valid)
    bare = await send(method, path, json=body, headers={"revision": ""})
    assert bare.status == 400
    assert bare.error["source"] == {"parameter": "revision"}
    assert (await send(method, path, json=body, headers={"revision": "soon"})).status == 400
    for wrong in ("", "Klaviyo-API-Key pk_other", "Klaviyo-API-Key", "Bearer nothing", "Basic eA=="):
        answer = await send(method, path, json=body, headers={"Authorization": wrong})
        if operations[name].public:
            assert answer.status in {200, 202}
        else:
            assert answer.status == 401
            assert answer.error["code"] == "not_authenticated"
            assert "WWW-Authenticate" in answer.headers


@pytest.mark.parametrize("name", SCOPED)
async def test_scopes_are_checked(name, world, valid):
    _, ids, send = world
    method, path, body = request_of(name, ids, valid)
    answer = await send(method, path, json=body, headers={"Authorization": "Klaviyo-API-Key pk_none"})
    assert answer.status == 403
    assert answer.error["code"] == "permission_denied"
    assert all(scope in answer.error["detail"] for scope in operations[name].scopes)


@pytest.mark.parametrize("name", WITH_ID)
async def test_an_unknown_id_is_not_found(name, world, valid):
    _, ids, send = world
    operation = operations[name]
    path = path_of(name, dict.fromkeys(ids, "01NOSUCHTHING"))
    body = valid(name, ids)
    if body is not None and isinstance(body["data"], dict) and operation.method == "PATCH" and "id" in body["data"]:
        body["data"]["id"] = "01NOSUCHTHING" if body["data"]["type"] != "mapped-metric" else body["data"]["id"]
    answer = await send(operation.method, path, json=body)
    odd = KINDS[name] in {"flow-action", "mapped-metric"}
    assert answer.status == (400 if odd else 404)
    assert answer.error["code"] == ("invalid" if odd else "not_found")


@pytest.mark.parametrize("name", WITH_BODY)
async def test_a_wrong_body_is_refused(name, world, valid):
    fake, ids, send = world
    method, path, body = request_of(name, ids, valid)
    before = {kind: fake.store.count(kind) for kind in ids}
    wrong = await send(method, path, json={"data": 5})
    assert wrong.status == 400
    assert wrong.error["source"] == {"pointer": "/data"}
    many = isinstance(body["data"], list)
    row = body["data"][0] if many else body["data"]
    pointer = "/data/0" if many else "/data"
    kind = await send(method, path, json={"data": [{**row, "type": "wrong"}] if many else {**row, "type": "wrong"}})
    assert kind.status == 400
    assert kind.error["source"] == {"pointer": f"{pointer}/type"}
    more = await send(method, path, json={"data": [{**row, "surplus": 1}] if many else {**row, "surplus": 1}})
    assert more.status == 400
    assert more.error["source"] == {"pointer": f"{pointer}/surplus"}
    for content, kind in ((b"{", "application/json"), (b"", "application/json")):
        answer = await send(method, path, data=content, headers={"Content-Type": kind})
        assert answer.status == 400
    assert (await send(method, path, data=b"<a/>", headers={"Content-Type": "text/xml"})).status == 415
    assert {kind: fake.store.count(kind) for kind in ids} == before


@pytest.mark.parametrize(
    "name", [name for name in WITH_BODY if operations[name].caps.bytes or operations[name].caps.rows]
)
async def test_a_body_past_the_cap_is_refused(name, world, valid):
    _, ids, send = world
    method, path, body = request_of(name, ids, valid)
    caps = operations[name].caps
    if caps.bytes:
        content = io.BytesIO(b"{" + b" " * caps.bytes)
        answer = await send(method, path, data=content, headers={"Content-Type": "application/vnd.api+json"})
        assert answer.status == 413
        assert str(caps.bytes) in answer.error["detail"]
    if caps.rows:
        if name == "bulk_create_data_source_records":
            # its schema requires no rows
            body = valid(name, ids, full=True)
        if isinstance(body["data"], list):
            body["data"] = body["data"][:1] * (caps.rows + 1)
        else:
            places = body["data"].get("attributes") or body["data"]["relationships"]
            rows = next(one for one in places.values() if isinstance(one, dict) and isinstance(one.get("data"), list))
            rows["data"] = rows["data"][:1] * (caps.rows + 1)
        answer = await send(method, path, json=body)
        assert answer.status == 400
        assert str(caps.rows) in answer.error["detail"]


@pytest.mark.parametrize("name", [name for name in ALL if operations[name].sort])
async def test_every_sort_is_taken_and_others_are_not(name, world):
    _, ids, send = world
    path = path_of(name, ids)
    joint = "&" if "?" in path else "?"
    for sort in operations[name].sort:
        assert (await send("GET", f"{path}{joint}sort={sort}")).status == 200
    answer = await send("GET", f"{path}{joint}sort=nonsense")
    assert answer.status == 400
    assert answer.error["source"] == {"parameter": "sort"}


@pytest.mark.parametrize("name", [name for name in ALL if operations[name].fields and operations[name].method == "GET"])
async def test_every_fieldset_is_taken_and_others_are_not(name, world, valid):
    _, ids, send = world
    operation = operations[name]
    path = path_of(name, ids)
    joint = "&" if "?" in path else "?"
    for family, facts in (("fields", operation.fields), ("additional-fields", operation.additional_fields)):
        for kind, names in facts.items():
            answer = await send("GET", f"{path}{joint}{family}[{kind}]={','.join(names)}")
            assert answer.status == 200
            wrong = await send("GET", f"{path}{joint}{family}[{kind}]=no-such-field")
            assert wrong.status == 400
            assert wrong.error["source"] == {"parameter": f"{family}[{kind}]"}
    assert (await send("GET", f"{path}{joint}fields[nothing]=a")).error["source"] == {"parameter": "fields[nothing]"}


@pytest.mark.parametrize("name", [name for name in ALL if operations[name].include])
async def test_every_include_is_taken_and_others_are_not(name, world):
    _, ids, send = world
    path = path_of(name, ids)
    joint = "&" if "?" in path else "?"
    answer = await send("GET", f"{path}{joint}include={','.join(operations[name].include)}")
    assert answer.status == 200
    data = answer.data if isinstance(answer.data, list) else [answer.data]
    included = {(one["type"], one["id"]) for one in answer.json["included"]}
    linked = set()
    for one in data:
        for include in operations[name].include:
            given = (one.get("relationships") or {}).get(include, {}).get("data")
            for member in given if isinstance(given, list) else [given] if given else []:
                linked.add((member["type"], member["id"]))
    assert included == linked
    wrong = await send("GET", f"{path}{joint}include=nonsense")
    assert wrong.status == 400
    assert wrong.error["source"] == {"parameter": "include"}


@pytest.mark.parametrize("name", SIZED)
async def test_page_sizes_have_bounds(name, world):
    _, ids, send = world
    path = path_of(name, ids)
    joint = "&" if "?" in path else "?"
    bounds = operations[name].page_size
    assert bounds is not None
    answer = await send("GET", f"{path}{joint}page[size]={bounds.maximum or 1}")
    assert answer.status == 200
    assert answer.json["links"]["next"] is None
    assert answer.json["links"]["prev"] is None
    for wrong in ("0", "-1", "x", "", str((bounds.maximum or 10**9) + 1)):
        answer = await send("GET", f"{path}{joint}page[size]={wrong}")
        assert answer.status == 400
        assert answer.error["source"] == {"parameter": "page[size]"}


@pytest.mark.parametrize("name", [name for name in ALL if operations[name].filters and name != "get_client_geofences"])
async def test_every_filter_is_taken_and_others_are_not(name, world):
    _, ids, send = world
    path = path_of(name, ids).partition("?")[0]
    operation = operations[name]
    needed = {"get_campaigns": "equals(messages.channel,'email'),", "get_coupon_codes": "equals(coupon.id,'10OFF'),"}
    prefix = needed.get(name, "")
    rest = "&company_id=AbC123" if operation.public else ""
    if name == "get_client_review_values_reports":
        rest += "&group_by=company_id&statistics=all&timeframe=all_time"
    for field, facts in operation.filters.items():
        value = {"boolean": "true", "integer": "3", "number": "3.5"}.get(
            facts.type or "", f'"{(facts.enum or ("x",))[0]}"'
        )
        if facts.format == "date-time":
            value = "2026-01-01T00:00:00%2B00:00"
        needed_too = ""
        if "list_suppressions" in field and not field.endswith("list_id"):
            needed_too = "equals(subscriptions.email.marketing.list_suppressions.list_id,'L'),"
        texts = [f"{operator}({field},{value})" for operator in facts.single]
        texts += [f"{operator}({field},[{value}])" for operator in facts.list]
        texts += [f"{operator}({field})" for operator in facts.none]
        for text in texts:
            answer = await send("GET", f"{path}?filter={prefix}{needed_too}{text}{rest}")
            assert answer.status == 200, (text, answer.json)
        if facts.format == "date-time":
            quoted = await send("GET", f'{path}?filter={prefix}greater-than({field},"2026-01-01T00:00:00Z"){rest}')
            assert quoted.status == 400
        if "starts-with" not in facts.operators:
            wrong = await send("GET", f'{path}?filter={prefix}starts-with({field},"x"){rest}')
            assert wrong.status == 400
            assert wrong.error["source"] == {"parameter": "filter"}
    for wrong in ("equals(no_such,1)", "or(equals(a,1))", "equals(", "equals(email,me@test.com)"):
        answer = await send("GET", f"{path}?filter={wrong}{rest}")
        assert answer.status == 400
        assert answer.error["source"] == {"parameter": "filter"}


async def test_geofences_are_filtered_through_a_header(world):
    fake, _, send = world
    fake.store.add("geofence", {"latitude": 40.713, "longitude": -74.006, "radius": 100})
    path = "/client/geofences?company_id=AbC123"
    answer = await send("GET", path, headers={"X-Klaviyo-API-Filters": "and(equals(lat,40.713),equals(lng,-74.006))"})
    assert answer.status == 200
    assert [one["attributes"]["radius"] for one in answer.data] == [100]
    wrong = await send("GET", path, headers={"X-Klaviyo-API-Filters": "equals(height,1)"})
    assert wrong.status == 400
    assert wrong.error["source"] == {"parameter": "X-Klaviyo-API-Filters"}


def test_coverage_tells_of_every_operation():
    coverage = FakeKlaviyo(limits=False).coverage()
    assert set(coverage) == set(operations)
    assert sum(kind == "stateful" for kind in coverage.values()) > 290
    assert {name for name, kind in coverage.items() if kind == "example"} == {"get_client_review_values_reports"}
    assert {name for name, kind in coverage.items() if kind == "computed"} == {
        name for name in operations if name.startswith("query_")
    }
