"""Every operation of the revision on the wire: what its document allows arrives, decoded, as it was given."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

import jsonschema_rs
import pytest

from klaviyo_async.errors import QueryError
from klaviyo_async.filter import F, Filter
from klaviyo_async.operation_table import operations
from klaviyo_async.query import prepare

if TYPE_CHECKING:
    from collections.abc import Callable

ODD_ID = "$custom:::$default:::A/B 1?x=ü#%2F"
ODD_TEXT = 'it\'s "so" \\ a+b&c=d, é ☃ \t/?#[]%'
FILTER = "greater-or-equal(datetime,2026-01-01T00:00:00)"
CURSOR = "WzE3ODg1MjkxMzQsICI3cVdr=&+/"


def condition(name: str, operator: str, value: dict[str, Any], *, many: bool) -> Filter:
    """A condition with this operator, on a value that the document allows."""
    if not value:
        return F(name).has()
    one: Any = {"string": ODD_TEXT, "integer": 7, "number": 2.5, "boolean": True}[value["type"]]
    if value.get("format") == "date-time":
        one = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)
    one = value.get("enum", [one])[0]
    return getattr(F(name), operator.replace("-", "_"))([one, one] if many else one)


def every_condition(filters: dict[str, Any]) -> list[Filter]:
    return [
        condition(name, operator, facts.get("value", {}), many=arity == "list")
        for name, facts in filters.items()
        for arity, operators in facts["operators"].items()
        for operator in operators
    ]


def joined(conditions: list[Filter]) -> Filter:
    found, *rest = conditions
    for each in rest:
        found = found & each
    return found


def arguments(spec: Any) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
    """All that an operation takes: Python arguments, and the query and headers they should become."""
    params: dict[str, Any] = {}
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    filters = spec.raw.get("x-klaviyo-filters", {})
    for each in spec.parameters("query"):
        wire, schema = each["name"], each["schema"]
        if wire.startswith(("fields[", "additional-fields[")):
            family, kind = wire[:-1].split("[")
            names = schema["items"]["enum"]
            params.setdefault(family.replace("-", "_"), {})[kind] = names
            query[wire] = ",".join(names)
        elif wire == "include":
            params[wire] = names = schema["items"]["enum"]
            query[wire] = ",".join(names)
        elif wire == "sort":
            params[wire] = query[wire] = schema["enum"][-1]
        elif wire == "filter":
            params[wire] = expression = joined(every_condition(filters))
            query[wire] = str(expression)
        elif wire == "page[size]":
            params["page_size"] = size = schema.get("maximum", 33)
            query[wire] = str(size)
        elif wire in ("page[cursor]", "page_cursor"):
            params["page_cursor"] = query[wire] = CURSOR
        elif "enum" in schema:
            params[wire] = query[wire] = schema["enum"][-1]
        else:
            params[wire] = query[wire] = ODD_TEXT
    for each in spec.parameters("header"):
        expression = (F.lat == 40.7) & (F.lng == -74.006)
        params["filter"], headers[each["name"]] = expression, "and(equals(lat,40.7),equals(lng,-74.006))"
    return params, query, headers


def test_the_table_has_every_operation(spec: Any) -> None:
    operation = operations[spec.name]
    assert (operation.method, operation.path) == (spec.method, spec.path)


async def test_everything_that_is_allowed_arrives(spec: Any, send: Callable[..., Any]) -> None:
    operation = operations[spec.name]
    params, query, headers = arguments(spec)
    path = [ODD_ID for _ in spec.parameters("path")]
    prepared = prepare(operation, path, params, **({"body": b"{}"} if spec.body else {}))
    seen = await send(prepared)
    assert seen.method == spec.method
    raw_path, _, raw_query = seen.target.partition("?")
    assert raw_path.count("/") == spec.path.count("/")
    template = spec.path.split("/")
    for part, wanted in zip(raw_path.split("/"), template, strict=True):
        assert unquote(part) == (ODD_ID if wanted.startswith("{") else wanted)
    assert dict(parse_qsl(raw_query, strict_parsing=bool(raw_query), keep_blank_values=True)) == query
    # Strict: a server that takes no form encoding reads the same.
    assert "+" not in raw_query
    assert {pair.split("=")[0]: unquote(pair.split("=")[1]) for pair in raw_query.split("&") if pair} == {
        name.replace("[", "%5B").replace("]", "%5D"): value for name, value in query.items()
    }
    for name, value in headers.items():
        assert seen.headers[name] == value
    if not headers:
        assert prepared.headers == {}


async def test_nothing_is_sent_that_was_not_given(spec: Any) -> None:
    operation = operations[spec.name]
    required = {each["name"] for each in spec.parameters("query") if each.get("required")}
    params, query, _ = arguments(spec)
    given = {name: value if name in required else None for name, value in params.items()}
    path = ["id1" for _ in spec.parameters("path")]
    prepared = prepare(operation, path, given, **({"body": b"{}"} if spec.body else {}))
    target, _, raw_query = prepared.target.partition("?")
    assert dict(parse_qsl(raw_query)) == {name: query[name] for name in required}
    assert target == spec.path.replace("{id}", "id1").replace("{job_id}", "id1")
    assert prepared.triggered == ()


async def test_every_documented_condition_is_taken_alone_and_as_text(spec: Any) -> None:
    filters = spec.raw.get("x-klaviyo-filters", {})
    name = next((each["name"] for each in spec.parameters("query") if each["name"] == "filter"), None)
    if not filters or name is None:
        return
    operation = operations[spec.name]
    path = ["x" for _ in spec.parameters("path")]
    others = {
        each["name"]: "x" for each in spec.parameters("query") if each.get("required") and each["name"] != "filter"
    }
    others = {
        key: value for key, value in others.items() if key in ("company_id", "statistics", "timeframe", "group_by")
    }
    others |= {
        each["name"]: each["schema"]["enum"][0]
        for each in spec.parameters("query")
        if each["name"] in others and "enum" in each["schema"]
    }
    needed = {"get_campaigns": [F("messages.channel") == "email"], "get_coupon_codes": [F("coupon.id") == "x"]}
    for expression in every_condition(filters):
        whole = joined([expression, *needed.get(spec.name, [])])
        as_object = prepare(operation, path, {**others, "filter": whole})
        as_text = prepare(operation, path, {**others, "filter": str(whole)})
        assert as_object.target == as_text.target


def test_everything_else_is_refused(spec: Any) -> None:
    operation = operations[spec.name]
    params, _, _ = arguments(spec)
    path = ["x" for _ in spec.parameters("path")]
    extra = {"body": b"{}"} if spec.body else {}
    wrong: dict[str, Any] = {}
    for name in params:
        wrong[name] = {
            "filter": F("no_such_field") == 1,
            "sort": "no_such_key",
            "include": ["no_such_thing"],
            "fields": {"no-such-type": ["x"], **{kind: ["no_such_field"] for kind in operation.fields}},
            "additional_fields": {kind: ["no_such_field"] for kind in operation.additional_fields},
            "page_size": 100_000,
            "page_cursor": "https://elsewhere.test/api/x?page%5Bcursor%5D=1",
        }.get(name)
    wrong = {name: value for name, value in wrong.items() if value is not None}
    if spec.name == "get_client_geofences":
        wrong.pop("filter")  # the document doesn't say which fields its filter has
    if not wrong:
        return
    with pytest.raises(QueryError) as caught:
        prepare(operation, path, {**params, **wrong}, origin="https://a.klaviyo.com", **extra)
    assert caught.value.operation == spec.name
    message = str(caught.value)
    for name in wrong:
        assert any(problem.startswith(name) for problem in caught.value.problems), (name, message)
    wrong.pop("page_cursor", None)
    prepare(operation, path, {**params, **wrong}, validate=False, **extra)


# --- bodies ---


def sample(schema: dict[str, Any], resolve: Callable[[str], dict[str, Any]], *, whole: bool, depth: int = 0) -> Any:
    """A value that the schema allows, with all of its properties or just the required ones."""
    if "$ref" in schema:
        return sample(resolve(schema["$ref"]), resolve, whole=whole, depth=depth)
    for key in ("oneOf", "anyOf", "allOf"):
        if key in schema:
            return sample(schema[key][0], resolve, whole=whole, depth=depth)
    if "enum" in schema:
        return schema["enum"][-1]
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        properties = schema.get("properties")
        if properties is None:
            return {"Some Key": [1, None, "ü"], "$value": 2.5} if whole else {}
        required = schema.get("required", ())
        # The documents don't require the `data` of a relationship; there is none without it.
        made = {
            name: sample(each, resolve, whole=whole, depth=depth + 1)
            for name, each in properties.items()
            if name in required or (whole and depth < 12) or properties.keys() == {"data"}
        }
        if "filter" in made:
            made["filter"] = FILTER if isinstance(made["filter"], str) else [FILTER]
        return made
    if kind == "array":
        return [sample(schema["items"], resolve, whole=whole and depth < 14, depth=depth + 1)]
    if kind == "string":
        if schema.get("pattern") == "^https://":
            return "https://example.com/"
        return {"date-time": "2026-01-01T00:00:00+00:00", "date": "2026-01-01"}.get(schema.get("format"), "Some Text")
    return {"integer": 3, "number": 2.5, "boolean": False}.get(kind)


def python_name(wire: str) -> str:
    name = wire.replace("-", "_")
    return name + "_" if name == "body" else name


def flat(resource: dict[str, Any]) -> dict[str, Any]:
    """What a user would write for a resource object: the contract's rules, told once more."""
    made = {name: value for name, value in resource.items() if name in ("id", "meta")}
    for wire, value in resource.get("attributes", {}).items():
        if isinstance(value, dict) and value.keys() == {"data"}:
            data = value["data"]
            value = [flat(each) for each in data] if isinstance(data, list) else flat(data)
        made[python_name(wire)] = value
    for wire, value in resource.get("relationships", {}).items():
        data = value["data"]
        made[python_name(wire)] = [each["id"] for each in data] if isinstance(data, list) else data["id"]
    return made


