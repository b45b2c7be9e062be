"""The end of a message about an unknown name: the nearest match and what is allowed. Quoted values are shortened."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["nearest", "printable", "shown", "unknown_keyword"]

_LISTED = 12
_LISTABLE = 100
_LONGEST = 100


def nearest(name: object, allowed: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the nearest match, if any, and the first dozen allowed names.

    If there are more than a hundred (operations, for instance), they are not listed.
    """
    names = list(allowed)
    if not names:
        return " (none are allowed)"
    # Comparing takes quadratic time; a name that long is not a typo.
    near = get_close_matches(name, names, 1, 0.5) if isinstance(name, str) and len(name) <= _LONGEST else []
    end = f"; did you mean {near[0]!r}?" if near else ""
    if len(names) > _LISTABLE:
        return end
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{end or '.'} Allowed: {', '.join(names[:_LISTED])}{more}"


def shown(value: object, longest: int = 80) -> str:
    """The repr of a value, shortened: it may be megabytes."""
    # Slicing first: the repr of a long text is as long as the text.
    try:
        text = repr(value[: longest + 1] if isinstance(value, str | bytes) else value)
    except Exception:  # noqa: BLE001 - an int of more than 4300 digits has no repr, nor has what others wrote badly
        text = f"<{type(value).__name__}>"
    return text if len(text) <= longest else text[:longest] + "…"


def printable(text: str) -> str:
    """The text with lone surrogates as escapes: no terminal, log file or database takes them."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def unknown_keyword(operation: str, name: str, known: Iterable[str]) -> TypeError:
    """A TypeError that names the operation, the keyword and the nearest existing keyword."""
    return TypeError(f"{operation} has no keyword {shown(name)}{nearest(name, known)}")
