"""Two minutes of trouble: 200 tasks in two processes that share their limits, while everything around them fails.

python -m benchmarks.chaos [--seconds N] [--without restart flush failover interruptions faults]

Redis is restarted without its data, flushed and failed over; the server responds with every kind of fault; event loops are left in
the middle of their calls. At its end every call must be accounted for, no limit passed, nothing repeated that must not be,
nothing pending, and the limits used; the exit status says whether that held. Needs redis-server.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import multiprocessing
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from klaviyo_async import APIError, Klaviyo, RateLimitWait, RedisLimiter, TransportError, operations

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_TASKS = 100
_PROCESSES = 2
_INTERRUPTED = 12.0
"""Seconds after which a worker's event loop is left in the middle of its calls."""
_TROUBLES = ("restart", "flush", "failover", "interruptions", "faults")
_FAULTS = 0.15
"""Share of the requests that meet a fault of the server's."""
_USED = 0.75
"""Share of what the minute's limits allow that must have been sent, in spite of everything."""
_OK = b'{"data":{"type":"list","id":"A","attributes":{}},"links":{"self":""}}'
_EMPTY_LIST = b'{"data":[],"links":{"self":"","next":null}}'

# --- the server ------------------------------------------------------------------------------------------------------


class Server:
    """Stands in for Klaviyo: counts in fixed windows of a phase of its own, refuses what passes a limit, and breaks things."""

    def __init__(self, *, calm: bool) -> None:
        self.phase = random.random()
        self.counts: Counter[tuple[str, int, int]] = Counter()
        self.seen: Counter[str] = Counter()
        self.created: Counter[str] = Counter()
        self.refused = 0
        self.began = time.monotonic()
        self.refusals: Counter[str] = Counter()
        self.calm = calm

    def takes(self, name: str) -> bool:
        """Count a request; whether its limits allow it."""
        now = time.time() + self.phase
        windows = [(name, rate.seconds, int(now // rate.seconds)) for rate in operations[name].limits.rates]
        if any(
            self.counts[window] >= rate.count
            for window, rate in zip(windows, operations[name].limits.rates, strict=True)
        ):
            self.refused += 1
            self.refusals[f"{name} at {time.monotonic() - self.began:.0f} s"] += 1
            return False
        self.counts.update(windows)
        return True

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await self._respond(reader, writer):
                await writer.drain()
        writer.close()

    async def _respond(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = next((int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:")), 0)
        body = await reader.readexactly(length)
        method, target, _ = head.split(" ", 2)
        if target == "/report":
            report = {"refused": self.refused, "refusals": self.refusals, "seen": self.seen, "created": self.created}
            writer.write(_response(200, json.dumps(report).encode()))
            return True
        create = method == "POST"
        key = json.loads(body)["data"]["attributes"]["name"] if create else target.rpartition("/")[2]
        self.seen[key] += 1
        if not self.takes("create_tag_group" if create else "get_list"):
            writer.write(_response(429, b"", "Retry-After: 1"))
            return True
        await asyncio.sleep(random.expovariate(1 / 0.03))
        fault = "" if self.calm or random.random() > _FAULTS else random.choice(_KINDS)
        if fault == "before":  # broken off before the work is done
            return False
        if fault in {"500", "502", "504"}:
            writer.write(_response(int(fault), b'{"errors":[]}'))
            return True
        if fault == "503":
            writer.write(_response(503, b"<html>", "Retry-After: 1"))
            return True
        if create:
            self.created[key] += 1
        if fault == "after":  # done, and the response is lost
            return False
        if fault == "slow":
            await asyncio.sleep(3)
            return False
        whole = _response(201 if create else 200, _OK)
        if fault == "cut":
            writer.write(whole[:-20])
            return False
        if fault == "garbage":
            writer.write(b"\x00\x01 not HTTP\r\n\r\n")
            return False
        writer.write(whole)
        return fault != "closing"


_KINDS = ("before", "after", "500", "502", "503", "504", "slow", "cut", "garbage", "closing")


def _response(status: int, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Content-Type: application/vnd.api+json", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def serve(told: Connection, *, calm: bool) -> None:
    """The server's process."""

    async def run() -> None:
        server = await asyncio.start_server(Server(calm=calm).serve, "127.0.0.1", 0, backlog=1024)
        told.send(server.sockets[0].getsockname()[1])
        await asyncio.Event().wait()

    asyncio.run(run())


# --- the workers -----------------------------------------------------------------------------------------------------


class _InterruptedError(KeyboardInterrupt):
    """What a worker's time limit raises, wherever the loop is. Like Ctrl-C, so that no task takes it for an error of its own."""


def work(number: int, url: str, redis: str, ends: float, told: Connection, *, interrupted: bool) -> None:
    """A worker's process: one event loop after the other, each left in the middle of its calls but for the last."""
    logging.basicConfig(level=logging.WARNING, format=f"worker {number}: %(message)s")
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # loops that are left complain of what was pending
    fates: Counter[str] = Counter()
    open_calls: set[str] = set()
    succeeded: list[str] = []

    def interrupt(*_: object) -> None:
        raise _InterruptedError

    signal.signal(signal.SIGALRM, interrupt)
    turn = 0
    while time.monotonic() < ends:
        turn += 1
        left = ends - time.monotonic()
        last = left <= 2 * _INTERRUPTED or not interrupted
        loop = asyncio.new_event_loop()
        if not last:
            signal.setitimer(signal.ITIMER_REAL, _INTERRUPTED, 1.0)  # again, where a finaliser has swallowed it
        until = ends if last else ends + 3600
        try:
            loop.run_until_complete(_calls(f"{number}-{turn}", url, redis, until, fates, open_calls, succeeded))
        except _InterruptedError:
            signal.setitimer(signal.ITIMER_REAL, 0)
            fates["interrupted"] += len(open_calls)
            open_calls.clear()
        else:
            pending = [task for task in asyncio.all_tasks(loop) if not task.done()]
            loop.close()
            told.send({"fates": fates, "pending": len(pending), "open": len(open_calls), "succeeded": succeeded})
            return


async def _calls(
    name: str, url: str, redis: str, until: float, fates: Counter[str], open_calls: set[str], succeeded: list[str]
) -> None:
    limiter = RedisLimiter(redis, processes=_PROCESSES)
    async with Klaviyo("pk_chaos", base_url=url, limiter=limiter, timeout=2.0, max_wait=60, max_retries=4) as klaviyo:

        async def one(key: str, create: bool) -> None:
            if create:
                await klaviyo.tags.create_tag_group(name=key)
            else:
                await klaviyo.lists.get_list(key)

        async def task(number: int) -> None:
            turn = 0
            while time.monotonic() < until:
                turn += 1
                key = f"{name}-{number}-{turn}"
                open_calls.add(key)
                fate = "succeeded"
                try:
                    if random.random() < 0.02:  # given up by whoever asked
                        async with asyncio.timeout(random.uniform(0, 0.2)):
                            await one(key, create=number % 4 == 0)
                    else:
                        await one(key, create=number % 4 == 0)
                    succeeded.append(key)
                except RateLimitWait:
                    fate = "RateLimitWait"
                    await asyncio.sleep(random.uniform(0.5, 1.5))
                except (APIError, TransportError) as error:
                    fate = type(error).__name__
                except TimeoutError:
                    fate = "given up"
                fates[fate] += 1
                open_calls.discard(key)

        await asyncio.gather(*(task(number) for number in range(_TASKS)))
    await limiter.close()


# --- Redis, and what happens to it -----------------------------------------------------------------------------------


class Redis:
    """Two Redis servers behind one address, of which one is the primary."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.primary = "a"
        self._proxied: set[asyncio.Task[None]] = set()

    def start(self, name: str, *options: str) -> None:
        """Start one of the two, without data."""
        command = ["redis-server", "--port", "0", "--unixsocket", str(self.folder / name), "--save", "", *options]
        self.processes[name] = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.DEVNULL)

    async def command(self, name: str, *words: str) -> bytes:
        """Send a command to one of the two."""
        reader, writer = await asyncio.open_unix_connection(str(self.folder / name))
        writer.write((" ".join(words) + "\r\n").encode())
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        line = await reader.readline()
        writer.close()
        return line

    async def proxy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """New connections go to the primary of the moment; those that are there stay where they are."""
        try:
            back, forth = await asyncio.open_unix_connection(str(self.folder / self.primary))
        except OSError:
            writer.close()
            return

        async def pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionError):
                while data := await source.read(65536):
                    sink.write(data)
                    await sink.drain()
            sink.close()

        await asyncio.gather(pipe(reader, forth), pipe(back, writer))


async def trouble(redis: Redis, seconds: float, without: list[str]) -> None:
    """What happens to Redis, evenly spread."""
    step = seconds / 5
    await asyncio.sleep(step)
    if "restart" not in without:
        print("Redis restarts without its data", flush=True)
        redis.processes["a"].kill()
        redis.processes["a"].wait()
        await asyncio.sleep(2)
        redis.start("a")
    await asyncio.sleep(step - 2)
    if "flush" not in without:
        print("Redis is flushed", flush=True)
        await redis.command("a", "FLUSHALL")
    await asyncio.sleep(step)
    if "failover" in without:
        return
    print("Redis fails over to its replica", flush=True)
    redis.start("b", "--replicaof", "127.0.0.1 1")  # of nobody: as good as one that lost the last second
    await asyncio.sleep(1)
    await redis.command("b", "REPLICAOF", "NO", "ONE")
    redis.primary = "b"
    await redis.command("a", "REPLICAOF", "127.0.0.1", "1")


# --- all of it -------------------------------------------------------------------------------------------------------


async def fetch(port: int, path: str) -> bytes:
    """A request to the server, outside of any limit."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = next(int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:"))
    body = await reader.readexactly(length)
    writer.close()
    return body


async def run(seconds: float, folder: Path, without: list[str]) -> bool:
    """All of it; whether what must hold held."""
    context = multiprocessing.get_context("spawn")
    listen, told = context.Pipe(duplex=False)
    server = context.Process(target=serve, args=(told,), kwargs={"calm": "faults" in without}, daemon=True)
    server.start()
    port = listen.recv()
    redis = Redis(folder)
    redis.start("a")
    proxy = await asyncio.start_server(redis.proxy, "127.0.0.1", 0)
    address = f"redis://127.0.0.1:{proxy.sockets[0].getsockname()[1]}/0"
    await asyncio.sleep(0.5)
    ends = time.monotonic() + seconds
    workers: list[Any] = []
    results: list[Any] = []
    for number in range(_PROCESSES):
        receive, send = context.Pipe(duplex=False)
        worker = context.Process(
            target=work,
            args=(number, f"http://127.0.0.1:{port}", address, ends, send),
            kwargs={"interrupted": "interruptions" not in without},
        )
        worker.start()
        workers.append(worker)
        results.append(receive)
    await trouble(redis, seconds, without)
    reports = [
        await asyncio.to_thread(_received, receive, worker) for receive, worker in zip(results, workers, strict=True)
    ]
    for worker in workers:
        await asyncio.to_thread(worker.join, 30)
    seen = json.loads(await fetch(port, "/report"))
    server.terminate()
    for process in redis.processes.values():
        process.kill()
    proxy.close()
    return _judge(reports, seen, workers, seconds)


def _received(receive: Connection, worker: Any) -> dict[str, Any] | None:
    while not receive.poll(1):
        if not worker.is_alive():
            return None
    return receive.recv()  # type: ignore[no-any-return]


def _judge(reports: list[dict[str, Any] | None], seen: dict[str, Any], workers: list[Any], seconds: float) -> bool:
    ended = [report for report in reports if report is not None]
    fates: Counter[str] = Counter()
    for report in ended:
        fates.update(report["fates"])
    # Where the minute's quota is spent, a call is told so, and its task asks again a second later: how often says nothing.
    sent = fates.total() - fates["interrupted"] - fates["RateLimitWait"]
    allowed = seconds / 60 * sum(operations[name].limits.rates[-1].count for name in ("get_list", "create_tag_group"))
    twice = [key for key, count in seen["created"].items() if count > 1]
    lost = [key for report in ended for key in report["succeeded"] if not seen["seen"].get(key)]
    pending = sum(report["pending"] + report["open"] for report in ended)
    print(f"\n{fates.total():,} calls, {sum(seen['seen'].values()):,} requests: {dict(fates.most_common())}")
    verdicts = {
        "every worker came to its end": len(ended) == len(workers) and all(worker.exitcode == 0 for worker in workers),
        "every call is accounted for": not lost,
        "no limit was passed": seen["refused"] == 0,
        "nothing was done twice that must not be": not twice,
        "nothing is pending": pending == 0,
        "most of what was sent succeeded": fates["succeeded"] > sent / 2,
        "the limits were used": sum(seen["seen"].values()) > _USED * allowed,
    }
    for what, held in verdicts.items():
        print(f"{'held' if held else 'FAILED'}: {what}")
    if seen["refused"] or twice or lost or pending:
        print(f"{seen['refused']} responses 429, {len(twice)} done twice, {len(lost)} lost, {pending} pending")
        print(", ".join(f"{number} x {when}" for when, number in seen["refusals"].items()))
    return all(verdicts.values())


def main() -> None:
    """Run, print, and exit with 1 where something didn't hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--without", nargs="*", choices=_TROUBLES, default=[], help="leave out some of the trouble")
    options = parser.parse_args()
    if shutil.which("redis-server") is None:
        sys.exit("chaos needs redis-server on this machine")
    with tempfile.TemporaryDirectory() as folder:
        held = asyncio.run(run(options.seconds, Path(folder), options.without))
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