@pytest.mark.parametrize("whole", [True, False], ids=["maximal", "minimal"])
async def test_keywords_make_the_body_that_the_document_wants(
    writing: Any, whole: bool, send: Callable[..., Any]
) -> None:
    operation = operations[writing.name]
    wanted = sample(writing.body, writing.resolve, whole=whole)
    data = wanted["data"]
    ends_with_id = writing.path.endswith("}")
    path = [ODD_ID for _ in writing.parameters("path")]
    if ends_with_id:
        data["id"] = ODD_ID
    required = {name: "x" for name in ("company_id",) if any(p["name"] == name for p in writing.parameters("query"))}
    if "/relationships/" in writing.path:
        ids = [each["id"] for each in data] if isinstance(data, list) else data["id"]
        prepared = prepare(operation, path, required, body=ids)
        if isinstance(data, list):
            as_mappings = prepare(operation, path, required, body=[{"id": each["id"]} for each in data])
            assert as_mappings.payload == prepared.payload
    else:
        keywords = flat(data)
        if ends_with_id:
            del keywords["id"]
        prepared = prepare(operation, path, required, write=keywords)
    seen = await send(prepared)
    assert seen.headers["Content-Type"] == "application/vnd.api+json"
    assert int(seen.headers["Content-Length"]) == len(seen.body)
    got = json.loads(seen.body)
    # Optional relationships without anything in them are left out rather than sent empty.
    if isinstance(data, dict) and data.get("relationships") == {}:
        del data["relationships"]
    assert got == wanted
    # The plain JSON:API mapping does the same.
    as_mapping = prepare(operation, path, required, body=wanted).payload
    assert as_mapping is not None
    assert json.loads(as_mapping.content) == wanted
    with pytest.raises(TypeError):
        prepare(operation, path, required, body=wanted, write={"surely_no_keyword": 1})


