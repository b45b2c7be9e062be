"""Where the inline models of a revision are, and what they are called there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codegen.generating.ir import Object, objects_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codegen.generating.interface.resources import Gathered


def places(gathered: Gathered) -> Iterator[tuple[tuple[object, ...], str]]:
    """Where each inline model is, from the schemas and resources downwards, and its name."""
    own = {key for key, model in gathered.models.items() if model.component or model.doc.startswith("The resource ")}
    stack: list[tuple[Object, tuple[object, ...]]] = [(key, (key,)) for key in own]
    seen: set[tuple[object, ...]] = set()
    while stack:
        key, place = stack.pop()
        for field in gathered.models[key].fields:
            for inside in objects_in(field.type):
                there = (*place, field.wire)
                if inside in gathered.models and inside not in own and there not in seen and len(there) < 8:
                    seen.add(there)
                    yield there, inside.name
                    stack.append((inside, there))
