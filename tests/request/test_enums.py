"""Members of enums that are also text or numbers stand for their values, whose `str()` on Python 3.11 is their name."""

from __future__ import annotations

import enum
import json
from typing import Any

import pytest

from klaviyo_async._request.plain import prepare_plain
from klaviyo_async._request.prepare import prepare
from klaviyo_async.errors import QueryError
from klaviyo_async.filter import F, Fields
from klaviyo_async.operation_table import operations


class Text(str, enum.Enum):  # noqa: UP042 - not StrEnum, whose `str()` is the value
    VIP = "Y6nRLr"
    PROFILE = "profile"
    EMAIL = "email"
    NEWEST = "-created"


class Number(int, enum.Enum):
    THREE = 3


class Price(float, enum.Enum):
    LOW = 1.5


def call(name: str, *path: object, write: Any = None, body: Any = None, **params: object) -> tuple[str, Any]:
    given = {} if body is None else {"body": body}
    prepared = prepare(operations[name], path, params, write=write, **given)
    content = prepared.payload.content if prepared.payload is not None else b"null"
    assert isinstance(content, bytes)
    return prepared.target, json.loads(content)


def test_in_paths_and_the_ids_that_bodies_take_from_them() -> None:
    assert call("get_list", Text.VIP)[0] == "/api/lists/Y6nRLr"
    assert call("get_list", Number.THREE)[0] == "/api/lists/3"
    for member, text in ((Text.VIP, "Y6nRLr"), (Number.THREE, "3")):
        target, body = call("update_list", member, write={"name": "VIP"})
        assert target == f"/api/lists/{text}"
        assert body["data"]["id"] == text


def test_in_parameters_and_their_names() -> None:
    assert call("get_profiles", sort=Text.NEWEST, fields={Text.PROFILE: [Text.EMAIL]})[0] == (
        "/api/profiles?sort=-created&fields%5Bprofile%5D=email"
    )
    assert (
        call("get_profiles", fields=Fields({Text.PROFILE: [Text.EMAIL]}))[0]
        == "/api/profiles?fields%5Bprofile%5D=email"
    )
    assert call("get_profiles", page_size=Number.THREE)[0] == "/api/profiles?page%5Bsize%5D=3"


def test_in_filters_and_names_of_fields() -> None:
    assert str((F(Text.EMAIL) == Text.VIP) & (F("a") > Number.THREE) & (F("b") < Price.LOW)) == (
        'and(equals(email,"Y6nRLr"),greater-than(a,3),less-than(b,1.5))'
    )
    assert F(Text.EMAIL).desc() == "-email"


def test_in_bodies() -> None:
    _, body = call("add_profiles_to_list", "L", body=[Text.VIP, Number.THREE])
    assert [each["id"] for each in body["data"]] == ["Y6nRLr", "3"]
    _, body = call("create_tag", write={"name": Text.VIP, "tag_group": Number.THREE})
    assert body["data"]["attributes"] == {"name": "Y6nRLr"}
    assert body["data"]["relationships"]["tag-group"]["data"]["id"] == "3"
    channels = {Text.EMAIL: {"marketing": {"consent": "SUBSCRIBED"}}}
    profiles = [{"email": Text.VIP, "subscriptions": channels}]
    _, body = call("bulk_subscribe_profiles", write={"profiles": profiles})
    (profile,) = body["data"]["attributes"]["profiles"]["data"]
    assert profile["attributes"] == {"email": "Y6nRLr", "subscriptions": {"email": channels[Text.EMAIL]}}


def test_in_requests_of_ones_own() -> None:
    params = {Text.EMAIL: Text.VIP, "fields": {Text.PROFILE: [Text.EMAIL]}, "n": Number.THREE, "p": Price.LOW}
    prepared = prepare_plain(
        "GET", "/api/x", params, None, operations=operations, origin="https://a.klaviyo.com", company_id=None
    )
    assert prepared.target == "/api/x?email=Y6nRLr&fields%5Bprofile%5D=email&n=3&p=1.5"


async def test_in_forms() -> None:
    write = {"file": b"x", "name": Text.VIP, "hidden": True}
    payload = prepare(operations["upload_image_from_file"], write=write).payload
    assert payload is not None
    assert not isinstance(payload.content, bytes)
    sent = b"".join([part async for part in payload.content.stream()])
    assert b"\r\n\r\nY6nRLr\r\n" in sent
    assert b"Text.VIP" not in sent


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_forms_take_no_number_that_is_none(value: float) -> None:
    with pytest.raises(QueryError, match=r"name: .*must be finite"):
        prepare(operations["upload_image_from_file"], write={"file": b"x", "name": value})
