"""Keywords of writes: derived alike from the documents as they are and as they are normalised for the engine."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from codegen.errors import CodegenError
from codegen.generating.interface.bodies import body_of, keywords
from codegen.generating.parse.normalise import normalise
from klaviyo_async.operation_table import operations
from tests.operations.expected import NAMES, Spec, spec_of


def resolver(document: dict[str, Any]) -> Any:
    def resolve(reference: str) -> dict[str, Any]:
        node: Any = document
        for step in reference[2:].split("/"):
            node = node[step]
        return node

    return resolve


def derived(spec: Spec, document: dict[str, Any]) -> tuple[Any, list[Any]]:
    raw = document["paths"][spec.path][spec.method]
    schema = next(iter(raw["requestBody"]["content"].values()))["schema"]
    resolve = resolver(document)
    body = body_of(schema, resolve, raw, spec.path, spec.method.upper())
    return body, keywords(body, schema, resolve)


@pytest.mark.parametrize("name", [name for name in NAMES if spec_of(name).body_kind not in {None, "multipart"}])
def test_raw_and_normalised_documents_say_the_same(name: str) -> None:
    spec = spec_of(name)
    document = copy.deepcopy(
        {
            "openapi": "3.0.2",
            "info": {"title": "x", "version": "x"},
            "paths": spec.document["paths"],
            "components": spec.document["components"],
        }
    )
    body, names = derived(spec, document)
    assert body == operations[name].body
    same_body, same_names = derived(spec, normalise(document))
    assert same_body == body
    described = [(each.name, each.wire, each.required, each.kind, each.many, each.filter) for each in names]
    assert described == [
        (each.name, each.wire, each.required, each.kind, each.many, each.filter) for each in same_names
    ]
    assert [each.required for each in names] == sorted((each.required for each in names), reverse=True)
    if body.kind == "resource":
        assert len({each.name for each in names}) == len(names)
        assert not {each.name for each in names} & {"body", "options", "fields", "self"}
    else:
        assert names == []


def test_the_marks_of_keywords() -> None:
    def keyword(operation: str, name: str) -> Any:
        spec = spec_of(operation)
        return next(each for each in derived(spec, spec.document)[1] if each.name == name)

    assert keyword("create_event", "metric").kind == "nested"
    assert not keyword("create_event", "metric").many
    assert keyword("bulk_import_profiles", "profiles").many
    assert keyword("bulk_import_profiles", "lists").kind == "relationships"
    assert keyword("query_form_values", "filter").filter
    assert keyword("query_metric_aggregates", "filter").many
    assert keyword("create_conversation_message", "body_").wire == ("data", "attributes", "body")


def resource(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["data"],
        "properties": {
            "data": {
                "type": "object",
                "required": ["type", "attributes"],
                "properties": {"type": {"type": "string", "enum": ["thing"]}, **properties},
            }
        },
    }


def shape(schema: dict[str, Any], path: str = "/api/things", document: dict[str, Any] | None = None) -> Any:
    return body_of(schema, resolver(document or {}), {"requestBody": {"required": True}}, path, "POST")


def test_nullable_references_and_unions_with_null_are_looked_through() -> None:
    inner = resource(attributes={"type": "object", "properties": {"name": {"type": "string"}}})
    document = {"components": {"schemas": {"Inner": inner}}}
    reference = {"$ref": "#/components/schemas/Inner"}
    for value in (
        reference,
        {**reference, "nullable": True},
        {"oneOf": [reference, {"type": "null"}]},
        {"anyOf": [{"type": "null"}, reference]},
        {"allOf": [reference], "nullable": True},
        {"oneOf": [{"enum": [None]}, reference]},
    ):
        outer = resource(attributes={"type": "object", "properties": {"part": value}})
        body = shape(outer, document=document)
        assert body.resource.nested["part"].kind == "resource"
        assert dict(body.resource.nested["part"].resource.attributes) == {"name": "name"}


def test_resources_without_envelope_and_inside_objects_are_found() -> None:
    bare = resource(attributes={"type": "object", "properties": {"name": {"type": "string"}}})["properties"]["data"]
    attributes = {
        "type": "object",
        "properties": {
            "one": bare,
            "several": {"type": "array", "items": bare},
            "holder": {"type": "object", "properties": {"part": bare, "text": {"type": "string"}}},
            "holders": {"type": "array", "items": {"type": "object", "properties": {"part": bare}}},
            "text": {"type": "string"},
        },
    }
    nested = shape(resource(attributes=attributes)).resource.nested
    assert {name: each.kind for name, each in nested.items()} == {
        "one": "bare",
        "several": "bares",
        "holder": "object",
        "holders": "objects",
    }
    assert nested["holder"].keys["part"].kind == "bare"


def test_schemas_that_contain_themselves_end() -> None:
    step = {
        "type": "object",
        "properties": {"steps": {"type": "array", "items": {"$ref": "#/components/schemas/Step"}}},
    }
    loop = {"$ref": "#/components/schemas/Loop"}
    document = {"components": {"schemas": {"Step": step, "Loop": loop}}}
    attributes = {"type": "object", "properties": {"step": {"$ref": "#/components/schemas/Step"}}}
    assert shape(resource(attributes=attributes), document=document).resource.nested == {}
    with pytest.raises(CodegenError, match="refers to itself"):
        shape(resource(attributes=loop), document=document)


def test_what_is_no_resource_is_json() -> None:
    for schema in ({"type": "object"}, {"type": "array", "items": {}}, {"type": "object", "properties": {"data": {}}}):
        assert shape(schema).kind == "json"
