"""Models where people put them: notebooks, data frames, pydantic and FastAPI, and numbers that JSON doesn't have."""

from __future__ import annotations

import json
from collections import OrderedDict, defaultdict
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import pytest

from benchmarks.data import profiles_page
from klaviyo_async import DecodeError, QueryError, models, operations, resources

Page: Any = getattr(models, str(operations["get_profiles"].response))


@pytest.fixture
def page() -> Any:
    return Page.from_json(profiles_page(20))


# --- notebooks


def test_reprs_are_short() -> None:
    page = Page.from_json(profiles_page())
    assert len(repr(page)) <= 1000
    assert len(repr(page.data[0])) <= 1000
    assert "Profile(id='01GDDKASAP8TKDDA" in repr(page)
    assert " more]" in repr(page)
    endless = resources.ProfileAttributes.from_dict({f"key {number}": "x" * 10_000 for number in range(1000)})
    assert len(repr(endless)) <= 1000


def test_small_models_show_all_of_themselves() -> None:
    found = resources.Profile.from_dict({"id": "1", "attributes": {"email": "a@x.com", "title": None, "new": [1]}})
    assert repr(found) == (
        "Profile(id='1', attributes=ProfileAttributes(email='a@x.com', title=None, additional_properties={'new': [1]}))"
    )


def test_pages_are_tables(page: Any) -> None:
    page.data[0].attributes.first_name = "<script>alert(1)</script>"
    html = page._repr_html_()
    assert html.startswith("<table>")
    assert html.count("<tr>") == 21
    assert "<th>email</th>" in html
    assert "sarah.mason.7@klaviyo-demo.com" in html
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize("data", [[], None, {"type": "profile", "id": "1"}, [None, 3], "text"])
def test_what_is_not_a_page_is_not_a_table(data: Any) -> None:
    assert Page.from_dict({"data": data})._repr_html_() is None


def test_names_are_listed_for_completion(page: Any) -> None:
    names = dir(page.data[0].attributes)
    assert {"email", "location", "created", "is_set", "to_dict"} <= set(names)
    assert not any(name.startswith("_repr_mimebundle") for name in names)


def test_ipython_completes_at_depth(page: Any) -> None:
    completer = pytest.importorskip("IPython.core.completer")
    shell = pytest.importorskip("IPython.core.interactiveshell").InteractiveShell.instance()
    shell.user_ns["p"] = page.data[0]
    shell.user_ns["page"] = page
    for text, wanted in (
        ("p.attributes.em", "email"),
        ("p.attributes.location.ci", "city"),
        ("page.data[0].attributes.em", "email"),
        ("p.rel", "relationships"),
    ):
        with completer.provisionalcompleter():
            found = [each.text for each in shell.Completer.completions(text, len(text))]
        assert any(each.rpartition(".")[2] == wanted for each in found), (text, found[:10])


# --- rows


def test_rows() -> None:
    found = resources.Profile.from_dict(
        {
            "type": "profile",
            "id": "1",
            "attributes": {
                "id": "own",
                "email": None,
                "created": "2026-01-02T03:04:05Z",
                "location": {"city": "Boston", "new": {"deep": [1]}},
                "properties": {"shoes": [{"size": 42}], "empty": {}},
                "subscriptions": {"email": {"marketing": {"list_suppressions": [{"list_id": "x"}]}}},
            },
            "relationships": {"lists": {"data": []}},
        }
    )
    assert found.to_row() == {
        "id": "1",
        "type": "profile",
        "subscriptions.email.marketing.list_suppressions": [{"list_id": "x"}],
        "email": None,
        "created": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "location.city": "Boston",
        "location.new.deep": [1],
        "properties.shoes": [{"size": 42}],
    }
    assert list(found.to_row())[:2] == ["id", "type"]


def test_rows_of_resources_without_much() -> None:
    assert resources.Profile.from_dict({"id": "1"}).to_row() == {"id": "1"}
    assert resources.Profile.from_dict({"id": "1", "attributes": None}).to_row() == {"id": "1"}
    included = Page.from_dict({"data": [], "included": [{"type": "new", "id": "1", "attributes": {"a": {"b": 2}}}]})
    assert included.included[0].to_row() == {"type": "new", "id": "1", "a.b": 2}


def test_rows_make_a_data_frame(page: Any) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(profile.to_row() for profile in page.data)
    assert len(frame) == 20
    assert frame["location.city"].tolist() == ["New York"] * 20
    assert str(frame["created"].dtype).startswith("datetime64")


# --- pydantic, FastAPI


def test_models_are_fields_of_pydantic_models(page: Any) -> None:
    pydantic = pytest.importorskip("pydantic")
    made = pydantic.create_model("Report", page=(Page, ...), profile=(resources.Profile | None, None))
    report = made(page=page)
    assert report.page is page
    assert json.loads(report.model_dump_json())["page"] == page.to_dict()
    assert report.model_dump()["page"] == page.to_dict()
    assert made(page={"data": []}, profile={"id": "1"}).profile == resources.Profile.from_dict({"id": "1"})
    assert made.model_validate_json(report.model_dump_json()).page == page
    with pytest.raises(pydantic.ValidationError, match=r"expected a .*Document or a mapping, got int"):
        made(page=3)
    for mode in ("validation", "serialization"):
        properties = made.model_json_schema(mode=mode)["properties"]
        assert properties["page"]["type"] == "object"
        assert "data" in properties["page"]["properties"]


