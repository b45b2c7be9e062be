"""The classes of a revision, settled: one for each resource, all with names and modules."""

from __future__ import annotations

import keyword
from typing import TYPE_CHECKING

from attrs import evolve

from codegen.generating.interface.naming import name_choices, name_inline
from codegen.generating.interface.resources import gather
from codegen.generating.ir import distinct
from codegen.names import module_name
from klaviyo_async._model import Document

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from codegen.generating.interface.resources import Gathered
    from codegen.generating.ir import Choice, Model, Models, Object
    from codegen.specs.undeclared import Undeclared

_MODULES = frozenset({"enums"})
_OF_DOCUMENTS = frozenset(vars(Document))


def settle(
    models: Models,
    aliases: dict[str, Choice],
    *,
    documents: Iterable[Object],
    bodies: Iterable[Object],
    undeclared: Sequence[Undeclared] = (),
) -> tuple[Gathered, dict[str, Choice]]:
    """The models and aliases that are emitted: one for each resource, all with names and modules."""
    documents, bodies = frozenset(documents), frozenset(bodies)
    homed = {
        # A form's schema stands in its operation: it is no component, and has the engine's name.
        key: evolve(model, module=_free_module(key.name), doc=_what(model) if model.component or key in bodies else "")
        for key, model in models.items()
    }
    gathered = gather(homed, results=documents, bodies=bodies, undeclared=undeclared)
    settled, aliases = name_choices(name_inline(gathered.models), aliases)
    for key in documents & settled.keys():
        # Only documents have `http` and `related`; elsewhere these are names like any other.
        fields = distinct(
            evolve(each, name=f"{each.name}_" if each.name in _OF_DOCUMENTS else each.name)
            for each in settled[key].fields
        )
        settled[key] = evolve(settled[key], fields=fields, document=True)
    return evolve(gathered, models=settled), aliases


def _what(model: Model) -> str:
    return f"Schema `{model.name}`." if model.component else f"Form `{model.name}`."


def _free_module(name: str) -> str:
    name = module_name(name)
    return f"{name}_" if keyword.iskeyword(name) or name in _MODULES else name
