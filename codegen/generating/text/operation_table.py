"""Operations → source files of the package `operation_table`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from codegen.generating.text.render import literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jinja2 import Environment

    from codegen.generating.ir import Endpoint
    from klaviyo_async.operation import Operation


def render(env: Environment, table: Sequence[Endpoint]) -> dict[str, str]:
    """File name → text: the facts of a tag in a module each, and which operation is in which."""
    by_tag: dict[str, list[Operation]] = {}
    for endpoint in table:
        by_tag.setdefault(endpoint.operation.tag, []).append(endpoint.operation)
    files = {}
    for tag, group in sorted(by_tag.items()):
        used: set[str] = set()
        texts = [_source(operation, used) for operation in group]
        files[f"{tag}.py"] = env.get_template("operations_module.py.jinja").render(
            tag=tag, operations=texts, names=used
        )
    index = [(endpoint.operation.name, endpoint.operation.tag) for endpoint in table]
    files["__init__.py"] = env.get_template("operations_init.py.jinja").render(index=index)
    return files


def _source(value: Any, used: set[str]) -> str:
    """A value of the operation table as Python text; what equals its default is left out."""
    if type(value).__name__ == "Rate":
        used.add("Rate")
        return f"Rate({literal(str(value))})"
    if attrs.has(type(value)):
        used.add(type(value).__name__)
        given = [
            f"{field.name}={_source(getattr(value, field.name), used)}"
            for field in attrs.fields(type(value))
            if field.default is attrs.NOTHING or getattr(value, field.name) != field.default
        ]
        return f"{type(value).__name__}({', '.join(given)})"
    if isinstance(value, tuple):
        return f"({''.join(_source(item, used) + ', ' for item in value)})"
    if hasattr(value, "items"):
        return "{" + ", ".join(f"{literal(key)}: {_source(item, used)}" for key, item in value.items()) + "}"
    return literal(value)
