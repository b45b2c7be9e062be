"""Types and models → Python text, through the engine's Jinja environment and our templates."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import evolve
from openapi_python_client import Project

from codegen.generating.ir import Array, Choice, Mapping, Object, OneOf, Scalar, Time, Type, members

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jinja2 import Environment
    from openapi_python_client.config import Config
    from openapi_python_client.parser.openapi import GeneratorData

    from codegen.generating.ir import Field, Model, Models

_TEMPLATES = Path(__file__).parent / "templates"
Imported: TypeAlias = dict[Object | Time, str]
"""What models and times are called in a module."""


def environment(data: GeneratorData, config: Config, revision: str) -> Environment:
    """The engine's environment with our templates in front of its own."""
    env = Project(openapi=data, config=config, custom_template_path=_TEMPLATES).env
    env.filters["literal"] = literal
    env.filters["doc"] = doc
    env.filters["wrapped"] = wrapped
    env.globals["revision"] = revision
    return env


def literal(value: object) -> str:
    """A value of a document as a Python literal: nothing in it can be code."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return repr(value)
    if isinstance(value, (tuple, list)):
        return f"({''.join(literal(item) + ', ' for item in value)})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(key)}: {literal(item)}" for key, item in value.items()) + "}"
    raise TypeError(f"no literal for {type(value).__name__}")


def doc(text: str) -> str:
    """Text for inside a docstring: no quotes that end it, no escapes, no control characters, no blanks at the ends."""
    plain = "".join(character if character.isprintable() or character == "\n" else " " for character in text)
    return plain.replace("\\", "\\\\").replace('"""', "'''").strip().removesuffix('"')


def wrapped(text: str, indent: int = 0) -> str:
    """A paragraph in lines of a docstring."""
    return textwrap.fill(" ".join(text.split()), 116 - indent, break_long_words=False, break_on_hyphens=False)


def annotation(kind: Type, *, closed: bool = False, names: Imported | None = None) -> str:
    """The Python annotation of a type. A `closed` choice has no other values than those listed.

    `names` tells what models are called where the annotation stands, if not by their own names.
    """
    if isinstance(kind, Scalar):
        return kind.python
    if isinstance(kind, Time):
        return (names or {}).get(kind, "date" if kind.day else "datetime")
    if isinstance(kind, Choice):
        if closed:
            return f"Literal[{', '.join(map(literal, kind.values))}]"
        if kind.alias is not None:
            return kind.alias
        known = f"Literal[{', '.join(map(literal, kind.values))}]"
        return (
            f"{known} | str" if all(isinstance(value, str) for value in kind.values) and len(kind.values) > 1 else known
        )
    if isinstance(kind, Object):
        return kind.name if names is None else names.get(kind, kind.name)
    if isinstance(kind, Array):
        return f"list[{annotation(kind.item, names=names)}]"
    if isinstance(kind, Mapping):
        return f"dict[str, {annotation(kind.value, names=names)}]"
    parts = [annotation(member, names=names) for member in kind.members]
    flat = list(dict.fromkeys(part for text in parts for part in _split(text)))
    if "float" in flat and "int" in flat:
        flat.remove("int")
    flat.sort(key=lambda part: part == "None")
    return " | ".join(flat)


def or_none(text: str) -> str:
    """An annotation of what may be missing, None last."""
    return text if text in {"None", "Any"} or text.endswith(" | None") else f"{text} | None"


def or_unset(text: str, unset: str = "Unset") -> str:
    """An annotation that may be left out, None last."""
    parts = [part for part in _split(text) if part != "None"]
    return " | ".join([*parts, unset, "None"]) if text == "None" or text.endswith(" | None") else f"{text} | {unset}"


def alias_text(choice: Choice) -> str:
    """What the type alias of a schema says: the known values, and for text any other."""
    known = annotation(evolve(choice, alias=None), closed=True)
    return f"{known} | str" if all(isinstance(value, str) for value in choice.values) else known


def _split(text: str) -> Iterator[str]:
    """The members of a union's annotation; what stands in quotes and brackets is left alone."""
    depth, quote, start, escaped = 0, "", 0, False
    for index, character in enumerate(text):
        if quote:
            if escaped or character == "\\":
                escaped = not escaped
            elif character == quote:
                quote = ""
        elif character in "'\"":
            quote = character
        elif character == "[":
            depth += 1
        elif character == "]":
            depth -= 1
        elif character == "|" and not depth:
            yield text[start:index].strip()
            start = index + 1
    yield text[start:].strip()


def is_time(kind: Type) -> Time | None:
    """The time that a field holds, alone or in a list; None where it holds something else."""
    for member in members(kind):
        if isinstance(member, Time):
            return member
        if isinstance(member, Array) and (found := is_time(member.item)):
            return found
    return None


