"""Clients side by side against a loopback server in a process of its own: cold start, paging, GETs and POSTs, HTTP and TLS.

python -m benchmarks.clients [--rounds N] [--only PEER …]

Our client runs with everything on: checks, limiter, retries, typed results. Every figure is a ratio to raw aiohttp + orjson in the
same round; the table shows the median of the rounds. The README's table is made of the same lines.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from attrs import frozen

from benchmarks.environments import ROOT, command_of
from benchmarks.loopback import server

if TYPE_CHECKING:
    from pathlib import Path

_PEERS = {
    "raw aiohttp + orjson (dicts)": "raw",
    "klaviyo_async": "ours",
    "httpx + json (dicts)": "by_httpx",
    "klaviyo-api, in threads": "official",
    "openapi-python-client's output": "stock",
    "openapi-generator's output (asyncio)": "asyncio_generated",
}


@frozen
class Work:
    """One column of the table."""

    title: str
    name: str
    count: int
    tasks: int
    tls: bool = False


_WORKS = (
    Work("first typed page, process start included", "cold", 1, 1),
    Work("page of 100 profiles", "page", 40, 1),
    Work("GET, 16 at once", "get", 2_000, 16),
    Work("GET, 256 at once", "get", 3_000, 256),
    Work("POST, 16 at once", "post", 2_000, 16),
    Work("POST, 256 at once", "post", 3_000, 256),
    Work("GET over TLS, 16 at once", "get", 2_000, 16, tls=True),
    Work("POST over TLS, 16 at once", "post", 2_000, 16, tls=True),
)


class Peer:
    """A client in its environment."""

    def __init__(self, name: str, python: Path, environment: dict[str, str], certificate: Path) -> None:
        self.name = name
        self.command = [str(python), "-m", f"benchmarks.peers.{name}"]
        # Bytecode is what an installed package has.
        inherited = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        self.environment = {**inherited, **environment, "SSL_CERT_FILE": str(certificate)}

    def run(self, work: Work, url: str, count: int) -> float:
        """Seconds for each call: of the wall clock for a cold start, of the CPU for all else."""
        command = [*self.command, work.name, url, str(count), str(work.tasks)]
        start = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        wall = time.perf_counter() - start
        if done.returncode:
            raise SystemExit(f"{self.name} failed in {work.title}:\n{done.stderr[-2000:]}")
        return wall if work.name == "cold" else float(json.loads(done.stdout)["cpu"])

    def peak(self, url: str) -> float:
        """Peak MiB of a cold start: the largest child of a helper process that has no other."""
        code = (
            "import resource, subprocess;"
            f"subprocess.run({[*self.command, 'cold', url, '1', '1']!r}, check=True);"
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
        )
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=True)
        return float(done.stdout)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=sorted(_PEERS.values()), help="beside raw, which is always there")
    arguments = parser.parse_args()
    with server() as address:
        peers: dict[str, Peer] = {}
        for title, name in _PEERS.items():
            if arguments.only is not None and name not in {"raw", *arguments.only}:
                continue
            found = command_of(name)
            if isinstance(found, str):
                print(f"{title}: left out, {found}\n")
            else:
                peers[title] = Peer(name, *found, address.certificate)
        works = [work for work in _WORKS if not work.tls or address.https]
        ratios: dict[tuple[str, Work], list[float]] = {}
        seconds: dict[Work, list[float]] = {}
        for number in range(arguments.rounds + 1):  # the first round writes bytecode and warms the disk's cache
            for work in works:
                url = (address.https if work.tls else None) or address.http
                base = 0.0
                for title, peer in peers.items():
                    # What takes milliseconds for each call needs fewer of them to be known as well.
                    count = work.count if peer.name in {"raw", "ours"} else max(work.count // 6, 1)
                    taken = peer.run(work, url, count if number else max(1, count // 20))
                    base = base or taken
                    if number:
                        ratios.setdefault((title, work), []).append(taken / base)
                        if peer.name == "raw":
                            seconds.setdefault(work, []).append(taken)
        memory = {title: peer.peak(address.http) for title, peer in peers.items()}
    print(f"| client | {' | '.join(work.title for work in works)} | peak RSS |")
    print("|---" * (len(works) + 2) + "|")
    least = min(memory[title] for title, peer in peers.items() if peer.name == "raw")
    for title in peers:
        cells = [f"{statistics.median(ratios[title, work]):.2f}" for work in works]
        print(f"| {title} | {' | '.join(cells)} | {memory[title] / least:.2f} |")
    absolute = ", ".join(f"{work.title} {statistics.median(found) * 1e6:,.0f} µs" for work, found in seconds.items())
    print(f"\nraw aiohttp + orjson = 1: {absolute}, {least:.0f} MiB; {arguments.rounds} rounds")


if __name__ == "__main__":
    main()
