"""The packed schemas: what goes in comes out, in JSON Schema, the same bytes each time, and small."""

from __future__ import annotations

import bz2
from pathlib import Path

import jsonschema_rs
import orjson
import pytest

import klaviyo_async.testing
from codegen.generating.text.fake_data import convert, render
from klaviyo_async.testing.examples import example
from klaviyo_async.testing.schemas import Schemas, load

DOCUMENT = {
    "info": {"version": "2020-01-01"},
    "paths": {
        "/api/things": {
            "parameters": [],
            "post": {
                "operationId": "create_thing",
                "requestBody": {
                    "content": {"application/vnd.api+json": {"schema": {"$ref": "#/components/schemas/In"}}}
                },
                "responses": {
                    "201": {"content": {"application/vnd.api+json": {"schema": {"$ref": "#/components/schemas/Out"}}}},
                    "4XX": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}},
                },
            },
        }
    },
    "components": {
        "schemas": {
            "In": {"type": "object", "description": "long", "properties": {"a": {"$ref": "#/components/schemas/A"}}},
            "A": {"type": "string", "example": "x"},
            "Out": {"type": "object"},
            "Error": {"type": "object"},
            "Unused": {"type": "object"},
        }
    },
}


def test_only_what_is_used_is_packed():
    packed = orjson.loads(bz2.decompress(render(DOCUMENT)))
    assert packed["operations"] == {
        "create_thing": {
            "media": "application/vnd.api+json",
            "method": "POST",
            "path": "/api/things",
            "request": "In",
            "required": True,
            "response": "Out",
            "success": [201],
        }
    }
    assert packed["schemas"] == {
        "In": {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}},
        "A": {"type": "string", "example": "x"},
        "Out": {"type": "object"},
    }
    assert render(DOCUMENT) == render(orjson.loads(orjson.dumps(DOCUMENT)))


def test_a_body_that_stands_in_its_operation_is_checked_as_well():
    document = orjson.loads(orjson.dumps(DOCUMENT))
    document["paths"]["/api/things"]["post"]["requestBody"]["content"] = {
        "application/json": {"schema": {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}}
    }
    schemas = Schemas(orjson.loads(bz2.decompress(render(document))))
    request = next(facts.request for facts in schemas.operations.values() if facts.method == "POST")
    assert request is not None
    assert schemas.problems(request, {"a": "b"}) == []
    assert [one["source"]["pointer"] for one in schemas.problems(request, {"a": 5})] == ["/a"]


@pytest.mark.parametrize(
    ("schema", "right", "wrong"),
    [
        ({"type": "string", "nullable": True}, ["x", None], [1]),
        ({"type": "string", "enum": ["a"], "nullable": True}, ["a", None], ["b"]),
        ({"enum": ["a"], "nullable": True}, ["a", None], ["b"]),
        ({"nullable": True}, [None], ["x", 1, {}]),
        ({"nullable": True, "oneOf": [{"type": "string"}, {"type": "integer"}]}, ["x", 1, None], [[]]),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, [1, 1.5], ["x", None]),
        ({"nullable": True, "allOf": [{"type": "object", "required": ["a"]}]}, [{"a": 1}, None], [{}]),
        ({"$ref": "#/components/schemas/A", "nullable": True}, ["x", None], [1]),
        ({"$ref": "#/components/schemas/A"}, ["x"], [None]),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": True}, [2], [1]),
        ({"type": "boolean", "enum": [True]}, [True], [False, None]),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, [{"a": 1}], [{"a": "x"}]),
        ({"enum": [None]}, [None], ["x"]),
    ],
)
def test_openapi_becomes_json_schema(schema, right, wrong):
    converted = {**convert(schema), "$defs": {"A": {"type": "string"}}}
    validator = jsonschema_rs.Draft202012Validator(converted)
    assert [validator.is_valid(value) for value in right] == [True] * len(right)
    assert [validator.is_valid(value) for value in wrong] == [False] * len(wrong)


def test_the_packed_file_is_small_and_whole():
    path = Path(klaviyo_async.__file__).parent / "operation_table" / "schemas.json.bz2"
    assert path.stat().st_size < 200_000
    assert load().revision == klaviyo_async.REVISION
    assert set(load().operations) == set(klaviyo_async.operations)


BODIES = sorted({facts.request for facts in load().operations.values() if facts.request} - {"ImageUploadQuery"})
RESPONSES = sorted({facts.response for facts in load().operations.values() if facts.response})


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("name", BODIES + RESPONSES)
def test_examples_fit_their_schema(name, full):
    schemas = load()
    document = example(schemas, name, full=full)
    assert schemas.problems(name, document, strict=name in BODIES) == []
