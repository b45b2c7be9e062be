"""The filter grammar: what expressions look like on the wire, what is read back, and what is refused."""

# Conditions that readers would write the other way round are what is tested here.
# ruff: noqa: SIM300, PLW0177, SIM201

from __future__ import annotations

import copy
import enum
import json
import pickle
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klaviyo_async._request.prepare import prepare
from klaviyo_async.errors import KlaviyoError, QueryError
from klaviyo_async.filter import F, Fields, Filter, _parser
from klaviyo_async.filter._grammar import OPERATORS
from klaviyo_async.filters import GetProfiles
from klaviyo_async.operation_table import operations

if TYPE_CHECKING:
    from collections.abc import Callable

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared"
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
UNTYPED: Any = F
"""For what type checkers refuse already, and what is refused when it runs all the same."""


class Tier(enum.StrEnum):
    GOLD = "gold"


@pytest.mark.parametrize(
    ("expression", "wire"),
    [
        (F("email") == "a@x.com", 'equals(email,"a@x.com")'),
        (F.profile.id == "01", 'equals(profile.id,"01")'),
        (F("_kx").equals("k"), 'equals(_kx,"k")'),
        (F._kx.equals("k"), 'equals(_kx,"k")'),
        (F.created > SINCE, "greater-than(created,2026-01-01T00:00:00+00:00)"),
        (F.created >= date(2026, 1, 1), "greater-or-equal(created,2026-01-01)"),
        (F.value < 25, "less-than(value,25)"),
        (F.value <= 9.5, "less-or-equal(value,9.5)"),
        (F.value >= Decimal("1.50"), "greater-or-equal(value,1.50)"),
        (F.value > 1e22, "greater-than(value,10000000000000000000000)"),
        (F.value > 1e-7, "greater-than(value,0.0000001)"),
        (SINCE < F.created, "greater-than(created,2026-01-01T00:00:00+00:00)"),
        (F.archived == False, "equals(archived,false)"),  # noqa: E712
        (F.archived.equals(True), "equals(archived,true)"),
        (F.title == None, "equals(title,null)"),  # noqa: E711
        (F.email.any(["a", "b"]), 'any(email,["a","b"])'),
        (F.email.any(x for x in ("a", "b")), 'any(email,["a","b"])'),
        (F.size.any((1, 2.5)), "any(size,[1,2.5])"),
        (F.email.equals(["a"]), 'equals(email,["a"])'),
        (F.email.contains("x"), 'contains(email,"x")'),
        (F.tags.contains_any(["x"]), 'contains-any(tags,["x"])'),
        (F.tags.contains_all(["x"]), 'contains-all(tags,["x"])'),
        (F.email.starts_with("x"), 'starts-with(email,"x")'),
        (F.email.ends_with("x"), 'ends-with(email,"x")'),
        (F.metric.has(), "has(metric)"),
        (F.name == "Placed Order", 'equals(name,"Placed Order")'),
        (F.name == 'it\'s\n"so" \\ ☃', 'equals(name,"it\'s\n\\"so\\" \\\\ ☃")'),
        (F.tier == Tier.GOLD, 'equals(tier,"gold")'),
        (F("Email Domain") == "x", 'equals(Email Domain,"x")'),
        (
            F.at > datetime(1890, 1, 1, tzinfo=timezone(timedelta(minutes=53, seconds=28))),
            "greater-than(at,1889-12-31T23:06:32+00:00)",
        ),
        (
            (F.a == 1) & ((F.b == 2) & (F.c == 3)) & F.d.has(),
            "and(equals(a,1),equals(b,2),equals(c,3),has(d))",
        ),
    ],
)
def test_expressions_have_the_documented_wire_form(expression: Filter, wire: str) -> None:
    assert str(expression) == wire
    assert Filter.parse(wire) == expression


def test_the_example_of_the_contract() -> None:
    expression = F("email").any(["a@x.com", "b@x.com"]) & (F("created") > SINCE)
    assert str(expression) == ('and(any(email,["a@x.com","b@x.com"]),greater-than(created,2026-01-01T00:00:00+00:00))')


