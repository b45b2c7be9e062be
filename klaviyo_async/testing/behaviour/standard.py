"""Operations without a behaviour of their own: generic where the path names a resource type, else the example."""

from __future__ import annotations

from typing import TYPE_CHECKING

# imported for what they register
from klaviyo_async.testing.behaviour import (  # noqa: F401
    bulk,
    campaigns,
    client_side,
    coupons,
    data_sources,
    events,
    flows,
    images,
    metrics,
    profiles,
    push_tokens,
    reports,
    subscriptions,
    tags,
    templates,
    webhooks,
)
from klaviyo_async.testing.behaviour.generic import ACTIONS, success
from klaviyo_async.testing.call import Answer
from klaviyo_async.testing.examples import example
from klaviyo_async.testing.resources import KINDS

if TYPE_CHECKING:
    from klaviyo_async.testing.behaviour.registry import Coverage
    from klaviyo_async.testing.call import Call
    from klaviyo_async.testing.routes import Route


def coverage(route: Route) -> Coverage:
    """How much of an operation without a behaviour of its own is real."""
    if _generic(route):
        return "stateful"
    return "accepted" if route.facts.response is None else "example"


def _generic(route: Route) -> bool:
    if route.type is None or route.type not in KINDS:
        return False
    return route.relationship is None or route.relationship in KINDS[route.type].relationships


def answer(call: Call) -> Answer:
    """Generic code over state, or the schema's example."""
    if _generic(call.route):
        return ACTIONS[call.route.action](call)
    name = call.route.facts.response
    document = None if name is None else example(call.world.schemas, name)
    if document is not None and call.path and isinstance(document.get("data"), dict) and "id" in document["data"]:
        document["data"]["id"] = call.path[0]
    return Answer(status=success(call), document=document)
