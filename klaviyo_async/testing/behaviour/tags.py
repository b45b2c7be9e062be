"""Tags and their groups: there is always a default group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klaviyo_async.testing.behaviour.generic import delete, document, insert, wanted
from klaviyo_async.testing.behaviour.registry import handles
from klaviyo_async.testing.problems import invalid

if TYPE_CHECKING:
    from klaviyo_async.testing.call import Call, Response


@handles("create_tag")
def create_tag(call: Call) -> Response:
    """Without a group it goes to the account's default group."""
    record = insert(call, call.data)
    if record.refs.get("tag-group") is None:
        group = call.world.store.first("tag-group", "default", True)
        if group is not None:
            record = call.world.store.change(record, {}, relationships={"tag-group": group.id})
    return document(call, record)


@handles("delete_tag_group")
def delete_tag_group(call: Call) -> Response:
    """The default group stays."""
    if wanted(call).attributes.get("default"):
        raise invalid("The default tag group can't be deleted.", pointer="/data/id")
    return delete(call)
