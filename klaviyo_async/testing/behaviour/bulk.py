"""The bulk jobs: how each is submitted, and what is done with a row of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from klaviyo_async.testing.behaviour import coupons, people
from klaviyo_async.testing.behaviour.generic import cascade, document, kind_of, made_id, plain, references, require
from klaviyo_async.testing.behaviour.registry import handles
from klaviyo_async.testing.jobs import Family, Skipped
from klaviyo_async.testing.problems import Problem, invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from klaviyo_async.testing.call import Call, Response
    from klaviyo_async.testing.record import Record
    from klaviyo_async.testing.world import World

_CATALOG = {"items": "catalog-item", "variants": "catalog-variant", "categories": "catalog-category"}


def _import(world: World, job: Record, row: dict[str, Any]) -> Record:
    attributes = row.get("attributes") or {}
    people.check_identified(attributes, row.get("id"))
    people.check(attributes)
    if row.get("id") is not None and world.store.record("profile", row["id"]) is None:
        raise world.store.missing("profile", row["id"])
    record, _ = people.upsert(world.store, attributes, id=row.get("id"), meta=row.get("meta"))
    for target in world.store.members(job, "lists"):
        world.store.join(target, "profiles", record)
    return record


def _create(kind: str) -> Callable[[World, Record, dict[str, Any]], Record]:
    def apply(world: World, _: Record, row: dict[str, Any]) -> Record:
        attributes = plain(row["attributes"])
        id = made_id(kind, attributes)  # noqa: A001 - the API's own word
        if world.store.record(kind, str(id)) is not None:
            noun = world.store.kind(kind).noun
            raise Problem(
                409,
                f"A {noun} with id {id} already exists.",
                pointer="/data/attributes/external_id",
                code="duplicate_id",
            )
        return world.store.insert(kind, attributes, id=id, relationships=references(world.store, kind, row))

    return apply


def _update(kind: str) -> Callable[[World, Record, dict[str, Any]], Record]:
    def apply(world: World, _: Record, row: dict[str, Any]) -> Record:
        record = require(world.store, kind, row["id"])
        return world.store.change(
            record, plain(row.get("attributes") or {}), relationships=references(world.store, kind, row)
        )

    return apply


def _delete(kind: str) -> Callable[[World, Record, dict[str, Any]], None]:
    def apply(world: World, _: Record, row: dict[str, Any]) -> None:
        cascade(world.store, require(world.store, kind, row["id"]))

    return apply


def _suppress(world: World, _: Record, row: dict[str, Any]) -> None:
    attributes = row.get("attributes") or {}
    people.check(attributes)
    record = people.find(world.store, attributes, row.get("id")) or world.store.insert(
        "profile", people.merged(None, attributes)
    )
    if not people.suppress(world.store, record):
        raise Skipped


def _unsuppress(world: World, _: Record, row: dict[str, Any]) -> None:
    record = people.find(world.store, row.get("attributes") or {}, row.get("id"))
    if record is None or not people.unsuppress(world.store, record):
        raise Skipped


FAMILIES: Mapping[str, Family[World]] = {
    "profile-bulk-import-job": Family(apply=_import, relationship="profiles", errors=False),
    "profile-suppression-bulk-create-job": Family(apply=_suppress, errors=False, skips=True),
    "profile-suppression-bulk-delete-job": Family(apply=_unsuppress, errors=False, skips=True),
    "coupon-code-bulk-create-job": Family(apply=coupons.create_one, relationship="coupon-codes"),
    **{f"{kind}-bulk-create-job": Family(apply=_create(kind), relationship=name) for name, kind in _CATALOG.items()},
    **{f"{kind}-bulk-update-job": Family(apply=_update(kind), relationship=name) for name, kind in _CATALOG.items()},
    **{f"{kind}-bulk-delete-job": Family(apply=_delete(kind)) for kind in _CATALOG.values()},
}
"""Resource type of a job → what it does."""


@handles("bulk_import_profiles")
def import_profiles(call: Call) -> Response:
    """Rows that are no profiles at all fail the request; bad addresses come back as the job's import errors."""
    rows = call.attributes["profiles"]["data"]
    if not rows:
        raise invalid("At least one profile must be provided.", pointer="/data/attributes/profiles/data")
    return _submit(call, rows)


@handles(
    *(f"bulk_{verb}_catalog_{name}" for verb in ("create", "update", "delete") for name in _CATALOG),
    "bulk_create_coupon_codes",
)
def submit(call: Call) -> Response:
    """A job over rows."""
    rows = next(value["data"] for value in call.attributes.values() if isinstance(value, dict) and "data" in value)
    if not rows:
        raise invalid("At least one item must be provided.", pointer="/data/attributes")
    return _submit(call, rows)


@handles("bulk_suppress_profiles", "bulk_unsuppress_profiles")
def submit_suppression(call: Call) -> Response:
    """Profiles by address, or all of one list or one segment: one of the three."""
    store = call.world.store
    rows = [dict(row) for row in (call.attributes.get("profiles") or {}).get("data") or ()]
    groups = {f"{name}s": call.related_id(name) for name in ("list", "segment")}
    named = {name: given for name, given in groups.items() if given is not None}
    if bool(rows) + len(named) != 1:
        raise invalid("Exactly one of profiles, a list or a segment must be provided.", pointer="/data")
    for name, given in named.items():
        group = require(store, name.removesuffix("s"), given)
        rows = [{"id": member.id} for member in store.members(group, "profiles")]
    return _submit(call, rows, relationships={name: [given] for name, given in named.items()})


def _submit(call: Call, rows: list[dict[str, Any]], *, relationships: Mapping[str, Any] | None = None) -> Response:
    kind = kind_of(call)
    if relationships is None:
        relationships = references(call.world.store, kind, call.data)
    record = call.world.jobs.submit(
        call.world.store, kind, rows, relationships=relationships, most=call.route.operation.caps.jobs
    )
    return document(call, record, 202)
