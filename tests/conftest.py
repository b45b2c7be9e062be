"""Settings of all tests, and which of them run when.

- A slow machine fails no hypothesis test, neither by a deadline nor by a health check.
- `sweep`: what doesn't depend on the interpreter, since its subject is the generated code as a whole (all operations, all
  schemas), a tool of development, or hours of virtual time. It runs on one interpreter. What sweeps have in common with other tests (calls,
  models, filters, the fake) runs on all.
- `slow`: what is listed in slow.txt. `make test-fast` leaves out both.
- Tests of real programs in real time (a Redis that dies, a browser, workers that are killed) are tried up to three times: a machine
  that stands still for a second fails them, whatever the code does. The summary lists the tries. What can run on virtual time does.
- With TEST_LOOP=uvloop in the environment they run on uvloop.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

settings.register_profile("klaviyo_async", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("klaviyo_async")

TESTS = Path(__file__).parent
SLOW = tuple(line for line in (TESTS / "slow.txt").read_text("utf-8").splitlines() if not line.startswith("#"))
SWEEPS = (
    "bulk/test_distributed.py",
    "bulk/test_export_limits.py",
    "codegen/",
    "contract/test_codegen.py",
    "docs/test_blocks.py::test_the_blocks_pass_the_type_checker",
    "limiter/test_never_too_many.py",
    "model/test_mutations.py",
    "model/test_synthesised.py",
    "operations/",
    "packaging/",
    "request/test_quick.py",
    "revisions/test_docs.py",
    "revisions/test_sets.py",
    "testing/test_every_operation.py",
    "typing/",
)
REAL = (
    "auth/test_sharing.py",
    "bulk/test_distributed.py",
    "cli/test_processes.py",
    "contract/test_limits.py",
    "http/test_with_limiter.py",
    "limiter/test_redis.py",
    "limiter/test_redis_failures.py",
    "limiter/test_redis_left.py",
    "testing/test_window_in_a_browser.py",
)


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: some tests wait, for Redis or a clock."""
    return (os.cpu_count() or 1) + 1


if os.environ.get("TEST_LOOP") == "uvloop":

    def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
        """All tests on uvloop."""
        import uvloop  # noqa: PLC0415 - only where it is asked for

        return {"uvloop": uvloop.new_event_loop}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests, and put files that take long first, so that no worker is left alone with one at the end."""
    long = set()
    for item in items:
        place = item.path.relative_to(TESTS).as_posix() + "::" + item.nodeid.partition("::")[2].partition("[")[0]
        marks = [mark for mark, places in (("sweep", SWEEPS), ("slow", SLOW)) if place.startswith(places)]
        for mark in marks:
            item.add_marker(mark)
        if place.startswith(REAL):
            item.add_marker(pytest.mark.flaky(reruns=2))
        if marks:
            long.add(item.path)
    items.sort(key=lambda item: item.path not in long)