@pytest.mark.parametrize(
    "build",
    [
        lambda: F.at > datetime(2026, 1, 1),  # noqa: DTZ001
        lambda: F.x == float("nan"),
        lambda: F.x == float("inf"),
        lambda: F.x == Decimal("NaN"),
        lambda: F.x.any([]),
        lambda: F.x.equals([]),
        lambda: F.x.any("abc"),
        lambda: UNTYPED.x.any(5),
        lambda: F.x.any({"a": 1}),
        lambda: UNTYPED.x.any([["a"]]),
        lambda: F.x == {"a": 1},
        lambda: F.x == b"bytes",
        lambda: F.x == object(),
        lambda: F.x == timedelta(1),
        lambda: UNTYPED.x == UNTYPED.y,
        lambda: F.x == (F.y == 1),
        lambda: F.x == "\ud800",
        lambda: F.x == 10**5000,
        lambda: UNTYPED.x.contains(["a"]),
        lambda: F(""),
        lambda: F("a,b"),
        lambda: F('equals(a,"b")'),
        lambda: UNTYPED(5),
        lambda: F.x != 1,
        lambda: (UNTYPED.a == 1) | (UNTYPED.b == 2),
        lambda: ~(UNTYPED.a == 1),
        lambda: ~UNTYPED.a,
        lambda: UNTYPED.a | UNTYPED.b,
        lambda: UNTYPED.a == 1 & UNTYPED.b,
        lambda: (UNTYPED.a == 1) & UNTYPED.b,
        lambda: UNTYPED.b & (UNTYPED.a == 1),
        lambda: (UNTYPED.a == 1) & 'equals(b,"2")',
        lambda: (UNTYPED.a == 1) & True,
        lambda: True & (UNTYPED.a == 1),
        lambda: 1 < F.a < 5,
        lambda: (F.a == 1) and (F.b == 2),
        lambda: (F.a == 1) or (F.b == 2),
        lambda: not (UNTYPED.a == 1),
        lambda: bool(F.a),
        lambda: "x" in UNTYPED.a,
        lambda: "x" if UNTYPED.a == 1 else "y",
    ],
)
def test_what_the_grammar_has_no_form_for_is_refused(build: object) -> None:
    with pytest.raises(QueryError) as caught:
        build()  # type: ignore[operator]
    assert isinstance(caught.value, KlaviyoError)
    assert isinstance(caught.value, ValueError)


def test_the_messages_say_what_to_do() -> None:
    with pytest.raises(QueryError, match=r"no `or`.*any\("):
        (F.a == 1) | (F.a == 2)  # type: ignore[operator]
    with pytest.raises(QueryError, match="parentheses"):
        (F.a == 1) & F.b  # type: ignore[operator]
    with pytest.raises(QueryError, match="time zone"):
        _ = F.a > datetime(2026, 1, 1)  # noqa: DTZ001
    with pytest.raises(QueryError, match="truth value"):
        bool(F.a == 1)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("equals(email,'a@x.com')", 'equals(email,"a@x.com")'),
        ("""equals(name,'it\\'s "x"')""", 'equals(name,"it\'s \\"x\\"")'),
        ("equals( a , 'x' ) , equals( b , [ 'y' , 'z' ] )", 'and(equals(a,"x"),equals(b,["y","z"]))'),
        ("and(equals(a,1))", "equals(a,1)"),
        ("and(and(equals(a,1),has(b)),equals(c,null))", "and(equals(a,1),has(b),equals(c,null))"),
        ("  less-than(x,2.50) ", "less-than(x,2.50)"),
        ("less-than(x,2026-03-04T02:58:14.000Z)", "less-than(x,2026-03-04T02:58:14.000Z)"),
        ("less-than(x,2026-03-04T02:58)", "less-than(x,2026-03-04T02:58)"),
        (r'equals(x,"a\nb")', r'equals(x,"a\\nb")'),
        ('equals(x,")")', 'equals(x,")")'),
        ("equals(x,-1e3)", "equals(x,-1e3)"),
    ],
)
def test_parse_reads_the_grammar_and_writes_it_in_one_way(text: str, canonical: str) -> None:
    assert str(Filter.parse(text)) == canonical
    assert str(Filter.parse(canonical)) == canonical


