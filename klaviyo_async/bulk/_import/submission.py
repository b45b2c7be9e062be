"""One batch → Klaviyo: sends it once it is its turn, noting each step in the ledger, and tells what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from klaviyo_async._retry import NOT_TAKEN, leaves_fate_unknown
from klaviyo_async.bulk._import.refusals import is_about_jobs, is_about_rows
from klaviyo_async.errors import APIError, DecodeError, KlaviyoError, NotFound, TransportError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klaviyo_async._http.session import Session
    from klaviyo_async.bulk._import.batches import Batch, Envelope
    from klaviyo_async.bulk._import.ledger import Ledger
    from klaviyo_async.middleware import CallNext, Request, Response
    from klaviyo_async.operation import Operation

__all__ = ["Accepted", "Busy", "Lost", "Refused", "Stopped", "Submitter", "job_of"]

_ABOUT_CONTENT = frozenset({400, 409, 413, 422})


@frozen
class Accepted:
    """Klaviyo took it; `job` is what it works on it as, None where there is nothing to look at."""

    job: str | None


@frozen
class Refused:
    """Klaviyo refused it whole, for something in its rows."""

    error: APIError


@frozen
class Busy:
    """As many jobs are under way as may be; the same request is right later."""

    error: APIError


@frozen
class Lost:
    """It was sent, but it is unknown whether it was accepted."""

    error: KlaviyoError


@frozen
class Stopped:
    """It was rejected, for a reason that would affect every other batch as well."""

    error: Exception


Submission = Accepted | Refused | Busy | Lost | Stopped


@frozen(kw_only=True)
class Target:
    """Where the rows of one job go."""

    session: Session
    """With the settings of the job."""
    operation: Operation
    params: Mapping[str, object]
    """The query's, by Python name."""
    envelope: Envelope
    rows: str
    """Pointer of the list of rows in the body."""

    @property
    def has_job(self) -> bool:
        """Whether there is a job to follow once a request was taken."""
        return self.operation.bulk is not None and self.operation.bulk.job is not None


def job_of(operation: Operation, document: Any) -> str:
    """The id of the job that Klaviyo made of a request. Raises `KlaviyoError` where its response names none."""
    data = document.get("data") if isinstance(document, dict) else None
    job = data.get("id") if isinstance(data, dict) else None
    if isinstance(job, str) and job:
        return job
    raise KlaviyoError(f"{operation.name}: the response to an accepted request names no job.")


class Submitter:
    """Sends the batches of one job."""

    def __init__(self, target: Target, ledger: Ledger) -> None:
        self._target = target
        self._ledger = ledger
        self.waiting: set[Batch] = set()
        """Batches whose request waits for the rate limit, or for another attempt."""
        self.requests = 0
        """How many requests have left."""

    async def submit(self, batch: Batch) -> Submission:
        """Send a batch, until it is known what became of it."""
        target, settings = self._target, self._target.session.settings
        # The innermost: it runs when the request has its permit and is about to leave.
        session = target.session.with_settings(
            evolve(settings, middlewares=(*settings.middlewares, _Departure(self, batch)))
        )
        prepared = session.prepare(target.operation, (), target.params, body=batch.body)
        self.waiting.add(batch)
        try:
            outcome = await session.exchange(prepared, None)
            return self._taken(session.decoder.plain(outcome))
        except DecodeError as error:
            return Lost(error) if self._target.has_job else Accepted(None)
        except APIError as error:
            return self._failed(error)
        except TransportError as error:
            return Stopped(error) if error.sent is False else Lost(error)
        except KlaviyoError as error:
            # The limiter's wait is too long, the credential can't be had, the client is closed.
            return Stopped(error)
        finally:
            self.waiting.discard(batch)

    def _taken(self, document: Any) -> Submission:
        if not self._target.has_job:
            return Accepted(None)
        try:
            return Accepted(job_of(self._target.operation, document))
        except KlaviyoError as error:
            return Lost(error)

    def _failed(self, error: APIError) -> Submission:
        status = error.status
        if leaves_fate_unknown(status):
            return Lost(error)
        if self._target.has_job and status in {400, 409, 429} and is_about_jobs(error):
            return Busy(error)
        if status in _ABOUT_CONTENT and is_about_rows(error, self._target.rows):
            return Refused(error)
        if isinstance(error, NotFound) and any(
            (each.source.pointer or "").startswith(self._target.rows) for each in error.errors
        ):
            return Refused(error)
        return Stopped(error)

    async def departs(self, batch: Batch, request: Request, call_next: CallNext) -> Response:
        """The request has its permit: note that it leaves, and whether it came back untaken."""
        self.waiting.discard(batch)
        await self._ledger.sending(batch)
        self.requests += 1
        try:
            response = await call_next(request)
        except TransportError as error:
            if error.sent is False:
                await self._came_back(batch)
            raise
        if response.status in NOT_TAKEN:
            await self._came_back(batch)
        return response

    async def _came_back(self, batch: Batch) -> None:
        self.waiting.add(batch)
        await self._ledger.returned(batch)


@frozen
class _Departure:
    submitter: Submitter
    batch: Batch

    async def __call__(self, request: Request, call_next: CallNext) -> Response:
        return await self.submitter.departs(self.batch, request, call_next)
