"""What all parts of one fake share: its state, its clock, its chance, its routes and schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from klaviyo_async.testing.clock import Clock
    from klaviyo_async.testing.jobs import Jobs
    from klaviyo_async.testing.routes import Router
    from klaviyo_async.testing.schemas import Schemas
    from klaviyo_async.testing.store import Store


@define(kw_only=True)
class World:
    """Passed to everything that handles a request. A fake that serves several revisions has one for each; all but routes and
    schemas is the same in them."""

    store: Store
    clock: Clock
    chance: random.Random
    router: Router
    schemas: Schemas
    jobs: Jobs[World]
    revision: str
    """The revision whose operations these routes and schemas are."""
    on_event: list[Callable[[str, str], Any]] = field(factory=list)
    """Called with event id and webhook topic for each event recorded."""
