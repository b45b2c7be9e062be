"""Models → source files of the `models` package."""

from __future__ import annotations

import keyword
import re
from typing import TYPE_CHECKING, Any

from attrs import evolve

from codegen.dedupe import merge_inline, names_in, reachable
from codegen.errors import CodegenError
from codegen.ir import Array, Choice, Mapping, Model, OneOf, Type
from codegen.names import module_name
from codegen.render import References, alias_text, field_line, is_constant, needs
from klaviyo_async.model import Document

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jinja2 import Environment

_LONG = 16
_MODULES = frozenset({"enums"})
_OF_DOCUMENTS = frozenset(vars(Document))


def settle(
    models: dict[str, Model], aliases: dict[str, Choice], *, documents: frozenset[str], roots: Iterable[str]
) -> tuple[dict[str, Model], dict[str, Choice]]:
    """The models and aliases that are emitted: reachable ones, long enums named, inline ones of the same structure merged."""
    models = reachable(models, [name for name, model in models.items() if model.component] + list(roots))
    aliases = dict(aliases)
    by_values = {choice.values: name for name, choice in sorted(aliases.items(), reverse=True)}

    def named(kind: Type, name: str) -> Type:
        if isinstance(kind, Choice) and kind.alias is None and len(kind.values) > _LONG:
            alias = by_values.setdefault(kind.values, name)
            aliases.setdefault(alias, evolve(kind, alias=alias))
            return aliases[alias]
        if isinstance(kind, Array):
            return Array(named(kind.item, name))
        if isinstance(kind, Mapping):
            return Mapping(named(kind.value, name))
        if isinstance(kind, OneOf):
            return OneOf(tuple(named(member, name) for member in kind.members))
        return kind

    for key in sorted(models):
        fields = []
        for each in models[key].fields:
            pascal = "".join(part[:1].upper() + part[1:] for part in re.split(r"[^0-9A-Za-z]+", each.wire))
            # Only documents have `http` and `related`; elsewhere these are names like any other.
            taken = key in documents and each.name in _OF_DOCUMENTS
            name = f"{each.name}_" if taken else each.name
            fields.append(evolve(each, name=name, type=named(each.type, key + pascal)))
        models[key] = evolve(models[key], fields=tuple(fields), document=key in documents)
    return merge_inline(models, frozenset(roots)), aliases


def modules(models: dict[str, Model]) -> dict[str, str]:
    """Name of each model → its module. An inline model lives with the one component that uses it, else on its own."""
    users: dict[str, set[str]] = {}
    for model in models.values():
        for field in model.fields:
            for name in names_in(field.type):
                users.setdefault(name, set()).add(model.name)
    homes: dict[str, str] = {name: name for name, model in models.items() if model.component}

    def home(name: str, above: frozenset[str] = frozenset()) -> str | None:
        if name in homes:
            return homes[name]
        if name in above:
            return None
        found = {home(user, above | {name}) for user in users.get(name, ())} - {None}
        return found.pop() if len(found) == 1 else None

    for name in sorted(models):
        if name not in homes:
            homes[name] = home(name) or name
    return {name: _free_module(module_name(owner)) for name, owner in homes.items()}


def _free_module(name: str) -> str:
    return f"{name}_" if keyword.iskeyword(name) or name in _MODULES else name


def render(env: Environment, models: dict[str, Model], aliases: dict[str, Choice]) -> dict[str, str]:
    """File name → text of the `models` package."""
    homes = modules(models)
    files: dict[str, str] = {}
    template = env.get_template("model_module.py.jinja")
    by_module: dict[str, list[Model]] = {}
    for name in sorted(models, key=lambda name: (not models[name].component, name)):
        by_module.setdefault(homes[name], []).append(models[name])
    for module, members in by_module.items():
        files[f"{module}.py"] = template.render(**_module(module, members, models, homes))
    for name in ("Literal", "TypeAlias"):
        if name in aliases:
            raise CodegenError(f"a schema that is an enum can't be called {name}", place=f"/components/schemas/{name}")
    files["enums.py"] = env.get_template("enums.py.jinja").render(
        aliases=[(name, alias_text(choice)) for name, choice in sorted(aliases.items())]
    )
    index = sorted((homes | dict.fromkeys(aliases, "enums")).items())
    files["__init__.py"] = env.get_template("models_init.py.jinja").render(modules=index)
    files["__init__.pyi"] = env.get_template("models_init.pyi.jinja").render(modules=index)
    return files


def _module(module: str, members: list[Model], models: dict[str, Model], homes: dict[str, str]) -> dict[str, Any]:
    names: dict[str, set[str]] = {}
    taken = {model.name for model in members} | {field.name for model in members for field in model.fields}
    for model in members:
        for field in model.fields:
            for source, name in needs(field.type, closed=is_constant(field)):
                if source == "models" and homes[name] == module:
                    continue
                where = f".{homes[name]}" if source == "models" else ".enums" if source == "enums" else source
                names.setdefault(where, set()).add(name)
    taken |= {name for where, found in names.items() if where.startswith(".") for name in found}
    for where in ("typing", "datetime"):
        for name in names.get(where, set()) & {name for name in taken if name in homes or name[:1].isupper()}:
            raise CodegenError(
                f"a schema can't be called {name}: the module of {members[0].name} needs the name",
                place=f"/components/schemas/{name}",
            )
    references = References(models, frozenset(taken))
    classes = []
    for model in members:
        wires = {field.wire: field.name for field in model.fields}
        lines = [field_line(field, references, wires) for field in model.fields]
        base = references.helper("Document" if model.document else "Model")
        what = f"Schema `{model.name}`." if model.component else f"Inline object `{model.name}`."
        classes.append({"name": model.name, "base": base, "doc": what, "lines": lines})
    decorator = references.helper("model")
    if any(name == "UNSET" or name.startswith("UNSET as ") for name in references.imports):
        unset = references.free("Unset")
        names.setdefault("klaviyo_async.model", set()).add("Unset" if unset == "Unset" else f"Unset as {unset}")
    return {
        "title": f"Schema `{members[0].name}`" + (" and the objects inside it." if len(members) > 1 else "."),
        "runtime": references.imports,
        "decorator": decorator,
        "names": names,
        "classes": classes,
    }
