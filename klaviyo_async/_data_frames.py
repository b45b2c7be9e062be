"""Values from data frames: conversion of numpy scalars, detection of pandas' missing values. Requires neither package."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["is_missing", "members", "unwrapped"]

_NO_ZONE = "a datetime64 has no time zone, so it names no instant; give an aware one, for instance pandas.Timestamp(value, tz='UTC')"


def is_missing(value: Any) -> bool:
    """Whether this is pandas' NaT or NA, or numpy's NaT. NaT is a datetime to `isinstance`, and prints as one."""
    return type(value).__name__ in ("NaTType", "NAType") or (
        type(value).__name__ == "datetime64" and str(value) == "NaT"
    )


def members(values: object) -> Iterator[Any] | None:
    """The members of a list, column or other iterable; None for what is no list: text, bytes, mappings, one value."""
    if isinstance(values, str | bytes | bytearray | Mapping) or not isinstance(values, Iterable):
        return None
    try:
        return iter(values)
    except TypeError:  # numpy's arrays without dimensions say that they are iterable
        return None


def unwrapped(value: Any) -> Any:
    """The plain value of a numpy scalar; any other value unchanged.

    Raises ValueError, with the end of a sentence, for missing values and for times without a time zone.
    """
    if is_missing(value):
        raise ValueError(f"{value} is a missing value, which can't be sent; leave it out, or give None")
    # Asked of the type: an object of F has every attribute that is asked for.
    if not hasattr(type(value), "dtype") or getattr(value, "ndim", None) != 0 or not hasattr(value, "item"):
        return value
    kind = getattr(value.dtype, "kind", None)
    if kind == "M":
        raise ValueError(_NO_ZONE)
    if kind == "m":
        # It would become a number or a timedelta, depending on its unit: it stays what it is, and is refused as that.
        return value
    item = value.item()
    # Python has no type for a long double, so `item()` returns the same object.
    return float(item) if type(item) is type(value) else item
