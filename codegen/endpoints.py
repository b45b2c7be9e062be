"""Endpoints → source files of the `api` package."""

from __future__ import annotations

import keyword
from typing import TYPE_CHECKING, Any

from attrs import Factory, define

from codegen.errors import CodegenError
from codegen.ir import Array, Mapping, Object, OneOf, Scalar, Time, Type
from codegen.names import pascal_case
from codegen.render import annotation, literal, members, needs, or_unset
from codegen.shape import escape
from klaviyo_async.operation import Caps, Operation, Parameter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jinja2 import Environment

    from codegen.ir import Endpoint
    from codegen.shapes import Keyword

_OURS = frozenset({"self"})
_CLIENT = frozenset({"aclose", "bulk", "close", "closed", "limiter", "request", "types"})
"""What a client or the package has already under its own names."""


def render(env: Environment, endpoints: Iterable[Endpoint], tags: dict[str, str]) -> dict[str, str]:
    """File name → text of the `api` package. `tags` maps modules to the tags' own names."""
    by_tag: dict[str, list[Endpoint]] = {module: [] for module in sorted(tags)}
    for endpoint in endpoints:
        by_tag[endpoint.operation.tag].append(endpoint)
    names = {endpoint.operation.name for group in by_tag.values() for endpoint in group}
    types = Types()
    files = {}
    for module, group in by_tag.items():
        page = _Module(module, group, names, types)
        context = page.context()
        _check_tag(module, tags[module], page.names)
        files[f"{module}.py"] = env.get_template("api_module.py.jinja").render(tag=tags[module], **context)
    files["types.py"] = env.get_template("api_types.py.jinja").render(
        literals=types.literals, fieldsets=types.fieldsets
    )
    files["__init__.py"] = env.get_template("api_init.py.jinja").render(
        namespaces=[(module, pascal_case(module)) for module in by_tag], tags=tags
    )
    return files


@define
class Types:
    """The aliases that signatures name. They have a module of their own, which only type checkers read."""

    literals: list[tuple[str, str]] = Factory(list)
    """Name and text of each set of allowed values."""
    fieldsets: list[tuple[str, list[tuple[str, str]]]] = Factory(list)
    """Name of each fieldset, and for its resource types what they allow."""


