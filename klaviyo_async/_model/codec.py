"""JSON text ↔ plain values: orjson where it serves, the standard library for what it refuses and servers send."""

from __future__ import annotations

import gc
import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import orjson

from klaviyo_async._model.unset import UNSET

__all__ = ["dumps", "encode", "loads", "parse", "rest"]

_MANY_OBJECTS = 16_384


def loads(data: bytes | bytearray | memoryview | str) -> Any:
    """Parse JSON, forgiving what orjson refuses and servers send: lone surrogates, NaN, control characters, a BOM.

    Raises ValueError where the text is no JSON at all.
    """
    resting = rest(data)
    try:
        return parse(data)
    finally:
        if resting:
            gc.enable()


def rest(data: bytes | bytearray | memoryview | str | None = None) -> bool:
    """Let the cyclic garbage collector rest while a large body is parsed or made, and tell whether to wake it afterwards.

    It would walk the growing tree again and again and can find nothing in it.
    """
    if (data is None or len(data) > _MANY_OBJECTS) and gc.isenabled():
        gc.disable()
        return True
    return False


def parse(data: bytes | bytearray | memoryview | str) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        text = data if isinstance(data, str) else bytes(data).decode("utf-8-sig", "surrogateescape")
        try:
            return json.loads(text, strict=False)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None


def encode(value: object) -> bytes:
    """As `dumps`, but only what orjson takes."""
    return orjson.dumps(value, default=_encode)


def dumps(value: object) -> bytes:
    """Encode plain JSON values, models, and in them times, dates, UUIDs and decimals.

    Raises TypeError for values that JSON has no form for.
    """
    try:
        return encode(value)
    except orjson.JSONEncodeError as error:
        if isinstance(error.__cause__, TypeError):
            raise TypeError(str(error.__cause__)) from None
        # Integers beyond 64 bits and lone surrogates: JSON has them, orjson does not.
        return json.dumps(value, default=_encode_any, allow_nan=False, separators=(",", ":")).encode()


def _encode(value: Any) -> Any:
    if hasattr(value, "_tree"):
        return value._tree()
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise TypeError(f"{value} has no form in JSON")
        return int(value) if value == value.to_integral_value() and abs(value) < 2**53 else float(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if value is UNSET:
        raise TypeError("UNSET can't be sent: leave the key out, or use None to clear the value")
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _encode_any(value: Any) -> Any:
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    try:
        return _encode(value)
    except TypeError:
        return json.loads(orjson.dumps(value))
