"""What an operation does by its method and path alone: lists, resources, related resources, linkage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from klaviyo_async.testing import listing, render
from klaviyo_async.testing.call import Response
from klaviyo_async.testing.problems import Problem, invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from klaviyo_async.testing.call import Call
    from klaviyo_async.testing.record import Record
    from klaviyo_async.testing.store import Store

_BAD_IDS = {
    # types for whose malformed ids the real server responds 400, not 404
    "event": ("Invalid Event ID: '{id}'", "/data/id"),
    "flow-action": ("Invalid Flow Action ID: '{id}'", "/data/id"),
    "mapped-metric": ("'{id}' is not a valid choice for 'id'.", "/data/attributes/id"),
}


def success(call: Call, *, read: bool = False) -> int:
    """The status that the documents give; of several, the first for a read."""
    statuses = call.route.facts.success
    return statuses[0] if read or len(statuses) == 1 else statuses[-1]


def kind_of(call: Call) -> str:
    """The resource type that the path names."""
    if call.route.type is None:
        message = f"{call.route.operation.name} names no resource type"
        raise LookupError(message)
    return call.route.type


def wanted(call: Call) -> Record:
    """The resource that the path names.

    Raises:
        Problem: 404 where it isn't there, 400 for some malformed ids.
    """
    return require(call.world.store, kind_of(call), call.path[0])


def require(store: Store, kind: str, id: str) -> Record:
    """A resource by type and id.

    Raises:
        Problem: 404 where it isn't there, 400 for some malformed ids.
    """
    record = store.record(kind, id)
    if record is not None:
        return record
    bad = _BAD_IDS.get(kind)
    if bad is not None and not _well_formed(kind, id):
        raise invalid(bad[0].format(id=id), pointer=bad[1])
    raise store.missing(kind, id)


def _well_formed(kind: str, id: str) -> bool:
    if kind == "mapped-metric":
        return False
    return id.isdigit() if kind == "flow-action" else len(id) >= 8 and id.isalnum()


def paged(call: Call) -> bool:
    """Whether the operation has pages."""
    return any(parameter.kind == "page_cursor" for parameter in call.route.operation.parameters)


def document(call: Call, record: Record, status: int | None = None) -> Response:
    """The resource, or nothing where the operation's success has no body."""
    code = success(call) if status is None else status
    if call.route.facts.response is None:
        return Response(status=code)
    return Response(status=code, document=render.one(call, record))


def list_all(call: Call) -> Response:
    """GET of a collection."""
    page = listing.page_of_type(call.world.store, kind_of(call), _unpaged(call))
    return Response(status=success(call), document=render.many(call, page, paged=paged(call)))


def _unpaged(call: Call) -> Any:
    if paged(call):
        return call.query
    from attrs import evolve  # noqa: PLC0415 - only lists without pages come here

    return evolve(call.query, size=10_000)


def read(call: Call) -> Response:
    """GET of one resource."""
    return document(call, wanted(call), success(call, read=True))


def create(call: Call) -> Response:
    """POST of a collection."""
    record = insert(call, call.data)
    return document(call, record)


def insert(call: Call, data: Mapping[str, Any], pointer: str = "/data") -> Record:
    """A new resource from a resource object of a body.

    Raises:
        Problem: 409 where a unique attribute is taken, 404 for a related resource that isn't there.
    """
    store, kind = call.world.store, kind_of(call)
    attributes = plain(data.get("attributes") or {})
    for name in store.kind(kind).unique:
        taken = attributes.get(name) is not None and store.first(kind, name, attributes[name])
        if taken:
            noun = (store.kind(kind).noun or kind).replace("-", " ")
            raise Problem(
                409,
                f"A {noun} with {name} '{attributes[name]}' already exists.",
                pointer=f"{pointer}/attributes/{name}",
            )
    return store.insert(
        kind, attributes, id=made_id(kind, attributes), relationships=references(store, kind, data, pointer)
    )


def made_id(kind: str, attributes: Mapping[str, Any]) -> str | None:
    """The id where it is made from attributes; None where it is arbitrary."""
    if kind in {"catalog-item", "catalog-variant", "catalog-category"}:
        return f"{attributes.get('integration_type', '$custom')}:::{attributes.get('catalog_type') or '$default'}:::{attributes['external_id']}"
    return attributes["external_id"] if kind == "coupon" else None


