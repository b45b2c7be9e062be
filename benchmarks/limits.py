"""Our limiter beside others, on a server that counts in fixed windows of unknown phase, through latency.

    python -m benchmarks.limits                      # about 3.5 minutes, all contenders at once
    python -m benchmarks.limits --minutes 10         # longer
    python -m benchmarks.limits --burst 75/s --steady 750/m

The server runs in a process of its own on loopback. Every request takes 5 to 300 ms before it is counted and 5 to 300 ms before
its answer comes. Each contender has an account of its own, with windows of its own random phase, so all run at the same time.
`used`: requests accepted, as a part of what fits into the windows of the run for one who sees them. `sustained`: the limit of the
minute divided by the time in which so many were really accepted, over the whole run. Needs aiolimiter and pyrate-limiter; the
rows with Redis need redis-py and redis-server.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.metadata
import json
import math
import platform
import random
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol

import aiohttp
from aiohttp import web
from aiolimiter import AsyncLimiter
from pyrate_limiter import Limiter
from pyrate_limiter import Rate as TheirRate

from klaviyo_async.headers import Headers
from klaviyo_async.limiter import LocalLimiter, RedisLimiter
from klaviyo_async.operation import Limits, Operation, Rate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

JITTER = (0.005, 0.3)


# -- the server --------------------------------------------------------------------------------------------------------------


class Account:
    """One contender's windows."""

    def __init__(self, burst: Rate, steady: Rate, style: str) -> None:
        self.rates = (burst, steady)
        self.style = style
        self.phases = (random.random() * burst.seconds, random.random() * steady.seconds)
        self.counts: Counter[tuple[int, int]] = Counter()
        self.accepted: list[float] = []
        self.refused = 0
        self.began = time.monotonic()

    def count(self) -> tuple[int, dict[str, str]]:
        now = time.monotonic()
        keys = [
            (i, math.floor((now - phase) / rate.seconds))
            for i, (rate, phase) in enumerate(zip(self.rates, self.phases, strict=True))
        ]
        rests = [(keys[i][1] + 1) * rate.seconds + self.phases[i] - now for i, rate in enumerate(self.rates)]
        full = [i for i, rate in enumerate(self.rates) if self.counts[keys[i]] >= rate.count]
        if full:
            self.refused += 1
            return 429, {"Retry-After": str(math.ceil(max(rests[i] for i in full)))}
        for key in keys:
            self.counts[key] += 1
        self.accepted.append(now)
        if self.style == "none":
            return 200, {}
        told = 0 if self.style == "burst" else 1
        burst, steady = self.rates
        return 200, {
            "RateLimit-Limit": f"{self.rates[told].count}, {burst.count};w={burst.seconds}, {steady.count};w={steady.seconds}",
            "RateLimit-Remaining": str(self.rates[told].count - self.counts[keys[told]]),
            "RateLimit-Reset": str(math.ceil(rests[told]) if told else 0),
        }

    def report(self, end: float) -> dict[str, float]:
        steady = self.rates[1].count
        cycles = [later - earlier for earlier, later in zip(self.accepted, self.accepted[steady:], strict=False)]
        mean = sum(cycles) / len(cycles) if cycles else math.nan
        return {
            "accepted": len(self.accepted),
            "refused": self.refused,
            "oracle": self.oracle(end),
            "sustained": self.rates[1].seconds / mean,
        }

    def oracle(self, end: float) -> int:
        """What one gets who sees the windows: every second as much as both allow."""
        burst, steady = self.rates
        total, moment = 0, self.began + JITTER[0]
        seconds: Counter[int] = Counter()
        minutes: Counter[int] = Counter()
        while moment < end:
            second = math.floor((moment - self.phases[0]) / burst.seconds)
            minute = math.floor((moment - self.phases[1]) / steady.seconds)
            more = min(burst.count - seconds[second], steady.count - minutes[minute])
            seconds[second] += more
            minutes[minute] += more
            total += more
            moment += 0.01
        return total