def test_parsed_values_are_python_values() -> None:
    conditions = Filter.parse(
        "equals(a,'x'),equals(b,true),equals(c,null),equals(d,1.5),less-than(e,2026-01-01T00:00:00Z),"
        "less-than(f,2026-01-01),any(g,[1,2]),has(h)"
    ).conditions
    assert [condition.value for condition in conditions] == [
        "x", True, None, 1.5, SINCE, date(2026, 1, 1), (1, 2), None,
    ]  # fmt: skip
    assert [condition.operator for condition in conditions][-2:] == ["any", "has"]


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "equals", "equals(", "equals()", "equals(a)", "equals(a,)", "equals(a,1", "equals(a,1))", "and()",
        "equals(a,1),", ",equals(a,1)", "has(a,1)", "has()", "or(equals(a,1),equals(b,2))", "not(equals(a,1))",
        "equals(email,me@test.com)", 'equals("email","x")', "equals(a,'x)", "any(a,1)", "any(a,'x','y')", "any(a,[])",
        "any(a,[1,])", "any(a,[1", "contains(a,[1])", "equal(a,1)", "Equals(a,1)", "equals(a,1) equals(b,2)",
        "equals(a,NaN)", "equals(a,1e999)", "equals(a,2026-13-01)", "equals(a,[[1]])", "equals(a b,", "equals(,1)",
        "and(" * 100 + "has(a)" + ")" * 100, "equals(a,00)", "equals(a,٣)", "equals(a," + "9" * 5000 + ")",
    ],
)  # fmt: skip
def test_what_is_no_filter_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(QueryError, match="at character"):
        Filter.parse(text)


def test_an_unknown_operator_names_the_nearest() -> None:
    with pytest.raises(QueryError, match="greater-than"):
        Filter.parse("greaterthan(a,1)")


names = st.from_regex(r"[A-Za-z_$][A-Za-z0-9_$]{0,8}(\.[a-z_]{1,6}){0,3}", fullmatch=True)
scalars = (
    st.text()
    | st.booleans()
    | st.none()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12)
    | st.dates()
    | st.datetimes(timezones=st.timezones() | st.just(UTC), min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1))  # noqa: DTZ001
)


@st.composite
def filters(draw: st.DrawFn) -> Filter:
    found: Filter | None = None
    for operator in draw(st.lists(st.sampled_from(OPERATORS), min_size=1, max_size=4)):
        method = getattr(F(draw(names)), operator.replace("-", "_"))
        if operator == "has":
            made = method()
        elif operator in ("any", "contains-any", "contains-all"):
            made = method(draw(st.lists(scalars, min_size=1, max_size=4)))
        elif operator == "equals":
            made = method(draw(scalars | st.lists(scalars, min_size=1, max_size=3)))
        else:
            made = method(draw(scalars))
        found = made if found is None else found & made
    assert found is not None
    return found


@given(filters())
def test_parse_undoes_str_for_every_value(expression: Filter) -> None:
    again = Filter.parse(str(expression))
    assert again == expression
    assert hash(again) == hash(expression)
    assert str(again) == str(expression)
    for ours, theirs in zip(expression.conditions, again.conditions, strict=True):
        if isinstance(ours.value, str | bool | None.__class__ | datetime):
            assert theirs.value == ours.value


@given(st.text())
def test_parse_never_fails_in_another_way(text: str) -> None:
    try:
        Filter.parse(text)
    except QueryError:
        return


@given(st.text(alphabet="equalsandy()[],\"\\' .1-", max_size=40))
def test_what_is_read_is_written_and_read_the_same(text: str) -> None:
    try:
        found = Filter.parse(text)
    except QueryError:
        return
    assert Filter.parse(str(found)) == found


def test_filters_in_the_wild() -> None:
    path = SHARED / "fixtures" / "filters.tsv"
    if not path.exists():
        pytest.skip("the recorded filters are not here")
    illegal = {
        'any(status,"Sent","Draft","Cancelled")',
        'equals("email","someone@example.com")',
        "equals(email,me@test.com)",
        "equals(attributed_channel,email)",
        'not(equals(field1,"value1"))',
    }
    seen = 0
    for line in path.read_text("utf-8").splitlines()[1:]:
        text = json.loads(line.split("\t")[1])
        seen += 1
        if text in illegal:
            with pytest.raises(QueryError):
                Filter.parse(text)
            continue
        found = Filter.parse(text)
        assert str(Filter.parse(str(found))) == str(found)
        assert ("'" in text) or str(found) in (text, f"and({text})")
    assert seen == 89


def test_expressions_are_values() -> None:
    expression = (F.a == "x") & (F.b > 1)
    assert expression == Filter.parse(str(expression))
    assert expression != Filter.parse("has(a)")
    assert expression != "text"
    assert {expression: 1}[Filter.parse(str(expression))] == 1
    assert pickle.loads(pickle.dumps(expression)) == expression
    assert copy.deepcopy(expression) == expression
    assert repr(expression) == f"Filter.parse({str(expression)!r})"
    assert repr(F.a.b) == "F('a.b')"
    assert str(pickle.loads(pickle.dumps(F.a.b))) == "a.b"
    assert not hasattr(F, "__wrapped__")
    with pytest.raises(TypeError):
        hash(F.a)


