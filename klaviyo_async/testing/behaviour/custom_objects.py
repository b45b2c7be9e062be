"""Custom objects: types and the versions of their schemas, relationships between schemas, records from data sources."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson

from klaviyo_async.testing.behaviour.generic import cascade, document, insert, plain, require, same_id, success, wanted
from klaviyo_async.testing.behaviour.registry import handles
from klaviyo_async.testing.call import Response
from klaviyo_async.testing.clock import stamp
from klaviyo_async.testing.problems import Problem, invalid
from klaviyo_async.testing.resources import LINKS
from klaviyo_async.testing.values import time_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from klaviyo_async.testing.call import Call
    from klaviyo_async.testing.record import Record
    from klaviyo_async.testing.store import Store
    from klaviyo_async.testing.world import World

_STEP = re.compile(r"\[(?:'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"|(\d+))\]|\.?([^.\[\]$]+)")
_PROFILE = "profile"
"""The id by which a schema's relationship to profiles names them."""


# --- types and schemas


@handles("create_object_type")
def create_type(call: Call) -> Response:
    """A type, and the first version of its schema where the request has one."""
    record = insert(call, call.data)
    nested = (call.attributes.get("object-schema") or {}).get("data")
    if nested is not None:
        given = nested.get("attributes") or {}
        _new_schema(call.world, {"title": record.attributes["title"], **given}, record)
    return document(call, require(call.world.store, "object-type", record.id))


@handles("create_object_schema")
def create_schema(call: Call) -> Response:
    """A version of a type's schema, a draft unless the request says that it is active."""
    owner = call.related_id("object-type")
    kind = None if owner is None else require(call.world.store, "object-type", owner)
    return document(call, _new_schema(call.world, call.attributes, kind))


@handles("update_object_schema")
def update_schema(call: Call) -> Response:
    """A draft that becomes active is its type's current schema from then on."""
    record = wanted(call)
    same_id(call)
    call.world.store.change(record, _given(call.attributes))
    return document(call, _settled(call.world, require(call.world.store, "object-schema", record.id)))


def _new_schema(world: World, attributes: Mapping[str, Any], owner: Record | None) -> Record:
    store = world.store
    mapping = ((attributes.get("source-mapping") or {}).get("data") or {}).get("attributes") or {}
    relationships = {"source-mapping": store.insert("source-mapping", _given(mapping)).id}
    if owner is not None:
        relationships["object-type"] = owner.id
    given = _given(attributes)
    given.setdefault("visibility", "private" if owner is None else owner.attributes["visibility"])
    return _settled(world, store.insert("object-schema", given, relationships=relationships))


def _settled(world: World, schema: Record) -> Record:
    """The schema after its type has taken notice of its status."""
    store, status, owner = world.store, schema.attributes["status"], schema.refs.get("object-type")
    if status == "active" and schema.attributes.get("published_at") is None:
        schema = store.change(schema, {"published_at": stamp(world.clock.time())})
    if owner is not None:
        kind = require(store, "object-type", owner)
        mine: dict[str, str | None] = {"current-schema" if status == "active" else "draft-schema": schema.id}
        if status == "active" and kind.refs.get("draft-schema") == schema.id:
            mine["draft-schema"] = None
        status = "active" if status == "active" or kind.refs.get("current-schema") else status
        _link_types(store, store.change(kind, {"status": status}, relationships=mine))
    return schema


