"""Resolved addresses of hosts, cached for seconds and discarded as soon as one of them can't be reached."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING, Final

from aiohttp import DefaultResolver
from aiohttp.abc import AbstractResolver

if TYPE_CHECKING:
    from aiohttp.abc import ResolveResult

KEPT: Final = 10.0
"""Seconds that an address is used before it is looked up again."""


class Addresses(AbstractResolver):
    """Resolves hosts, with one look-up per host at a time, and caches the results.

    Used instead of aiohttp's own cache, which keeps an address that refuses connections.
    """

    def __init__(self) -> None:
        self._resolver = DefaultResolver()
        self._known: dict[tuple[str, int, int], tuple[float, asyncio.Task[list[ResolveResult]]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host. Raises OSError if it has none."""
        key = host, port, int(family)
        since, lookup = self._known.get(key, (0.0, None))
        if lookup is None or time.monotonic() - since > KEPT:
            lookup = asyncio.create_task(self._resolver.resolve(host, port, family))
            self._known[key] = time.monotonic(), lookup
            lookup.add_done_callback(lambda done: self._keep_only_found(key, done))
        # Shielded: cancelling one call must not cancel the others.
        found = await asyncio.shield(lookup)
        # Rotated, so that connections spread over the addresses.
        found.append(found.pop(0))
        return list(found)

    def _keep_only_found(self, key: tuple[str, int, int], lookup: asyncio.Task[list[ResolveResult]]) -> None:
        if (lookup.cancelled() or lookup.exception() is not None) and self._known.get(key, (0.0, None))[1] is lookup:
            del self._known[key]

    def forget(self, host: str | None) -> None:
        """Resolve this host again when it is next needed."""
        for key in [key for key in self._known if key[0] == host]:
            del self._known[key]

    async def close(self) -> None:
        """Close the resolver."""
        await self._resolver.close()
