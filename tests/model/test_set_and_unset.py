"""What is there, what is null and what is not there: in reading, in writing, in copies; and values that users change."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from klaviyo_async import UNSET, models, resources

if TYPE_CHECKING:
    from collections.abc import Callable

Attributes = models.ProfileUpsertQueryAttributes

PROFILE: dict[str, Any] = {
    "data": {
        "type": "profile",
        "id": "1",
        "attributes": {
            "email": None,
            "created": "2026-01-02T03:04:05Z",
            "updated": "2026-01-02T03:04:05.5+00:00",
            "location": {"city": "Boston"},
            "properties": {"shoes": [{"size": 42}]},
            "anonymous_id": None,
        },
        "relationships": {"push-tokens": {"links": {"self": "s"}}},
    }
}

COPIES: list[Callable[[Any], Any]] = [
    copy.copy,
    copy.deepcopy,
    lambda model: pickle.loads(pickle.dumps(model)),
    lambda model: model.replace(),
    lambda model: type(model).from_json(model.to_json()),
    lambda model: type(model).from_dict(model.to_dict()),
]


def profile() -> Any:
    return models.GetProfileResponse.from_dict(PROFILE)


def test_what_did_not_come_is_none_and_is_set_tells() -> None:
    attributes = profile().data.attributes
    assert (attributes.email, attributes.first_name) == (None, None)
    assert (attributes.is_set("email"), attributes.is_set("first_name")) == (True, False)
    # Reading changes nothing.
    assert not attributes.is_set("first_name")
    assert "first_name" not in attributes.to_dict()


def test_is_set_takes_names_of_fields_and_of_the_wire() -> None:
    found = profile().data
    assert found.relationships.is_set("push_tokens")
    assert found.relationships.is_set("push-tokens")
    assert not found.relationships.is_set("lists")
    assert found.relationships.push_tokens.links.is_set("self_")
    assert found.relationships.push_tokens.links.is_set("self")


def test_is_set_of_what_has_no_field() -> None:
    attributes = profile().data.attributes
    assert attributes.is_set("anonymous_id")
    with pytest.raises(AttributeError, match="has no field 'emial'; did you mean 'email'"):
        attributes.is_set("emial")
    with pytest.raises(AttributeError, match="anonymous_id"):
        models.ProfileLocation.from_dict({}).is_set("anonymous_id")


def test_a_name_that_came_once_is_an_attribute_of_those_that_have_it_only() -> None:
    cls = models.ProfileLocation
    first: Any
    second: Any
    first, second = cls.from_dict({"planet": "Mars"}), cls.from_dict({})
    assert first.planet == "Mars"
    assert "planet" in dir(first)
    assert "planet" not in dir(second)
    assert not hasattr(second, "planet")
    with pytest.raises(AttributeError, match="planet"):
        _ = second.planet
    first.additional_properties["planet"] = "Venus"
    assert first.planet == "Venus"


def test_made_up_names_do_not_grow_a_class_without_end() -> None:
    cls = models.ProfileLocation
    before = len(dir(cls))
    for number in range(1000):
        found = cls.from_dict({f"made up {number}": number})
        assert found.additional_properties == {f"made up {number}": number}
    assert len(dir(cls)) - before < 100
    # Also of the last one the names are completed.
    late: Any = cls.from_dict({"late": 1})
    assert late.late == 1
    assert "late" in dir(late)
    assert "late" not in dir(cls.from_dict({}))


def test_names_that_came_do_not_hide_methods() -> None:
    value = {"to_dict": 1, "is_set": 2, "_decode": 3, "_absent": ["x"], "__class__": 4, "": 5}
    found = models.ProfileLocation.from_dict(value)
    assert found.to_dict() == value
    assert found.is_set("to_dict")


def test_constructors_leave_out_what_is_unset_and_write_none_as_null() -> None:
    made = Attributes(email="a@x.com", first_name=None, last_name=UNSET)
    assert made.to_dict() == {"email": "a@x.com", "first_name": None}
    assert (made.first_name, made.last_name, made.phone_number) == (None, None, None)
    assert [made.is_set(name) for name in ("first_name", "last_name", "phone_number")] == [True, False, False]


def test_assigning_sets_and_unset_unsets() -> None:
    made = Attributes(email="a@x.com")
    made.first_name = None
    assert made.to_dict() == {"email": "a@x.com", "first_name": None}
    made.email = UNSET
    assert made.to_dict() == {"first_name": None}
    assert made.email is None
    del made.first_name
    assert made.to_dict() == {}
    made.location = models.ProfileLocation(city="Boston")
    made.location.city = None
    assert json.loads(made.to_json()) == {"location": {"city": None}}
    made.location = UNSET
    assert made.to_dict() == {}
    with pytest.raises(AttributeError):
        made.frist_name = "x"  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(AttributeError):
        del made.frist_name  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("read", [False, True])
def test_copies_keep_what_is_set(copied: Callable[[Any], Any], read: bool) -> None:
    original = profile()
    if read:
        repr(original)
    made = copied(original)
    assert type(made) is type(original)
    assert made.to_dict() == PROFILE
    assert made == original
    assert not made.data.attributes.is_set("first_name")
    assert made.data.attributes.is_set("email")
    unset, null = Attributes(email="a"), Attributes(email="a", first_name=None)
    assert unset != null
    assert copied(unset) == unset
    assert copied(null) == null


def test_replace() -> None:
    original = Attributes(email="a@x.com", title="Dr")
    made = original.replace(first_name="Ann", title=UNSET, last_name=None)
    assert made.to_dict() == {"email": "a@x.com", "first_name": "Ann", "last_name": None}
    assert original.to_dict() == {"email": "a@x.com", "title": "Dr"}
    with pytest.raises(TypeError, match="has no field 'frist_name'; did you mean 'first_name'"):
        original.replace(frist_name="Ann")
    extra = original.replace(additional_properties={"anonymous_id": "x"})
    assert extra.to_dict() == {"email": "a@x.com", "title": "Dr", "anonymous_id": "x"}


def test_evolve_sets_what_was_unset_as_the_docs_say() -> None:
    made = attrs.evolve(Attributes(email="a@x.com"), title="Dr")
    assert made.is_set("first_name")
    assert made.to_dict()["first_name"] is None


# --- changes


@pytest.mark.parametrize("field", ["created", "updated"])
def test_times_go_out_as_they_came_until_they_are_changed(field: str) -> None:
    found = profile()
    attributes = found.data.attributes
    assert attributes.created == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert found.to_dict() == PROFILE
    setattr(attributes, field, datetime(2026, 1, 3, tzinfo=UTC))
    assert found.to_dict()["data"]["attributes"] == PROFILE["data"]["attributes"] | {field: "2026-01-03T00:00:00+00:00"}
    assert json.loads(found.to_json()) == found.to_dict()
    setattr(attributes, field, None)
    assert attributes.to_dict()[field] is None
    setattr(attributes, field, "2026-01-04T00:00:00Z")
    assert getattr(attributes, field) == datetime(2026, 1, 4, tzinfo=UTC)
    assert attributes.to_dict()[field] == "2026-01-04T00:00:00Z"
    setattr(attributes, field, UNSET)
    assert field not in attributes.to_dict()


def test_lists_of_times_may_be_changed_in_place() -> None:
    texts = ["2026-08-31T22:00:00Z", "soon", "2026-09-01T22:00:00Z"]
    found = models.PostMetricAggregateResponse.from_dict(
        {"data": {"type": "metric-aggregate", "id": "1", "attributes": {"dates": texts}}}
    )
    dates = found.data.attributes.dates
    assert found.data.attributes.dates is dates
    dates[2] = datetime(2026, 10, 1, tzinfo=UTC)
    dates.append(dates[0])
    assert found.to_dict()["data"]["attributes"]["dates"] == [*texts[:2], "2026-10-01T00:00:00+00:00", texts[0]]
    del dates[:]
    assert json.loads(found.to_json())["data"]["attributes"]["dates"] == []


def test_changes_anywhere_inside_are_seen() -> None:
    found: Any = profile()
    found.to_json()
    attributes = found.data.attributes
    location = attributes.location
    location.city = "Bern"
    attributes.properties["shoes"][0]["size"] = 43
    attributes.additional_properties["anonymous_id"] = "x"
    tokens = found.data.relationships.push_tokens
    tokens.data = [{"type": "push-token", "id": "p"}]
    found.data.relationships.push_tokens.data[0].id = "q"
    expected = copy.deepcopy(PROFILE)
    expected["data"]["attributes"] |= {
        "location": {"city": "Bern"},
        "properties": {"shoes": [{"size": 43}]},
        "anonymous_id": "x",
    }
    expected["data"]["relationships"]["push-tokens"]["data"] = [{"type": "push-token", "id": "q"}]
    assert found.to_dict() == expected
    assert json.loads(found.to_json()) == expected
    assert attributes.location is location
    attributes.location = None
    assert found.to_dict()["data"]["attributes"]["location"] is None


def test_a_list_that_was_assigned_may_be_changed_by_its_owner() -> None:
    tokens = resources.PushTokenToMany()
    members: list[Any] = []
    tokens.data = members
    members.append(resources.PushTokenIdentifier(id="p"))
    assert tokens.to_dict() == {"data": [{"type": "push-token", "id": "p"}]}
    assert tokens.data is members


def test_json_may_be_assigned_where_models_belong() -> None:
    data: Any = ({"type": "push-token", "id": "p"},)
    tokens = resources.PushTokenToMany(data=data)
    assert tokens.data is not None
    assert isinstance(tokens.data[0], resources.PushTokenIdentifier)
    tokens.data[0].id = "q"
    assert tokens.to_dict() == {"data": [{"type": "push-token", "id": "q"}]}
    location: Any = {"city": "Boston"}
    made = Attributes(location=location)
    assert isinstance(made.location, models.ProfileLocation)
    made.location.city = "Bern"
    assert made.to_dict() == {"location": {"city": "Bern"}}
