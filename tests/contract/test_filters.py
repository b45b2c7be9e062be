"""docs/contract.md, section 3: filter, sort, fields."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import pickle
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from klaviyo_async import F, Fields, Filter, Klaviyo, KlaviyoError, QueryError, RequestOptions, filters, operations

if TYPE_CHECKING:
    from klaviyo_async.testing import FakeKlaviyo
    from tests.support.servers import WebServer

UTC = dt.UTC
SINCE = dt.datetime(2026, 1, 1, tzinfo=UTC)
WEST = dt.timezone(dt.timedelta(hours=-4))


def test_the_example() -> None:
    expression = F("email").any(["a@x.com", "b@x.com"]) & (F("created") > SINCE)
    assert str(expression) == 'and(any(email,["a@x.com","b@x.com"]),greater-than(created,2026-01-01T00:00:00+00:00))'
    assert isinstance(expression, Filter)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (F("a") == "x", 'equals(a,"x")'),
        (F("a") > 1, "greater-than(a,1)"),
        (F("a") >= 1, "greater-or-equal(a,1)"),
        (F("a") < 1, "less-than(a,1)"),
        (F("a") <= 1, "less-or-equal(a,1)"),
        (F("a").equals("x"), 'equals(a,"x")'),
        (F("a").greater_than(1), "greater-than(a,1)"),
        (F("a").greater_or_equal(1), "greater-or-equal(a,1)"),
        (F("a").less_than(1), "less-than(a,1)"),
        (F("a").less_or_equal(1), "less-or-equal(a,1)"),
        (F("a").any(["x", "y"]), 'any(a,["x","y"])'),
        (F("a").contains("x"), 'contains(a,"x")'),
        (F("a").contains_any(["x"]), 'contains-any(a,["x"])'),
        (F("a").contains_all(["x"]), 'contains-all(a,["x"])'),
        (F("a").starts_with("x"), 'starts-with(a,"x")'),
        (F("a").ends_with("x"), 'ends-with(a,"x")'),
        (F("a").has(), "has(a)"),
        (F.messages.channel == "email", 'equals(messages.channel,"email")'),
        (F("messages.channel") == "email", 'equals(messages.channel,"email")'),
        (F("messages").channel == "email", 'equals(messages.channel,"email")'),
        (
            F.subscriptions.email.marketing.suppression.reason == "x",
            'equals(subscriptions.email.marketing.suppression.reason,"x")',
        ),
        (F("_kx") == "x", 'equals(_kx,"x")'),
        (F("a") == 'say "hi"\\', r'equals(a,"say \"hi\"\\")'),
        (F("a") == "Placed  Order ", 'equals(a,"Placed  Order ")'),
        (F("a") == "two\nlines\tand é 🎉 'x', (y)", "equals(a,\"two\nlines\tand é 🎉 'x', (y)\")"),
        (F("a") == "", 'equals(a,"")'),
        (F("a") == dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=WEST), "equals(a,2026-01-02T03:04:05-04:00)"),
        (F("a") == dt.datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC), "equals(a,2026-01-02T03:04:05.678000+00:00)"),
        (F("a") == dt.date(2026, 1, 2), "equals(a,2026-01-02)"),
        (F("a") == True, "equals(a,true)"),  # noqa: E712
        (F("a") == False, "equals(a,false)"),  # noqa: E712
        (F("a") == None, "equals(a,null)"),  # noqa: E711
        (F("a") == 1.5, "equals(a,1.5)"),
        (F("a") == -3, "equals(a,-3)"),
        (F("a") == 10**20, "equals(a,100000000000000000000)"),
        (F("a").any([1, 2]), "any(a,[1,2])"),
        (F("a").any(("x",)), 'any(a,["x"])'),
        (F("a").any([True, None]), "any(a,[true,null])"),
    ],
)
def test_the_wire_form(expression: Any, text: str) -> None:
    assert str(expression) == text
    assert str(Filter.parse(text)) == text
    assert Filter.parse(text) == expression or str(Filter.parse(text)) == str(expression)
    assert str(pickle.loads(pickle.dumps(expression))) == text


def test_joins_are_flat() -> None:
    a, b, c, d = (F(name) == 1 for name in "abcd")
    flat = "and(equals(a,1),equals(b,1),equals(c,1),equals(d,1))"
    assert str(a & b & c & d) == str((a & b) & (c & d)) == str(a & (b & (c & d))) == flat
    assert str(Filter.parse("and(equals(a,1),and(equals(b,1),equals(c,1))),equals(d,1)")) == flat


@pytest.mark.parametrize("combine", [lambda a, b: a | b, lambda a, b: ~a, lambda a, b: ~(a & b)])
def test_neither_or_nor_not(combine: Any) -> None:
    with pytest.raises(QueryError) as caught:
        combine(F("a") == 1, F("b") == 2)
    assert "any" in str(caught.value)


def test_no_truth_value() -> None:
    expression: Any = F("a") == 1
    with pytest.raises((QueryError, TypeError)):
        bool(expression)
    with pytest.raises((QueryError, TypeError)):
        assert expression
    with pytest.raises((QueryError, TypeError)):
        _ = expression or (F("b") == 2)
    with pytest.raises((QueryError, TypeError)):
        assert not expression
    with pytest.raises((QueryError, TypeError)):
        _ = 1 < F("a") < 5  # type: ignore[operator]


@pytest.mark.parametrize(
    "value",
    [
        dt.datetime(2026, 1, 1),  # noqa: DTZ001
        math.nan,
        math.inf,
        -math.inf,
        {"a": 1},
        b"x",
        object(),
        dt.timedelta(1),
        dt.time(1),
        1j,
    ],
)
def test_values_that_can_not_be(value: Any) -> None:
    with pytest.raises(QueryError):
        _ = F("a") == value
    with pytest.raises(QueryError):
        F("a").any([value])


def test_lists_that_can_not_be() -> None:
    for value in ([], (), [[]], "abc", 5, None):
        with pytest.raises(QueryError):
            F("a").any(value)  # type: ignore[arg-type]


def test_values_that_people_have() -> None:
    """Decimals and ids of class UUID are other types: refused with a word, never sent as Python's repr."""
    for value in (decimal.Decimal("1.5"), uuid.UUID(int=1)):
        try:
            text = str(F("a") == value)
        except QueryError as error:
            assert type(value).__name__ in str(error)  # noqa: PT017 - either is good
        else:
            assert "Decimal(" not in text
            assert "UUID(" not in text


