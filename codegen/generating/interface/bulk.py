"""What is special about operations that take many rows: where the rows go, and the job that comes of them.

The documents show it in their paths and schemas; what they say only in words is in ``x-bulk`` (specs/overrides.toml).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from codegen.errors import CodegenError
from klaviyo_async.operation import Bulk, Job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codegen.generating.interface.bodies import Resolver
    from klaviyo_async.operation import Body, Resource

_PREFIX = "bulk_"
_UNDER_WAY = frozenset({"queued", "processing"})


def bulk_of(
    raw: Mapping[str, Any], body: Body | None, operations: Mapping[str, Mapping[str, Any]], look: Resolver
) -> Bulk | None:
    """The bulk facts of an operation; None where it is no bulk operation.

    `raw` is the operation, `operations` all of them, as `codegen.specs.assemble.Spec.operations` has them.
    """
    name = raw["operationId"]
    if not name.startswith(_PREFIX) or body is None or body.resource is None:
        return None
    rows = _rows(body.resource)
    if rows is None:
        return None
    said: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in raw.get("x-bulk", {}).items()
    }
    relationships = body.resource.relationships
    for key in (*said.get("instead", ()), *filter(None, [said.get("global_without")])):
        if key not in relationships:
            raise CodegenError(f"{name}: x-bulk names the relationship {key}, which it doesn't have")
    return Bulk(rows=rows, job=_job(raw["path"], operations, look), **said)


def _rows(resource: Resource) -> str | None:
    """The attribute that holds whole resources, or else the relationship that holds many."""
    held = [keyword for keyword, nested in resource.nested.items() if nested.kind == "resources"]
    held += [keyword for keyword, related in resource.relationships.items() if related.many]
    return held[0] if held else None


def _job(path: str, operations: Mapping[str, Mapping[str, Any]], look: Resolver) -> Job | None:
    """What a job submitted to this path is retrieved with: the GET of one below it."""
    one = re.compile(re.escape(path) + r"/\{[^}]+\}")
    found = [each for each in operations.values() if each["method"] == "GET" and one.fullmatch(each["path"])]
    if not found:
        return None
    (get,) = found
    failures = [
        each["operationId"]
        for each in operations.values()
        if each["method"] == "GET" and re.fullmatch(one.pattern + r"/import-errors", each["path"])
    ]
    attributes = _attributes(get, look)
    statuses = look.constants(look.plain(attributes.get("status")))
    return Job(
        get=get["operationId"],
        errors=failures[0] if failures else None,
        embeds_errors="errors" in attributes,
        counts=tuple(sorted(key for key in attributes if key.endswith("_count"))),
        ended=tuple(status for status in statuses if status not in _UNDER_WAY),
    )


def _attributes(operation: Mapping[str, Any], look: Resolver) -> Mapping[str, Any]:
    """The schemas of the attributes of the resource that an operation gives."""
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            (media,) = response["content"].values()
            data = look.property(look.plain(media["schema"]), "data") or {}
            attributes = look.property(data, "attributes") or {}
            return dict(attributes.get("properties", {}))
    return {}
