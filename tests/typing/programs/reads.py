"""Reading as people write it: no casts, no checks that the data doesn't need."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, assert_type

from klaviyo_async import (
    APIError,
    Conflict,
    F,
    Fields,
    Filter,
    Klaviyo,
    LocalLimiter,
    NotFound,
    OAuth,
    RateLimited,
    RateLimitWait,
    RequestOptions,
    Unauthorized,
    operations,
)
from klaviyo_async.filters import GetEvents, GetProfiles
from klaviyo_async.resources import Campaign, Event, Flow, List, Metric, Profile, ProfileIdentifier, Segment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from klaviyo_async.resources import CampaignMessage


def greet(profile: Profile) -> str:
    """A name, or none."""
    return f"Hello {profile.attributes.first_name or 'you'}"


def place(profile: Profile) -> str:
    """Nested values, each of which may be missing."""
    location = profile.attributes.location
    if location is None:
        return "nowhere"
    return f"{location.city or '?'}, {location.country or '?'}"


def may_mail(profile: Profile) -> bool:
    """Consent, as deep as it lies."""
    subscriptions = profile.attributes.subscriptions
    if subscriptions is None or subscriptions.email is None:
        return False
    marketing = subscriptions.email.marketing
    return marketing is not None and bool(marketing.can_receive_email_marketing)


def age(profile: Profile) -> timedelta | None:
    """A time is a datetime."""
    created = profile.attributes.created
    return None if created is None else datetime.now(UTC) - created


async def newest_events(klaviyo: Klaviyo, metric_id: str) -> list[dict[str, Any]]:
    """The properties of a metric's events, newest first."""
    page = await klaviyo.events.get_events(
        fields={"event": ["event_properties"]}, filter=F("metric_id").equals(metric_id), sort="-datetime"
    )
    return [event.attributes.event_properties or {} for event in page.data]


async def updated_between(klaviyo: Klaviyo, start: datetime, end: datetime) -> list[Profile]:
    """Two conditions on one field."""
    profiles: list[Profile] = []
    async for profile in klaviyo.profiles.get_profiles(filter=(F("updated") > start) & (F("updated") < end)):
        profiles.append(profile)
    same = await klaviyo.profiles.get_profiles(filter=GetProfiles.updated > start).collect()
    return profiles + same


async def by_hand(klaviyo: Klaviyo) -> int:
    """The next page by the link of this one."""
    page = await klaviyo.profiles.get_profiles(page_size=20)
    seen = len(page.data)
    while page.links.next is not None:
        page = await klaviyo.profiles.get_profiles(page_size=20, page_cursor=page.links.next)
        seen += len(page.data)
    return seen


async def one_profile(klaviyo: Klaviyo) -> tuple[str, float | None]:
    """Additional fields, and what was included."""
    response = await klaviyo.profiles.get_profile(
        "01GDDKASAP8TKDDA2GRZDSVP4H", additional_fields={"profile": ["predictive_analytics"]}, include=["push-tokens"]
    )
    profile = response.data
    analytics = profile.attributes.predictive_analytics
    assert_type(profile, Profile)
    assert_type(profile.id, str)
    assert_type(profile.attributes.email, str | None)
    assert_type(profile.attributes.created, datetime | None)
    return profile.id, None if analytics is None else analytics.total_clv


async def ids(klaviyo: Klaviyo) -> list[str]:
    """Relationships give identifiers."""
    lists = await klaviyo.profiles.get_list_ids_for_profile("01GDDKASAP8TKDDA2GRZDSVP4H")
    found = [each.id for each in lists.data]
    async for campaign in klaviyo.tags.get_campaign_ids_for_tag("abc"):
        found.append(campaign.id)
    async for member in klaviyo.lists.get_profile_ids_for_list("Y6nRLr"):
        assert_type(member, ProfileIdentifier)
        found.append(f"{member.type}:{member.id}")
    return found


async def find_or_make(klaviyo: Klaviyo, email: str) -> str:
    """By email, else created; where two race, the other's."""
    page = await klaviyo.profiles.get_profiles(filter=GetProfiles.email == email)
    if page.data:
        return page.data[0].id
    try:
        created = await klaviyo.profiles.create_profile(email=email)
    except Conflict as error:
        duplicate = error.duplicate_profile_id
        if duplicate is None:
            raise
        await klaviyo.profiles.update_profile(duplicate, properties={"seen": True})
        return duplicate
    return created.data.id


async def works(klaviyo: Klaviyo) -> bool:
    """Whether the key is right."""
    try:
        await klaviyo.lists.get_list("nonesuch")
    except Unauthorized:
        return False
    except NotFound:
        return True
    return True


