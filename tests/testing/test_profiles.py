"""Profiles, lists and segments: what people build on."""

from __future__ import annotations

from typing import Any

import pytest


async def make(send, body, **attributes):
    answer = await send("POST", "/api/profiles", json=body("profile", **attributes))
    assert answer.status == 201, answer.json
    return answer.data


async def test_a_profile_comes_back_as_it_was_created(send, body):
    made = await make(send, body, email="Sarah@Example.com", properties={"tier": "gold"}, location={"city": "Boston"})
    assert made["attributes"]["email"] == "Sarah@Example.com"
    read = await send("GET", f"/api/profiles/{made['id']}")
    assert read.data["attributes"] == made["attributes"]
    assert made["attributes"]["location"]["city"] == "Boston"
    assert made["attributes"]["location"]["zip"] is None
    assert made["attributes"]["anonymous_id"] is None
    assert set(made["relationships"]) == {"lists", "segments", "push-tokens", "conversation", "conversations"}
    assert made["links"]["self"].endswith(f"/api/profiles/{made['id']}/")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"email": "a@x.com"}, {"email": "A@X.com"}),
        ({"phone_number": "+15005550006"}, {"phone_number": "+15005550006", "email": "b@x.com"}),
        ({"external_id": "1"}, {"external_id": "1"}),
        ({"external_id": 1}, {"external_id": 1}),
        ({"anonymous_id": "x"}, {"anonymous_id": "x", "email": "c@x.com"}),
    ],
)
async def test_an_identifier_belongs_to_one_profile(send, body, fake, first, second):
    made = await make(send, body, **first)
    again = await send("POST", "/api/profiles", json=body("profile", **second))
    assert again.status == 409
    assert again.error["code"] == "duplicate_profile"
    assert again.error["meta"] == {"duplicate_profile_id": made["id"]}
    assert again.error["source"] == {"pointer": "/data/attributes"}
    assert fake.store.count("profile") == 1


@pytest.mark.parametrize(
    ("attributes", "pointer"),
    [
        ({"email": "nonsense"}, "/data/attributes/email"),
        ({"email": "a@b"}, "/data/attributes/email"),
        ({"phone_number": "555-0006"}, "/data/attributes/phone_number"),
        ({"first_name": "Sarah"}, "/data/attributes"),
        ({"email": "a@x.com", "emial": "b"}, "/data/attributes/emial"),
        ({"email": 3}, "/data/attributes/email"),
        ({"email": "a@x.com", "location": {"latitude": []}}, "/data/attributes/location/latitude"),
    ],
)
async def test_what_is_no_profile_is_refused(send, body, fake, attributes, pointer):
    answer = await send("POST", "/api/profiles", json=body("profile", **attributes))
    assert answer.status == 400
    assert pointer in [one["source"]["pointer"] for one in answer.json["errors"]]
    assert fake.store.count("profile") == 0


async def test_null_clears_and_absent_stays(send, body):
    made = await make(
        send, body, email="a@x.com", first_name="A", phone_number="+15005550006", properties={"a": 1, "b": 2}
    )
    changed = await send(
        "PATCH",
        f"/api/profiles/{made['id']}",
        json=body("profile", made["id"], phone_number=None, properties={"b": 3, "c": 4}, location={"zip": "1"}),
    )
    attributes = changed.data["attributes"]
    assert attributes["phone_number"] is None
    assert attributes["first_name"] == "A"
    assert attributes["properties"] == {"a": 1, "b": 3, "c": 4}
    moved = await send(
        "PATCH", f"/api/profiles/{made['id']}", json=body("profile", made["id"], location={"city": "Boston"})
    )
    assert (moved.data["attributes"]["location"]["zip"], moved.data["attributes"]["location"]["city"]) == (
        "1",
        "Boston",
    )
    # the number is free again
    await make(send, body, phone_number="+15005550006")


async def test_the_last_identifier_stays(send, body):
    made = await make(send, body, email="a@x.com")
    answer = await send("PATCH", f"/api/profiles/{made['id']}", json=body("profile", made["id"], email=None))
    assert answer.status == 400


async def test_the_id_of_the_body_is_that_of_the_path(send, body):
    made = await make(send, body, email="a@x.com")
    answer = await send("PATCH", f"/api/profiles/{made['id']}", json=body("profile", "other", first_name="x"))
    assert answer.status == 400
    assert answer.error["source"] == {"pointer": "/data/id"}


