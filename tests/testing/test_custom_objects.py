"""Custom objects: a type with versions of its schema, named relationships, records that come from a data source."""

from __future__ import annotations

import pytest

from klaviyo_async import NotFound
from klaviyo_async.testing.behaviour.custom_objects import at
from klaviyo_async.testing.problems import Problem

MAPPING = {
    "property_mappings": [
        {"id": 1, "type": "simple", "source": {"source_id": "", "id_path": "$['id']", "data_path": "$['name']"}},
        {"id": 2, "type": "simple", "source": {"source_id": "", "id_path": "$['id']", "data_path": "$.seats.count"}},
        {"id": 3, "type": "constant", "value": "bus"},
    ]
}
PROPERTIES = [
    {"id": 1, "name": "name", "type": "string"},
    {"id": 2, "name": "seats", "type": "int"},
    {"id": 3, "name": "kind", "type": "string"},
]


@pytest.fixture
async def klaviyo(fake):
    from klaviyo_async import Klaviyo  # noqa: PLC0415

    async with Klaviyo("pk_test", base_url=fake.url) as client:
        yield client


def mapping_of(source: str) -> dict:
    mapped = [
        {**each, "source": {**each["source"], "source_id": source}} if "source" in each else each
        for each in MAPPING["property_mappings"]
    ]
    return {"property_mappings": mapped}


async def ride(klaviyo, source: str = "", **schema) -> str:
    """An object type with a schema."""
    given = {"properties": PROPERTIES, "source_mapping": mapping_of(source), **schema}
    return (await klaviyo.custom_objects.create_object_type(title="Ride", object_schema=given)).data.id


async def test_a_draft_becomes_the_current_schema(klaviyo):
    objects = klaviyo.custom_objects
    kind = await ride(klaviyo)
    found = await objects.get_object_type(kind, include=["current-schema", "draft-schema"])
    assert found.data.attributes.status == "draft"
    (draft,) = found.related(found.data, "draft-schema")
    assert found.related(found.data, "current-schema") == []
    assert (draft.attributes.title, draft.attributes.published_at) == ("Ride", None)
    await objects.update_object_schema(draft.id, status="active")
    assert (await objects.get_current_schema_for_object_type(kind)).data.attributes.published_at is not None
    assert (await objects.get_draft_schema_for_object_type(kind)).data is None
    second = await objects.create_object_schema(title="Ride 2", properties=[], object_type=kind)
    assert (await objects.get_draft_schema_id_for_object_type(kind)).data.id == second.data.id
    assert (await objects.get_object_type(kind)).data.attributes.status == "active"
    versions = [each.id async for each in objects.get_schema_versions_for_object_type(kind)]
    assert versions == [draft.id, second.data.id]


async def test_records_come_from_a_data_source_by_the_mapping(klaviyo, fake):
    objects = klaviyo.custom_objects
    source = (await objects.create_data_source(title="Rides")).data.id
    kind = await ride(klaviyo, source, status="active", required=["name"])
    rows = [
        {"record": {"id": 7, "name": "Night", "seats": {"count": 50}}},
        {"record": {"id": 7, "name": "Night bus", "seats": {"count": 51}}},
        {"record": {"id": 8, "name": 5}},
        {"record": {"name": "Nowhere"}},
    ]
    await objects.bulk_create_data_source_records(data_source_records=rows, data_source=source)
    (record,) = [each async for each in objects.get_records_for_object_type(kind)]
    assert record.id == f"{kind}:::7"
    assert record.attributes.record_properties == {"name": "Night bus", "seats": 51, "kind": "bus"}
    assert (await objects.get_object_record(record.id)).data == record
    logs = [each async for each in objects.get_ingestion_logs_for_object_type(kind)]
    assert {error.property for log in logs for error in log.attributes.errors} == {"name", "id"}
    (of_8,) = [each async for each in objects.get_ingestion_logs_for_object_type(kind, filter='equals(record_id,"8")')]
    assert of_8.attributes.errors[0].invalid_value == "5"
    await objects.bulk_delete_object_records(object_records=[record.id, "gone"])
    with pytest.raises(NotFound):
        await objects.get_object_record(record.id)


async def test_relationships_have_names_and_ids_of_their_own(klaviyo):
    objects = klaviyo.custom_objects
    first, second = await ride(klaviyo, status="active"), await ride(klaviyo, status="active")
    one, two = [(await objects.get_current_schema_id_for_object_type(each)).data.id for each in (first, second)]
    await objects.create_object_schema_relationship(one, [{"id": two, "meta": {"name": "stops"}}])
    await objects.create_profile_schema_relationship(one, [{"id": "profile", "meta": {"name": "riders"}}])
    assert [each.id async for each in objects.get_object_schema_relationships(one)] == [f"{two}:::stops"]
    assert [each.id async for each in objects.get_object_type_relationships(first)] == [f"{second}:::stops"]
    assert [each.id async for each in objects.get_profile_type_relationships(first)] == ["profile:::riders"]
    whole = await objects.get_object_schema(one, include=["object-schemas"])
    (related,) = whole.related(whole.data, "object-schemas")
    meta = related.attributes.meta
    assert (meta.name, related.id) == ("stops", f"{two}:::stops")
    named = {"relationship_id": meta.relationship_id, "name": "halts"}
    await objects.update_object_schema_relationship(one, {"data": {"type": "object-schema", "id": two, "meta": named}})
    assert [each.id async for each in objects.get_object_type_relationships(first)] == [f"{second}:::halts"]
    await objects.delete_object_schema_relationship(
        one, [{"id": two, "meta": {"relationship_id": meta.relationship_id}}]
    )
    assert [each async for each in objects.get_object_type_relationships(first)] == []
    with pytest.raises(NotFound):
        await objects.delete_object_schema_relationship(one, [{"id": two}])
    with pytest.raises(NotFound):
        await objects.create_object_schema_relationship(one, [{"id": "gone", "meta": {"name": "x"}}])
    await objects.delete_object_type(first)
    with pytest.raises(NotFound):
        await objects.get_object_schema(one)


@pytest.mark.parametrize(
    ("path", "value"),
    [("$['a']['b']", 1), ("$.a.b", 1), ('$["a"].b', 1), ("$.list[1]", "y"), ("$.list[9]", None), ("$.a.b.c", None)],
)
def test_paths_of_plain_steps(path, value):
    assert at({"a": {"b": 1}, "list": ["x", "y"]}, path) == value


def test_other_paths_are_refused():
    with pytest.raises(Problem):
        at({}, "$..a[?(@.b)]")


async def test_events_of_metrics_that_are_gone(klaviyo, fake):
    """Since 2026-07-15 they are listed too, and `has(metric)` leaves them out."""
    await klaviyo.events.create_event(metric={"name": "Gone"}, profile={"email": "a@x.com"}, properties={})
    await klaviyo.events.create_event(metric={"name": "Here"}, profile={"email": "a@x.com"}, properties={})
    fake.store.remove("metric", fake.store.find("metric", name="Gone")["id"])
    assert len([each async for each in klaviyo.events.get_events()]) == 2
    assert len([each async for each in klaviyo.events.get_events(filter="has(metric)")]) == 1


async def test_the_allow_list_is_one_resource(klaviyo, fake):
    from klaviyo_async import Klaviyo  # noqa: PLC0415

    async with Klaviyo("pk_test", base_url=fake.url, company_id="AbC123") as client:
        found = await client.client.get_client_ip_allowlist("integration-egress")
        assert found.data.attributes.prefixes
        with pytest.raises(NotFound):
            await client.client.get_client_ip_allowlist("other")