class _Module:
    def __init__(self, module: str, group: list[Endpoint], operations: set[str], types: Types) -> None:
        self.module = module
        self.group = group
        self.operations = operations
        self.names: dict[str, set[str]] = {
            "klaviyo_async.session": {"Caller"},
            "klaviyo_async.client": {"RequestOptions"},
        }
        self.types = types
        self.unset = False
        # An argument of the table's name would hide it.
        arguments = {
            *(each.name for endpoint in group for each in endpoint.operation.parameters),
            *(name for endpoint in group for name in endpoint.operation.path_parameters),
            *(each.name for endpoint in group for each, _ in endpoint.keywords),
        }
        self.table = "_operations" if "operations" in arguments else "operations"

    def context(self) -> dict[str, Any]:
        endpoints = [self._endpoint(each) for each in self.group]
        aliases = list(self._aliases())
        return {
            "module": self.module,
            "class": pascal_case(self.module),
            "endpoints": endpoints,
            "aliases": aliases,
            "functions": [each["name"] for each in endpoints] + [alias for alias, _ in aliases],
            "names": self.names,
            "unset": self.unset,
            "table": self.table,
        }

    def _aliases(self) -> Iterator[tuple[str, str]]:
        taken = set(self.operations)
        for endpoint in self.group:
            for alias in endpoint.operation.aliases:
                if alias not in taken:
                    taken.add(alias)
                    yield alias, endpoint.operation.name

    def _import(self, module: str, *names: str) -> None:
        self.names.setdefault(module, set()).update(names)

    def _types(self, kind: Type, *, closed: bool = False) -> str:
        for source, name in needs(kind, closed=closed):
            module = {"models": "..models", "enums": "..models"}.get(source, source)
            self._import(module, name)
        return annotation(kind, closed=closed)

    def _input(self, kind: Type) -> str:
        """The annotation of an argument: wider than what is read, mappings for models, any sequence for lists."""
        parts: list[str] = []
        for member in members(kind):
            if isinstance(member, Object):
                self._import("..models", member.name)
                self._import("collections.abc", "Mapping")
                self._import("typing", "Any")
                parts += [member.name, "Mapping[str, Any]"]
            elif isinstance(member, Array):
                self._import("collections.abc", "Sequence")
                parts.append(f"Sequence[{self._input(member.item)}]")
            elif isinstance(member, Mapping):
                self._import("collections.abc", "Mapping")
                parts.append(f"Mapping[str, {self._input(member.value)}]")
            elif isinstance(member, Time):
                parts += [self._types(member), "str"]
            else:
                parts += self._types(member).split(" | ") if isinstance(member, Scalar) else [self._types(member)]
        if isinstance(kind, OneOf) and Scalar("None") in kind.members:
            parts.append("None")
        return " | ".join(dict.fromkeys(parts))

    def _literal(self, values: tuple[str, ...], name: str) -> str:
        """The alias for a set of allowed values."""
        self.types.literals.append((name, f"Literal[{', '.join(map(literal, values))}]"))
        self._import(".types", name)
        return name

    # --- one endpoint

    def _endpoint(self, endpoint: Endpoint) -> dict[str, Any]:
        operation = endpoint.operation
        parameters = [each for each in operation.parameters if each.place in {"query", "header"}]
        arguments = [f"{name}: str" for name in operation.path_parameters]
        call = [f"{self.table}[{literal(operation.name)}]"]
        paths = "".join(f"{name}, " for name in operation.path_parameters)
        shown = {each.name: each.name for each in parameters}
        passed = []
        if operation.body is not None:
            body = self._body(endpoint)
            if body is not None:
                arguments.append(body)
                passed.append("body=body")
        arguments.append("*")
        if endpoint.keywords:
            arguments += [self._keyword(keyword, kind) for keyword, kind in endpoint.keywords]
            pairs = ", ".join(f"{literal(keyword.name)}: {keyword.name}" for keyword, _ in endpoint.keywords)
            passed.append(f"write={{{pairs}}}")
        arguments += [self._parameter(operation, each) for each in parameters]
        arguments.append("options: RequestOptions | None = None")
        _check_arguments(operation, [each.partition(":")[0] for each in arguments])
        if paths or shown:
            call.append(f"({paths})")
        if shown:
            call.append("{" + ", ".join(f"{literal(name)}: {name}" for name in shown) + "}")
        call += [*passed, "options=options"]
        listed = operation.pagination is not None
        return {
            "name": operation.name,
            "awaits": not listed,
            "arguments": arguments,
            "returns": self._returns(endpoint),
            "summary": f"{operation.summary}." if not operation.summary.endswith(".") else operation.summary,
            "paragraphs": list(_paragraphs(operation)),
            "reference": operation.reference,
            "call": f"{'pages' if listed else 'call'}({', '.join(call)})",
        }

    def _returns(self, endpoint: Endpoint) -> str:
        if endpoint.result is None:
            return "None"
        self._import("..models", endpoint.result)
        if endpoint.item is None:
            return endpoint.result
        self._import("klaviyo_async.pages", "Pages")
        return f"Pages[{endpoint.result}, {self._types(endpoint.item)}]"

    def _parameter(self, operation: Operation, parameter: Parameter) -> str:
        name, kind = parameter.name, parameter.kind
        pascal = pascal_case(operation.name)
        text = {"integer": "int", "boolean": "bool", "page_size": "int"}.get(kind, "str")
        if kind == "filter":
            self._import("klaviyo_async.filter", "Filter")
            text = "Filter | str"
        elif kind == "sort":
            self._import("klaviyo_async.filter", "SortKey")
            text = f"{self._literal(operation.sort, pascal + 'Sort')} | SortKey"
        elif kind == "include":
            self._import("collections.abc", "Sequence")
            text = self._literal(operation.include, pascal + "Include")
            text = f"{text} | Sequence[{text}]"
        elif kind in {"fields", "additional_fields"}:
            text = self._fieldset(operation, kind, pascal)
        elif parameter.enum:
            text = self._literal(parameter.enum, pascal + pascal_case(name))
        if parameter.required and name != "company_id":
            return f"{name}: {text}"
        return f"{name}: {text} | None = None"

    def _fieldset(self, operation: Operation, kind: str, pascal: str) -> str:
        families = operation.fields if kind == "fields" else operation.additional_fields
        suffix = "Field" if kind == "fields" else "AdditionalField"
        keys = []
        for resource, values in families.items():
            name = pascal + pascal_case(resource) + suffix
            if values:
                self.types.literals.append((name, f"Literal[{', '.join(map(literal, values))}]"))
            keys.append((resource, name if values else "str"))
        name = f"{pascal}{suffix}s"
        self.types.fieldsets.append((name, keys))
        self._import(".types", name)
        self._import("klaviyo_async.filter", "Fields")
        return f"{name} | Fields"

    def _body(self, endpoint: Endpoint) -> str | None:
        body = endpoint.operation.body
        if body is None or body.kind == "multipart":
            return None
        self._import("collections.abc", "Mapping")
        self._import("typing", "Any")
        types = ["Mapping[str, Any]"]
        if endpoint.body is not None and body.kind != "identifiers":
            self._import("..models", endpoint.body)
            types.insert(0, endpoint.body)
        if body.kind == "identifiers":
            # A resource as it was read serves as its own identifier.
            self._import("klaviyo_async.model", "Model")
            types = ["Model", "Mapping[str, Any]", "str"]
            if body.many:
                self._import("collections.abc", "Sequence")
                types.append("Sequence[str | Mapping[str, Any] | Model]")
            elif not body.required:
                types.append("None")
            return f"body: {' | '.join(types)}"
        if body.kind == "resource" or not body.required:
            self._unset()
            return f"body: {' | '.join(types)} | Unset = UNSET"
        return f"body: {' | '.join(types)}"

    def _unset(self) -> None:
        self.unset = True
        self._import("klaviyo_async.model", "Unset")

    def _keyword(self, keyword: Keyword, kind: Type) -> str:
        text = self._keyword_type(keyword, kind)
        if keyword.kind == "file":
            return f"{keyword.name}: {text}"
        if keyword.kind == "form":
            return f"{keyword.name}: {text} | None = None"
        self._unset()
        return f"{keyword.name}: {or_unset(text)} = UNSET"

    def _keyword_type(self, keyword: Keyword, kind: Type) -> str:
        none = " | None" if isinstance(kind, OneOf) and Scalar("None") in kind.members else ""
        if keyword.kind == "file":
            self._import("klaviyo_async.multipart", "FileInput")
            return "FileInput"
        if keyword.kind == "id":
            return "str"
        if keyword.filter:
            self._import("klaviyo_async.filter", "Filter")
            if keyword.many:
                self._import("collections.abc", "Sequence")
                return f"Filter | str | Sequence[Filter | str]{none}"
            return f"Filter | str{none}"
        if keyword.kind in {"attribute", "form"}:
            return self._input(kind)
        self._import("collections.abc", "Mapping")
        self._import("typing", "Any")
        one = "Mapping[str, Any]"
        if keyword.kind == "meta":
            return self._input(kind) if isinstance(kind, (Object, OneOf)) else one
        self._import("klaviyo_async.model", "Model")
        one = f"Model | {one}"
        if keyword.kind in {"relationship", "relationships"}:
            one, none = f"str | {one}", " | None"
        if keyword.kind == "relationships" or (keyword.kind == "nested" and keyword.many):
            self._import("collections.abc", "Iterable")
            return f"{one} | Iterable[{one}]{none}"
        return one + none


