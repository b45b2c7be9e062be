"""How the endpoint functions look: names, parameters, docstrings, aliases; and what the operation table tells of them."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import klaviyo_async
from klaviyo_async import REVISION, Klaviyo, api, operations
from tests.operations.expected import NAMES, Spec, spec_of
from tests.support.synthesis import attribute_of

POSITIONAL, KEYWORD = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY


def function_of(spec: Spec) -> Any:
    return getattr(getattr(api, spec.tag), spec.name)


@pytest.mark.parametrize("name", NAMES)
def test_signature(name: str) -> None:
    spec = spec_of(name)
    parameters = list(inspect.signature(function_of(spec)).parameters.values())
    positional = [each.name for each in parameters if each.kind is POSITIONAL]
    body = ["body"] if spec.body_kind not in {None, "multipart"} else []
    assert positional == ["self", *spec.path_names, *body]
    rest = parameters[len(positional) :]
    assert all(each.kind is KEYWORD for each in rest)
    assert {each.name for each in rest} == {*spec.keyword_parameters, *spec.keyword_names, "options"}
    assert rest[-1].name == "options"
    assert rest[-1].default is None
    assert "revision" not in {each.name for each in parameters}
    for each in rest:
        needed = spec.keyword_parameters.get(each.name, {}).get("required") and each.name != "company_id"
        needed = needed or (spec.body_kind == "multipart" and each.name in spec.required_keywords)
        assert (each.default is inspect.Parameter.empty) is bool(needed), each.name
        assert each.annotation is not inspect.Parameter.empty
    assert inspect.signature(function_of(spec)).return_annotation is not inspect.Signature.empty


@pytest.mark.parametrize("name", NAMES)
def test_documentation(name: str) -> None:
    spec = spec_of(name)
    text = inspect.getdoc(function_of(spec)) or ""
    first, empty, *_ = text.splitlines()
    assert first.startswith(spec.raw["summary"])
    assert first.endswith(".")
    assert empty == ""
    assert f"`{spec.method.upper()} {spec.path}`" in text
    limits = spec.raw["x-klaviyo-ratelimit"]
    assert ", ".join(limits[key] for key in ("burst", "steady", "daily") if key in limits) in " ".join(text.split())
    assert f"https://developers.klaviyo.com/en/v{REVISION}/reference/{name}" in text
    for scope in spec.raw.get("x-klaviyo-scopes", ()):
        assert f"`{scope}`" in text
    for field in spec.raw.get("x-klaviyo-filters", {}):
        assert f"`{field}`" in text
    assert all(len(line) <= 120 for line in text.splitlines())


def test_both_ways_are_one_function() -> None:
    klaviyo = Klaviyo("pk_test")
    for name in NAMES:
        spec = spec_of(name)
        bound = getattr(getattr(klaviyo, spec.tag), name)
        assert bound.__func__ is function_of(spec)
        assert bound.__name__ == name


def test_aliases() -> None:
    """Names of the same function, unless there is a real operation of that name."""
    klaviyo = Klaviyo("pk_test")
    aliases = 0
    for name in NAMES:
        spec = spec_of(name)
        assert list(operations[name].aliases) == spec.raw.get("x-klaviyo-operation-aliases", [])
        for alias in spec.raw.get("x-klaviyo-operation-aliases", ()):
            if alias in NAMES:
                assert getattr(getattr(api, spec_of(alias).tag), alias).__name__ == alias
            else:
                aliases += 1
                assert getattr(getattr(api, spec.tag), alias) is function_of(spec), alias
                assert getattr(getattr(klaviyo, spec.tag), alias).__func__ is function_of(spec)
    assert aliases > 100


def test_aliases_are_marked_and_not_completed() -> None:
    klaviyo = Klaviyo("pk_test")
    for tag in {spec_of(name).tag for name in NAMES}:
        own = {name for name in NAMES if spec_of(name).tag == tag}
        module, namespace = getattr(api, tag), getattr(klaviyo, tag)
        assert {name for name in dir(namespace) if not name.startswith("_")} == own
        assert set(dir(module)) == own
        source = inspect.getsource(module)
        for name in own:
            for alias in spec_of(name).raw.get("x-klaviyo-operation-aliases", ()):
                if alias not in NAMES:
                    assert f'{alias} = {name}\n    """Same as `{name}`."""' in source


def test_tags() -> None:
    tags = {spec_of(name).tag for name in NAMES}
    assert {"custom_objects", "data_privacy", "web_feeds", "tracking_settings", "client"} <= tags
    klaviyo = Klaviyo("pk_test")
    for tag in tags:
        assert getattr(klaviyo, tag) is getattr(klaviyo, tag)
        functions = {name for name in vars(type(getattr(klaviyo, tag))) if not name.startswith("_")}
        assert {name for name in NAMES if spec_of(name).tag == tag} <= functions
    with pytest.raises(AttributeError):
        _ = klaviyo.no_such_tag  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(AttributeError, match="no_such_tag"):
        _ = api.no_such_tag


def test_names_are_python_names_of_the_documents() -> None:
    for name in NAMES:
        operation = operations[name]
        for parameter in operation.parameters:
            assert parameter.name.isidentifier()
        assert operation.path_parameters == tuple(part[1:-1] for part in operation.path.split("/") if part[:1] == "{")
        assert operation.path_parameters == tuple(map(attribute_of, operation.path_parameters))


# --- the operation table


def test_the_table_is_a_mapping_of_all() -> None:
    assert len(operations) == len(NAMES)
    assert list(operations) == NAMES
    assert "get_profiles" in operations
    assert "no_such_operation" not in operations
    with pytest.raises(KeyError):
        _ = operations["no_such_operation"]
    assert klaviyo_async.operations is operations


@pytest.mark.parametrize("name", NAMES)
def test_the_table_says_what_the_document_says(name: str) -> None:
    spec, operation = spec_of(name), operations[name]
    assert (operation.name, operation.method, operation.path, operation.tag) == (
        name,
        spec.method.upper(),
        spec.path,
        spec.tag,
    )
    assert list(operation.scopes) == spec.raw.get("x-klaviyo-scopes", [])
    limits = spec.raw["x-klaviyo-ratelimit"]
    assert (operation.limits.burst, operation.limits.steady) == (limits["burst"], limits["steady"])
    assert operation.limits.daily == limits.get("daily")
    assert operation.public is spec.public
    assert operation.response == spec.success[1]
    assert operation.reference.endswith(f"/{name}")
    found = {each.name: each for each in operation.parameters}
    assert found.keys() == spec.keyword_parameters.keys()
    for keyword, parameter in spec.keyword_parameters.items():
        assert found[keyword].required is bool(parameter.get("required"))
        assert found[keyword].place == parameter["in"]
        if "[" not in parameter["name"] or keyword.startswith("page_"):
            assert found[keyword].wire == parameter["name"]
    raw = {each["name"]: each["schema"] for each in spec.parameters}
    assert list(operation.sort) == raw.get("sort", {}).get("enum", [])
    assert list(operation.include) == raw.get("include", {}).get("items", {}).get("enum", [])
    for family, values in (("fields", operation.fields), ("additional-fields", operation.additional_fields)):
        expected = {
            wire[len(family) + 1 : -1]: tuple(schema["items"]["enum"])
            for wire, schema in raw.items()
            if wire.startswith(f"{family}[")
        }
        assert dict(values) == expected
    if "page[size]" in raw:
        size = raw["page[size]"]
        assert operation.page_size is not None
        assert (operation.page_size.default, operation.page_size.minimum, operation.page_size.maximum) == (
            size["default"],
            size["minimum"],
            size["maximum"],
        )
    for field, facts in spec.raw.get("x-klaviyo-filters", {}).items():
        known = operation.filters[field]
        for kind in ("single", "list", "none"):
            assert list(getattr(known, kind)) == facts["operators"].get(kind, [])
        assert (known.type, known.format) == (facts.get("value", {}).get("type"), facts.get("value", {}).get("format"))
    assert (operation.body is None) is (spec.media is None)
    if operation.body is not None:
        assert operation.body.model == spec.body_name
