"""What changed in the classes of `models` and `resources`, and in the lists of values that have a name."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from codegen.diffing import facts, types
from codegen.diffing.changes import Change, Rating, listed
from codegen.diffing.types import Sides
from codegen.generating.ir import Array, Choice, Mapping, OneOf, Type, objects_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Mapping as AnyMapping

    from codegen.diffing.interface import Class, Field, Interface
    from codegen.generating.ir import Object

_OK, _POSSIBLY, _BREAKING = Rating.COMPATIBLE, Rating.POSSIBLY, Rating.BREAKING
_ALIKE = 0.5
"""How much of their fields two classes have in common, at least, where one is taken for the other's successor."""


# --- which class is which


def pair(old: Interface, new: Interface, functions: AnyMapping[str, str]) -> dict[str, str]:
    """Class of the first → the one that it is in the second: the same name, or the one in its place."""
    found = _Pairing(old, new)
    for before, after in functions.items():
        first, second = old.functions[before], new.functions[after]
        for one, other in ((first.result, second.result), (first.body, second.body)):
            if one is not None and other is not None:
                found.match([_home(one, old)], [_home(other, new)], sure=True)
    found.run()
    return found.pairs


def _home(schema: str, interface: Interface) -> str:
    return interface.instead.get(schema, f"models.{schema}")


def name_of(key: Object) -> str:
    """A class as interfaces name it."""
    return f"{key.package}.{key.name}"


class _Pairing:
    """Finds which class is which, from those that are known to those that their fields refer to."""

    def __init__(self, old: Interface, new: Interface) -> None:
        self.old, self.new = old, new
        self.pairs = {name: name for name in old.classes if name in new.classes}
        for schema, name in new.instead.items():
            if f"models.{schema}" in old.classes and f"models.{schema}" not in new.classes:
                self.pairs[f"models.{schema}"] = name
        self.queue = deque(self.pairs)

    def run(self) -> None:
        while self.queue:
            name = self.queue.popleft()
            fields = self.new.classes[self.pairs[name]].fields
            for wire, field in self.old.classes[name].fields.items():
                if wire in fields:
                    self.match(_classes(field.type), _classes(fields[wire].type))

    def match(self, before: list[str], after: list[str], *, sure: bool = False) -> None:
        """Take those in the same place for each other, where the first is gone."""
        gone = [each for each in before if each in self.old.classes and each not in self.pairs]
        kept = [each for each in after if each in self.new.classes]
        candidates = [each for each in kept if each not in self.old.classes] or kept
        for name in gone if candidates else ():
            best = max(candidates, key=lambda each: (self._likeness(name, each), _common(name, each), each))
            alone = len(gone) == len(candidates) == 1 and not self._excluded(name, best)
            if sure or alone or self._likeness(name, best) >= _ALIKE:
                self.pairs[name] = best
                self.queue.append(name)

    def _likeness(self, name: str, other: str) -> float:
        if self._excluded(name, other):
            return 0
        first, second = set(self.old.classes[name].fields), set(self.new.classes[other].fields)
        return len(first & second) / (len(first | second) or 1)

    def _excluded(self, name: str, other: str) -> bool:
        """Whether a field that both have tells them apart, as the types of the members of a union do."""
        fields = self.new.classes[other].fields
        return any(
            wire in fields and types.excluded(field.type, fields[wire].type)
            for wire, field in self.old.classes[name].fields.items()
        )


def _common(name: str, other: str) -> int:
    """How many letters the names begin with in common."""
    return next((index for index, (one, two) in enumerate(zip(name, other, strict=False)) if one != two), len(name))


def _classes(kind: Type) -> list[str]:
    return list(dict.fromkeys(name_of(key) for key in objects_in(kind)))


# --- what is different


def compare(
    old: Interface, new: Interface, pairs: AnyMapping[str, str], functions: AnyMapping[str, str]
) -> Iterator[Change]:
    """The changes of all classes. `pairs` are from `pair`, `functions` tells what functions of the first are now."""
    for name, each in old.classes.items():
        if name not in pairs:
            told = "removed"
            if name.removeprefix("models.") in new.values and name.startswith("models."):
                told = "is a list of values now"
            yield Change("class-removed", _BREAKING, name, told, _functions(each, functions), names=(name,))
            continue
        other = pairs[name]
        if name != other and name not in new.classes:
            yield _renamed(each, other, new, functions)
        yield from _Pair(each, new.classes[other], pairs, functions).changes()
    for name, each in new.classes.items():
        if name not in old.classes and name not in pairs.values():
            yield Change("class-added", _OK, name, "added", tuple(sorted(each.sent | each.received)))
    yield from _instead(old, new)
    yield from _values(old, new)
    for name in sorted(old.types - new.types):
        yield Change("type-removed", _BREAKING, f"api.types.{name}", "removed", names=(f"api.types.{name}",))
    for name in sorted(new.types - old.types):
        yield Change("type-added", _OK, f"api.types.{name}", "added")


