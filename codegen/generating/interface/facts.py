"""What the documents say of an operation, as an entry of the operation table."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from codegen.errors import CodegenError
from codegen.names import file_stem, python_name
from codegen.specs import extensions
from klaviyo_async.operation import (
    Body,
    Bulk,
    Operation,
    PageSize,
    Parameter,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_REFERENCE = "https://developers.klaviyo.com/en/v{revision}/reference/{operation}"
_PATH_PARAMETER = re.compile(r"\{([^}]*)\}")
_FAMILY = re.compile(r"(fields|additional-fields)\[([^\]]+)\]")
_KINDS = {
    "filter": "filter",
    "sort": "sort",
    "include": "include",
    "page[size]": "page_size",
    "page[cursor]": "page_cursor",
    "page_cursor": "page_cursor",
    "X-Klaviyo-API-Filters": "filter",
}
_NAMES = {"page[size]": "page_size", "page[cursor]": "page_cursor", "X-Klaviyo-API-Filters": "filter"}


def tag_name(tag: str) -> str:
    """The snake_case name of a tag: `Data Privacy` → `data_privacy`."""
    return file_stem(python_name(tag.strip().replace(" ", "_")))


def operation_of(
    name: str,
    raw: Mapping[str, Any],
    revision: str,
    *,
    response: str | None,
    body: Body | None,
    bulk: Bulk | None,
) -> Operation:
    """The entry of one operation. `raw` is the operation as the assembled document has it, with `path` and `method`."""
    path, method = raw["path"], raw["method"]
    parameters: list[Parameter] = []
    fields: dict[str, tuple[str, ...]] = {}
    additional: dict[str, tuple[str, ...]] = {}
    sort: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    page_size: PageSize | None = None
    for each in raw.get("parameters", ()):
        wire, place, schema = each["name"], each["in"], each["schema"]
        if place == "path" or wire == "revision":
            continue
        if place not in {"query", "header"}:
            raise CodegenError(f"{name}: parameter {wire} is in the {place}, which is not supported")
        if family := _FAMILY.fullmatch(wire):
            (fields if family[1] == "fields" else additional)[family[2]] = tuple(schema["items"].get("enum", ()))
            continue
        kind = _KINDS.get(wire, schema["type"] if schema["type"] in {"integer", "boolean"} else "string")
        values = tuple(schema.get("enum", ()))
        if kind == "sort":
            sort = values
        elif kind == "include":
            include = tuple(schema["items"].get("enum", ()))
        elif kind == "page_size":
            page_size = PageSize(
                default=schema.get("default"), minimum=schema.get("minimum", 1), maximum=schema.get("maximum")
            )
        parameters.append(
            Parameter(
                name=_NAMES.get(wire, python_name(wire)),
                wire=wire,
                place=place,
                kind=cast("Any", kind),
                required=bool(each.get("required")),
                enum=values if kind in {"string", "integer"} else (),
            )
        )
    for family_name, values_by_type in (("fields", fields), ("additional-fields", additional)):
        if values_by_type:
            keyword = python_name(family_name)
            parameters.append(Parameter(name=keyword, wire=family_name, kind=cast("Any", keyword)))
    found = {"page_size": page_size, **extensions.fields(raw)}
    if "limits" not in found:
        raise CodegenError(f"{name}: there is no x-klaviyo-ratelimit; add it to specs/overrides.toml")
    parameters.sort(key=lambda each: (not each.required, each.name))
    return Operation(
        name=name,
        method=method,
        path=path,
        tag=tag_name(raw["tags"][0]),
        summary=raw.get("summary", name),
        path_parameters=tuple(_PATH_PARAMETER.findall(path)),
        parameters=tuple(parameters),
        sort=sort,
        include=include,
        fields=fields,
        additional_fields=additional,
        body=body,
        response=response,
        bulk=bulk,
        public=raw.get("security") == [],
        deprecated=bool(raw.get("deprecated")),
        reference=_REFERENCE.format(revision=revision, operation=name),
        **found,
    )
