"""What the documents of a revision tell of its resource types: the kinds of those that nobody has described by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from attrs import evolve

from klaviyo_async.testing.resources import KINDS, Kind, Relationship

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from klaviyo_async.testing.routes import Router
    from klaviyo_async.testing.schemas import Schemas

_CREATED = ("created", "created_at")
_UPDATED = ("updated", "updated_at")


class _Link(NamedTuple):
    target: str
    many: bool


_Links: TypeAlias = "Mapping[str, Mapping[str, _Link]]"
"""Resource type → name → relationship."""


def kinds_of(revisions: Iterable[tuple[Router, Schemas]]) -> dict[str, Kind]:
    """Resource type → what is known of it: by hand, and from the schemas and routes of these revisions."""
    links: dict[str, dict[str, _Link]] = {}
    attributes: dict[str, set[str]] = {}
    for router, schemas in revisions:
        for kind, name, link in _links(router, schemas):
            links.setdefault(kind, {}).setdefault(name, link)
        for resource, kind in _resources(schemas):
            attributes.setdefault(kind, set()).update(_properties(schemas, resource, "attributes"))
        for route in router.routes.values():
            if route.type is not None and route.action is not None and route.action != "create":
                links.setdefault(route.type, {})
    kinds = dict(KINDS)
    # What is only ever created, or whose id nobody takes, has no state: reports, for instance.
    targets = {link.target for found in links.values() for link in found.values()}
    for kind in sorted(links.keys() | targets):
        known = KINDS.get(kind) or _plain(attributes.get(kind, set()))
        found = {
            name: _relationship(kind, name, link, links)
            for name, link in links.get(kind, {}).items()
            if name not in known.relationships
        }
        kinds[kind] = evolve(known, relationships={**known.relationships, **found})
    return kinds


def _plain(attributes: set[str]) -> Kind:
    created = next((name for name in _CREATED if name in attributes), None)
    updated = next((name for name in _UPDATED if name in attributes), None)
    return Kind(created=created, updated=updated)


def _relationship(kind: str, name: str, link: _Link, links: _Links) -> Relationship:
    """How a relationship is kept: together with the one that leads back, where it is clear which one does."""
    inverse = _inverse(kind, name, link.target, links)
    if inverse is None:
        return Relationship(
            target=link.target, many=link.many, kept="many" if link.many else "one", always=not link.many
        )
    back = links[link.target][inverse]
    first = (kind, name) < (link.target, inverse)
    if link.many != back.many:
        kept = "reverse" if link.many else "one"
    elif link.many:
        kept = "many"
    else:
        kept = "one" if first else "reverse"
    return Relationship(
        target=link.target, many=link.many, kept=kept, inverse=inverse, owner=first, always=not link.many
    )


def _inverse(kind: str, name: str, target: str, links: _Links) -> str | None:
    if kind == target or _main(kind, target, links) != name:
        return None
    back = _main(target, kind, links)
    described = (kind in KINDS and name in KINDS[kind].relationships) or (
        target in KINDS and back in KINDS[target].relationships
    )
    return None if described else back


def _main(kind: str, target: str, links: _Links) -> str | None:
    """The relationship of one type to another: the only one, or else the one that is called like the type."""
    found = [name for name, link in links.get(kind, {}).items() if link.target == target]
    if len(found) > 1:
        found = [name for name in found if name in {target, f"{target}s"}]
    return found[0] if len(found) == 1 else None


def _links(router: Router, schemas: Schemas) -> Iterator[tuple[str, str, _Link]]:
    """Resource type, name and target of each relationship that the schemas of resources, or the routes, tell of."""
    for resource, kind in _resources(schemas):
        for name, schema in _properties(schemas, resource, "relationships").items():
            link = _target(schemas, schemas.resolve(schema).get("properties", {}).get("data"))
            if link is not None:
                yield kind, name, link
    for route in router.routes.values():
        if route.type is None or route.relationship is None:
            continue
        for document in (route.facts.response, route.facts.request):
            if document is not None:
                data = schemas.resolve(schemas.definitions[document]).get("properties", {}).get("data")
                link = _target(schemas, data)
                if link is not None:
                    yield route.type, route.relationship, link
                    break


def _resources(schemas: Schemas) -> Iterator[tuple[dict[str, Any], str]]:
    """The resource in each body of a request or success, and its type."""
    for facts in schemas.operations.values():
        for document in (facts.response, facts.request):
            resource = schemas.resource(document) if document is not None else None
            kind = _type(schemas, resource) if resource is not None else None
            if resource is not None and kind is not None:
                yield resource, kind


def _properties(schemas: Schemas, resource: Mapping[str, Any], part: str) -> dict[str, Any]:
    found: dict[str, Any] = schemas.resolve(resource.get("properties", {}).get(part, {})).get("properties", {})
    return found


def _target(schemas: Schemas, data: Mapping[str, Any] | None) -> _Link | None:
    """What the ``data`` of a relationship, or of a document, is about."""
    schema = schemas.resolve(data) if data is not None else {}
    many = schema.get("type") == "array" or "items" in schema
    kind = _type(schemas, schemas.resolve(schema.get("items", {})) if many else schema)
    return None if kind is None else _Link(kind, many)


def _type(schemas: Schemas, resource: Mapping[str, Any]) -> str | None:
    """The resource type that a schema has as its constant."""
    constant = schemas.resolve(resource.get("properties", {}).get("type", {})).get("enum")
    return str(constant[0]) if constant and len(constant) == 1 else None
