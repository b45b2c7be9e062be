"""Servers of this process that have no limits, so that clients of them don't wait."""

from __future__ import annotations

ORIGINS: set[str] = set()
"""Origins (``scheme://host:port``) whose server counts no requests: `FakeKlaviyo(limits=False)` is here while it runs."""
