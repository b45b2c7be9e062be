"""Reads a member of a model or of plain JSON alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from klaviyo_async._model.unset import UNSET

__all__ = ["member"]


def member(holder: Any, name: str) -> Any:
    """A member of a model or of plain JSON; `UNSET` where it has none."""
    if isinstance(holder, Mapping):
        return holder.get(name, UNSET)
    # Models read what has no field of its own as an attribute too; a name with a hyphen is only found there.
    return getattr(holder, name, UNSET)