async def test_an_identifier_of_another_profile_is_refused_on_update(send, body):
    first = await make(send, body, email="a@x.com")
    second = await make(send, body, email="b@x.com")
    answer = await send("PATCH", f"/api/profiles/{second['id']}", json=body("profile", second["id"], email="a@x.com"))
    assert answer.status == 409
    assert answer.error["meta"]["duplicate_profile_id"] == first["id"]
    own = await send("PATCH", f"/api/profiles/{second['id']}", json=body("profile", second["id"], email="B@x.com"))
    assert own.status == 200


async def test_upsert_tells_new_from_known(send, body):
    new = await send("POST", "/api/profile-import", json=body("profile", email="a@x.com", properties={"tags": ["x"]}))
    assert new.status == 201
    payload = body("profile", email="a@x.com", first_name="A")
    payload["data"]["meta"] = {
        "patch_properties": {"append": {"tags": ["x", "y"]}, "unset": "gone", "unappend": {"other": 1}}
    }
    known = await send("POST", "/api/profile-import", json=payload)
    assert known.status == 200
    assert known.data["id"] == new.data["id"]
    assert known.data["attributes"]["properties"]["tags"] == ["x", "y"]
    assert known.data["attributes"]["first_name"] == "A"
    by_id = await send("POST", "/api/profile-import", json=body("profile", new.data["id"], last_name="B"))
    assert by_id.status == 200
    assert (await send("POST", "/api/profile-import", json=body("profile", "01NONE", last_name="B"))).status == 404


async def test_merging_moves_everything(send, body, fake):
    first = await make(send, body, email="a@x.com", properties={"a": 1})
    second = await make(send, body, email="b@x.com", phone_number="+15005550006", properties={"a": 2, "b": 2})
    group = fake.store.add("list", {"name": "L"}, relationships={"profiles": [second["id"]]})
    metric = fake.store.add("metric", {"name": "M"})
    event = fake.store.add("event", {"timestamp": 1}, relationships={"profile": second["id"], "metric": metric["id"]})
    merge = {
        "data": {
            "type": "profile-merge",
            "id": first["id"],
            "relationships": {"profiles": {"data": [{"type": "profile", "id": second["id"]}]}},
        }
    }
    answer = await send("POST", "/api/profile-merge", json=merge)
    assert answer.status == 202
    assert answer.data["id"] == first["id"]
    assert (await send("GET", f"/api/profiles/{second['id']}")).status == 404
    kept = (await send("GET", f"/api/profiles/{first['id']}")).data["attributes"]
    assert (kept["email"], kept["phone_number"], kept["properties"]) == ("a@x.com", "+15005550006", {"a": 1, "b": 2})
    assert fake.store.get("event", event["id"])["relationships"]["profile"] == first["id"]
    assert fake.store.related("list", group["id"], "profiles") == [first["id"]]
    merge["data"]["relationships"]["profiles"]["data"][0]["id"] = first["id"]
    assert (await send("POST", "/api/profile-merge", json=merge)).status == 400


async def test_sparse_fieldsets_drop_required_attributes(send, body):
    made = await make(send, body, email="a@x.com", location={"city": "Boston", "zip": "1"})
    answer = await send("GET", f"/api/profiles/{made['id']}?fields[profile]=email,location.city,location.zip")
    assert answer.data["attributes"] == {"email": "a@x.com", "location": {"city": "Boston", "zip": "1"}}
    posted = await send("POST", "/api/profiles?fields[profile]=email", json=body("profile", email="b@x.com"))
    assert posted.data["attributes"] == {"email": "b@x.com"}


async def test_additional_fields_come_when_asked_for(send, body):
    made = await make(send, body, email="a@x.com")
    assert "subscriptions" not in made["attributes"]
    path = f"/api/profiles/{made['id']}?additional-fields[profile]=subscriptions,predictive_analytics"
    answer = await send("GET", f"{path}&fields[profile]=email")
    attributes = answer.data["attributes"]
    assert set(attributes) == {"email", "subscriptions", "predictive_analytics"}
    marketing = attributes["subscriptions"]["email"]["marketing"]
    assert (marketing["consent"], marketing["can_receive_email_marketing"]) == ("NEVER_SUBSCRIBED", True)
    assert attributes["predictive_analytics"]["historic_clv"] is None


