"""What a schema says of a field, as the docstring below the field."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from openapi_python_client.schema import Schema

from codegen.generating.parse.field_facts import sentences

ROOT = Path(__file__).resolve().parents[2] / "klaviyo_async"


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "string"}, ""),
        ({"type": "string", "minLength": 1, "maxLength": 255}, "At least 1 and at most 255 characters."),
        ({"type": "array", "items": {"type": "string"}, "maxItems": 1}, "At most 1 item."),
        ({"type": "integer", "minimum": 1, "maximum": 2000}, "At least 1 and at most 2,000."),
        ({"type": "string", "pattern": "^[a-z]+$"}, "Matches `^[a-z]+$`."),
        ({"type": "boolean", "default": False}, "`False` by default."),
        ({"type": "string", "default": "draft", "example": "draft"}, "`draft` by default."),
        ({"type": "string", "example": "Sarah"}, "For instance `Sarah`."),
        ({"type": "string", "format": "date-time", "example": "2022-11-08T00:00:00+00:00"}, ""),
        ({"type": "string", "example": "x" * 200}, ""),
        ({"type": "string", "x-max-bytes": 5000000}, "At most 5,000,000 bytes."),
    ],
)
def test_sentences(schema: dict[str, object], said: str) -> None:
    assert " ".join(sentences(Schema.model_validate(schema))) == said


def test_nothing_is_said_of_what_is_no_schema() -> None:
    assert list(sentences(None)) == []


def test_the_sentence_stands_below_its_field() -> None:
    tree = ast.parse((ROOT / "resources" / "profile.py").read_text("utf-8"))
    (attributes,) = [each for each in tree.body if isinstance(each, ast.ClassDef) and each.name == "ProfileAttributes"]
    fields = {
        field.target.id: below.value.value
        for field, below in zip(attributes.body, attributes.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
    }
    assert fields["first_name"] == "For instance `Sarah`."
    assert "properties" not in fields
