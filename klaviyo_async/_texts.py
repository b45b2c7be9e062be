"""The text of what is sent as text: ids, parameters, form fields, keys."""

from __future__ import annotations

__all__ = ["text_of"]


def text_of(value: object) -> str:
    """The value's own text. `str()` gives the name of the member for enums that are also a `str` or a number."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return float.__repr__(value)
    return str(value)