def _functions(each: Class, functions: AnyMapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted(functions.get(name, name) for name in each.sent | each.received))


def _renamed(each: Class, other: str, new: Interface, functions: AnyMapping[str, str]) -> Change:
    name, reached = each.name, _functions(each, functions)
    if name.removeprefix("models.") in new.instead and name.startswith("models."):
        return Change("class-taken-over", _OK, name, f"is another name of `{other}` now", reached)
    return Change("class-renamed", _BREAKING, name, f"is now `{other}`", reached, names=(name,))


def _instead(old: Interface, new: Interface) -> Iterator[Change]:
    """Schemas that are other names of a resource's class."""
    for schema, name in old.instead.items():
        key = f"models.{schema}"
        if schema in new.instead:
            if new.instead[schema] != name and name in new.classes:
                yield Change(
                    "class-moved", _POSSIBLY, key, f"is another name of `{new.instead[schema]}` now, was of `{name}`"
                )
        elif key in new.classes:
            yield Change("class-moved", _POSSIBLY, key, f"is now a separate class, was another name of `{name}`")
        elif schema not in new.values:
            yield Change(
                "class-removed", _BREAKING, key, f"removed; use `{name}`, whose other name it was", names=(key,)
            )
    for schema, name in new.instead.items():
        if schema not in old.instead and f"models.{schema}" not in old.classes:
            yield Change("class-added", _OK, f"models.{schema}", f"is another name of `{name}`")


def _values(old: Interface, new: Interface) -> Iterator[Change]:
    """Lists of values that have a name."""
    used = (_users(old), _users(new))
    for name, before in old.values.items():
        key = f"models.{name}"
        if name in new.values:
            sides = Sides(*(any(each.get(name, (False, False))[side] for each in used) for side in (0, 1)))
            for each in types.values(before, new.values[name], sides):
                yield Change("values", each.rating, key, each.text)
        elif name not in new.instead and key not in new.classes:
            yield Change("values-removed", _BREAKING, key, f"removed; it listed {listed(before, 4)}", names=(key,))
    for name, after in new.values.items():
        if name not in old.values and f"models.{name}" not in old.classes:
            yield Change("values-added", _OK, f"models.{name}", f"added: {listed(after, 4)}")


def _users(interface: Interface) -> dict[str, tuple[bool, bool]]:
    """List of values → whether it is sent, whether it is received."""
    found: dict[str, tuple[bool, bool]] = {}
    for each in interface.classes.values():
        for field in each.fields.values():
            sent, received = bool(field.sent or each.sent), bool(field.received or each.received)
            for alias in _aliases(field.type):
                before = found.get(alias, (False, False))
                found[alias] = (before[0] or sent, before[1] or received)
    return found


def _aliases(kind: Type) -> Iterator[str]:
    if isinstance(kind, Choice):
        if kind.alias is not None:
            yield kind.alias
    elif isinstance(kind, Array):
        yield from _aliases(kind.item)
    elif isinstance(kind, Mapping):
        yield from _aliases(kind.value)
    elif isinstance(kind, OneOf):
        for member in kind.members:
            yield from _aliases(member)


def _arguments(field: Field) -> tuple[str, ...]:
    return tuple(f"{name}({keyword})" for name, keyword in sorted(field.keywords.items()))


