"""Every schema of the documents: values made from it decode into what it says, and come back unchanged."""

from __future__ import annotations

import copy
import json
import pickle
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from klaviyo_async import UNSET, models, operations
from klaviyo_async._model import Document, Model, UnknownModel
from klaviyo_async._model.document import Http
from klaviyo_async.headers import Headers
from tests.support.synthesis import Obj, Synthesiser, differences, plain, touch

if TYPE_CHECKING:
    from codegen.specs.assemble import Spec

# Names, before there are fixtures.
DOCUMENTS = sorted({operation.response for operation in operations.values() if operation.response is not None})


def same(first: Any, second: Any) -> bool:
    """Whether two JSON values are the same to the letter: 1, 1.0 and true are three values."""
    return json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)


def round_trip(cls: type[Model], value: Any) -> Model:
    """Decode, and check that it comes back unchanged before and after everything was read."""
    decoded = cls.from_json(json.dumps(value).encode())
    assert same(decoded.to_dict(), value)
    touch(decoded)
    assert same(decoded.to_dict(), value)
    assert same(json.loads(decoded.to_json()), value)
    return decoded


def test_every_schema_decodes_into_what_it_says(synthesiser: Synthesiser) -> None:
    problems = []
    for name in synthesiser.objects:
        cls = getattr(models, name)
        for seen in synthesiser.instances(name):
            seen = with_channel(seen)
            decoded = round_trip(cls, plain(seen))
            problems += list(differences(decoded, seen, name))
    assert problems == []


def test_every_union_member_was_made(spec: Spec) -> None:
    synthesiser = Synthesiser(spec.document)
    for name in synthesiser.objects:
        for _ in synthesiser.instances(name):
            pass
    missed = [
        (name, place, index)
        for name, schema in synthesiser.schemas.items()
        for place, members in synthesiser.unions(schema)
        for index in range(len(members))
        if (id(members), index) not in synthesiser.covered
    ]
    assert missed == []
    assert sum(1 for schema in synthesiser.schemas.values() for _ in synthesiser.unions(schema)) >= 150


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_success_document(synthesiser: Synthesiser, name: str) -> None:
    """Deeper than the components by themselves, and as a document."""
    cls = getattr(models, name)
    assert issubclass(cls, Document)
    for turn in range(3):
        for options in ({}, {"nulls": True}, {"only_required": True}):
            seen = with_channel(synthesiser.component(name, turn, depth=6, **options))
            decoded = round_trip(cls, plain(seen))
            assert list(differences(decoded, seen, name)) == []
            assert isinstance(decoded, Document)
            assert decoded.http is None


def test_every_document_of_the_spec_is_declared(spec: Spec) -> None:
    for name, raw in spec.operations.items():
        success = next(response for status, response in sorted(raw["responses"].items()) if status.startswith("2"))
        content = [media["schema"]["$ref"].rpartition("/")[2] for media in success.get("content", {}).values()]
        assert operations[name].response == (content[0] if content else None), name


# --- what Python and attrs expect of such objects


def test_every_model_is_a_value(synthesiser: Synthesiser) -> None:
    """Pickles, copies, compares, shows itself, and does what attrs functions do, untouched and touched."""
    for name in synthesiser.objects:
        cls = getattr(models, name)
        value = plain(synthesiser.component(name, 1, depth=2))
        for touched in (False, True):
            decoded, other = cls.from_dict(value), cls.from_dict(value)
            if touched:
                touch(decoded)
            assert decoded == other
            for made in (
                pickle.loads(pickle.dumps(decoded)),
                copy.copy(decoded),
                copy.deepcopy(decoded),
                decoded.replace(),
                cls(
                    **{
                        each.alias: getattr(decoded, each.name)
                        if each.name == "additional_properties" or decoded.is_set(each.name)
                        else UNSET
                        for each in attrs.fields(cls)
                    }
                ),
            ):
                assert type(made) is cls
                assert made == decoded
            assert same(pickle.loads(pickle.dumps(decoded)).to_dict(), value)
            assert same(copy.deepcopy(decoded).to_dict(), value)
            assert repr(decoded).startswith(f"{cls.__name__}(")
            assert eval_free(repr(decoded))
            known = {each.name for each in attrs.fields(cls)}
            assert attrs.asdict(decoded).keys() == known
            assert type(attrs.evolve(decoded)) is cls
            assert attrs.asdict(decoded, recurse=False).keys() == known