@pytest.mark.parametrize("name", ["", " ", "a,b", "a(b", 'a"', ".a", "a."])
def test_names_that_can_not_be(name: str) -> None:
    with pytest.raises(QueryError):
        str(F(name) == 1)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("equals(email,'a@x.com')", 'equals(email,"a@x.com")'),
        (' equals ( email , "a" ) ', 'equals(email,"a")'),
        ('equals(a,1),equals(b,"x")', 'and(equals(a,1),equals(b,"x"))'),
        ("equals(a,'it\\'s')", 'equals(a,"it\'s")'),
        ("equals(a,'say \"x\"')", 'equals(a,"say \\"x\\"")'),
        ("any(a,['x', \"y\"])", 'any(a,["x","y"])'),
        ("greater-than(created,2026-01-01T00:00:00Z)", None),
        ("greater-than(created,2026-01-01)", "greater-than(created,2026-01-01)"),
        ("has(profile)", "has(profile)"),
        ("equals(a,null)", "equals(a,null)"),
    ],
)
def test_parse(text: str, canonical: str | None) -> None:
    parsed = Filter.parse(text)
    if canonical is not None:
        assert str(parsed) == canonical
    assert str(Filter.parse(str(parsed))) == str(parsed)


@pytest.mark.parametrize(
    "text",
    ["", "  ", "equals", "equals(", "equals(a)", "equals(a,)", "equals(a,x@y.com)", "or(equals(a,1),equals(b,2))",
     "not(equals(a,1))", "equals(a,1", "equals(a,1))", "nonsense(a,1)", "any(a,[])", 'equals(a,"x)', "and()"],
)  # fmt: skip
def test_what_does_not_parse(text: str) -> None:
    with pytest.raises(QueryError) as caught:
        Filter.parse(text)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, KlaviyoError)


