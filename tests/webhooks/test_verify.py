"""`klaviyo_async.webhooks.verify`: what is taken, what is refused, and that the secret shows nowhere."""

from __future__ import annotations

import hashlib
import hmac
import json
import traceback
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from klaviyo_async import ConfigurationError, KlaviyoError, WebhookSignatureError, webhooks
from klaviyo_async.resources import Event, Metric, Profile

SECRET = "whsec-0123456789abcdef"
WEBHOOK = "01HWEBHOOK"


def event(number: int = 1, topic: str = "event:api.placed_order") -> dict[str, Any]:
    payload = {
        "data": {
            "type": "event",
            "id": f"E{number}",
            "attributes": {
                "timestamp": 1767225600,
                "event_properties": {"OrderId": str(number)},
                "datetime": "2026-01-01 00:00:00+00:00",
                "uuid": "u",
            },
            "relationships": {
                "profile": {"data": {"type": "profile", "id": "P1"}},
                "metric": {"data": {"type": "metric", "id": "M1"}},
            },
        },
        "included": [
            {"type": "profile", "id": "P1", "attributes": {"email": "a@x.com"}},
            {"type": "metric", "id": "M1", "attributes": {"name": "Placed Order"}},
        ],
    }
    return {"external_id": f"E{number}", "topic": topic, "payload": payload}


def body_of(*events: dict[str, Any], age: float = 0, **meta: Any) -> bytes:
    made = (datetime.now(UTC) - timedelta(seconds=age)).isoformat()
    about = {"klaviyo_account_id": "ACC", "klaviyo_webhook_id": WEBHOOK, "timestamp": made, **meta}
    return json.dumps({"data": list(events), "meta": about}).encode()


def signed(
    body: bytes, secret: str | bytes = SECRET, timestamp: str = "Tue, 21 Jul 2026 10:00:00 GMT"
) -> dict[str, str]:
    key = secret.encode() if isinstance(secret, str) else secret
    return {
        "Klaviyo-Signature": hmac.new(key, body + timestamp.encode(), hashlib.sha256).hexdigest(),
        "Klaviyo-Timestamp": timestamp,
        "Klaviyo-Webhook-Id": WEBHOOK,
    }


def test_a_delivery_is_read_with_types() -> None:
    body = body_of(event(1), event(2, "event:klaviyo.opened_email"))
    delivery = webhooks.verify(body, signed(body), SECRET)
    assert [each.external_id for each in delivery.events] == ["E1", "E2"]
    assert [each.topic for each in delivery.events] == ["event:api.placed_order", "event:klaviyo.opened_email"]
    first = delivery.events[0]
    assert isinstance(first.event, Event)
    assert first.payload.data is first.event
    assert first.event.attributes.event_properties == {"OrderId": "1"}
    # The space instead of a T is as Klaviyo's own example has it.
    assert first.event.attributes.datetime == datetime(2026, 1, 1, tzinfo=UTC)
    assert isinstance(first.profile, Profile)
    assert isinstance(first.metric, Metric)
    assert (first.profile.attributes.email, first.metric.attributes.name) == ("a@x.com", "Placed Order")
    assert (delivery.meta.klaviyo_account_id, delivery.meta.klaviyo_webhook_id) == ("ACC", WEBHOOK)
    assert delivery.meta.timestamp.tzinfo is not None
    assert delivery.to_dict() == json.loads(body)


def test_what_was_not_included_is_none() -> None:
    lean = event()
    del lean["payload"]["included"]
    body = body_of(lean)
    (one,) = webhooks.verify(body, signed(body), SECRET).events
    assert one.profile is None
    assert one.metric is None


def test_what_klaviyo_may_add_stays_readable() -> None:
    body = json.dumps({**json.loads(body_of(event(), attempt=2)), "version": 3}).encode()
    delivery = webhooks.verify(body, signed(body), SECRET)
    assert delivery.additional_properties == {"version": 3}
    assert delivery.meta.additional_properties == {"attempt": 2}
    assert delivery.to_dict() == json.loads(body)


def test_a_batch_of_a_thousand_names_its_duplicates() -> None:
    body = body_of(*map(event, range(998)), event(3), event(3, "event:other.topic"))
    delivery = webhooks.verify(body, signed(body), SECRET)
    assert len(delivery.events) == 1000
    assert delivery.duplicates == ["E3"]


@pytest.mark.parametrize("name", [str.lower, str.upper, str.title])
def test_header_names_have_any_case(name: Any) -> None:
    body = body_of(event())
    headers = {name(key): value for key, value in signed(body).items()}
    assert webhooks.verify(body, headers, SECRET).events
    assert webhooks.verify(body, CIMultiDict(headers), SECRET).events


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_the_body_is_bytes_of_any_kind(kind: Any) -> None:
    body = body_of(event())
    assert webhooks.verify(kind(body), signed(body), SECRET).events
    with pytest.raises(TypeError, match="raw bytes"):
        webhooks.verify(body.decode(), signed(body), SECRET)  # type: ignore[arg-type]


def test_the_timestamp_is_signed_as_it_stands() -> None:
    body = body_of(event())
    odd = "Tue,  21 Jul 2026 05:00:00 GMT"  # two spaces, and hours off: it is text to the signature, nothing else
    assert webhooks.verify(body, signed(body, timestamp=odd), SECRET, max_age=60).events
    with pytest.raises(WebhookSignatureError):
        webhooks.verify(body, {**signed(body, timestamp=odd), "Klaviyo-Timestamp": odd.replace("  ", " ")}, SECRET)


