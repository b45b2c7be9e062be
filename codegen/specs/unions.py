"""What tells the members of a union apart when nothing in them does: `[[union]]` of `specs/overrides.toml`.

```toml
[[union]]
why = "the reason, for people"
schema = "FlowMessageEncodedResponseObjectResource"
property = "attributes.definition"      # where the union stands, by property names
beside = "channel"                      # the property next to it that decides
values = { email = "FlowEmail" }        # its text, lower case, letters and digits only → the member
```

The union gets the key `x-decided-by`. An entry may have `since` and `until`. What doesn't fit the shipped revision is an
error; elsewhere a schema that isn't there is none, and what doesn't fit is left out and reported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codegen.errors import CodegenError
from codegen.references import schema_name
from codegen.specs import tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_KEYS = {"why", "schema", "property", "beside", "values"}
_PERIOD = {"since", "until"}


def apply(document: dict[str, Any], file: Path, revision: str, problems: list[str] | None = None) -> None:
    """Put what `file` says of unions on the schemas of `document`.

    Raises CodegenError for what doesn't fit them; with `problems`, such entries are left out and listed there.
    """
    schemas = document.get("components", {}).get("schemas", {})
    for item, place in _entries(file, revision):
        if item["schema"] in schemas:
            try:
                _put(schemas[item["schema"]], item, file, place)
            except CodegenError as error:
                if problems is None:
                    raise
                problems.append(str(error))


def check(document: dict[str, Any], file: Path, revision: str) -> None:
    """Raise CodegenError for an entry about a schema that `document` doesn't have."""
    for item, place in _entries(file, revision):
        if item["schema"] not in document.get("components", {}).get("schemas", {}):
            raise CodegenError(f"there is no schema {item['schema']}: check the entry", file=file, place=place)


def _entries(file: Path, revision: str) -> Iterator[tuple[dict[str, Any], str]]:
    for index, item in enumerate(tables.read(file, "union")):
        place = f"/union/{index}"
        if not _is_union(item):
            raise CodegenError(f"a [[union]] has {', '.join(sorted(_KEYS))}", file=file, place=place)
        if tables.period(item, file, place).covers(revision):
            yield item, place


def _is_union(item: Any) -> bool:
    if not isinstance(item, dict) or not _KEYS <= item.keys() <= _KEYS | _PERIOD:
        return False
    return isinstance(item["values"], dict) and all(isinstance(item[key], str) for key in _KEYS - {"values"})


def _put(schema: dict[str, Any], item: dict[str, Any], file: Path, place: str) -> None:
    siblings: dict[str, Any] = {}
    for name in item["property"].split("."):
        siblings = schema.get("properties", {})
        if name not in siblings:
            raise CodegenError(f"{item['schema']} has no {item['property']}: check the entry", file=file, place=place)
        schema = siblings[name]
    members = {schema_name(each) for each in schema.get("oneOf", ())}
    if not set(item["values"].values()) <= members:
        raise CodegenError(
            f"{item['property']} is not a union of the members given here: check the entry", file=file, place=place
        )
    if item["beside"] not in siblings:
        raise CodegenError(f"there is no {item['beside']} beside {item['property']}", file=file, place=place)
    if any(not key.isalnum() or key != key.lower() for key in item["values"]):
        raise CodegenError("the keys of values must be lower-case letters and digits", file=file, place=place)
    schema["x-decided-by"] = {"property": item["beside"], "values": item["values"]}
