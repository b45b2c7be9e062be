"""Templates, universal content, images, flows, forms, metrics' mappings, tags and webhooks: the quirks of each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from klaviyo_async.testing.behaviour.generic import (
    cascade,
    delete,
    document,
    insert,
    references,
    require,
    same_id,
    update,
    wanted,
)
from klaviyo_async.testing.behaviour.registry import answers
from klaviyo_async.testing.call import Answer
from klaviyo_async.testing.problems import Problem, invalid

if TYPE_CHECKING:
    from klaviyo_async.testing.call import Call
    from klaviyo_async.testing.record import Record
    from klaviyo_async.testing.store import Store

_VARIABLE = re.compile(r"\{\{\s*([\w.]+)[^}]*\}\}")
_TRIGGERS = {
    "list": "Added to List",
    "segment": "Added to Segment",
    "metric": "Metric",
    "date": "Date Based",
    "price-drop": "Price Drop",
    "low-inventory": "Low Inventory",
}
_IMAGE_FORMATS = ("jpeg", "png", "gif")


@answers("clone_template")
def clone_template(call: Call) -> Answer:
    """A copy, answered 200 where the documents say 201."""
    attributes = _template(call).attributes
    kept = {name: value for name, value in attributes.items() if name not in {"created", "updated"}}
    name = call.attributes.get("name") or f"{attributes['name']} (Clone)"
    return document(call, call.world.store.insert("template", {**kept, "name": name}), 200)


@answers("render_template")
def render_template(call: Call) -> Answer:
    """The template with its variables filled in, answered 200 where the documents say 201; not kept."""
    record = _template(call)
    context = call.attributes["context"]
    answer = document(call, record, 200)
    attributes = (answer.document or {})["data"]["attributes"]
    for name in ("html", "text"):
        if isinstance(attributes.get(name), str):
            attributes[name] = _VARIABLE.sub(lambda found: str(_look(context, found[1])), attributes[name])
    return answer


def _template(call: Call) -> Record:
    return require(call.world.store, "template", call.data["id"])


def _look(context: Any, path: str) -> Any:
    for name in path.split("."):
        context = context.get(name, "") if isinstance(context, dict) else ""
    return context


@answers("delete_template")
def delete_template(call: Call) -> Answer:
    """409 while a flow's message has it; 200 where the documents say 204."""
    record = wanted(call)
    store = call.world.store
    for seq in store.table("flow-message").having("@template", record.id):
        message = store.table("flow-message").by_seq[seq]
        raise Problem(
            409,
            f"Cannot delete template {record.id} while it is attached to\nFlowMessage {message.id}",
            pointer="/data",
        )
    store.delete(record)
    return Answer(status=200)


@answers("create_template")
def create_template(call: Call) -> Answer:
    """One name may be had twice; the editor's type decides what it carries."""
    return document(call, insert(call, call.data))


@answers("upload_image_from_url")
def image_from_url(call: Call) -> Answer:
    """The image is not fetched."""
    url = call.attributes["import_from_url"]
    if not url.startswith(("http://", "https://", "data:")):
        raise invalid("import_from_url must be a URL or a data URI.", pointer="/data/attributes/import_from_url")
    name = call.attributes.get("name") or url.partition("?")[0].rpartition("/")[2] or "image"
    return document(call, _image(call, name, len(url), bool(call.attributes.get("hidden"))))


@answers("upload_image_from_file")
def image_from_file(call: Call) -> Answer:
    """The file's first bytes say what it is."""
    file = call.body.get("file")
    if not isinstance(file, dict):
        raise invalid("The field 'file' is required, with a file name.", pointer="/data/attributes/file")
    content: bytes = file["content"]
    name = call.body.get("name") or file["filename"]
    hidden = str(call.body.get("hidden", "false")).lower() == "true"
    kind = next(
        (
            one
            for one, mark in zip(_IMAGE_FORMATS, (b"\xff\xd8", b"\x89PNG", b"GIF8"), strict=True)
            if content.startswith(mark)
        ),
        None,
    )
    return document(call, _image(call, name, len(content), hidden, kind))


def _image(call: Call, name: str, size: int, hidden: bool, kind: str | None = None) -> Record:
    suffix = name.rpartition(".")[2].lower().replace("jpg", "jpeg")
    record = call.world.store.insert(
        "image",
        {
            "name": name,
            "format": kind or (suffix if suffix in _IMAGE_FORMATS else "png"),
            "size": size,
            "hidden": hidden,
            "image_url": "",
        },
    )
    return call.world.store.change(record, {"image_url": f"https://images.example.com/{record.id}.{suffix}"})


@answers("create_flow")
def create_flow(call: Call) -> Answer:
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


@answers("update_flow")
def update_flow(call: Call) -> Answer:
    """Only its status can be changed."""
    status = call.attributes["status"]
    if status not in {"draft", "manual", "live"}:
        raise invalid(
            f"'{status}' is not a valid choice for 'status': draft, manual, live", pointer="/data/attributes/status"
        )
    return update(call)