def test_bodies_from_keywords_satisfy_the_schema(writing: Any) -> None:
    operation = operations[writing.name]
    wanted = sample(writing.body, writing.resolve, whole=False)
    if "/relationships/" in writing.path:
        return
    path = ["x" for _ in writing.parameters("path")]
    keywords = flat(wanted["data"])
    if writing.path.endswith("}"):
        del keywords["id"]
        identity = writing.resolve(writing.body["$ref"])
        path = [sample_id(identity, writing.resolve)]
    required = {name: "x" for name in ("company_id",) if any(p["name"] == name for p in writing.parameters("query"))}
    prepared = prepare(operation, path, required, write=keywords)
    assert prepared.payload is not None
    document = {"$ref": writing.body["$ref"], "components": {"schemas": _schemas(writing)}}
    validator = jsonschema_rs.Draft4Validator(document)
    assert not list(validator.iter_errors(json.loads(prepared.payload.content)))


def sample_id(schema: dict[str, Any], resolve: Callable[[str], dict[str, Any]]) -> str:
    return sample(schema, resolve, whole=False)["data"]["id"]


def _schemas(writing: Any) -> dict[str, Any]:
    return writing.resolve("#/components/schemas")


def test_a_missing_required_keyword_is_named(writing: Any) -> None:
    operation = operations[writing.name]
    if "/relationships/" in writing.path:
        with pytest.raises(TypeError, match="needs a body"):
            prepare(operation, ["x"])
        return
    keywords = flat(sample(writing.body, writing.resolve, whole=False)["data"])
    path = ["x" for _ in writing.parameters("path")]
    if writing.path.endswith("}"):
        del keywords["id"]
    for name in keywords:
        with pytest.raises(TypeError, match=rf"'{name}'"):
            prepare(operation, path, write={key: value for key, value in keywords.items() if key != name} or {})
    with pytest.raises(TypeError, match="surely_no"):
        prepare(operation, path, write={**keywords, "surely_no_keyword": 1})
