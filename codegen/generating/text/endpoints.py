"""Endpoints → source files of the `api` package."""

from __future__ import annotations

import keyword
import re
from typing import TYPE_CHECKING, Any

from attrs import Factory, define

from codegen.errors import CodegenError
from codegen.generating.ir import Array, Choice, Mapping, Object, OneOf, Scalar, Time, Type, members, reachable
from codegen.generating.text.inputs import Inputs
from codegen.generating.text.render import annotation, literal, needs, or_unset
from codegen.names import pascal_case
from codegen.openapi import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jinja2 import Environment

    from codegen.generating.interface.bodies import Keyword
    from codegen.generating.ir import Endpoint, Models
    from klaviyo_async.operation import Operation, Parameter

_TYPES_NEED = {
    "datetime": {"date", "datetime"},
    "klaviyo_async._model": {"Model"},
    "klaviyo_async.filter": {"Fields", "Filter"},
}
_ARGUMENTS_NEED = {
    "collections.abc": {"Iterable", "Mapping"},
    "klaviyo_async._model": {"Model"},
    "typing": {"Any"},
}
_TYPES_HAVE = frozenset({"AnyMapping", "AnyResource", "ResourceDocument"})
"""What the module of types has besides what the documents make."""
_OURS = frozenset({"self"})
_CLIENT = frozenset({"aclose", "bulk", "close", "closed", "limiter", "request", "types"})
"""What a client or the package has already under its own names."""


def types_of(endpoints: Iterable[Endpoint], models: Models) -> Types:
    """Where the modules of the `api` package put the types that their signatures name."""
    return Types(Inputs(models, _only_queries(endpoints, models)))


def render(env: Environment, endpoints: Iterable[Endpoint], tags: dict[str, str], types: Types) -> dict[str, str]:
    """File name → text of the modules of all tags. `tags` maps modules to the tags' own names."""
    pages = pages_of(endpoints, tags, types)
    files = {
        f"{module}.py": env.get_template("api_module.py.jinja").render(tag=tags[module], **context)
        for module, context in pages.items()
    }
    files["__init__.py"] = env.get_template("api_init.py.jinja").render(
        namespaces=[(module, pascal_case(module)) for module in pages], tags=tags
    )
    return files


def pages_of(endpoints: Iterable[Endpoint], tags: dict[str, str], types: Types) -> dict[str, dict[str, Any]]:
    """What the module of each tag is made of; the types that it names are put into `types`."""
    by_tag: dict[str, list[Endpoint]] = {module: [] for module in sorted(tags)}
    for endpoint in endpoints:
        by_tag[endpoint.operation.tag].append(endpoint)
    names = {endpoint.operation.name for group in by_tag.values() for endpoint in group}
    pages = {}
    for module, group in by_tag.items():
        page = Module(module, group, names, types)
        pages[module] = page.context()
        _check_tag(module, tags[module], page.names)
    return pages


def render_types(env: Environment, types: Types) -> str:
    """The module of the types, once every other module has named its own."""
    return env.get_template("api_types.py.jinja").render(
        literals=types.literals,
        fieldsets=types.fieldsets,
        dicts=list(types.inputs.dicts.values()),
        names=types.names(),
    )


@define
class Types:
    """The aliases that signatures name. They have a module of their own, which only type checkers read."""

    inputs: Inputs
    """The TypedDicts of mappings in writes."""
    literals: list[tuple[str, str]] = Factory(list)
    """Name and text of each set of allowed values."""
    fieldsets: list[tuple[str, list[tuple[str, str]]]] = Factory(list)
    """Name of each fieldset, and for its resource types what they allow."""

    def names(self) -> dict[str, set[str]]:
        """What the annotations of the TypedDicts need, by module."""
        used = {
            name for each in self.inputs.dicts.values() for _, text, _ in each.keys for name in re.findall(r"\w+", text)
        }
        used |= {"Fields", "Model"}
        found = {module: names & used for module, names in _TYPES_NEED.items()}
        if self.inputs.names:
            found["..models"] = self.inputs.names
        return {module: names for module, names in found.items() if names}


