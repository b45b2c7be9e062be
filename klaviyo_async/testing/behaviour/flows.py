"""Flows and forms: made with the actions and versions of their definitions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from klaviyo_async.testing.behaviour.generic import document, insert, update
from klaviyo_async.testing.behaviour.registry import handles
from klaviyo_async.testing.problems import invalid

if TYPE_CHECKING:
    from klaviyo_async.testing.call import Call, Response
    from klaviyo_async.testing.record import Record
    from klaviyo_async.testing.store import Store


_TRIGGERS = {
    "list": "Added to List",
    "segment": "Added to Segment",
    "metric": "Metric",
    "date": "Date Based",
    "price-drop": "Price Drop",
    "low-inventory": "Low Inventory",
}


@handles("create_flow")
def create_flow(call: Call) -> Response:
    """A draft with its actions, and their messages."""
    store = call.world.store
    definition = call.attributes["definition"]
    triggers = definition.get("triggers") or []
    kind = triggers[0].get("type") if triggers else None
    record = store.insert(
        "flow",
        {
            "name": call.attributes["name"],
            "definition": definition,
            "trigger_type": _TRIGGERS.get(str(kind), "Unconfigured"),
        },
    )
    for action in definition.get("actions") or ():
        made = store.insert("flow-action", {"definition": action}, relationships={"flow": record.id})
        _message(store, made, action)
    for trigger in triggers:
        target = {"list": "list", "segment": "segment", "metric": "metric"}.get(trigger.get("type"))
        group = store.record(target, trigger.get("id", "")) if target else None
        if group is not None:
            store.join(group, "flow-triggers", record)
    return document(call, record)


def _message(store: Store, action: Record, definition: dict[str, Any]) -> None:
    channel = {"send-email": "Email", "send-sms": "SMS", "send-push-notification": "Push", "send-whatsapp": "WhatsApp"}
    if definition.get("type") in channel:
        message = (definition.get("data") or {}).get("message") or {}
        template = message.get("template_id")
        store.insert(
            "flow-message",
            {"channel": channel[definition["type"]], "definition": message},
            relationships={
                "flow-action": action.id,
                **({"template": template} if template and store.record("template", template) else {}),
            },
        )


@handles("update_flow")
def update_flow(call: Call) -> Response:
    """Only its status can be changed."""
    status = call.attributes["status"]
    if status not in {"draft", "manual", "live"}:
        raise invalid(
            f"'{status}' is not a valid choice for 'status': draft, manual, live", pointer="/data/attributes/status"
        )
    return update(call)


@handles("create_form")
def create_form(call: Call) -> Response:
    """A draft with its versions."""
    store = call.world.store
    record = insert(call, call.data)
    for version in call.attributes["definition"].get("versions") or ():
        store.insert(
            "form-version",
            {
                "form_type": version.get("type", "popup"),
                "variation_name": version.get("name") or record.attributes["name"],
                "status": "draft",
                "ab_test": None,
            },
            relationships={"form": record.id},
        )
    return document(call, record)
