"""`[[union]]` of the overrides: what decides a union beside it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from codegen.errors import CodegenError
from codegen.specs import unions
from codegen.specs.assemble import load_revision
from klaviyo_async import REVISION, models

SPECS = Path(__file__).resolve().parents[2] / "specs"
GOOD = """
[[union]]
why = "x"
schema = "Message"
property = "data.content"
beside = "channel"
values = { email = "Email", sms = "Sms" }
"""


def document() -> dict[str, Any]:
    members = [{"$ref": "#/components/schemas/Email"}, {"$ref": "#/components/schemas/Sms"}]
    inner = {"properties": {"content": {"oneOf": members}, "channel": {"type": "string"}}}
    return {"components": {"schemas": {"Message": {"properties": {"data": inner}}}}}


def applied(text: str, tmp_path: Path) -> dict[str, Any]:
    file = tmp_path / "overrides.toml"
    file.write_text(text, encoding="utf-8")
    made = document()
    unions.apply(made, file, "2026-04-15")
    found: dict[str, Any] = made["components"]["schemas"]
    return found


def test_the_union_is_told_what_decides_it(tmp_path: Path) -> None:
    content = applied(GOOD, tmp_path)["Message"]["properties"]["data"]["properties"]["content"]
    assert content["x-decided-by"] == {"property": "channel", "values": {"email": "Email", "sms": "Sms"}}


def test_a_schema_that_a_revision_does_not_have_is_none_of_its_business(tmp_path: Path) -> None:
    assert applied(GOOD.replace("Message", "Gone"), tmp_path) == document()["components"]["schemas"]
    made = document()
    unions.apply(made, tmp_path / "there is no such file", "2026-04-15")
    assert made == document()


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('why = "x"', "", "a [[union]] has beside, property, schema, values, why"),
        ('beside = "channel"', 'beside = "channel"\nmore = 1', "a [[union]] has"),
        ('{ email = "Email", sms = "Sms" }', '"x"', "a [[union]] has"),
        ("data.content", "data.contents", "Message has no data.contents"),
        ("data.content", "contents.data", "Message has no contents.data"),
        ('beside = "channel"', 'beside = "chanel"', "there is no chanel beside data.content"),
        ('"Sms"', '"Fax"', "data.content is not a union of the members given here"),
        ("data.content", "data.channel", "data.channel is not a union"),
        ("email =", "Email =", "lower-case"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(old: str, new: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(CodegenError) as caught:
        applied(GOOD.replace(old, new), tmp_path)
    assert problem in str(caught.value)
    assert caught.value.place == "/union/0"
    assert str(caught.value.file).endswith("overrides.toml")


def test_what_the_project_says_reaches_the_models() -> None:
    """Each [[union]] of the project hits a schema, and the channel decides where the value is empty."""
    items = tomllib.loads((SPECS / "overrides.toml").read_text(encoding="utf-8"))["union"]
    schemas = load_revision(SPECS, REVISION).document["components"]["schemas"]
    for item in items:
        assert item["schema"] in schemas
        for text, member in item["values"].items():
            value: Any = {item["beside"]: text.upper(), item["property"].rpartition(".")[2]: {}}
            for name in reversed(item["property"].split(".")[:-1]):
                value = {name: value}
            decoded: Any = getattr(models, item["schema"]).from_dict(value)
            for name in item["property"].split("."):
                decoded = getattr(decoded, name)
            assert type(decoded).__name__ == member
