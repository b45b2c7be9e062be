"""Calls that both type checkers have to refuse, each in its line; the comment has the kind that either gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from klaviyo_async import Klaviyo
    from klaviyo_async.models import ListCreateQuery


async def refused(k: Klaviyo, row: dict[str, Any], body: ListCreateQuery, texts: list[str]) -> None:
    """Nothing in here may pass."""
    # refused: call-overload, reportCallIssue
    await k.events.create_event()
    # refused: call-overload, reportCallIssue
    await k.lists.create_list()
    # refused: call-overload, reportCallIssue
    await k.lists.create_list(opt_in_process="double_opt_in")
    # refused: call-overload, reportCallIssue
    await k.lists.create_list(body, name="VIP")
    # refused: call-overload, reportCallIssue
    await k.lists.create_list(body=row, name="VIP")
    # refused: call-overload, reportCallIssue
    await k.lists.create_list(nme="VIP")
    # refused: call-overload, reportArgumentType
    await k.lists.create_list(name=None)
    # refused: call-overload, reportArgumentType
    await k.lists.create_list(name=5)
    # refused: call-overload, reportCallIssue
    await k.lists.update_list(name="VIP")
    # refused: call-arg, reportCallIssue
    await k.lists.add_profiles_to_list("Y6nRLr")
    # refused: dict-item, reportArgumentType
    await k.events.create_event(metric={"nme": "x"}, profile={}, properties={})
    # refused: dict-item, reportArgumentType
    await k.events.create_event(metric={"name": 5}, profile={}, properties={})
    # refused: call-overload, reportCallIssue
    await k.events.create_event(metric={}, profile={}, properties={"a": 1}, tme="")
    # refused: call-overload, reportArgumentType
    await k.events.create_event(metric="x", profile={}, properties={})
    # refused: dict-item, reportArgumentType
    await k.profiles.create_profile(location={"town": "x"})
    # refused: call-arg, reportCallIssue
    await k.campaigns.get_campaigns()
    # refused: call-arg, reportCallIssue
    await k.coupons.get_coupon_codes()
    # refused: call-overload, reportCallIssue
    await k.events.create_event(row, metric={"name": "x"})
    # refused: dict-item, reportArgumentType
    await k.events.create_event(metric={"name": "x"}, profile={"emial": "x"}, properties={})
    # refused: dict-item, reportArgumentType
    await k.events.create_event(metric={"name": "x"}, profile={"location": {"town": "x"}}, properties={})
    # refused: call-overload, reportCallIssue
    await k.events.create_event(metric={"name": "x"}, profile={"email": "x"})
    # refused: dict-item, reportArgumentType
    await k.events.bulk_create_events(events_bulk_create=[{"profile": {"email": "x"}, "evnts": []}])
    # refused: dict-item, reportArgumentType
    await k.profiles.create_or_update_profile(meta={"patch_properties": {"unappnd": {}}})
    # refused: dict-item, reportArgumentType
    await k.profiles.bulk_subscribe_profiles(profiles=[{"email": "x", "subscriptions": {"emial": {}}}])
    # refused: dict-item, reportArgumentType
    await k.profiles.bulk_subscribe_profiles(profiles=[{"email": "x", "subscriptions": {"email": {"marketing": 1}}}])
    # refused: dict-item, reportArgumentType
    await k.profiles.bulk_subscribe_profiles(profiles=[{"phone": "x"}])
    # refused: call-overload, reportCallIssue
    await k.profiles.merge_profiles(profiles=["01SOURCE"])
    # refused: call-overload, reportCallIssue
    await k.campaigns.create_campaign(name="x", campaign_messages=[])
    # refused: dict-item, reportArgumentType
    await k.campaigns.create_campaign(name="x", audiences={"include": []}, campaign_messages=[])
    # refused: dict-item, reportArgumentType
    await k.campaigns.create_campaign(name="x", audiences={}, campaign_messages=[{"definition": {"chanel": "email"}}])
    # refused: call-overload, reportCallIssue
    await k.campaigns.send_campaign()
    # refused: dict-item, reportArgumentType
    await k.segments.create_segment(name="x", definition={"condition_group": []})
    # refused: dict-item, reportArgumentType
    await k.segments.create_segment(name="x", definition={"condition_groups": [{"condition": []}]})
    # refused: call-overload, reportArgumentType
    await k.coupons.create_coupon_code(unique_code="x", expires_at=5, coupon="10OFF")
    # refused: call-overload, reportCallIssue
    await k.coupons.create_coupon_code(unique_code="x")
    # refused: call-arg, reportCallIssue
    await k.images.upload_image_from_file()
    # refused: call-overload, reportCallIssue
    await k.images.upload_image_from_url(name="logo.png")
    # refused: call-overload, reportCallIssue
    await k.webhooks.create_webhook(name="x", endpoint_url="x", secret_key="x")
    # refused: list-item, reportArgumentType
    await k.metrics.query_metric_aggregates(metric_id="x", measurements=["sum"], filter=texts)
    # refused: call-overload, reportArgumentType
    await k.metrics.query_metric_aggregates(metric_id="x", measurements=["count"], filter=texts, interval="dayly")
    # refused: list-item, reportArgumentType
    await k.reporting.query_campaign_values(statistics=["opns"], timeframe={}, conversion_metric_id="x")
    # refused: dict-item, reportArgumentType
    await k.reporting.query_campaign_values(
        statistics=["opens"], timeframe={"key": "last_30"}, conversion_metric_id="x"
    )
    # refused: dict-item, reportArgumentType
    await k.reporting.query_campaign_values(statistics=["opens"], timeframe={"kee": "today"}, conversion_metric_id="x")
    # refused: call-overload, reportCallIssue
    await k.reporting.query_campaign_values(statistics=["opens"], timeframe={"key": "today"})
    # refused: call-overload, reportArgumentType
    await k.reporting.query_form_series(statistics=["submits"], timeframe={"key": "today"}, interval="yearly")
    # refused: call-arg, reportCallIssue
    await k.profiles.get_profile()
    # refused: arg-type, reportArgumentType
    await k.profiles.get_profile("01GD", include="list")
    # refused: arg-type, reportArgumentType
    await k.profiles.get_profiles(page_size="100")
    # refused: arg-type, reportArgumentType
    await k.profiles.get_profiles(fields=["email"])
    # refused: call-arg, reportCallIssue
    await k.profiles.get_profiles(revision="2020-01-01")
    # refused: attr-defined, reportAttributeAccessIssue
    await k.profiles.get_profils()
