"""Reads a member of a model or of plain JSON, in the same way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from klaviyo_async._model.unset import UNSET

__all__ = ["member"]


def member(holder: Any, name: str) -> Any:
    """A member of a model or of plain JSON; `UNSET` if it doesn't have it."""
    if isinstance(holder, Mapping):
        return holder.get(name, UNSET)
    # Models also expose undeclared members as attributes; names with a hyphen are only found there.
    return getattr(holder, name, UNSET)
