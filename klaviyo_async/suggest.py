"""What to say after a name that isn't known: the nearest match and what there is."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["nearest", "unknown_keyword"]

_SHOWN = 12


def nearest(name: str, allowed: Iterable[str]) -> str:
    """The end of a sentence about a wrong name: the nearest match, if any, and the first dozen of what is allowed."""
    names = list(allowed)
    if not names:
        return " (it takes none)"
    near = get_close_matches(name, names, 1, 0.5)
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    return (f"; did you mean {near[0]!r}?" if near else ".") + f" There are: {shown}"


def unknown_keyword(operation: str, name: str, known: Sequence[str]) -> TypeError:
    """A TypeError that names the keyword, the operation and the nearest keyword that there is."""
    near = get_close_matches(name, known, 1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(known)}" if known else ""
    return TypeError(f"{operation} has no keyword {name!r}{hint}")
