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
_RELATED: Mapping[str, Action] = {"GET": "related"}
_LINKAGE: Mapping[str, Action] = {"GET": "linkage", "POST": "link", "PATCH": "relink", "DELETE": "unlink"}
_ANY = "*"


@frozen(kw_only=True)
class Route:
    """One operation and what it does: an action on a resource type, and the relationship, if any."""

    operation: Operation
    facts: Facts
    action: Action | None
    """None where method and path don't tell (``POST /api/things/{id}/clone``)."""
    collection: str
    """First part of the path after ``/api/`` or ``/client/``."""
    type: str | None
    """Resource type that the path names; None where it names none (reports, client-side calls)."""
    relationship: str | None = None
    """Name of the relationship; in braces where it is the path's second argument."""

    @property
    def shape(self) -> tuple[str, ...]:
        """Method and path, whatever the arguments are called, and whether or not it ends in a slash."""
        return self.operation.method, *_shape(_parts(self.operation.path))


class Router:
    """Finds the route of a request."""

    def __init__(self, operations: Mapping[str, Operation], schemas: Schemas) -> None:
        self.routes: dict[str, Route] = {}
        self.collections: dict[str, str] = {
            name: f"api/{name}s"
            for name in ("conversation", "object-ingestion-log", "profile-object-schema", "profile-object-type")
        }
        """Resource type → path of its collection, for links; those of these types have no operation of their own."""
        self._table: dict[tuple[str, ...], dict[str, Route]] = {}
        self._arguments: dict[int, list[tuple[int, ...]]] = {}
        """Number of parts → where paths of that length have their arguments, the fewest first."""
        types = _types(operations, schemas)
        for name, operation in operations.items():
            parts = _parts(operation.path)
            kind = types.get("/".join(parts[:2]))
            route = Route(
                operation=operation,
                facts=schemas.operations[name],
                action=_action(operation.method, parts),
                collection=parts[1],
                type=kind,
                relationship=parts[-1] if len(parts) > 3 else None,
            )
            self.routes[name] = route
            self._table.setdefault(_shape(parts), {})[operation.method] = route
            places = tuple(at for at, part in enumerate(parts) if part.startswith("{"))
            known = self._arguments.setdefault(len(parts), [])
            if places not in known:
                known.append(places)
                known.sort(key=len)
            if kind is not None and (kind not in self.collections or (parts[0] == "api" and operation.path_parameters)):
                self.collections[kind] = "/".join(parts[:2])

    def find(self, method: str, raw_path: str) -> tuple[Route | None, tuple[str, ...], tuple[str, ...]]:
        """Route, decoded path arguments, and the methods that the path takes (empty if there is no such path)."""
        parts = _parts(raw_path)
        for places in self._arguments.get(len(parts), ()):
            methods = self._table.get(tuple(_ANY if at in places else part for at, part in enumerate(parts)))
            if methods is not None:
                return methods.get(method), tuple(unquote(parts[at]) for at in places), tuple(methods)
        return None, (), ()


def _parts(path: str) -> list[str]:
    return path.strip("/").split("/")


def _shape(parts: list[str]) -> tuple[str, ...]:
    # an id may be any text: only its place counts
    return tuple(_ANY if part.startswith("{") else part for part in parts)


def _action(method: str, parts: list[str]) -> Action | None:
    own = len(parts) > 2 and parts[2].startswith("{")
    if len(parts) == 2:
        return _ONE.get(method)
    if len(parts) == 3 and own:
        return _TWO.get(method)
    if len(parts) == 4 and own:
        return _RELATED.get(method)
    if len(parts) == 5 and own and parts[3] == "relationships":
        return _LINKAGE.get(method)
    return None


def _types(operations: Mapping[str, Operation], schemas: Schemas) -> dict[str, str]:
    """Collection path → resource type, from the ``type`` constants of the successes, or else of the bodies."""
    types: dict[str, str] = {}
    for source in ("response", "request"):
        found: dict[str, str] = {}
        for name, operation in operations.items():
            parts = _parts(operation.path)
            document = getattr(schemas.operations[name], source)
            if document is None or len(parts) > 3:
                continue
            resource = schemas.resource(document)
            constant = schemas.resolve(resource.get("properties", {}).get("type", {})).get("enum") if resource else None
            if constant:
                key = "/".join(parts[:2])
                # a job's response may be of another type than what its path makes: the path with an id decides
                if key not in found or len(parts) == 3:
                    found[key] = constant[0]
        types = {**found, **types}
    return types
