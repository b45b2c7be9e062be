"""The filter evaluator against an oracle that knows nothing of indexes, aliases or pages."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klaviyo_async import operations
from klaviyo_async.errors import QueryError
from klaviyo_async.filter import F, Filter
from klaviyo_async.filter._checks import check_filter
from klaviyo_async.testing import FakeKlaviyo
from klaviyo_async.testing.checks import Query
from klaviyo_async.testing.listing import page_of_type

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
TEXTS = ["", "a", "A", "ab", "Ab c", "b", 'q"uo\\te', "é", "a,b)", "2026-01-01"]
times = st.integers(-5, 5).map(lambda hours: EPOCH + timedelta(hours=hours))
records = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(TEXTS) | st.none(),
        "size": st.integers(-3, 3) | st.floats(-3, 3, allow_nan=False) | st.none(),
        "hidden": st.booleans() | st.none(),
        "at": times | st.none(),
        "place": st.fixed_dictionaries({}, optional={"city": st.sampled_from(TEXTS) | st.none()}) | st.none(),
    },
)
COMPARISONS = ("greater-than", "greater-or-equal", "less-than", "less-or-equal")


@st.composite
def conditions(draw):
    """A condition, and a plain function that says what it means."""
    field = draw(st.sampled_from(["name", "place.city", "size", "hidden", "at"]))
    values = {
        "name": st.sampled_from(TEXTS),
        "place.city": st.sampled_from(TEXTS),
        "size": st.integers(-3, 3),
        "hidden": st.booleans(),
        "at": times,
    }[field]

    def look(record):
        value = record
        for name in field.split("."):
            value = (value or {}).get(name)
        return value

    operators = {"equals", "any", "has", "null"}
    if field in {"size", "at"}:
        operators |= set(COMPARISONS)
    if field in {"name", "place.city"}:
        operators |= {"contains", "starts-with", "ends-with"}
    operator = draw(st.sampled_from(sorted(operators)))
    if operator == "has":
        return F(field).has(), lambda record: look(record) is not None
    if operator == "null":
        return F(field).equals(None), lambda record: look(record) is None
    if operator == "any":
        wanted = draw(st.lists(values, min_size=1, max_size=3))
        return (
            F(field).any(wanted),
            lambda record: (
                look(record) is not None
                and any(
                    look(record) == one and isinstance(look(record), bool) == isinstance(one, bool) for one in wanted
                )
            ),
        )
    wanted = draw(values)
    tests = {
        "equals": lambda value: value == wanted and isinstance(value, bool) == isinstance(wanted, bool),
        "greater-than": lambda value: value > wanted,
        "greater-or-equal": lambda value: value >= wanted,
        "less-than": lambda value: value < wanted,
        "less-or-equal": lambda value: value <= wanted,
        "contains": lambda value: wanted.lower() in value.lower(),
        "starts-with": lambda value: value.startswith(wanted),
        "ends-with": lambda value: value.endswith(wanted),
    }
    expression = getattr(F(field), operator.replace("-", "_"))(wanted)
    return expression, lambda record: look(record) is not None and tests[operator](look(record))


@settings(max_examples=300)
@given(
    st.lists(records, max_size=8),
    st.lists(conditions(), min_size=1, max_size=3),
    st.sampled_from([None, "name", "-at", "size"]),
)
def test_the_evaluator_agrees_with_the_oracle(given_records, given_conditions, sort):
    store = FakeKlaviyo(limits=False).store
    ids = {}
    for record in given_records:
        kept = {key: value.isoformat() if isinstance(value, datetime) else value for key, value in record.items()}
        ids[store.add("thing", kept)["id"]] = record
    expression = given_conditions[0][0]
    for one, _ in given_conditions[1:]:
        expression &= one
    parsed = Filter.parse(str(expression)).conditions
    page = page_of_type(store, "thing", Query(conditions=parsed, size=100, sort=sort))
    expected = {one for one, record in ids.items() if all(test(record) for _, test in given_conditions)}
    assert {record.id for record in page.records} == expected
    assert len(page.records) == len(expected)
    if sort is not None:
        field = sort.removeprefix("-")
        values = [ids[record.id].get(field) for record in page.records]
        shown = [value for value in values if value is not None]
        assert shown == sorted(shown, reverse=sort.startswith("-"))


SUPPRESSION = "subscriptions.email.marketing.list_suppressions"


async def test_conditions_on_suppressions_hold_together(send, fake):
    def entry(list_id, reason):
        return {"list_id": list_id, "reason": reason, "timestamp": "2026-01-01T00:00:00+00:00"}

    both = [entry("A", "UNSUBSCRIBED"), entry("B", "SPAM_COMPLAINT")]
    fake.store.add("profile", {"email": "a@x.com", "subscriptions": {"email": {"list_suppressions": both}}})

    async def found(list_id, reason):
        text = f'equals({SUPPRESSION}.list_id,"{list_id}"),equals({SUPPRESSION}.reason,"{reason}")'
        return len((await send("GET", f"/api/profiles?filter={text}")).data)

    assert await found("A", "UNSUBSCRIBED") == 1
    assert await found("B", "SPAM_COMPLAINT") == 1
    assert await found("A", "SPAM_COMPLAINT") == 0


@pytest.mark.parametrize(
    "text",
    [
        f'equals({SUPPRESSION}.reason,"UNSUBSCRIBED")',
        f'equals({SUPPRESSION}.list_id,"A"),equals(subscriptions.email.marketing.suppression.reason,"UNSUBSCRIBED")',
    ],
)
async def test_the_rules_of_suppression_filters(send, text):
    answer = await send("GET", f"/api/profiles?filter={text}")
    assert answer.status == 400
    assert answer.error["source"] == {"parameter": "filter"}


async def test_related_fields_are_looked_up(send, fake):
    add = fake.store.add
    item = add("catalog-item", {"external_id": "A"}, id="$custom:::$default:::A")["id"]
    other = add("catalog-item", {"external_id": "B"}, id="$custom:::$default:::B")["id"]
    category = add(
        "catalog-category", {"external_id": "C"}, id="$custom:::$default:::C", relationships={"items": [item]}
    )["id"]
    variant = add("catalog-variant", {"external_id": "V", "sku": "V"}, relationships={"item": item})["id"]
    campaign = add("campaign", {"name": "Mail"})["id"]
    add("campaign-message", {"definition": {"channel": "email"}}, relationships={"campaign": campaign})
    add("campaign", {"name": "Text"})
    profile = add("profile", {"email": "a@x.com"})["id"]
    add("push-token", {"token": "T"}, relationships={"profile": profile})
    group = add(
        "list", {"name": "L"}, relationships={"profiles": [profile, add("profile", {"email": "b@x.com"})["id"]]}
    )
    for path, expected in (
        (f'/api/catalog-items?filter=equals(category.id,"{category}")', [item]),
        (f'/api/catalog-items?filter=any(ids,["{other}","nothing"])', [other]),
        (f'/api/catalog-categories?filter=equals(item.id,"{item}")', [category]),
        (f'/api/catalog-variants?filter=equals(item.id,"{item}"),equals(sku,"V")', [variant]),
        ('/api/campaigns?filter=equals(messages.channel,"email")', [campaign]),
        ('/api/campaigns?filter=equals(messages.channel,"sms")', []),
        (f'/api/push-tokens?filter=equals(profile.id,"{profile}")', [next(fake.store.all("push-token"))["id"]]),
        (f'/api/lists/{group["id"]}/profiles?filter=equals(push_token,["T"])', [profile]),
    ):
        answer = await send("GET", path)
        assert [one["id"] for one in answer.data] == expected, path


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ('equals(name,"x")', "'equals' is not an allowed filter operator for name.  Allowed operators are contains"),
        ('contains(nothing,"x")', "'nothing' is not a filterable field"),
        ('equals(archived,"x")', "must be a boolean"),
        ('greater-than(created_at,"2024-01-01T00:00:00Z")', "Times are not quoted"),
        ('contains(name,["x"])', "takes one value, not a list"),
        ('any(id,"x")', "takes a list"),
        ("equals(", "Invalid filter provided"),
    ],
)
async def test_what_a_filter_gets_wrong_is_said(send, text, fragment):
    answer = await send("GET", f"/api/campaigns?filter=equals(messages.channel,'email'),{text}")
    assert answer.status == 400
    assert fragment in answer.error["detail"]


async def test_the_filter_that_an_operation_needs(send):
    for path in ("/api/campaigns", "/api/campaigns?filter=contains(name,'x')", "/api/coupon-codes"):
        assert (await send("GET", path)).error["source"] == {"parameter": "filter"}
    assert (await send("GET", "/api/coupon-codes?filter=equals(profile.id,'x')")).status == 200


def shared_filters():
    source = Path(__file__).resolve().parents[2] / ".." / "shared" / "fixtures" / "filters.tsv"
    if not source.exists():
        return []
    rows = [line.split("\t") for line in source.read_text().splitlines()[1:] if "\t" in line]
    # on lists, which need no more than the filter
    return [
        (name, json.loads(text))
        for name, text in rows
        if (one := operations.get(name)) and one.filters and one.method == "GET" and not one.path_parameters
    ]


@pytest.mark.parametrize(("name", "text"), shared_filters())
async def test_filters_in_the_wild_are_answered_one_way_or_the_other(send, name, text):
    operation = operations[name]
    answer = await send("GET", f"{operation.path}?filter={quote(text, safe='')}")
    # the client's own checks, written apart from the fake's, come to the same end
    try:
        legal = not check_filter(operation, Filter.parse(text).conditions)
    except QueryError:
        legal = False
    assert answer.status == (200 if legal else 400), answer.json
