"""Campaigns and their messages: created together, cloned, estimated, sent and called back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve

from klaviyo_async.testing import render
from klaviyo_async.testing.behaviour.generic import document, references, require, success, wanted
from klaviyo_async.testing.behaviour.registry import handles
from klaviyo_async.testing.call import Response
from klaviyo_async.testing.clock import stamp
from klaviyo_async.testing.problems import Problem, invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klaviyo_async.testing.call import Call
    from klaviyo_async.testing.record import Record
    from klaviyo_async.testing.store import Store


@handles("create_campaign")
def create(call: Call) -> Response:
    """A draft, with its messages."""
    store = call.world.store
    given = dict(call.attributes)
    messages = given.pop("campaign-messages")["data"]
    if not messages:
        raise invalid("A campaign needs a message.", pointer="/data/attributes/campaign-messages/data")
    given["audiences"] = {"excluded": [], **given["audiences"]}
    _check_audiences(store, given["audiences"])
    links = [
        references(store, "campaign-message", message, f"/data/attributes/campaign-messages/data/{number}")
        for number, message in enumerate(messages)
    ]
    record = store.insert("campaign", {name: value for name, value in given.items() if value is not None})
    for message, relationships in zip(messages, links, strict=True):
        store.insert(
            "campaign-message",
            message.get("attributes") or {},
            relationships={**relationships, "campaign": record.id},
        )
    return document(call, record)


def _check_audiences(store: Store, audiences: Mapping[str, Any]) -> None:
    for side in ("included", "excluded"):
        for number, id in enumerate(audiences.get(side) or ()):  # noqa: A001 - the API's own word
            if store.record("list", id) is None and store.record("segment", id) is None:
                raise invalid(
                    f"List or segment with id {id} not found.", pointer=f"/data/attributes/audiences/{side}/{number}"
                )


@handles("update_campaign")
def update(call: Call) -> Response:
    """Only drafts and campaigns that were called back can be changed."""
    record = wanted(call)
    if record.attributes["status"] not in {"Draft", "Cancelled"}:
        raise invalid("Only draft campaigns can be updated.", pointer="/data/id")
    if call.attributes.get("audiences"):
        _check_audiences(call.world.store, call.attributes["audiences"])
    given = {name: value for name, value in call.attributes.items() if value is not None}
    return document(call, call.world.store.change(record, given))


@handles("create_campaign_clone")
def clone(call: Call) -> Response:
    """A draft like the other one."""
    store = call.world.store
    record = _campaign(store, call.data["id"])
    attributes = record.attributes
    kept: dict[str, Any] = {
        name: attributes[name] for name in ("audiences", "send_options", "tracking_options") if name in attributes
    }
    name = call.attributes.get("new_name") or f"Clone of {attributes['name']}"
    copy = store.insert("campaign", {**kept, "name": name})
    for message in list(store.members(record, "campaign-messages")):
        old, refs = message.load()
        fresh = {key: value for key, value in old.items() if key not in {"created_at", "updated_at"}}
        store.insert("campaign-message", fresh, relationships={**refs, "campaign": copy.id})
    return document(call, copy)


@handles("assign_template_to_campaign_message")
def assign(call: Call) -> Response:
    """The message gets a copy of the template, as the real server does it."""
    store = call.world.store
    message = require(store, "campaign-message", call.data["id"])
    template = require(store, "template", call.needed_id("template"))
    attributes = {key: value for key, value in template.attributes.items() if key not in {"created", "updated"}}
    copy = store.insert("template", {**attributes, "name": f"Clone of {template.id}"})
    # the response includes the copy, asked for or not
    asked = evolve(call, query=evolve(call.query, include=("template",)))
    return document(asked, store.change(message, {}, relationships={"template": copy.id}))


def _campaign(store: Store, id: str) -> Record:
    record = store.record("campaign", id)
    if record is None:
        raise Problem(404, f"A campaign with id '{id}' does not exist.", pointer="/data/")
    return record


@handles("send_campaign")
def send(call: Call) -> Response:
    """The campaign is scheduled, or sent when its job has run."""
    store = call.world.store
    record = _campaign(store, call.data["id"])
    attributes = record.attributes
    if attributes["status"] not in {"Draft", "Cancelled"}:
        raise invalid(f"The campaign is {attributes['status']}: only drafts can be sent.", pointer="/data/id")
    now = stamp(call.world.clock.time())
    strategy = attributes.get("send_strategy") or {}
    at = strategy.get("datetime") or now
    scheduled = strategy.get("method") not in {None, "immediate"}
    status = "Scheduled" if scheduled else "Sending"
    store.change(record, {"status": status, "scheduled_at": now, "send_time": at})
    return _job(call, record.id, "queued", 202)


def _job(call: Call, id: str, status: str, code: int) -> Response:
    store = call.world.store
    job = store.record("campaign-send-job", id)
    if job is None:
        job = store.insert("campaign-send-job", {"status": status, "~at": call.world.clock.time()}, id=id)
    else:
        job = store.change(job, {"status": status, "~at": call.world.clock.time()})
    return document(call, job, code)


@handles("get_campaign_send_job")
def read_job(call: Call) -> Response:
    """The job has its campaign's id."""
    _campaign(call.world.store, call.path[0])
    job = call.world.store.record("campaign-send-job", call.path[0])
    if job is None:
        raise Problem(404, f"A campaign with id '{call.path[0]}' does not exist.", pointer="/data/")
    return document(call, settle(call, job))


