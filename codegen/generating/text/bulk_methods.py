"""The methods of `klaviyo.bulk` that take rows: one for each bulk operation, typed as its endpoint function is."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from codegen.generating.text.endpoints import Module, check_arguments
from codegen.generating.text.inputs import Dict
from codegen.generating.text.render import literal, or_unset
from codegen.names import pascal_case
from codegen.specs.extensions import caps_of
from klaviyo_async.operation import Caps

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jinja2 import Environment

    from codegen.generating.interface.bodies import Keyword
    from codegen.generating.ir import Endpoint, Type
    from codegen.generating.text.endpoints import Types
    from klaviyo_async.operation import Bulk, Operation, Resource

FILE = "_bulk.py"
_PREFIX = "bulk_"
_COMMON = (
    "checkpoint: str | PathLike[str] | None = None",
    "progress: bool | ProgressCallback = False",
    "failed_to: str | PathLike[str] | None = None",
    "dry_run: bool = False",
)


def render(env: Environment, endpoints: Sequence[Endpoint], types: Types) -> dict[str, str]:
    """File name → text; nothing where the revision has no bulk operations."""
    page, methods = _page_of(endpoints, types)
    if not methods:
        return {}
    return {FILE: env.get_template("bulk_module.py.jinja").render(methods=methods, names=page.names, unset=page.unset)}


def arguments_of(endpoints: Sequence[Endpoint], types: Types) -> dict[str, tuple[str, ...]]:
    """Method → the names of its arguments; the types that it names are put into `types`."""
    _, methods = _page_of(endpoints, types)
    names = {each["name"]: [argument.partition(":")[0] for argument in each["arguments"]] for each in methods}
    return {method: tuple(name for name in found if name != "*") for method, found in names.items()}


def method_of(operation: Operation) -> str:
    """The method of `klaviyo.bulk` for an operation that takes rows."""
    return operation.name.removeprefix(_PREFIX)


def _page_of(endpoints: Sequence[Endpoint], types: Types) -> tuple[_Methods, list[dict[str, Any]]]:
    bulk = [each for each in endpoints if each.operation.bulk is not None]
    page = _Methods(bulk, types)
    return page, [page.method(each) for each in bulk]


class _Methods(Module):
    def __init__(self, endpoints: list[Endpoint], types: Types) -> None:
        super().__init__("bulk", endpoints, set(), types)
        del self.names["klaviyo_async._http.session"]
        self.need("klaviyo_async.bulk._import.source", "Rows")
        self.need("klaviyo_async.bulk.progress", "ProgressCallback")
        self.need("klaviyo_async.bulk.report", "Report")
        self.need("os", "PathLike")

    def method(self, endpoint: Endpoint) -> dict[str, Any]:
        operation = endpoint.operation
        bulk, resource = operation.bulk, operation.body.resource if operation.body is not None else None
        assert bulk is not None  # noqa: S101 - for the type checkers: it was looked for
        assert resource is not None  # noqa: S101
        (kind,) = (kind for keyword, kind in endpoint.keywords if keyword.name == bulk.rows)
        rows = f"rows: Rows[{self.annotated(self._row(operation, bulk, resource, kind))}]"
        others = [(each, kind) for each, kind in endpoint.keywords if each.name != bulk.rows]
        required = [each for each, _ in others if each.required]
        keywords = [
            self._argument(endpoint, each, kind) for each, kind in sorted(others, key=lambda it: it[0] not in required)
        ]
        params = [each.name for each in operation.parameters if each.kind == "string"]
        arguments = [
            f"{rows} | None = None" if bulk.instead else rows,
            "*",
            *keywords,
            *(f"{name}: str | None = None" for name in params),
            *_COMMON,
            *(["confirm_global: bool = False"] if bulk.global_without is not None else []),
            "options: RequestOptions | None = None",
        ]
        check_arguments(operation, [each.partition(":")[0] for each in arguments])
        passed = [f"write={{{', '.join(f'{literal(each.name)}: {each.name}' for each, _ in others)}}}"]
        if params:
            passed.append(f"params={{{', '.join(f'{literal(name)}: {name}' for name in params)}}}")
        passed += [f"{name}={name}" for name in ("checkpoint", "progress", "failed_to", "dry_run")]
        if bulk.global_without is not None:
            passed.append("confirm_global=confirm_global")
        passed.append("options=options")
        return {
            "name": method_of(operation),
            "operation": operation.name,
            "arguments": arguments,
            "passed": passed,
            "summary": f"`{operation.name}` for any number of rows.",
            "paragraphs": list(_paragraphs(operation, bulk)),
            "example": _example(endpoint.example, operation, bulk),
            "reference": operation.reference,
        }

    def _argument(self, endpoint: Endpoint, keyword: Keyword, kind: Type) -> str:
        text = self.keyword_type(endpoint, keyword, kind)
        if keyword.required:
            return f"{keyword.name}: {text}"
        self._unset()
        return f"{keyword.name}: {or_unset(text)} = UNSET"

    def _row(self, operation: Operation, bulk: Bulk, resource: Resource, kind: Type) -> str:
        """What one row may be."""
        inputs = self.types.inputs
        nested = resource.nested.get(bulk.rows)
        if nested is None or nested.resource is None:
            return "str | Model | Mapping[str, Any]"
        parts = inputs.resource(inputs.at(kind, "data"), nested.resource)
        row = nested.resource
        if bulk.counts is not None and (inner := row.nested[bulk.counts].resource) is not None:
            outer = inputs.dicts[parts[0]]
            (held,) = inputs.resource(
                inputs.at(kind, "data", "attributes", row.attributes[bulk.counts], "data"), inner
            )[:1]
            single = Dict(f"{pascal_case(method_of(operation))}Row")
            taken = {key for key, _, _ in inputs.dicts[held].keys}
            single.keys = [key for key in outer.keys if key[0] not in {bulk.counts, *taken}] + inputs.dicts[held].keys
            inputs.dicts[single.name] = single
            parts.insert(0, single.name)
        if row.id == "none" and len(row.required) == 1 and row.required[0] in row.attributes:
            parts.append("str")
        return " | ".join(parts)


def _paragraphs(operation: Operation, bulk: Bulk) -> Iterator[str]:
    if bulk.global_without is not None:
        yield (
            f"**Anyone who is not on the {bulk.global_without} is unsubscribed from everything.** Without a {bulk.global_without}"
            " that applies to all rows, and requires `confirm_global=True`."
        )
    if bulk.instead:
        ways = ", or ".join(f"`{name}` for everyone in it" for name in bulk.instead)
        yield f"Pass exactly one of `rows` and {ways}."
    if bulk.counts is not None:
        yield (
            f"A row is one member of `{bulk.counts}` together with the rest of the resource (one event with its profile) or,"
            f" as for the endpoint, a mapping with `{bulk.counts}`."
        )
    if bulk.job is None:
        yield "There is no job to poll: rows count as succeeded once Klaviyo has accepted them."
    else:
        yield f"Jobs are polled with `{bulk.job.get}` until they finish, and their errors are traced back to rows."
    if bulk.same_by:
        names = ", ".join(f"`{name}`" for name in bulk.same_by)
        yield (
            f"Rows that agree in one of {names} are sent one after the other."
            if len(bulk.same_by) > 1
            else (f"Rows with the same {names} are sent one after the other.")
        )
    facts = []
    if operation.scopes:
        facts.append(f"Scopes: {', '.join(f'`{scope}`' for scope in operation.scopes)}.")
    facts.append(f"Limits: {', '.join(operation.limits.rates)}.")
    if operation.caps != Caps():
        facts.append(f"Caps: {', '.join(caps_of(operation.caps))}.")
    yield " ".join(facts)


def _example(text: str, operation: Operation, bulk: Bulk) -> str:
    """The endpoint function's example, as a call of the method."""
    tree = ast.parse(text)
    call = next(each for each in ast.walk(tree) if isinstance(each, ast.Call))
    given = {each.arg: each.value for each in call.keywords}
    rows = given.pop(bulk.rows, None)
    if bulk.counts is not None and isinstance(rows, ast.List):
        rows = ast.List([ast.Constant(None)], ast.Load()) if not rows.elts else _single(rows, bulk.counts)
    arguments = [] if rows is None else [ast.unparse(rows)]
    if bulk.instead and rows is not None:
        given = {name: value for name, value in given.items() if name not in bulk.instead}
    arguments += [f"{name}={ast.unparse(value)}" for name, value in given.items()]
    return f"report = await klaviyo.bulk.{operation.name.removeprefix(_PREFIX)}({', '.join(arguments)})"


def _single(rows: ast.List, counts: str) -> ast.expr:
    """The first row with the first member of its list spread into it."""
    row: dict[str, Any] = ast.literal_eval(rows.elts[0])
    members = row.pop(counts, [])
    return ast.parse(repr([{**row, **(members[0] if members else {})}]), mode="eval").body
