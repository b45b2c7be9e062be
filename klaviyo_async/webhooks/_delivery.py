"""The contents of a delivery, as models: nothing received is lost, and nested parts are built when they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klaviyo_async._model import Many, Model, model, nested, time

if TYPE_CHECKING:
    from datetime import datetime

    from klaviyo_async.models import GetEventResponseCompoundDocument
    from klaviyo_async.resources import Event, Metric, Profile


@model
class DeliveryMeta(Model):
    """Where a delivery comes from, and when it was created."""

    klaviyo_account_id: str
    klaviyo_webhook_id: str
    timestamp: datetime = time()
    """When Klaviyo created the delivery; `verify` checks `max_age` against it."""


@model
class DeliveredEvent(Model):
    """One event of a delivery."""

    external_id: str
    """Klaviyo's id of the event. A delivery may be repeated, so use this to detect duplicates."""
    topic: str
    """``event:<integration>.<metric>``, for instance ``event:klaviyo.sent_sms``; topics differ between accounts."""
    payload: GetEventResponseCompoundDocument = nested("models.GetEventResponseCompoundDocument")
    """The event as `get_event` returns it, with its metric and profile if Klaviyo included them."""

    @property
    def event(self) -> Event:
        """The event itself: `payload.data`."""
        return self.payload.data

    @property
    def profile(self) -> Profile | None:
        """The profile of the event; None if it was not included."""
        return next(iter(self.payload.related(self.event, "profile")), None)

    @property
    def metric(self) -> Metric | None:
        """The metric of the event; None if it was not included."""
        return next(iter(self.payload.related(self.event, "metric")), None)


@model
class Delivery(Model):
    """One webhook POST: up to 1,000 events."""

    events: list[DeliveredEvent] = nested(Many("DeliveredEvent"), wire="data")
    meta: DeliveryMeta = nested("DeliveryMeta")

    @property
    def duplicates(self) -> list[str]:
        """The `external_id` of each event that occurs more than once in this delivery under the same topic."""
        seen: set[tuple[str, str]] = set()
        twice: dict[str, None] = {}
        for event in self.events:
            key = (event.external_id, event.topic)
            if key in seen:
                twice[event.external_id] = None
            seen.add(key)
        return list(twice)