def test_documents_keep_how_they_came() -> None:
    document = models.GetAccountResponse.from_dict({"data": {"type": "account", "id": "1", "attributes": {}}})
    document.http = Http(200, Headers({"X-Klaviyo-Req-Id": "r"}), "r", 2, 0.5)
    for made in (pickle.loads(pickle.dumps(document)), copy.copy(document), copy.deepcopy(document)):
        assert made.http == document.http
        assert made == document
    other = models.GetAccountResponse.from_dict(document.to_dict())
    assert (other.http, other) == (None, document)
    assert "http" not in repr(document)


def eval_free(text: str) -> bool:
    """Whether a repr is text of this object and not Python's default with an address."""
    return " object at 0x" not in text


def test_every_model_is_slots_and_keyword_only(synthesiser: Synthesiser) -> None:
    for name in synthesiser.objects:
        cls = getattr(models, name)
        assert attrs.has(cls), name
        assert issubclass(cls, Model), name
        assert all(each.kw_only for each in attrs.fields(cls)), name
        made: Any = cls.from_dict({})
        assert not hasattr(made, "__dict__"), name
        with pytest.raises(AttributeError):
            made.no_such_field_at_all = 1
        with pytest.raises(AttributeError, match="has no field 'no_such_field'"):
            made.is_set("no_such_field")
        with pytest.raises(TypeError, match="has no field 'no_such_field'"):
            made.replace(no_such_field=1)
        with pytest.raises(AttributeError, match="'no_such_field'"):
            _ = made.no_such_field
        with pytest.raises(TypeError):
            cls("positional")  # pyright: ignore[reportCallIssue]


def test_a_difference_in_any_field_is_seen_by_equality(synthesiser: Synthesiser) -> None:
    for name in synthesiser.objects[::7]:
        cls = getattr(models, name)
        value = plain(synthesiser.component(name, 0, depth=1))
        for key in value:
            changed = value | {key: {"changed": 1}}
            assert cls.from_dict(changed) != cls.from_dict(value), (name, key)
        assert cls.from_dict(value | {"unheard_of": 1}) != cls.from_dict(value)
        assert cls.from_dict(value) != value


def test_from_dict_keeps_nothing_of_its_argument_and_to_dict_gives_nothing_away(synthesiser: Synthesiser) -> None:
    for name in DOCUMENTS[::5]:
        cls = getattr(models, name)
        value = plain(synthesiser.component(name, 1))
        original = copy.deepcopy(value)
        decoded = cls.from_dict(value)
        spoil(value)
        touch(decoded)
        assert same(decoded.to_dict(), original)
        spoil(decoded.to_dict())
        assert same(decoded.to_dict(), original)


def spoil(value: Any) -> None:
    """Change everything in a JSON value."""
    if isinstance(value, dict):
        for member in list(value.values()):
            spoil(member)
        value.clear()
    elif isinstance(value, list):
        for member in value:
            spoil(member)
        value.clear()


def test_one_valued_types_have_their_value_as_default(synthesiser: Synthesiser) -> None:
    count = 0
    for name in synthesiser.objects:
        kind = (
            synthesiser.schemas[name]["properties"].get("type") if "properties" in synthesiser.schemas[name] else None
        )
        values = synthesiser.merged(kind).get("enum", ()) if kind is not None else ()
        if len(values) == 1 and isinstance(values[0], str):
            count += 1
            assert attrs.fields_dict(getattr(models, name))["type"].default == values[0], name
            assert getattr(models, name).from_dict({}).type is None, name
            assert not getattr(models, name).from_dict({}).is_set("type"), name
    assert count > 300


def test_optional_fields_are_unset_by_default_and_required_ones_have_no_default(synthesiser: Synthesiser) -> None:
    for name in synthesiser.objects:
        schema = synthesiser.merged(synthesiser.schemas[name])
        cls = getattr(models, name)
        if cls.__name__ != name:
            continue  # a resource's class, made of several schemas
        fields = {each.metadata.get("klaviyo_async.wire", each.name): each for each in attrs.fields(cls)}
        for wire in schema.get("properties", {}):
            default = fields[wire].default
            if wire in schema.get("required", ()):
                assert default is attrs.NOTHING or wire == "type", (name, wire)
            else:
                assert default is UNSET or wire == "type", (name, wire)


