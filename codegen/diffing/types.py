"""What changed between two types of the intermediate form, and what that means where values are sent and received."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from codegen.diffing.changes import Rating, came_and_went, listed
from codegen.generating.ir import NONE, Array, Choice, Mapping, Object, OneOf, Scalar, Time, Type, members

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_WORDS = {"str": "text", "int": "integer", "float": "number", "bool": "boolean", "bytes": "file", "Any": "anything"}
_HOLDERS = {"list": "each item", "mapping": "each value"}


@frozen
class Sides:
    """Whether a value goes out in requests, comes in with responses, or both."""

    sent: bool
    received: bool

    def rate(self, *, sent: Rating = Rating.COMPATIBLE, received: Rating = Rating.COMPATIBLE) -> Rating:
        """The worse of the ratings that apply."""
        found = [sent] if self.sent else []
        # What nothing sends is only ever read, by whoever makes use of it.
        found += [received] if self.received or not self.sent else []
        return max(found)


@frozen
class Difference:
    """One difference of types."""

    kind: str
    rating: Rating
    text: str


def compare(old: Type, new: Type, sides: Sides, name: Callable[[Object], str], where: str = "") -> Iterator[Difference]:
    """The differences. `name` gives what a class of the old revision is called in the new one."""
    before, after = _kinds(old, name), _kinds(new, lambda key: f"{key.package}.{key.name}")
    came, went = came_and_went(before, after)
    if came or went:
        told = f"{_shown(before)} → {_shown(after)}"
        if before.keys() & after.keys():
            parts = [f"now also {_shown({key: after[key] for key in came})}"] if came else []
            parts += [f"no longer {_shown({key: before[key] for key in went})}"] if went else []
            told = ", ".join(parts)
        yield Difference("type", _rate(before, after, sides), f"{where}{told}")
    for kind in before:
        if kind in after:
            first, second = before[kind][0], after[kind][0]
            if kind in _HOLDERS:
                inner = f"{where}{_HOLDERS[kind]}: "
                yield from _null(_item(first), _item(second), sides, inner)
                yield from compare(_item(first), _item(second), sides, name, inner)
            elif isinstance(first, Choice) or isinstance(second, Choice):
                yield from values(_values(before[kind]), _values(after[kind]), sides, where)


def _null(old: Type, new: Type, sides: Sides, where: str) -> Iterator[Difference]:
    """Whether what is in a list or a mapping may be null."""
    if has_none(new) and not has_none(old):
        yield Difference("null", sides.rate(received=Rating.POSSIBLY), f"{where}may be null")
    elif has_none(old) and not has_none(new):
        yield Difference("null", sides.rate(sent=Rating.BREAKING), f"{where}is no longer null")


def has_none(kind: Type) -> bool:
    """Whether a type has None among its values."""
    return kind == NONE or (isinstance(kind, OneOf) and NONE in kind.members)


def shown(kind: Type) -> str:
    """A type for people."""
    return _shown(_kinds(kind, lambda key: f"{key.package}.{key.name}"))


def excluded(old: Type, new: Type) -> bool:
    """Whether no value of the first is one of the second, by what both list."""
    known = [_values(list(members(kind))) for kind in (old, new)]
    return all(known) and not set(map(repr, known[0] or ())) & set(map(repr, known[1] or ()))


def _kinds(kind: Type, name: Callable[[Object], str]) -> dict[str, list[Type]]:
    """What kinds of values there are, each with the types that have it."""
    found: dict[str, list[Type]] = {}
    for member in members(kind):
        if isinstance(member, Choice):
            for one in dict.fromkeys(type(value).__name__ for value in member.values if value is not None):
                found.setdefault(one, []).append(member)
        elif isinstance(member, Object):
            found.setdefault(name(member), []).append(member)
        else:
            found.setdefault(_word(member), []).append(member)
    return found


def _word(kind: Type) -> str:
    if isinstance(kind, Scalar):
        return kind.python
    if isinstance(kind, Time):
        return "date" if kind.day else "datetime"
    return "list" if isinstance(kind, Array) else "mapping"


def _shown(kinds: dict[str, list[Type]]) -> str:
    """The kinds for people; of a list also what is in it."""
    parts = []
    for kind, found in kinds.items():
        first = found[0]
        if isinstance(first, Array):
            parts.append(f"list of {shown(first.item)}")
        elif isinstance(first, Mapping):
            parts.append("mapping")
        else:
            parts.append(_WORDS.get(kind, f"`{kind.rpartition('.')[2]}`" if isinstance(first, Object) else kind))
    return " or ".join(parts) or "null"


def _rate(before: dict[str, list[Type]], after: dict[str, list[Type]], sides: Sides) -> Rating:
    came, went = (set(each) for each in came_and_went(before, after))
    went -= {"int"} if "float" in after else set()  # a number takes integers
    sent = received = Rating.COMPATIBLE
    if went and "Any" not in after:
        # A class takes a mapping of its fields as well.
        sent = Rating.BREAKING if went != {"mapping"} or not _objects(after) else Rating.POSSIBLY
    if came and "Any" not in before:
        received = Rating.POSSIBLY if before.keys() & after.keys() or "Any" in after else Rating.BREAKING
    elif came and not before.keys() & after.keys() and _objects(after):
        received = Rating.POSSIBLY  # plain JSON so far, an object of a class now
    return sides.rate(sent=sent, received=received)


def _objects(kinds: dict[str, list[Type]]) -> bool:
    return any(isinstance(each, Object) for found in kinds.values() for each in found)


def _item(kind: Type) -> Type:
    if isinstance(kind, Array):
        return kind.item
    return kind.value if isinstance(kind, Mapping) else kind


def _values(found: list[Type]) -> tuple[Any, ...] | None:
    """The values that are known; None where any will do."""
    known: list[Any] = []
    for each in found:
        if not isinstance(each, Choice):
            return None
        known += each.values
    return tuple(dict.fromkeys(known))


def values(
    old: tuple[Any, ...] | None, new: tuple[Any, ...] | None, sides: Sides, where: str = ""
) -> Iterator[Difference]:
    """The differences of lists of values; None is any value."""
    if old is None and new is not None:
        rating = sides.rate(sent=Rating.BREAKING)
        yield Difference("values", rating, f"{where}only {listed(new)}, any value before")
    elif new is None and old is not None:
        yield Difference("values", Rating.COMPATIBLE, f"{where}any value, only {listed(old)} before")
    elif old is not None and new is not None:
        came, went = came_and_went(old, new)
        if went:
            other = not set(map(repr, old)) & set(map(repr, new))
            rating = sides.rate(sent=Rating.BREAKING, received=Rating.BREAKING if other else Rating.COMPATIBLE)
            also = f", now {listed(came)}" if came else ""
            yield Difference("values", rating, f"{where}no longer {listed(went)}{also}")
        elif came:
            yield Difference("values", Rating.COMPATIBLE, f"{where}now also {listed(came)}")
