"""Events and metrics: what an event makes, what is a repeat, what the aggregates count."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest


def event(name="Placed Order", email="a@x.com", **attributes):
    attributes = {"properties": {}, **attributes}
    profile = {"data": {"type": "profile", "attributes": {"email": email}}}
    metric = {"data": {"type": "metric", "attributes": {"name": name}}}
    return {"data": {"type": "event", "attributes": {"metric": metric, "profile": profile, **attributes}}}


async def test_an_event_makes_its_metric_and_its_profile(send, fake):
    given = event(properties={"OrderId": "1", "zero": 0}, value=9.5, value_currency="EUR", unique_id="1")
    answer = await send("POST", "/api/events", json=given)
    assert (answer.status, answer.content) == (202, b"")
    found = (await send("GET", "/api/events?include=metric,profile&fields[profile]=email&fields[metric]=name")).json
    (one,) = found["data"]
    properties = one["attributes"]["event_properties"]
    assert properties == {"OrderId": "1", "zero": 0, "$value": 9.5, "$value_currency": "EUR", "$event_id": "1"}
    assert datetime.fromisoformat(one["attributes"]["datetime"]).timestamp() == one["attributes"]["timestamp"]
    assert [other["attributes"] for other in found["included"]] == [{"name": "Placed Order"}, {"email": "a@x.com"}] or [
        other["attributes"] for other in found["included"]
    ] == [{"email": "a@x.com"}, {"name": "Placed Order"}]
    profile = one["relationships"]["profile"]["data"]["id"]
    assert (await send("GET", f"/api/events/{one['id']}/profile")).data["id"] == profile
    assert fake.store.get("profile", profile)["attributes"]["last_event_date"] == one["attributes"]["datetime"]
    metric = one["relationships"]["metric"]["data"]["id"]
    named = (
        await send("GET", f"/api/metrics/{metric}/metric-properties?additional-fields[metric-property]=sample_values")
    ).data
    assert {one["attributes"]["label"]: one["attributes"]["inferred_type"] for one in named}["OrderId"] == "string"


async def test_a_repeat_is_dropped(send, fake):
    fake.clock.freeze(datetime(2026, 1, 1, tzinfo=UTC))
    await send("POST", "/api/events", json=event(unique_id="1"))
    assert (await send("POST", "/api/events", json=event(unique_id="1", value=5))).status == 202
    assert fake.store.count("event") == 1
    # the same id for another metric or profile is another event
    await send("POST", "/api/events", json=event("Viewed", unique_id="1"))
    await send("POST", "/api/events", json=event(email="b@x.com", unique_id="1"))
    assert fake.store.count("event") == 3
    # without an id: one event for each profile and metric in a second
    await send("POST", "/api/events", json=event())
    await send("POST", "/api/events", json=event())
    assert fake.store.count("event") == 4
    fake.clock.advance(1)
    await send("POST", "/api/events", json=event())
    assert fake.store.count("event") == 5
    assert fake.store.count("metric") == 2


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"time": "yesterday"}, "/data/attributes/time"),
        ({"unique_id": "x" * 256}, "/data/attributes/unique_id"),
        ({"properties": {f"p{n}": 1 for n in range(401)}}, "/data/attributes/properties"),
        ({"properties": []}, "/data/attributes/properties"),
    ],
)
async def test_what_is_no_event_is_refused(send, fake, change, pointer):
    answer = await send("POST", "/api/events", json=event(**change))
    assert answer.status == 400
    assert answer.error["source"] == {"pointer": pointer}
    assert fake.store.count("profile") == fake.store.count("event") == 0


async def test_an_event_needs_a_profile_that_can_be_found(send):
    given = event()
    given["data"]["attributes"]["profile"]["data"]["attributes"] = {"first_name": "A"}
    assert (await send("POST", "/api/events", json=given)).status == 400


async def test_bulk_events_come_with_their_profiles(send, fake):
    def batch(email, *ids):
        events = [
            {
                "type": "event",
                "attributes": {
                    key: value for key, value in event(unique_id=one)["data"]["attributes"].items() if key != "profile"
                },
            }
            for one in ids
        ]
        profile = {"data": {"type": "profile", "attributes": {"email": email}}}
        return {"type": "event-bulk-create", "attributes": {"profile": profile, "events": {"data": events}}}

    job = {
        "data": {
            "type": "event-bulk-create-job",
            "attributes": {"events-bulk-create": {"data": [batch("a@x.com", "1", "2"), batch("b@x.com", "1")]}},
        }
    }
    assert (await send("POST", "/api/event-bulk-create-jobs", json=job)).status == 202
    assert (fake.store.count("event"), fake.store.count("profile")) == (3, 2)
    job["data"]["attributes"]["events-bulk-create"]["data"][1]["attributes"]["profile"]["data"]["attributes"][
        "email"
    ] = "x"
    answer = await send("POST", "/api/event-bulk-create-jobs", json=job)
    assert answer.status == 400
    assert answer.error["source"]["pointer"].startswith("/data/attributes/events-bulk-create/data/1/attributes/profile")


async def test_events_are_filtered_and_sorted_by_time(send, fake):
    for day in (3, 1, 2):
        await send("POST", "/api/events", json=event(time=f"2026-01-0{day}T12:00:00+02:00", unique_id=str(day)))
    found = await send("GET", "/api/events?sort=datetime")
    assert [one["attributes"]["datetime"][:10] for one in found.data] == ["2026-01-01", "2026-01-02", "2026-01-03"]
    late = await send("GET", "/api/events?filter=greater-than(datetime,2026-01-01T10:00:00Z)&sort=-datetime")
    assert [one["attributes"]["datetime"][:10] for one in late.data] == ["2026-01-03", "2026-01-02"]
    metric = fake.store.find("metric", name="Placed Order")["id"]
    mine = await send("GET", f'/api/events?filter=equals(metric_id,"{metric}"),less-than(timestamp,1767261600)')
    assert [one["attributes"]["timestamp"] for one in mine.data] == []
    assert len((await send("GET", "/api/events?filter=has(profile)")).data) == 3


async def test_aggregates_count_sum_and_tell_apart(send, fake):
    for number, (email, size, value) in enumerate([("a@x.com", "S", 10), ("a@x.com", "M", 5.5), ("b@x.com", "S", 1)]):
        given = event(
            email=email,
            value=value,
            properties={"size": size},
            time=f"2026-01-01T1{number}:00:00Z",
            unique_id=str(number),
        )
        await send("POST", "/api/events", json=given)
    await send("POST", "/api/events", json=event(time="2026-01-03T00:00:00Z", value=2, unique_id="late"))
    metric = fake.store.find("metric", name="Placed Order")["id"]

    async def query(**attributes):
        bounds = "greater-or-equal(datetime,2026-01-01T00:00:00),less-than(datetime,2026-01-04T00:00:00)"
        attributes = {"metric_id": metric, "measurements": ["count"], "filter": [bounds], **attributes}
        return await send(
            "POST", "/api/metric-aggregates", json={"data": {"type": "metric-aggregate", "attributes": attributes}}
        )

    answer = await query(measurements=["count", "sum_value", "unique"], interval="day")
    assert answer.status == 200, answer.json
    attributes = answer.data["attributes"]
    assert attributes["dates"] == [f"2026-01-0{day}T00:00:00+00:00" for day in (1, 2, 3)]
    assert attributes["data"] == [
        {
            "dimensions": [],
            "measurements": {"count": [3.0, 0.0, 1.0], "sum_value": [16.5, 0.0, 2.0], "unique": [2.0, 0.0, 1.0]},
        }
    ]
    assert answer.json["links"]["next"] is None
    copenhagen = await query(timezone="Europe/Copenhagen")
    assert copenhagen.data["attributes"]["dates"][0] == "2025-12-31T23:00:00+00:00"
    assert (await query(filter=["equals(a,1)"])).error["source"] == {"pointer": "/data/attributes/filter"}
    assert (await query(timezone="Mars/Olympus")).status == 400
    assert (await query(metric_id="nothing")).status == 404
