"""`UNSET`: marks a field that is not set."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal

__all__ = ["ABSENT", "UNSET", "Unset"]


class Unset:
    """The type of `UNSET`."""

    __slots__ = ()
    _instance: ClassVar[Unset | None] = None

    def __new__(cls) -> Unset:
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "UNSET"

    def __reduce__(self) -> str:
        return "UNSET"


UNSET: Final = Unset()
"""Marks a field that is not set, as opposed to `None`: in a body `None` clears a field, `UNSET` leaves it alone."""

ABSENT: Final[Any] = UNSET
"""`UNSET` as the default of fields in responses: missing values read as None, so their types don't mention it."""