def test_models_are_return_types_of_fastapi(page: Any) -> None:
    fastapi = pytest.importorskip("fastapi")
    testclient = pytest.importorskip("fastapi.testclient")
    app = fastapi.FastAPI()
    app.get("/profile", response_model=resources.Profile)(lambda: page.data[0])
    app.get("/profiles", response_model=list[resources.Profile])(lambda: page.data)
    client = testclient.TestClient(app)
    assert client.get("/profile").json() == page.data[0].to_dict()
    assert client.get("/profiles").json() == page.to_dict()["data"]
    assert client.get("/openapi.json").status_code == 200


# --- numbers


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_does_not_have_are_refused_with_their_place(value: float) -> None:
    with pytest.raises(QueryError, match="/attributes/properties/sizes/1"):
        resources.Profile.from_dict({"attributes": {"properties": {"sizes": [1.5, value]}}})


def test_integers_of_any_size_stay_exact_through_dicts() -> None:
    value = {"attributes": {"properties": {"big": 10**40, "minus": -(10**40), "list": [2**64]}}}
    found = resources.Profile.from_dict(value)
    assert found.to_dict() == value
    assert json.loads(found.to_json()) == value
    assert found.attributes.properties is not None
    assert found.attributes.properties["big"] == 10**40
    assert found.to_dict() == value


@pytest.mark.parametrize(
    "wrap", [dict, OrderedDict, MappingProxyType, lambda inner: defaultdict(list, inner), lambda inner: [inner], lambda inner: (inner,)]
)  # fmt: skip
def test_numbers_that_json_does_not_have_are_found_in_every_kind_of_container(wrap: Any) -> None:
    """They would go out as null, and null clears a field."""
    with pytest.raises(QueryError, match=r"^/attributes/properties/.*score: nan is not a JSON number"):
        resources.Profile.from_dict({"attributes": {"properties": {"x": wrap({"score": float("nan")})}}})
    kept = resources.Profile.from_dict({"attributes": {"properties": {"x": wrap({"score": 1.5})}}})
    assert json.loads(kept.to_json()) == kept.to_dict()
    assert '"score": 1.5' in json.dumps(kept.to_dict())


def test_values_of_data_frames_are_what_they_stand_for() -> None:
    numpy, pandas = pytest.importorskip("numpy"), pytest.importorskip("pandas")
    noon = pandas.Timestamp("2026-01-01T12:00:00", tz="UTC")
    values = {"int": numpy.int64(5), "float": numpy.float32(1.5), "bool": numpy.bool_(True), "time": noon}
    plain = {"int": 5, "float": 1.5, "bool": True, "time": "2026-01-01T12:00:00+00:00"}
    read = resources.ProfileAttributes.from_dict({"created": noon, "properties": values})
    made = resources.ProfileAttributes(created=noon, properties=values)
    for attributes in (read, made):
        assert attributes.created == datetime(2026, 1, 1, 12, tzinfo=UTC)
        assert attributes.to_dict() == {"created": plain["time"], "properties": plain}
        assert json.loads(attributes.to_json()) == attributes.to_dict()
    for value in (pandas.NaT, pandas.NA, numpy.float64("nan"), numpy.float32("inf"), numpy.array([1])):
        with pytest.raises(QueryError, match=r"^/properties/list/1: "):
            resources.ProfileAttributes.from_dict({"properties": {"list": [1, value]}})


@pytest.mark.parametrize("value", [object(), b"x", 1j])
def test_what_has_no_form_in_json_is_refused_with_its_place(value: Any) -> None:
    with pytest.raises(QueryError, match=r"^/attributes/properties/a: "):
        resources.Profile.from_dict({"attributes": {"properties": {"a": value}}})


def test_a_mapping_that_contains_itself_is_refused() -> None:
    value: dict[str, Any] = {}
    value["again"] = value
    with pytest.raises(QueryError, match="Profile: the mapping is nested too deeply, or contains itself"):
        resources.Profile.from_dict(value)


# --- what can't be decoded at all


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (None, "got NoneType"),
        ([], "got list"),
        ([("id", "1")], "got list"),
        ("{}", "got str; JSON text goes to from_json"),
    ],
)
def test_from_dict_takes_mappings(given: Any, told: str) -> None:
    with pytest.raises(TypeError, match=rf"Profile\.from_dict: expected a mapping, {told}"):
        resources.Profile.from_dict(given)


@pytest.mark.parametrize(
    ("given", "told"), [(None, "got NoneType"), (5, "got int"), ({"id": "1"}, "got dict; a mapping goes to from_dict")]
)
def test_from_json_takes_text(given: Any, told: str) -> None:
    with pytest.raises(TypeError, match=rf"Profile\.from_json: expected JSON text, bytes or str, {told}"):
        resources.Profile.from_json(given)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "Expecting value"), ("{", "Expecting property name"), ("[]", "got list"), ("null", "got NoneType")],
)
def test_text_that_is_no_object_is_not_blamed_on_klaviyo(text: str, reason: str) -> None:
    for given in (text, text.encode()):
        with pytest.raises(
            DecodeError, match=rf"^Profile\.from_json: the text is not the JSON of an object .*{reason}"
        ) as caught:
            resources.Profile.from_json(given)
        assert caught.value.status is None
        assert caught.value.body == text.encode()
        assert "Klaviyo" not in str(caught.value)
