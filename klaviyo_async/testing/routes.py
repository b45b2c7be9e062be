"""Routes of the fake, made from the operation table: what each operation does is read off its method and path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klaviyo_async.operation import Operation
    from klaviyo_async.testing.schemas import Facts, Schemas

Action = Literal["list", "create", "read", "update", "delete", "related", "linkage", "link", "relink", "unlink"]
_ONE: Mapping[str, Action] = {"GET": "list", "POST": "create"}
_TWO: Mapping[str, Action] = {"GET": "read", "PATCH": "update", "DELETE": "delete"}
_LINKAGE: Mapping[str, Action] = {"GET": "linkage", "POST": "link", "PATCH": "relink", "DELETE": "unlink"}


@frozen(kw_only=True)
class Route:
    """One operation and what it does: an action on a resource type, and the relationship where there is one."""

    operation: Operation
    facts: Facts
    action: Action
    collection: str
    """First part of the path after ``/api/`` or ``/client/``."""
    type: str | None
    """Resource type that the path names; None where it names none (reports, client-side calls)."""
    relationship: str | None = None


class Router:
    """Finds the route of a request."""

    def __init__(self, operations: Mapping[str, Operation], schemas: Schemas) -> None:
        self.routes: dict[str, Route] = {}
        self.collections: dict[str, str] = {"conversation": "conversations"}
        """Resource type → its collection, for links."""
        self._table: dict[tuple[str, ...], dict[str, Route]] = {}
        types = _types(operations, schemas)
        for name, operation in operations.items():
            facts = schemas.operations[name]
            parts = operation.path.strip("/").split("/")
            collection = parts[1]
            kind = types.get("/".join(parts[:2]))
            action: Action
            relationship = parts[-1] if len(parts) > 3 else None
            if len(parts) == 2:
                action = _ONE[operation.method]
            elif len(parts) == 3:
                action = _TWO[operation.method]
            elif len(parts) == 4:
                action = "related"
            else:
                action = _LINKAGE[operation.method]
            route = Route(
                operation=operation,
                facts=facts,
                action=action,
                collection=collection,
                type=kind,
                relationship=relationship,
            )
            self.routes[name] = route
            self._table.setdefault(_shape(parts), {})[operation.method] = route
            if kind is not None and parts[0] == "api" and (operation.path_parameters or kind not in self.collections):
                self.collections[kind] = collection

    def find(self, method: str, raw_path: str) -> tuple[Route | None, tuple[str, ...], tuple[str, ...]]:
        """Route, decoded path arguments, and the methods that the path takes (empty where there is no such path)."""
        parts = raw_path.strip("/").split("/")
        methods = self._table.get(_shape(parts))
        if methods is None:
            return None, (), ()
        route = methods.get(method)
        return route, ((unquote(parts[2]),) if len(parts) > 2 else ()), tuple(methods)


def _shape(parts: list[str]) -> tuple[str, ...]:
    # an id may be any text: only its place counts
    return tuple("*" if at == 2 else part for at, part in enumerate(parts))


def _types(operations: Mapping[str, Operation], schemas: Schemas) -> dict[str, str]:
    """Collection path → resource type, from the responses' own ``type`` constants."""
    types: dict[str, str] = {}
    for name, operation in operations.items():
        parts = operation.path.strip("/").split("/")
        response = schemas.operations[name].response
        if response is None or len(parts) > 3:
            continue
        resource = schemas.resource(response)
        constant = schemas.resolve(resource["properties"]["type"]).get("enum") if resource else None
        if constant:
            key = "/".join(parts[:2])
            # a job's answer may be of another type than what its path makes: the path with an id decides
            if key not in types or len(parts) == 3:
                types[key] = constant[0]
    return types
