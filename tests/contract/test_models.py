"""docs/contract.md, section 5: models."""

from __future__ import annotations

import copy
import datetime as dt
import json
import pickle
import typing
from typing import Any

import attrs
import pytest

import klaviyo_async
from klaviyo_async import UNSET, Klaviyo, models
from klaviyo_async.models import GetProfileResponse, GetProfileResponseCollection

if typing.TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.servers import WebServer

PROFILE: dict[str, Any] = {
    "data": {
        "type": "profile",
        "id": "01H",
        "attributes": {
            "email": "a@x.com",
            "phone_number": None,
            "created": "2026-01-02T03:04:05+00:00",
            "properties": {"$value": 1, "Email Domain": "x"},
        },
        "relationships": {"push-tokens": {"links": {"self": "s", "related": "r"}}},
        "links": {"self": "https://a.klaviyo.com/api/profiles/01H/"},
    }
}


def test_attrs_slots_keyword_only() -> None:
    assert attrs.has(models.GetProfileResponse)
    assert not hasattr(GetProfileResponse.from_dict(PROFILE), "__dict__")
    create = models.ProfileCreateQuery
    with pytest.raises(TypeError):
        create({"type": "profile"})  # type: ignore[misc]
    assert GetProfileResponse.__name__ == "GetProfileResponse"


def test_importable_one_by_one(fresh: Callable[..., str]) -> None:
    printed = fresh(
        "import sys\nfrom klaviyo_async.models import ProfileUpsertQuery\n"
        "print(*(n for n in sys.modules if n.startswith('klaviyo_async.models.')))"
    ).split()
    assert 0 < len(printed) < 40


def test_dir_and_a_wrong_name() -> None:
    assert "GetProfileResponse" in dir(models)
    with pytest.raises(AttributeError):
        _ = models.GetProfilResponse  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ImportError):
        from klaviyo_async.models import NoSuchThing  # noqa: F401, PLC0415  # pyright: ignore[reportAttributeAccessIssue]


def test_there_and_back() -> None:
    made = GetProfileResponse.from_dict(PROFILE)
    assert made.to_dict() == PROFILE
    assert made == GetProfileResponse.from_dict(copy.deepcopy(PROFILE))
    assert made == GetProfileResponse.from_json(json.dumps(PROFILE).encode())
    assert pickle.loads(pickle.dumps(made)) == made
    assert copy.deepcopy(made) == made
    other = copy.deepcopy(PROFILE)
    other["data"]["attributes"]["email"] = "b@x.com"
    assert made != GetProfileResponse.from_dict(other)
    assert "a@x.com" in repr(made)


def test_names_and_times() -> None:
    made = GetProfileResponse.from_dict(PROFILE)
    relationships = made.data.relationships
    assert relationships is not None
    assert relationships.push_tokens is not None
    assert relationships.push_tokens.links is not None
    assert relationships.push_tokens.links.self_ == "s"
    assert made.data.links.self_.endswith("/01H/")
    created = made.data.attributes.created
    assert created == dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    assert created is not None
    assert created.tzinfo is not None
    assert made.data.attributes.phone_number is None
    assert made.data.attributes.first_name is None
    assert made.data.attributes.is_set("phone_number")
    assert not made.data.attributes.is_set("first_name")
    assert UNSET is not None
    properties = made.data.attributes.properties
    assert properties is not None
    assert properties["$value"] == 1
    assert properties.get("nothing") is None


def test_a_copy_of_unset_is_unset() -> None:
    assert copy.copy(UNSET) is UNSET
    assert copy.deepcopy(UNSET) is UNSET
    assert pickle.loads(pickle.dumps(UNSET)) is UNSET
    assert not UNSET
    assert "UNSET" in repr(UNSET)
    assert klaviyo_async.UNSET is UNSET


def test_one_valued_types_have_their_value_as_default() -> None:
    body = models.ProfileUpsertQuery(
        data=models.ProfileUpsertQueryResourceObject(
            attributes=models.ProfileUpsertQueryAttributes(email="a@x.com", first_name=None, _kx="k")
        )
    )
    assert body.data.attributes._kx == "k"
    assert body.data.attributes.phone_number is None
    assert not body.data.attributes.is_set("phone_number")
    assert body.to_dict() == {
        "data": {"type": "profile", "attributes": {"email": "a@x.com", "first_name": None, "_kx": "k"}}
    }


def test_string_enums_are_aliases_of_the_known_literals_and_str() -> None:
    assert set(typing.get_args(models.ProfileEnum)) == {typing.Literal["profile"], str}