def _check_tag(module: str, tag: str, names: dict[str, set[str]]) -> None:
    """Refuse a tag whose module or class could not be reached, or would hide what its module needs."""
    own = pascal_case(module)
    if module in _CLIENT or keyword.iskeyword(own):
        raise CodegenError(f"the tag {tag!r} can't have a namespace of that name", place="/tags")
    counted = [name for found in names.values() for name in found] + [own, "Namespace"]
    for name in sorted({name for name in counted if counted.count(name) > 1}):
        raise CodegenError(
            f"a schema can't be called {name}: the module of the tag {tag!r} needs the name",
            place=f"/components/schemas/{name}",
        )


def _check_arguments(operation: Operation, names: list[str]) -> None:
    """Refuse arguments that can't be told apart, or would hide what an endpoint function needs."""
    for name in names:
        if names.count(name) > 1 or keyword.iskeyword(name) or name in _OURS:
            raise CodegenError(
                f"no argument of {operation.name} can be called {name!r}",
                file=f"{operation.name}.json",
                place=f"/paths/{escape(operation.path)}/{operation.method.lower()}",
            )
    if {".", ".."} & set(operation.path.split("/")):
        raise CodegenError("a path can't lead upwards", file=f"{operation.name}.json", place=escape(operation.path))


def _paragraphs(operation: Operation) -> Iterator[str]:
    """What the documents say of an operation besides its signature, paragraph by paragraph."""
    yield f"`{operation.method} {operation.path}`"
    facts = []
    if operation.scopes:
        facts.append(f"Scopes: {', '.join(f'`{scope}`' for scope in operation.scopes)}.")
    if operation.public:
        facts.append("Client-side: carries `company_id`, never the private key.")
    limits = operation.limits
    facts.append(f"Limits: {', '.join(limits.rates)}.")
    facts += [f"With `{each.parameter}={each.value}` also {', '.join(each.rates)}." for each in limits.by_parameter]
    yield " ".join(facts)
    if operation.filters:
        allowed = (f"`{name}` ({', '.join(field.operators)})" for name, field in operation.filters.items())
        yield f"Filters: {', '.join(allowed)}."
    if operation.page_size is not None:
        size = operation.page_size
        bounds = [f"{size.default} by default"] if size.default else []
        bounds += [f"at least {size.minimum}"] if size.minimum > 1 else []
        bounds += [f"at most {size.maximum}"] if size.maximum else []
        yield f"Records on a page: {', '.join(bounds)}."
    if operation.caps != Caps():
        yield f"Caps: {', '.join(_caps(operation.caps))}."
    if operation.deprecated:
        yield "Deprecated by Klaviyo."


def _caps(caps: Caps) -> Iterator[str]:
    for value, unit in (
        (caps.rows, "rows"),
        (caps.bytes, "bytes"),
        (caps.row_bytes, "bytes a row"),
        (caps.string_bytes, "bytes a string"),
        (caps.jobs, "jobs under way"),
    ):
        if value is not None:
            yield f"{value:,} {unit}"
