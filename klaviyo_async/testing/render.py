"""Records as JSON:API: attributes with their defaults, sparse fieldsets, relationships, included resources, links."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from klaviyo_async.testing.behaviour.computed import computed
from klaviyo_async.testing.resources import KINDS
from klaviyo_async.testing.templates import shown, template

if TYPE_CHECKING:
    from collections.abc import Iterable

    from klaviyo_async.testing.call import Call
    from klaviyo_async.testing.listing import Page
    from klaviyo_async.testing.record import Record


def one(call: Call, record: Record | None, *, links: bool = True) -> dict[str, Any]:
    """A document of one resource, without ``links`` if there is no resource, as from the real server."""
    if record is None:
        return {"data": None}
    document: dict[str, Any] = {"data": resource(call, record, include=call.query.include)}
    if call.query.include:
        document["included"] = _included(call, [record])
    if links:
        document["links"] = {"self": self_link(call)}
    return document


def many(call: Call, page: Page, *, paged: bool) -> dict[str, Any]:
    """A document of one page of resources."""
    extras = [{"joined_group_at": page.joined[record.seq]} if page.joined else {} for record in page.records]
    document: dict[str, Any] = {
        "data": [
            resource(call, record, include=call.query.include, extra=extra)
            for record, extra in zip(page.records, extras, strict=True)
        ]
    }
    if call.query.include:
        document["included"] = _included(call, page.records)
    document["links"] = page_links(call, page, paged=paged)
    return document


def identifiers(call: Call, page: Page, *, paged: bool) -> dict[str, Any]:
    """A document of one page of resource identifiers."""
    return {"data": [identifier(record) for record in page.records], "links": page_links(call, page, paged=paged)}


def identifier(record: Record) -> dict[str, str]:
    """Type and id."""
    shown = known.shown_as if (known := KINDS.get(record.type)) is not None else None
    if shown is None:
        return {"type": record.type, "id": record.id}
    return {"type": shown, "id": record.id.partition("/")[2]}


def self_link(call: Call) -> str:
    """The request's own URL."""
    return call.origin + call.target


def page_links(call: Call, page: Page, *, paged: bool) -> dict[str, Any]:
    """``self``, and ``next`` and ``prev`` (null at the ends) where the operation pages."""
    links: dict[str, Any] = {"self": self_link(call)}
    if paged:
        links["next"] = _with_cursor(call, page.next)
        links["prev"] = _with_cursor(call, page.prev)
    return links


def _with_cursor(call: Call, cursor: str | None) -> str | None:
    if cursor is None:
        return None
    path, _, query = call.target.partition("?")
    kept = [part for part in query.split("&") if part and not part.startswith(("page%5Bcursor%5D=", "page[cursor]="))]
    return f"{call.origin}{path}?{'&'.join([*kept, f'page%5Bcursor%5D={cursor}'])}"


def resource(
    call: Call, record: Record, *, include: tuple[str, ...] = (), extra: dict[str, Any] | None = None
) -> dict[str, Any]:
    """One resource object, with the attributes that the query's fieldsets leave."""
    store = call.world.store
    kind = store.kind(record.type)
    stored, refs = record.load()
    named = identifier(record)
    wanted = call.query.fields.get(named["type"])
    additional = call.query.additional.get(named["type"], ())
    attributes = {**template(call.world.schemas, record.type), **stored}
    if b"~" in record.body:
        # names with a tilde are the fake's own notes
        attributes = {name: value for name, value in attributes.items() if "~" not in name}
    for name in kind.hidden:
        attributes.pop(name, None)
    if extra:
        attributes |= extra
    asked = {*additional, *(name.partition(".")[0] for name in wanted or ())}
    attributes |= computed(call.world, record, stored, asked)
    for name in kind.additional:
        if name not in asked:
            attributes.pop(name, None)
    if wanted is not None:
        attributes = _sparse(attributes, (*wanted, *additional))
    result: dict[str, Any] = {**named, "attributes": attributes}
    if record.type == "webhook-topic":
        del result["attributes"]
    base = _base(call, named)
    relationships = {}
    visible = shown(call.world.schemas).get(record.type, frozenset())
    for name, relationship in kind.relationships.items():
        if name not in visible:
            continue
        entry: dict[str, Any] = {}
        if relationship.kept == "one":
            target = refs.get(name)
            if target is None and record.type == "mapped-metric":
                continue
            if target is not None and (relationship.always or name in include):
                entry["data"] = {"type": relationship.target, "id": target}
            elif target is None and name in include:
                entry["data"] = None
        elif name in include or relationship.always:
            members = [identifier(member) for member in store.members(record, name)]
            if members or name in include:
                entry["data"] = members if relationship.many else next(iter(members), None)
        if base is not None and relationship.links:
            entry["links"] = {"related": f"{base}/{name}/"}
            if relationship.self_link:
                entry["links"] = {"self": f"{base}/relationships/{name}/", **entry["links"]}
        if name == "attributions" and not entry.get("data"):
            continue
        if entry:
            relationships[name] = entry
    if relationships:
        result["relationships"] = relationships
    if base is not None:
        result["links"] = {"self": f"{base}/"}
    return result


def _base(call: Call, named: dict[str, str]) -> str | None:
    collection = call.world.router.collections.get(named["type"])
    return None if collection is None else f"{call.origin}/{collection}/{named['id']}"


def _included(call: Call, records: Iterable[Record]) -> list[dict[str, Any]]:
    found: dict[int, Record] = {}
    for record in records:
        for name in call.query.include:
            if name in call.world.store.kind(record.type).relationships:
                for member in call.world.store.members(record, name):
                    found.setdefault(member.seq, member)
    return [resource(call, member) for member in found.values()]


def _sparse(attributes: dict[str, Any], wanted: tuple[str, ...]) -> dict[str, Any]:
    """Only the requested attributes; dotted names reach into objects."""
    result: dict[str, Any] = {}
    for name in wanted:
        head, _, rest = name.partition(".")
        if head not in attributes:
            continue
        value = attributes[head]
        if not rest or not isinstance(value, dict):
            result[head] = value
        elif not isinstance(result.get(head), dict) or result[head] is not value:
            inner = result.setdefault(head, {})
            inner.update(_deep(inner, _sparse(value, (rest,))))
    return result


def _deep(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    merged = dict(left)
    for name, value in right.items():
        old = merged.get(name)
        merged[name] = _deep(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
