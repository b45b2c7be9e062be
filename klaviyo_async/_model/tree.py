"""Converts models to plain JSON values, and copies plain values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from math import isfinite
from types import NoneType
from typing import Any

import orjson

from klaviyo_async._data_frames import unwrapped
from klaviyo_async._model.codec import dumps, encode, loads
from klaviyo_async.errors import QueryError

__all__ = ["ATOMS", "PLAIN", "checked", "copied", "tree"]

PLAIN = frozenset({NoneType, str, int, bool})
"""Types that are JSON whatever their value, and immutable."""

ATOMS = PLAIN | {float, dict, datetime, date}
"""Types that the encoder accepts as they are. A dict may contain models: the encoder asks for them."""


def tree(value: Any) -> Any:
    """A value with the models in it as plain dicts, as far as the encoder would ask for them."""
    if type(value) is list:
        return [each if type(each) in ATOMS else tree(each) for each in value]
    return value._tree() if hasattr(value, "_tree") else value


def copied(value: Any) -> Any:
    """A copy of a value as plain JSON values that shares nothing mutable with the original."""
    if type(value) is float:
        return value if isfinite(value) else None
    try:
        return orjson.loads(encode(value))
    except (orjson.JSONEncodeError, orjson.JSONDecodeError):
        return checked(value, strict=False)


def checked(value: Any, *place: str | int, strict: bool = True) -> Any:
    """A copy like that of `copied`, but accepting integers of any size.

    If `strict`, raises QueryError with the location of what JSON can't hold; TypeError if not.
    """
    kind = type(value)
    if kind in PLAIN:
        return value
    if kind is dict or isinstance(value, Mapping):
        return {
            key if type(key) is str else _key(key): each
            if type(each) in PLAIN
            else checked(each, *place, key, strict=strict)
            for key, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [
            each if type(each) in PLAIN else checked(each, *place, index, strict=strict)
            for index, each in enumerate(value)
        ]
    if isinstance(value, float):
        if strict and not isfinite(value):
            raise QueryError(
                f"{_pointer(place)}: {value} is not a JSON number; leave the key out, or use None for null"
            )
        return float(value)
    if hasattr(value, "_tree"):
        return checked(value._tree(), *place, strict=strict)
    try:
        stands_for = unwrapped(value)
        if stands_for is value:
            return loads(dumps(value))
    except (TypeError, ValueError) as error:
        if not strict:
            raise
        raise QueryError(f"{_pointer(place)}: {error}") from None
    return checked(stands_for, *place, strict=strict)


def _pointer(place: tuple[str | int, ...]) -> str:
    return "/" + "/".join(map(str, place))


def _key(key: Any) -> str:
    found: Mapping[str, None] = loads(dumps({key: None}))
    return next(iter(found))
