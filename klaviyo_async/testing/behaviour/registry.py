"""Which operations have a behaviour of their own."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Literal

from attrs import frozen

from klaviyo_async.operation_table import operations
from klaviyo_async.testing.routes import Router
from klaviyo_async.testing.schemas import load

if TYPE_CHECKING:
    from collections.abc import Callable

    from klaviyo_async.testing.call import Call, Response
    from klaviyo_async.testing.routes import Route

Coverage = Literal["stateful", "computed", "accepted", "example"]
"""stateful: reads and changes state; computed: derived from state; accepted: checked, without effect;
example: the schema's examples."""


@frozen
class Behaviour:
    """What handles an operation, and how much of it is real."""

    handle: Callable[[Call], Response]
    coverage: Coverage


BEHAVIOURS: dict[str, Behaviour] = {}
"""Operation of the shipped revision → its behaviour."""


def behaviour_of(route: Route) -> Behaviour | None:
    """The behaviour of a route, in whatever revision: what an operation does is known by its method and path, for the names of
    operations change."""
    return _by_shape().get(route.shape)


@cache
def _by_shape() -> dict[tuple[str, ...], Behaviour]:
    routes = Router(operations, load()).routes
    return {routes[name].shape: behaviour for name, behaviour in BEHAVIOURS.items() if name in routes}


def handles(
    *operations: str, coverage: Coverage = "stateful"
) -> Callable[[Callable[[Call], Response]], Callable[[Call], Response]]:
    """Name the operations that a function handles."""

    def register(function: Callable[[Call], Response]) -> Callable[[Call], Response]:
        for operation in operations:
            BEHAVIOURS[operation] = Behaviour(function, coverage)
        return function

    return register
