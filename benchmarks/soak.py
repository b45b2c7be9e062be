"""A soak: 200,000 calls from 200 tasks against a server on loopback, with faults; it must end idle, with flat memory.

python -m benchmarks.soak [--calls N] [--tasks N]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import multiprocessing
import random
import resource
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from klaviyo_async import APIError, Klaviyo, LocalLimiter, TransportError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_RATES = {"burst": "1000000/s", "steady": "60000000/m"}
_LIST = b'{"data":{"type":"list","id":"L","attributes":{"name":"VIP"}},"links":{"self":"x"}}'


class _Server(asyncio.Protocol):
    """Responds with success, and now and then with an error, a broken body or a closed connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._buffer) < end + 4 + length:
                return
            self._buffer = self._buffer[end + 4 + length :]
            self._respond()

    def _respond(self) -> None:
        dice = random.random()
        if dice < 0.002:
            self._transport.close()
        elif dice < 0.004:
            self._transport.write(b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n")
        elif dice < 0.006:
            self._transport.write(b"HTTP/1.1 404 X\r\nContent-Length: 2\r\n\r\n{}")
        elif dice < 0.008:
            self._transport.write(b"HTTP/1.1 200 X\r\nContent-Length: 500\r\n\r\n{")
            self._transport.close()
        else:
            self._transport.write(b"HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\n%b" % (len(_LIST), _LIST))


def _serve(told: Connection) -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(_Server, "127.0.0.1", 0)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


def _memory() -> float:
    """MiB in use now (Linux), or at the peak where that can't be told."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return pages * resource.getpagesize() / 2**20


async def soak(url: str, calls: int, tasks: int) -> bool:
    """Make the calls and print what is left of them. True where nothing is."""
    ended: Counter[str] = Counter()
    names = ("get_list", "create_event")
    limiter = LocalLimiter(overrides=dict.fromkeys(names, _RATES))
    samples: list[float] = []
    async with Klaviyo("pk_soak", base_url=url, limiter=limiter, timeout=10) as klaviyo:

        async def work(numbers: range) -> None:
            for number in numbers:
                try:
                    if number % 10 == 0:
                        async with asyncio.timeout(random.uniform(0, 0.2)):
                            await klaviyo.lists.get_list("L")
                    elif number % 3 == 0:
                        await klaviyo.events.create_event(
                            metric={"name": "m"},
                            profile={"email": "a@example.org"},
                            properties={},
                            unique_id=str(number),
                        )
                    else:
                        await klaviyo.lists.get_list("L")
                    ended["succeeded"] += 1
                except TimeoutError:
                    ended["cancelled"] += 1
                except (APIError, TransportError) as error:
                    ended[type(error).__name__] += 1

        started = time.perf_counter()
        part = calls // 10 // tasks
        for tenth in range(10):
            first = tenth * part * tasks
            await asyncio.gather(*(work(range(first + task, first + part * tasks, tasks)) for task in range(tasks)))
            gc.collect()
            samples.append(_memory())
        seconds = time.perf_counter() - started
        buckets = klaviyo.limiter.snapshot().buckets
        in_flight = sum(bucket.in_flight for bucket in buckets)
        waiting = sum(sum(bucket.waiting.values()) for bucket in buckets)
        calls_open = len(klaviyo._session.calls)
    others = len(asyncio.all_tasks()) - 1
    print(f"{sum(ended.values()):,} calls from {tasks} tasks in {seconds:.0f} s: {dict(ended.most_common())}")
    print(f"left over: {calls_open} calls, {others} tasks, {in_flight} permits in flight, {waiting} waiting")
    print("MiB after each tenth:", " ".join(f"{sample:.0f}" for sample in samples))
    # The first tenths fill caches and pools.
    flat = samples[-1] - samples[2] < 0.1 * samples[2]
    return flat and not (calls_open or others or in_flight or waiting)


def main() -> None:
    """Run it; exits with 1 where something is left over or memory grows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=200_000)
    parser.add_argument("--tasks", type=int, default=200)
    chosen = parser.parse_args()
    listen, told = multiprocessing.Pipe(duplex=False)
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(told,), daemon=True)
    server.start()
    idle = asyncio.run(soak(f"http://127.0.0.1:{listen.recv()}", chosen.calls, chosen.tasks))
    server.terminate()
    raise SystemExit(0 if idle else 1)


if __name__ == "__main__":
    main()
