"""Bulk jobs: queued, processing, complete on the clock; errors where rows are bad; gone a week later."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from klaviyo_async.testing import FakeKlaviyo


@pytest.fixture
def frozen(fake):
    fake.clock.freeze(datetime(2026, 1, 1, tzinfo=UTC))
    return fake


def job(kind, name, rows, **relationships):
    data = {"type": kind, "attributes": {name: {"data": rows}}}
    if relationships:
        data["relationships"] = {key: {"data": value} for key, value in relationships.items()}
    return {"data": data}


def profile(**attributes):
    return {"type": "profile", "attributes": attributes}


async def test_an_import_goes_through_its_states(send, frozen):
    group = frozen.store.add("list", {"name": "L"})
    rows = [profile(email="a@x.com"), profile(email="nonsense"), profile(phone_number="123"), profile(first_name="A")]
    linked = [{"type": "list", "id": group["id"]}]
    given = job("profile-bulk-import-job", "profiles", rows, lists=linked)
    made = await send("POST", "/api/profile-bulk-import-jobs", json=given)
    assert made.status == 202
    path = f"/api/profile-bulk-import-jobs/{made.data['id']}"
    attributes = made.data["attributes"]
    assert (attributes["status"], attributes["total_count"], attributes["completed_count"]) == ("queued", 4, 0)
    assert attributes["expires_at"] == "2026-01-08T00:00:00+00:00"
    assert made.data["relationships"]["lists"]["data"] == linked
    frozen.clock.advance(0.1)
    running = (await send("GET", path)).data["attributes"]
    assert (running["status"], running["started_at"]) == ("processing", "2026-01-01T00:00:00+00:00")
    assert frozen.store.count("profile") == 0
    frozen.clock.advance(1)
    done = (await send("GET", f"{path}?include=lists")).json
    attributes = done["data"]["attributes"]
    assert (attributes["status"], attributes["completed_count"], attributes["failed_count"]) == ("complete", 1, 3)
    assert attributes["completed_at"] is not None
    assert [one["id"] for one in done["included"]] == [group["id"]]
    errors = (await send("GET", f"{path}/import-errors")).data
    assert [one["attributes"]["source"]["pointer"] for one in errors] == [
        "/data/attributes/profiles/data/1/attributes/email",
        "/data/attributes/profiles/data/2/attributes/phone_number",
        "/data/attributes/profiles/data/3/attributes",
    ]
    assert errors[0]["attributes"]["original_payload"] == {"email": "nonsense"}
    assert errors[0]["attributes"]["code"] == "invalid"
    members = (await send("GET", f"{path}/profiles?fields[profile]=email")).data
    assert [one["attributes"] for one in members] == [{"email": "a@x.com"}]
    assert (await send("GET", f"{path}/relationships/lists")).data == linked
    assert len(frozen.store.related("list", group["id"], "profiles")) == 1
    frozen.clock.advance(7 * 86400)
    assert (await send("GET", path)).status == 404


async def test_rows_that_are_no_profiles_fail_the_whole_request(send, fake):
    rows = [profile(email="a@x.com"), {"type": "profile", "attributes": {"email": 5}}]
    answer = await send("POST", "/api/profile-bulk-import-jobs", json=job("profile-bulk-import-job", "profiles", rows))
    assert answer.status == 400
    assert answer.error["source"] == {"pointer": "/data/attributes/profiles/data/1/attributes/email"}
    assert fake.store.count("profile-bulk-import-job") == 0


async def test_a_row_past_its_cap_is_too_large(send):
    rows = [profile(email="a@x.com"), profile(email="b@x.com", properties={"x": "y" * 100_001})]
    answer = await send("POST", "/api/profile-bulk-import-jobs", json=job("profile-bulk-import-job", "profiles", rows))
    assert answer.status == 413
    assert answer.error["source"] == {"pointer": "/data/attributes/profiles/data/1"}


def item(external, **attributes):
    given = {"external_id": external, "title": external, "description": "d", "url": "https://x.example", **attributes}
    return {"type": "catalog-item", "attributes": given}


async def test_catalog_jobs_create_update_and_delete(send, frozen):
    created = await send(
        "POST",
        "/api/catalog-item-bulk-create-jobs",
        json=job("catalog-item-bulk-create-job", "items", [item("A"), item("B"), item("A")]),
    )
    assert created.status == 202
    path = f"/api/catalog-item-bulk-create-jobs/{created.data['id']}"
    frozen.clock.advance(1)
    done = (await send("GET", f"{path}?include=items")).json
    attributes = done["data"]["attributes"]
    assert (attributes["completed_count"], attributes["failed_count"]) == (2, 1)
    (wrong,) = attributes["errors"]
    assert wrong["source"] == {"pointer": "/data/2/attributes/external_id"}
    assert wrong["meta"] == {"external_id": "A"}
    assert [one["id"] for one in done["included"]] == ["$custom:::$default:::A", "$custom:::$default:::B"]
    rows = [
        {"type": "catalog-item", "id": f"$custom:::$default:::{one}", "attributes": {"title": "new"}} for one in "AX"
    ]
    await send("POST", "/api/catalog-item-bulk-update-jobs", json=job("catalog-item-bulk-update-job", "items", rows))
    frozen.clock.advance(1)
    assert frozen.store.get("catalog-item", "$custom:::$default:::A")["attributes"]["title"] == "new"
    (listed,) = (await send("GET", '/api/catalog-item-bulk-update-jobs?filter=equals(status,"complete")')).data
    assert listed["attributes"]["errors"][0]["code"] == "not_found"
    gone = [{"type": "catalog-item", "id": "$custom:::$default:::A"}]
    await send("POST", "/api/catalog-item-bulk-delete-jobs", json=job("catalog-item-bulk-delete-job", "items", gone))
    frozen.finish_jobs()
    assert frozen.store.get("catalog-item", "$custom:::$default:::A") is None


async def test_jobs_in_progress_have_a_maximum(send, frozen):
    given = job("catalog-item-bulk-create-job", "items", [item("A")])
    answers = [await send("POST", "/api/catalog-item-bulk-create-jobs", json=given) for _ in range(501)]
    assert [one.status for one in answers] == [202] * 500 + [400]
    frozen.finish_jobs()
    assert (await send("POST", "/api/catalog-item-bulk-create-jobs", json=given)).status == 202


async def test_coupon_codes_in_bulk(send, frozen):
    frozen.store.add("coupon", {"external_id": "10OFF"}, id="10OFF")

    def code(text, coupon="10OFF"):
        return {
            "type": "coupon-code",
            "attributes": {"unique_code": text},
            "relationships": {"coupon": {"data": {"type": "coupon", "id": coupon}}},
        }

    given = job("coupon-code-bulk-create-job", "coupon-codes", [code("A"), code("A"), code("B", "none"), code("C")])
    made = await send("POST", "/api/coupon-code-bulk-create-jobs", json=given)
    frozen.clock.advance(1)
    done = (await send("GET", f"/api/coupon-code-bulk-create-jobs/{made.data['id']}?include=coupon-codes")).json
    assert [one["id"] for one in done["included"]] == ["A-10OFF", "C-10OFF"]
    assert [one["code"] for one in done["data"]["attributes"]["errors"]] == ["conflict", "not_found"]
    found = await send("GET", "/api/coupon-codes?filter=any(coupon.id,['10OFF'])")
    assert [one["attributes"]["status"] for one in found.data] == ["UNASSIGNED"] * 2
    assert found.data[0]["attributes"]["expires_at"] == "2027-01-01T00:00:01+00:00"


async def test_suppression_counts_who_was_suppressed_already(send, frozen):
    frozen.store.add("profile", {"email": "a@x.com"})

    async def run(verb, **attributes):
        kind = f"profile-suppression-bulk-{verb}-job"
        rows = [{"type": "profile", "attributes": {"email": f"{one}@x.com"}} for one in "ab"]
        made = await send("POST", f"/api/{kind}s", json=job(kind, "profiles", rows))
        assert made.status == 202
        frozen.clock.advance(1)
        return (await send("GET", f"/api/{kind}s/{made.data['id']}")).data["attributes"]

    first = await run("create")
    assert (first["completed_count"], first["skipped_count"]) == (2, 0)
    again = await run("create")
    assert (again["completed_count"], again["skipped_count"]) == (0, 2)
    suppressed = await send(
        "GET", '/api/profiles?filter=equals(subscriptions.email.marketing.suppression.reason,"USER_SUPPRESSED")'
    )
    assert len(suppressed.data) == 2
    lifted = await run("delete")
    assert lifted["completed_count"] == 2
    email = frozen.store.find("profile", email="a@x.com")["attributes"]["subscriptions"]["email"]
    assert email["suppression"] == []


async def test_suppression_of_a_whole_list(send, frozen):
    people = [frozen.store.add("profile", {"email": f"{one}@x.com"})["id"] for one in "abc"]
    group = frozen.store.add("list", {"name": "L"}, relationships={"profiles": people[:2]})
    given = {
        "data": {
            "type": "profile-suppression-bulk-create-job",
            "attributes": {},
            "relationships": {"list": {"data": {"type": "list", "id": group["id"]}}},
        }
    }
    made = await send("POST", "/api/profile-suppression-bulk-create-jobs", json=given)
    assert made.data["attributes"]["total_count"] == 2
    found = await send("GET", f'/api/profile-suppression-bulk-create-jobs?filter=equals(list_id,"{group["id"]}")')
    assert [one["id"] for one in found.data] == [made.data["id"]]
    given["data"]["attributes"] = {"profiles": {"data": [profile(email="a@x.com")]}}
    assert (await send("POST", "/api/profile-suppression-bulk-create-jobs", json=given)).status == 400


async def test_subscribing_and_unsubscribing(send, fake):
    group = fake.store.add("list", {"name": "L"})
    consent = {"email": {"marketing": {"consent": "SUBSCRIBED"}}}
    rows = [profile(email="a@x.com", subscriptions=consent)]
    given = job("profile-subscription-bulk-create-job", "profiles", rows, list={"type": "list", "id": group["id"]})
    assert (await send("POST", "/api/profile-subscription-bulk-create-jobs", json=given)).status == 202
    (member,) = fake.store.related("list", group["id"], "profiles")
    path = f"/api/profiles/{member}?additional-fields[profile]=subscriptions"

    async def marketing():
        return (await send("GET", path)).data["attributes"]["subscriptions"]["email"]["marketing"]

    assert (await marketing())["consent"] == "SUBSCRIBED"
    rows[0]["attributes"]["subscriptions"] = {"email": {"marketing": {"consent": "UNSUBSCRIBED"}}}
    given["data"]["type"] = "profile-subscription-bulk-delete-job"
    assert (await send("POST", "/api/profile-subscription-bulk-delete-jobs", json=given)).status == 202
    left = await marketing()
    # off the list, not off everything
    assert (left["consent"], left["suppression"]) == ("UNSUBSCRIBED", [])
    assert [one["list_id"] for one in left["list_suppressions"]] == [group["id"]]
    assert fake.store.related("list", group["id"], "profiles") == []
    # and once more: no member any more, so from everything
    await send("POST", "/api/profile-subscription-bulk-delete-jobs", json=given)
    gone = await marketing()
    assert [one["reason"] for one in gone["suppression"]] == ["UNSUBSCRIBED"]
    assert gone["can_receive_email_marketing"] is False


async def test_consent_of_the_past_needs_the_flag(send):
    consent = {"email": {"marketing": {"consent": "SUBSCRIBED", "consented_at": "2020-01-01T00:00:00Z"}}}
    given = job("profile-subscription-bulk-create-job", "profiles", [profile(email="a@x.com", subscriptions=consent)])
    assert (await send("POST", "/api/profile-subscription-bulk-create-jobs", json=given)).status == 400
    given["data"]["attributes"]["historical_import"] = True
    assert (await send("POST", "/api/profile-subscription-bulk-create-jobs", json=given)).status == 202


async def test_jobs_run_by_real_time_as_well(make_sender):
    async with FakeKlaviyo(limits=False, job_seconds=0.05) as fake, make_sender(fake) as send:
        made = await send(
            "POST",
            "/api/profile-bulk-import-jobs",
            json=job("profile-bulk-import-job", "profiles", [profile(email="a@x.com")]),
        )
        path = f"/api/profile-bulk-import-jobs/{made.data['id']}"
        async with asyncio.timeout(5):
            while (await send("GET", path)).data["attributes"]["status"] != "complete":  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert fake.store.find("profile", email="a@x.com") is not None