class _Pair:
    """The comparison of a class with what it is in the new revision."""

    def __init__(
        self,
        old: Class,
        new: Class,
        pairs: AnyMapping[str, str],
        functions: AnyMapping[str, str],
    ) -> None:
        self.old, self.new, self.pairs, self.functions = old, new, pairs, functions
        self.sent = {functions[name] for name in old.sent if name in functions}
        self.received = {functions[name] for name in old.received if name in functions}

    def changes(self) -> Iterator[Change]:
        for wire, field in self.old.fields.items():
            after = self.new.fields.get(wire)
            if after is None:
                yield self._removed(field)
            else:
                yield from self._field(field, after)
        for wire, field in self.new.fields.items():
            if wire not in self.old.fields:
                yield self._added(field)
        sides = Sides(bool(self.old.sent and self.new.sent), bool(self.old.received and self.new.received))
        for key, rating, text in facts.compare_facts(self.old.facts, self.new.facts, sides):
            yield Change(
                "class-schema",
                rating,
                self.new.name,
                text,
                tuple(sorted(self.new.sent | self.new.received)),
                shrinks=facts.shrinks(key, rating),
            )

    def _name(self, key: Object) -> str:
        name = name_of(key)
        return self.pairs.get(name, name)

    def _subject(self, field: Field) -> str:
        return f"{self.new.name}.{field.name}"

    def _removed(self, field: Field) -> Change:
        reached = {self.functions.get(name, name) for name in field.sent | field.received}
        gone = [f"{self.old.name}.{field.name}", f"{self.new.name}.{field.name}"]
        return Change(
            "field-removed",
            _BREAKING,
            self._subject(field),
            f"removed ({types.shown(field.type)})",
            tuple(sorted(reached)),
            names=tuple(dict.fromkeys(gone)),
            arguments=_arguments(field),
        )

    def _added(self, field: Field) -> Change:
        needed = field.required and bool(self.sent & field.sent)
        told = f"{'required, ' if needed else ''}{types.shown(field.type)}{' or null' if types.has_none(field.type) else ''}"
        return Change(
            "field-added",
            _BREAKING if needed else _OK,
            self._subject(field),
            f"added ({told})",
            tuple(sorted(field.sent | field.received)),
            arguments=_arguments(field),
        )

    def _field(self, old: Field, new: Field) -> Iterator[Change]:
        sent = bool(old.sent) and bool(new.sent)
        received = bool(old.received) and bool(new.received)
        if not sent and not received:
            sent, received = bool(self.old.sent and self.new.sent), bool(self.old.received and self.new.received)
        sides = Sides(sent, received)
        for kind, rating, text, small in self._differences(old, new, sides):
            yield Change(
                kind,
                rating,
                self._subject(new),
                text,
                tuple(sorted(new.sent | new.received)),
                names=(f"{self.old.name}.{old.name}",) if kind == "field-renamed" else (),
                arguments=_arguments(new),
                shrinks=small,
            )
        yield from self._presence(old, new)

    def _differences(self, old: Field, new: Field, sides: Sides) -> Iterator[tuple[str, Rating, str, bool]]:
        if old.name != new.name:
            yield "field-renamed", _BREAKING, f"was called `{old.name}`", False
        found = list(types.compare(old.type, new.type, sides, self._name))
        for each in found:
            yield f"field-{each.kind}", each.rating, each.text, False
        nulls = types.has_none(old.type), types.has_none(new.type)
        if sides.sent and nulls[0] and not nulls[1]:
            yield "field-null", _BREAKING, "is no longer cleared by null", False
        elif sides.sent and nulls[1] and not nulls[0] and not sides.received:
            yield "field-null", _OK, "may be null", False
        if sides.received or not sides.sent:
            if new.reads_none and not old.reads_none:
                told = "may be null" if nulls[1] and not nulls[0] else "may be missing"
                yield "field-null", _POSSIBLY, f"{told}, and reads as None then", False
            elif old.reads_none and not new.reads_none:
                yield "field-null", _OK, "is always present and never null", False
            elif nulls[1] != nulls[0] and not sides.sent:
                told = "may be null as well as missing" if nulls[1] else "may be missing, but is never null"
                yield "field-null", _OK, told, False
        if sides.sent and old.required != new.required:
            told = "is required" if new.required else "is no longer required"
            yield "field-required", _BREAKING if new.required else _OK, told, False
        elif old.required != new.required and old.reads_none == new.reads_none:
            told = "is required in a response" if new.required else "is no longer required in a response"
            yield "field-required", _OK, told, False
        retyped = any(each.kind == "type" for each in found)
        for key, rating, text in facts.compare_facts(old.facts, new.facts, sides):
            if retyped and key.rpartition(".")[2] == "format":
                continue  # the type tells of it
            yield "field-schema", rating, text, facts.shrinks(key, rating)

    def _presence(self, old: Field, new: Field) -> Iterator[Change]:
        """Functions that no longer send or give the field, though they still do with the class around it."""
        before = {self.functions[name] for name in old.received if name in self.functions}
        lost = before - new.received
        lost &= self.new.received
        if lost and new.received:
            told = f"no longer returned by {listed(sorted(lost), 6)}: reads as None there"
            yield Change("field-lost", _POSSIBLY, self._subject(new), told, tuple(sorted(lost)))
        gained = (new.received - before) & self.received
        if gained and before:
            told = f"also returned by {listed(sorted(gained), 6)}"
            yield Change("field-gained", _OK, self._subject(new), told, tuple(sorted(gained)))
