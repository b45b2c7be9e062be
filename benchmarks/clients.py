"""Clients side by side against a loopback server in a process of its own: cold start, paging, GETs, POSTs.

python -m benchmarks.clients [--rounds N]

Every figure is a ratio to raw aiohttp + orjson in the same round; the table shows the median of the rounds.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from benchmarks.data import profiles_page

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_ROOT = Path(__file__).resolve().parents[1]
_PEERS = {
    "raw aiohttp + orjson (dicts)": ("raw", "aiohttp"),
    "klaviyo_async": ("ours", "klaviyo_async"),
    "httpx + json (dicts)": ("by_httpx", "httpx"),
    "klaviyo-api in 50 threads": ("official", "klaviyo_api"),
}
_WORKS = {"page": (40, "cpu"), "get": (2_000, "cpu"), "post": (2_000, "wall")}
_LIST = (
    b'{"data":{"type":"list","id":"Y6nRLr","attributes":{"name":"VIP","created":"2026-01-01T00:00:00+00:00",'
    b'"updated":"2026-01-01T00:00:00+00:00","opt_in_process":"double_opt_in"},"links":{"self":"https://a.klaviyo.com/api/lists/Y6nRLr/"}},'
    b'"links":{"self":"https://a.klaviyo.com/api/lists/Y6nRLr"}}'
)


def serve(told: Connection) -> None:
    """A server that answers from memory."""
    page = profiles_page()

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        if request.path == "/api/events":
            return web.Response(status=202)
        return web.Response(
            body=page if request.path == "/api/profiles" else _LIST, content_type="application/vnd.api+json"
        )

    async def start() -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        return app

    import socket  # noqa: PLC0415 - only in the server's process

    listening = socket.create_server(("127.0.0.1", 0))
    told.send(listening.getsockname()[1])
    web.run_app(start(), sock=listening, print=None, access_log=None)


def run(peer: str, work: str, url: str, count: int) -> dict[str, float]:
    """One client's work in a process of its own."""
    command = [sys.executable, "-m", f"benchmarks.peers.{peer}", work, url, str(count)]
    # Bytecode is what an installed package has.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=_ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    output, _ = process.communicate()
    wall = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{peer} failed")
    return {"wall": wall} if work == "cold" else json.loads(output)


def peak(peer: str, url: str) -> float:
    """Peak MiB of one client's cold start: the largest child of a helper process that has no other."""
    code = (
        "import resource, subprocess, sys;"
        f"subprocess.run([sys.executable, '-m', 'benchmarks.peers.{peer}', 'cold', {url!r}, '1'], check=True);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=_ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    peers = {name: peer for name, (peer, module) in _PEERS.items() if importlib.util.find_spec(module)}
    listen, told = multiprocessing.Pipe(duplex=False)
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(told,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{listen.recv()}"
    ratios: dict[tuple[str, str], list[float]] = {}
    seconds: dict[str, list[float]] = {}
    for number in range(rounds + 1):  # the first round writes bytecode and warms the disk's cache
        for work, (count, unit) in {"cold": (1, "wall"), **_WORKS}.items():
            base = 0.0
            for name, peer in peers.items():
                taken = run(peer, work, url, count if number else max(1, count // 20))[unit]
                base = base or taken
                if number:
                    ratios.setdefault((name, work), []).append(taken / base)
                    if peer == "raw":
                        seconds.setdefault(work, []).append(taken)
    print(
        "| client | first typed page, cold | peak RSS | paging: CPU per page | GET, 50 at once: CPU per call | POST event, 50 at once: time per call |"
    )
    print("|---|---|---|---|---|---|")
    baseline = peak("raw", url)
    for name, peer in peers.items():
        cells = [statistics.median(ratios[name, work]) for work in ("cold", *_WORKS)]
        memory = peak(peer, url)
        shown = [
            f"{cells[0]:.2f}",
            f"{memory:.0f} MiB, {memory / baseline:.2f}",
            *(f"{cell:.2f}" for cell in cells[1:]),
        ]
        print(f"| {name} | {' | '.join(shown)} |")
    absolute = ", ".join(f"{work} {statistics.median(found) * 1e3:.2f} ms" for work, found in seconds.items())
    print(f"\nraw: {absolute}; {rounds} rounds")
    server.terminate()


if __name__ == "__main__":
    main()
