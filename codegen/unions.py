"""What tells the members of a union apart when nothing in them does: `[[union]]` of `specs/overrides.toml`.

```toml
[[union]]
why = "the reason, for people"
schema = "FlowMessageEncodedResponseObjectResource"
property = "attributes.definition"      # where the union stands, by property names
beside = "channel"                      # the property next to it that decides
values = { email = "FlowEmail" }        # its text, lower case, letters and digits only → the member
```

The union gets the key `x-decided-by`. A schema that a revision doesn't have is no error there.
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from codegen import documents
from codegen.errors import CodegenError

if TYPE_CHECKING:
    from pathlib import Path

_KEYS = {"why", "schema", "property", "beside", "values"}


def apply(document: dict[str, Any], file: Path) -> None:
    """Put what `file` says of unions on the schemas of `document`. Raises CodegenError for what doesn't fit them."""
    if not file.exists():
        return
    for index, item in enumerate(tomllib.loads(documents.read_text(file)).get("union", ())):
        place = f"/union/{index}"
        if not isinstance(item, dict) or item.keys() != _KEYS or not isinstance(item["values"], dict):
            raise CodegenError(f"a [[union]] has {', '.join(sorted(_KEYS))}", file=file, place=place)
        schema = document.get("components", {}).get("schemas", {}).get(item["schema"])
        if schema is not None:
            _put(schema, item, file, place)


def _put(schema: dict[str, Any], item: dict[str, Any], file: Path, place: str) -> None:
    siblings: dict[str, Any] = {}
    for name in item["property"].split("."):
        siblings = schema.get("properties", {})
        if name not in siblings:
            raise CodegenError(f"{item['schema']} has no {item['property']}: look again", file=file, place=place)
        schema = siblings[name]
    members = {each.get("$ref", "").rpartition("/")[2] for each in schema.get("oneOf", ())}
    if not set(item["values"].values()) <= members:
        raise CodegenError(f"{item['property']} is no union of what is said here: look again", file=file, place=place)
    if item["beside"] not in siblings:
        raise CodegenError(f"there is no {item['beside']} beside {item['property']}", file=file, place=place)
    if any(not key.isalnum() or key != key.lower() for key in item["values"]):
        raise CodegenError("the keys of values are in lower case, letters and digits only", file=file, place=place)
    schema["x-decided-by"] = {"property": item["beside"], "values": item["values"]}
