"""What changed in what schemas say besides types: bounds, formats, defaults, extensions, and any key to come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codegen.diffing.changes import Rating, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from codegen.diffing.types import Sides

_HARMLESS = frozenset({"default", "deprecated", "writeOnly", "x-klaviyo-pre-release"})
"""Keys that ask nothing of a request and say nothing new of a response."""


def compare_facts(
    old: Mapping[str, list[Any]], new: Mapping[str, list[Any]], sides: Sides
) -> Iterator[tuple[str, Rating, str]]:
    """Key, rating and text of each difference. Both map a key to all that the schemas say of it, each once."""
    for key in dict.fromkeys([*old, *new]):
        before, after = old.get(key, []), new.get(key, [])
        if _same(before, after):
            continue
        rating = rate(key, before, after, sides)
        first, second = (" or ".join(_short(each) for each in values) or "none" for values in (before, after))
        yield key, rating, f"{_words(key)} {first} → {second}"


def _same(old: list[Any], new: list[Any]) -> bool:
    return len(old) == len(new) and all(each in new for each in old)


def rate(key: str, old: list[Any], new: list[Any], sides: Sides) -> Rating:
    """What the difference means: a request must not be asked for more than before."""
    name = key.rpartition(".")[2]
    if name in {"discriminator", "style", "explode"}:
        return sides.rate(sent=Rating.POSSIBLY, received=Rating.POSSIBLY)
    if name in _HARMLESS or not new or new == [False]:
        # additionalProperties is the one that takes something away by being false.
        return (
            sides.rate(sent=Rating.BREAKING) if name == "additionalProperties" and new == [False] else Rating.COMPATIBLE
        )
    if name == "additionalProperties" and new == [True]:
        return Rating.COMPATIBLE
    if name.startswith("x-") and not name.startswith(("x-max", "x-required")):
        return Rating.COMPATIBLE
    bounds = [each for each in (*old, *new) if isinstance(each, (int, float)) and not isinstance(each, bool)]
    if len(bounds) == len(old) + len(new):
        if name.startswith(("max", "x-max", "exclusiveMax")):
            return sides.rate(sent=Rating.BREAKING if not old or min(new) < min(old) else Rating.COMPATIBLE)
        if name.startswith(("min", "exclusiveMin")):
            return sides.rate(sent=Rating.BREAKING if not old or max(new) > max(old) else Rating.COMPATIBLE)
    return sides.rate(sent=Rating.BREAKING)


def shrinks(key: str, rating: Rating) -> bool:
    """Whether the difference is a limit that is smaller than before."""
    return rating is not Rating.COMPATIBLE and key.rpartition(".")[2].startswith(("max", "x-max"))


def _words(key: str) -> str:
    inner, _, name = key.rpartition(".")
    where = {"items": "each item's ", "additionalProperties": "each value's "}.get(inner, f"{inner} " if inner else "")
    return f"{where}`{name}`"


def _short(value: Any) -> str:
    text = plain(value) if not isinstance(value, bool) else str(value).lower()
    return text if len(text) <= 80 else f"{text[:77]}…"
