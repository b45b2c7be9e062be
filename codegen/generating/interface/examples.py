"""One example call of each operation, for its docstring: with the documents' example values, and plain ones of our own."""

from __future__ import annotations

import builtins
import keyword
from datetime import datetime
from typing import TYPE_CHECKING, Any

from codegen.generating.interface.bodies import Resolver
from codegen.generating.text.render import literal
from codegen.names import python_name
from klaviyo_async.errors import QueryError
from klaviyo_async.filter import Filter
from klaviyo_async.filter._checks import check_filter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from codegen.generating.interface.bodies import Keyword, Resolve
    from klaviyo_async.operation import Nested, Operation, Relationship, Resource

_OPTIONAL = (4, 2, 2)
"""How many members are shown that may be left out, by depth; deeper down one, where nothing is required."""
_LONG = 120
_DEEP = 12
"""Levels of an example; a schema that requires itself would have no end."""
"""A list that is longer is shown with one member only; a text of half of it isn't shown."""
_TEXTS = {
    "currency": "USD",
    "editor_type": "CODE",
    "email": "sarah@example.com",
    "endpoint_url": "https://example.com/klaviyo",
    "external_id": "SAMPLE-1",
    "file": "logo.png",
    "html": "<p>Hello</p>",
    "name": "Spring sale",
    "phone_number": "+15005550006",
    "secret_key": "a-secret-of-your-own",
    "subject": "It is spring",
    "title": "Coffee",
    "url": "https://example.com",
}
_TIMES = {"date-time": "2026-05-01T09:00:00+00:00", "date": "2026-05-01"}


def call_of(
    operation: Operation,
    keywords: Sequence[Keyword],
    resolve: Resolve,
    *,
    parameters: Sequence[Mapping[str, Any]],
    body: Mapping[str, Any] | None,
    records: Mapping[str, Any] | None,
) -> str:
    """The example as a Python statement, unformatted.

    `parameters` and `body` are those of the OpenAPI operation, `records` is the schema of one record of a list.
    """
    maker = _Maker(resolve)
    given = [maker.path(name, parameters) for name in operation.path_parameters]
    shape = operation.body
    if shape is not None and shape.kind == "identifiers":
        given.append(maker.identifiers(body or {}, many=shape.many))
    elif shape is not None and shape.kind == "json":
        given.append(literal(maker.value(body or {}, "body", 0)))
    else:
        given += maker.keywords(operation, keywords)
    given += maker.parameters(operation, parameters, records)
    call = f"klaviyo.{operation.tag}.{operation.name}({', '.join(given)})"
    if operation.pagination is not None:
        name, member = maker.record(records)
        return f"async for {name} in {call}:\n    print({member})"
    return f"response = await {call}" if operation.response is not None else f"await {call}"


