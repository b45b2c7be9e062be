"""Filter facts → source files of the `filters` package: one class for each operation that filters."""

from __future__ import annotations

import keyword
import re
from typing import TYPE_CHECKING, TypeAlias

from klaviyo_async import typed_filter

from .errors import CodegenError
from .render import literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from klaviyo_async.operation import FilterField

__all__ = ["render"]

_BASES = {
    "any": "AnyOf",
    "contains": "Contains",
    "contains-all": "ContainsAll",
    "contains-any": "ContainsAny",
    "ends-with": "EndsWith",
    "greater-or-equal": "GreaterOrEqual",
    "greater-than": "GreaterThan",
    "has": "Has",
    "less-or-equal": "LessOrEqual",
    "less-than": "LessThan",
    "starts-with": "StartsWith",
}
_WORDS = {
    **{base: operator for operator, base in _BASES.items()},
    "Equals": "equals",
    "EqualsList": "equals (one value or a list)",
}
_ORDER = ("GreaterOrEqual", "GreaterThan", "LessOrEqual", "LessThan")
_TYPES = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*")
_OWN = frozenset(name for name in dir(typed_filter.Equals) if not name.startswith("__"))

# A name and what is under it: a field, fields with more dots, or both.
_Tree: TypeAlias = "dict[str, tuple[FilterField | None, _Tree]]"


def render(filters: Mapping[str, Mapping[str, FilterField]], *, runtime: str = "klaviyo_async") -> dict[str, str]:
    """File name → text of the `filters` package.

    `filters` maps operations to their fields; those without any are left out. `runtime` is the package that has
    `typed_filter`. Raises CodegenError for names and operators that have no form in Python.
    """
    used: dict[str, tuple[str, ...]] = {}
    files: dict[str, str] = {}
    operations = sorted(name for name, fields in filters.items() if fields)
    for name in operations:
        if not _IDENTIFIER.fullmatch(name):
            raise CodegenError(f"the operation {name!r} has no form as a Python name")
        files[f"{name}.py"] = _Module(name, filters[name], runtime, used).text()
    files["_fields.py"] = _fields(used, runtime)
    files["__init__.py"] = _init(operations)
    return files


def class_name(operation: str) -> str:
    """The class of an operation: `get_profiles` → `GetProfiles`."""
    return "".join(part[:1].upper() + part[1:] for part in operation.split("_"))


def _bases(field: FilterField, place: str) -> tuple[str, ...]:
    """The operator classes that a field inherits."""
    found: list[str] = []
    for operator in sorted(field.operators, key=lambda each: (each != "equals", each)):
        if operator == "equals":
            found.append("EqualsList" if "equals" in field.list else "Equals")
        elif operator in _BASES:
            found.append(_BASES[operator])
        else:
            raise CodegenError(
                f"{place} takes the operator {operator!r}, which klaviyo_async.typed_filter doesn't have"
            )
    return tuple(found)


def _kind(bases: tuple[str, ...]) -> str:
    """The name of a field class with these operators."""
    if len(bases) == 1:
        return bases[0]
    names = [base.removesuffix("Of") for base in bases if base not in _ORDER]
    ordering = tuple(base for base in bases if base in _ORDER)
    names += ["Ordered"] if ordering == _ORDER else ordering
    return "".join(names) + "Field"


def _fields(used: dict[str, tuple[str, ...]], runtime: str) -> str:
    bases = sorted({base for each in used.values() for base in each})
    lines = [
        '"""Fields by the operators that they take."""',
        "",
        "from __future__ import annotations",
        "",
        "from typing import TypeVar",
        "",
        f"from {runtime}.typed_filter import {', '.join(bases)}",
        "",
        'T = TypeVar("T")',
    ]
    for name, each in sorted(used.items()):
        operators = ", ".join(_WORDS[base] for base in each)
        lines += [
            "",
            "",
            f"class {name}({', '.join(f'{base}[T]' for base in each)}):",
            f'    """Takes {operators}."""',
            "",
            "    __slots__ = ()",
        ]
    return "\n".join(lines) + "\n"


def _init(operations: list[str]) -> str:
    classes = {class_name(name): name for name in operations}
    lines = [
        '"""Typed filters: one class for each operation that filters, with just its fields and their operators.',
        "",
        "The classes load when first used.",
        '"""',
        "",
        "from __future__ import annotations",
        "",
        "from importlib import import_module",
        "from typing import TYPE_CHECKING, Any",
        "",
        "if TYPE_CHECKING:",
        *(f"    from .{module} import {name} as {name}" for name, module in classes.items()),
        "",
        "_MODULES = {",
        *(f"    {literal(name)}: {literal(module)}," for name, module in classes.items()),
        "}",
        "",
        "__all__ = [",
        *(f"    {literal(name)}," for name in classes),
        "]",
        "",
        "",
        "if not TYPE_CHECKING:",
        "",
        "    def __getattr__(name: str) -> Any:",
        "        module = _MODULES.get(name)",
        "        if module is None:",
        '            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")',
        '        found = getattr(import_module(f"{__name__}.{module}"), name)',
        "        globals()[name] = found",
        "        return found",
        "",
        "",
        "def __dir__() -> list[str]:",
        "    return sorted(__all__)",
    ]
    return "\n".join(lines) + "\n"


