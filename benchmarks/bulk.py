"""Bulk imports: rows a second, CPU a row and memory, against a loop over the official client and one written by hand.

python -m benchmarks.bulk [--rows N] [--rounds N]

Klaviyo's stand-in has a process of its own and takes whatever comes at once, with jobs that are complete when they are first looked
at; so the figures are those of the clients alone. Each client runs in a process of its own, interleaved round by round. The
hand-written loop is what one writes in an afternoon: aiohttp, aiolimiter, chunks by count, jobs polled, no row looked at.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
from aiohttp import web
from aiolimiter import AsyncLimiter

from benchmarks.environments import ROOT, command_of
from benchmarks.peers.bulk_rows import rows
from klaviyo_async import REVISION, Klaviyo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

CLIENTS = ("ours", "ours, with a checkpoint", "by hand, json", "by hand, orjson", "official client")
_OFFICIAL_ROWS = 20_000
_CHUNK = 10_000
_HEADERS = {
    "Authorization": "Klaviyo-API-Key pk_bench",
    "revision": REVISION,
    "accept": "application/vnd.api+json",
    "content-type": "application/vnd.api+json",
}


# -- the clients ----------------------------------------------------------------------------------------------------------


async def _ours(url: str, count: int, checkpoint: str | None = None) -> None:
    async with Klaviyo("pk_bench", base_url=url, limiter=False) as klaviyo:
        report = await klaviyo.bulk.import_profiles(rows(count), checkpoint=checkpoint)
    assert report.succeeded == count, report


async def _by_hand(url: str, count: int, dumps: Callable[[Any], bytes]) -> None:
    limiter = AsyncLimiter(1_000_000, 1)

    async def submit(session: aiohttp.ClientSession, chunk: list[dict[str, Any]]) -> None:
        body = {
            "data": {
                "type": "profile-bulk-import-job",
                "attributes": {"profiles": {"data": [{"type": "profile", "attributes": row} for row in chunk]}},
            }
        }
        async with limiter, session.post(f"{url}/api/profile-bulk-import-jobs", data=dumps(body)) as response:
            response.raise_for_status()
            job = (await response.json(content_type=None))["data"]["id"]
        while True:
            await asyncio.sleep(0.25)
            async with limiter, session.get(f"{url}/api/profile-bulk-import-jobs/{job}") as response:
                found = (await response.json(content_type=None))["data"]["attributes"]
            if found["status"] in {"complete", "cancelled"}:
                assert not found["failed_count"]
                return

    waiting = asyncio.Semaphore(4)
    async with aiohttp.ClientSession(headers=_HEADERS) as session, asyncio.TaskGroup() as group:
        chunk: list[dict[str, Any]] = []

        async def one(chunk: list[dict[str, Any]]) -> None:
            try:
                await submit(session, chunk)
            finally:
                waiting.release()

        for row in rows(count):
            chunk.append(row)
            if len(chunk) == _CHUNK:
                await waiting.acquire()
                group.create_task(one(chunk))
                chunk = []
        if chunk:
            await waiting.acquire()
            group.create_task(one(chunk))


def _run(client: str, url: str, count: int) -> None:
    match client:
        case "ours":
            asyncio.run(_ours(url, 100))  # what is loaded once
            work = _ours(url, count)
        case "ours, with a checkpoint":
            asyncio.run(_ours(url, 100))
            path = Path(f"bench-{os.getpid()}.sqlite")
            work = _ours(url, count, str(path))
        case "by hand, json":
            asyncio.run(_by_hand(url, 100, lambda body: json.dumps(body).encode()))
            work = _by_hand(url, count, lambda body: json.dumps(body).encode())
        case "by hand, orjson":
            asyncio.run(_by_hand(url, 100, orjson.dumps))
            work = _by_hand(url, count, orjson.dumps)
        case _:
            raise SystemExit(f"there is no client {client!r}")
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    asyncio.run(work)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"rows": count, "wall": wall, "cpu": cpu, "memory": (after.ru_maxrss - before.ru_maxrss) / 1024}))


# -- Klaviyo's stand-in ---------------------------------------------------------------------------------------------------


def _serve(told: Connection) -> None:
    async def take(request: web.Request) -> web.Response:
        count = 0
        async for chunk in request.content.iter_any():
            count += len(chunk)
        jobs.append(count)
        body = {"data": {"type": "profile-bulk-import-job", "id": str(len(jobs)), "attributes": {"status": "queued"}}}
        return web.Response(status=202, body=orjson.dumps(body), content_type="application/vnd.api+json")

    async def look(request: web.Request) -> web.Response:
        attributes = {"status": "complete", "total_count": 1, "completed_count": 1, "failed_count": 0}
        data = {"type": "profile-bulk-import-job", "id": request.match_info["id"], "attributes": attributes}
        return web.Response(body=orjson.dumps({"data": data}), content_type="application/vnd.api+json")

    async def serve() -> None:
        app = web.Application(client_max_size=10**8)
        app.router.add_post("/api/profile-bulk-import-jobs", take)
        app.router.add_get("/api/profile-bulk-import-jobs/{id}", look)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        told.send(f"http://127.0.0.1:{runner.addresses[0][1]}")
        await asyncio.Event().wait()

    jobs: list[int] = []
    asyncio.run(serve())


@contextmanager
def _server() -> Iterator[str]:
    listen, told = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(told,), daemon=True)
    process.start()
    try:
        yield listen.recv()
    finally:
        process.terminate()
        process.join()


# -- the measurement ------------------------------------------------------------------------------------------------------


def _measure(client: str, url: str, count: int) -> dict[str, float] | str:
    if client == "official client":
        found = command_of("official")
        if isinstance(found, str):
            return found
        python, environment = found
        command = [str(python), "-m", "benchmarks.peers.official_bulk", url, str(min(count, _OFFICIAL_ROWS))]
    else:
        environment = {"PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "benchmarks.bulk", "--client", client, "--url", url, "--rows", str(count)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env={"PATH": os.environ["PATH"], **environment}
    )
    if done.returncode:
        return done.stderr.strip().splitlines()[-1]
    for left in ROOT.glob("bench-*.sqlite*"):
        left.unlink()
    found_figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found_figures


def main() -> None:
    """Measure all clients, or one of them in this process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--client", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.client:
        _run(given.client, given.url, given.rows)
        return
    figures: dict[str, list[dict[str, float]]] = {client: [] for client in CLIENTS}
    with _server() as url:
        for _ in range(given.rounds):
            for client in CLIENTS:
                found = _measure(client, url, given.rows)
                if isinstance(found, str):
                    print(f"{client}: {found}", file=sys.stderr)
                else:
                    figures[client].append(found)
    base = statistics.median(each["cpu"] / each["rows"] for each in figures["by hand, json"])
    print(f"{given.rows:,} profiles of 200 bytes, median of {given.rounds}\n")
    print("| client | rows/s | CPU µs a row | × by hand | MB over the start |\n|---|---|---|---|---|")
    for client, found_all in figures.items():
        if found_all:
            rate = statistics.median(each["rows"] / each["wall"] for each in found_all)
            cpu = statistics.median(each["cpu"] / each["rows"] for each in found_all)
            memory = max(each["memory"] for each in found_all)
            print(f"| {client} | {rate:,.0f} | {cpu * 1e6:.2f} | {cpu / base:.2f} | {memory:.0f} |")


if __name__ == "__main__":
    main()
