"""What Klaviyo may send instead of what its documents say: everything decodes, can be read, and comes back unchanged."""

from __future__ import annotations

import copy
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from klaviyo_async import models, operations
from klaviyo_async._model import Model, UnknownModel
from klaviyo_async._model.dates import parse_date, parse_time
from tests.support.synthesis import Synthesiser, plain, touch

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENTS = sorted({operation.response for operation in operations.values() if operation.response is not None})
OTHERS: tuple[Any, ...] = (
    None,
    True,
    0,
    28242216,
    2.0,
    -1.5,
    "",
    "brand-new value",
    "500",
    [],
    [1],
    {},
    {"$new": {"a": [1]}},
)


def survives(cls: type[Model], value: Any) -> Any:
    """Decode, read all of it, and check that it comes back the same to the letter."""
    expected = json.dumps(value, sort_keys=True)
    decoded = cls.from_json(json.dumps(value).encode())
    assert json.dumps(decoded.to_dict(), sort_keys=True) == expected
    touch(decoded)
    assert json.dumps(decoded.to_dict(), sort_keys=True) == expected
    assert repr(decoded)
    return decoded


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in a value with every key in it."""
    if isinstance(value, dict):
        for key in list(value):
            yield value, key
            yield from places(value[key])
    elif isinstance(value, list):
        for index in range(len(value)):
            yield value, index
            yield from places(value[index])


def mutants(value: Any, turn: int) -> Iterator[Any]:
    """Each place of a value changed once: gone, null, of another type; and a new key in each object."""
    changed = copy.deepcopy(value)
    changed["unheard-of"] = {"of": [1]}
    yield changed
    changed = copy.deepcopy(value)
    for number, (holder, key) in enumerate(list(places(changed))):
        kept = holder[key]
        for other in (None, OTHERS[(turn + number) % len(OTHERS)], OTHERS[(turn + number * 5 + 3) % len(OTHERS)]):
            holder[key] = other
            yield changed
        if isinstance(kept, dict):
            holder[key] = [kept]
            yield changed
            holder[key] = kept | {"unheard-of": 1, "to_dict": 2, "_decode": 3, "additional_properties": {"x": 1}}
            yield changed
        elif isinstance(kept, list):
            holder[key] = {"0": kept[0]} if kept else {}
            yield changed
            holder[key] = [None, *kept, 7, "x", [kept], {"type": "unheard-of", "id": 1}]
            yield changed
        elif isinstance(kept, str):
            holder[key] = f"{kept} and more"
            yield changed
        if isinstance(holder, dict):
            # Put back at its place, for places() has walked the order that there was.
            items = list(holder.items())
            del holder[key]
            yield changed
            holder.clear()
            holder.update(items)
        holder[key] = kept


@pytest.mark.parametrize("part", range(8))
def test_every_schema_survives_every_change_of_one_place(synthesiser: Synthesiser, part: int) -> None:
    for name in synthesiser.objects[part::8]:
        cls = getattr(models, name)
        for turn in range(2):
            value = plain(synthesiser.component(name, turn, depth=1))
            for mutant in mutants(value, turn):
                survives(cls, mutant)


@pytest.mark.parametrize("name", DOCUMENTS[::3])
def test_documents_survive_changes_deep_inside(synthesiser: Synthesiser, name: str) -> None:
    value = plain(synthesiser.component(name, 1, depth=4))
    changed = copy.deepcopy(value)
    found = list(places(changed))
    for number, (holder, key) in enumerate(found[:: max(1, len(found) // 40)]):
        kept = holder[key]
        for other in (None, OTHERS[number % len(OTHERS)], {"unheard-of": kept}, [kept]):
            holder[key] = other
            survives(getattr(models, name), changed)
        holder[key] = kept


def test_nothing_is_required_to_come(synthesiser: Synthesiser) -> None:
    for name in synthesiser.objects:
        cls = getattr(models, name)
        survives(cls, {})
        properties = synthesiser.merged(synthesiser.schemas[name]).get("properties", {})
        survives(cls, dict.fromkeys(properties))
        for other in OTHERS:
            survives(cls, dict.fromkeys(properties, other))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_anything_under_known_keys_survives(synthesiser: Synthesiser, data: st.DataObject) -> None:
    """Any JSON at all under the names of properties, at several levels."""
    name = data.draw(st.sampled_from(synthesiser.objects))
    cls = getattr(models, name)

    def value(schema: Any, level: int) -> Any:
        properties = synthesiser.merged(schema).get("properties", {})
        if not properties or level > 3 or data.draw(st.integers(0, 4)) == 0:
            return data.draw(json_values)
        chosen = data.draw(st.lists(st.sampled_from(sorted(properties)), unique=True, max_size=5))
        made = {key: value(properties[key], level + 1) for key in chosen}
        return made | data.draw(st.dictionaries(st.text(max_size=8), json_values, max_size=2))

    drawn = value(synthesiser.schemas[name], 0)
    if isinstance(drawn, dict):
        decoded = survives(cls, drawn)
        assert decoded == cls.from_dict(drawn)
        assert copy.deepcopy(decoded) == decoded


# --- section F: times

TIMES = {
    "2026-09-04T13:40:13+00:00": "2026-09-04T13:40:13+00:00",
    "2026-09-04T13:40:13.490826+00:00": "2026-09-04T13:40:13.490826+00:00",
    "2026-09-04T13:40:37Z": "2026-09-04T13:40:37+00:00",
    "2026-09-04T13:40:13.75+00:00": "2026-09-04T13:40:13.750000+00:00",
    "2026-09-04T13:40:13.123456789Z": "2026-09-04T13:40:13.123456+00:00",
    "2022-11-08T00:00:00": "2022-11-08T00:00:00+00:00",
    "2022-11-08": "2022-11-08T00:00:00+00:00",
    "2022-11-08 10:11:12": "2022-11-08T10:11:12+00:00",
    "2022-11-08 10:11:12 UTC": "2022-11-08T10:11:12+00:00",
    "2026-08-31T22:00:00-07:00": "2026-08-31T22:00:00-07:00",
    "2026-08-31T22:00:00+0530": "2026-08-31T22:00:00+05:30",
    "Tue, 08 Nov 2022 10:00:00 GMT": "2022-11-08T10:00:00+00:00",
    "11/08/2022 10:00:00 +0200": "2022-11-08T10:00:00+02:00",
}


@pytest.mark.parametrize(("text", "meaning"), TIMES.items())
def test_other_forms_of_times(text: str, meaning: str) -> None:
    value = parse_time(text)
    assert isinstance(value, datetime)
    assert value.utcoffset() is not None
    assert value.isoformat() == meaning


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "09:00:00",
        "now",
        "1",
        "may",
        "Monday",
        "1662552000",
        "2022-02-30",
        "2022-11-08 10:00:00 EST",
        "9" * 5000,
        "0000-00-00T00:00:00Z",
        "2022-11-08T10:00:00+99:00",
        "Infinity",
        "1e999",
        "\x00",
        "２０２２",
    ],
)
def test_what_is_no_time_or_leaves_it_open_stays_text(text: str) -> None:
    assert parse_time(text) == text


@given(st.text(max_size=80) | st.from_regex(r"[0-9TZ:+. /,aApPmMUTCGE-]{1,40}", fullmatch=True))
@settings(max_examples=400)
def test_no_text_makes_a_time_raise(text: str) -> None:
    value = parse_time(text)
    assert value == text or (isinstance(value, datetime) and value.utcoffset() is not None)
    value = parse_date(text)
    assert value == text or not isinstance(value, str)


def test_times_in_their_fields(synthesiser: Synthesiser) -> None:
    cls = models.ProfileResponseObjectResource
    for text, meaning in TIMES.items():
        profile = survives(cls, {"type": "profile", "id": "1", "attributes": {"created": text}})
        assert profile.attributes.created == datetime.fromisoformat(meaning)
        assert profile.attributes.created.utcoffset() is not None
    for other in (None, 1662552000, 1.5, "soon", {"at": 1}, ["x"], True):
        profile = survives(cls, {"type": "profile", "id": "1", "attributes": {"created": other}})
        assert profile.attributes.created == other


def test_setting_a_time_sends_it_with_its_offset() -> None:
    cls = models.PostMetricAggregateResponse
    value = {"data": {"type": "metric-aggregate", "id": "1", "attributes": {"dates": ["2026-08-31T22:00:00Z", "soon"]}}}
    decoded = survives(cls, value)
    dates = decoded.data.attributes.dates
    assert dates == [datetime.fromisoformat("2026-08-31T22:00:00+00:00"), "soon"]
    decoded.data.attributes.dates = dates[:1]
    assert decoded.to_dict()["data"]["attributes"]["dates"] == ["2026-08-31T22:00:00+00:00"]


# --- unions


def test_values_added_to_a_list_of_known_ones_do_not_hide_a_member(synthesiser: Synthesiser) -> None:
    """Union members keep their class when a property with several known values has a new one.

    Where that property, always `operator`, is what tells the members apart, they become unknown: never another member.
    """
    from tests.support.synthesis import UNDECIDABLE, Obj  # noqa: PLC0415

    checked, lost = 0, set()
    for name in synthesiser.objects:
        for place, members in synthesiser.unions(synthesiser.schemas[name]):
            if place[:1] != ("properties",) or len(place) != 2 or not all("$ref" in each for each in members):
                continue
            for index in range(len(members)):
                seen = synthesiser.component(name, index, depth=2)
                part = seen.parts.get(place[1]) if isinstance(seen, Obj) else None
                if not isinstance(part, Obj) or any(part.name in same for same in UNDECIDABLE):
                    continue
                member = synthesiser.merged({"$ref": f"#/components/schemas/{part.name}"})
                for wire, schema in member["properties"].items():
                    if len(synthesiser.merged(schema).get("enum", ())) < 2 or not isinstance(
                        plain(part).get(wire), str
                    ):
                        continue
                    value = plain(seen)
                    value[place[1]][wire] = "brand-new"
                    decoded = getattr(survives(getattr(models, name), value), place[1])
                    checked += 1
                    if type(decoded).__name__ != part.name and (wire, type(decoded)) != ("operator", UnknownModel):
                        lost.add((name, place[1], part.name, wire, type(decoded).__name__))
    assert lost == set()
    assert checked > 50


def test_an_unknown_type_never_takes_the_first_member() -> None:
    cls = models.FlowActionEncodedResponseObjectResource
    for definition in (
        {"type": "unheard-of"},
        {"type": None},
        {"type": 3},
        {"type": ["x"]},
        {"type": {"a": 1}},
        {"id": "1"},
        {},
    ):
        decoded = survives(cls, {"type": "flow-action", "id": "1", "attributes": {"definition": definition}})
        assert type(decoded.attributes.definition) is UnknownModel


def test_included_of_an_unknown_type_is_kept_among_known_ones() -> None:
    decoded = survives(
        getattr(models, str(operations["get_profile"].response)),
        {
            "data": [],
            "included": [
                {"type": "list", "id": "1", "attributes": {"name": "A"}},
                {"type": "horoscope", "id": "2", "attributes": {"sign": "♋"}},
                None,
                7,
            ],
        },
    )
    known, unknown, nothing, number = decoded.included
    assert (known.attributes.name, unknown.type, unknown.attributes, nothing, number) == (
        "A",
        "horoscope",
        {"sign": "♋"},
        None,
        7,
    )
    assert attrs.asdict(decoded)["included"][1]["additional_properties"]["id"] == "2"
