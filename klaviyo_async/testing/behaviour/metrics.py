"""Mapped and custom metrics: what they point to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klaviyo_async.testing.behaviour.generic import document, insert, references, same_id, wanted
from klaviyo_async.testing.behaviour.registry import handles
from klaviyo_async.testing.problems import invalid

if TYPE_CHECKING:
    from klaviyo_async.testing.call import Call, Response


@handles("update_mapped_metric")
def map_metric(call: Call) -> Response:
    """A metric, or a custom one, or none; setting one lets go of the other."""
    record = wanted(call)
    same_id(call)
    given = references(call.world.store, record.type, call.data)
    chosen = [name for name, target in given.items() if target is not None]
    if len(chosen) > 1:
        raise invalid("Only one of metric and custom-metric may be given.", pointer="/data/relationships")
    if chosen:
        given = {"metric": None, "custom-metric": None, **given}
    return document(call, call.world.store.change(record, {}, relationships=given))


@handles("create_custom_metric", "update_custom_metric")
def custom_metric(call: Call) -> Response:
    """A custom metric is related to the metrics that its definition names."""
    store = call.world.store
    definition = call.attributes.get("definition") or {}
    ids = [group["metric_id"] for group in definition.get("metric_groups") or ()]
    for number, id in enumerate(ids):  # noqa: A001 - the API's own word
        if store.record("metric", id) is None:
            raise invalid(
                f"Metric with id {id} not found.",
                pointer=f"/data/attributes/definition/metric_groups/{number}/metric_id",
            )
    if call.route.action == "create":
        record = insert(call, call.data)
    else:
        same_id(call)
        record = store.change(wanted(call), call.attributes)
    if ids:
        record = store.change(record, {}, relationships={"metrics": list(dict.fromkeys(ids))})
    return document(call, record)
