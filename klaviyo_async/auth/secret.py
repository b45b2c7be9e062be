"""Keys and tokens that don't show where they pass through, and digests that identify them."""

from __future__ import annotations

import hashlib
from typing import Any, SupportsIndex

from klaviyo_async._texts import text_of


class Secret(str):
    """A string whose `repr` doesn't show it, for the frames, containers and logs that it passes through.

    Slices and sums of it are secrets as well. An f-string, `str.join` or ``%`` returns a plain string: wrap the result
    immediately, before it is assigned to a name.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __getitem__(self, key: SupportsIndex | slice, /) -> Secret:
        # Error trackers shorten long strings before they take the repr.
        return Secret(super().__getitem__(key))

    def __add__(self, other: str, /) -> Secret:
        return Secret(super().__add__(other))

    def __radd__(self, other: str, /) -> Secret:
        return Secret(other.__add__(self))


def hidden(value: object) -> Any:
    """A secret that doesn't show in the frame that was given it; of what is no string just the type, for the error message."""
    if value is None:
        return None
    return Secret(text_of(value)) if isinstance(value, str) else type(value)


def digest(*parts: str) -> str:
    """A short digest that tells credentials apart and can't be reversed."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
