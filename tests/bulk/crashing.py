"""Runs imports that are killed at each step of the ledger, and then again: prints a line of JSON for each.

``python crashing.py URL FOLDER METHOD``. One process forks for every run: starting Python takes longer than an import.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from klaviyo_async import Klaviyo
from klaviyo_async.bulk._import import batches as batches_module
from klaviyo_async.bulk._import import jobs as jobs_module
from klaviyo_async.bulk._import import ledger as ledger_module

ROWS = 15
ON = {"email": {"marketing": {"consent": "SUBSCRIBED"}}}


def rows(label: str, method: str) -> list[dict[str, Any]]:
    return [
        {"email": f"{label}-{number}@x.com", **({"subscriptions": ON} if method == "subscribe_profiles" else {})}
        for number in range(ROWS)
    ]


async def run(url: str, checkpoint: Path, label: str, method: str) -> Any:
    async with Klaviyo("pk_test", base_url=url, limiter=False) as klaviyo:
        return await getattr(klaviyo.bulk, method)(rows(label, method), checkpoint=checkpoint)


def kill_at(step: int, when: str) -> None:
    transact = ledger_module.Ledger._transact
    steps = 0

    async def counted(self: Any, write: Any) -> None:
        nonlocal steps
        steps += 1
        mine = steps == step
        if mine and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        await transact(self, write)
        if mine and when == "after":
            os.kill(os.getpid(), signal.SIGKILL)

    ledger_module.Ledger._transact = counted  # type: ignore[method-assign]


def in_a_child(work: Any) -> int:
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:  # noqa: BLE001
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(url: str, folder: str, method: str) -> None:
    jobs_module.SHORTEST = 0.01
    made = batches_module.Packer.__init__

    def small(self: Any, caps: Any, envelope: Any) -> None:
        made(self, caps, envelope)
        self._most_rows = 10

    batches_module.Packer.__init__ = small  # type: ignore[method-assign]
    for step in range(1, 100):
        for when in ("before", "after"):
            label = f"{when}{step}"
            checkpoint = Path(folder) / f"{method}-{label}.sqlite"

            def crash(checkpoint: Path = checkpoint, label: str = label, step: int = step, when: str = when) -> None:
                kill_at(step, when)
                asyncio.run(run(url, checkpoint, label, method))

            def again(checkpoint: Path = checkpoint, label: str = label) -> None:
                report = asyncio.run(run(url, checkpoint, label, method))
                told = {
                    "label": label,
                    "submitted": report.submitted,
                    "succeeded": report.succeeded,
                    "failed": report.failed,
                    "unknown": [(each.row, each.resent) for each in report.unknown],
                }
                print(json.dumps(told), flush=True)

            if in_a_child(crash) == 0:
                return
            if in_a_child(again) != 0:
                raise SystemExit(f"{label} could not go on")


if __name__ == "__main__":
    main(*sys.argv[1:])