def serve(port: int) -> None:
    """Run the server until it is killed."""
    accounts: dict[str, Account] = {}

    async def open_account(request: web.Request) -> web.Response:
        query = request.query
        accounts[query["account"]] = Account(Rate(query["burst"]), Rate(query["steady"]), query["style"])
        return web.Response()

    async def call(request: web.Request) -> web.Response:
        account = accounts[request.query["account"]]
        await asyncio.sleep(random.uniform(*JITTER))
        status, headers = account.count()
        await asyncio.sleep(random.uniform(*JITTER))
        return web.Response(status=status, headers=headers)

    async def report(request: web.Request) -> web.Response:
        return web.json_response(accounts[request.query["account"]].report(time.monotonic()))

    app = web.Application()
    app.add_routes([web.get("/open", open_account), web.get("/call", call), web.get("/report", report)])
    web.run_app(app, host="127.0.0.1", port=port, print=None)


# -- the contenders ----------------------------------------------------------------------------------------------------------


class Contender(Protocol):
    """Waits for its turn, and hears what came of it."""

    async def wait(self) -> Callable[[int, dict[str, str]], None]: ...


class Ours:
    def __init__(self, limiter: LocalLimiter | RedisLimiter, account: str, burst: str, steady: str) -> None:
        self.limiter = limiter
        self.account = account
        self.operation = Operation(
            name="get_things",
            method="GET",
            path="/call",
            tag="things",
            summary="",
            limits=Limits(burst=Rate(burst), steady=Rate(steady)),
            safe_to_repeat=True,
            reference="",
        )

    async def wait(self) -> Callable[[int, dict[str, str]], None]:
        return (await self.limiter.acquire(self.account, self.operation)).answered


class Aiolimiter:
    def __init__(self, burst: str, steady: str) -> None:
        self.limiters = [AsyncLimiter(Rate(rate).count, Rate(rate).seconds) for rate in (steady, burst)]

    async def wait(self) -> Callable[[int, dict[str, str]], None]:
        for limiter in self.limiters:
            await limiter.acquire()
        return _ignore


class Pyrate:
    def __init__(self, burst: str, steady: str) -> None:
        self.limiter = Limiter([TheirRate(Rate(rate).count, Rate(rate).seconds * 1000) for rate in (burst, steady)])

    async def wait(self) -> Callable[[int, dict[str, str]], None]:
        await self.limiter.try_acquire_async("account")
        return _ignore


class Nothing:
    async def wait(self) -> Callable[[int, dict[str, str]], None]:
        return _ignore


def _ignore(_status: int, _headers: dict[str, str]) -> None:
    return


