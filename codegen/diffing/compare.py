"""`python -m codegen diff R1 R2`: what changed between two revisions for those who use the package."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import Factory, define, evolve

from codegen.diffing import classes, functions, interface
from codegen.diffing.changes import Change, Rating
from codegen.errors import CodegenError
from codegen.specs.assemble import known_revisions, load_folder
from codegen.specs.overrides import Overrides
from codegen.specs.tables import overrides_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from codegen.diffing.interface import Interface

_REVISION = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z0-9]+)?")


@define
class Diff:
    """The differences between two revisions. False where there are none."""

    old: str
    new: str
    changes: list[Change]
    counts: dict[str, tuple[int, int]]
    """What is counted → how many before and after."""
    problems: list[str] = Factory(list)
    """Overrides that don't fit one of the revisions."""

    def __bool__(self) -> bool:
        return bool(self.changes)

    @property
    def rating(self) -> Rating:
        """The worst of the changes."""
        return max((each.rating for each in self.changes), default=Rating.COMPATIBLE)

    def rated(self, rating: Rating) -> Iterator[Change]:
        """The changes of one rating."""
        return (each for each in self.changes if each.rating is rating)

    def gone(self) -> set[str]:
        """The public names that the second doesn't have."""
        return {name for each in self.changes for name in each.names}


def compare(specs: Path, old: str, new: str) -> Diff:
    """The differences between two revisions of `specs`, or between folders of imported specs. Raises CodegenError."""
    problems: list[str] = []
    first, second = (read(specs, name, problems) for name in (old, new))
    return between(first, second, (_label(old), _label(new)), list(dict.fromkeys(problems)))


def between(old: Interface, new: Interface, labels: tuple[str, str], problems: list[str] | None = None) -> Diff:
    """The differences between two interfaces; `labels` are what people call them."""
    pairs = functions.pair(old, new)
    same = classes.pair(old, new, pairs)
    of_classes = list(classes.compare(old, new, same, pairs))
    changes = _merged(functions.compare(old, new, pairs), of_classes)
    counts = {
        "functions": (len(old.functions), len(new.functions)),
        "resources": (_resources(old), _resources(new)),
        "classes": (len(old.classes), len(new.classes)),
    }
    return Diff(*labels, list(dict.fromkeys(changes)), counts, problems or [])


_ARGUMENT = re.compile(r"(?:required )?argument `(\w+)` (?:added|removed|is )")


def _merged(of_functions: Iterable[Change], of_classes: list[Change]) -> list[Change]:
    """All changes, those of arguments that are fields of a body told once: as the field, which knows its type."""
    fields = {
        (argument, each.kind.partition("-")[2]): index
        for index, each in enumerate(of_classes)
        for argument in each.arguments
    }
    kept = []
    for each in of_functions:
        match = _ARGUMENT.match(each.text) if each.kind.startswith("argument-") else None
        index = fields.get((f"{each.subject}({match[1]})", each.kind.partition("-")[2])) if match else None
        if index is None:
            kept.append(each)
        else:
            same = of_classes[index]
            of_classes[index] = evolve(same, names=(*same.names, *each.names), rating=max(same.rating, each.rating))
    return [*kept, *of_classes]


def read(specs: Path, name: str, problems: list[str]) -> Interface:
    """The interface of a revision in the specs, or of a folder of imported specs. Raises CodegenError."""
    folder = specs / name if _REVISION.fullmatch(name) else Path(name)
    if not folder.is_dir():
        known = ", ".join(known_revisions(specs)) or "none"
        raise CodegenError(f"neither a revision of the specs ({known}) nor a folder of imported specs", file=name)
    revision = folder.resolve().name
    overrides = Overrides.load(overrides_file(specs))
    spec = load_folder(folder, revision if _REVISION.fullmatch(revision) else "", overrides, problems)
    return interface.of(spec, folder)


def _label(name: str) -> str:
    return Path(name).name or name


def _resources(found: Interface) -> int:
    return sum(name.startswith("resources.") and "attributes" in each.fields for name, each in found.classes.items())