async def test_lists_have_members(send, body, fake):
    group = (await send("POST", "/api/lists", json=body("list", name="VIP"))).data
    assert group["attributes"]["opt_in_process"] == "single_opt_in"
    people = [await make(send, body, email=f"{n}@x.com") for n in range(3)]
    path = f"/api/lists/{group['id']}/relationships/profiles"
    members = [{"type": "profile", "id": one["id"]} for one in people]
    assert (await send("POST", path, json={"data": members})).status == 204
    assert (await send("POST", path, json={"data": members[:1]})).status == 204
    assert (await send("GET", path)).data == members
    assert (await send("DELETE", path, json={"data": members[1:2]})).status == 204
    shown = await send("GET", f"/api/lists/{group['id']}/profiles?fields[profile]=email,joined_group_at")
    assert [one["attributes"]["email"] for one in shown.data] == ["0@x.com", "2@x.com"]
    assert all(one["attributes"]["joined_group_at"] for one in shown.data)
    counted = await send("GET", f"/api/lists/{group['id']}?additional-fields[list]=profile_count")
    assert counted.data["attributes"]["profile_count"] == 2
    assert "profile_count" not in (await send("GET", f"/api/lists/{group['id']}")).data["attributes"]
    assert [one["id"] for one in (await send("GET", f"/api/profiles/{people[0]['id']}/lists")).data] == [group["id"]]
    wrong = await send("POST", path, json={"data": [members[0], {"type": "profile", "id": "nobody"}]})
    assert wrong.status == 404
    assert wrong.error["source"] == {"pointer": "/data/1/id"}
    assert (await send("DELETE", f"/api/lists/{group['id']}")).status == 204
    assert (await send("GET", f"/api/profiles/{people[0]['id']}/lists")).data == []
    assert fake.store.count("profile") == 3


async def test_include_brings_related_resources_once(send, fake):
    profile = fake.store.add("profile", {"email": "a@x.com"})
    one, two = (fake.store.add("list", {"name": name}, relationships={"profiles": [profile["id"]]}) for name in "ab")
    answer = await send("GET", f"/api/profiles/{profile['id']}?include=lists,segments&fields[list]=name")
    assert answer.data["relationships"]["lists"]["data"] == [
        {"type": "list", "id": one["id"]},
        {"type": "list", "id": two["id"]},
    ]
    assert answer.data["relationships"]["segments"]["data"] == []
    assert [found["attributes"] for found in answer.json["included"]] == [{"name": "a"}, {"name": "b"}]
    plain = await send("GET", f"/api/profiles/{profile['id']}")
    assert "included" not in plain.json
    assert "data" not in plain.data["relationships"]["lists"]


async def test_a_push_token_belongs_to_whom_it_came_with_last(send, body, fake):
    def token(email):
        profile = {"data": {"type": "profile", "attributes": {"email": email}}}
        return body("push-token", token="t", platform="ios", vendor="apns", profile=profile)

    assert (await send("POST", "/api/push-tokens", json=token("a@x.com"))).status == 202
    assert (await send("POST", "/api/push-tokens", json=token("b@x.com"))).status == 202
    found = (await send("GET", "/api/push-tokens?include=profile&fields[profile]=email")).json
    assert [one["attributes"]["token"] for one in found["data"]] == ["t"]
    assert found["included"][0]["attributes"] == {"email": "b@x.com"}
    owner = found["included"][0]["id"]
    assert len((await send("GET", f"/api/profiles/{owner}/push-tokens")).data) == 1


@pytest.mark.parametrize("identifier", ["id", "email", "phone_number"])
async def test_privacy_deletes_a_profile_and_its_events(send, fake, identifier):
    profile = fake.store.add("profile", {"email": "a@x.com", "phone_number": "+15005550006"})
    fake.store.add("event", {"timestamp": 1}, relationships={"profile": profile["id"]})
    given = {"id": profile["id"], **profile["attributes"]}[identifier]
    data: dict[str, Any] = {"type": "profile"}
    if identifier == "id":
        data |= {"id": given, "attributes": {}}
    else:
        data["attributes"] = {identifier: given}
    job = {"data": {"type": "data-privacy-deletion-job", "attributes": {"profile": {"data": data}}}}
    assert (await send("POST", "/api/data-privacy-deletion-jobs", json=job)).status == 202
    assert fake.store.count("profile") == fake.store.count("event") == 0
