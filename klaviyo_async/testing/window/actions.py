"""What the buttons of the window do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from klaviyo_async.testing.behaviour import events, people

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from klaviyo_async.testing.server import FakeKlaviyo
    from klaviyo_async.testing.world import World

_SHORTEST_SECRET = 16
_ENDPOINT = re.compile(r"https://\S+|http://(127\.[\d.]+|localhost|\[::1\])([:/]\S*)?")


class Refused(Exception):  # noqa: N818 - what the page tells its user
    """What was filled in can't be done."""


def plan_fault(fake: FakeKlaviyo, world: World, form: Mapping[str, str]) -> str:  # noqa: ARG001
    """Plan a fault."""
    kind = form.get("kind", "")
    options: dict[str, Any] = {
        "times": None if form.get("always") else _number(form, "times", 1),
        "after": _number(form, "after", 0, least=0),
        "processed": bool(form.get("processed")),
    }
    if kind == "status":
        options["status"] = _number(form, "status", 503, least=200, most=599)
        if form.get("retry_after", "").strip():
            options["retry_after"] = _number(form, "retry_after", 1, least=0)
    elif kind == "delay":
        options["delay"] = _seconds(form)
    elif kind in {"reset", "stall"}:
        options[kind] = True
    elif kind == "truncate":
        options["truncate"] = 20
    else:
        raise Refused("Choose what the fault does.")
    try:
        fake.fail(form.get("operation", "").strip() or None, **options)
    except ValueError as failure:
        raise Refused(f"{failure}.") from failure
    return "faults"


def drop_fault(fake: FakeKlaviyo, world: World, form: Mapping[str, str]) -> str:  # noqa: ARG001
    """Take one planned fault back."""
    number = _number(form, "number", -1, least=0)
    if number < len(fake.faults):
        fake.drop_fault(fake.faults[number])
    return "faults"


def clear_faults(fake: FakeKlaviyo, world: World, form: Mapping[str, str]) -> str:  # noqa: ARG001
    """Take all planned faults back."""
    fake.clear_faults()
    return "faults"


def set_latency(fake: FakeKlaviyo, world: World, form: Mapping[str, str]) -> str:  # noqa: ARG001
    """Set how long each response takes."""
    fake.latency = _seconds(form) or None
    return "faults"


def finish_jobs(fake: FakeKlaviyo, world: World, form: Mapping[str, str]) -> str:  # noqa: ARG001
    """Run all bulk jobs to their end."""
    fake.finish_jobs()
    return "resources"


def add_webhook(fake: FakeKlaviyo, world: World, form: Mapping[str, str]) -> str:  # noqa: ARG001
    """Register a webhook."""
    url, secret, topic = (form.get(name, "").strip() for name in ("url", "secret", "topic"))
    if not _ENDPOINT.fullmatch(url):
        raise Refused("The endpoint must be an https URL, or http on this machine.")
    if len(secret) < _SHORTEST_SECRET:
        raise Refused(f"The secret must have at least {_SHORTEST_SECRET} characters.")
    if fake.store.get("webhook-topic", topic) is None:
        raise Refused("Choose a topic.")
    attributes = {"name": url, "endpoint_url": url, "secret_key": secret}
    fake.store.add("webhook", attributes, relationships={"webhook-topics": [topic]})
    return "webhooks"


def trigger(fake: FakeKlaviyo, world: World, form: Mapping[str, str]) -> str:
    """Record an event of a topic, which is delivered to every webhook that asks for it."""
    topic, email = form.get("topic", ""), form.get("email", "").strip()
    key, dot, name = topic.removeprefix("event:").partition(".")
    if fake.store.get("webhook-topic", topic) is None or not dot:
        raise Refused("Choose a topic.")
    if "@" not in email:
        raise Refused("Enter the e-mail address of the event's profile.")
    profile = people.find(world.store, {"email": email}, None) or people.upsert(world.store, {"email": email})[0]
    metric = {"name": name.replace("_", " ").title(), "service": key}
    events.note(
        world,
        profile,
        {"metric": {"data": {"attributes": metric}}, "properties": {"source": "window"}, "unique_id": str(uuid4())},
    )
    world.store.flush()
    fake.deliver()
    return "webhooks"


def reset(fake: FakeKlaviyo, world: World, form: Mapping[str, str]) -> str:  # noqa: ARG001
    """Forget everything."""
    fake.reset()
    return ""


ACTIONS: Mapping[str, Callable[[FakeKlaviyo, World, Mapping[str, str]], str]] = {
    "plan-fault": plan_fault,
    "drop-fault": drop_fault,
    "clear-faults": clear_faults,
    "set-latency": set_latency,
    "finish-jobs": finish_jobs,
    "add-webhook": add_webhook,
    "trigger": trigger,
    "reset": reset,
}
"""Name in the form's address → what it does; it returns the page to show afterwards."""


def _number(form: Mapping[str, str], name: str, default: int, *, least: int = 1, most: int = 1_000_000) -> int:
    text = form.get(name, "").strip()
    value = int(text) if re.fullmatch(r"\d{1,7}", text) else default if not text else -1
    if not least <= value <= most:
        raise Refused(f"{name.replace('_', ' ').capitalize()} must be a whole number from {least} to {most}.")
    return value


def _seconds(form: Mapping[str, str]) -> float:
    text = form.get("seconds", "").strip() or "0"
    if not re.fullmatch(r"\d{1,4}(\.\d{1,3})?", text):
        raise Refused("Seconds must be a number from 0 to 9999.")
    return float(text)
