"""What a caller of the local limiter sees: order, priorities, waits, cancellation, daily limits, overrides, snapshot."""

from __future__ import annotations

import asyncio
import os
import threading
import time
import weakref

import pytest

from klaviyo_async.errors import ConfigurationError, RateLimitWait
from klaviyo_async.limiter import AccountLimiter, LocalLimiter
from klaviyo_async.limiter._scheduler import LOST
from klaviyo_async.limiter.local import parse_overrides
from klaviyo_async.operation import OperationTable
from tests.limiter.virtual import bucket_of, operation, parameter, run
from tests.support.effort import Effort

TEN = operation("get_things", "10/s", "150/m")
ONE = operation("get_one", "1/s", "15/m")
DAILY = operation("query_report", "1/s", "2/m", "3/d")


async def settle(turns: int = 5) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


def test_first_come_first_served_and_interactive_before_bulk() -> None:
    async def main(loop):
        limiter = LocalLimiter(clock=loop.time)
        order = []

        async def call(name, priority):
            permit = await limiter.acquire("a", ONE, priority=priority)
            order.append(name)
            permit.answered(200, {})

        (await limiter.acquire("a", ONE)).answered(200, {})
        tasks = [asyncio.ensure_future(call(f"bulk {i}", "bulk")) for i in range(3)]
        await settle()
        tasks += [asyncio.ensure_future(call(f"now {i}", "interactive")) for i in range(3)]
        await asyncio.gather(*tasks)
        return order

    assert run(main) == ["now 0", "now 1", "now 2", "bulk 0", "bulk 1", "bulk 2"]


def test_bulk_is_not_starved_for_ever() -> None:
    async def main(loop):
        limiter = LocalLimiter(clock=loop.time)
        served = []

        async def call(name, priority):
            (await limiter.acquire("a", TEN, priority=priority)).answered(200, {})
            served.append(name)

        tasks = [asyncio.ensure_future(call("bulk", "bulk")) for _ in range(50)]
        tasks += [asyncio.ensure_future(call("interactive", "interactive")) for _ in range(300)]
        await asyncio.sleep(50)
        for task in tasks:
            task.cancel()
        return served

    served = run(main)
    first_in_line = served[10:150]  # ten went before anybody had to wait
    assert 0.08 < first_in_line.count("bulk") / len(first_in_line) < 0.15


def test_operations_do_not_hold_each_other_up() -> None:
    async def main(loop):
        limiter = LocalLimiter(clock=loop.time)
        (await limiter.acquire("a", ONE)).answered(200, {})
        waiting = asyncio.ensure_future(limiter.acquire("a", ONE))
        await settle()
        assert not waiting.done()
        assert (await limiter.acquire("a", TEN)).waited == 0
        assert (await limiter.acquire("other account", ONE)).waited == 0
        waiting.cancel()

    run(main)


def test_a_slow_parameter_holds_up_only_those_who_need_it_and_they_are_served() -> None:
    slow = parameter("predictive_analytics", "1/s", "15/m")

    async def main(loop):
        limiter = LocalLimiter(clock=loop.time)
        times = {"plain": [], "with": [], "elsewhere": []}

        async def worker(kind, called, triggered):
            while True:
                permit = await limiter.acquire("a", called, triggered)
                times[kind].append(loop.time())
                await asyncio.sleep(0.01)
                permit.answered(200, {})

        tasks = [asyncio.ensure_future(worker("with", TEN, [slow])) for _ in range(30)]
        await settle()
        tasks += [asyncio.ensure_future(worker("plain", TEN, [])) for _ in range(30)]
        tasks += [
            asyncio.ensure_future(worker("elsewhere", operation("get_profile", "75/s", "750/m"), [slow]))
            for _ in range(30)
        ]
        await asyncio.sleep(600)
        for task in tasks:
            task.cancel()
        return times

    times = run(main)
    # The operation's own limit is used up by the two kinds together, the parameter's by the two operations together.
    assert len(times["plain"]) + len(times["with"]) > 0.97 * 1500
    assert len(times["with"]) + len(times["elsewhere"]) > 0.95 * 150
    assert len(times["with"]) > 30
    assert len(times["elsewhere"]) > 30