async def what_went_wrong(klaviyo: Klaviyo) -> str:
    """Errors have what the server said."""
    try:
        await klaviyo.profiles.get_profile("01GD")
    except RateLimited as error:
        return f"wait {error.retry_after or 0} s"
    except RateLimitWait as error:
        return f"wait {error.seconds} s"
    except APIError as error:
        details = [each.detail for each in error.errors]
        return f"{error.status} {error.code} {error.request_id} {error.headers.get('Date')} {details}"
    return "nothing"


async def catalog_everything(klaviyo: Klaviyo) -> dict[str, int]:
    """All of each kind."""
    counts: dict[str, int] = {}
    for channel in ("email", "sms", "mobile_push"):
        async for campaign in klaviyo.campaigns.get_campaigns(
            filter=F.messages.channel.equals(channel), include=["campaign-messages"]
        ):
            assert_type(campaign, Campaign)
            counts[campaign.attributes.name] = counts.get(campaign.attributes.name, 0) + 1
    async for flow in klaviyo.flows.get_flows(include="flow-actions"):
        assert_type(flow, Flow)
        counts[flow.attributes.name or flow.id] = 1
    async for segment in klaviyo.segments.get_segments():
        assert_type(segment, Segment)
    async for metric in klaviyo.metrics.get_metrics(filter=F("integration.name").equals("Shopify")):
        assert_type(metric, Metric)
        counts[metric.attributes.name or metric.id] = 1
    return counts


async def messages(klaviyo: Klaviyo) -> list[str]:
    """What was included, by relationship."""
    page = await klaviyo.campaigns.get_campaigns(filter=F.messages.channel.equals("email"), include="campaign-messages")
    subjects: list[str] = []
    for campaign in page.data:
        for each in page.related(campaign, "campaign-messages"):
            subjects.append(each.id)
    return subjects


async def biggest_list(klaviyo: Klaviyo, name: str) -> int | None:
    """A list by its name, and how many are in it."""
    found = await klaviyo.lists.get_lists(filter=F("name").equals(name)).collect(limit=1)
    if not found:
        return None
    assert_type(found, list[List])
    counted = await klaviyo.lists.get_list(found[0].id, additional_fields={"list": ["profile_count"]})
    return counted.data.attributes.profile_count


async def since(klaviyo: Klaviyo, bookmark: datetime | None) -> datetime | None:
    """Events from where the last run stopped."""
    last = bookmark
    wanted = Filter.all([None if bookmark is None else GetEvents.datetime > bookmark])
    async for event in klaviyo.events.get_events(filter=wanted, sort="datetime", include=["metric", "profile"]):
        assert_type(event, Event)
        last = event.attributes.datetime or last
    return last


async def rows(klaviyo: Klaviyo) -> list[tuple[str, float]]:
    """The rows of a report."""
    found: list[tuple[str, float]] = []
    async for row in klaviyo.reporting.query_flow_values(
        statistics=["conversion_value"], timeframe={"key": "last_30_days"}, conversion_metric_id="RESQ6t"
    ):
        statistics = row.statistics
        found.append((str(row.groupings), float(statistics.get("conversion_value", 0)) if statistics else 0.0))
    return found


async def many_at_once(klaviyo: Klaviyo, wanted: Iterable[str]) -> list[Profile]:
    """Tasks, groups and gathering; lists as coroutines."""
    responses = await asyncio.gather(*(klaviyo.profiles.get_profile(each) for each in wanted))
    async with asyncio.TaskGroup() as group:
        first = group.create_task(klaviyo.profiles.get_profiles(page_size=1))
        second = group.create_task(klaviyo.profiles.get_profile("01GD"))
    page = await asyncio.wait_for(klaviyo.profiles.get_profiles(), 10)
    return [each.data for each in responses] + first.result().data + [second.result().data] + page.data


async def early(klaviyo: Klaviyo) -> str | None:
    """The first that fits."""
    async for page in klaviyo.profiles.get_profiles(page_size=100).pages():
        for profile in page.data:
            if profile.attributes.email and profile.attributes.email.endswith("@example.com"):
                return profile.attributes.email
    return None


async def raw(klaviyo: Klaviyo) -> Any:
    """What the documents don't have."""
    return await klaviyo.request("GET", "/api/new-things", params={"page[size]": 5})


async def clients(session: Any, tokens: Mapping[str, Any]) -> None:
    """Ways to make a client."""
    oauth = OAuth("id", "secret", refresh_token=tokens["refresh_token"])
    async with Klaviyo(auth=oauth, session=session, limiter=LocalLimiter(overrides={"get_profiles": {"burst": "9/s"}})):
        pass
    async with Klaviyo("pk_test", limiter=False, timeout=5, max_retries=2) as klaviyo:
        page = await klaviyo.profiles.get_profiles(
            fields=Fields(profile=["email"]), sort=F.created.desc(), options=RequestOptions(timeout=5)
        )
        assert_type(page.data[0], Profile)
        assert_type(page.http.status, int)
        assert_type(page.to_dict(), dict[str, Any])
        assert_type(page.data[0].to_json(), bytes)
        kept = Profile.from_dict(page.data[0].to_dict()).replace(id="01GD")
        assert_type(kept, Profile)
        await klaviyo.lists.add_profiles_to_list("Y6nRLr", page.data)
        await klaviyo.lists.add_profiles_to_list("Y6nRLr", kept)
        await klaviyo.tags.tag_lists("TAG", [each.id for each in await klaviyo.lists.get_lists().collect()])


