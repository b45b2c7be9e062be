"""What a call of each operation is checked for before it is sent: what its document knows passes, all else is refused."""

from __future__ import annotations

from typing import Any

import pytest

from klaviyo_async._request.prepare import prepare
from klaviyo_async.errors import QueryError
from klaviyo_async.filter import F
from klaviyo_async.operation_table import operations
from tests.operations.expected import NAMES, Spec, spec_of

FILTERED = [name for name in NAMES if spec_of(name).raw.get("x-klaviyo-filters")]
WRONG: dict[str, Any] = {
    "filter": F("no_such_field") == 1,
    "sort": "no_such_key",
    "include": ["no_such_thing"],
    "page_size": 100_000,
    "page_cursor": "https://elsewhere.test/api/x?page%5Bcursor%5D=1",
}
CHECKED = {*WRONG, "fields", "additional_fields"}
# The document of get_client_geofences has its filters only in words.
CHOOSING = [name for name in NAMES if CHECKED & {*spec_of(name).keyword_parameters} and name != "get_client_geofences"]


def body_of(spec: Spec) -> dict[str, Any]:
    return {"body": b"{}"} if spec.media is not None else {}


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_sent_for_none(name: str) -> None:
    spec = spec_of(name)
    everything, required = spec.call(full=True), spec.call(full=False)
    given = dict.fromkeys(everything.params) | required.params | {"company_id": required.query.get("company_id")}
    if "company_id" not in spec.keyword_parameters:
        del given["company_id"]
    prepared = prepare(operations[name], required.path, given, **body_of(spec))
    bare = prepare(
        operations[name],
        required.path,
        {key: value for key, value in given.items() if value is not None},
        **body_of(spec),
    )
    assert (prepared.target, prepared.headers) == (bare.target, bare.headers)
    assert prepared.target.count("=") == len(required.query)
    assert prepared.triggered == ()


@pytest.mark.parametrize("name", FILTERED)
def test_every_condition_is_taken_alone_and_as_text(name: str) -> None:
    spec = spec_of(name)
    call = spec.call(full=False)
    params = call.params | ({"company_id": "COMPA1"} if "company_id" in call.query else {})
    for expression, text in spec.conditions():
        assert str(expression) == text
        if "filter" in params:  # a condition without which the operation takes none
            expression = expression & call.params["filter"]
        as_object = prepare(operations[name], call.path, params | {"filter": expression})
        as_text = prepare(operations[name], call.path, params | {"filter": str(expression)})
        assert as_object.target == as_text.target


@pytest.mark.parametrize("name", CHOOSING)
def test_what_the_document_does_not_know_is_refused(name: str) -> None:
    spec, operation = spec_of(name), operations[name]
    call = spec.call(full=True)
    wrong = {key: value for key, value in WRONG.items() if key in call.params}
    if operation.fields:
        wrong["fields"] = {"no-such-type": ["x"], **{kind: ["no_such_field"] for kind in operation.fields}}
    if operation.additional_fields:
        wrong["additional_fields"] = {kind: ["no_such_field"] for kind in operation.additional_fields}
    assert wrong
    params, body = call.params | wrong, body_of(spec)
    with pytest.raises(QueryError) as caught:
        prepare(operation, call.path, params, origin="https://a.klaviyo.com", **body)
    assert caught.value.operation == name
    for key in wrong:
        assert any(str(problem).startswith(key) for problem in caught.value.problems), (key, str(caught.value))
    params.pop("page_cursor", None)
    prepare(operation, call.path, params, validate=False, **body)
