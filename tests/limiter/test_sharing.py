"""With another client on the account: few 429s, and the two settle side by side. What headers and answers teach."""

from __future__ import annotations

import asyncio
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klaviyo_async.limiter import LocalLimiter
from klaviyo_async.limiter._phase import Phase
from klaviyo_async.limiter._readings import Reading, read
from tests.limiter.virtual import FixedWindowServer, bucket_of, operation, parameter, run


def share(
    seed: int, *, style: str, front_loaded: bool, minutes: int, burst: str, steady: str, leaves_after: float = math.inf
):
    """Ours (accepted, refused) in each minute, beside a foreign client that takes half of the steady rate."""
    rng = random.Random(seed)
    phases = (rng.random(), rng.random() * 60)
    called = operation(burst=burst, steady=steady)
    half = called.limits.steady.count // 2

    async def main(loop):
        told = FixedWindowServer(loop.time, phases, style=style)
        limiter = LocalLimiter(clock=loop.time)
        ours = []
        began = loop.time()

        async def worker():
            while True:
                permit = await limiter.acquire("a", called)
                await asyncio.sleep(rng.uniform(0.01, 0.15))
                status, headers = told.count({"b": called.limits.rates})
                ours.append((loop.time(), status))
                await asyncio.sleep(rng.uniform(0.01, 0.15))
                permit.answered(status, headers)

        async def foreign():
            while loop.time() < began + leaves_after:
                if front_loaded:
                    for _ in range(half):
                        told.count({"b": called.limits.rates})
                        await asyncio.sleep(2 / called.limits.burst.count)
                    await asyncio.sleep(60 - half * 2 / called.limits.burst.count)
                else:
                    told.count({"b": called.limits.rates})
                    await asyncio.sleep(60 / half * rng.uniform(0.5, 1.5))

        tasks = [asyncio.ensure_future(worker()) for _ in range(50)] + [asyncio.ensure_future(foreign())]
        await asyncio.sleep(minutes * 60)
        for task in tasks:
            task.cancel()
        result = [[0, 0] for _ in range(minutes + 1)]
        for moment, status in ours:
            result[int((moment - began) // 60)][status == 429] += 1
        return result[:minutes]

    return run(main), half


@pytest.mark.parametrize("front_loaded", [False, True])
@pytest.mark.parametrize("style", ["none", "burst", "steady", "nearest"])
@pytest.mark.parametrize(("burst", "steady"), [("10/s", "150/m"), ("3/s", "60/m")])
def test_beside_a_client_that_takes_half_at_most_two_429s_a_minute_and_we_settle_at_the_rest(
    style, front_loaded, burst, steady
) -> None:
    minutes, half = share(3, style=style, front_loaded=front_loaded, minutes=15, burst=burst, steady=steady)
    assert max(refused for _, refused in minutes) <= 2
    settled = sum(accepted for accepted, _ in minutes[5:]) / 10
    assert 0.85 * half < settled < 1.25 * half


def test_when_the_other_client_leaves_we_take_all_again() -> None:
    minutes, half = share(
        4, style="burst", front_loaded=False, minutes=25, burst="10/s", steady="150/m", leaves_after=8 * 60
    )
    assert sum(accepted for accepted, _ in minutes[4:8]) / 4 < 1.25 * half
    assert sum(accepted for accepted, _ in minutes[-4:]) / 4 > 0.95 * 2 * half


def test_a_restart_finds_out_what_the_last_run_used() -> None:
    async def main(loop):
        called = operation(burst="10/s", steady="150/m")
        told = FixedWindowServer(loop.time, (0.3, 20.0), style="nearest")
        this_minute = ("b", 60, math.floor((loop.time() - 20.0) / 60))
        told.counts[this_minute] = 145  # by the process before this one
        limiter = LocalLimiter(clock=loop.time)
        for _ in range(30):
            permit = await limiter.acquire("a", called)
            permit.answered(*told.count({"b": called.limits.rates}))
        return told.refused

    assert run(main) == []


def test_a_lower_limit_in_the_headers_is_taken_over_and_a_higher_one_is_not() -> None:
    async def main(loop):
        limiter = LocalLimiter(clock=loop.time)
        called = operation(burst="10/s", steady="150/m")
        lower = {"RateLimit-Limit": "3, 3;w=1, 60;w=60", "RateLimit-Remaining": "2", "RateLimit-Reset": "0"}
        (await limiter.acquire("a", called)).answered(200, lower)
        low = bucket_of(limiter.snapshot(), "get_things").left
        higher = {"RateLimit-Limit": "75, 75;w=1, 750;w=60", "RateLimit-Remaining": "74", "RateLimit-Reset": "0"}
        (await limiter.acquire("a", called)).answered(200, higher)
        return low, bucket_of(limiter.snapshot(), "get_things").left

    assert run(main) == (2, 8)


def test_headers_are_attributed_to_the_bucket_whose_limits_they_name() -> None:
    slow = parameter("profile_count", "1/s", "15/m")

    async def main(loop):
        limiter = LocalLimiter(clock=loop.time)
        called = operation(burst="10/s", steady="150/m")
        permit = await limiter.acquire("a", called, [slow])
        permit.answered(
            200, {"RateLimit-Limit": "15, 1;w=1, 15;w=60", "RateLimit-Remaining": "4", "RateLimit-Reset": "9"}
        )
        shot = limiter.snapshot()
        return [[window.foreign for window in bucket.windows] for bucket in shot.buckets]

    operations, parameters = run(main)
    assert operations == [0, 0]
    assert parameters == [0, 10]


# -- headers -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "remaining", "reset", "expected"),
    [
        ("75, 75;w=1, 750;w=60", "74", "0", [(1, 75, 74, 0)]),
        ("750, 75;w=1, 750;w=60", "74", "42", [(60, 750, 74, 42)]),
        ("1, 1;w=1, 2;w=60, 225;w=86400", "0", "0", [(1, 1, 0, 0)]),
        ("75, 75;w=1, 750;w=60", "700", "42", []),  # more remaining than there is: about another window
        ("75, 75;w=1, 750;w=60", "70", "42", []),  # a second has no 42 seconds
        ("100, 3;w=1, 100;w=60, 100;w=86400", "90", "5", []),  # two windows it may be about
        ("100, 3;w=1, 100;w=60, 100;w=86400", "90", "7000", [(86400, 100, 90, 7000)]),
        ("75,75;w=1 , 750; w=60", "1", "0.5", [(1, 75, 1, 0.5)]),
        ("75, 75;w=1, 750;w=60", "-1", "nan", []),
        ("75, 75;w=1, 750;w=60", "many", "later", []),
        ("75", "70", "0", None),
        ("", "70", "0", None),
        ("a;w=1, ;;, 5;w=, 9;w=x, 7;q=1", "1", "1", None),
    ],
)
def test_what_headers_say(limit, remaining, reset, expected) -> None:
    found = read({"RateLimit-Limit": limit, "RateLimit-Remaining": remaining, "RateLimit-Reset": reset})
    told = None if found is None else [(r.seconds, r.count, r.remaining, r.reset) for r in found[1]]
    assert told == expected


def test_the_daily_headers() -> None:
    headers = {
        "ratelimit-limit": "1, 1;w=1, 2;w=60, 225;w=86400",
        "ratelimit-remaining": "0",
        "ratelimit-reset": "0",
        "ratelimit-remaining-daily": "224",
        "ratelimit-reset-daily": "86399",
    }
    found = read(headers)
    assert found is not None
    assert found[1][1] == Reading(86400, 225, 224, 86399.0)


@given(st.text(max_size=60), st.text(max_size=8), st.text(max_size=8))
def test_no_header_breaks_anything(limit, remaining, reset) -> None:
    read({"RateLimit-Limit": limit, "RateLimit-Remaining": remaining, "RateLimit-Reset": reset})


# -- phase -------------------------------------------------------------------------------------------------------------------


@given(
    st.floats(0, 60),
    st.lists(st.tuples(st.floats(0, 2000), st.floats(0, 2), st.floats(0, 2)), min_size=1, max_size=40),
    st.floats(0, 2500),
    st.floats(-4e-4, 4e-4),
)
def test_a_phase_learned_from_true_evidence_never_promises_a_boundary_too_early(begin, evidence, moment, drift) -> None:
    phase = Phase(60)

    def boundary(number):
        return (begin + number * 60) * (1 + drift)

    for at, before, after in sorted(evidence):
        number = math.ceil((at / (1 + drift) - begin) / 60)
        phase.learn(boundary(number) - before, boundary(number) + after, at)
    if phase.known:
        promised = phase.boundary_after(moment)
        assert any(moment < boundary(number) <= promised for number in range(-3, 60))


def test_evidence_that_contradicts_drops_all_and_pauses_learning() -> None:
    phase = Phase(60)
    phase.learn(10, 12, 0)
    assert phase.known
    phase.learn(40, 42, 60)
    assert not phase.known
    phase.learn(40, 42, 120)
    assert not phase.known  # for two windows nothing is believed
    phase.learn(40 + 120, 42 + 120, 200)
    assert phase.known
    phase.learn(10 + 180, 12 + 180, 201)
    phase.learn(10 + 240, 12 + 240, 330)
    assert not phase.known  # the second time, four


def test_a_false_phase_is_given_up_after_one_429() -> None:
    async def main(loop):
        limiter = LocalLimiter(clock=loop.time)
        called = operation(burst="10/s", steady="150/m")
        told = {"RateLimit-Limit": "150, 10;w=1, 150;w=60", "RateLimit-Remaining": "149", "RateLimit-Reset": "30"}
        (await limiter.acquire("a", called)).answered(200, told)
        assert bucket_of(limiter.snapshot(), "get_things").windows[1].phase is not None
        (await limiter.acquire("a", called)).answered(429, {"Retry-After": "3"})
        assert bucket_of(limiter.snapshot(), "get_things").windows[1].phase is None

    run(main)