class References:
    """Writes what `klaviyo_async._model.nested` is given for a type.

    `taken` are names that schemas and properties have in the module: what it needs itself is called otherwise there.
    """

    def __init__(self, models: Models, package: str = "models", taken: frozenset[str] = frozenset()) -> None:
        self._models = models
        self._package = package
        self._taken = taken
        self._used: dict[str, str] = {}

    @property
    def imports(self) -> list[str]:
        """What is imported from `klaviyo_async._model`."""
        return [each if each == name else f"{each} as {name}" for each, name in sorted(self._used.items())]

    def helper(self, name: str) -> str:
        """What a name of `klaviyo_async._model` is called in the module, which will import it."""
        self._used[name] = self.free(name)
        return self._used[name]

    def free(self, name: str) -> str:
        """The name, or one like it that the module has no other use for."""
        while name in self._taken:
            name = f"_{name}"
        return name

    def of(self, kind: Type, beside: tuple[str, dict[str, str]] | None = None) -> str | None:
        """The reference as Python text, with names of `klaviyo_async._model`; None where there is no model in the type.

        `beside` is the field that decides a union beside it, and which member its texts mean.
        """
        arrays = [member for member in members(kind) if isinstance(member, Array)]
        items = [item for array in arrays for item in members(array.item)]
        inner = self.of(OneOf(tuple(dict.fromkeys(items)))) if items else None
        one = self._of_object(kind, beside)
        if inner is None:
            return one
        many = f"{self.helper('Many')}({inner})"
        return many if one is None else f"{self.helper('Either')}({one}, {many})"

    def _of_object(self, kind: Type, beside: tuple[str, dict[str, str]] | None) -> str | None:
        for member in members(kind):
            if isinstance(member, Mapping) and (inner := self.of(member.value)) is not None:
                return f"{self.helper('Values')}({inner})"
        objects = [member for member in members(kind) if isinstance(member, Object)]
        if not objects:
            return None
        if len(objects) == 1:
            return literal(self._name(objects[0]))
        models = [self._models[each] for each in objects]
        told_apart = _one_key_decides(models)
        variants = [self._variant(each, _telling(each, models), short=told_apart) for each in models]
        if beside is not None:
            name, by_text = beside
            known = {model.name: self._name(model.object) for model in models}
            by_text = {text: known.get(member, member) for text, member in by_text.items()}
            variants += [f"beside={literal(name)}", f"by_text={literal(by_text)}"]
        return f"{self.helper('Union')}({', '.join(variants)})"

    def _name(self, each: Object) -> str:
        return each.name if each.package == self._package else f"{each.package}.{each.name}"

    def _variant(self, model: Model, telling: dict[str, tuple[Any, ...]], *, short: bool) -> str:
        constants = literal(telling)
        variant, name = self.helper("Variant"), literal(self._name(model.object))
        if short:
            return f"{variant}({name}, {constants})"
        keys = tuple(each.wire for each in model.fields)
        return f"{variant}({name}, {constants}, {literal(model.required)}, {literal(keys)})"


def _telling(model: Model, union: Iterable[Model]) -> dict[str, tuple[Any, ...]]:
    """The constants of a member that tell it from another: which has the property too, with other values or any."""
    others = [(field.wire, field.constants) for other in union if other is not model for field in other.fields]
    return {
        wire: values
        for wire, values in model.constants.items()
        if any(name == wire and allowed != values for name, allowed in others)
    }


def _one_key_decides(models: Iterable[Model]) -> bool:
    models = list(models)
    shared = set(models[0].constants).intersection(*(each.constants for each in models))
    for key in shared:
        values = [value for each in models for value in each.constants[key]]
        if len(set(values)) == len(values) and all(key in each.required for each in models):
            return True
    return False


def needs(kind: Type, *, closed: bool = False) -> Iterator[tuple[str, str]]:
    """(module, name) of all that the annotation of a type names; models and aliases under their own modules."""
    if kind == Scalar("Any"):
        yield "typing", "Any"
    elif isinstance(kind, Time):
        yield "datetime", annotation(kind)
    elif isinstance(kind, Choice):
        yield ("typing", "Literal") if closed or kind.alias is None else ("enums", kind.alias)
    elif isinstance(kind, Object):
        yield kind.package, kind.name
    elif isinstance(kind, Array):
        yield from needs(kind.item)
    elif isinstance(kind, Mapping):
        yield from needs(kind.value)
    elif isinstance(kind, OneOf):
        for member in kind.members:
            yield from needs(member)


def is_constant(field: Field) -> bool:
    """Whether the field is text with one possible value."""
    return isinstance(field.type, Choice) and len(field.type.values) == 1 and isinstance(field.type.values[0], str)


def field_line(field: Field, model: Model, references: References, names: Imported) -> str:
    """The line of a field in a class body."""
    kind, constant = field.type, is_constant(field)
    text = annotation(kind, closed=constant, names=names)
    default = None
    if constant and field.wire == "type" and isinstance(kind, Choice):
        default = literal(kind.values[0])
    elif not field.required and model.reads:
        # What isn't there reads as None, but is not there: ABSENT is UNSET that any annotation goes with.
        text = text if field.always else or_none(text)
        default = references.helper("ABSENT")
    elif not field.required:
        text, default = or_unset(text, references.helper("Unset")), references.helper("UNSET")
    arguments = [] if default is None else [f"default={default}"]
    if field.wire != field.name:
        arguments.append(f"wire={literal(field.wire)}")
    if field.name.startswith("_"):
        arguments.append(f"alias={literal(field.name)}")
    wires = {each.wire: each.name for each in model.fields}
    beside = None if field.beside is None else (wires[field.beside[0]], dict(field.beside[1]))
    reference = references.of(kind, beside)
    if reference is not None:
        specifier = "nested"
        arguments.insert(0, reference)
    elif (found := is_time(kind)) is not None:
        specifier = "day" if found.day else "time"
    elif len(arguments) > (default is not None):
        specifier = "field"
    else:
        return f"{field.name}: {text}" + ("" if default is None else f" = {default}")
    return f"{field.name}: {text} = {references.helper(specifier)}({', '.join(arguments)})"


def parameters(model: Model, references: References, names: Imported) -> list[str]:
    """The constructor's parameters where they take more than the fields give: Unset, in what is read and written."""
    if not (model.reads and model.writes) or all(field.required for field in model.fields):
        return []
    out = []
    for field in model.fields:
        constant = is_constant(field)
        text = annotation(field.type, closed=constant, names=names)
        if constant and field.wire == "type":
            out.append(f"{field.name}: {text} = ...")
        elif field.required:
            out.append(f"{field.name}: {text}")
        else:
            out.append(f"{field.name}: {or_unset(text, references.helper('Unset'))} = ...")
    return out
