"""JSON text ↔ plain values: orjson where possible, the standard library for what orjson refuses but servers send."""

from __future__ import annotations

import gc
import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import orjson

from klaviyo_async._data_frames import unwrapped
from klaviyo_async._model.unset import UNSET

__all__ = ["dumps", "encode", "loads", "parse", "rest"]

_MANY_OBJECTS = 16_384


def loads(data: bytes | bytearray | memoryview | str) -> Any:
    """Parse JSON, tolerating what orjson refuses but servers send: lone surrogates, NaN, control characters, a BOM.

    Raises ValueError if the text is not JSON at all.
    """
    resting = rest(data)
    try:
        return parse(data)
    finally:
        if resting:
            gc.enable()


def rest(data: bytes | bytearray | memoryview | str | None = None) -> bool:
    """Pause the cyclic garbage collector while a large body is parsed or built, and return whether to resume it afterwards.

    It would traverse the growing tree again and again without finding anything to free.
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
    """Like `dumps`, but only for what orjson accepts."""
    return orjson.dumps(value, default=_encode)


def dumps(value: object) -> bytes:
    """Encode plain JSON values and models, and times, dates, UUIDs and decimals inside them.

    Raises TypeError for values that JSON can't express.
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
            raise TypeError(f"{value} can't be written as JSON")
        return int(value) if value == value.to_integral_value() and abs(value) < 2**53 else float(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    try:
        stands_for = unwrapped(value)
    except ValueError as error:
        raise TypeError(str(error)) from None
    if stands_for is not value:
        return stands_for
    if isinstance(value, (datetime, date)):  # a subclass, such as pandas.Timestamp
        return value.isoformat()
    if value is UNSET:
        raise TypeError("UNSET can't be sent: leave the key out, or use None to clear the value")
    raise TypeError(f"{type(value).__name__} can't be written as JSON")


def _encode_any(value: Any) -> Any:
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    try:
        return _encode(value)
    except TypeError:
        return json.loads(orjson.dumps(value))
