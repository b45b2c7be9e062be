"""Models → source files of the packages `models` and `resources`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codegen.errors import CodegenError
from codegen.generating.interface.naming import LONG_CHOICE
from codegen.generating.ir import Time, objects_in
from codegen.generating.text.render import References, alias_text, field_line, is_constant, needs, parameters

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jinja2 import Environment

    from codegen.generating.interface.resources import Gathered
    from codegen.generating.ir import Choice, Model, Models
    from codegen.generating.text.render import Imported


def render(env: Environment, gathered: Gathered, aliases: dict[str, Choice]) -> dict[str, dict[str, str]]:
    """Package → file name → text."""
    packages: dict[str, dict[str, str]] = {"models": {}, "resources": {}}
    by_module: dict[tuple[str, str], list[Model]] = {}
    models = gathered.models
    for model in sorted(models.values(), key=lambda model: (not model.component, model.name)):
        by_module.setdefault((model.object.package, model.module), []).append(model)
    template = env.get_template("model_module.py.jinja")
    for (package, module), group in sorted(by_module.items()):
        packages[package][f"{module}.py"] = template.render(**_Module(package, module, group, models).context())
    for name in ("Literal", "TypeAlias"):
        if name in aliases:
            raise CodegenError(f"a schema that is an enum can't be called {name}", place=f"/components/schemas/{name}")
    packages["models"]["enums.py"] = env.get_template("enums.py.jinja").render(aliases=list(_alias_texts(aliases)))
    for package, files in packages.items():
        index = {key.name: model.module for key, model in models.items() if key.package == package}
        taken_over = []
        if package == "models":
            index |= dict.fromkeys(aliases, "enums")
            taken_over = [(name, key.name, models[key].module) for name, key in sorted(gathered.aliases.items())]
        for file in ("__init__.py", "__init__.pyi"):
            files[file] = env.get_template(f"models_{file[2:6]}{file[8:]}.jinja").render(
                package=package, modules=sorted(index.items()), taken_over=taken_over
            )
    return packages


def _alias_texts(aliases: dict[str, Choice]) -> Iterator[tuple[str, str]]:
    """The aliases by name; a long list that another has already is written once."""
    first: dict[object, str] = {}
    for name, choice in sorted(aliases.items()):
        same = first.setdefault(choice.values, name)
        yield name, same if same != name and len(choice.values) > LONG_CHOICE else alias_text(choice)


class _Module:
    """One module of models."""

    def __init__(self, package: str, module: str, group: Sequence[Model], models: Models) -> None:
        self.package, self.module, self.group = package, module, group
        self.imports: dict[str, set[str]] = {}
        own = {model.name for model in group}
        fields = {field.name for model in group for field in model.fields}
        self.names: Imported = {}
        taken = own | fields
        for key in sorted({key for model in group for field in model.fields for key in objects_in(field.type)}):
            if models[key] in group:
                continue
            home = models[key].module
            name = key.name
            while name in taken:
                name = f"_{name}"  # a schema and a resource may have the same name
            taken.add(name)
            self.names[key] = name
            where = f".{home}" if key.package == package else f"..{key.package}.{home}"
            self._import(where, key.name if name == key.name else f"{key.name} as {name}")
        enums = "." if package == "models" else "..models."
        for model in group:
            for field in model.fields:
                for source, name in needs(field.type, closed=is_constant(field)):
                    if source == "datetime" and name in fields:
                        # A field of the name hides it from the annotations after it.
                        self.names[Time(day=name == "date")] = f"_{name}"
                        self._import(source, f"{name} as _{name}")
                    elif source not in {"models", "resources"}:
                        taken.add(name)
                        self._import(f"{enums}enums" if source == "enums" else source, name)
        self._check(own)
        self.references = References(models, package, frozenset(taken))

    def _import(self, module: str, name: str) -> None:
        self.imports.setdefault(module, set()).add(name)

    def _check(self, own: set[str]) -> None:
        for where in ("typing", "datetime"):
            for name in self.imports.get(where, set()) & (own | set(self.names.values())):
                raise CodegenError(
                    f"a schema can't be called {name}: the module of {self.group[0].name} needs the name",
                    place=f"/components/schemas/{name}",
                )

    def context(self) -> dict[str, Any]:
        classes = [
            {
                "name": model.name,
                "base": self.references.helper("Document" if model.document else "Model"),
                "doc": model.doc,
                "fields": [
                    (field_line(field, model, self.references, self.names), " ".join(field.facts))
                    for field in model.fields
                ],
                "parameters": parameters(model, self.references, self.names),
            }
            for model in self.group
        ]
        decorator = self.references.helper("model")
        runtime = set(self.references.imports)
        for_types = {each for each in runtime if each.partition(" ")[0] == "Unset"}
        if for_types:
            self.imports["klaviyo_async._model"] = for_types
        first = self.group[0]
        if self.package == "resources":
            title = f"The resource `{self.module.replace('_', '-')}` and related classes."
        else:
            title = first.doc.removesuffix(".") + (" and the objects inside it." if len(self.group) > 1 else ".")
        return {
            "title": title,
            "runtime": sorted(runtime - for_types),
            "decorator": decorator,
            "names": self.imports,
            "classes": classes,
        }