class Module:
    """The module of one tag: its signatures, and what it imports for them."""

    def __init__(self, module: str, group: list[Endpoint], operations: set[str], types: Types) -> None:
        self.module = module
        self.group = group
        self.operations = operations
        self.names: dict[str, set[str]] = {
            "klaviyo_async._http.session": {"Caller"},
            "klaviyo_async.options": {"RequestOptions"},
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
            "functions": [each["name"] for each in endpoints],
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

    def need(self, module: str, *names: str) -> None:
        """Import names from a module, for annotations."""
        self.names.setdefault(module, set()).update(names)

    def _types(self, kind: Type, *, closed: bool = False) -> str:
        for source, name in needs(kind, closed=closed):
            module = {"models": "..models", "resources": "..resources", "enums": "..models"}.get(source, source)
            self.need(module, name)
        return annotation(kind, closed=closed)

    def _input(self, kind: Type, *, query: str = "") -> str:
        """The annotation of an argument: wider than what is read, mappings for models, any sequence for lists.

        Of a query, which knows its values, `query` is the name of the alias for them.
        """
        parts: list[str] = []
        for member in members(kind):
            if isinstance(member, Object):
                self.need(f"..{member.package}", member.name)
                parts += [self._named(self.types.inputs.mapping(member)), member.name, self._named("AnyMapping")]
            elif isinstance(member, Array):
                self.need("collections.abc", "Sequence")
                parts.append(f"Sequence[{self._input(member.item, query=query)}]")
            elif isinstance(member, Mapping):
                self.need("collections.abc", "Mapping")
                parts.append(f"Mapping[str, {self._input(member.value)}]")
            elif isinstance(member, Choice) and query:
                parts.append(self._literal(member.values, query))
            elif isinstance(member, Time):
                parts += [self._types(member), "str"]
            else:
                parts += self._types(member).split(" | ") if isinstance(member, Scalar) else [self._types(member)]
        if isinstance(kind, OneOf) and Scalar("None") in kind.members:
            parts.append("None")
        return " | ".join(dict.fromkeys(parts)) or "None"

    def _named(self, name: str) -> str:
        """A name of the module of types, imported."""
        self.need(".types", name)
        return name

    def _literal(self, values: tuple[object, ...], name: str) -> str:
        """The alias for a set of allowed values."""
        alias = (name, f"Literal[{', '.join(map(literal, values))}]")
        if alias not in self.types.literals:
            self.types.literals.append(alias)
        return self._named(name)

    def annotated(self, text: str) -> str:
        """The annotation, with what it names imported."""
        for name in re.findall(r"\w+", text):
            if name in self.types.inputs.dicts or name in _TYPES_HAVE:
                self.need(".types", name)
            for module, names in _ARGUMENTS_NEED.items():
                if name in names:
                    self.need(module, name)
        return text

    # --- one endpoint

    def _endpoint(self, endpoint: Endpoint) -> dict[str, Any]:
        operation = endpoint.operation
        parameters = [each for each in operation.parameters if each.place in {"query", "header"}]
        arguments = [f"{name}: str" for name in operation.path_parameters]
        call = [f"{self.table}[{literal(operation.name)}]"]
        paths = "".join(f"{name}, " for name in operation.path_parameters)
        shown = {each.name: each.name for each in parameters}
        passed = []
        positional = len(arguments)
        body = self._body(endpoint)
        if body is not None:
            arguments.append(f"body: {body}")
            passed.append("body=body")
        arguments.append("*")
        keywords = [(each, self.keyword_type(endpoint, each, kind)) for each, kind in endpoint.keywords]
        if keywords:
            arguments += [self._keyword(*each) for each in keywords]
            pairs = ", ".join(f"{literal(keyword.name)}: {keyword.name}" for keyword, _ in keywords)
            passed.append(f"write={{{pairs}}}")
        rest = [self._parameter(operation, each) for each in parameters]
        rest.append("options: RequestOptions | None = None")
        arguments += rest
        check_arguments(operation, [each.partition(":")[0] for each in arguments])
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
            "overloads": self._overloads(arguments[:positional], body or "", keywords, rest),
            "returns": self._returns(endpoint),
            "summary": f"{operation.summary}." if not operation.summary.endswith(".") else operation.summary,
            "paragraphs": [*_paragraphs(endpoint), *_required(endpoint)],
            "example": endpoint.example,
            "reference": operation.reference,
            "call": f"{'pages' if listed else 'call'}({', '.join(call)})",
        }

    def _overloads(
        self, path: list[str], body: str, keywords: list[tuple[Keyword, str]], rest: list[str]
    ) -> list[list[str]]:
        """The ways to call a write, for type checkers: with the whole body, or with keywords and what they require."""
        given = body.removesuffix(" | Unset = UNSET")
        if given == body or not keywords:
            return []
        self.need("typing", "overload")
        left_out = [each.replace(" = None", " = ...") for each in rest]
        named = [
            f"{each.name}: {text}" if each.required else f"{each.name}: {or_unset(text)} = ..."
            for each, text in keywords
        ]
        return [[*path, f"body: {given}", "*", *left_out], [*path, "*", *named, *left_out]]

    def _returns(self, endpoint: Endpoint) -> str:
        if endpoint.result is None:
            return "None"
        self.need("..models", endpoint.result)
        if endpoint.item is None:
            return endpoint.result
        self.need("klaviyo_async.pages", "Pages")
        return f"Pages[{endpoint.result}, {self._types(endpoint.item)}]"

    def _parameter(self, operation: Operation, parameter: Parameter) -> str:
        name, kind = parameter.name, parameter.kind
        pascal = pascal_case(operation.name)
        text = {"integer": "int", "boolean": "bool", "page_size": "int"}.get(kind, "str")
        if kind == "filter":
            self.need("klaviyo_async.filter", "Filter")
            text = "Filter | str"
        elif kind == "sort":
            # Sort keys that F makes are text as well.
            text = f"{self._literal(operation.sort, pascal + 'Sort')} | str" if operation.sort else "str"
        elif kind == "include":
            self.need("collections.abc", "Sequence")
            text = self._literal(operation.include, pascal + "Include") if operation.include else "str"
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
        self.need(".types", name)
        return f"{name} | {self._named('AnyFields')}"

    def _body(self, endpoint: Endpoint) -> str | None:
        body = endpoint.operation.body
        if body is None or body.kind == "multipart":
            return None
        self.need("collections.abc", "Mapping")
        self.need("typing", "Any")
        types = ["Mapping[str, Any]"]
        if endpoint.body is not None and body.kind != "identifiers":
            self.need("..models", endpoint.body)
            types.insert(0, endpoint.body)
        if body.kind == "identifiers":
            # A resource as it was read serves as its own identifier.
            self.need("klaviyo_async._model", "Model")
            types = ["Model", "Mapping[str, Any]", "str"]
            if body.many:
                self.need("collections.abc", "Iterable")
                types.append("Iterable[str | Mapping[str, Any] | Model]")
            elif not body.required:
                types.append("None")
            return " | ".join(types)
        if body.kind == "resource" or not body.required:
            self._unset()
            return f"{' | '.join(types)} | Unset = UNSET"
        return " | ".join(types)

    def _unset(self) -> None:
        self.unset = True
        self.need("klaviyo_async._model", "Unset")

    def _keyword(self, keyword: Keyword, text: str) -> str:
        if keyword.kind == "file":
            return f"{keyword.name}: {text}"
        if keyword.kind == "form":
            return f"{keyword.name}: {text} | None = None"
        self._unset()
        return f"{keyword.name}: {or_unset(text)} = UNSET"

    def keyword_type(self, endpoint: Endpoint, keyword: Keyword, kind: Type) -> str:
        none = " | None" if isinstance(kind, OneOf) and Scalar("None") in kind.members else ""
        inputs, body = self.types.inputs, endpoint.operation.body
        resource = None if body is None else body.resource
        if keyword.kind == "file":
            self.need("klaviyo_async._request.form", "FileInput")
            return "FileInput"
        if keyword.kind == "id":
            return "str"
        if keyword.filter:
            self.need("klaviyo_async.filter", "Filter")
            if keyword.many:
                self.need("collections.abc", "Sequence")
                return f"Filter | str | Sequence[Filter | str]{none}"
            return f"Filter | str{none}"
        if resource is None or keyword.kind == "attribute":
            query = pascal_case(endpoint.operation.name) + pascal_case(keyword.name)
            return self._input(kind, query=query if _is_query(endpoint.operation) else "")
        if keyword.kind == "meta":
            if resource.meta_nested is not None:
                return self.annotated(inputs.nested(kind, resource.meta_nested) + none)
            return self._input(kind) if isinstance(kind, (Object, OneOf)) else self.annotated("Mapping[str, Any]")
        if keyword.kind == "nested":
            return self.annotated(inputs.nested(kind, resource.nested[keyword.name]) + none)
        return self.annotated(inputs.linkage(kind, resource.relationships[keyword.name]))


