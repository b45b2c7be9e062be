"""What may be filtered by, of revisions that say it in words only.

Since 2026-04-15 the documents have `x-klaviyo-filters`. Before, the description of the parameter has the same facts, a line
for each field:

    Allowed field(s)/operator(s):<br>`name`: `any`, `equals`<br>`created`: `greater-than`

They become the extension as later revisions have it, so that everything else reads one form. The words don't say what
values are. That is decided in this order, which gives what the extension says for each field of 2026-04-15 and 2026-07-15:

1. `has` takes no value.
2. `timestamp` beside `datetime` is the same in Unix seconds: a number.
3. `created`, `updated`, `datetime`, `timestamp` and what ends in `_at` or `.timestamp` are times.
4. Names that later revisions call booleans or whole numbers, everywhere alike.
5. The attribute of that name in the operation's own response, where it is a boolean, a number or a time.
6. All else is text. Later revisions list the values of some; earlier ones don't, and none are made up.

`any`, `contains-any`, `contains-all` take a list. `equals` beside `any` takes either, as it does where the extension tells.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from codegen.references import References

_HEADING = re.compile(r"Allowed field\(s\)/operator\(s\):", re.IGNORECASE)
_LINE = re.compile(r"`([A-Za-z_][\w.-]*)`\s*:\s*(`[a-z-]+`(?:\s*,\s*`[a-z-]+`)*)")
_TIME = re.compile(r"(?:.*\.)?(?:created|updated|datetime|timestamp|\w+_at)")
_LISTS = re.compile(r"any|[a-z-]+-(?:any|all)")
_BOOLEANS = frozenset(
    {"ab_test", "archived", "default", "edited", "exclusive", "hidden", "incentivized", "is_active", "is_starred",
     "published", "verified"}
)  # fmt: skip
_INTEGERS = frozenset({"rating", "size"})


@frozen
class Lines:
    """The lines of one description."""

    filters: dict[str, dict[str, Any]]
    """As in `x-klaviyo-filters`."""
    unread: tuple[str, ...]
    """Lines that are none."""


def read(operation: dict[str, Any], known: References) -> Lines | None:
    """What the description of the parameter `filter` allows; None where it lists nothing."""
    for parameter in operation.get("parameters", ()):
        text = parameter.get("description")
        if parameter.get("name") == "filter" and isinstance(text, str) and (heading := _HEADING.search(text)):
            return _lines(text[heading.end() :], operation, known)
    return None


def _lines(text: str, operation: dict[str, Any], known: References) -> Lines:
    operators: dict[str, list[str]] = {}
    unread = []
    for line in re.split(r"<br\s*/?>|\n", text):
        match = _LINE.fullmatch(line.strip())
        if match is not None:
            operators.setdefault(match[1], []).extend(re.findall(r"`([a-z-]+)`", match[2]))
        elif line.strip():
            unread.append(line.strip())
    attributes = _attributes(operation, known)
    filters: dict[str, dict[str, Any]] = {}
    for name, found in operators.items():
        value = _value(name, found, operators.keys(), attributes, known)
        filters[name] = {"operators": _kinds(found), **({"value": value} if value is not None else {})}
    return Lines(filters, tuple(unread))


def _kinds(operators: list[str]) -> dict[str, list[str]]:
    names = sorted(set(operators))
    found = {
        "list": [name for name in names if _LISTS.fullmatch(name) or (name == "equals" and "any" in names)],
        "single": [name for name in names if name != "has" and not _LISTS.fullmatch(name)],
        "none": [name for name in names if name == "has"],
    }
    return {kind: items for kind, items in found.items() if items}


def _value(
    name: str, operators: list[str], beside: Any, attributes: dict[str, Any], known: References
) -> dict[str, Any] | None:
    if operators == ["has"]:
        return None
    if name == "timestamp" and "datetime" in beside:
        return {"type": "number"}
    if _TIME.fullmatch(name):
        return {"type": "string", "format": "date-time"}
    if name in _BOOLEANS or name in _INTEGERS:
        return {"type": "boolean" if name in _BOOLEANS else "integer"}
    schema: dict[str, Any] = {"properties": attributes}
    for part in name.split("."):
        schema = known.plain(known.properties(schema).get(part, {}))
    if schema.get("type") in ("boolean", "integer", "number"):
        return {"type": schema["type"]}
    if schema.get("format") == "date-time":
        return {"type": "string", "format": "date-time"}
    return {"type": "string"}


def _attributes(operation: dict[str, Any], known: References) -> dict[str, Any]:
    """Schemas of the attributes of what the operation responds with."""
    for status, response in sorted(operation.get("responses", {}).items()):
        for media in response.get("content", {}).values() if status.startswith("2") else ():
            data = known.plain(known.properties(media.get("schema", {})).get("data", {}))
            resource = data.get("items", {}) if data.get("type") == "array" else data
            return known.properties(known.properties(resource).get("attributes", {}))
    return {}
