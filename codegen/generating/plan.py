"""What a revision becomes, before any of it is text: its classes with their names, its operations with their arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from codegen.errors import CodegenError
from codegen.generating.interface import bodies as shapes
from codegen.generating.interface import bulk, examples, facts
from codegen.generating.interface.settle import settle
from codegen.generating.ir import Array, Endpoint, Object, Scalar, objects_in
from codegen.generating.parse import engine
from codegen.generating.parse.normalise import normalise
from codegen.references import References
from codegen.specs import extensions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from openapi_python_client.config import Config
    from openapi_python_client.parser.openapi import GeneratorData

    from codegen.generating.interface.resources import Gathered
    from codegen.generating.ir import Choice, Models, Type
    from codegen.specs.assemble import Spec
    from klaviyo_async.operation import Operation


@attrs.frozen
class Plan:
    """What a revision becomes, before any of it is text."""

    document: dict[str, Any]
    """The document as the engine got it."""
    gathered: Gathered
    aliases: dict[str, Choice]
    table: list[Endpoint]
    engine: tuple[GeneratorData, Config]
    """The engine's parse, for its templates' environment."""


def plan(spec: Spec, source: Path) -> Plan:
    """Parse the document of a revision and settle what is made of it. `source` is named in errors."""
    document = normalise(spec.document)
    parsed = engine.parse(document, source)
    components = document.get("components", {}).get("schemas", {})
    reader = engine.Reader(parsed, components)
    found = {key.name for key in reader.models} | reader.aliases.keys()
    # A schema that is neither an object nor an enum has no class: it is written out where it is used.
    wanted = {name for name, schema in components.items() if _has_class(schema)}
    if missing := sorted(wanted - found):
        raise CodegenError(f"the engine lost {', '.join(missing[:5])}", file=source)

    results, bodies = parsed.roots.results, parsed.roots.bodies
    gathered, aliases = settle(
        reader.models,
        reader.aliases,
        documents=[Object(name) for name in results.values() if name is not None],
        bodies=[Object(name) for name in bodies.values() if name is not None],
        undeclared=spec.undeclared,
    )
    gathered = attrs.evolve(gathered, notes=[*reader.notes, *gathered.notes])
    table = [
        _endpoint(
            spec.operations[name],
            spec.operations,
            document,
            gathered.models,
            result=results[name],
            body=bodies[name],
            revision=spec.revision,
        )
        for name in sorted(spec.operations)
    ]
    return Plan(document, gathered, aliases, table, (parsed.data, parsed.config))


def _has_class(schema: Mapping[str, Any]) -> bool:
    return "enum" in schema or "properties" in schema or schema.get("type") == "object"


def _endpoint(
    raw: Mapping[str, Any],
    operations: Mapping[str, dict[str, Any]],
    document: dict[str, Any],
    settled: Models,
    *,
    result: str | None,
    body: str | None,
    revision: str,
) -> Endpoint:
    name = raw["operationId"]
    normalised = document["paths"][raw["path"]][raw["method"].lower()]

    resolve = References(document).target
    shape, keywords, media = None, [], None
    if "requestBody" in normalised:
        content = normalised["requestBody"]["content"]
        if len(content) != 1:
            raise CodegenError(
                f"{name}: only bodies with a single media type are supported, not {', '.join(content) or 'none'}"
            )
        (media,) = content.values()
        shape = attrs.evolve(
            shapes.body_of(media["schema"], resolve, normalised, raw["path"], raw["method"]), model=body or ""
        )
        keywords = [
            (keyword, _type_at(keyword.wire, body or "", settled))
            for keyword in shapes.keywords(shape, media["schema"], resolve)
        ]
    operation = facts.operation_of(
        name,
        raw,
        revision,
        response=result,
        body=shape,
        bulk=bulk.bulk_of(raw, shape, operations, shapes.Resolver(resolve)),
    )
    item: Type | None = None
    if operation.pagination is not None and result is not None:
        # Where the document says one object, that is the one record of its page.
        found = _type_at(operation.pagination.records, result, settled)
        item = found.item if isinstance(found, Array) else found
    example = examples.call_of(
        operation,
        [keyword for keyword, _ in keywords],
        resolve,
        parameters=normalised.get("parameters", ()),
        body=None if media is None else media["schema"],
        records=_records(operation, normalised, resolve),
    )
    return Endpoint(
        operation=operation,
        result=result,
        item=item,
        body=body,
        keywords=tuple(keywords),
        example=example,
        says=tuple(extensions.sentences(raw, apart=False)),
        paragraphs=tuple(extensions.sentences(raw, apart=True)),
    )


def _records(operation: Operation, raw: Mapping[str, Any], resolve: shapes.Resolve) -> dict[str, Any] | None:
    """The schema of one record of a list; None where the operation lists nothing."""
    if operation.pagination is None:
        return None
    look = shapes.Resolver(resolve)
    for status, response in sorted(raw["responses"].items()):
        for media in response.get("content", {}).values() if status.startswith("2") else ():
            found: dict[str, Any] | None = look.plain(media["schema"])
            for key in operation.pagination.records:
                found = look.property(found or {}, key)
            return look.items(found or {}) or found
    return None


def _type_at(path: tuple[str, ...], model: str, settled: Models) -> Type:
    """The type at a path of wire names below a model; Any where the document doesn't say."""
    kind: Type = Object(model)
    for key in path:
        known = [settled[name] for name in objects_in(kind) if name in settled]
        found = [field.type for each in known for field in each.fields if field.wire == key]
        if not found:
            return Scalar("Any")
        kind = found[0]
    return kind