def test_sort_keys_and_fieldsets() -> None:
    assert str(F.created.asc()) == "created"
    assert str(F.created.desc()) == "-created"
    assert str(F("created").desc()) == "-created"
    assert dict(Fields(profile=["email"], push_token=["token"])) == {"profile": ["email"], "push-token": ["token"]} or {
        key: list(value) for key, value in dict(Fields(profile=["email"], push_token=["token"])).items()
    } == {"profile": ["email"], "push-token": ["token"]}


async def test_all_of_it_on_the_wire(server: WebServer, client: Klaviyo) -> None:
    query = {
        "filter": 'and(equals(email,"a+b@x.com"),greater-than(created,2026-01-01T00:00:00+00:00))',
        "sort": "-created",
        "fields[profile]": "email,created",
        "fields[push-token]": "token",
        "page[size]": "50",
    }
    expression = (F("email") == "a+b@x.com") & (F.created > SINCE)
    common = {"page_size": 50}
    for filter_, sort, fields in (
        (expression, F.created.desc(), Fields(profile=["email", "created"], push_token=["token"])),
        (str(expression), "-created", {"profile": ["email", "created"], "push-token": ["token"]}),
        (expression, "-created", {"profile": ("email", "created"), "push_token": ["token"]}),
    ):
        await client.profiles.get_profiles(filter=filter_, sort=sort, fields=fields, **common)  # type: ignore[arg-type]
        assert dict(server.requests[-1].query) == query
        assert "%2B" in server.requests[-1].raw_query.upper()
        assert "+" not in server.requests[-1].raw_query


def test_typed_filters_have_just_what_the_operation_takes() -> None:
    g = filters.GetProfiles
    assert str(g.email == "a@x.com") == 'equals(email,"a@x.com")'
    assert str(g.email.any(["a@x.com"])) == 'any(email,["a@x.com"])'
    assert str((g.email == "a") & (g.created > SINCE)) == str((F.email == "a") & (F.created > SINCE))
    with pytest.raises((QueryError, AttributeError)) as caught:
        g.email.contains("x")  # type: ignore[attr-defined]
    assert "contains" in str(caught.value)
    with pytest.raises((QueryError, AttributeError)):
        _ = g.nonsense  # type: ignore[attr-defined]
    with pytest.raises((QueryError, TypeError, AttributeError)):
        _ = g.created > 5  # type: ignore[operator]
    with pytest.raises((QueryError, TypeError, AttributeError)):
        _ = g.created >= SINCE  # type: ignore[operator]
    assert str(filters.GetCampaigns.messages.channel == "email") == 'equals(messages.channel,"email")'


