"""Webhooks: what may be set. Their deliveries are the business of `klaviyo_async.testing.webhooks`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from klaviyo_async.testing.behaviour.generic import document, insert, update
from klaviyo_async.testing.behaviour.registry import handles
from klaviyo_async.testing.problems import invalid

if TYPE_CHECKING:
    from klaviyo_async.testing.call import Call, Response


@handles("create_webhook", "update_webhook")
def webhook(call: Call) -> Response:
    """Any topic of the form ``event:…`` may be named, even before its first event."""
    store = call.world.store
    secret = call.attributes.get("secret_key")
    if secret is not None and len(secret) < 16:
        raise invalid("secret_key must have at least 16 characters.", pointer="/data/attributes/secret_key")
    for topic in call.related_ids("webhook-topics"):
        if store.record("webhook-topic", topic) is None and re.fullmatch(r"event:[\w.-]+", topic):
            store.insert("webhook-topic", {}, id=topic)
    if call.route.action == "create":
        return document(call, insert(call, call.data))
    return update(call)
