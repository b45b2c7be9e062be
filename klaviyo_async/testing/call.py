"""One request on its way through the fake, and its response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from klaviyo_async.testing.problems import invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klaviyo_async.testing.checks import Query
    from klaviyo_async.testing.routes import Route
    from klaviyo_async.testing.world import World


@frozen(kw_only=True)
class Call:
    """A request that passed all checks."""

    world: World
    route: Route
    path: tuple[str, ...]
    """Path arguments, percent-decoded."""
    query: Query
    body: Any
    """Decoded JSON, the form's fields for multipart, or None."""
    origin: str
    """Scheme and host that the client used: links start with it."""
    target: str
    """Path and query as they came."""

    @property
    def data(self) -> dict[str, Any]:
        """``data`` of the body."""
        found: dict[str, Any] = self.body["data"]
        return found

    @property
    def attributes(self) -> dict[str, Any]:
        """``data.attributes`` of the body; empty if it has none."""
        return self.data.get("attributes") or {}

    def related_id(self, name: str) -> str | None:
        """Id of a to-one relationship in the body, None where it isn't given."""
        given = (self.data.get("relationships") or {}).get(name) or {}
        found = given.get("data") or {}
        return found.get("id")

    def needed_id(self, name: str) -> str:
        """Id of a to-one relationship that the operation can't do without.

        Raises:
            Problem: 400 where it isn't given.
        """
        found = self.related_id(name)
        if found is None:
            raise invalid(f"The field '{name}' is required.", pointer=f"/data/relationships/{name}/data")
        return found

    def related_ids(self, name: str) -> list[str]:
        """Ids of a to-many relationship in the body."""
        given = (self.data.get("relationships") or {}).get(name) or {}
        return [one["id"] for one in given.get("data") or ()]


@define(kw_only=True)
class Response:
    """What goes back: a status, and a document unless the body is empty."""

    status: int
    document: dict[str, Any] | None = None
    headers: Mapping[str, str] = field(factory=dict)
