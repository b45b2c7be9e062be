"""What changed between two versions of a schema, property by property, and which of it breaks its users."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CONSTRAINTS = (
    "format", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "maxProperties",
    "readOnly", "writeOnly", "deprecated", "x-max-bytes", "x-max-string-bytes", "x-max-filter-items", "x-max-timeframe",
    "x-required-items",
)  # fmt: skip


@frozen
class Change:
    """One difference, in words and as data."""

    area: str
    text: str
    breaking: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The change as JSON."""
        return {"area": self.area, "text": self.text, "breaking": self.breaking}


@frozen
class _Place:
    """One property, item or member inside a schema."""

    types: frozenset[str]
    nullable: bool
    required: bool
    enum: tuple[Any, ...]
    default: Any
    constraints: Mapping[str, Any]


def compare(old: dict[str, Any], new: dict[str, Any], *, request: bool) -> list[Change]:
    """The changes from `old` to `new`; what is sent (`request`) breaks by more than what is answered."""
    before, after = dict(_places(old, "", required=True)), dict(_places(new, "", required=True))
    changes = []
    for path in before.keys() | after.keys():
        name = path or "itself"
        if path not in after:
            if not _inside(path, before, after):
                changes.append((path, Change("property", f"`{name}` removed", breaking=True)))
        elif path not in before:
            if not _inside(path, after, before):
                place = after[path]
                breaking = request and place.required and path != "" and _parent_known(path, before)
                kind = f"{'required ' if place.required else ''}{_types(place)}"
                changes.append((path, Change("property", f"`{name}` added: {kind}", breaking)))
        else:
            changes += [(path, change) for change in _differ(name, before[path], after[path], request=request)]
    return [change for _, change in sorted(changes, key=lambda item: (item[0], item[1].text))]


def values(old: Any, new: Any) -> str:
    """Two lists of values as what came and what went."""
    came = [item for item in new if item not in old]
    went = [item for item in old if item not in new]
    parts = [
        f"{sign}{', '.join(_short(item) for item in items)}" for sign, items in (("+ ", came), ("− ", went)) if items
    ]
    return " ".join(parts)


def _differ(name: str, old: _Place, new: _Place, *, request: bool) -> Iterator[Change]:
    if old.types != new.types:
        yield Change("type", f"`{name}`: {_types(old)} → {_types(new)}", breaking=bool(old.types - new.types))
    if old.nullable != new.nullable:
        text = f"`{name}` {'may be' if new.nullable else 'is no longer'} null"
        yield Change("nullable", text, breaking=request and not new.nullable)
    if old.required != new.required:
        text = f"`{name}` is {'now' if new.required else 'no longer'} required"
        yield Change("required", text, breaking=request and new.required)
    if old.enum != new.enum and old.enum and new.enum:
        if set(map(_short, old.enum)) != set(map(_short, new.enum)):
            gone = any(item not in new.enum for item in old.enum)
            yield Change("enum", f"`{name}`: {values(old.enum, new.enum)}", breaking=gone)
    elif old.enum != new.enum:
        text = f"`{name}` {'lists its values: ' + ', '.join(map(_short, new.enum)) if new.enum else 'no longer lists its values'}"
        yield Change("enum", text, breaking=bool(new.enum))
    if old.default != new.default:
        yield Change("default", f"`{name}`: default {_short(old.default)} → {_short(new.default)}")
    for key in sorted(old.constraints.keys() | new.constraints.keys()):
        first, second = old.constraints.get(key), new.constraints.get(key)
        if first != second:
            yield Change(
                "constraint",
                f"`{name}`: {key} {_short(first)} → {_short(second)}",
                breaking=_narrower(key, first, second),
            )


def _narrower(key: str, old: Any, new: Any) -> bool:
    if key in {"format", "pattern", "readOnly"}:
        return new is not None and new is not False
    if not all(isinstance(value, (int, float, type(None))) for value in (old, new)):
        return False
    if new is None:
        return False
    if key.startswith("min"):
        return old is None or new > old
    return key.startswith(("max", "x-max")) and (old is None or new < old)


def _places(schema: Any, path: str, *, required: bool) -> Iterator[tuple[str, _Place]]:
    """Every place inside a schema; references are not followed, for what they lead to is compared by itself."""
    if not isinstance(schema, dict):
        return
    enum = tuple(value for value in schema.get("enum", ()) if value is not None)
    yield (
        path,
        _Place(
            types=frozenset(_kinds(schema)),
            nullable=schema.get("nullable") is True or None in schema.get("enum", ()),
            required=required,
            enum=enum,
            default=schema.get("default"),
            constraints={key: schema[key] for key in _CONSTRAINTS if key in schema},
        ),
    )
    yield from _inner(schema, path)


def _inner(schema: dict[str, Any], path: str) -> Iterator[tuple[str, _Place]]:
    wanted = schema.get("required", ())
    for name, part in schema.get("properties", {}).items():
        yield from _places(part, f"{path}.{name}" if path else name, required=name in wanted)
    for part in schema.get("allOf", ()):
        if isinstance(part, dict) and "$ref" not in part:
            yield from _inner(part, path)
    if isinstance(schema.get("items"), dict):
        yield from _places(schema["items"], f"{path}[]", required=True)
    if isinstance(schema.get("additionalProperties"), dict):
        yield from _places(schema["additionalProperties"], f"{path}.*", required=False)


def _kinds(schema: dict[str, Any]) -> Iterator[str]:
    if "$ref" in schema:
        yield schema["$ref"].rpartition("/")[2]
        return
    for part in schema.get("allOf", ()):
        if isinstance(part, dict) and "$ref" in part:
            yield f"all of {part['$ref'].rpartition('/')[2]}"
    for key in ("oneOf", "anyOf"):
        for part in schema.get(key, ()):
            yield from _member(part)
    if "type" in schema:
        yield f"{schema['type']}({schema['format']})" if "format" in schema else schema["type"]
    elif "properties" in schema:
        yield "object"


def _member(part: Any) -> Iterator[str]:
    if isinstance(part, dict) and part.keys() & {"properties", "items", "enum"}:
        yield json.dumps(part, sort_keys=True, ensure_ascii=False)
    elif isinstance(part, dict):
        yield from _kinds(part)


def _types(place: _Place) -> str:
    kinds = sorted(kind if len(kind) < 80 else f"{kind[:77]}…" for kind in place.types) or ["anything"]
    return " | ".join([*kinds, "null"] if place.nullable else kinds)


def _inside(path: str, here: Mapping[str, _Place], there: Mapping[str, _Place]) -> bool:
    """Whether the place only goes or comes with one around it, which is told already."""
    return any(parent in here and parent not in there for parent in _parents(path))


def _parent_known(path: str, there: Mapping[str, _Place]) -> bool:
    return all(parent in there for parent in _parents(path))


def _parents(path: str) -> Iterator[str]:
    for index, letter in enumerate(path):
        if index and (letter == "." or path.startswith("[]", index)):
            yield path[:index]


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"