@answers("create_form")
def create_form(call: Call) -> Answer:
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


@answers("update_mapped_metric")
def map_metric(call: Call) -> Answer:
    """A metric, or a custom one, or none; setting one lets go of the other."""
    record = wanted(call)
    same_id(call)
    given = references(call.world.store, record.type, call.data)
    chosen = [name for name, target in given.items() if target is not None]
    if len(chosen) > 1:
        raise invalid("Only one of metric and custom-metric may be given.", pointer="/data/relationships")
    if chosen:
        given = {"metric": None, "custom-metric": None, **given}
    return document(call, call.world.store.change(record, {}, relationships=given))


@answers("create_custom_metric", "update_custom_metric")
def custom_metric(call: Call) -> Answer:
    """A custom metric is related to the metrics that its definition names."""
    store = call.world.store
    definition = call.attributes.get("definition") or {}
    ids = [group["metric_id"] for group in definition.get("metric_groups") or ()]
    for number, id in enumerate(ids):  # noqa: A001 - the API's own word
        if store.record("metric", id) is None:
            raise invalid(
                f"Metric with id {id} not found.",
                pointer=f"/data/attributes/definition/metric_groups/{number}/metric_id",
            )
    if call.route.action == "create":
        record = insert(call, call.data)
    else:
        same_id(call)
        record = store.change(wanted(call), call.attributes)
    if ids:
        record = store.change(record, {}, relationships={"metrics": list(dict.fromkeys(ids))})
    return document(call, record)


@answers("create_tag")
def create_tag(call: Call) -> Answer:
    """Without a group it goes to the account's default group."""
    record = insert(call, call.data)
    if record.refs.get("tag-group") is None:
        group = call.world.store.first("tag-group", "default", True)
        if group is not None:
            record = call.world.store.change(record, {}, relationships={"tag-group": group.id})
    return document(call, record)


@answers("delete_tag_group")
def delete_tag_group(call: Call) -> Answer:
    """The default group stays."""
    if wanted(call).attributes.get("default"):
        raise invalid("The default tag group can't be deleted.", pointer="/data/id")
    return delete(call)


@answers("create_webhook", "update_webhook")
def webhook(call: Call) -> Answer:
    """Any topic of the form ``event:…`` can be asked for, before its first event too."""
    store = call.world.store
    secret = call.attributes.get("secret_key")
    if secret is not None and len(secret) < 16:
        raise invalid("secret_key must have at least 16 characters.", pointer="/data/attributes/secret_key")
    for topic in call.related_ids("webhook-topics"):
        if store.record("webhook-topic", topic) is None and re.fullmatch(r"event:[\w.-]+", topic):
            store.insert("webhook-topic", {}, id=topic)
    if call.route.action == "create":
        return document(call, insert(call, call.data))
    return update(call)


@answers("update_image")
def update_image(call: Call) -> Answer:
    """Replaces: a name that isn't given is gone, as with the real server."""
    record = wanted(call)
    same_id(call)
    given = {"name": None, **call.attributes}
    return document(call, call.world.store.change(record, given))


@answers("update_review")
def update_review(call: Call) -> Answer:
    """Its status."""
    return update(call)


@answers("create_push_token", "create_client_push_token")
def push_token(call: Call) -> Answer:
    """A token belongs to the profile that it came with last."""
    from klaviyo_async.testing.behaviour import people  # noqa: PLC0415 - only push tokens need it here

    store = call.world.store
    given = dict(call.attributes)
    profile = given.pop("profile")["data"]
    metadata = given.pop("device_metadata", None)
    attributes = dict(profile.get("attributes") or {})
    people.check(attributes, "/data/attributes/profile/data/attributes")
    meta = attributes.pop("meta", None)
    owner, _ = people.upsert(store, attributes, id=profile.get("id"), meta=meta)
    values = {**given, "metadata": metadata, "recorded_date": owner.attributes["updated"]}
    old = store.first("push-token", "token", given["token"])
    if old is None:
        store.insert("push-token", values, relationships={"profile": owner.id})
    else:
        store.change(old, values, relationships={"profile": owner.id})
    return Answer(status=202)


@answers("unregister_client_push_token")
def unregister(call: Call) -> Answer:
    """The token is gone."""
    store = call.world.store
    token = store.first("push-token", "token", call.attributes["token"])
    if token is not None:
        cascade(store, token)
    return Answer(status=202)


@answers("create_data_source_record", "bulk_create_data_source_records")
def data_source_records(call: Call) -> Answer:
    """Records of a data source; they can't be read back through the API, only in the fake's store."""
    store = call.world.store
    source = call.related_id("data-source")
    if source is not None:
        require(store, "data-source", source)
    one = call.attributes.get("data-source-record") or {}
    rows = (call.attributes.get("data-source-records") or {}).get("data") or ([one["data"]] if one.get("data") else [])
    for row in rows:
        relationships = {} if source is None else {"data-source": source}
        store.insert("data-source-record", row["attributes"], relationships=relationships)
    return Answer(status=204)
