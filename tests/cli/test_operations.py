"""`klaviyo-async operations`: nothing is sent, no key is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klaviyo_async import operations

if TYPE_CHECKING:
    from tests.cli.conftest import Commands


def test_lists_all_of_them(run: Commands) -> None:
    names = [line.split("\t")[0] for line in run("operations", KLAVIYO_API_KEY=None).out.splitlines()]
    assert names == list(operations)


def test_words_search_names_paths_and_scopes(run: Commands) -> None:
    found = run("operations", "bulk", "profiles", "--json").json
    assert {"bulk_import_profiles", "get_errors_for_bulk_import_profiles_job"} <= {one["name"] for one in found}
    assert all("bulk" in one["path"] + one["name"] for one in found)
    assert {one["name"] for one in run("operations", "events:read", "--json").json} >= {"get_events"}


def test_one_in_detail(run: Commands) -> None:
    one = run("operations", "get_profiles", "--json").json
    facts = operations["get_profiles"]
    assert one["limits"]["burst"] == facts.limits.burst
    assert one["limits"]["by_parameter"][0]["value"] == "predictive_analytics"
    assert one["filters"]["email"]["operators"] == ["equals", "any"]
    assert one["scopes"] == ["profiles:read"]
    assert one["page_size"]["maximum"] == 100
    plain = run("operations", "bulk_import_profiles").out
    assert "profiles:write" in plain
    assert "rows per request" in plain
    assert "\njson: " not in plain


def test_an_alias_shows_the_operation(run: Commands) -> None:
    alias, name = next((one.aliases[0], one.name) for one in operations.values() if one.aliases)
    assert run("operations", alias, "--json").json["name"] == name


def test_a_group(run: Commands) -> None:
    assert {one["tag"] for one in run("operations", "--tag", "lists", "--json").json} == {"lists"}
    assert "did you mean 'lists'" in run("operations", "--tag", "list", code=2).err


def test_nothing_found_is_an_error_with_the_nearest_name(run: Commands) -> None:
    assert "did you mean 'get_profile'" in run("operations", "get_profilez", code=1).err
    assert run("operations", "get_profilez", "--json", code=1).error["exit_code"] == 1


def test_without_a_command_it_says_what_there_is(run: Commands) -> None:
    said = run(code=2)
    assert said.err.startswith("Usage: ")
    assert said.err.count("Usage:") == 1
    assert "Error" not in said.err
    assert "klaviyo-async import people.csv --as profiles" in said.err
