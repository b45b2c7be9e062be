"""Who goes next where calls need several buckets: whoever the server would take, and nobody starves."""

from __future__ import annotations

import asyncio
import random

import pytest

from klaviyo_async.limiter import LocalLimiter
from tests.limiter.virtual import FixedWindowServer, operation, parameter, run

PROFILES = operation("get_profiles", "75/s", "700/m")
OF_LIST = operation("get_profiles_for_list", "75/s", "700/m")
ANALYTICS = parameter("predictive_analytics", "10/s", "150/m")
MINUTES = 8


def simulate(*kinds, style="none"):
    """Calls accepted a minute and the longest wait, by kind: (name, operation, parameters, tasks)."""

    async def main(loop):
        rng = random.Random(1)
        told = FixedWindowServer(loop.time, (0.3, 20.0), style=style)
        limiter = LocalLimiter(clock=loop.time)
        accepted = dict.fromkeys([kind[0] for kind in kinds], 0)
        longest = dict.fromkeys(accepted, 0.0)

        async def worker(name, called, triggered):
            while True:
                permit = await limiter.acquire("a", called, triggered)
                longest[name] = max(longest[name], permit.waited)
                await asyncio.sleep(rng.uniform(0.01, 0.15))
                buckets = {called.name: called.limits.rates, **{limit.value: limit.rates for limit in triggered}}
                status, headers = told.count(buckets)
                accepted[name] += status == 200
                await asyncio.sleep(rng.uniform(0.01, 0.15))
                permit.answered(status, headers)

        tasks = [
            asyncio.ensure_future(worker(name, called, triggered))
            for name, called, triggered, number in kinds
            for _ in range(number)
        ]
        await asyncio.sleep(60 * MINUTES)
        for task in tasks:
            task.cancel()
        assert told.refused == []
        return {name: number / MINUTES for name, number in accepted.items()}, longest

    return run(main)


def test_a_waiter_that_its_operation_holds_up_leaves_the_parameters_tokens_to_others() -> None:
    rates, longest = simulate(
        ("profiles with", PROFILES, [ANALYTICS], 25),
        ("profiles", PROFILES, [], 50),
        ("list with", OF_LIST, [ANALYTICS], 25),
    )
    assert rates["profiles with"] + rates["list with"] > 0.95 * 150
    assert rates["profiles with"] + rates["profiles"] > 0.97 * 700
    assert rates["profiles with"] > 0.3 * 150  # and isn't starved
    assert max(longest.values()) < 75


@pytest.mark.parametrize("style", ["none", "burst"])
def test_the_shared_parameter_has_90_percent_of_its_optimum_beside_plain_calls_that_use_up_both_operations(
    style,
) -> None:
    rates, longest = simulate(
        ("profiles with", PROFILES, [ANALYTICS], 40),
        ("profiles", PROFILES, [], 25),
        ("list with", OF_LIST, [ANALYTICS], 40),
        ("list", OF_LIST, [], 25),
        style=style,
    )
    assert rates["profiles with"] + rates["list with"] > 0.9 * 150
    assert rates["profiles with"] + rates["profiles"] > 0.97 * 700
    assert rates["list with"] + rates["list"] > 0.97 * 700
    assert min(rates["profiles with"], rates["list with"]) > 0.3 * 150
    assert max(longest.values()) < 75


def test_slow_operations_and_parameters_are_all_used_and_nobody_starves() -> None:
    slow = parameter("lists", "1/s", "15/m")
    rates, longest = simulate(
        ("one with", operation("one", "1/s", "15/m"), [slow], 5),
        ("one", operation("one", "1/s", "15/m"), [], 5),
        ("two with", operation("two", "10/s", "150/m"), [slow], 5),
        ("two", operation("two", "10/s", "150/m"), [], 25),
    )
    assert rates["one with"] + rates["two with"] > 0.9 * 15
    assert rates["one with"] + rates["one"] > 0.95 * 15
    assert rates["two with"] + rates["two"] > 0.95 * 150
    assert min(rates["one with"], rates["two with"], rates["one"]) > 3
    assert max(longest.values()) < 120


def test_a_call_that_needs_two_scarce_parameters_is_served_between_those_that_need_one() -> None:
    first, second = parameter("first", "1/s", "15/m"), parameter("second", "1/s", "15/m")
    rates, _ = simulate(
        ("both", operation("x", "75/s", "700/m"), [first, second], 3),
        ("first", operation("y", "75/s", "700/m"), [first], 5),
        ("second", operation("z", "75/s", "700/m"), [second], 5),
    )
    assert rates["both"] > 2
    assert rates["both"] + rates["first"] > 0.85 * 15
    assert rates["both"] + rates["second"] > 0.85 * 15


def test_who_can_be_served_is_served_at_once() -> None:
    async def main(loop):
        limiter = LocalLimiter(clock=loop.time)
        slow = parameter("lists", "1/s", "15/m")
        for _ in range(15):  # the parameter's minute is used up
            (await limiter.acquire("a", PROFILES, [slow])).answered(200, {})
        waiting = [asyncio.ensure_future(limiter.acquire("a", PROFILES, [slow])) for _ in range(20)]
        await asyncio.sleep(0)
        began = loop.time()
        for _ in range(50):
            (await limiter.acquire("a", PROFILES)).answered(200, {})
            (await limiter.acquire("a", OF_LIST)).answered(200, {})
        assert loop.time() == began
        # The other way round: the operation is used up, others have the parameter.
        busy = operation("busy", "5/s", "5/m")
        for _ in range(5):
            (await limiter.acquire("a", busy)).answered(200, {})
        waiting += [asyncio.ensure_future(limiter.acquire("a", busy, [ANALYTICS])) for _ in range(20)]
        await asyncio.sleep(0)
        for _ in range(9):
            (await limiter.acquire("a", OF_LIST, [ANALYTICS])).answered(200, {})
        assert loop.time() == began
        for task in waiting:
            task.cancel()

    run(main)