def test_one_class_for_each_filterable_operation() -> None:
    for name, operation in operations.items():
        pascal = "".join(part.capitalize() for part in name.split("_"))
        if operation.filters:
            known = getattr(filters, pascal)
            for field in operation.filters:
                where = known
                for part in field.split("."):
                    where = getattr(where, part)
        else:
            assert not hasattr(filters, pascal), name


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"filter": F("emial") == "x"}, ["emial", "email"]),
        ({"filter": F("email").contains("x")}, ["email", "contains", "equals"]),
        ({"filter": F("created") > "yesterday"}, ["created"]),
        ({"filter": F("email") == 5}, ["email"]),
        ({"filter": "contains(email,'x')"}, ["email", "contains"]),
        ({"filter": "equals(email,a@x.com)"}, ["quote"]),
        ({"filter": "greater-than(created,'2026-01-01T00:00:00Z')"}, ["created"]),
        ({"filter": 5}, ["filter"]),
        ({"sort": "crated"}, ["crated", "created"]),
        ({"sort": F.crated.desc()}, ["crated", "created"]),
        ({"fields": {"profil": ["email"]}}, ["profil", "profile"]),
        ({"fields": {"profile": ["emial"]}}, ["emial", "email"]),
        ({"fields": ["email"]}, ["fields"]),
        ({"include": ["push-token"]}, ["push-token", "push-tokens"]),
        ({"additional_fields": {"profile": ["predictive"]}}, ["predictive", "predictive_analytics"]),
        ({"page_size": 101}, ["101", "100"]),
        ({"page_size": 0}, ["page_size"]),
        ({"page_size": True}, ["page_size"]),
        ({"page_size": "20"}, ["page_size"]),
    ],
)
async def test_checks_before_anything_is_sent(
    server: WebServer, client: Klaviyo, facts: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(QueryError) as caught:
        await client.profiles.get_profiles(**facts)
    text = str(caught.value)
    assert "get_profiles" in text
    for word in words:
        assert word in text, text
    assert not server.requests
    assert isinstance(caught.value, ValueError)


async def test_required_parameters(server: WebServer, client: Klaviyo) -> None:
    with pytest.raises((QueryError, TypeError), match="filter"):
        await client.campaigns.get_campaigns()  # type: ignore[call-arg]
    with pytest.raises(QueryError, match=r"messages\.channel"):
        await client.campaigns.get_campaigns(filter=F("name").contains("x"))
    with pytest.raises((QueryError, TypeError), match="filter"):
        await client.coupons.get_coupon_codes()  # type: ignore[call-arg]
    assert not server.requests
    await client.campaigns.get_campaigns(filter=F.messages.channel == "email")
    await client.coupons.get_coupon_codes(filter=F("coupon.id") == "10OFF")
    assert server.requests[-1].query["filter"] == 'equals(coupon.id,"10OFF")'


async def test_all_problems_at_once(server: WebServer, client: Klaviyo) -> None:
    with pytest.raises(QueryError) as caught:
        await client.profiles.get_profiles(filter=F("emial") == "x", sort="crated", page_size=500)  # type: ignore[arg-type]
    assert all(word in str(caught.value) for word in ("emial", "crated", "500"))


async def test_validate_false_lets_through(server: WebServer, client: Klaviyo) -> None:
    facts: dict[str, Any] = {
        "filter": F("brand_new").contains("x"),
        "sort": "-brand_new",
        "fields": {"brand-new": ["thing"]},
        "include": ["brand-news"],
        "page_size": 500,
    }
    await client.profiles.get_profiles(**facts, options=RequestOptions(validate=False))
    async with Klaviyo("pk_1", base_url=server.url, validate=False) as lax:
        await lax.profiles.get_profiles(**facts)
    for request in server.requests:
        assert dict(request.query) == {
            "filter": 'contains(brand_new,"x")',
            "sort": "-brand_new",
            "fields[brand-new]": "thing",
            "include": "brand-news",
            "page[size]": "500",
        }
    assert len(server.requests) == 2


async def test_none_is_not_given(server: WebServer, client: Klaviyo) -> None:
    await client.profiles.get_profiles(filter=None, sort=None, fields=None, page_size=None, page_cursor=None)
    assert not server.requests[0].raw_query


async def test_filters_of_the_metric_aggregates_are_a_list_in_the_body(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    fake.seed(profiles=2, events=10)
    metric = (await klaviyo.metrics.get_metrics().collect())[0]
    until = dt.datetime.now(UTC)
    aggregates = await klaviyo.metrics.query_metric_aggregates(
        metric_id=metric.id,
        measurements=["count"],
        filter=[F("datetime") >= until - dt.timedelta(days=30), F("datetime") < until],
        interval="day",
    )
    assert aggregates.data.attributes.data
    sent = fake.calls("query_metric_aggregates")[0].body["data"]["attributes"]["filter"]
    assert sent[0].startswith("greater-or-equal(datetime,2026") or sent[0].startswith("greater-or-equal(datetime,")
    assert len(sent) == 2
