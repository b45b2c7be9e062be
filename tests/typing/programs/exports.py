"""Exports: the record's class follows from the operation."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import assert_type

from klaviyo_async import F, Klaviyo
from klaviyo_async.bulk import ExportReport, Plan, merge
from klaviyo_async.resources import CampaignIdentifier, Event, Profile, ProfileIdentifier


async def every_event(klaviyo: Klaviyo) -> list[Event]:
    since = datetime(2026, 1, 1, tzinfo=UTC)
    found = []
    async for event in klaviyo.bulk.export(
        klaviyo.events.get_events, since=since, filter=F("metric_id").equals("ABC123")
    ):
        assert_type(event, Event)
        found.append(event)
    return found


async def members(klaviyo: Klaviyo, id: str) -> list[Profile]:
    ids = await klaviyo.bulk.export(klaviyo.lists.get_profile_ids_for_list, id).collect()
    assert_type(ids, list[ProfileIdentifier])
    return await klaviyo.bulk.export(klaviyo.lists.get_profiles_for_list, id, fields={"profile": ["email"]}).collect()


async def campaigns_of(klaviyo: Klaviyo, tag: str) -> list[CampaignIdentifier]:
    return await klaviyo.bulk.export(klaviyo.tags.get_campaign_ids_for_tag, tag).collect()


async def to_files(klaviyo: Klaviyo) -> str:
    report = await klaviyo.bulk.export_to(
        "profiles.parquet", klaviyo.profiles.get_profiles, checkpoint="profiles.sqlite"
    )
    assert_type(report, ExportReport)
    plan = await klaviyo.bulk.plan_export(klaviyo.events.get_events, parts=4)
    assert_type(plan, Plan)
    reports = [await klaviyo.bulk.run(part, out=f"{part['number']}.csv") for part in plan.parts]
    return str(merge([*reports, report.to_dict()]))
