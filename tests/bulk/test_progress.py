"""Who is told how far a bulk job is."""

from __future__ import annotations

import asyncio
import io
import sys

import pytest
from rich.console import Console

from klaviyo_async.bulk import ExportReport, Progress, Report
from klaviyo_async.bulk._bar import Bar
from klaviyo_async.bulk._watch import watching


def test_rate_and_eta() -> None:
    progress = Progress(operation="op", done=300, total=1000, earlier=100, seconds=2.0)
    assert progress.rate == 100
    assert progress.eta == 7
    assert Progress(operation="op", total=5).eta is None
    assert Progress(operation="op", done=5, seconds=1.0).eta is None


def test_as_a_line() -> None:
    progress = Progress(operation="op", done=1000, total=3000, seconds=1.0, failed=2, jobs=3, waiting=1)
    assert str(progress) == (
        "op: 1,000 of 3,000 rows, 1,000/s, 2 s left, 2 failed, 3 jobs in progress, 1 request waiting for the rate limit"
    )


def test_one_is_not_many() -> None:
    assert str(Progress(operation="op", done=1)) == "op: 1 row, 0/s"
    assert str(Progress(operation="op", done=0, total=1, jobs=1)) == "op: 0 of 1 row, 0/s, 1 job in progress"
    assert str(Progress(operation="op", unit="records", done=1, total=2)) == "op: 1 of 2 records, 0/s"
    assert str(Report(operation="op", submitted=1, succeeded=1)) == "op: 1 row, 1 succeeded, 0 failed"
    assert str(ExportReport(operation="op", records=1, requests=1)) == "op: 1 record, 1 request, 0.0 s"


async def test_a_callback_is_told_at_the_beginning_and_at_the_end() -> None:
    told: list[int] = []
    done = 0
    async with watching(lambda progress: told.append(progress.done), lambda: Progress(operation="op", done=done)):
        await asyncio.sleep(0)
        done = 7
    assert told == [0, 7]


async def test_nobody_is_told() -> None:
    async with watching(False, lambda: pytest.fail("not asked for")):
        await asyncio.sleep(0)


async def test_what_a_callback_raises_ends_the_run_as_it_is() -> None:
    def refuse(_: Progress) -> None:
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        async with watching(refuse, lambda: Progress(operation="op")):
            await asyncio.sleep(60)


async def test_what_the_block_raises_comes_out_as_it_is() -> None:
    told: list[Progress] = []
    with pytest.raises(LookupError):
        async with watching(told.append, lambda: Progress(operation="op")):
            raise LookupError


async def test_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    async with watching(True, lambda: Progress(operation="op", done=4, finished=True)):
        pass
    assert "op: 4 rows" in capsys.readouterr().err


async def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    async with watching(True, lambda: Progress(operation="op", done=4, total=8, seconds=1.0)):
        await asyncio.sleep(0)
    assert "4 of 8 rows" in terminal.getvalue()


def test_the_bar_shows_what_there_is() -> None:
    out = io.StringIO()
    with Bar(Console(file=out, force_terminal=True, width=120)) as bar:
        bar(Progress(operation="op", done=5, total=10, seconds=1.0, failed=1))
    assert "5 of 10 rows" in out.getvalue()
    assert "1 failed" in out.getvalue()