# --- unions


def with_channel(seen: Any) -> Any:
    """The same with the channel that goes with the member beside it, where only the channel tells."""
    if not isinstance(seen, Obj):
        if hasattr(seen, "parts"):
            parts = seen.parts
            if isinstance(parts, tuple):
                return attrs.evolve(seen, parts=tuple(map(with_channel, parts)))
            return attrs.evolve(seen, parts={key: with_channel(part) for key, part in parts.items()})
        return seen
    parts = {key: with_channel(part) for key, part in seen.parts.items()}
    for member in (parts.get("definition"), parts.get("content")):
        if "channel" in parts and isinstance(member, Obj) and member.name in CHANNELS:
            parts["channel"] = attrs.evolve(parts["channel"], value=CHANNELS[member.name])
    return attrs.evolve(seen, parts=parts)


CHANNELS = {
    "FlowEmail": "Email",
    "FlowInternalAlert": "Internal Alert",
    "FlowPushNotification": "Push Notification",
    "FlowSms": "SMS",
    "FlowWebhook": "Webhook",
    "FlowWhatsApp": "WhatsApp",
    "EmailContentSubObject": "email",
    "SMSContentSubObject": "sms",
}


@pytest.mark.parametrize(
    ("channel", "definition", "name"),
    [
        ("Email", {"name": "A"}, "FlowEmail"),
        ("whatsapp", {"name": "A"}, "FlowWhatsApp"),
        ("WHATS_APP", {"id": "1"}, "FlowWhatsApp"),
        ("SMS", {"body": "x"}, "FlowSms"),
        ("sms", {}, "FlowSms"),
        ("mobile_push", {"body": "x", "name": "A"}, "FlowPushNotification"),
        ("push", {"body": "x"}, "FlowPushNotification"),
        # What is in the value weighs more than what stands beside it.
        ("Email", {"from_email": "a", "from_label": "b", "to_emails": ["c"], "subject_line": "d"}, "FlowInternalAlert"),
        ("Email", {"url": "https://x", "headers": {}, "body": "x"}, "FlowWebhook"),
        # A channel nobody knows, or none, leaves it to the value.
        ("Fax", {"sms_quiet_hours_enabled": True, "body": "x"}, "FlowSms"),
        (None, {"vendor_id": "x"}, "FlowWhatsApp"),
    ],
)
def test_the_channel_decides_what_a_flow_message_is(channel: Any, definition: dict[str, Any], name: str) -> None:
    cls = models.FlowMessageEncodedResponseObjectResource
    value = {"type": "flow-message", "id": "1", "attributes": {"channel": channel, "definition": definition}}
    decoded = cls.from_dict(value)
    assert type(decoded.attributes.definition).__name__ == name
    assert decoded.to_dict() == value


def test_undecidable_members_are_alike(synthesiser: Synthesiser) -> None:
    """What the first member takes for the others loses nothing: all fields of the others are fields of it."""
    for first, *others in (
        ("EmailSendOptions", "SMSSendOptions", "PushSendOptions"),
        ("CampaignsEmailTrackingOptions", "CampaignsSMSTrackingOptions"),
    ):
        known = set(synthesiser.schemas[first]["properties"])
        assert all(set(synthesiser.schemas[other]["properties"]) <= known for other in others)


def test_an_unknown_member_keeps_all_of_itself() -> None:
    value = {"type": "wait-for-weather", "weather": {"kind": "sun"}, "name": "x"}
    action = models.FlowActionEncodedResponseObjectResource.from_dict(
        {"type": "flow-action", "id": "1", "attributes": {"definition": value}}
    )
    unknown = action.attributes.definition
    assert isinstance(unknown, UnknownModel)
    assert unknown.additional_properties == value
    read: Any = unknown  # its attributes are no names that type checkers know
    assert read.weather == {"kind": "sun"}
    assert unknown.to_dict() == value
    assert unknown == UnknownModel.from_dict(value) != UnknownModel.from_dict({})
    assert pickle.loads(pickle.dumps(action)) == action
