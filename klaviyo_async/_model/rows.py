"""Resources as flat rows, for data frames and CSV files."""

from __future__ import annotations

from typing import Any

__all__ = ["row"]


def row(model: Any) -> dict[str, Any]:
    """`id`, `type` and the attributes of a resource, with nested ones under dotted names.

    Any other model is flattened in the same way. Lists stay lists, of plain values.
    """
    members = dict(_members(model))
    if "attributes" not in members:
        return _flat(model)
    made = {key: members[key] for key in ("id", "type") if key in members}
    attributes = _flat(members["attributes"])
    # An attribute may be called `id` too; the resource's own takes precedence.
    return made | {key: value for key, value in attributes.items() if key not in made}


def _members(value: Any) -> Any:
    if type(value) is dict:
        return value.items()
    if not hasattr(value, "_tree"):
        return ()
    own = [(wire, getattr(value, name)) for name, wire in value._wires.items() if value.is_set(name)]
    return [*own, *(value._extra or {}).items()]


def _flat(value: Any) -> dict[str, Any]:
    made: dict[str, Any] = {}
    # A stack rather than recursion: free-form objects may be nested as deep as they like.
    stack = [("", value)]
    while stack:
        place, found = stack.pop()
        if type(found) is dict or hasattr(found, "_tree"):
            inside = [(f"{place}.{key}" if place else key, member) for key, member in _members(found)]
            stack += reversed(inside)
        elif type(found) is list:
            made[place] = [member.to_dict() if hasattr(member, "_tree") else member for member in found]
        elif place:
            made[place] = found
    return made
