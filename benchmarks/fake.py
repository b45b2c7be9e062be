"""What FakeKlaviyo costs: single GETs a second of one server process, a seed of 100,000 profiles, paging through them.

python -m benchmarks.fake
"""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import aiohttp

from klaviyo_async import REVISION
from klaviyo_async.testing import FakeKlaviyo

HEADERS = {"Authorization": "Klaviyo-API-Key pk_bench", "revision": REVISION}
PROFILES = 100_000


def cpu_of(pid: int) -> float:
    """Seconds of processor time that a process has used (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


async def gets(url: str, pid: int, path: str, count: int, concurrency: int = 16) -> tuple[float, float]:
    """Requests a second by the wall clock, and by the server's own processor time."""
    left = count

    async def work(session: aiohttp.ClientSession) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            async with session.get(path) as answer:
                await answer.read()
                answer.raise_for_status()

    async with aiohttp.ClientSession(url, headers=HEADERS) as session:
        before, started = cpu_of(pid), time.perf_counter()
        await asyncio.gather(*(work(session) for _ in range(concurrency)))
        return count / (time.perf_counter() - started), count / (cpu_of(pid) - before)


async def serving(url: str, pid: int) -> None:
    """Single resources and pages, from a server in a process of its own."""
    async with aiohttp.ClientSession(url, headers=HEADERS) as session, session.get("/api/profiles") as answer:
        first = (await answer.json(content_type=None))["data"][0]["id"]
    for name, path, count in (
        ("GET a profile", f"/api/profiles/{first}", 6000),
        ("GET a page of 20", "/api/profiles", 1500),
        ("GET a page of 100", "/api/profiles?page%5Bsize%5D=100", 400),
    ):
        await gets(url, pid, path, count // 10)
        wall, own = await gets(url, pid, path, count)
        print(f"{name:<28} {wall:>8,.0f} /s by the wall clock  {own:>8,.0f} /s of one core of the server")


async def large() -> None:
    """A seed of 100,000 profiles in one list, and paging through all of it."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    fake = FakeKlaviyo(limits=False)
    started = time.perf_counter()
    fake.seed(profiles=PROFILES, lists=1)
    seconds = time.perf_counter() - started
    used = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"seed of {PROFILES:,}: {seconds:.1f} s, {used:,.0f} MiB, {used * 1024 / PROFILES:.2f} KiB per profile")
    async with fake, aiohttp.ClientSession(headers=HEADERS) as session:
        group = next(fake.store.all("list"))["id"]
        for name, path in (
            ("profiles", "/api/profiles?page[size]=100"),
            ("profiles by e-mail", "/api/profiles?page[size]=100&sort=email"),
            ("members of the list", f"/api/lists/{group}/profiles?page[size]=100"),
        ):
            await walk(session, fake.url + path, name)


async def walk(session: aiohttp.ClientSession, start: str, name: str) -> None:
    """Time of the first and of the last pages of a walk, and the memory that it takes."""
    tracemalloc.start()
    url: str | None = start
    times: list[float] = []
    while url is not None:
        began = time.perf_counter()
        async with session.get(url) as answer:
            page = await answer.json(content_type=None)
        times.append(time.perf_counter() - began)
        url = page["links"]["next"]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    early, late = sum(times[1:51]) / 50, sum(times[-50:]) / 50
    print(
        f"{name:<22} {len(times):,} pages: {early * 1000:.1f} ms each at the start, {late * 1000:.1f} ms at the end, "
        f"peak {peak / 2**20:.1f} MiB on top"
    )


def main() -> None:
    """Start the server and measure."""
    command = [sys.executable, "-m", "klaviyo_async.testing", "--port", "0", "--no-limits", "--profiles", "1000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().rsplit(" ", 1)[-1].strip()
            asyncio.run(serving(url, server.pid))
        finally:
            server.terminate()
    asyncio.run(large())


if __name__ == "__main__":
    main()