def facts() -> list[str]:
    """The table of operations."""
    slow = [name for name, each in operations.items() if each.limits.burst.count < 3]
    return slow + list(operations["get_profiles"].sort)


def rates(message: CampaignMessage) -> str:
    """A member of a union is told apart by its class or by what it has."""
    return message.id


async def any_of(klaviyo: Klaviyo, emails: list[str], start: datetime) -> dict[str, str | None]:
    """Several emails at once, and who has which."""
    wanted = F("email").any(emails) & (F("created") > start)
    return {each.id: each.attributes.email async for each in klaviyo.profiles.get_profiles(filter=wanted)}


async def sign_in() -> OAuth:
    """An app asks for consent, and keeps the tokens."""
    url, verifier = OAuth.authorize_url("client-id", "https://shop.example/back", ["profiles:read"], state="x")
    assert_type(url, str)
    kept: list[dict[str, Any]] = []

    async def keep(tokens: Mapping[str, Any]) -> None:
        kept.append(dict(tokens))

    return await OAuth.exchange(
        "client-id",
        "secret",
        code="code",
        verifier=verifier,
        redirect_uri="https://shop.example/back",
        on_tokens=keep,
    )


async def around_an_event(klaviyo: Klaviyo, event_id: str) -> tuple[str | None, str | None]:
    """Its metric and its profile."""
    metric = await klaviyo.events.get_metric_for_event(event_id)
    profile = await klaviyo.events.get_profile_for_event(event_id)
    return metric.data.attributes.name, profile.data.attributes.email


async def wait_for_job(klaviyo: Klaviyo, rows: list[dict[str, Any]]) -> list[str | None]:
    """A bulk job until its end, and what it has to say."""
    job = await klaviyo.catalogs.bulk_create_catalog_items(items=rows)
    while True:
        now = await klaviyo.catalogs.get_bulk_create_catalog_items_job(job.data.id, include=["items"])
        attributes = now.data.attributes
        if attributes.status in {"complete", "cancelled"}:
            return [error.detail for error in attributes.errors or []]
        await asyncio.sleep(1)


async def import_job(klaviyo: Klaviyo, rows: list[dict[str, Any]]) -> int:
    """How many of a profile import failed."""
    job = await klaviyo.profiles.bulk_import_profiles(profiles=rows)
    done = await klaviyo.profiles.get_bulk_import_profiles_job(job.data.id)
    async for error in klaviyo.profiles.get_errors_for_bulk_import_profiles_job(job.data.id):
        print(error.attributes.code, error.attributes.detail, error.attributes.source.pointer)
    return done.data.attributes.failed_count or 0


async def flows_of(klaviyo: Klaviyo, metric_id: str) -> list[str | None]:
    """The flows that a metric triggers."""
    return [each.attributes.name async for each in klaviyo.metrics.get_flows_triggered_by_metric(metric_id)]


async def with_messages(klaviyo: Klaviyo) -> dict[str, list[str | None]]:
    """Campaigns and what is said in them."""
    labels: dict[str, list[str | None]] = {}
    async for campaign in klaviyo.campaigns.get_campaigns(filter=F.messages.channel.equals("email")):
        async for message in klaviyo.campaigns.get_messages_for_campaign(campaign.id):
            labels.setdefault(campaign.id, []).append(message.id)
    return labels


async def make_and_clean_up(klaviyo: Klaviyo) -> None:
    """What was created is in the response."""
    made = await klaviyo.lists.create_list(name="VIP")
    coupon = await klaviyo.coupons.create_coupon(external_id="10OFF")
    template = await klaviyo.templates.create_template(name="x", editor_type="CODE", html="<p>x</p>")
    assert_type(made.data, List)
    assert_type(made.data.attributes.name, str | None)
    await klaviyo.lists.delete_list(made.data.id)
    await klaviyo.coupons.delete_coupon(coupon.data.id)
    await klaviyo.templates.delete_template(template.data.id)


async def watch_limits(klaviyo: Klaviyo) -> None:
    """What is left of the limits, and clients with other defaults."""
    print(klaviyo.limiter.snapshot())
    patient = klaviyo.with_options(priority="bulk", max_wait=600)
    assert_type(patient, Klaviyo)
