"""Templates: cloned, rendered, and held on to by what uses them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from klaviyo_async.testing.behaviour.generic import document, require, wanted
from klaviyo_async.testing.behaviour.registry import handles
from klaviyo_async.testing.call import Response
from klaviyo_async.testing.problems import Problem

if TYPE_CHECKING:
    from klaviyo_async.testing.call import Call
    from klaviyo_async.testing.record import Record


_VARIABLE = re.compile(r"\{\{\s*([\w.]+)[^}]*\}\}")


@handles("clone_template")
def clone_template(call: Call) -> Response:
    """A copy, with status 200 where the documents say 201."""
    attributes = _template(call).attributes
    kept = {name: value for name, value in attributes.items() if name not in {"created", "updated"}}
    name = call.attributes.get("name") or f"{attributes['name']} (Clone)"
    return document(call, call.world.store.insert("template", {**kept, "name": name}), 200)


@handles("render_template")
def render_template(call: Call) -> Response:
    """The template with its variables filled in, with status 200 where the documents say 201; not kept."""
    record = _template(call)
    context = call.attributes["context"]
    response = document(call, record, 200)
    attributes = (response.document or {})["data"]["attributes"]
    for name in ("html", "text"):
        if isinstance(attributes.get(name), str):
            attributes[name] = _VARIABLE.sub(lambda found: str(_look(context, found[1])), attributes[name])
    return response


def _template(call: Call) -> Record:
    return require(call.world.store, "template", call.data["id"])


def _look(context: Any, path: str) -> Any:
    for name in path.split("."):
        context = context.get(name, "") if isinstance(context, dict) else ""
    return context


@handles("delete_template")
def delete_template(call: Call) -> Response:
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
    return Response(status=200)