def test_all_buckets_are_taken_or_none() -> None:
    slow = parameter("predictive_analytics", "1/s", "15/m")

    async def main(loop):
        limiter = LocalLimiter(clock=loop.time)
        first = await limiter.acquire("a", TEN, [slow])
        second = asyncio.ensure_future(limiter.acquire("a", TEN, [slow]))
        await settle()
        shot = limiter.snapshot()
        assert bucket_of(shot, "get_things").left == 9
        assert bucket_of(shot, "profile: additional-fields[profile]=predictive_analytics").left == 0
        assert bucket_of(shot, "profile: additional-fields[profile]=predictive_analytics").waiting == {
            "interactive": 1,
            "bulk": 0,
        }
        first.unsent()
        await second
        assert bucket_of(limiter.snapshot(), "get_things").left == 9

    run(main)


def test_a_cancelled_or_timed_out_waiter_costs_nothing() -> None:
    async def main(loop):
        limiter = LocalLimiter(clock=loop.time)
        (await limiter.acquire("a", ONE)).answered(200, {})
        before = limiter.snapshot()
        quitters = [asyncio.ensure_future(limiter.acquire("a", ONE)) for _ in range(100)]
        last = asyncio.ensure_future(limiter.acquire("a", ONE))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(limiter.acquire("a", ONE), 0.2)
        assert limiter.snapshot().waiting["interactive"] == 101
        for task in quitters:
            task.cancel()
        assert (await last).waited == pytest.approx(1.05, abs=0.01)
        after = limiter.snapshot()
        assert after.waiting == {"interactive": 0, "bulk": 0}
        assert bucket_of(after, "get_one").windows[1].spent == bucket_of(before, "get_one").windows[1].spent + 1

    run(main)


def test_a_permit_given_to_a_call_that_is_cancelled_in_that_moment_goes_on_to_the_next() -> None:
    async def main(loop):
        limiter = LocalLimiter(clock=loop.time)
        held = await limiter.acquire("a", ONE)
        first = asyncio.ensure_future(limiter.acquire("a", ONE))
        second = asyncio.ensure_future(limiter.acquire("a", ONE))
        await settle()
        held.unsent()  # the first is let through here …
        first.cancel()  # … but never runs again
        assert (await second).waited == 0
        with pytest.raises(asyncio.CancelledError):
            await first

    run(main)


def test_max_wait_is_answered_at_once_with_the_seconds() -> None:
    async def main(loop):
        limiter = LocalLimiter(clock=loop.time)
        (await limiter.acquire("a", ONE)).answered(200, {})
        began = loop.time()
        waiting = [asyncio.ensure_future(limiter.acquire("a", ONE)) for _ in range(3)]
        await settle()
        with pytest.raises(RateLimitWait) as caught:
            await limiter.acquire("a", ONE, max_wait=2)
        assert loop.time() == began
        assert caught.value.seconds == pytest.approx(4, abs=0.3)  # three before it, one each second
        with pytest.raises(RateLimitWait):
            await limiter.acquire("a", ONE, max_wait=0)
        interactive = asyncio.ensure_future(limiter.acquire("a", ONE, max_wait=10))
        await settle()
        for task in [*waiting, interactive]:
            task.cancel()

    run(main)


def test_the_estimate_counts_the_minutes_behind_a_long_queue() -> None:
    async def main(loop):
        limiter = LocalLimiter(clock=loop.time)

        async def call():
            (await limiter.acquire("a", TEN)).answered(200, {})
            return loop.time()

        began = loop.time()
        queue = [asyncio.ensure_future(call()) for _ in range(599)]
        await settle()
        with pytest.raises(RateLimitWait) as caught:
            await limiter.acquire("a", TEN, max_wait=1)
        real = max(await asyncio.gather(*queue, call())) - began
        return caught.value.seconds, real

    estimate, real = run(main)
    assert 0.8 * real < estimate <= real * 1.01


