"""Filters that both type checkers refuse, and that raise at run time."""

from __future__ import annotations

from datetime import UTC, datetime

from klaviyo_async import F, Filter
from klaviyo_async.filters import GetCampaigns, GetClientReviews, GetEvents, GetImages, GetProfiles

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def take(_: Filter) -> None:
    """What every `filter` argument is to the checkers."""


# refused: attr-defined, reportAttributeAccessIssue
take(GetProfiles.email.contains("x"))
# refused: attr-defined, reportAttributeAccessIssue
take(GetProfiles.email.has())
# refused: attr-defined, reportAttributeAccessIssue
take(GetProfiles.email.starts_with("x"))
# refused: attr-defined, reportAttributeAccessIssue
take(GetProfiles.emial == "x")
# refused: arg-type, reportArgumentType
take(GetProfiles.email == 5)
# refused: arg-type, reportArgumentType
take(GetProfiles.email.equals(5))
# refused: arg-type, reportArgumentType
take(GetProfiles.email.any("abc"))
# refused: list-item, reportArgumentType
take(GetProfiles.email.any([1, 2]))
# refused: arg-type, reportArgumentType
take(GetProfiles.created == NOON)
# refused: attr-defined, reportAttributeAccessIssue
take(GetProfiles.created.equals(NOON))
# refused: arg-type+operator, reportOperatorIssue
take(GetProfiles.created >= NOON)
# refused: operator, reportOperatorIssue
take(GetProfiles.created > "2026-01-01")
# refused: arg-type, reportArgumentType
take(GetProfiles.created.greater_than("2026-01-01"))
# refused: arg-type+comparison-overlap, reportArgumentType
take(GetProfiles.subscriptions == "x")
# refused: attr-defined, reportAttributeAccessIssue
take(GetProfiles.subscriptions.email.marketing.suppression.resaon == "x")
# refused: attr-defined, reportAttributeAccessIssue
take(GetCampaigns.messages.chanel == "email")
# refused: arg-type, reportArgumentType
take(GetCampaigns.messages.channel == "fax")
# refused: arg-type, reportArgumentType
take(GetCampaigns.messages.channel.equals("fax"))
# refused: list-item, reportArgumentType
take(GetCampaigns.status.any(["Sent", "Snet"]))
# refused: arg-type, reportArgumentType
take(GetCampaigns.archived == "yes")
# refused: arg-type, reportArgumentType
take(GetCampaigns.archived.equals("yes"))
# refused: arg-type+comparison-overlap, reportArgumentType
take(GetCampaigns.name == "x")
# refused: attr-defined, reportAttributeAccessIssue
take(GetCampaigns.name.any(["x"]))
# refused: arg-type+comparison-overlap, reportArgumentType
take(GetEvents.profile == "x")
# refused: attr-defined, reportAttributeAccessIssue
take(GetEvents.metric.equals("x"))
# refused: operator, reportOperatorIssue
take(GetImages.size > "large")
# refused: arg-type, reportArgumentType
take(GetImages.size.greater_than("large"))
# refused: operator, reportOperatorIssue
take(GetClientReviews.rating >= "4")
# refused: arg-type+operator, reportOperatorIssue
take(GetClientReviews.rating > 4)
# refused: operator, reportOperatorIssue
take((GetProfiles.email == "a") | (GetProfiles.email == "b"))
# refused: operator, reportOperatorIssue
take(~(GetProfiles.email == "a"))
# refused: arg-type, reportArgumentType
take(GetProfiles.email != "a")
# refused: operator, reportOperatorIssue
take((GetProfiles.email == 5) & (GetProfiles.email == "a"))
# refused: arg-type, reportArgumentType
take(GetProfiles.email)
# refused: arg-type, reportArgumentType
take(F("email"))
# refused: arg-type, reportArgumentType
take(F("email") != "a")
# refused: operator, reportOperatorIssue
take(~F("email"))
# refused: operator, reportCallIssue
take(F("email").is_one_of(["a"]))
# refused: operator, reportCallIssue
take(F.email.startswith("a"))
# refused: operator, reportCallIssue
take(F.email.in_(["a"]))
# refused: operator, reportCallIssue
take(F("email").eq("a"))
# refused: attr-defined, reportAttributeAccessIssue
take(GetProfiles.email.in_(["a"]))
# refused: operator, reportOperatorIssue
take((F.email == "a") & None)
# refused: arg-type, reportArgumentType
take(Filter.all(F.email == "a"))
# refused: arg-type+list-item, reportArgumentType
take(Filter.all(["equals(email,1)"]))
