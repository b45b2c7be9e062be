"""A file from the web: tried again where that may help, and given up when its time is over."""

from __future__ import annotations

import asyncio
import random
import sys
from typing import TYPE_CHECKING

import aiohttp

from codegen.errors import CodegenError
from codegen.importing.trees import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

_ATTEMPTS = 4
_FIRST_PAUSE = 0.25
_CHUNK = 64 * 1024
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})


def first_of(urls: Sequence[str], seconds: float) -> tuple[str, bytes]:
    """The first of these files that is there, and its address.

    All of it, attempts and pauses included, takes at most `seconds`. Raises CodegenError.
    """
    return asyncio.run(_first_of(urls, seconds))


async def _first_of(urls: Sequence[str], seconds: float) -> tuple[str, bytes]:
    now = urls[0]
    timeout = aiohttp.ClientTimeout(total=None)  # the deadline below is for everything together
    try:
        async with asyncio.timeout(seconds), aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
            missing = None
            for now in urls:
                try:
                    return now, await _patiently(session, now)
                except _MissingError as error:
                    missing = error
            raise CodegenError(f"the server responded {missing}; check the address (--url)", file=urls[-1]) from None
    except TimeoutError:
        raise CodegenError(
            f"not downloaded within {seconds:g} s (--timeout). Download it another way and run"
            " `python -m codegen fetch --from FILE`",
            file=now,
        ) from None


class _MissingError(Exception):
    """There is no such file."""


async def _patiently(session: aiohttp.ClientSession, url: str) -> bytes:
    problem = ""
    for attempt in range(1, _ATTEMPTS + 1):
        pause = random.uniform(0.5, 1) * _FIRST_PAUSE * 2**attempt  # noqa: S311 - no secret
        try:
            async with session.get(url, max_redirects=5) as response:
                if response.status in {404, 410}:
                    raise _MissingError(f"{response.status} {response.reason}")
                if response.status == 200:
                    return await _body(response, url)
                problem = f"the server responded {response.status} {response.reason}; check the address (--url)"
                if response.status not in _AGAIN:
                    raise CodegenError(problem, file=url)
                asked = response.headers.get("Retry-After", "")
                pause = max(pause, float(asked)) if asked.isdecimal() else pause
        except (aiohttp.ClientError, OSError, ValueError) as error:
            problem = (
                f"can't be downloaded: {error or type(error).__name__}. Download it another way and run"
                " `python -m codegen import FILE`"
            )
        if attempt < _ATTEMPTS:
            await asyncio.sleep(pause)
    raise CodegenError(problem, file=url)


async def _body(response: aiohttp.ClientResponse, url: str) -> bytes:
    progress = _Progress(url, response.content_length)
    parts: list[bytes] = []
    size = 0
    try:
        async for part in response.content.iter_chunked(_CHUNK):
            size += len(part)
            if size > MAX_BYTES:
                raise CodegenError(f"larger than {MAX_BYTES // 1024 // 1024} MB", file=url)
            parts.append(part)
            progress.tell(size)
    finally:
        progress.end()
    return b"".join(parts)


class _Progress:
    """How far a download is, in one line of a terminal."""

    def __init__(self, url: str, total: int | None) -> None:
        self._shown = sys.stderr.isatty()
        self._url, self._total = url, total

    def tell(self, size: int) -> None:
        if self._shown:
            of = f" of {self._total / 1e6:.1f}" if self._total else ""
            print(f"\r\033[K{self._url}: {size / 1e6:.1f}{of} MB", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