def test_a_wait_that_grows_past_max_wait_ends_in_time() -> None:
    async def main(loop):
        limiter = LocalLimiter(clock=loop.time)
        held = await limiter.acquire("a", ONE)
        began = loop.time()
        with pytest.raises(RateLimitWait) as caught:
            await limiter.acquire("a", ONE, max_wait=2)  # could be back in a second, if the answer came now
        assert loop.time() - began == pytest.approx(2)
        assert caught.value.seconds > 2
        held.answered(200, {})

    run(main)


def test_a_spent_daily_limit_raises_without_max_wait() -> None:
    async def main(loop):
        limiter = LocalLimiter(clock=loop.time)
        for _ in range(2):
            (await limiter.acquire("a", DAILY)).answered(200, {})
        third = asyncio.ensure_future(limiter.acquire("a", DAILY))
        await settle()
        began = loop.time()
        with pytest.raises(RateLimitWait, match="daily") as caught:
            await limiter.acquire("a", DAILY)  # three are used or waited for
        assert loop.time() == began
        assert caught.value.seconds == pytest.approx(86400, rel=0.01)
        (await third).answered(200, {})
        assert (await limiter.acquire("a", DAILY, max_wait=100_000)).waited == pytest.approx(86400, rel=0.01)

    run(main)


def test_the_daily_headers_tell_of_what_was_used_before() -> None:
    async def main(loop):
        limiter = LocalLimiter(clock=loop.time)
        (await limiter.acquire("a", DAILY)).answered(
            200,
            {
                "RateLimit-Limit": "1, 1;w=1, 2;w=60, 3;w=86400",
                "RateLimit-Remaining": "0",
                "RateLimit-Reset": "0",
                "RateLimit-Remaining-Daily": "0",
                "RateLimit-Reset-Daily": "7200",
            },
        )
        with pytest.raises(RateLimitWait) as caught:
            await limiter.acquire("a", DAILY)
        return caught.value.seconds

    # Known from the header within a second, but for the clocks: 7200 s, not a day.
    assert run(main) == pytest.approx(7201, abs=50)


def test_waiters_hear_that_the_day_is_over_when_an_answer_tells() -> None:
    async def main(loop):
        limiter = LocalLimiter(clock=loop.time)
        first = await limiter.acquire("a", DAILY)
        waiting = asyncio.ensure_future(limiter.acquire("a", DAILY))
        await settle()
        first.answered(429, {"Retry-After": "5000"})
        with pytest.raises(RateLimitWait) as caught:
            await waiting
        return caught.value.seconds

    assert run(main) == pytest.approx(5000, abs=1)


def test_a_lost_request_stays_spent_for_as_long_as_it_may_be_counted() -> None:
    async def main(loop):
        limiter = LocalLimiter(clock=loop.time)
        (await limiter.acquire("a", ONE)).lost()
        permit = await limiter.acquire("a", ONE)
        permit.answered(200, {})
        permit.lost()  # only the first word counts
        permit.unsent()
        assert (await limiter.acquire("a", ONE)).waited == pytest.approx(1.05, abs=0.01)
        return permit.waited

    assert run(main) == pytest.approx(LOST + 1.05, abs=0.01)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"retry-after": "7"}, 7),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:07 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 7),
        ({}, 1),
        ({"Retry-After": "soon"}, 1),
    ],
)
def test_a_429_stops_all_who_wait_until_retry_after_then_goes_on_one_at_a_time(headers, seconds) -> None:
    async def main(loop):
        limiter = LocalLimiter(clock=loop.time)
        sent = []

        async def call():
            permit = await limiter.acquire("a", TEN)
            sent.append(loop.time())
            await asyncio.sleep(0.2)
            permit.answered(200, {})

        refused = await limiter.acquire("a", TEN)
        began = loop.time()
        refused.answered(429, headers)
        assert bucket_of(limiter.snapshot(), "get_things").frozen_for == pytest.approx(seconds, abs=0.1)
        await asyncio.gather(*(call() for _ in range(4)))
        return [moment - began for moment in sent]

    sent = run(main)
    assert sent[0] == pytest.approx(seconds, abs=0.1)
    assert sent[1] >= sent[0] + 0.2


