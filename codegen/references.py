"""`$ref`: what it names, what stands behind it, what is reached through it. The only place that resolves one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from codegen import documents
from codegen.errors import CodegenError
from codegen.openapi import SHAPE, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import TypeAlias

    Resolve: TypeAlias = Callable[[str], Mapping[str, Any]]

_COMPONENT = re.compile(r"#/components/([A-Za-z]+)/([^/]+)")
_KINDS = {section: kind[1:-1] for section, kind in SHAPE["components"].items() if kind[1:-1] in SHAPE}
"""Section of the components → kind of what it holds: `schemas` → `schema`."""
_CHAIN = 100
"""References that lead to references; what goes beyond has no end."""


def component(reference: object) -> tuple[str, str] | None:
    """The section and the name of the component that a reference names; None where it names something else."""
    match = _COMPONENT.fullmatch(reference) if isinstance(reference, str) else None
    return None if match is None else (match[1], match[2].replace("~1", "/").replace("~0", "~"))


def schema_name(node: object) -> str:
    """The name of the schema that `node` refers to; empty where it is no reference to a schema."""
    found = component(node.get("$ref")) if isinstance(node, dict) else None
    return found[1] if found is not None and found[0] == "schemas" else ""


def found_in(node: Any, kind: str, place: str = "") -> Iterator[tuple[str, Any]]:
    """Every `$ref` in and inside `node`: (place, reference). Where they lead isn't checked here."""
    for here, _, item in walk(node, kind, place):
        if isinstance(item, dict) and "$ref" in item:
            yield here, item["$ref"]


class Resolver:
    """Looks through references and unions with null, which both the raw and the normalised documents have."""

    def __init__(self, resolve: Resolve) -> None:
        self.resolve = resolve
        """Gives what a reference names."""

    def plain(self, schema: Mapping[str, Any] | None) -> dict[str, Any]:
        """The schema behind references, and behind a union of which only one member is not null."""
        found = dict(schema or {})
        for _ in self._steps(found):
            pass
        return found

    def through(self, schema: Mapping[str, Any]) -> Iterator[str]:
        """The references that `plain` follows from here."""
        yield from self._steps(dict(schema))

    def _steps(self, found: dict[str, Any]) -> Iterator[str]:
        """Turn `found` into what stands behind it, a step after the other; the references on the way."""
        for _ in range(_CHAIN):
            if "$ref" in found:
                reference = found["$ref"]
                behind = self.resolve(reference)
                found.clear()
                found.update(behind)
                yield reference
                continue
            for key in ("oneOf", "anyOf", "allOf"):
                members = [
                    each for each in found.get(key, ()) if each.get("type") != "null" and each != {"enum": [None]}
                ]
                if len(members) == 1 and "properties" not in found:
                    found.clear()
                    found.update(members[0])
                    break
            else:
                return
        raise CodegenError("a schema refers to itself")

    def property(self, schema: Mapping[str, Any], name: str) -> dict[str, Any] | None:
        """A property's schema, looked through; None where there is no such property."""
        found = schema.get("properties", {}).get(name)
        return None if found is None else self.plain(found)

    def items(self, schema: Mapping[str, Any]) -> dict[str, Any] | None:
        """The schema of a list's members; None where it is no list."""
        return self.plain(schema["items"]) if schema.get("type") == "array" and "items" in schema else None

    def constants(self, schema: Mapping[str, Any]) -> tuple[str, ...]:
        """The texts that a value may be; none where it may be others."""
        values = [schema["const"]] if "const" in schema else schema.get("enum", ())
        return tuple(value for value in values if isinstance(value, str))


class References(Resolver):
    """The components of one document, found by reference."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        super().__init__(self.target)
        self._components: Mapping[str, Any] = document.get("components", {})
        self._onward: dict[tuple[str, str], list[Any]] = {}

    def target(self, reference: object) -> dict[str, Any]:
        """The component that a reference names. Raises CodegenError where the document doesn't have it."""
        found = component(reference)
        if found is None or found[1] not in self._components.get(found[0], {}):
            raise CodegenError(f"$ref to {reference!r}, which the document doesn't have")
        node: dict[str, Any] = self._components[found[0]][found[1]]
        return node

    def behind(self, node: dict[str, Any]) -> dict[str, Any]:
        """`node` itself, or what stands at the end of its references. Raises CodegenError."""
        for _ in range(_CHAIN):
            if "$ref" not in node:
                return node
            node = self.target(node["$ref"])
        raise CodegenError(f"$ref that refers back to itself: {node['$ref']}")

    def properties(self, schema: Any) -> dict[str, Any]:
        """The properties of a schema, those of all members of its `allOf` and unions included; first said first."""
        found: dict[str, Any] = {}
        seen: set[int] = set()
        wanted = [schema]
        while wanted:
            node = wanted.pop()
            if not isinstance(node, dict):
                continue
            node = self.behind(node)
            if id(node) in seen:
                continue
            seen.add(id(node))
            found = {**node.get("properties", {}), **found}
            wanted += [part for key in ("allOf", "oneOf", "anyOf") for part in reversed(node.get(key, ()))]
        return found

    def reached(self, node: Any, kind: str) -> set[tuple[str, str]]:
        """The components that `node` refers to, and those that these refer to: (section, name)."""
        reached: set[tuple[str, str]] = set()
        wanted = [reference for _, reference in found_in(node, kind)]
        while wanted:
            reference = wanted.pop()
            found = component(reference)
            if found is None or found in reached:
                continue
            reached.add(found)
            wanted += self._from(found)
        return reached

    def _from(self, found: tuple[str, str]) -> list[Any]:
        if found not in self._onward:
            kind, node = _KINDS.get(found[0]), self._components[found[0]][found[1]]
            self._onward[found] = [reference for _, reference in found_in(node, kind)] if kind is not None else []
        return self._onward[found]


def check(document: Mapping[str, Any], file: str) -> None:
    """Raise CodegenError for a reference to nothing, and for one that leads back to itself without an object between."""
    components = document.get("components", {})
    for place, reference in found_in(document, "document"):
        found = component(reference)
        if found is None or found[1] not in components.get(found[0], {}):
            raise CodegenError(f"$ref to {reference!r}, which the document doesn't have", file=file, place=place)
    for section, part in components.items():
        done: set[str] = set()
        for name in part:
            chain = _circle(name, section, part, (), done)
            if chain is not None:
                place = f"/components/{section}/{chain[-1]}"
                if chain[-1] in chain[:-1]:
                    problem = f"$ref that refers back to itself: {' → '.join(chain[chain.index(chain[-1]) :])}"
                else:
                    problem = "a chain of $refs without end"
                raise CodegenError(problem, file=file, place=place)


def _circle(
    name: str, section: str, part: Mapping[str, Any], above: tuple[str, ...], done: set[str]
) -> tuple[str, ...] | None:
    """The names on a way that comes back to where it was, or that is too long; None where there is none."""
    if name in above or len(above) > documents.MAX_DEPTH:
        return (*above, name)
    if name not in done:
        for reference in _direct(part[name]):
            found = component(reference)
            if found is not None and found[0] == section:
                chain = _circle(found[1], section, part, (*above, name), done)
                if chain is not None:
                    return chain
        done.add(name)
    return None


def _direct(schema: Any) -> Iterable[Any]:
    """References that are followed without entering an object or array."""
    if not isinstance(schema, dict):
        return
    if "$ref" in schema:
        yield schema["$ref"]
        return
    for key in ("allOf", "oneOf", "anyOf"):
        for item in schema.get(key, ()):
            yield from _direct(item)
    yield from _direct(schema.get("not"))
