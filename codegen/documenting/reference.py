"""The reference of all operations and resources, as Markdown: one page per tag, and one for the resources."""

from __future__ import annotations

import re
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from codegen.documenting import source
from klaviyo_async import REVISION, models, operations

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from klaviyo_async.operation import Operation

_PACKAGE = "klaviyo_async"


def pages() -> dict[str, str]:
    """File name → Markdown of each page of the reference."""
    by_tag: dict[str, list[Operation]] = {}
    for name in sorted(operations):
        by_tag.setdefault(operations[name].tag, []).append(operations[name])
    resources = dict(_resources())
    found = {"index.md": _index(by_tag), "resources.md": _resource_page(resources)}
    for tag, group in sorted(by_tag.items()):
        found[f"{tag}.md"] = _tag_page(tag, group, resources.keys())
    return found


def titles() -> list[tuple[str, str]]:
    """Title and file name of each page, in the order of the navigation."""
    tags = sorted({operation.tag for operation in operations.values()})
    return [
        ("All operations", "index.md"),
        *((_title(tag), f"{tag}.md") for tag in tags),
        ("Resources", "resources.md"),
    ]


def _index(by_tag: Mapping[str, Iterable[Operation]]) -> str:
    about = (
        f"All {len(operations)} operations of revision {REVISION}. Each is a function on the client, grouped by tag:"
        " `await klaviyo.profiles.get_profiles(…)`."
    )
    lines = ["# Operations", "", about, ""]
    for tag, group in sorted(by_tag.items()):
        lines += [f"## [{_title(tag)}]({tag}.md)", "", "| operation | |", "|---|---|"]
        lines += [f"| [`{each.name}`]({tag}.md#{each.name}) | {each.summary} |" for each in group]
        lines.append("")
    return "\n".join(lines)


def _tag_page(tag: str, group: Iterable[Operation], resources: Iterable[str]) -> str:
    functions = source.functions(f"{_PACKAGE}.api.{tag}")
    lines = [f"# {_title(tag)}", "", f"`klaviyo.{tag}`, from revision {REVISION}.", ""]
    for operation in group:
        lines += [*_operation(operation, functions[operation.name], set(resources)), ""]
    return "\n".join(lines)


def _operation(operation: Operation, function: source.Function, resources: set[str]) -> Iterator[str]:
    yield f"## {operation.name} {{ #{operation.name} }}"
    yield ""
    yield f"{operation.summary}. `{operation.method} {operation.path}` · [Klaviyo's page]({operation.reference})"
    yield ""
    # The example first, and of two overloads the one with keywords: what most readers need.
    for code in filter(None, (function.example, *reversed(function.signatures))):
        yield "```python"
        yield code
        yield "```"
        yield ""
    yield from _facts(operation, function.result, resources)
    yield from _filters(operation)


def _facts(operation: Operation, result: str, resources: set[str]) -> Iterator[str]:
    rows = [("returns", _given(result, resources))]
    if operation.scopes:
        rows.append(("scopes", ", ".join(f"`{scope}`" for scope in operation.scopes)))
    elif operation.public:
        rows.append(("credential", "none: `company_id`, the public key"))
    rows.append(("limits", ", ".join(operation.limits.rates)))
    rows += [
        (f"with `{extra.parameter}={extra.value}`", f"also {', '.join(extra.rates)}")
        for extra in operation.limits.by_parameter
    ]
    caps = operation.caps
    said = [
        f"{number:,} {unit}"
        for number, unit in (
            (caps.rows, "rows"),
            (caps.bytes, "bytes"),
            (caps.row_bytes, "bytes per row"),
            (caps.string_bytes, "bytes per string"),
            (caps.jobs, "jobs in parallel"),
        )
        if number is not None
    ]
    if said:
        rows.append(("at most", ", ".join(said)))
    if operation.page_size is not None:
        size = operation.page_size
        rows.append(("page size", f"{size.default} by default, at most {size.maximum}"))
    if operation.sort:
        rows.append(("sort", _codes(operation.sort)))
    if operation.include:
        rows.append(("include", _codes(operation.include)))
    for resource, fields in operation.additional_fields.items():
        rows.append((f"additional fields of `{resource}`", _codes(fields)))
    for resource, fields in operation.fields.items():
        rows.append((f"fields of `{resource}`", _codes(fields)))
    if operation.aliases:
        rows.append(("same as", _codes(operation.aliases)))
    rows.append(("repeated if the outcome is unknown", _repeated(operation)))
    yield "| | |"
    yield "|---|---|"
    for name, value in rows:
        yield f"| {name} | {value} |"
    yield ""


def _repeated(operation: Operation) -> str:
    if operation.safe_to_repeat:
        return "yes"
    return "no" if operation.safe_with is None else f"with `{operation.safe_with}`"


def _filters(operation: Operation) -> Iterator[str]:
    if not operation.filters:
        return
    yield "| filter | operators | value |"
    yield "|---|---|---|"
    for name, field in operation.filters.items():
        value = field.format or field.type or "none"
        if field.enum:
            value += f": {_codes(field.enum)}"
        yield f"| `{name}` | {_codes(field.operators)} | {value} |"
    if operation.filter_requires:
        yield ""
        yield f"A filter is required, with one of {_codes(operation.filter_requires)}."
    yield ""


def _given(result: str, resources: set[str]) -> str:
    """The annotation, with links to the resources in it."""
    if result == "None":
        return "nothing"
    document = getattr(models, result, None)
    data = ""
    if document is not None:
        held = {each.name: each.annotation for each in source.classes(document.__module__)[result].attributes}
        data = held.get("data", "")
    named = [name for name in re.findall(r"\w+", data or result) if name in resources]
    links = ", ".join(f"[{name}](resources.md#{name.lower()})" for name in dict.fromkeys(named))
    if not links:
        return f"`{result}`"
    return f"`{result}`{', whose `data` is' if data else ' of'} {links}"


def _resources() -> Iterator[tuple[str, tuple[str, dict[str, source.Class]]]]:
    """Name of each resource's class → its type, and the classes beside it."""
    package = import_module(f"{_PACKAGE}.resources")
    for module in sorted(each.name for each in iter_modules(package.__path__)):
        found = source.classes(f"{_PACKAGE}.resources.{module}")
        for name in found:
            if f"{name}Identifier" in found:
                yield name, (module.replace("_", "-"), found)


def _resource_page(resources: Mapping[str, tuple[str, Mapping[str, source.Class]]]) -> str:
    about = (
        "What operations return: `klaviyo_async.resources` has one class for each resource type. Missing values read as"
        " `None`. See [reading values](../reading-values.md)."
    )
    lines = ["# Resources", "", about, ""]
    for name, (_, classes) in sorted(resources.items()):
        lines += [f"## {name} {{ #{name.lower()} }}", ""]
        for part in ("Attributes", "Relationships"):
            found = classes.get(f"{name}{part}")
            if found is None or not found.attributes:
                continue
            lines += [f"| {part.lower()} | type | |", "|---|---|---|"]
            lines += [
                f"| `{each.name}` | `{_cell(each.annotation)}` | {_cell(each.about)} |" for each in found.attributes
            ]
            lines.append("")
    return "\n".join(lines)


def _title(tag: str) -> str:
    return tag.replace("_", " ").capitalize()


def _codes(values: Iterable[object]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