def test_sort_keys() -> None:
    assert F.created.asc() == "created"
    assert F("profile.created").desc() == "-profile.created"


def test_fieldsets() -> None:
    fields = Fields({"push-token": "token, id"}, profile=["email"], catalog_item=("title",))
    assert dict(fields) == {"push-token": ("token", "id"), "profile": ("email",), "catalog-item": ("title",)}
    assert fields == {"push-token": ("token", "id"), "profile": ("email",), "catalog-item": ("title",)}
    with pytest.raises(QueryError):
        Fields(profile=[1])  # type: ignore[list-item]
    with pytest.raises(QueryError):
        Fields(profile=None)  # type: ignore[arg-type]


# --- the common condition, and the parser ---

NAMES = st.sampled_from(["email", "a.b", "$x", "a-b", "a b", "", "a.", "9", "é"])
TEXTS = st.sampled_from(
    ['"x"', '""', '"a\\"b"', "'x'", '"a,b)"', '"é"', '"\ud800"', '"\\\\"', '"x', "x", '"]"', '"\n"']
)
BARE = st.sampled_from(
    [
        "1", "-1", "01", "1.5", "-0", "1e5", "1E400", "true", "null", "True", "2026-01-01", "2026-13-01", "2026-01-01T00:00:00Z",
        "2026-01-01T00:00", "2026-01-01T25:00:00Z", "2026-01-01T00:00:00.123456789+00:00", "2026-01-01T00:00:00", "9" * 5000, "x", "",
    ]
)  # fmt: skip
LISTS = st.lists(TEXTS | BARE, max_size=3).map(lambda values: f"[{','.join(values)}]")
CONDITIONS = st.builds(
    "{}({}{}{})".format,
    st.sampled_from([*OPERATORS, "or", "and", "Equals", "equal", ""]),
    NAMES,
    st.sampled_from([",", ",", ",", ", ", "", ",,"]),
    st.one_of(TEXTS, BARE, LISTS),
)
WHOLE = st.one_of(
    CONDITIONS,
    st.lists(CONDITIONS, max_size=3).map(lambda each: f"and({','.join(each)})"),
    st.lists(CONDITIONS, max_size=3).map(",".join),
    st.tuples(CONDITIONS, st.text(max_size=2)).map("".join),
    st.lists(CONDITIONS, max_size=2).map(lambda each: f"and({','.join(each)}"),
    st.lists(CONDITIONS, max_size=2).map(lambda each: f"and({','.join(each)},)"),
)


@settings(max_examples=1000)
@given(WHOLE)
def test_what_is_common_is_read_as_the_parser_reads_it(text: str) -> None:
    quick = _parser._common(text)
    if quick is not None:
        careful = _parser.Parser(text).filter()
        assert quick == careful
        assert [repr(each.value) for each in quick] == [repr(each.value) for each in careful]


@pytest.mark.parametrize(
    "text",
    [
        'equals(email,"a@x.com")',
        'and(equals(email,"a@x.com"),greater-than(created,2026-01-01T00:00:00Z))',
        'any(profile.id,["a","b"])',
        "equals(archived,false)",
    ],
)
def test_the_usual_is_common(text: str) -> None:
    assert _parser._common(text) is not None
    assert str(Filter.parse(text)) == text


# --- messages that name the way it is written here ---


