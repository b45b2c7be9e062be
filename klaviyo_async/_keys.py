"""Tells the two keys of an account apart: the private API key and the public one, its company id."""

from __future__ import annotations

__all__ = ["is_private_key"]


def is_private_key(text: object) -> bool:
    """Whether this looks like a private API key, which must not appear in a URL or in place of the public one."""
    return isinstance(text, str) and text.strip().lower().startswith("pk_")
