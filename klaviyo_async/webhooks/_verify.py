"""The signature of a delivery: HMAC-SHA256 of the raw body followed by the timestamp header, in lowercase hex."""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from klaviyo_async.errors import ConfigurationError, DecodeError, WebhookSignatureError
from klaviyo_async.webhooks._delivery import DeliveredEvent, Delivery, DeliveryMeta

if TYPE_CHECKING:
    from collections.abc import Iterable


def verify(
    body: bytes | bytearray | memoryview,
    headers: Mapping[str, str],
    secret: str | bytes | Iterable[str | bytes],
    *,
    max_age: float | None = None,
) -> Delivery:
    """Verify that a webhook request was signed with `secret`, and return its delivery.

    :param body: The raw body of the request, as received: JSON that has been parsed and serialised again has a different
        signature.
    :param headers: The headers of the request, case-insensitive: ``Klaviyo-Signature``, ``Klaviyo-Timestamp`` and
        ``Klaviyo-Webhook-Id``.
    :param secret: The webhook's `secret_key`, or several of them while rotating secrets.
    :param max_age: Maximum age in seconds, by `meta.timestamp`; None skips this check. Deliveries that Klaviyo repeats
        after a failure may be hours old, so a small value loses events after an outage of the receiver. Detect
        duplicates by `external_id` instead.

    Raises `WebhookSignatureError` if the signature is wrong or missing, or belongs to another webhook's delivery or to
    something that isn't a delivery, or if the delivery is older than `max_age`, or that far ahead of this machine's clock.
    Raises `ConfigurationError` for an empty secret, and TypeError for a body that isn't bytes.

    Source: https://developers.klaviyo.com/en/docs/working_with_system_webhooks
    """
    if not isinstance(body, bytes | bytearray | memoryview):
        raise TypeError(
            f"body must be the raw bytes of the request, not {type(body).__name__}: JSON that has been parsed and serialised"
            " again has a different signature."
        )
    # Error trackers collect the local variables of a traceback's frames, so the secret is no longer one from here on.
    signers = _signers(secret)
    del secret
    _check_max_age(max_age)
    raw, given = bytes(body), _lower(headers)
    if not _is_signed(raw, given, signers):
        raise WebhookSignatureError(
            "The delivery is not signed with this secret. Check that the secret is the webhook's secret_key, and that the body"
            " is the raw one, unchanged by a framework or proxy."
        )
    delivery = _read(raw)
    named = given.get("klaviyo-webhook-id")
    if named is not None and named != delivery.meta.klaviyo_webhook_id:
        raise WebhookSignatureError(
            "The Klaviyo-Webhook-Id header names a different webhook than the signed body does: the delivery was modified"
            " in transit."
        )
    if max_age is not None:
        _check_age(delivery.meta.timestamp, max_age)
    return delivery


def _check_max_age(max_age: object) -> None:
    if max_age is None:
        return
    if isinstance(max_age, bool) or not isinstance(max_age, int | float) or math.isnan(max_age) or max_age <= 0:
        raise ConfigurationError("max_age must be a positive number of seconds, or None.")


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    if not isinstance(headers, Mapping):
        raise TypeError(f"headers must be a mapping of names to values, not {type(headers).__name__}.")
    found: dict[str, str] = {}
    for name, value in headers.items():
        found.setdefault(str(name).lower(), str(value))
    return found


def _signers(secret: str | bytes | Iterable[str | bytes]) -> list[hmac.HMAC]:
    given = [secret] if isinstance(secret, str | bytes) else list(secret or ())
    if not given or not all(given):
        # Anybody can sign with an empty key, which is what an unset environment variable would yield.
        raise ConfigurationError("secret is empty: pass the webhook's secret_key.")
    return [hmac.new(each.encode() if isinstance(each, str) else each, digestmod=hashlib.sha256) for each in given]


def _is_signed(body: bytes, headers: Mapping[str, str], signers: list[hmac.HMAC]) -> bool:
    signature, timestamp = _required(headers, "Klaviyo-Signature"), _required(headers, "Klaviyo-Timestamp")
    try:
        signed, seen = body + timestamp.encode("utf-8", "surrogateescape"), signature.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    for signer in signers:
        signer.update(signed)
    # All are compared, so that the time taken doesn't reveal which one matches.
    fits = [hmac.compare_digest(signer.hexdigest().encode(), seen) for signer in signers]
    return any(fits)


def _required(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name.lower())
    if not value:
        raise WebhookSignatureError(f"The request has no {name} header, so it isn't a Klaviyo delivery.")
    return value


def _read(body: bytes) -> Delivery:
    try:
        delivery = Delivery.from_json(body)
    except DecodeError as error:
        raise WebhookSignatureError(f"The body is signed, but isn't a delivery: {error.reason}.") from None
    events, meta = delivery.events, delivery.meta
    if not isinstance(meta, DeliveryMeta):
        raise WebhookSignatureError("The body is signed, but isn't a delivery: it has no meta.")
    if not isinstance(events, list) or not all(isinstance(event, DeliveredEvent) for event in events):
        raise WebhookSignatureError("The body is signed, but isn't a delivery: it has no list of events as data.")
    return delivery


def _check_age(timestamp: object, max_age: float) -> None:
    if not isinstance(timestamp, datetime):
        raise WebhookSignatureError("The delivery has no valid time in meta.timestamp, so max_age can't be checked.")
    age = (datetime.now(UTC) - timestamp).total_seconds()
    if age > max_age:
        raise WebhookSignatureError(f"The delivery is {age:.0f} s old, and max_age allows {max_age:g} s.")
    if age < -max_age:
        raise WebhookSignatureError(
            f"The delivery is {-age:.0f} s ahead of this machine's clock, and max_age allows {max_age:g} s: check the clock."
        )
