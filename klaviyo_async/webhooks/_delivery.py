"""What a delivery holds, as models: nothing that came is lost, nested parts are built when they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klaviyo_async._model import Many, Model, model, nested, time

if TYPE_CHECKING:
    from datetime import datetime

    from klaviyo_async.models import GetEventResponseCompoundDocument
    from klaviyo_async.resources import Event, Metric, Profile


@model
class DeliveryMeta(Model):
    """Where a delivery comes from, and when it was made."""

    klaviyo_account_id: str
    klaviyo_webhook_id: str
    timestamp: datetime = time()
    """When Klaviyo made the delivery; `verify` judges `max_age` by it."""


@model
class DeliveredEvent(Model):
    """One event of a delivery."""

    external_id: str
    """Klaviyo's id of the event. A delivery may come again, so this is what to tell repetitions by."""
    topic: str
    """``event:<integration>.<metric>``, for instance ``event:klaviyo.sent_sms``; each account has topics of its own."""
    payload: GetEventResponseCompoundDocument = nested("models.GetEventResponseCompoundDocument")
    """The event as `get_event` gives it, with its metric and profile where Klaviyo included them."""

    @property
    def event(self) -> Event:
        """The event itself: `payload.data`."""
        return self.payload.data

    @property
    def profile(self) -> Profile | None:
        """The profile of the event; None where it was not included."""
        return next(iter(self.payload.related(self.event, "profile")), None)

    @property
    def metric(self) -> Metric | None:
        """The metric of the event; None where it was not included."""
        return next(iter(self.payload.related(self.event, "metric")), None)


@model
class Delivery(Model):
    """One POST of Klaviyo's to a webhook: up to 1,000 events."""

    events: list[DeliveredEvent] = nested(Many("DeliveredEvent"), wire="data")
    meta: DeliveryMeta = nested("DeliveryMeta")

    @property
    def duplicates(self) -> list[str]:
        """The `external_id` of each event that this delivery has more than once under one topic."""
        seen: set[tuple[str, str]] = set()
        twice: dict[str, None] = {}
        for event in self.events:
            key = (event.external_id, event.topic)
            if key in seen:
                twice[event.external_id] = None
            seen.add(key)
        return list(twice)
