"""Filters that both type checkers take, and that run."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, assert_type

from klaviyo_async import F, Filter
from klaviyo_async.filters import (
    GetBulkImportProfilesJobs,
    GetCampaigns,
    GetCatalogItems,
    GetClientReviews,
    GetCouponCodes,
    GetEvents,
    GetImages,
    GetLists,
    GetProfiles,
)

if TYPE_CHECKING:
    from klaviyo_async import Klaviyo

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

FILTERS: list[Filter] = [
    GetProfiles.email == "a@x.com",
    GetProfiles.email.equals("a@x.com"),
    GetProfiles.email.equals(["a@x.com", "b@x.com"]),
    GetProfiles.email.any(["a@x.com"]),
    GetProfiles.email.any(("a@x.com",)),
    GetProfiles.email.any({"a@x.com"}),
    GetProfiles.created > NOON,
    GetProfiles.created < date(2026, 1, 1),
    GetProfiles.created.greater_than(NOON),
    GetProfiles._kx == "x",
    GetProfiles.subscriptions.email.marketing.suppression.reason == "HARD_BOUNCE",
    GetProfiles.subscriptions.email.marketing.list_suppressions.timestamp >= NOON,
    (GetProfiles.email == "a@x.com") & (GetProfiles.created > NOON),
    (GetProfiles.email == "a@x.com") & (F("created") > NOON),
    GetCampaigns.messages.channel == "email",
    GetCampaigns.status.any(["Sent", "Draft"]),
    GetCampaigns.name.contains("VIP"),
    GetCampaigns.archived == True,  # noqa: E712
    GetCampaigns.updated_at <= NOON,
    GetEvents.profile.has(),
    GetEvents.metric_id == "abc",
    GetLists.name.equals("VIP"),
    GetCouponCodes.coupon.id == "10OFF",
    GetImages.size > 10_000,
    GetImages.name.starts_with("a"),
    GetImages.name.ends_with("a"),
    GetClientReviews.rating >= 4,
    GetClientReviews.media.has(),
    GetCatalogItems.ids.any(["$custom:::$default:::x"]),
    GetBulkImportProfilesJobs.status == "queued",
]

assert_type(GetProfiles.email == "a@x.com", Filter)


async def call(klaviyo: Klaviyo) -> None:
    """Typed filters where they are used."""
    await klaviyo.profiles.get_profiles(filter=GetProfiles.email == "a@x.com")
    await klaviyo.campaigns.get_campaigns(
        filter=(GetCampaigns.messages.channel == "sms") & GetCampaigns.name.contains("x")
    )
    await klaviyo.profiles.get_profiles(filter=F("email") == "x", sort=F.created.desc())
    found = Filter.all([GetProfiles.email == "a@x.com", None, F("created") > NOON])
    assert_type(found, Filter | None)
    await klaviyo.profiles.get_profiles(filter=found)
    await klaviyo.profiles.get_profiles(filter=Filter.all(F("a") == each for each in (1, 2)))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(klaviyo.profiles.get_profiles())
    one, two = await asyncio.gather(klaviyo.profiles.get_profiles(), klaviyo.lists.get_lists())
    three = await asyncio.wait_for(klaviyo.profiles.get_profiles(), 5)
    print(task.result().data[0].id, one.data[0].id, two.data[0].id, three.data[0].id)
    print(asyncio.run(klaviyo.lists.get_lists()).data[0].id)
