"""Lines that both type checkers have to refuse, each of them, and that raise at run time."""

from __future__ import annotations

from datetime import UTC, datetime

from klaviyo_async import F, Filter
from klaviyo_async.filters import GetCampaigns, GetClientReviews, GetEvents, GetImages, GetProfiles

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def take(_: Filter) -> None:
    """What every `filter` argument is to the checkers."""


take(GetProfiles.email.contains("x"))
take(GetProfiles.email.has())
take(GetProfiles.email.starts_with("x"))
take(GetProfiles.emial == "x")
take(GetProfiles.email == 5)
take(GetProfiles.email.equals(5))
take(GetProfiles.email.any("abc"))
take(GetProfiles.email.any([1, 2]))
take(GetProfiles.created == NOON)
take(GetProfiles.created.equals(NOON))
take(GetProfiles.created >= NOON)
take(GetProfiles.created > "2026-01-01")
take(GetProfiles.created.greater_than("2026-01-01"))
take(GetProfiles.subscriptions == "x")
take(GetProfiles.subscriptions.email.marketing.suppression.resaon == "x")
take(GetCampaigns.messages.chanel == "email")
take(GetCampaigns.messages.channel == "fax")
take(GetCampaigns.messages.channel.equals("fax"))
take(GetCampaigns.status.any(["Sent", "Snet"]))
take(GetCampaigns.archived == "yes")
take(GetCampaigns.archived.equals("yes"))
take(GetCampaigns.name == "x")
take(GetCampaigns.name.any(["x"]))
take(GetEvents.profile == "x")
take(GetEvents.metric.equals("x"))
take(GetImages.size > "large")
take(GetImages.size.greater_than("large"))
take(GetClientReviews.rating >= "4")
take(GetClientReviews.rating > 4)
take((GetProfiles.email == "a") | (GetProfiles.email == "b"))
take(~(GetProfiles.email == "a"))
take(GetProfiles.email != "a")
take((GetProfiles.email == 5) & (GetProfiles.email == "a"))
take(GetProfiles.email)
take(F("email"))
take(F("email") != "a")
take(~F("email"))
take(F("email").is_one_of(["a"]))
