"""Webhooks: verify that a delivery is genuine, and read its events.

::

    from klaviyo_async import WebhookSignatureError, webhooks


    async def receive(request: Request) -> Response:  # FastAPI here; any framework will do
        try:
            delivery = webhooks.verify(await request.body(), request.headers, SECRET)
        except WebhookSignatureError:
            return Response(status_code=401)
        for event in delivery.events:
            print(event.topic, event.external_id, event.event.attributes.event_properties)
        return Response(status_code=202)

Klaviyo's guide: https://developers.klaviyo.com/en/docs/working_with_system_webhooks
"""

from klaviyo_async.webhooks._delivery import DeliveredEvent, Delivery, DeliveryMeta
from klaviyo_async.webhooks._verify import verify

__all__ = ["DeliveredEvent", "Delivery", "DeliveryMeta", "verify"]