@pytest.mark.parametrize(
    ("write", "match"),
    [
        (lambda: UNTYPED.email.startswith("a"), "'email' does not take startswith; did you mean 'starts_with'"),
        (lambda: UNTYPED.email.in_(["a"]), "did you mean 'any'"),
        (lambda: UNTYPED.email.isin(["a"]), "did you mean 'any'"),
        (lambda: UNTYPED.email.eq("a"), "did you mean 'equals'"),
        (lambda: UNTYPED.email.gte("a"), "did you mean 'greater_or_equal'"),
        (
            lambda: UNTYPED.profile.email.conatins("a"),
            "'profile.email' does not take conatins; did you mean 'contains'",
        ),
        (lambda: UNTYPED.email.nonsense("a"), "Allowed: equals, greater_than"),
        (lambda: UNTYPED.email.ne("a"), "no `not`"),
        (lambda: UNTYPED.value.between(1, 2), r"\(F\('value'\) >= low\) & "),
        (lambda: UNTYPED.value.is_null(True), r"write F\('value'\)\.equals\(None\)"),
        (lambda: GetProfiles.email.isnull(True), r"write F\('email'\)\.equals\(None\)"),  # type: ignore[attr-defined]
        (lambda: GetProfiles.created.is_null(True), "'created' does not take is_null. Allowed"),  # type: ignore[attr-defined]
        (lambda: GetProfiles.created.desc(nulls="last"), r"Sort keys come from F: sort=F\('created'\)\.desc\(\)"),  # type: ignore[attr-defined]
        (lambda: UNTYPED("email")("a"), "not a function"),
        (lambda: GetProfiles.email.in_(["a"]), "'email' does not take in_; did you mean 'any'"),  # type: ignore[attr-defined]
        (lambda: (F.a == 1) and (F.b == 2), "Join conditions with &"),
        (lambda: (F.a == 1) & None, r"Filter\.all"),  # type: ignore[operator]
        (lambda: GetProfiles.created > "2026-01-01T00:00:00Z", r"datetime\.fromisoformat\('2026-01-01T00:00:00Z'\)"),  # type: ignore[operator]
    ],
)
def test_what_is_written_otherwise_elsewhere(write: Callable[[], object], match: str) -> None:
    with pytest.raises(QueryError, match=match):
        write()


def test_a_quoted_time_in_a_filter_as_text() -> None:
    with pytest.raises(QueryError, match="without quotes: 2026-01-01T00:00:00Z"):
        prepare(operations["get_profiles"], (), {"filter": 'greater-than(created,"2026-01-01T00:00:00Z")'})


def test_all_joins_and_leaves_out_none() -> None:
    one, two, three = F.a == 1, F.b == 2, F.c == 3
    assert str(Filter.all([one, None, two & three])) == "and(equals(a,1),equals(b,2),equals(c,3))"
    assert Filter.all(each for each in (one,)) == one
    assert Filter.all([]) is None
    assert Filter.all([None, None]) is None
    assert prepare(operations["get_profiles"], (), {"filter": Filter.all([None])}).target == "/api/profiles"
    for wrong in (one, None, "equals(a,1)", {"a": 1}, [one, "equals(a,1)"], [F.a], [True]):
        with pytest.raises(QueryError):
            Filter.all(wrong)  # type: ignore[arg-type]


def test_long_culprits_are_quoted_shortened() -> None:
    long = "x" * 100_000
    for write in (
        lambda: prepare(operations["get_profiles"], (), {"filter": F(long) == 1, "sort": long, "include": long}),
        lambda: prepare(operations["get_profiles"], (), {"filter": f"{long}(a,1)"}),
        lambda: prepare(operations["get_profiles"], (), {"fields": {long: [long]}, "page_size": 10**4000}),
        lambda: Filter.parse(f"equals(a,{long})"),
        lambda: F("x y" * 50_000 + "!"),
        lambda: F.email.equals("\ud800" * 100_000),
        lambda: prepare(
            operations["create_event"], write={"metric": long, "profile": {long: {1: long}}, "properties": {}}
        ),
    ):
        with pytest.raises(QueryError) as caught:
            write()
        # The place of a problem is whole: bulk reports look rows up by it.
        told = sum(len(problem.message) for problem in caught.value.problems)
        assert told < 2000
        str(caught.value).encode()


@pytest.mark.parametrize(
    ("write", "match"),
    [
        (lambda: UNTYPED.email == UNTYPED.name, "compares a field with a value, not with another field"),
        (lambda: UNTYPED.email.any([UNTYPED.name]), "value 0: .*not with another field"),
        (lambda: F.email == F, "type FieldFactory"),
        (lambda: F.email == enum.Enum("Colour", {"RED": "red"}).RED, r"type Colour\. Give the member's \.value"),
        (lambda: F.id == UUID(int=1), r"type UUID\. Give str"),
        (lambda: F.value == Decimal("sNaN"), "sNaN is not a number"),
        (lambda: F.value == Decimal("1E+999999999"), "too long"),
        (lambda: F.value == Decimal("1E-999999999"), "too long"),
        (lambda: F.value == 10**5000, "too long"),
    ],
)
def test_values_that_are_nearly_right_are_told_why_not(write: Callable[[], object], match: str) -> None:
    with pytest.raises(QueryError, match=match):
        write()