async def contend(base: str, account: str, contender: Contender, *, tasks: int, seconds: float) -> None:
    """Send as fast as the contender lets `tasks` tasks; a 429 is repeated once its Retry-After has passed."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def worker() -> None:
            while True:
                answered = await contender.wait()
                async with session.get(f"{base}/call", params={"account": account}) as answer:
                    answered(answer.status, dict(answer.headers))
                    if answer.status == 429:
                        await asyncio.sleep(float(answer.headers["Retry-After"]))

        workers = [asyncio.ensure_future(worker()) for _ in range(tasks)]
        await asyncio.sleep(seconds)
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


# -- the runs ----------------------------------------------------------------------------------------------------------------


async def ask(base: str, path: str, **query: str) -> Any:
    async with aiohttp.ClientSession() as session, session.get(f"{base}/{path}", params=query) as answer:
        return await answer.json() if answer.content_type == "application/json" else None


async def run_group(base: str, tasks: int, seconds: float, burst: str, steady: str) -> None:
    """All contenders with that many tasks, in this process; prints a JSON object of their reports."""
    rows: dict[str, tuple[Contender, str]] = {
        "klaviyo_async, window of the minute told": (
            Ours(LocalLimiter(clock=time.monotonic), "a", burst, steady),
            "steady",
        ),
        "klaviyo_async, only the burst told, as recorded": (
            Ours(LocalLimiter(clock=time.monotonic), "a", burst, steady),
            "burst",
        ),
        "klaviyo_async, nothing told": (Ours(LocalLimiter(clock=time.monotonic), "a", burst, steady), "none"),
        "aiolimiter, both rates": (Aiolimiter(burst, steady), "none"),
        "pyrate-limiter, both rates": (Pyrate(burst, steady), "none"),
        "no limiter, Retry-After obeyed": (Nothing(), "none"),
    }
    names = {label: f"{tasks}-{number}" for number, label in enumerate(rows)}
    for label, (_, style) in rows.items():
        await ask(base, "open", account=names[label], burst=burst, steady=steady, style=style)
    await asyncio.gather(
        *(
            contend(base, names[label], contender, tasks=tasks, seconds=seconds)
            for label, (contender, _) in rows.items()
        )
    )
    print(json.dumps({label: await ask(base, "report", account=names[label]) for label in rows}))


async def run_redis(base: str, url: str, seconds: float, burst: str, steady: str) -> None:
    """One of four processes that share an account."""
    limiter = RedisLimiter(url)
    await contend(base, "redis", Ours(limiter, "redis", burst, steady), tasks=50, seconds=seconds)
    await limiter.close()


async def time_acquire() -> list[tuple[str, str]]:
    """Microseconds of a permit that is got without waiting and settled, and of one behind many that wait."""
    plenty = "1000000/s", "59000000/m"
    rows: list[tuple[str, str]] = []
    contenders: dict[str, Callable[[str, str], Contender]] = {
        "klaviyo_async": lambda burst, steady: Ours(LocalLimiter(clock=time.monotonic), "a", burst, steady),
        "aiolimiter": Aiolimiter,
        "pyrate-limiter": Pyrate,
    }
    for name, make in contenders.items():
        contender = make(*plenty)
        best = math.inf
        for _ in range(10):
            began = time.perf_counter()
            for _ in range(1000):
                (await contender.wait())(200, {})
            best = min(best, (time.perf_counter() - began) / 1000)
        rows.append((f"{name}, nobody waits", f"{best * 1e6:.1f}"))
    rows.append(("klaviyo_async, take() and a response with headers", f"{_time_a_call() * 1e6:.1f}"))
    for name, make in contenders.items():
        for waiting in (1_000, 10_000):
            if name != "klaviyo_async" and waiting > 1_000:
                continue
            rows.append((f"{name}, {waiting:,} waiting", f"{await _time_waiting(make, waiting) * 1e6:.0f}"))
    return rows


def _time_a_call() -> float:
    """CPU seconds of `take` and `answered` at 700 a minute, as recorded responses tell: clock and server are simulated."""
    now = 1000.0
    limiter = LocalLimiter(clock=lambda: now)
    operation = Ours(limiter, "a", "75/s", "750/m").operation
    policy = "75, 75;w=1, 750;w=60"
    responses = [
        Headers({"RateLimit-Limit": policy, "RateLimit-Remaining": str(left), "RateLimit-Reset": "0"})
        for left in range(75)
    ]
    best, second, left = math.inf, 0, 75
    for _ in range(100):
        began = time.thread_time()
        for _ in range(200):
            now += 60 / 700
            left = left - 1 if int(now) == second else 74
            second = int(now)
            permit = limiter.take("a", operation)
            assert permit is not None
            permit.answered(200, responses[left])
        best = min(best, (time.thread_time() - began) / 200)
    return best


async def _time_waiting(make: Callable[[str, str], Contender], waiting: int) -> float:
    """CPU seconds per acquire, from queueing to being let through, of so many that wait for 1000/s."""
    contender = make("1000/s", "59000/m")

    async def one() -> None:
        answered = await contender.wait()
        answered(200, {})

    began = time.process_time()
    await asyncio.gather(*(one() for _ in range(waiting + 1000)))
    return (time.process_time() - began) / (waiting + 1000)


async def time_redis(url: str) -> tuple[str, str]:
    limiter = RedisLimiter(url)
    contender = Ours(limiter, "timing", "1000000/s", "1000000/m")
    began = time.perf_counter()
    for _ in range(500):
        (await contender.wait())(200, {})
    each = (time.perf_counter() - began) / 500
    await limiter.close()
    return "klaviyo_async with Redis, nobody waits", f"{each * 1e6:.0f}"


async def main(minutes: float, burst: str, steady: str) -> None:
    seconds = minutes * 60
    port, redis_port = _free_port(), _free_port()
    base, url = f"http://127.0.0.1:{port}", f"redis://127.0.0.1:{redis_port}/0"
    this = [sys.executable, "-m", "benchmarks.limits"]
    with contextlib.ExitStack() as stack:
        stack.callback(_end, subprocess.Popen([*this, "serve", str(port)]))  # noqa: ASYNC220
        with_redis = shutil.which("redis-server") is not None
        if with_redis:
            command = ["redis-server", "--port", str(redis_port), "--save", "", "--appendonly", "no"]
            stack.callback(_end, subprocess.Popen(command, stdout=subprocess.DEVNULL))  # noqa: ASYNC220
        await _up(port)
        if with_redis:
            await _up(redis_port)
        micro = await time_acquire()
        if with_redis:
            micro.append(await time_redis(url))
            await ask(base, "open", account="redis", burst=burst, steady=steady, style="none")
        limits = [str(seconds), burst, steady]
        groups = [await _start([*this, "group", base, str(tasks), *limits]) for tasks in (50, 500)]
        sharers = [await _start([*this, "redis", base, url, *limits]) for _ in range(4)] if with_redis else []
        reports = [json.loads(output) for output in await asyncio.gather(*map(_output, groups))]
        await asyncio.gather(*map(_output, sharers))
        shared = await ask(base, "report", account="redis") if with_redis else None
    _print(minutes, burst, steady, reports, shared, micro)


def _print(
    minutes: float, burst: str, steady: str, reports: list[Any], shared: Any, micro: list[tuple[str, str]]
) -> None:
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("aiohttp", "aiolimiter", "pyrate-limiter", "redis")
    )
    print(
        f"CPython {platform.python_version()}, {versions}; {burst} and {steady}, {minutes:g} minutes, 5 to 300 ms each way\n"
    )
    print("| limiter | tasks | 429s | accepted | used of what the phase-aware oracle gets | of the sustained rate |")
    print("|---|---|---|---|---|---|")
    rows = [
        (label, tasks, row)
        for tasks, report in zip(("50", "500"), reports, strict=True)
        for label, row in report.items()
    ]
    if shared is not None:
        rows.append(("klaviyo_async with Redis, nothing told", "4 processes × 50", shared))
    for label, tasks, row in rows:
        used = row["accepted"] / row["oracle"]
        print(f"| {label} | {tasks} | {row['refused']} | {row['accepted']} | {used:.1%} | {row['sustained']:.1%} |")
    print("\n| acquire | µs |\n|---|---|")
    for label, value in micro:
        print(f"| {label} | {value} |")


async def _start(command: list[str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)


def _output(process: asyncio.subprocess.Process) -> Awaitable[bytes]:
    async def read() -> bytes:
        output, _ = await process.communicate()
        return output

    return read()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


async def _up(port: int) -> None:
    for _ in range(500):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.02)
    raise SystemExit(f"nothing came up on port {port}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", port]:
            serve(int(port))
        case ["group", base, tasks, seconds, burst, steady]:
            asyncio.run(run_group(base, int(tasks), float(seconds), burst, steady))
        case ["redis", base, url, seconds, burst, steady]:
            asyncio.run(run_redis(base, url, float(seconds), burst, steady))
        case _:
            parser = argparse.ArgumentParser(description="Limiters on a server with fixed windows of unknown phase.")
            parser.add_argument("--minutes", type=float, default=3.1, help="length of the run (default: 3.1)")
            parser.add_argument("--burst", default="10/s")
            parser.add_argument("--steady", default="150/m")
            options = parser.parse_args()
            asyncio.run(main(options.minutes, options.burst, options.steady))
