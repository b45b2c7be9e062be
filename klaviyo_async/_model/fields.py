"""What a generated class declares about a field: its wire name, and what it contains."""

from __future__ import annotations

from typing import Any

import attrs

from klaviyo_async._model.references import One, Ref

__all__ = ["DATE", "REF", "TIME", "WIRE", "Spec", "day", "field", "nested", "time"]

REF = "klaviyo_async.ref"
WIRE = "klaviyo_async.wire"
TIME = "klaviyo_async.time"
DATE = "klaviyo_async.date"


class Spec:
    """A field as its class declares it. attrs' own is created on request: that takes ten times as long."""

    __slots__ = ("alias", "default", "metadata")

    def __init__(self, default: Any, alias: str | None, wire: str | None, metadata: dict[str, Any]) -> None:
        self.default = default
        self.alias = alias
        self.metadata = metadata if wire is None else {**metadata, WIRE: wire}


def field(*, default: Any = attrs.NOTHING, wire: str | None = None, alias: str | None = None) -> Any:
    """A field whose wire name differs from its Python name."""
    return Spec(default, alias, wire, {})


def nested(ref: Ref | str, *, default: Any = attrs.NOTHING, wire: str | None = None, alias: str | None = None) -> Any:
    """A field that holds another model, or several."""
    return Spec(default, alias, wire, {REF: One(ref) if isinstance(ref, str) else ref})


def time(*, default: Any = attrs.NOTHING, wire: str | None = None, alias: str | None = None) -> Any:
    """A field that holds a time: text on the wire, an aware datetime when read."""
    return Spec(default, alias, wire, {TIME: True})


def day(*, default: Any = attrs.NOTHING, wire: str | None = None, alias: str | None = None) -> Any:
    """A field that holds a date: text on the wire, a date when read."""
    return Spec(default, alias, wire, {DATE: True})