def test_429s_without_a_time_pause_longer_each_time() -> None:
    async def main(loop):
        limiter = LocalLimiter(clock=loop.time)
        waits = []
        for _ in range(8):
            permit = await limiter.acquire("a", TEN)
            waits.append(permit.waited)
            permit.answered(429, {})
        return waits

    waits = run(main)
    assert waits[1:5] == pytest.approx([1, 2, 4, 8], abs=1)
    assert max(waits) <= 61


def test_many_waiters_cost_no_more_each_than_few_and_use_one_timer() -> None:
    def each(number: int) -> float:
        async def main(loop):
            limiter = LocalLimiter({"get_things": {"burst": "100/s", "steady": "100000/m"}}, clock=loop.time)
            timers = 0
            call_at = loop.call_at

            def counting(*args, **kwargs):
                nonlocal timers
                timers += 1
                return call_at(*args, **kwargs)

            loop.call_at = counting
            order = []

            async def call(number):
                (await limiter.acquire("a", TEN)).answered(200, {})
                order.append(number)

            with Effort() as effort:
                await asyncio.gather(*(call(place) for place in range(number)))
            assert order == list(range(number))
            assert timers < number / 40  # a hundred are let through at a time
            return effort.lines / number

        return run(main)

    few, many = each(500), each(4_000)
    assert many < 1.5 * few  # eight times as many may cost a logarithm more, not eight times as much


def test_an_uncontended_acquire_is_cheap() -> None:
    async def main(loop):
        limiter = LocalLimiter({"get_things": {"burst": "1000000/s", "steady": "1000000/m"}}, clock=loop.time)
        (await limiter.acquire("a", TEN)).answered(200, {})
        with Effort() as effort:
            held = [await limiter.acquire("a", TEN) for _ in range(1_000)]
        assert len(held) == 1_000
        return effort.lines / 1_000

    assert run(main) < 100  # how long that takes, benchmarks/limits.py measures


@pytest.mark.parametrize(
    ("overrides", "culprit"),
    [
        ({"get_things": {"burst": "150"}}, "'150'"),
        ({"get_things": {"burst": "150/m"}}, "'150/m'"),
        ({"get_things": {"steady": "0/m"}}, "'0/m'"),
        ({"get_things": {"steady": 1500}}, "1500"),
        ({"get_things": {"hourly": "15/h"}}, "'hourly'"),
        ({"get_things": "150/s"}, "'get_things'"),
    ],
)
def test_a_malformed_override_names_itself(overrides, culprit) -> None:
    with pytest.raises(ConfigurationError, match=culprit):
        LocalLimiter(overrides)


def test_overrides_replace_what_they_name() -> None:
    async def main(loop):
        limiter = LocalLimiter({"get_things": {"burst": "20/s", "daily": "1000/d"}}, clock=loop.time)
        (await limiter.acquire("a", TEN)).answered(200, {})
        return [str(window.rate) for window in bucket_of(limiter.snapshot(), "get_things").windows]

    assert run(main) == ["20/s", "150/m", "1000/d"]


async def test_all_local_limiters_of_the_process_share_buckets() -> None:
    called = operation("shared_by_all", "1/s", "15/m")
    held = await LocalLimiter().acquire("digest-of-one-credential", called)
    with pytest.raises(RateLimitWait):
        await LocalLimiter().acquire("digest-of-one-credential", called, max_wait=0)
    (await LocalLimiter().acquire("digest-of-another", called, max_wait=0)).unsent()
    bucket = next(b for b in LocalLimiter().snapshot().buckets if b.name == "shared_by_all" and b.in_flight)
    assert bucket.account == "digest-o"
    held.unsent()


