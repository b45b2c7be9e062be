"""What follows from how an attempt ended, as values."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klaviyo_async import ConnectionFailed
from klaviyo_async._http.decisions import PATIENCE, RAISE, Judge, RaiseWait, Return, Wait
from klaviyo_async.middleware import Response


def judge(*, method: str = "GET", safe: bool = True, max_retries: int = 5, max_wait: float | None = None) -> Judge:
    prepared: Any = SimpleNamespace(operation=SimpleNamespace(method=method), safe_to_repeat=safe)
    settings: Any = SimpleNamespace(max_retries=max_retries, max_wait=max_wait)
    return Judge(prepared, settings)


def failed(*, sent: bool | None, permanent: bool = False) -> ConnectionFailed:
    error = ConnectionFailed("broke", operation="get_profile", sent=sent)
    error.permanent = permanent
    return error


@given(st.integers(200, 299))
def test_success_is_returned(status: int) -> None:
    response = Response(status=status)
    assert judge().decide(response, waited=0) == Return(response)


@pytest.mark.parametrize("safe", [True, False])
@pytest.mark.parametrize("sent", [True, False, None])
def test_a_broken_connection(safe: bool, sent: bool | None) -> None:
    decision = judge(safe=safe).decide(failed(sent=sent), waited=0)
    assert isinstance(decision, Wait) is (safe or sent is False)
    assert judge(safe=safe).decide(failed(sent=sent, permanent=True), waited=0) is RAISE
    assert judge(safe=safe).decide(failed(sent=sent), waited=0, replayable=False) is RAISE


@pytest.mark.parametrize("before", [Response(status=500), Response(status=504), failed(sent=True), failed(sent=None)])
def test_404_to_a_repeated_delete_of_unknown_fate_is_success(before: Any) -> None:
    gone = Response(status=404)
    for method, expected in (("DELETE", Return(gone)), ("PATCH", RAISE)):
        judging = judge(method=method)
        assert isinstance(judging.decide(before, waited=0), Wait)
        assert judging.decide(gone, waited=0) == expected
    assert judge(method="DELETE").decide(gone, waited=0) is RAISE


@pytest.mark.parametrize("before", [Response(status=429), Response(status=503), failed(sent=False)])
def test_404_to_a_delete_that_was_not_taken_before_is_an_error(before: Any) -> None:
    judging = judge(method="DELETE")
    assert isinstance(judging.decide(before, waited=0), Wait)
    assert judging.decide(Response(status=404), waited=0) is RAISE


@given(st.floats(0, 1000), st.floats(0, 1000), st.floats(0, 1000))
def test_no_wait_passes_max_wait(max_wait: float, waited: float, asked: float) -> None:
    decision = judge(max_wait=max_wait).decide(Response(status=429), waited=waited, asked=asked)
    left = max(0.0, max_wait - waited)
    if asked > left:
        assert decision == RaiseWait(asked)
    else:
        assert decision is RAISE or (isinstance(decision, Wait) and min(asked, left) <= decision.seconds <= left)


def test_without_max_wait_patience_is_the_limit() -> None:
    assert judge().decide(Response(status=503), waited=0, asked=PATIENCE + 1) == RaiseWait(PATIENCE + 1)
    assert isinstance(judge().decide(Response(status=503), waited=0, asked=PATIENCE), Wait)


def test_retries_are_counted() -> None:
    judging = judge(max_retries=2)
    ended = [judging.decide(Response(status=503), waited=0) for _ in range(3)]
    assert [isinstance(decision, Wait) for decision in ended] == [True, True, False]
