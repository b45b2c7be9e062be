"""One resource as the store keeps it."""

from __future__ import annotations

from typing import Any

import orjson


class Record:
    """One resource. Its content is kept as JSON: a third of a dict's memory, and nobody can change it by accident."""

    __slots__ = ("body", "id", "seq", "type")

    def __init__(self, type: str, id: str, seq: int, body: bytes) -> None:
        self.type: str = type
        self.id: str = id
        self.seq: int = seq
        """Rises with every new resource: the order of creation."""
        self.body: bytes = body

    def load(self) -> tuple[dict[str, Any], dict[str, str | None]]:
        """Attributes, and the ids of the to-one relationships kept here; fresh copies."""
        attributes, refs = orjson.loads(self.body)
        return attributes, refs

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes; a fresh copy."""
        return self.load()[0]

    @property
    def refs(self) -> dict[str, str | None]:
        """Ids of the to-one relationships kept here; a fresh copy."""
        return self.load()[1]
