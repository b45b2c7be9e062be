"""What a request body is made of, from its schema: the keywords that an endpoint function takes for it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from attrs import frozen

from codegen.errors import CodegenError
from codegen.names import python_name
from codegen.references import Resolver, schema_name
from klaviyo_async.operation import Body, Nested, Relationship, Resource

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Resolve: TypeAlias = Callable[[str], dict[str, Any]]

__all__ = ["Keyword", "Resolver", "body_of", "keywords"]

_FAMILY = re.compile(r"([A-Za-z-]+)\[")
_TAKEN = frozenset({"body", "options"})
_MEMBERS = frozenset({"type", "id", "attributes", "relationships", "meta", "links"})
_TELLING = frozenset({"id", "attributes", "relationships"})
"""Members of which a resource has at least one besides its type."""


@frozen(kw_only=True)
class Keyword:
    """One keyword argument of a write."""

    name: str
    wire: tuple[str, ...]
    """Where its value is in the body, for instance ``("data", "attributes", "email")``; a form's field alone."""
    schema: Mapping[str, Any]
    """Schema of the value on the wire; of a relationship with the envelope."""
    required: bool
    kind: Literal["attribute", "nested", "relationship", "relationships", "id", "meta", "file", "form"]
    """nested: a mapping that finds its place in a resource, or (with `many`) a list of such; relationship: an id;
    relationships: ids."""
    many: bool = False
    """Whether a nested value is a list of resources, or a filter a list of filters."""
    filter: bool = False
    """Whether the value is a filter: an expression or its text; with `many` also a list of them."""


def body_of(schema: dict[str, Any], resolve: Resolve, operation: Mapping[str, Any], path: str, method: str) -> Body:
    """What an operation takes as its body.

    `schema` is the body's, `resolve` gives the schema that a ``$ref`` names, `operation` is the OpenAPI operation.
    Raises CodegenError where a JSON:API document is none.
    """
    reader = _Reader(resolve)
    model = _reference(schema)
    required = bool(operation.get("requestBody", {}).get("required"))
    if "multipart/form-data" in operation.get("requestBody", {}).get("content", {}):
        return Body(kind="multipart", model=model, required=required, fields=tuple(reader.form(schema)))
    whole = reader.plain(schema)
    data = reader.property(whole, "data")
    if data is None:
        return Body(kind="json", model=model, required=required)
    item = reader.items(data)
    many = item is not None
    members = item if item is not None else data
    if not reader.is_resource(members):
        return Body(kind="json", model=model, required=required)
    properties = members.get("properties", {})
    carries = "attributes" in properties or "relationships" in properties
    if many and carries:
        return Body(kind="json", model=model, required=required)
    if many or (not carries and "/relationships/" in path):
        kind = reader.type_of(members)
        resource = Resource(type=kind, id="required", meta="meta" in properties, wraps_attributes=False)
        return Body(kind="identifiers", model=model, required=required, many=many, resource=resource)
    taken = _arguments(operation, resolve)
    last = re.search(r"\{([^}]+)\}/?$", path)
    from_path = last[1] if last and "id" in properties and method.upper() in {"PATCH", "PUT", "POST"} else None
    resource = reader.resource(members, taken if from_path is None else taken - {"id"})
    return Body(kind="resource", model=model, required=required, resource=resource, id_from_path=from_path)


def keywords(body: Body, schema: dict[str, Any], resolve: Resolve) -> list[Keyword]:
    """The keywords of a body, required ones first, each with the schema of its value."""
    reader = _Reader(resolve)
    found: list[Keyword] = []
    if body.kind == "multipart":
        form = reader.form(schema)
        needed = reader.plain(schema).get("required", ())
        for name, each in form.items():
            kind: Literal["file", "form"] = "file" if name == body.fields[0] else "form"
            found.append(Keyword(name=name, wire=(name,), schema=each, required=name in needed, kind=kind))
    elif body.kind == "resource" and body.resource is not None:
        resource = body.resource
        data = reader.property(reader.plain(schema), "data") or {}
        if resource.id != "none" and body.id_from_path is None:
            found.append(
                Keyword(
                    name=resource.id_keyword,
                    wire=("data", "id"),
                    schema=data["properties"]["id"],
                    required=resource.id_keyword in resource.required,
                    kind="id",
                )
            )
        attributes = (reader.property(data, "attributes") or {}).get("properties", {})
        found += [
            Keyword(
                name=name,
                wire=("data", "attributes", wire),
                schema=attributes[wire],
                required=name in resource.required,
                kind="nested" if name in resource.nested else "attribute",
                many=(name in resource.nested and resource.nested[name].kind in {"resources", "bares", "objects"})
                or resource.filters.get(name) == "list",
                filter=name in resource.filters,
            )
            for name, wire in resource.attributes.items()
        ]
        relationships = (reader.property(data, "relationships") or {}).get("properties", {})
        found += [
            Keyword(
                name=name,
                wire=("data", "relationships", each.wire),
                schema=relationships[each.wire],
                required=name in resource.required,
                kind="relationships" if each.many else "relationship",
            )
            for name, each in resource.relationships.items()
        ]
        if resource.meta:
            found.append(
                Keyword(
                    name="meta", wire=("data", "meta"), schema=data["properties"]["meta"], required=False, kind="meta"
                )
            )
    return sorted(found, key=lambda each: not each.required)


def _reference(schema: Mapping[str, Any]) -> str:
    return schema_name(schema)


