"""Records of data sources: kept, and not to be read back through the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klaviyo_async.testing.behaviour.generic import require
from klaviyo_async.testing.behaviour.registry import answers
from klaviyo_async.testing.call import Answer

if TYPE_CHECKING:
    from klaviyo_async.testing.call import Call


@answers("create_data_source_record", "bulk_create_data_source_records")
def data_source_records(call: Call) -> Answer:
    """Records of a data source; they can't be read back through the API, only in the fake's store."""
    store = call.world.store
    source = call.related_id("data-source")
    if source is not None:
        require(store, "data-source", source)
    one = call.attributes.get("data-source-record") or {}
    rows = (call.attributes.get("data-source-records") or {}).get("data") or ([one["data"]] if one.get("data") else [])
    for row in rows:
        relationships = {} if source is None else {"data-source": source}
        store.insert("data-source-record", row["attributes"], relationships=relationships)
    return Answer(status=204)