def _is_query(operation: Operation) -> bool:
    """Whether its body asks for something and writes nothing: the document lists the values that it understands."""
    return (
        operation.body is not None
        and bool(operation.scopes)
        and all(scope.endswith(":read") for scope in operation.scopes)
    )


def _only_queries(endpoints: Iterable[Endpoint], models: Models) -> frozenset[Object]:
    """The models that are sent by queries and by nothing else."""
    sent: dict[bool, list[Object]] = {True: [], False: []}
    for endpoint in endpoints:
        if endpoint.body is not None:
            sent[_is_query(endpoint.operation)].append(Object(endpoint.body))
    return frozenset(reachable(models, sent[True]) - reachable(models, sent[False]))


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


def check_arguments(operation: Operation, names: list[str]) -> None:
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


def _paragraphs(endpoint: Endpoint) -> Iterator[str]:
    """What the documents say of an operation besides its signature, paragraph by paragraph."""
    operation = endpoint.operation
    yield f"`{operation.method} {operation.path}`"
    public = ["Client-side: sends `company_id`, never the private key."] if operation.public else []
    yield " ".join([*public, *endpoint.says])
    yield from endpoint.paragraphs
    if operation.page_size is not None:
        size = operation.page_size
        bounds = [f"{size.default} by default"] if size.default else []
        bounds += [f"at least {size.minimum}"] if size.minimum > 1 else []
        bounds += [f"at most {size.maximum}"] if size.maximum else []
        yield f"Page size: {', '.join(bounds)}."
    if operation.deprecated:
        yield "Deprecated by Klaviyo."


def _required(endpoint: Endpoint) -> Iterator[str]:
    """What a call can't do without, besides what stands in the path."""
    operation = endpoint.operation
    resource = operation.body.resource if operation.body is not None else None
    needed = []
    for each, _ in endpoint.keywords:
        if each.required:
            nested = resource.nested.get(each.name) if resource is not None else None
            inner = nested.resource.required if nested is not None and nested.resource is not None else ()
            with_ = f" ({'each ' if each.many else ''}with {', '.join(f'`{name}`' for name in inner)})" if inner else ""
            needed.append(f"`{each.name}`{with_}")
    for parameter in operation.parameters:
        if parameter.required and parameter.name == "company_id":
            needed.append("`company_id` (here or on the client)")
        elif parameter.required:
            fields = (
                " or ".join(f"`{field}`" for field in operation.filter_requires) if parameter.kind == "filter" else ""
            )
            needed.append(f"`{parameter.name}`" + (f" with a condition on {fields}" if fields else ""))
    if needed:
        yield f"Required: {', '.join(needed)}."