def _arguments(operation: Mapping[str, Any], resolve: Resolve) -> frozenset[str]:
    """Python names that other arguments of the call have."""
    names = set(_TAKEN)
    for parameter in operation.get("parameters", ()):
        if "$ref" in parameter:
            parameter = resolve(parameter["$ref"])
        wire = parameter["name"]
        if wire == "X-Klaviyo-API-Filters":
            names.add("filter")
        elif wire.startswith("page["):
            names.add("page_" + wire[5:-1])
        elif family := _FAMILY.match(wire):
            names.add(python_name(family[1]))
        elif wire != "revision":
            names.add(python_name(wire))
    return frozenset(names)


class _Reader(Resolver):
    """Reads what a body is made of."""

    def is_resource(self, schema: Mapping[str, Any]) -> bool:
        """Whether it is a JSON:API resource object or identifier: a constant type, and nothing that those don't have."""
        properties = schema.get("properties", {})
        if not {"type"} < properties.keys() <= _MEMBERS or not properties.keys() & _TELLING:
            return False
        return len(self.constants(self.plain(properties["type"]))) == 1

    def type_of(self, schema: Mapping[str, Any]) -> str:
        """The type of a resource; CodegenError where the schema doesn't say it."""
        constants = self.constants(self.property(schema, "type") or {})
        if len(constants) != 1:
            raise CodegenError("a resource must have a type with a single value")
        return constants[0]

    def form(self, schema: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """A form's fields, the file first."""
        fields = {name: self.plain(each) for name, each in self.plain(schema).get("properties", {}).items()}
        return dict(sorted(fields.items(), key=lambda each: each[1].get("format") != "binary"))

    def resource(
        self, schema: Mapping[str, Any], taken: frozenset[str] = frozenset(), seen: tuple[str, ...] = ()
    ) -> Resource:
        """How a resource object is put together. `taken` are names that its keywords may not have."""
        properties = schema["properties"]
        attributes = self.property(schema, "attributes")
        relationships = self.property(schema, "relationships")
        required: list[str] = []
        identity: Literal["none", "optional", "required"] = "none"
        if "id" in properties:
            identity = "required" if "id" in schema.get("required", ()) else "optional"
        id_keyword = _free("id", taken)
        if identity == "required":
            required.append(id_keyword)
        reserved = taken | ({id_keyword} if identity != "none" else set()) | ({"meta"} & properties.keys())
        names: dict[str, str] = {}
        nested: dict[str, Nested] = {}
        filters: dict[str, Literal["string", "list"]] = {}
        for wire, each in (attributes or {}).get("properties", {}).items():
            name = _free(python_name(wire), reserved | names.keys())
            names[name] = wire
            if wire in (attributes or {}).get("required", ()):
                required.append(name)
            if (inside := self.nested(each, seen)) is not None:
                nested[name] = inside
            if wire == "filter":
                filters[name] = "list" if self.items(self.plain(each)) is not None else "string"
        related: dict[str, Relationship] = {}
        for wire, each in (relationships or {}).get("properties", {}).items():
            name = _free(python_name(wire), reserved | names.keys() | related.keys())
            related[name] = self.relationship(wire, each, seen)
            if "relationships" in schema.get("required", ()) and wire in (relationships or {}).get("required", ()):
                required.append(name)
        meta = properties.get("meta")
        return Resource(
            type=self.type_of(schema),
            id=identity,
            id_keyword=id_keyword,
            attributes=names,
            required=tuple(required),
            nested=nested,
            relationships=related,
            meta=meta is not None,
            meta_nested=self.nested(meta, seen) if meta is not None else None,
            wraps_attributes=attributes is not None,
            filters=filters,
        )

    def relationship(self, wire: str, schema: Mapping[str, Any], seen: tuple[str, ...]) -> Relationship:
        data = self.property(self.plain(schema), "data")
        if data is None:
            raise CodegenError(f"the relationship {wire} has no data")
        item = self.items(data)
        target = data if item is None else item
        if len(self.constants(self.property(target, "type") or {})) != 1:
            raise CodegenError(f"the relationship {wire} must be to resources of one type")
        carries = target.get("properties", {}).keys() & {"attributes", "relationships"}
        return Relationship(
            wire=wire,
            many=item is not None,
            type=self.type_of(target),
            resource=self.resource(target, seen=seen) if carries else None,
        )

    def nested(self, schema: Mapping[str, Any], seen: tuple[str, ...]) -> Nested | None:
        """The resource that a value is or holds; None where it is plain JSON."""
        for reference in self.through(schema):
            if reference in seen:
                return None
            seen = (*seen, reference)
        value = self.plain(schema)
        item = self.items(value)
        if item is not None:
            for reference in self.through(value["items"]):
                if reference in seen:
                    return None
                seen = (*seen, reference)
        target = value if item is None else item
        if self.is_resource(target) and "attributes" in target["properties"]:
            return Nested(kind="bare" if item is None else "bares", resource=self.resource(target, seen=seen))
        properties = target.get("properties", {})
        if item is None and properties.keys() == {"data"}:
            data = self.property(target, "data") or {}
            inner = self.items(data)
            resource = data if inner is None else inner
            if self.is_resource(resource):
                return Nested(
                    kind="resource" if inner is None else "resources", resource=self.resource(resource, seen=seen)
                )
        keys = {key: found for key, each in properties.items() if (found := self.nested(each, seen)) is not None}
        return Nested(kind="object" if item is None else "objects", keys=keys) if keys else None


def _free(name: str, taken: frozenset[str] | set[str]) -> str:
    while name in taken:
        name = f"{name}_"
    return name
