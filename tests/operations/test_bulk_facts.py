"""What the operation table says of operations that take many rows."""

from __future__ import annotations

import pytest

from klaviyo_async import operations

BULK = {name: operations[name].bulk for name in operations if operations[name].bulk is not None}


def test_every_bulk_operation_has_its_facts() -> None:
    assert BULK.keys() == {name for name in operations if name.startswith("bulk_")}


@pytest.mark.parametrize("name", BULK)
def test_rows_and_jobs_are_there(name: str) -> None:
    bulk, body = BULK[name], operations[name].body
    assert bulk is not None
    assert body is not None
    assert body.resource is not None
    resource = body.resource
    assert bulk.rows in resource.attributes or bulk.rows in resource.relationships
    assert {*bulk.instead, *filter(None, [bulk.global_without])} <= resource.relationships.keys()
    if bulk.job is not None:
        get = operations[bulk.job.get]
        assert get.path.startswith(operations[name].path + "/{")
        assert len(get.path_parameters) == 1
        assert set(bulk.job.ended) == {"complete", "cancelled"}
        assert "total_count" in bulk.job.counts
        if bulk.job.errors is not None:
            assert operations[bulk.job.errors].pagination is not None


def test_who_has_a_job_to_follow() -> None:
    without = {name for name, bulk in BULK.items() if bulk is not None and bulk.job is None}
    assert without >= {
        "bulk_create_client_events",
        "bulk_create_data_source_records",
        "bulk_create_events",
        "bulk_subscribe_profiles",
        "bulk_unsubscribe_profiles",
    }
    assert "bulk_import_profiles" not in without


def test_how_jobs_tell_of_failed_rows() -> None:
    imports, items, suppress = (
        BULK[name] for name in ("bulk_import_profiles", "bulk_create_catalog_items", "bulk_suppress_profiles")
    )
    assert imports is not None
    assert imports.job is not None
    assert (imports.job.errors, imports.job.embeds_errors) == ("get_errors_for_bulk_import_profiles_job", False)
    assert items is not None
    assert items.job is not None
    assert (items.job.errors, items.job.embeds_errors) == (None, True)
    assert suppress is not None
    assert suppress.job is not None
    assert (suppress.job.errors, suppress.job.embeds_errors) == (None, False)
    assert "skipped_count" in suppress.job.counts