def plain(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes without those that are whole resources."""
    return {
        name: value for name, value in attributes.items() if not (isinstance(value, dict) and set(value) == {"data"})
    }


def references(store: Store, kind: str, data: Mapping[str, Any], pointer: str = "/data") -> dict[str, Any]:
    """The relationships of a resource object as ids, all of them there.

    Raises:
        Problem: 404 for one that isn't.
    """
    found: dict[str, Any] = {}
    for name, value in (data.get("relationships") or {}).items():
        relationship = store.kind(kind).relationships.get(name)
        if relationship is None or "data" not in value:
            continue
        given = value["data"]
        ids = [] if given is None else [one["id"] for one in (given if isinstance(given, list) else [given])]
        for id in ids:  # noqa: A001 - the API's own word
            if store.record(relationship.target, id) is None:
                problem = store.missing(relationship.target, id)
                problem.errors[0]["source"] = {"pointer": f"{pointer}/relationships/{name}/data/id"}
                raise problem
        found[name] = ids if relationship.many else next(iter(ids), None)
    return found


def update(call: Call) -> Response:
    """PATCH of one resource."""
    record = wanted(call)
    same_id(call)
    changed = call.world.store.change(
        record, plain(call.attributes), relationships=references(call.world.store, record.type, call.data)
    )
    return document(call, changed)


def same_id(call: Call) -> None:
    """Refuse a body whose id is not the path's.

    Raises:
        Problem: 400.
    """
    given = call.data.get("id") if isinstance(call.data, dict) else None
    if given is not None and given != call.path[0]:
        raise invalid(f"The id '{given}' is not the id '{call.path[0]}' of the path.", pointer="/data/id")


def delete(call: Call) -> Response:
    """DELETE of one resource, and of what belongs to it."""
    cascade(call.world.store, wanted(call))
    return Response(status=success(call))


def cascade(store: Store, record: Record) -> None:
    """Take a record out with all that points to it as its owner."""
    for name, relationship in store.kind(record.type).relationships.items():
        if relationship.kept == "reverse":
            for member in list(store.members(record, name)):
                cascade(store, member)
    store.delete(record)


def related(call: Call) -> Response:
    """GET of related resources."""
    record, name, target, many = _relationship(call)
    store = call.world.store
    if not many:
        found = next(store.members(record, name), None)
        return Response(status=success(call), document=render.one(call, found))
    page = _members(call, record, name, target)
    return Response(status=success(call), document=render.many(call, page, paged=paged(call)))


def linkage(call: Call) -> Response:
    """GET of a relationship's identifiers."""
    record, name, target, many = _relationship(call)
    if not many:
        found = next(call.world.store.members(record, name), None)
        result: dict[str, Any] = {"data": None if found is None else render.identifier(found)}
        if found is not None:
            result["links"] = {"self": render.self_link(call)}
        return Response(status=success(call), document=result)
    page = _members(call, record, name, target)
    return Response(status=success(call), document=render.identifiers(call, page, paged=paged(call)))


def _relationship(call: Call) -> tuple[Record, str, str, bool]:
    record = wanted(call)
    name = str(call.route.relationship)
    if name.startswith("{"):
        name = call.path[1]
    relationship = call.world.store.kind(record.type).relationships.get(name)
    if relationship is None:
        raise Problem(404, f"A {record.type} has no relationship '{name}'.", pointer="/data/")
    return record, name, relationship.target, relationship.many


def _members(call: Call, record: Record, name: str, target: str) -> listing.Page:
    store = call.world.store
    if store.relationship(record.type, name).kept == "many":
        group = store.group(record, name)
        page = listing.page_of_members(store, target, _unpaged(call), group)
        # only members of lists and segments have the time at which they joined
        return page if name == "profiles" and record.type in {"list", "segment"} else _unjoined(page)
    return listing.page_of_members(store, target, _unpaged(call), list(store.members(record, name)))


def _unjoined(page: listing.Page) -> listing.Page:
    return listing.Page(records=page.records, joined={}, next=page.next, prev=page.prev)


def link(call: Call) -> Response:
    """POST to a relationship: members are added, those in it already stay."""
    record, name, members = _named(call)
    for member in members:
        call.world.store.join(record, name, member)
    return Response(status=success(call))


def relink(call: Call) -> Response:
    """PATCH of a relationship: exactly these members, or this one."""
    record, name, members = _named(call)
    relationship = call.world.store.relationship(record.type, name)
    ids = [member.id for member in members]
    call.world.store.change(record, {}, relationships={name: ids if relationship.many else next(iter(ids), None)})
    return Response(status=success(call))


def unlink(call: Call) -> Response:
    """DELETE of members of a relationship; what is no member is left alone."""
    record, name, members = _named(call, lenient=True)
    for member in members:
        call.world.store.part(record, name, member)
    return Response(status=success(call))


def _named(call: Call, *, lenient: bool = False) -> tuple[Record, str, list[Record]]:
    record, name, target, _ = _relationship(call)
    data = call.body["data"]
    given = data if isinstance(data, list) else [data] if data else []
    members = []
    for number, one in enumerate(given):
        member = call.world.store.record(target, one["id"])
        if member is not None:
            members.append(member)
        elif not lenient:
            problem = call.world.store.missing(target, one["id"])
            place = f"/data/{number}/id" if isinstance(data, list) else "/data/id"
            problem.errors[0]["source"] = {"pointer": place}
            raise problem
    return record, name, members


ACTIONS: Mapping[str, Callable[[Call], Response]] = {
    "list": list_all,
    "create": create,
    "read": read,
    "update": update,
    "delete": delete,
    "related": related,
    "linkage": linkage,
    "link": link,
    "relink": relink,
    "unlink": unlink,
}
"""Action of a route → what does it."""