def settle(call: Call, job: Record) -> Record:
    """The job as it is by now: complete a moment after it was queued, and its campaign sent."""
    store = call.world.store
    attributes = job.attributes
    if attributes["status"] != "queued" or call.world.clock.time() < attributes["~at"] + call.world.jobs.seconds:
        return job
    campaign = store.record("campaign", job.id)
    if campaign is not None and campaign.attributes["status"] == "Sending":
        store.change(campaign, {"status": "Sent"})
    return store.change(job, {"status": "complete"})


@handles("cancel_campaign_send")
def cancel(call: Call) -> Response:
    """Cancelled for good, or reverted to a draft."""
    record = _campaign(call.world.store, call.path[0])
    job = call.world.store.record("campaign-send-job", call.path[0])
    if job is None or record.attributes["status"] not in {"Sending", "Scheduled"}:
        raise invalid("The campaign is not being sent.", pointer="/data/id")
    reverted = call.attributes["action"] == "revert"
    call.world.store.change(record, {"status": "Draft" if reverted else "Cancelled", "scheduled_at": None})
    call.world.store.change(job, {"status": "cancelled"})
    return Response(status=204)


@handles("refresh_campaign_recipient_estimation")
def estimate(call: Call) -> Response:
    """Counted at once; the job is complete."""
    store = call.world.store
    campaign = _campaign(store, call.data["id"])
    audiences = campaign.attributes.get("audiences") or {}
    members: dict[str, set[int]] = {"included": set(), "excluded": set()}
    for side, found in members.items():
        for id in audiences.get(side) or ():  # noqa: A001 - the API's own word
            group = store.record("list", id) or store.record("segment", id)
            if group is not None:
                found |= set(store.group(group, "profiles").members)
    count = len(members["included"] - members["excluded"])
    for kind, attributes in (
        ("campaign-recipient-estimation", {"estimated_recipient_count": count}),
        ("campaign-recipient-estimation-job", {"status": "complete"}),
    ):
        old = store.record(kind, campaign.id)
        if old is None:
            store.insert(kind, attributes, id=campaign.id)
        else:
            store.change(old, attributes)
    job = require(store, "campaign-recipient-estimation-job", campaign.id)
    return document(call, job, success(call))


@handles("update_image_for_campaign_message")
def set_image(call: Call) -> Response:
    """The one image of a message."""
    store = call.world.store
    message = wanted(call)
    image = call.body["data"]["id"]
    if store.record("image", image) is None:
        raise store.missing("image", image)
    store.change(message, {}, relationships={"image": image})
    return Response(status=204)


@handles("get_template_for_campaign_message", "get_template_for_flow_message")
def template_of(call: Call) -> Response:
    """The template of a message; 404 where it has none."""
    record = wanted(call)
    found = next(call.world.store.members(record, "template"), None)
    if found is None:
        raise Problem(404, "The message has no template.", pointer="/data/")
    return Response(status=200, document=render.one(call, found))