ODD: list[tuple[str, Any]] = [
    ("email", 5),
    ("email", True),
    ("email", {"a": 1}),
    ("email", ["x"]),
    ("external_id", 1),
    ("created", "2026-01-02T03:04:05Z"),
    ("created", "2026-01-02T03:04:05.75+00:00"),
    ("created", "2026-01-02T03:04:05.123456+00:00"),
    ("created", "2026-01-02"),
    ("created", "2026-01-02T03:04:05"),
    ("created", "2026-01-02 03:04:05"),
    ("created", "not a time"),
    ("created", 1767322996),
    ("created", None),
    ("created", ""),
    ("location", "Boston"),
    ("location", {"latitude": "1.5", "longitude": 1.5, "zip": 2108, "new": {"x": [1]}}),
    ("location", []),
    ("subscriptions", {"email": {"marketing": None, "new": 1}, "pigeon": {"x": 1}}),
    ("subscriptions", None),
    ("predictive_analytics", {"expected_date_of_next_order": "2022-11-08T00:00:00", "historic_clv": "5"}),
    ("anonymous_id", "x"),
    ("brand_new", {"deep": [{"er": None}]}),
    ("properties", None),
    ("properties", []),
]


@pytest.mark.parametrize(("name", "value"), ODD, ids=repr)
async def test_decoding_takes_what_may_come_and_keeps_it(
    server: WebServer, client: Klaviyo, name: str, value: Any
) -> None:
    answer = copy.deepcopy(PROFILE)
    answer["data"]["attributes"][name] = value
    server.handler = lambda _: answer
    found = await client.profiles.get_profile("01H")
    assert found.to_dict() == answer
    assert found.data.attributes.is_set("email")


STRUCTURES: list[dict[str, Any]] = [
    {},
    {"data": None},
    {"data": {}},
    {"data": {"type": "profil", "id": 5}},
    {"data": {"type": "profile", "id": "1"}},
    {"data": {"type": "profile", "id": "1", "attributes": None}},
    {"data": {"type": "profile", "id": "1", "relationships": {"conversation": {"data": None}, "lists": None}}},
    {
        "data": {"type": "profile", "id": "1"},
        "included": [{"type": "unheard-of", "id": "1", "attributes": {"a": 1}}, None, 5],
    },
    {"data": {"type": "profile", "id": "1"}, "meta": {"agent_hints": {"next_steps": ["x"]}}, "jsonapi": {}},
    {"data": [{"type": "profile", "id": "1"}]},
    {"data": {"type": "profile", "id": "1"}, "links": "x"},
    {"data": "text"},
]


@pytest.mark.parametrize("answer", STRUCTURES, ids=repr)
async def test_structures_that_were_never_promised(server: WebServer, client: Klaviyo, answer: dict[str, Any]) -> None:
    server.handler = lambda _: answer
    found = await client.profiles.get_profile("01H")
    assert found.to_dict() == answer
    if isinstance(answer.get("data"), list):
        return
    pages = await client.profiles.get_profiles()
    assert pages.to_dict() == answer


async def test_what_has_no_field_is_reachable(server: WebServer, client: Klaviyo) -> None:
    answer = copy.deepcopy(PROFILE)
    answer["data"]["attributes"]["shoe_size"] = "b"
    answer["data"]["relationships"]["household"] = {"data": {"type": "household", "id": "c"}}
    answer["top"] = 1
    server.handler = lambda _: answer
    found = await client.profiles.get_profile("01H")
    assert found.data.attributes.additional_properties["shoe_size"] == "b"
    assert found.additional_properties["top"] == 1
    assert found.to_dict() == answer


async def test_http_is_no_part_of_equality(server: WebServer, client: Klaviyo) -> None:
    server.handler = lambda _: PROFILE
    first, second = await client.profiles.get_profile("1"), await client.profiles.get_profile("1")
    assert first == second == type(first).from_dict(PROFILE)
    assert first.http is not second.http
    assert "http" not in first.to_dict()


async def test_numbers_keep_their_digits(server: WebServer, client: Klaviyo) -> None:
    answer = copy.deepcopy(PROFILE)
    answer["data"]["attributes"]["properties"] = {"big": 2**60, "float": 1.5, "minus": -0.0, "zero": 0}
    server.handler = lambda _: answer
    found = await client.profiles.get_profile("01H")
    assert json.dumps(found.to_dict()) == json.dumps(answer)


async def test_what_was_read_can_be_changed_and_sent_back(server: WebServer, client: Klaviyo) -> None:
    server.handler = lambda _: PROFILE
    found = await client.profiles.get_profile("01H")
    found.data.attributes.email = "new@x.com"
    assert found.to_dict()["data"]["attributes"] == {**PROFILE["data"]["attributes"], "email": "new@x.com"}
    changed = found.to_dict()["data"]
    body = {"data": {name: changed[name] for name in ("type", "id", "attributes")}}
    await client.profiles.update_profile("01H", body)
    assert server.json == body


def test_documents_of_lists() -> None:
    page = GetProfileResponseCollection.from_dict({"data": [PROFILE["data"]], "links": {"self": "x", "next": None}})
    assert page.data[0].id == "01H"
    assert page.links.next is None