def _given(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that a request gives, without nulls: those stand for the defaults."""
    return {name: value for name, value in plain(attributes).items() if value is not None}


# --- relationships between schemas, each with a name and an id of its own


@handles("create_object_schema_relationship", "create_profile_schema_relationship")
def relate(call: Call) -> Response:
    """Named relationships to other schemas, or to profiles."""
    store, schema = call.world.store, wanted(call)
    kind = LINKS[str(call.route.relationship)]
    for number, one in enumerate(call.body["data"]):
        other = _other(store, kind, one["id"], number)
        meta = one.get("meta") or {}
        name = meta.get("name") or ("profiles" if other is None else other.attributes["title"])
        id = f"{schema.id}/{one['id']}:::{name}"  # noqa: A001 - the API's own word
        if store.record(kind, id) is not None:
            raise Problem(409, f"There is a relationship {name} already.", pointer=f"/data/{number}/meta/name")
        store.insert(
            kind,
            {
                "meta": {
                    "relationship_id": store.ids.make("ulid"),
                    "name": name,
                    "description": meta.get("description") or "",
                }
            },
            id=id,
            relationships={"owner": schema.id} if other is None else {"owner": schema.id, "to": other.id},
        )
    _link_types_of(store, schema)
    return Response(status=success(call))


@handles("update_object_schema_relationship", "update_profile_schema_relationship")
def rename(call: Call) -> Response:
    """Another name or description of a relationship."""
    store, schema = call.world.store, wanted(call)
    meta = call.data.get("meta") or {}
    changes = {name: meta[name] for name in ("name", "description") if meta.get(name) is not None}
    for link in _links(store, schema, call, call.data, "/data"):
        attributes = {"meta": {**link.attributes["meta"], **changes}}
        target = {name: other for name, other in link.refs.items() if other is not None}
        store.delete(link)
        shown = link.id.rpartition(":::")[0]
        store.insert(link.type, attributes, id=f"{shown}:::{attributes['meta']['name']}", relationships=target)
    _link_types_of(store, schema)
    return Response(status=success(call))


@handles("delete_object_schema_relationship", "delete_profile_schema_relationship")
def unrelate(call: Call) -> Response:
    """Relationships by their ids; those to one schema, where only that is named."""
    store, schema = call.world.store, wanted(call)
    found = [
        link
        for number, one in enumerate(call.body["data"])
        for link in _links(store, schema, call, one, f"/data/{number}")
    ]
    for link in found:
        store.delete(link)
    _link_types_of(store, schema)
    return Response(status=success(call))


def _other(store: Store, kind: str, id: str, number: int) -> Record | None:
    """The schema that a relationship leads to; None where it leads to profiles."""
    found = None if kind == "profile-object-schema" else store.record("object-schema", id)
    if found is None and not (kind == "profile-object-schema" and id == _PROFILE):
        problem = store.missing("object-schema", id)
        problem.errors[0]["source"] = {"pointer": f"/data/{number}/id"}
        raise problem
    return found


def _links(store: Store, schema: Record, call: Call, named: Mapping[str, Any], pointer: str) -> list[Record]:
    """The relationships that an identifier of a body names.

    Raises:
        Problem: 404 where the schema has no relationship of that id.
    """
    wanted_id = (named.get("meta") or {}).get("relationship_id")
    found = [
        link
        for link in store.members(schema, str(call.route.relationship))
        if link.id.startswith(f"{schema.id}/{named['id']}:::")
        and wanted_id in {None, link.attributes["meta"]["relationship_id"]}
    ]
    if not found:
        raise Problem(404, f"The schema has no such relationship to {named['id']}.", pointer=f"{pointer}/id")
    return found


def _link_types_of(store: Store, schema: Record) -> None:
    owner = schema.refs.get("object-type")
    if owner is not None:
        _link_types(store, require(store, "object-type", owner))


def _link_types(store: Store, kind: Record) -> None:
    """A type is related to what its current schema is related to."""
    for name in ("object-types", "profile-object-types"):
        for old in list(store.members(kind, name)):
            store.delete(old)
    for schema in list(store.members(kind, "current-schema")):
        for link in list(store.members(schema, "object-schemas")):
            for other in store.members(link, "to"):
                target = other.refs.get("object-type")
                if target is not None:
                    _link_type(store, kind, link, target)
        for link in list(store.members(schema, "profile-object-schemas")):
            _link_type(store, kind, link, None)


def _link_type(store: Store, kind: Record, link: Record, target: str | None) -> None:
    """One relationship of a type, to another one or (with None) to profiles."""
    made = "profile-object-type" if target is None else "object-type-link"
    id = f"{kind.id}/{target or _PROFILE}:::{link.attributes['meta']['name']}"  # noqa: A001 - the API's own word
    if store.record(made, id) is None:
        relationships = {"owner": kind.id} if target is None else {"owner": kind.id, "to": target}
        store.insert(made, link.attributes, id=id, relationships=relationships)


# --- records


@handles("bulk_delete_object_records")
def delete_records(call: Call) -> Response:
    """Records by their ids; those that aren't there are left alone, for nobody could be told."""
    for id in call.related_ids("object-records"):  # noqa: A001 - the API's own word
        record = call.world.store.record("object-record", id)
        if record is not None:
            cascade(call.world.store, record)
    return Response(status=success(call))


def ingest(world: World, source: str, row: Mapping[str, Any]) -> None:
    """Make a record of each type whose current schema takes values from that data source; failures are logged."""
    store = world.store
    for kind in list(store.records("object-type")):
        for schema in store.members(kind, "current-schema"):
            for mapping in store.members(schema, "source-mapping"):
                values, external = _mapped(mapping.attributes["property_mappings"], source, row)
                if values:
                    _keep(world, kind, schema.attributes, values, external)


def _mapped(mappings: list[dict[str, Any]], source: str, row: Mapping[str, Any]) -> tuple[dict[int, Any], Any]:
    """Id of a property → its value, and the record's own id; nothing where the mappings take nothing from the source."""
    used = [each for each in mappings if (each.get("source") or {}).get("source_id") == source]
    if not used:
        return {}, None
    values = {each["id"]: at(row, each["source"]["data_path"]) for each in used}
    values |= {each["id"]: each["value"] for each in mappings if "value" in each}
    return values, at(row, used[0]["source"]["id_path"])


def _keep(world: World, kind: Record, schema: Mapping[str, Any], values: Mapping[int, Any], external: Any) -> None:
    store = world.store
    named = {each["name"]: values.get(each["id"]) for each in schema["properties"]}
    problems = list(_problems(schema, named))
    if external is None:
        problems.append({"code": "missing", "message": "Field required", "property": "id", "invalid_value": None})
    if problems:
        store.insert(
            "object-ingestion-log",
            {
                "status": "error",
                "event_type": "validation_error",
                "timestamp": stamp(world.clock.time()),
                "summary": f"{len(problems)} validation error{'s' * (len(problems) > 1)} for {external}",
                "errors": problems,
                "record~id": str(external),
            },
            id=store.ids.make("uuid"),
            relationships={"object-type": kind.id},
        )
        return
    id = f"{kind.id}:::{external}"  # noqa: A001 - the API's own word
    properties = {name: value for name, value in named.items() if value is not None}
    old = store.record("object-record", id)
    if old is None:
        store.insert("object-record", {"record_properties": properties}, id=id, relationships={"object-type": kind.id})
    else:
        store.change(old, {"record_properties": properties})


def _problems(schema: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for each in schema["properties"]:
        name, value = each["name"], values.get(each["name"])
        if value is None:
            if name in schema["required"]:
                yield {"code": "missing", "message": "Field required", "property": name, "invalid_value": None}
        elif not _fits(each["type"], value):
            yield {
                "code": f"{each['type']}_type",
                "message": f"Input should be a valid {each['type']}",
                "property": name,
                "invalid_value": orjson.dumps(value).decode(),
            }


def _fits(kind: str, value: Any) -> bool:
    if kind == "timestamp":
        return time_of(value) is not None
    if isinstance(value, bool):
        return kind == "boolean"
    wanted: Any = {"string": str, "int": int, "float": int | float}.get(kind)
    return wanted is not None and isinstance(value, wanted)


def at(row: Any, path: str) -> Any:
    """The value at a JSONPath of plain steps (``$['id']``, ``$.address.city``, ``$.tags[0]``); None where there is none.

    Raises:
        Problem: 400 for a path of another kind.
    """
    rest = path.removeprefix("$")
    while rest:
        match = _STEP.match(rest)
        if match is None:
            raise invalid(f"'{path}' is not a supported JSONPath.", pointer="/data/attributes")
        single, double, number, name = match.groups()
        key = next((each for each in (single, double, name) if each is not None), None)
        if key is not None:
            row = row.get(key) if isinstance(row, dict) else None
        else:
            row = row[int(number)] if isinstance(row, list) and int(number) < len(row) else None
        rest = rest[match.end() :]
    return row
