"""Recorded answers of the real API decode with the operation's document, come back unchanged, and say what they said.

They were recorded at one revision; an older one's decoders take them as well, and so do ours what a newer server sends.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import attrs
import pytest

from klaviyo_async import models, operations
from klaviyo_async._model import Model, UnknownModel
from klaviyo_async.errors import parse_errors
from tests.support.synthesis import touch

FOLDER = Path(__file__).resolve().parents[2] / ".." / "shared" / "fixtures" / "recorded"
ANSWERS = sorted(path.name for path in FOLDER.glob("*__2??.json"))
ERRORS = sorted(path.name for path in FOLDER.glob("errors__*.json"))

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the recorded answers are not on this machine")


def recorded(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return found


def decoded(name: str) -> Any:
    """The answer in the class of its operation's document, read through and checked to come back unchanged."""
    answer = recorded(name)
    operation = operations[answer["operation"]]
    body = answer["response"]["body"]
    assert operation.response is not None
    document = getattr(models, operation.response).from_json(json.dumps(body).encode())
    expected = json.dumps(body, sort_keys=True)
    assert json.dumps(document.to_dict(), sort_keys=True) == expected
    assert touch(document) > 0
    assert json.dumps(document.to_dict(), sort_keys=True) == expected
    return document


def unknown_parts(value: Any, place: str = "") -> list[str]:
    """Where something became an unknown model, or stayed a mapping where the annotation says a model."""
    if isinstance(value, UnknownModel):
        return [place]
    if isinstance(value, Model):
        return [
            found
            for field in attrs.fields(type(value))
            for found in unknown_parts(getattr(value, field.name), f"{place}.{field.name}")
        ]
    if isinstance(value, list):
        return [found for index, each in enumerate(value) for found in unknown_parts(each, f"{place}[{index}]")]
    return []


@pytest.mark.parametrize("name", ANSWERS)
def test_answers(name: str) -> None:
    answer = recorded(name)
    operation = operations[answer["operation"]]
    if not answer["response"].get("body"):
        assert operation.response is None
        return
    document = decoded(name)
    assert unknown_parts(document) == []
    assert type(document).from_dict(answer["response"]["body"]) == document


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    answer = recorded(name)
    errors = parse_errors(json.dumps(answer["response"]["body"]).encode())
    assert len(errors) == len(answer["response"]["body"]["errors"])
    assert errors[0].code == answer["response"]["body"]["errors"][0]["code"]
    assert errors[0].detail == answer["response"]["body"]["errors"][0]["detail"]


def test_there_are_enough_of_them() -> None:
    assert len(ANSWERS) >= 75
    assert len(ERRORS) >= 17


# --- values


def test_a_campaign_message_has_null_relationships_and_no_links() -> None:
    message = decoded("get_campaign_message__200.json").data
    assert message.relationships.template.data is None
    assert message.relationships.image.data is None
    assert message.attributes.send_times == []
    assert type(message.attributes.definition).__name__ == "EmailMessageDefinition"
    assert message.attributes.definition.content.subject == "SDK smoke 09048514"
    assert message.attributes.created_at == datetime(2026, 9, 4, 13, 38, 44, 942300, UTC)


def test_no_data_is_none() -> None:
    assert decoded("get_image_for_campaign_message__200.json").data is None
    document = decoded("get_conversation_for_profile__200.json")
    assert document.data is None
    assert document.links is None


def test_a_flow_message_is_what_its_channel_says() -> None:
    document = decoded("get_flow_message__200.json")
    assert type(document.data.attributes.definition) is models.FlowEmail
    assert document.data.attributes.channel == "Email"
    assert document.data.relationships.flow_action.data.id == "116466132"
    # The schema has no image here: specs/overrides.toml adds it.
    assert document.data.relationships.image.links.self_.endswith("/image/")
    assert type(document.included[0].attributes.definition) is models.SendEmailAction


def test_sparse_fieldsets_drop_what_is_required() -> None:
    form = decoded("get_form__200.json").data.attributes
    assert form.name == "sdk-smoke-0904f206-form-popup"
    assert form.status is None
    assert form.ab_test is None
    assert (form.is_set("name"), form.is_set("status"), form.is_set("ab_test")) == (True, False, False)


def test_a_profile_keeps_what_the_schema_does_not_have() -> None:
    profile = decoded("get_profile__200.json").data
    email = profile.attributes.subscriptions.email
    assert "click_tracking" in email.additional_properties
    assert email.click_tracking == email.additional_properties["click_tracking"]
    assert profile.relationships.conversations.links is not None
    assert profile.attributes.created.utcoffset() is not None
    created = decoded("create_profile__201.json").data
    assert created.attributes.anonymous_id is None or isinstance(created.attributes.anonymous_id, str)
    # Both from specs/overrides.toml, the second since the schemas have conversations in its place.
    assert "whatsapp_bsuid" in created.to_dict()["attributes"]
    assert created.relationships.conversation.links is not None


def test_reports_have_an_id_links_and_no_next_page() -> None:
    for name in ("query_flow_series", "query_flow_values", "query_metric_aggregates"):
        document = decoded(f"{name}__200.json")
        assert document.links.next is None
        assert document.links.prev is None
    for name in ("flow_series", "flow_values", "form_series", "form_values", "segment_series", "segment_values"):
        assert len(decoded(f"query_{name}__200.json").data.id) == 36
    series = decoded("query_flow_series__200.json").data.attributes
    assert series.date_times[0] == datetime(2026, 8, 28, tzinfo=UTC)
    assert [type(each) for each in series.date_times] == [datetime] * 8
    aggregate = decoded("query_metric_aggregates__200.json").data.attributes
    assert aggregate.dates[0] == datetime(2026, 8, 31, 22, tzinfo=UTC)
    assert aggregate.data[0].measurements["count"] == [0, 0, 0, 0, 0]


def test_every_time_in_a_typed_field_is_aware() -> None:
    """Annotations say datetime: what came as text in such a field was understood."""
    count = 0
    for name in ANSWERS:
        if recorded(name)["operation"] in operations and recorded(name)["response"].get("body"):
            count += times_in(decoded(name))
    assert count > 120


def times_in(value: Any) -> int:
    if isinstance(value, Model):
        count = 0
        for field in attrs.fields(type(value)):
            each = getattr(value, field.name)
            if field.metadata.keys() & {"klaviyo_async.time", "klaviyo_async.date"} and each is not None:
                many = each if isinstance(each, list) else [each]
                assert all(isinstance(one, date) for one in many), (type(value).__name__, field.name, each)
                assert all(not isinstance(one, datetime) or one.utcoffset() is not None for one in many)
                count += len(many)
            else:
                count += times_in(each)
        return count
    return sum(map(times_in, value)) if isinstance(value, list) else 0
