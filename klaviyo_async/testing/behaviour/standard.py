"""What an operation does: its own behaviour, generic code where the path names a resource type, else the example."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from klaviyo_async.operation_table import REVISION

# imported for what they register
from klaviyo_async.testing.behaviour import (  # noqa: F401
    bulk,
    campaigns,
    client_side,
    coupons,
    custom_objects,
    data_sources,
    events,
    flows,
    images,
    metric_aggregates,
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
from klaviyo_async.testing.behaviour.registry import behaviour_of
from klaviyo_async.testing.call import Response
from klaviyo_async.testing.examples import example

if TYPE_CHECKING:
    from klaviyo_async.testing.behaviour.registry import Coverage
    from klaviyo_async.testing.call import Call
    from klaviyo_async.testing.routes import Route
    from klaviyo_async.testing.world import World


_LOGGER = logging.getLogger("klaviyo_async.testing")


def coverage(world: World, route: Route) -> Coverage:
    """How much of an operation is real."""
    behaviour = behaviour_of(route)
    if behaviour is not None:
        return behaviour.coverage
    if _generic(world, route):
        return "stateful"
    return "accepted" if route.facts.response is None else "example"


def respond(call: Call) -> Response:
    """What the operation does by its own behaviour, by generic code over state, or else the schema's example."""
    behaviour = behaviour_of(call.route)
    if behaviour is not None:
        try:
            return behaviour.handle(call)
        except (LookupError, TypeError, AttributeError, StopIteration):
            # Behaviours know the bodies of the shipped revision. Another one may have had other bodies at the same path.
            if call.world.revision == REVISION:
                raise
            _LOGGER.debug("%s of %s is not as in %s", call.route.operation.name, call.world.revision, REVISION)
    if _generic(call.world, call.route):
        return ACTIONS[str(call.route.action)](call)
    name = call.route.facts.response
    document = None if name is None else example(call.world.schemas, name)
    if document is not None and call.path and isinstance(document.get("data"), dict) and "id" in document["data"]:
        document["data"]["id"] = call.path[0]
    return Response(status=success(call), document=document)


def _generic(world: World, route: Route) -> bool:
    if route.action is None or route.type is None:
        return False
    body = route.operation.body
    if route.action in {"create", "update"} and (body is None or body.kind != "resource"):
        return False
    known = world.store.kinds.get(route.type)
    if known is None:
        return False
    return route.relationship is None or route.relationship.startswith("{") or route.relationship in known.relationships