class _Maker:
    def __init__(self, resolve: Resolve) -> None:
        self.look = Resolver(resolve)

    # --- arguments

    def path(self, name: str, parameters: Iterable[Mapping[str, Any]]) -> str:
        for each in parameters:
            if each["in"] == "path" and python_name(each["name"]) == name:
                schema = self.look.plain(each["schema"])
                example = each.get("example", schema.get("example"))
                return literal(str(example) if example else str(self.value(schema, name, 0)))
        return literal("ABC123")

    def identifiers(self, body: Mapping[str, Any], *, many: bool) -> str:
        data = self.look.property(self.look.plain(body), "data") or {}
        item = (self.look.items(data) if many else data) or {}
        found = self.value(item.get("properties", {}).get("id", {}), "id", 0)
        return literal([found])[1:-2].join("[]") if many else literal(found)

    def keywords(self, operation: Operation, keywords: Sequence[Keyword]) -> list[str]:
        resource = operation.body.resource if operation.body is not None else None
        optional = [each for each in keywords if not each.required]
        linked = [each for each in optional if each.kind in {"relationship", "relationships"}]
        safe = [each for each in optional if each.name == operation.safe_with]
        known = safe + [each for each in optional if each not in linked + safe and self.known(each.schema)]
        # Several optional relationships are alternatives.
        chosen = known[: _OPTIONAL[0]] + (linked if len(linked) == 1 else [])
        required = [each for each in keywords if each.required]
        if not required and not chosen:
            chosen = optional[:1]
        return [
            f"{each.name}={self.argument(each, resource)}" for each in keywords if each in required or each in chosen
        ]

    def argument(self, each: Keyword, resource: Resource | None) -> str:
        found: Any
        if resource is not None and each.kind == "nested":
            found = self.nested(each.schema, resource.nested[each.name], 1)
        elif resource is not None and each.kind in {"relationship", "relationships"}:
            found = self.linkage(each.schema, resource.relationships[each.name], 1)
        elif resource is not None and each.kind == "meta" and resource.meta_nested is not None:
            found = self.nested(each.schema, resource.meta_nested, 1)
        else:
            found = self.value(each.schema, each.name, 1)
        if each.filter and isinstance(found, list):
            found = [_closed(text) for text in found]
        return literal_of(found)

    def parameters(
        self, operation: Operation, parameters: Iterable[Mapping[str, Any]], records: Mapping[str, Any] | None
    ) -> list[str]:
        given = []
        raw = {each["name"]: each for each in parameters}
        for each in operation.parameters:
            listed = operation.pagination is not None
            example = raw.get(each.wire, {}).get("schema", {}).get("example")
            if each.kind == "filter" and (listed or each.required):
                text = self.filter(operation, example, records)
                given += [f"filter={text}"] if text else []
            elif each.kind == "sort" and listed and operation.sort:
                given.append(f"sort={literal(operation.sort[-1])}")
            elif each.kind == "page_size" and listed and operation.page_size is not None:
                given.append(f"page_size={operation.page_size.maximum or operation.page_size.default}")
            elif each.required and each.enum:
                given.append(f"{each.name}={literal(example if example in each.enum else each.enum[0])}")
            elif each.required:
                given.append(f"{each.name}={literal(example or 'ABC123')}")
        return given

    def filter(self, operation: Operation, example: object, records: Mapping[str, Any] | None) -> str | None:
        """The document's filter as an expression of F; None where it has none that is right."""
        try:
            (condition,) = Filter.parse(str(example)).conditions
        except (QueryError, ValueError):
            return None
        if any(check_filter(operation, (condition,))):
            return None
        value = condition.value
        if isinstance(value, tuple):
            # One value is enough where a list is no must.
            (value, *_) = value
        if value == "example":
            last = condition.field.rpartition(".")[2]
            attributes = self.look.property(self.look.plain(records), "attributes") if records else None
            known = (self.look.property(attributes or {}, condition.field) or {}).get("example")
            value = known if isinstance(known, str) else _TEXTS.get(last, "ABC123")
        single = condition.operator in operation.filters[condition.field].single or condition.operator == "equals"
        values = literal_of(value if single else [value])
        method = condition.operator.replace("-", "_")
        return f"F({literal(condition.field)}).{method}({values})"

    def record(self, records: Mapping[str, Any] | None) -> tuple[str, str]:
        """What a record is called in the example, and what is shown of it."""
        schema = self.look.plain(records)
        properties = schema.get("properties", {})
        kinds = self.look.constants(self.look.plain(properties.get("type"))) if "type" in properties else ()
        name = python_name(kinds[0]) if len(kinds) == 1 else "row"
        if keyword.iskeyword(name) or hasattr(builtins, name):
            name = f"{name}_"
        return name, f"{name}.id" if "id" in properties else name

    # --- values

    def known(self, schema: Mapping[str, Any], depth: int = 0) -> bool:
        """Whether the document has an example of it, or of something in it."""
        found = self.look.plain(schema)
        if found.get("example") is not None:
            return True
        item = self.look.items(found)
        inner = [item] if item is not None else found.get("properties", {}).values()
        return depth < 6 and any(self.known(each, depth + 1) for each in inner)

    def value(self, schema: Mapping[str, Any], name: str, depth: int) -> Any:
        """A value as it is sent."""
        found = self._one(schema)
        example, constants = found.get("example"), [each for each in found.get("enum", ()) if each is not None]
        if "const" in found:
            return found["const"]
        if found.get("type") == "null":
            return None
        if constants:
            return example if example in constants else constants[0]
        kind = found.get("type")
        if (item := found.get("items")) is not None:
            if isinstance(example, list) and example and len(literal(example)) < _LONG and not _deep(example):
                return example
            return [self.value(item, name, depth + 1)]
        properties = found.get("properties")
        if properties and depth < _DEEP:
            return {key: self.value(properties[key], key, depth + 1) for key in self._chosen(found, depth)}
        if kind == "object" or "additionalProperties" in found:
            return _short(example) if isinstance(example, dict) else {}
        if kind == "boolean":
            return example if isinstance(example, bool) else True
        if kind in {"integer", "number"}:
            right = isinstance(example, int if kind == "integer" else (int, float)) and not isinstance(example, bool)
            return example if right else max(1, found.get("minimum", 1))
        if found.get("format") in _TIMES:
            return example if isinstance(example, str) else _TIMES[found["format"]]
        if isinstance(example, str) and 0 < len(example) <= (_LONG if name == "filter" else _LONG // 2):
            return example
        if isinstance(example, str) and example.startswith("http"):
            return "https://example.com/image.png" if "image" in name else "https://example.com"
        if name.removesuffix("s").endswith("id"):
            return "ABC123"
        return _TEXTS.get(name, name.strip("_").replace("_", " ").replace("-", " ").capitalize())

    def nested(self, schema: Mapping[str, Any], nested: Nested, depth: int) -> Any:
        """A value whose keys find their places."""
        found = self._one(schema)
        if nested.kind in {"resource", "resources"}:
            found = self.look.property(found, "data") or {}
        many = nested.kind in {"resources", "bares", "objects"}
        if many:
            found = self.look.items(found) or {}
        if nested.resource is not None:
            made = self.resource(found, nested.resource, depth)
        else:
            made = {}
            for key in self._chosen(found, depth):
                inner, each = nested.keys.get(key), found["properties"][key]
                made[key] = self.value(each, key, depth + 1) if inner is None else self.nested(each, inner, depth + 1)
        return [made] if many else made

    def resource(self, schema: Mapping[str, Any], resource: Resource, depth: int) -> Any:
        """A resource inside a body: its attributes and relationships side by side."""
        attributes = self.look.property(schema, "attributes") or {}
        related = self.look.property(schema, "relationships") or {}
        chosen = set(self._chosen(attributes, depth))
        made: dict[str, Any] = {}
        for name, wire in resource.attributes.items():
            if wire in chosen or name in resource.required:
                inner, each = resource.nested.get(name), attributes["properties"][wire]
                made[name] = self.value(each, name, depth + 1) if inner is None else self.nested(each, inner, depth + 1)
        for name, link in resource.relationships.items():
            if name in resource.required or len(resource.relationships) == 1:
                made[name] = self.linkage(related["properties"][link.wire], link, depth + 1)
        if resource.id == "required" or (resource.id == "optional" and not made):
            made = {"id": self.value(schema["properties"]["id"], "id", depth), **made}
        return made

    def linkage(self, schema: Mapping[str, Any], related: Relationship, depth: int) -> Any:
        data = self.look.property(self._one(schema), "data") or {}
        target = (self.look.items(data) if related.many else data) or {}
        if related.resource is not None:
            made = self.resource(target, related.resource, depth)
        else:
            made = self.value(target["properties"]["id"], "id", depth)
        return [made] if related.many else made

    def _chosen(self, schema: Mapping[str, Any], depth: int) -> list[str]:
        """The members of an object that are shown: the required ones, and some that the document has examples of."""
        properties, required = schema.get("properties", {}), schema.get("required", ())
        known = [key for key, each in properties.items() if key not in required and self.known(each)]
        limit = _OPTIONAL[depth] if depth < len(_OPTIONAL) else int(not required)
        shown = set(required) | set(known[:limit])
        return [key for key in properties if key in shown]

    def _one(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """The schema, or the first of its union."""
        found = self.look.plain(schema)
        for _ in range(8):
            members = [each for key in ("oneOf", "anyOf") for each in found.get(key, ()) if each.get("type") != "null"]
            if not members:
                break
            found = {key: found[key] for key in ("example",) if key in found} | self.look.plain(members[0])
        return found


def literal_of(value: Any) -> str:
    """A value as Python text, lists in brackets, any time as one and the same."""
    if isinstance(value, datetime):
        return "datetime(2026, 1, 1, tzinfo=UTC)"
    if isinstance(value, list):
        return f"[{', '.join(map(literal_of, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(key)}: {literal_of(each)}" for key, each in value.items()) + "}"
    return literal(value)


def _closed(text: str) -> str:
    """A filter with the parenthesis that ends it, which one of the documents' examples lacks."""
    return text + ")" * (text.count("(") - text.count(")"))


def _deep(example: list[Any]) -> bool:
    return any(isinstance(each, (dict, list)) for each in example)


def _short(example: dict[str, Any]) -> dict[str, Any]:
    """The first members of an example that are plain."""
    plain = {key: each for key, each in example.items() if not isinstance(each, (dict, list))}
    return dict(list(plain.items())[:2])