def test_what_is_spent_stays_spent_in_the_next_event_loop() -> None:
    called = operation("next_loop", "1/s", "15/m")

    async def first():
        (await LocalLimiter().acquire("a", called)).answered(200, {})

    async def second():
        with pytest.raises(RateLimitWait):
            await LocalLimiter().acquire("a", called, max_wait=0.1)
        return (await LocalLimiter().acquire("a", called)).waited

    asyncio.run(first())
    assert 0.5 < asyncio.run(second()) < 2


def test_event_loops_in_several_threads_share_and_none_hangs() -> None:
    called = operation("threads", "100/s", "1000/m")
    moments: list[float] = []

    async def worker():
        for _ in range(10):
            permit = await LocalLimiter().acquire("threads", called)
            moments.append(time.monotonic())
            await asyncio.sleep(0)
            permit.answered(200, {})

    async def main():
        await asyncio.gather(*(worker() for _ in range(8)))

    threads = [threading.Thread(target=lambda: asyncio.run(main())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    moments.sort()
    assert len(moments) == 240
    # 100 in any window: whoever is 100 places later came a window later.
    assert all(later - earlier >= 1 for earlier, later in zip(moments, moments[100:], strict=False))


def test_a_snapshot_tells_all() -> None:
    async def main(loop):
        limiter = LocalLimiter(clock=loop.time)
        held = [await limiter.acquire("0123456789abcdef", TEN) for _ in range(10)]
        held[0].answered(
            200, {"RateLimit-Limit": "150, 10;w=1, 150;w=60", "RateLimit-Remaining": "100", "RateLimit-Reset": "30"}
        )
        waiting = asyncio.ensure_future(limiter.acquire("0123456789abcdef", TEN, priority="bulk"))
        await settle()
        shot = limiter.snapshot()
        waiting.cancel()
        return shot

    (bucket,) = run(main).buckets
    assert bucket.account == "01234567"
    assert bucket.name == "get_things"
    assert bucket.in_flight == 9
    assert bucket.left == 0
    assert bucket.waiting == {"interactive": 0, "bulk": 1}
    burst, steady = bucket.windows
    assert (burst.rate, burst.left, burst.spent) == ("10/s", 0, 10)
    assert (steady.spent, steady.foreign, steady.left) == (10, 40, 100)
    assert steady.phase == pytest.approx(2.1)
    assert burst.next_in == pytest.approx(1.05, abs=0.01)


def test_thousands_of_accounts_are_forgotten_once_they_are_idle() -> None:
    async def main(loop):
        limiter = LocalLimiter(clock=loop.time)
        held = await limiter.acquire("held", ONE)
        for number in range(10_000):
            (await limiter.acquire(f"account {number}", ONE)).answered(200, {})
            await asyncio.sleep(0.1)
        assert len(limiter.snapshot().buckets) < 5_000
        with pytest.raises(RateLimitWait):
            await limiter.acquire("held", ONE, max_wait=0)
        with pytest.raises(RateLimitWait):
            await limiter.acquire("account 9999", ONE, max_wait=0)
        assert (await limiter.acquire("account 0", ONE, max_wait=0)).waited == 0  # dropped long ago, taken in again
        with pytest.raises(RateLimitWait):
            await limiter.acquire("account 0", ONE, max_wait=0)
        held.unsent()

    run(main)


def test_an_override_may_add_a_daily_limit_to_a_bucket_in_use() -> None:
    called = operation("override_later", "10/s", "150/m")

    async def main():
        held = await LocalLimiter().acquire("a", called)
        limiter = LocalLimiter({"override_later": {"daily": "2/d"}})
        told = {"RateLimit-Limit": "10, 10;w=1, 150;w=60, 2;w=86400", "RateLimit-Remaining": "8"}
        (await limiter.acquire("a", called)).answered(200, told)
        held.answered(200, told)
        with pytest.raises(RateLimitWait):
            await limiter.acquire("a", called)

    asyncio.run(main())


def test_a_forked_process_goes_on_with_what_was_spent_and_waits_for_nobody_elses_calls() -> None:
    called = operation("before_the_fork", "2/s", "15/m")

    async def parent():
        limiter = LocalLimiter()
        held = await limiter.acquire("a", called)
        (await limiter.acquire("a", called)).answered(200, {})
        waiting = asyncio.ensure_future(limiter.acquire("a", called))
        await settle()
        child = os.fork()
        if child == 0:
            bucket = bucket_of(limiter.snapshot(), "before_the_fork")
            right = (
                bucket.in_flight == 0
                and bucket.windows[0].spent == 2
                and bucket.waiting == {"interactive": 0, "bulk": 0}
            )
            os._exit(0 if right else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0  # noqa: ASYNC222
        held.unsent()
        (await waiting).unsent()

    asyncio.run(parent())


def test_an_override_may_use_an_alias_and_a_name_that_is_none_is_pointed_out(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In an old revision, whose package other tests load, the alias is an operation.
    monkeypatch.setattr(OperationTable, "loaded", ())
    parsed = parse_overrides({"spawn_bulk_profile_import_job": {"burst": "20/s"}, "GET /api/things": {"burst": "1/s"}})
    assert set(parsed) == {"bulk_import_profiles", "GET /api/things"}
    assert not caplog.records
    parse_overrides({"create_evnet": {"burst": "1/s"}})
    assert "did you mean 'create_event'?" in caplog.text


def test_take_gives_a_permit_only_where_one_is_free_and_nobody_waits_for_it() -> None:
    slow = parameter("predictive_analytics", "1/s", "15/m")

    async def main(loop):
        limiter = LocalLimiter(clock=loop.time)
        held = limiter.take("a", ONE)
        assert held is not None
        assert held.waited == 0
        assert limiter.take("a", ONE) is None
        waiting = asyncio.ensure_future(limiter.acquire("a", ONE))
        await settle()
        held.unsent()  # the one who waits gets it
        assert limiter.take("a", ONE) is None
        (await waiting).answered(200, {})
        held = limiter.take("a", TEN, [slow])
        assert held is not None
        assert limiter.take("a", TEN, [slow]) is None  # the parameter's token is gone, …
        more = [limiter.take("a", TEN) for _ in range(10)]  # … the other stayed
        assert [permit is not None for permit in more] == [True] * 9 + [False]
        held.unsent()

    run(main)


def test_an_account_sees_and_resets_only_its_own_buckets() -> None:
    async def main(loop):
        limiter = LocalLimiter(clock=loop.time)
        accounts = {"ours"}
        view = AccountLimiter(limiter, accounts)
        assert view.snapshot().buckets == ()
        for account in ("ours", "theirs"):
            (await limiter.acquire(account, TEN)).answered(429, {"Retry-After": "60"})
        assert [bucket.account for bucket in view.snapshot().buckets] == ["ours"]
        assert [bucket.account for bucket in limiter.snapshot().buckets] == ["ours", "theirs"]
        view.reset()
        assert [bucket.frozen_for for bucket in limiter.snapshot().buckets] == [0, pytest.approx(60.05)]
        accounts.add("theirs")  # an account that a client comes to use later
        view.reset()
        assert [bucket.frozen_for for bucket in view.snapshot().buckets] == [0, 0]

    run(main)


def test_reset_forgets_what_responses_told_and_keeps_what_we_sent() -> None:
    async def main(loop):
        limiter = LocalLimiter(clock=loop.time)
        told = {"RateLimit-Limit": "100, 5;w=1, 100;w=60", "RateLimit-Remaining": "0", "RateLimit-Reset": "30"}
        permits = [await limiter.acquire("a", TEN) for _ in range(3)]
        permits[0].answered(200, told)
        permits[1].answered(429, {"Retry-After": "100"})
        waiting = [asyncio.ensure_future(limiter.acquire("a", TEN)) for _ in range(5)]
        await settle()
        began = loop.time()
        limiter.reset()
        permits += [await task for task in waiting]  # at once, and all of them: there is no cap any more
        assert loop.time() == began
        (bucket,) = limiter.snapshot().buckets
        burst, steady = bucket.windows
        assert (bucket.frozen_for, bucket.in_flight) == (0, 6)
        assert (burst.left, burst.spent) == (2, 8)
        assert (steady.left, steady.foreign, steady.reserved, steady.phase) == (142, 0, 0, None)

    run(main)


def test_after_a_pause_requests_start_again_as_a_ramp() -> None:
    async def main(loop):
        limiter = LocalLimiter(clock=loop.time)
        called = operation("get_many", "350/s", "3500/m")
        sent = []

        async def call():
            permit = await limiter.acquire("a", called)
            sent.append(loop.time())
            await asyncio.sleep(0.25)
            permit.answered(200, {})

        (await limiter.acquire("a", called)).answered(429, {"Retry-After": "30"})
        began = loop.time()
        await asyncio.gather(*(call() for _ in range(300)))
        return [moment - began for moment in sent]

    sent = run(main)
    rounds = [sum(1 for moment in sent if 0 <= moment - 30.05 - 0.25 * number < 0.249) for number in range(7)]
    assert rounds[:4] == [1, 2, 4, 8]
    assert max(rounds) <= 8  # from then on they are spread out, as long as somebody else may use the account


@pytest.mark.parametrize(("pause", "raises"), [(121, False), (600, False), (602, True), (5000, True)])
def test_one_rule_for_long_pauses_up_to_ten_minutes_are_waited_out_longer_ones_raise(pause, raises) -> None:
    async def main(loop):
        limiter = LocalLimiter(clock=loop.time)
        first = await limiter.acquire("a", TEN)
        waiting = [asyncio.ensure_future(limiter.acquire("a", TEN)) for _ in range(20)]
        await settle()
        first.answered(429, {"Retry-After": str(pause)})
        began = loop.time()
        late = asyncio.ensure_future(limiter.acquire("a", TEN))  # comes while the others are paused
        await settle()
        for task in waiting[:9]:  # went before the pause
            (await task).unsent()
        if raises:
            for task in (waiting[9], late):
                with pytest.raises(RateLimitWait, match="get_things: Klaviyo asked for a pause") as caught:
                    await task
                assert caught.value.seconds == pytest.approx(pause, abs=1)
            assert loop.time() == began
        else:
            await waiting[9]
            assert loop.time() - began == pytest.approx(pause, abs=1)
            late.cancel()
        for task in waiting:
            task.cancel()

    run(main)


def test_a_spent_daily_limit_is_waited_for_where_that_takes_a_moment_only() -> None:
    async def main(loop):
        limiter = LocalLimiter(clock=loop.time)
        for _ in range(3):
            (await limiter.acquire("a", DAILY)).answered(200, {})
            await asyncio.sleep(60)
        day = 86400 * 1.0005
        await asyncio.sleep(day - 180 - 40)
        with pytest.raises(RateLimitWait, match="daily limit of query_report is spent") as caught:
            await limiter.acquire("a", DAILY)
        assert caught.value.seconds == pytest.approx(40, abs=1)
        await asyncio.sleep(37)
        permit = await limiter.acquire("a", DAILY)
        assert 1 < permit.waited < 5
        permit.unsent()

    run(main)


def test_telling_many_that_the_wait_is_too_long_takes_work_in_proportion_to_their_number() -> None:
    def work(number: int) -> int:
        async def main(loop):
            limiter = LocalLimiter(clock=loop.time)
            first = await limiter.acquire("a", ONE)
            waiting = [asyncio.ensure_future(limiter.acquire("a", ONE)) for _ in range(number)]
            await settle()
            with Effort() as effort:
                first.answered(429, {"Retry-After": "5000"})
            failed = await asyncio.gather(*waiting, return_exceptions=True)
            assert all(isinstance(one, RateLimitWait) for one in failed)
            return effort.lines

        return run(main)

    few, many = work(500), work(4_000)
    assert many < 10 * few  # eight times as many; sixty-four times the work, were it quadratic


def test_twenty_thousand_accounts_are_forgotten_with_their_queues() -> None:
    slow = parameter("predictive_analytics", "10/s", "150/m")

    async def main(loop):
        limiter = LocalLimiter(clock=loop.time)
        scheduler = limiter._scheduler
        for number in range(20_000):  # so quickly that none is idle while they come
            (await limiter.acquire(f"account {number}", TEN, [slow] if number % 2 else [])).answered(200, {})
        assert len(scheduler._registry.buckets) == 30_000
        assert len(scheduler.queues) == 20_000
        one = weakref.ref(next(iter(scheduler.queues.values())))
        for _ in range(200):
            await asyncio.sleep(1)
            (await limiter.acquire("the only one", ONE)).answered(200, {})
        assert set(scheduler.queues) == {("the only one", "get_one")}
        assert len(scheduler._registry.buckets) == 1
        assert one() is None

    run(main)


def test_a_bucket_of_a_daily_limit_is_kept_for_the_day_and_one_that_learned_for_an_hour() -> None:
    async def main(loop):
        limiter = LocalLimiter(clock=loop.time)
        (await limiter.acquire("a", DAILY)).answered(200, {})
        lower = {"RateLimit-Limit": "3, 3;w=1, 60;w=60", "RateLimit-Remaining": "2", "RateLimit-Reset": "0"}
        (await limiter.acquire("a", TEN)).answered(200, lower)
        (await limiter.acquire("a", ONE)).answered(200, {})
        left = []
        for minutes in (3, 50, 60, 24 * 60):
            await asyncio.sleep(60 * minutes)
            left.append([bucket.name for bucket in limiter.snapshot().buckets])
        return left

    both = ["get_things", "query_report"]
    assert run(main) == [both, both, ["query_report"], []]


def test_a_long_wait_is_logged_once_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "klaviyo_async")
    slow = parameter("predictive_analytics", "10/s", "15/m")

    def told():
        lines = [record.getMessage() for record in caplog.records]
        caplog.clear()
        return lines

    async def main(loop):
        limiter = LocalLimiter(clock=loop.time)
        for _ in range(15):
            (await limiter.acquire("a", ONE)).answered(200, {})
        assert told() == []  # a wait of a second each
        (await limiter.acquire("a", ONE)).answered(200, {})
        assert told() == ["get_one waits 45 s: 15/m spent"]

        waiting = [asyncio.ensure_future(limiter.acquire("b", TEN)) for _ in range(41)]
        await settle()
        lines = told()
        assert len(lines) == 21  # those who wait for more than two seconds: twenty go before
        assert lines[0] == "get_things waits 2 s: 10/s spent, 10 waiting before it"
        for task in waiting:
            task.cancel()

        (await limiter.acquire("c", TEN)).answered(429, {"Retry-After": "9"})
        (await limiter.acquire("c", TEN)).unsent()
        assert told() == ["get_things waits 9 s: Klaviyo asked for a pause (429)"]

        for _ in range(15):
            (await limiter.acquire("d", TEN, [slow])).answered(200, {})
        told()
        (await limiter.acquire("d", TEN, [slow])).unsent()
        assert told() == [
            "get_things waits 59 s: 15/m spent of profile: additional-fields[profile]=predictive_analytics"
        ]

        held = await limiter.acquire("e", ONE)
        waiting = asyncio.ensure_future(limiter.acquire("e", ONE))
        await asyncio.sleep(7)
        held.answered(200, {})
        (await waiting).unsent()
        assert told() == ["get_one waited 8 s: its limits were used up, or paused by a 429"]  # nobody knew that before

    run(main)