class _Module:
    """The file of one operation."""

    def __init__(
        self,
        operation: str,
        fields: Mapping[str, FilterField],
        runtime: str,
        used: dict[str, tuple[str, ...]],
    ) -> None:
        self.operation = operation
        self.fields = fields
        self.runtime = runtime
        self.used = used
        self.own: set[str] = set()
        self.base: set[str] = {"OperationFilters"}
        self.aliases: dict[str, tuple[object, ...]] = {}
        self.groups: list[str] = []

    def text(self) -> str:
        name = class_name(self.operation)
        body = list(self.members(self.tree(), name, "    "))
        typing = ["ClassVar", *(("Literal", "TypeAlias", "get_args") if self.aliases else ())]
        own = f"from ._fields import {', '.join(sorted(self.own))}" if self.own else ""
        base = f"from {self.runtime}.typed_filter import {', '.join(sorted(self.base))}"
        lines = [
            f'"""What `{self.operation}` filters on."""',
            "",
            "from __future__ import annotations",
            "",
            f"from typing import {', '.join(sorted(typing, key=str.lower))}",
            "",
            base,
            *(["", own] if own else []),
            *([""] if self.aliases else []),
        ]
        for alias, values in self.aliases.items():
            lines.append(f"{alias}: TypeAlias = Literal[{', '.join(map(literal, values))}]")
        lines += self.groups
        lines += [
            "",
            "",
            f"class {name}(OperationFilters):",
            f'    """The fields that `{self.operation}` filters on, each with the operators that it takes."""',
            "",
            "    __slots__ = ()",
            "",
            *body,
        ]
        return "\n".join(lines) + "\n"

    def tree(self) -> _Tree:
        root: _Tree = {}
        for wire, field in self.fields.items():
            level = root
            *above, last = wire.split(".")
            for part in above:
                level = level.setdefault(part, (None, {}))[1]
            level[last] = (field, level[last][1] if last in level else {})
        return root

    def members(self, tree: _Tree, owner: str, indent: str, prefix: str = "") -> Iterator[str]:
        """Lines of a class body with these fields; the classes of dotted ones are added to `groups`."""
        taken: set[str] = set()
        for part, (field, below) in tree.items():
            name = _attribute(part)
            if name in taken:
                raise CodegenError(f"{self.operation}: two filter fields are called {name} in Python")
            taken.add(name)
            wire = f"{prefix}{part}"
            if field is None:
                group = self.group(below, f"{owner}{class_name(name)}", "FieldGroup", wire)
                self.base.add("FieldGroup")
                yield f"{indent}{name}: ClassVar[type[{group}]] = {group}"
                continue
            kind, arguments = self.field(wire, field)
            made = kind.partition("[")[0]
            if below:
                kind = made = self.group(below, f"{owner}{class_name(name)}", kind, wire)
            yield f"{indent}{name}: ClassVar[{kind}] = {made}({arguments})"

    def group(self, tree: _Tree, name: str, base: str, wire: str) -> str:
        """Emit the class of the fields under a dot; gives its name."""
        name = f"_{name.lstrip('_')}"
        body = list(self.members(tree, name, "    ", f"{wire}."))
        self.groups += [
            "",
            "",
            f"class {name}({base}):",
            f'    """The fields under `{_plain(wire)}`."""',
            "",
            "    __slots__ = ()",
            "",
            *body,
        ]
        return name

    def field(self, wire: str, field: FilterField) -> tuple[str, str]:
        """The class of a field, with the type of its values, and the arguments that make it."""
        bases = _bases(field, f"{self.operation}: {wire}")
        if not bases:
            raise CodegenError(f"{self.operation}: {wire} takes no operator")
        kind = _kind(bases)
        if len(bases) > 1:
            if self.used.setdefault(kind, bases) != bases:
                raise CodegenError(f"two sets of operators are both called {kind}")
            self.own.add(kind)
        else:
            self.base.add(kind)
        arguments = [literal(wire)]
        if field.type is None:
            return f"{kind}[None]", ", ".join(arguments)
        arguments.append(literal(field.type))
        value = _TYPES.get(field.type)
        if value is None:
            raise CodegenError(f"{self.operation}: {wire} has values of type {field.type!r}")
        if field.format == "date-time":
            value = "Moment"
            self.base.add("Moment")
            arguments.append(f"format={literal(field.format)}")
        elif field.enum:
            value = class_name(_attribute(wire.rpartition(".")[2]).strip("_"))
            if self.aliases.get(value, field.enum) != field.enum:
                value = class_name(re.sub(r"\W", "_", wire))
            self.aliases[value] = field.enum
            arguments.append(f"enum=get_args({value})")
        return f"{kind}[{value}]", ", ".join(arguments)


def _attribute(part: str) -> str:
    """The Python name of one part of a field's name."""
    name = re.sub(r"\W", "_", part)
    if not name or name[0].isdigit():
        name = f"field_{name}"
    # Two leading underscores would be mangled inside a class.
    name = re.sub(r"^__+", "_", name)
    return f"{name}_" if keyword.iskeyword(name) or name in _OWN else name


def _plain(text: str) -> str:
    """Text for inside a docstring."""
    return re.sub(r"[^\w.$ -]", "_", text)
