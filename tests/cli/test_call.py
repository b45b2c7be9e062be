"""`klaviyo-async call`: any operation, JSON in and out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import KEY, Commands

if TYPE_CHECKING:
    from pathlib import Path

    from klaviyo_async.testing import FakeKlaviyo


@pytest.fixture
def people(fake: FakeKlaviyo) -> list[str]:
    return [fake.store.add("profile", {"email": f"{n}@example.com"})["id"] for n in range(25)]


def test_a_page(run: Commands, people: list[str]) -> None:
    page = run("call", "get_profiles", "--page-size", "5", "--sort", "created", "--fields", "email", "--json")
    assert page.out.count("\n") == 1
    assert [one["id"] for one in page.json["data"]] == people[:5]
    assert page.json["data"][0]["attributes"] == {"email": "0@example.com"}
    sent = run.fake.requests[-1].parameters
    assert sent == {"page[size]": "5", "sort": "created", "fields[profile]": "email"}


def test_params_by_their_names_in_python_and_on_the_wire(run: Commands, people: list[str]) -> None:
    for given in (
        ["page_size=5", "fields=email"],
        ["page[size]=5", "fields[profile]=email"],
        ["page_size:=5", 'fields:={"profile": ["email"]}'],
    ):
        run("call", "get_profiles", *(part for text in given for part in ("--param", text)))
        assert run.fake.requests[-1].parameters == {"page[size]": "5", "fields[profile]": "email"}
    assert people


def test_filters_are_joined_and_checked(run: Commands, people: list[str]) -> None:
    found = run(
        "call",
        "get_profiles",
        "--filter",
        'any(email,["3@example.com","4@example.com"])',
        "--filter",
        "greater-than(created,2020-01-01)",
    )
    assert [one["id"] for one in found.json["data"]] == people[3:5]
    refused = run("call", "get_profiles", "--filter", 'equals(emil,"x")', code=2).err
    assert "did you mean 'email'" in refused
    assert "--no-validate" in refused
    assert not [one for one in run.fake.requests if "emil" in str(one.parameters)]


def test_every_page_as_one_document_or_record_by_record(run: Commands, people: list[str]) -> None:
    every = run("call", "get_profiles", "--all", "--page-size", "10", "--sort", "created")
    assert [one["id"] for one in every.json["data"]] == people
    assert len(every.out.splitlines()) == len(people) + 2
    lines = run("call", "get_profiles", "--ndjson", "--all", "--page-size", "10", "--sort", "created").out.splitlines()
    assert [json.loads(line)["id"] for line in lines] == people
    some = run("call", "get_profiles", "--limit", "12", "--page-size", "10", "--sort", "created")
    assert [one["id"] for one in some.json["data"]] == people[:12]
    assert run("call", "get_profiles", "--limit", "0").json == {"data": []}


def test_a_document_that_broke_off_is_no_json(run: Commands, people: list[str]) -> None:
    run.fake.fail("get_profiles", after=1, status=403)
    broken = run("call", "get_profiles", "--all", "--page-size", "10", code=3)
    with pytest.raises(json.JSONDecodeError):
        json.loads(broken.out)
    assert people


def test_included_resources_come_once(run: Commands, fake: FakeKlaviyo) -> None:
    metric = fake.store.add("metric", {"name": "Placed Order"})["id"]
    person = fake.store.add("profile", {"email": "a@example.com"})["id"]
    for day in range(1, 4):
        fake.store.add(
            "event",
            {
                "datetime": f"2026-01-0{day}T00:00:00+00:00",
                "timestamp": 1_767_225_600 + day,
                "event_properties": {},
                "uuid": f"u{day}",
            },
            relationships={"metric": metric, "profile": person},
        )
    found = run("call", "get_events", "--all", "--include", "metric,profile", "--param", "page_size=1").json
    assert len(found["data"]) == 3
    assert sorted(one["id"] for one in found["included"]) == sorted([metric, person])


def test_bodies(run: Commands, fake: FakeKlaviyo, tmp_path: Path) -> None:
    made = run(
        "call",
        "create_profile",
        "-p",
        "email=sarah@example.com",
        "-p",
        'properties:={"tier": "gold", "n": 12345678901234567890123}',
    )
    assert fake.requests[-1].content.count(b"12345678901234567890123") == 1
    body = {"data": {"type": "list", "attributes": {"name": "VIP"}}}
    (tmp_path / "list.json").write_text(json.dumps(body))
    for given, text in ((json.dumps(body), None), (f"@{tmp_path}/list.json", None), ("-", json.dumps(body))):
        vip = run("call", "create_list", "--body", given, input=text, code=0)
    nothing = run(
        "call", "add_profiles_to_list", vip.json["data"]["id"], "--body", json.dumps([made.json["data"]["id"]])
    )
    assert nothing.out == ""
    assert fake.store.related("list", vip.json["data"]["id"], "profiles") == [made.json["data"]["id"]]
    assert run("call", "delete_list", vip.json["data"]["id"], "--json").json is None


def test_an_upload(run: Commands, fake: FakeKlaviyo, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    run("call", "upload_image_from_file", "-p", f"file=@{tmp_path}/a.png", "-p", "name=Logo", "-p", "hidden=true")
    assert fake.store.find("image", name="Logo") is not None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["get_profils"], "did you mean 'get_profiles'"),
        (["get_profile"], "takes the path arguments ID; 0 were given"),
        (["get_profile", "a", "b"], "2 were given"),
        (["get_profiles", "-p", "page_siz=1"], "did you mean 'page_size'"),
        (["get_profiles", "-p", "page_size"], "neither NAME=VALUE"),
        (["get_profiles", "-p", "page_size=x"], "must be a whole number"),
        (["get_profiles", "-p", "page_size=1", "-p", "page_size=2"], "more than once"),
        (["get_profiles", "--page-size", "1000"], "page_size"),
        (["get_lists", "--fields", "name"], "name the type too (flow, list or tag), for instance list=name."),
        (["get_profiles", "--fields", "emial"], "get_profiles has no field 'emial'; did you mean 'email'?"),
        (["get_profiles", "--fields", "email,vendor"], "no type has all of these: give the option as TYPE=…"),
        (["get_tags", "--additional-fields", "x"], "get_tags has no field 'x' (none are allowed)"),
        (["get_profiles", "--body", "{}"], "takes no body"),
        (["get_profile", "x", "--all"], "return a list"),
        (["get_accounts", "--sort", "name"], "has no --sort"),
        (["create_profile"], "needs a body: give --body, or --param for its parts: email"),
        (["create_profile", "--body", '{"data": '], "this is not JSON"),
        (["create_profile", "--body", "@/nowhere/at/all"], "No such file"),
        (["create_profile", "--body", "{}", "-p", "email=x"], "body"),
        (["create_profile", "-p", "emil=x"], "did you mean 'email'"),
        (["get_client_reviews"], "--company-id"),
        (["get_accounts", "--api-key", KEY], "the key is never an argument"),
    ],
)
def test_wrong_use_is_told_before_anything_is_sent(run: Commands, arguments: list[str], said: str) -> None:
    assert said in run("call", *arguments, code=2).err
    machine = run("call", *arguments, "--json", code=2)
    assert said in machine.error["message"]
    assert not machine.error["message"].startswith("Error")
    assert machine.out == ""
    assert not run.fake.requests


def test_what_klaviyo_refuses(run: Commands) -> None:
    assert "Profile with id nobody not found" in run("call", "get_profile", "nobody", code=1).err
    error = run("call", "get_profile", "nobody", "--json", code=1).error
    assert (error["kind"], error["status"], error["errors"][0]["code"]) == ("NotFound", 404, "not_found")
    assert error["request_id"]


@pytest.mark.parametrize(("status", "code"), [(401, 3), (403, 3), (404, 1), (500, 1), (429, 4)])
def test_exit_codes_by_status(run: Commands, status: int, code: int) -> None:
    run.fake.fail("get_accounts", status=status, times=None)
    assert run("call", "get_accounts", "--retries", "0", code=code).err


def test_no_connection(run: Commands) -> None:
    assert (
        "no connection" in run("call", "get_accounts", "--base-url", "http://127.0.0.1:1", "--retries", "0", code=5).err
    )
    run.fake.fail("get_accounts", delay=5)
    assert (
        run("call", "get_accounts", "--timeout", "0.2", "--retries", "0", "--json", code=5).error["kind"]
        == "RequestTimeout"
    )
    run.fake.clear_faults()


def test_a_wait_that_is_too_long(run: Commands) -> None:
    run.fake.fail("get_accounts", status=429, retry_after=50)
    assert run("call", "get_accounts", "--max-wait", "1", code=4).err.count("--max-wait")


def test_keys(run: Commands, tmp_path: Path) -> None:
    missing = run("call", "get_accounts", KLAVIYO_API_KEY=None, code=3).err
    assert "KLAVIYO_API_KEY" in missing
    assert "--key-file" in missing
    (tmp_path / "key").write_text(f"{KEY}_file\n")
    run("call", "get_accounts", "--key-file", str(tmp_path / "key"), KLAVIYO_API_KEY=None)
    assert run.fake.requests[-1].headers["Authorization"] == f"Klaviyo-API-Key {KEY}_file"
    run("call", "get_accounts", "--key-file", str(tmp_path / "none"), code=2)
    (tmp_path / "key").write_bytes(b"\x89PNG")
    run("call", "get_accounts", "--key-file", str(tmp_path / "key"), code=2)


def test_client_side_operations_need_no_key(run: Commands) -> None:
    body = {
        "data": {
            "type": "event",
            "attributes": {
                "properties": {},
                "metric": {"data": {"type": "metric", "attributes": {"name": "Viewed"}}},
                "profile": {"data": {"type": "profile", "attributes": {"email": "a@example.com"}}},
            },
        }
    }
    run("call", "create_client_event", "--company-id", "AbC123", "--body", json.dumps(body), KLAVIYO_API_KEY=None)
    assert "Authorization" not in run.fake.requests[-1].headers


def test_a_key_in_the_wrong_place_is_not_shown(run: Commands) -> None:
    assert "pk_***" in run("call", KEY, code=2).err
