"""The run of one import: source → rows → batches → requests → jobs → the outcome of each row."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from klaviyo_async.bulk._import import submission as came
from klaviyo_async.bulk._import.batches import Batch, Claim, Packer
from klaviyo_async.bulk._import.jobs import Follower, trace
from klaviyo_async.bulk._import.ledger import Outcome
from klaviyo_async.bulk._import.order import Order
from klaviyo_async.bulk._import.refusals import Reason, culprits, remains
from klaviyo_async.bulk._import.replay import Replay
from klaviyo_async.bulk._import.rows import Row, identity
from klaviyo_async.bulk.progress import Progress
from klaviyo_async.bulk.report import Report
from klaviyo_async.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from klaviyo_async.bulk._import.jobs import Ended
    from klaviyo_async.bulk._import.ledger import Ledger
    from klaviyo_async.bulk._import.rows import Encoder, Unsendable
    from klaviyo_async.bulk._import.slices import Source
    from klaviyo_async.bulk._import.submission import Target
    from klaviyo_async.errors import APIError

__all__ = ["Run"]

MOST_BYTES = 20_000_000
"""Maximum bytes of bodies waiting or being sent: enough to keep a connection busy, with bounded memory."""
MOST_ROWS = 400_000
"""Maximum rows without an outcome; each takes a few dozen bytes while its job runs."""
MOST_BATCHES = 500
MOST_UNSENT = 1000
"""Number of unsendable rows that are recorded together."""
STRIKES = 3
"""This many consecutive batches with an unknown outcome end the run: the following ones would fare the same."""
BUSY = 1.0
BUSIEST = 30.0
"""Seconds before a batch is retried if too many jobs are in progress."""


class Run:
    """Processes the rows of one source. Single use."""

    def __init__(self, target: Target, encoder: Encoder, ledger: Ledger) -> None:
        operation = target.operation
        self._rows_pointer = target.rows
        self._envelope = target.envelope
        bulk = operation.bulk
        assert bulk is not None  # noqa: S101 - for the type checkers: it is a bulk operation
        self._operation = operation
        self._encoder = encoder
        self._ledger = ledger
        self._submitter = came.Submitter(target, ledger)
        self._follower = Follower(target.session, operation) if bulk.job is not None else None
        self._packer = Packer(operation.caps, target.envelope)
        self._order = Order()
        self._most_batches = min(MOST_BATCHES, operation.caps.jobs or MOST_BATCHES)
        self._active: dict[Batch, asyncio.Task[None]] = {}
        self._bytes = 0
        self._rows = 0
        self._changed = asyncio.Event()
        self._unsent: list[Unsendable] = []
        self._failure: Exception | None = None
        self._accepted = 0
        self._strikes = 0
        self._refused_alone = 0
        self._following: set[Batch] = set()
        self._jobs = 0
        self._earlier = self._settled
        self._began = time.perf_counter()
        self._source: Source | None = None
        self._replay = Replay(None, ())
        self._at_end = False

    # -- from the source to batches -------------------------------------------------------------------------------------

    async def run(self, source: Source) -> Exception | None:
        """Process all rows. Returns the error that ended the run early, if any."""
        self._source = source
        self._replay = Replay(await self._ledger.mark(), await self._ledger.spans())
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                await self._take_up()
                await self._read(source)
                await self._finish()
            except Exception as error:  # noqa: BLE001 - the source's own, too: what is on its way is carried through first
                self._stop(error)
        return self._failure

    async def _take_up(self) -> None:
        """Go on with what an earlier run left on its way."""
        safe = self._operation.safe_to_repeat
        for batch, job in await self._ledger.in_flight():
            if job is None and not safe:
                await self._unknown(
                    batch, "It was being sent when an earlier run ended, and sending it twice isn't safe."
                )
                continue
            await self._ledger.fetch(batch)
            batch.claim.keys.extend(await asyncio.to_thread(self._encoder.keys_of, batch.texts()))
            self._order.claim(batch.claim.keys)
            if job is None:
                batch.resent = True
            else:
                batch.body = b""
            await self._room_for(batch)
            self._start(batch, job)
        self._earlier = self._settled

    async def _read(self, source: Source) -> None:
        async for rows in source:
            if self._failure is not None:
                return
            encode, first = self._encoder.encode, self._replay.position
            encoded = [encode(number, row) for number, row in enumerate(rows, first)]
            await self._pack(self._replay.news(encoded))
            while self._order.full and self._failure is None:
                await self._flush()
                await self._change()
                await self._pack(())
        self._replay.end()
        self._at_end = True
        source.total = self._replay.position

    async def _pack(self, rows: Sequence[Row | Unsendable]) -> None:
        """Put rows into batches, those that were held back and may go now first, and send what is full."""
        full = self._packer.add_all(self._order.ready())
        sendable = [row for row in rows if isinstance(row, Row)]
        if len(sendable) < len(rows):
            self._unsent += [row for row in rows if not isinstance(row, Row)]
        full += self._packer.add_all(self._order.admitted(sendable))
        await self._send(full)
        if len(self._unsent) >= MOST_UNSENT:
            await self._note_unsent()

    async def _flush(self) -> None:
        if (batch := self._packer.flush()) is not None:
            await self._send([batch])

    async def _send(self, batches: Sequence[Batch]) -> None:
        if not batches:
            return
        await self._ledger.pending(batches, None if self._replay.going_over else self._replay.mark())
        for batch in batches:
            await self._room_for(batch)
            if self._failure is not None:
                return
            self._start(batch)

    async def _note_unsent(self) -> None:
        rows, self._unsent = self._unsent, []
        if rows:
            await self._ledger.unsent(rows)

    async def _finish(self) -> None:
        """Send the rest, round by round as far as rows wait for one another."""
        while self._failure is None:
            await self._pack(())
            await self._flush()
            if not self._active and not self._order.waiting:
                break
            await self._change()
        await self._note_unsent()

    # -- batches on their way -------------------------------------------------------------------------------------------

    async def _room_for(self, batch: Batch) -> None:
        """Wait until the batch may join those on their way."""
        while self._active and self._failure is None:
            fits = self._bytes + batch.size <= MOST_BYTES and self._rows + len(batch) <= MOST_ROWS
            if fits and len(self._active) < self._most_batches:
                return
            await self._change()

    async def _change(self) -> None:
        """Wait until something has changed with the batches on their way."""
        if self._active:
            await self._changed.wait()
        self._changed.clear()

    def _start(self, batch: Batch, job: str | None = None) -> None:
        self._rows += len(batch)
        self._bytes += batch.size if job is None else 0
        self._active[batch] = self._group.create_task(self._carry(batch, job))

    async def _carry(self, batch: Batch, job: str | None) -> None:
        """Carry a batch to its end."""
        sending = job is None
        try:
            if job is None:
                job = await self._submit(batch)
                self._bytes -= batch.size
                sending = False
                self._changed.set()
            if job is not None:
                await self._follow(batch, job)
        except Exception as error:  # noqa: BLE001 - it ends the run, once the others are through
            self._stop(error)
        finally:
            if sending:
                self._bytes -= batch.size
            self._rows -= len(batch)
            self._following.discard(batch)
            del self._active[batch]
            self._changed.set()

    async def _submit(self, batch: Batch) -> str | None:
        """Send it. Gives the job that came of it; None where there is nothing more to follow."""
        pause = BUSY
        while self._failure is None:
            submission = await self._submitter.submit(batch)
            match submission:
                case came.Accepted(job):
                    self._accepted += 1
                    self._strikes = 0
                    if job is None:
                        await self._settle(batch, await self._as_resent(batch))
                        return None
                    await self._ledger.accepted(batch, job)
                    batch.body = b""
                    return job
                case came.Refused(error):
                    await self._split(batch, error)
                    return None
                case came.Busy():
                    await self._ledger.returned(batch)
                    await asyncio.sleep(pause)
                    pause = min(BUSIEST, pause * 2)
                case came.Lost(error):
                    await self._unknown(batch, str(error))
                    self._strikes += 1
                    if self._strikes >= STRIKES:
                        self._stop(error)
                    return None
                case came.Stopped(error):
                    await self._ledger.returned(batch)
                    self._stop(error)
        return None

    async def _split(self, batch: Batch, error: APIError) -> None:
        """It was refused whole: take the culprits out and send the others again."""
        blamed = culprits(error.errors, len(batch), self._rows_pointer)
        if not blamed and len(batch) == 1:
            blamed = {0: Reason(error.code, error.detail or str(error), None)}
            self._refused_alone += 1
            if not self._accepted and self._refused_alone >= STRIKES:
                # Nothing was ever taken: it is no fault of the rows.
                self._stop(error)
        parts = await asyncio.to_thread(remains, batch, blamed, self._envelope)
        await self._ledger.split(batch, parts, await asyncio.to_thread(_failed, batch, blamed))
        batch.claim.parts += len(parts)
        self._release(batch)
        for part in parts:
            self._start(part)
            if not self._accepted:
                # One after the other, down to single rows, until it is clear that some are taken.
                await asyncio.wait([self._active[part]])

    async def _follow(self, batch: Batch, job: str) -> None:
        assert self._follower is not None  # noqa: S101 - for the type checkers: without it there is no job
        self._following.add(batch)
        try:
            ended = await self._follower.follow(job)
        except NotFound:
            await self._unknown(batch, f"Its job {job} can't be found any more.")
            return
        self._jobs += 1
        outcomes: list[Outcome] = []
        if ended.errors or ended.failed or ended.broken_off or batch.resent:
            await self._ledger.fetch(batch)
            outcomes = await asyncio.to_thread(_outcomes, batch, ended)
        await self._settle(batch, outcomes, ended.skipped)

    # -- what became of the rows ----------------------------------------------------------------------------------------

    async def _settle(self, batch: Batch, outcomes: Sequence[Outcome], skipped: int = 0) -> None:
        await self._ledger.settled(batch, outcomes, skipped)
        self._release(batch)

    async def _unknown(self, batch: Batch, detail: str) -> None:
        if not batch.body:
            await self._ledger.fetch(batch)
        outcomes = await asyncio.to_thread(_all_unknown, batch, detail)
        await self._settle(batch, outcomes)

    async def _as_resent(self, batch: Batch) -> list[Outcome]:
        if not batch.resent:
            return []
        return await asyncio.to_thread(_all_unknown, batch, RESENT, resent=True)

    def _release(self, batch: Batch) -> None:
        claim: Claim = batch.claim
        claim.parts -= 1
        if not claim.parts:
            self._order.release(claim.keys)

    def _stop(self, error: Exception) -> None:
        """End the run: nothing more is sent, and what is on its way is carried through."""
        if self._failure is not None:
            return
        self._failure = error
        for batch in list(self._submitter.waiting):
            if batch in self._active:
                self._active[batch].cancel()
        self._changed.set()

    # -- how far it is --------------------------------------------------------------------------------------------------

    @property
    def _settled(self) -> int:
        return sum(count for state, count in self._ledger.counts.items() if state != "skipped")

    def look(self) -> Progress:
        """How far it is."""
        counts = self._ledger.counts
        return Progress(
            operation=self._operation.name,
            done=self._settled,
            total=self._source.total if self._source is not None else None,
            failed=counts["failed"] + counts["unsent"],
            earlier=self._earlier,
            waiting=len(self._submitter.waiting),
            jobs=len(self._following),
            seconds=time.perf_counter() - self._began,
            finished=self._at_end and not self._active and self._failure is None,
        )

    async def report(self) -> Report:
        """What became of the rows, as far as it is known."""
        counts = self._ledger.counts
        errors, unknown = await self._ledger.outcomes()
        return Report(
            operation=self._operation.name,
            submitted=self._settled,
            succeeded=counts["succeeded"],
            failed=counts["failed"] + counts["unsent"],
            errors=errors,
            unknown=unknown,
            unsent=counts["unsent"],
            skipped=counts["skipped"],
            held_back=self._order.held,
            requests=self._submitter.requests,
            jobs=self._jobs,
            seconds=time.perf_counter() - self._began,
        )


RESENT = "It was being sent when an earlier run ended. It was sent again, and accepted."


def _failed(batch: Batch, blamed: Mapping[int, Reason]) -> list[Outcome]:
    return [
        Outcome(
            row=batch.numbers[index],
            state="failed",
            id=identity(text),
            code=reason.code,
            detail=reason.detail,
            pointer=reason.pointer,
            text=text,
        )
        for index, reason in sorted(blamed.items())
        for text in [batch.text(index)]
    ]


def _all_unknown(
    batch: Batch, detail: str, *, resent: bool = False, without: Mapping[int, Any] | None = None
) -> list[Outcome]:
    return [
        Outcome(row=number, state="unknown", id=identity(text), detail=detail, resent=resent, text=text)
        for index, (number, text) in enumerate(zip(batch.numbers, batch.texts(), strict=True))
        if without is None or index not in without
    ]


def _outcomes(batch: Batch, ended: Ended) -> list[Outcome]:
    """What became of the rows of a job, apart from those that simply succeeded."""
    blamed = trace(ended, batch.texts())
    others = len(batch) - len(blamed)
    untold = (ended.failed or 0) - len(blamed)
    if ended.broken_off:
        how = "was cancelled" if ended.broken_off == "cancelled" else ended.broken_off
        if ended.succeeded == 0 or (ended.succeeded is None and not blamed):
            before = "" if ended.succeeded is None and how == "failed" else " before any of its rows was processed"
            why = Reason(ended.broken_off, f"Its job {how}{before}.", None)
            return _failed(batch, {index: blamed.get(index, why) for index in range(len(batch))})
        rest = f"Its job {how} when {ended.succeeded or 0:,} of its {len(batch):,} rows were done."
        return [*_failed(batch, blamed), *_all_unknown(batch, rest, without=blamed)]
    if others and untold >= others:
        why = Reason(None, "Its job failed without giving a reason.", None)
        return _failed(batch, {index: blamed.get(index, why) for index in range(len(batch))})
    if untold > 0:
        rest = f"{untold:,} more rows of its job failed, but Klaviyo doesn't say which."
        return [*_failed(batch, blamed), *_all_unknown(batch, rest, without=blamed)]
    outcomes = _failed(batch, blamed)
    if batch.resent:
        outcomes += _all_unknown(batch, RESENT, resent=True, without=blamed)
    return outcomes
