"""Records of data sources: kept, and made records of the custom objects that take their values from there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klaviyo_async.testing.behaviour.custom_objects import ingest
from klaviyo_async.testing.behaviour.generic import require
from klaviyo_async.testing.behaviour.registry import handles
from klaviyo_async.testing.call import Response

if TYPE_CHECKING:
    from klaviyo_async.testing.call import Call


@handles("create_data_source_record", "bulk_create_data_source_records")
def data_source_records(call: Call) -> Response:
    """Records of a data source; themselves they can't be read back through the API, only in the fake's store."""
    store = call.world.store
    source = call.related_id("data-source")
    if source is not None:
        require(store, "data-source", source)
    one = call.attributes.get("data-source-record") or {}
    rows = (call.attributes.get("data-source-records") or {}).get("data") or ([one["data"]] if one.get("data") else [])
    for row in rows:
        relationships = {} if source is None else {"data-source": source}
        store.insert("data-source-record", row["attributes"], relationships=relationships)
        if source is not None:
            ingest(call.world, source, row["attributes"]["record"])
    return Response(status=204)
