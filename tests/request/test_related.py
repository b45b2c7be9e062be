"""Included resources by relationship, in models and in plain JSON."""

from __future__ import annotations

from typing import Any

import pytest

from klaviyo_async import QueryError, models, operations
from klaviyo_async._model.related import related

Page: Any = getattr(models, str(operations["get_profiles"].response))


def page(resources: list[Any], included: Any) -> dict[str, Any]:
    made = {"data": resources, "links": {"self": "x"}, "included": included}
    return {key: value for key, value in made.items() if value is not ...}


TOKENS = [{"type": "push-token", "id": str(number), "attributes": {"token": f"t{number}"}} for number in range(3)]
PROFILE = {
    "type": "profile",
    "id": "p",
    "attributes": {},
    "relationships": {
        "push-tokens": {"data": [{"type": "push-token", "id": "2"}, {"type": "push-token", "id": "0"}]},
        "lists": {"links": {"self": "x", "related": "y"}},
        "segments": {"data": []},
    },
}


def test_to_many_in_the_order_of_the_relationship() -> None:
    document = Page.from_dict(page([PROFILE], TOKENS))
    profile = document.data[0]
    for name in ("push-tokens", "push_tokens"):
        found = document.related(profile, name)
        assert [each.id for each in found] == ["2", "0"]
        assert found[0] is document.included[2]
        assert found[0].attributes.token == "t2"


def test_the_index_is_built_once() -> None:
    document: Any = Page.from_dict(page([PROFILE], TOKENS))
    profile = document.data[0]
    assert len(document.related(profile, "push-tokens")) == 2
    kept = document._included_index
    assert document.related(profile, "push-tokens")[0] is document.included[2]
    assert document._included_index is kept
    # What somebody puts in its place is seen.
    document.included = []
    assert document.related(profile, "push-tokens") == []


def test_to_one() -> None:
    event = {
        "type": "event",
        "id": "e",
        "attributes": {},
        "relationships": {
            "metric": {"data": {"type": "metric", "id": "m"}},
            "profile": {"data": {"type": "profile", "id": "gone"}},
            "attributions": {"data": None},
        },
    }
    metric = {"type": "metric", "id": "m", "attributes": {"name": "Placed Order"}}
    document = models.GetEventResponseCollectionCompoundDocument.from_dict(page([event], [metric]))
    resource = document.data[0]
    assert [each.attributes.name for each in document.related(resource, "metric")] == ["Placed Order"]
    assert document.related(resource, "profile") == []
    assert document.related(resource, "attributions") == []


def test_links_only_empty_and_missing_give_nothing() -> None:
    for included in (TOKENS, [], None, ...):
        document = Page.from_dict(page([PROFILE], included))
        for name in ("lists", "segments", "conversation"):
            assert document.related(document.data[0], name) == []
    bare = {"type": "profile", "id": "p", "attributes": {}}
    for each in (bare, {**bare, "relationships": None}, {**bare, "relationships": {}}):
        document = Page.from_dict(page([each], TOKENS))
        assert document.related(document.data[0], "push-tokens") == []


def test_included_resources_relate_to_others_and_unknown_types_are_found() -> None:
    strange = {
        "type": "brand-new-type",
        "id": "1",
        "attributes": {"x": 1},
        "relationships": {"push-tokens": {"data": [{"type": "push-token", "id": "1"}]}},
    }
    profile = {**PROFILE, "relationships": {"novelties": {"data": [{"type": "brand-new-type", "id": "1"}]}}}
    document = Page.from_dict(page([profile], [strange, *TOKENS]))
    (found,) = document.related(document.data[0], "novelties")
    (token,) = document.related(found, "push-tokens")
    assert token.id == "1"


def test_plain_json_works_too() -> None:
    document = page([PROFILE], TOKENS)
    assert [each["id"] for each in related(document, PROFILE, "push_tokens")] == ["2", "0"]


def test_a_name_that_the_type_has_no_relationship_by() -> None:
    document = Page.from_dict(page([PROFILE, {"type": "profile", "id": "q"}], TOKENS))
    for profile in document.data:
        with pytest.raises(QueryError, match="'profile' has no relationship 'push-tokns'; did you mean 'push-tokens'"):
            document.related(profile, "push-tokns")
        # One that the type has and that didn't come is no mistake.
        assert document.related(profile, "conversation") == []


def test_a_type_without_relationships() -> None:
    document = models.GetAccountResponse.from_dict({"data": {"type": "account", "id": "1", "attributes": {}}})
    with pytest.raises(QueryError, match="'account' has no relationship 'lists'"):
        document.related(document.data, "lists")


def test_a_relationship_that_came_without_a_field_counts() -> None:
    horoscope = {"horoscope": {"data": {"type": "push-token", "id": "1"}}, "planets": None}
    whole = page([PROFILE | {"relationships": horoscope}], TOKENS)
    document = Page.from_dict(whole)
    assert [each.id for each in document.related(document.data[0], "horoscope")] == ["1"]
    assert document.related(document.data[0], "planets") == []
    with pytest.raises(QueryError, match="did you mean 'horoscope'"):
        document.related(document.data[0], "horoscop")


@pytest.mark.parametrize("given", [[PROFILE], "p", 5])
def test_what_is_no_resource_is_refused(given: Any) -> None:
    """The whole list in place of one of its members, for instance: it would look as if nothing was related."""
    document = Page.from_dict(page([PROFILE], TOKENS))
    with pytest.raises(QueryError, match=f"expected one resource of the document, got {type(given).__name__}"):
        document.related(given, "push-tokens")


@pytest.mark.parametrize("name", [None, 5, b"push-tokens"])
def test_what_is_no_name_is_refused(name: Any) -> None:
    document = Page.from_dict(page([PROFILE], TOKENS))
    with pytest.raises(QueryError, match=f"expected the name of a relationship, a str, got {type(name).__name__}"):
        document.related(document.data[0], name)
