"""What responses have and no schema declares: `[[resource]]` of `specs/overrides.toml`.

```toml
[[resource]]
why = "the reason, for people"
type = "profile"                                     # the resource's type
since = "2026-04-15"                                 # first revision it is about; `until` the last one
id = true                                            # it has an id
attributes = { anonymous_id = "string" }             # string, boolean, integer or number; null as well
relationships.conversation = { type = "conversation", many = false }
```

What the schemas declare as well stays as they say. A type that the shipped revision doesn't have is an error, one that
another doesn't have is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import Factory, field, frozen

from codegen.errors import CodegenError
from codegen.openapi import walk
from codegen.references import References
from codegen.specs import tables

if TYPE_CHECKING:
    from pathlib import Path

_KEYS = {"why", "type", "since", "until", "id", "attributes", "relationships"}
_SCALARS = {"string": "str", "boolean": "bool", "integer": "int", "number": "float"}


@frozen
class Undeclared:
    """What resources of one type have besides what their schemas say."""

    type: str
    id: bool = False
    attributes: dict[str, str] = Factory(dict)
    """JSON name → Python type."""
    relationships: dict[str, tuple[str, bool]] = Factory(dict)
    """JSON name → type of the related resources, and whether there may be many."""
    place: str = field(default="", eq=False)
    """Where the entry stands in the file."""


def load(file: Path, revision: str) -> list[Undeclared]:
    """The entries of `file` about `revision`. Raises CodegenError for what can't be understood."""
    found = []
    for index, item in enumerate(tables.read(file, "resource")):
        place = f"/resource/{index}"
        entry = _entry(item, file, place)
        if tables.period(item, file, place).covers(revision):
            found.append(entry)
    return found


def check(entries: list[Undeclared], document: dict[str, Any], file: Path) -> None:
    """Raise CodegenError for an entry about a type of resources that `document` doesn't have."""
    known, types = References(document), set()
    for _, kind, node in walk(document, "document"):
        if kind == "schema" and isinstance(node, dict) and isinstance(node.get("properties"), dict):
            constants = known.plain(node["properties"].get("type", {})).get("enum", ())
            types |= {value for value in constants if isinstance(value, str)}
    for entry in entries:
        if entry.type not in types:
            raise CodegenError(
                f"there are no resources of type {entry.type}: check the entry", file=file, place=entry.place
            )


def _entry(item: Any, file: Path, place: str) -> Undeclared:
    def refuse(problem: str) -> CodegenError:
        return CodegenError(problem, file=file, place=place)

    if not isinstance(item, dict) or not item.keys() <= _KEYS or not {"why", "type"} <= item.keys():
        raise refuse(f"a [[resource]] can have {', '.join(sorted(_KEYS))}; why and type are required")
    attributes, relationships = item.get("attributes", {}), item.get("relationships", {})
    if not isinstance(item["type"], str) or not isinstance(attributes, dict) or not isinstance(relationships, dict):
        raise refuse("type must be text, attributes and relationships must be tables")
    if unknown := set(map(str, attributes.values())) - _SCALARS.keys():
        raise refuse(f"not an attribute type: {', '.join(sorted(unknown))}; allowed: {', '.join(_SCALARS)}")
    if any(
        not isinstance(each, dict) or not {"type"} <= each.keys() <= {"type", "many"} for each in relationships.values()
    ):
        raise refuse("a relationship must have type and can have many")
    return Undeclared(
        type=item["type"],
        place=place,
        id=item.get("id", False),
        attributes={wire: _SCALARS[kind] for wire, kind in attributes.items()},
        relationships={wire: (each["type"], each.get("many", False)) for wire, each in relationships.items()},
    )