def test_one_secret_takes_the_place_of_another() -> None:
    body = body_of(event())
    for old_or_new in ("old-secret-0123456789", "new-secret-0123456789"):
        headers = signed(body, old_or_new)
        assert webhooks.verify(body, headers, ["new-secret-0123456789", b"old-secret-0123456789"]).events
    with pytest.raises(WebhookSignatureError):
        webhooks.verify(body, signed(body, "another-secret-01234"), ["new-secret-0123456789", "old-secret-0123456789"])


@pytest.mark.parametrize("empty", [None, "", b"", [], [""], ["whsec-0123456789abcdef", ""]])
def test_an_empty_secret_verifies_nothing(empty: Any) -> None:
    body = body_of(event())
    with pytest.raises(ConfigurationError, match="secret_key"):
        webhooks.verify(body, signed(body, ""), empty)


@pytest.mark.parametrize("missing", ["Klaviyo-Signature", "Klaviyo-Timestamp"])
@pytest.mark.parametrize("value", [None, ""])
def test_without_its_headers_it_is_refused(missing: str, value: str | None) -> None:
    body = body_of(event())
    headers = {**signed(body), missing: value}
    if value is None:
        del headers[missing]
    with pytest.raises(WebhookSignatureError, match=missing):
        webhooks.verify(body, headers, SECRET)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["Klaviyo-Signature", "Klaviyo-Timestamp"])
def test_headers_that_no_encoding_has_are_refused(name: str) -> None:
    body = body_of(event())
    with pytest.raises(WebhookSignatureError, match="not signed"):
        webhooks.verify(body, {**signed(body), name: "\ud800"}, SECRET)


@given(position=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_one_changed_byte_is_refused(position: int, flip: int) -> None:
    body = body_of(event())
    headers = signed(body)
    changed = bytearray(body)
    changed[position % len(body)] ^= flip
    with pytest.raises(WebhookSignatureError):
        webhooks.verify(bytes(changed), headers, SECRET)


@given(st.text(max_size=80))
def test_no_other_signature_is_taken(signature: str) -> None:
    body = body_of(event())
    with pytest.raises(WebhookSignatureError):
        webhooks.verify(body, {**signed(body), "Klaviyo-Signature": signature}, SECRET)


def test_an_upper_case_signature_is_not_klaviyos() -> None:
    body = body_of(event())
    headers = signed(body)
    with pytest.raises(WebhookSignatureError):
        webhooks.verify(body, {**headers, "Klaviyo-Signature": headers["Klaviyo-Signature"].upper()}, SECRET)


def test_the_delivery_of_another_webhook_is_refused() -> None:
    body = body_of(event(), klaviyo_webhook_id="01HOTHER")
    with pytest.raises(WebhookSignatureError, match="Klaviyo-Webhook-Id"):
        webhooks.verify(body, signed(body), SECRET)


@pytest.mark.parametrize(("age", "taken"), [(0, True), (59, True), (61, False), (-59, True), (-61, False)])
def test_age_is_judged_by_the_time_in_the_body(age: float, taken: bool) -> None:
    body = body_of(event(), age=age)
    headers = signed(body)
    assert webhooks.verify(body, headers, SECRET).events
    if taken:
        assert webhooks.verify(body, headers, SECRET, max_age=60).events
    else:
        with pytest.raises(WebhookSignatureError, match="max_age"):
            webhooks.verify(body, headers, SECRET, max_age=60)


def test_a_time_without_an_offset_is_utc() -> None:
    body = body_of(event(), timestamp=datetime.now(UTC).replace(tzinfo=None).isoformat(sep=" "))
    assert webhooks.verify(body, signed(body), SECRET, max_age=60).events


@pytest.mark.parametrize("timestamp", [None, "yesterday", 5])
def test_without_a_time_no_age_can_be_judged(timestamp: Any) -> None:
    body = body_of(event(), timestamp=timestamp)
    assert webhooks.verify(body, signed(body), SECRET).events
    with pytest.raises(WebhookSignatureError, match=r"meta\.timestamp"):
        webhooks.verify(body, signed(body), SECRET, max_age=60)


@pytest.mark.parametrize("max_age", [0, -1, float("nan"), True, "60"])
def test_max_age_is_a_positive_number(max_age: Any) -> None:
    body = body_of(event())
    with pytest.raises(ConfigurationError, match="max_age"):
        webhooks.verify(body, signed(body), SECRET, max_age=max_age)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[]",
        b"{}",
        b'{"data": []}',
        b'{"data": {}, "meta": {}}',
        b'{"data": [1], "meta": {}}',
        b'{"data": null, "meta": {}}',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_what_is_signed_but_no_delivery_is_refused(body: bytes) -> None:
    headers = signed(body)
    with pytest.raises(WebhookSignatureError, match="isn't a delivery"):
        webhooks.verify(body, headers, SECRET)


@pytest.mark.parametrize(
    "change",
    [
        {"Klaviyo-Signature": "0" * 64},
        {"Klaviyo-Signature": ""},
        {"Klaviyo-Webhook-Id": "other"},
    ],
)
def test_the_secret_shows_in_no_frame(change: dict[str, str]) -> None:
    body = body_of(event(), age=100)
    headers = {**signed(body), **change}

    def receive(secret: list[str]) -> None:
        webhooks.verify(body, headers, secret.pop(), max_age=10)

    with pytest.raises(KlaviyoError) as caught:
        receive([SECRET])
    told = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    own = told[told.index("in receive") :]
    assert SECRET not in own
    assert SECRET not in repr(caught.value)
