"""The pages of a list: await one, or iterate over all records, with the next page fetched while the current one is processed."""

from __future__ import annotations

import asyncio
import sys
import warnings
from collections.abc import AsyncIterator, Coroutine, Generator
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar, cast

from klaviyo_async._did_you_mean import shown
from klaviyo_async._model.member import member
from klaviyo_async._model.unset import UNSET
from klaviyo_async._request.links import is_object, next_link, own_target
from klaviyo_async.errors import PaginationError, QueryError

if TYPE_CHECKING:
    from klaviyo_async._request.prepare import Prepared
    from klaviyo_async.options import RequestOptions

__all__ = ["PageIterator", "Pages", "RecordIterator"]

D_co = TypeVar("D_co", covariant=True)
R_co = TypeVar("R_co", covariant=True)


class Sender(Protocol):
    """What pages need of a session."""

    origin: str

    async def send(self, prepared: Prepared, options: RequestOptions | None) -> Any:
        """Send the request and decode the response."""
        ...


class Pages(Coroutine[Any, Any, D_co], Generic[D_co, R_co]):
    """The result of a list operation. Nothing is sent until it is awaited or iterated.

    ``await pages`` returns one page, the response document (None for a response without a body). ``async for record in pages``
    yields every record of all pages, ``async for page in pages.pages()`` every page. ``await pages.collect(limit)`` returns a list
    of records. Each of these starts at the first page. While a page is processed, the next one is fetched; leaving the loop
    cancels that request.

    It can be used wherever a coroutine can (`asyncio.create_task`, `asyncio.gather`, `asyncio.run`, …), and like a coroutine it
    warns if it is neither awaited nor iterated.

    Raises `PaginationError` if the list can't be read to its end: a next link points outside the client's own origin (it is not
    followed), was already followed or can't be parsed, or a page has no body. Other errors are those of the request.
    """

    __slots__ = ("_coroutine", "_options", "_prepared", "_session", "_used")

    def __init__(self, session: Sender, prepared: Prepared, options: RequestOptions | None = None) -> None:
        self._session = session
        self._prepared = prepared
        self._options = options
        self._used = False
        self._coroutine: Coroutine[Any, Any, D_co] | None = None

    def _first(self) -> Coroutine[Any, Any, D_co]:
        self._used = True
        return cast("Coroutine[Any, Any, D_co]", self._session.send(self._prepared, self._options))

    def __await__(self) -> Generator[Any, None, D_co]:
        return cast("Generator[Any, None, D_co]", self._first().__await__())

    # Tasks run a coroutine through these three methods: as one that returns the first page.

    def send(self, value: Any) -> Any:
        """Start or resume as a coroutine: for tasks, not for you."""
        return self._started().send(value)

    def throw(self, *error: Any) -> Any:
        """Raise an error in the coroutine: for tasks, not for you."""
        return self._started().throw(*error)

    def close(self) -> None:
        """End the coroutine. If it was never started, nothing is sent and there is no warning."""
        self._used = True
        if self._coroutine is not None:
            self._coroutine.close()

    def _started(self) -> Coroutine[Any, Any, D_co]:
        if self._coroutine is None:
            self._coroutine = self._first()
        return self._coroutine

    def __aiter__(self) -> RecordIterator[R_co]:
        return RecordIterator(self._iterator(None))

    def pages(self) -> PageIterator[D_co]:
        """Iterate over the pages instead of the records."""
        return self._iterator(None)

    async def collect(self, limit: int | None = None) -> list[R_co]:
        """The records of all pages as a list, at most `limit`. Only the pages needed for them are fetched.

        Raises `QueryError` if `limit` is not a whole number, 0 or more.
        """
        self._used = True
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
            raise QueryError(
                f"{self._prepared.operation.name}: limit must be an int, 0 or more, or None for all, not {shown(limit)}.",
                operation=self._prepared.operation.name,
            )
        collected: list[R_co] = []
        if limit == 0:
            return collected
        async with self._iterator(limit) as pages:
            async for page in pages:
                collected += records_of(page, pages.path)
                if limit is not None and len(collected) >= limit:
                    break
        return collected[:limit]

    def _iterator(self, limit: int | None) -> PageIterator[D_co]:
        self._used = True
        return PageIterator(self._session, self._prepared, self._options, limit)

    @property
    def __name__(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] - that is the class's own
        # The name of a task that runs it, in its repr and in asyncio's debug log.
        return self._prepared.operation.name

    def __repr__(self) -> str:
        return f"<Pages of {self._prepared.operation.name}>"

    def __del__(self) -> None:
        if not getattr(self, "_used", True) and not sys.is_finalizing():
            warnings.warn(
                f"the call of {self._prepared.operation.name} was never awaited: await it for one page, or use async for",
                RuntimeWarning,
                stacklevel=2,
                source=self,
            )


class PageIterator(AsyncIterator[D_co]):
    """Iterates over the pages of a list, prefetching one page.

    Leaving a loop early drops the iterator, and with it the request in flight. If you keep the iterator yourself, call
    `aclose`, or use it with ``async with``.
    """

    __slots__ = ("_busy", "_limit", "_next", "_options", "_prefetch", "_refused", "_seen", "_session", "path")

    def __init__(self, session: Sender, first: Prepared, options: RequestOptions | None, limit: int | None) -> None:
        self._session = session
        self._options = options
        self._limit = limit
        self._next: Prepared | None = first
        self._prefetch: asyncio.Task[Any] | None = None
        self._seen = {_fingerprint(first)}
        self._refused: PaginationError | None = None
        self._busy = False
        pagination = first.operation.pagination
        self.path: tuple[str, ...] = pagination.records if pagination is not None else ("data",)
        """The path to the records within a page."""

    @property
    def next_target(self) -> str | None:
        """Path and query of the next page's request; None if there is no further page."""
        return None if self._next is None else self._next.target

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> D_co:
        if self._busy:
            raise RuntimeError("These pages are already being read by another task; give each task its own iterator.")
        self._busy = True
        try:
            return await self._advance()
        finally:
            self._busy = False

    async def _advance(self) -> D_co:
        prepared, task = self._next, self._prefetch
        if self._refused is not None:
            raise self._refused
        if prepared is None:
            raise StopAsyncIteration
        # Until the page has arrived it remains the next one: after an error or a timeout it is requested again.
        if task is None:
            page = await self._session.send(prepared, self._options)
        else:
            try:
                page = await task
            finally:
                self._prefetch = None
        self._check(prepared, page)
        self._next = None
        try:
            self._next = following = self._following(prepared, page)
        except PaginationError as error:
            # This page is good: it is returned, and the error is raised in place of the next one.
            self._refused = error
            following = None
        if following is not None and self._needs_more(page):
            # An error in it is raised when its page is requested; the callback keeps asyncio from reporting it as unretrieved.
            self._prefetch = asyncio.create_task(self._session.send(following, self._options))
            self._prefetch.add_done_callback(_retrieve)
        return cast("D_co", page)

    def _check(self, prepared: Prepared, page: object) -> None:
        """Raise if this is not a page: a list that ended here would look complete."""
        if page is None:
            wrong = "has no body"
        else:
            records = _at(page, self.path)
            if (
                isinstance(records, list)
                or _is_record(records)
                or ((records is None or records is UNSET) and is_object(member(page, "links")))
            ):
                return
            wrong = f"has no list of records at {'.'.join(self.path)}"
        raise PaginationError(
            f"{prepared.operation.name}: a page of the list {wrong}, so the following pages can't be found. "
            "The records so far are good; request the page again to continue."
        )

    def _needs_more(self, page: object) -> bool:
        if self._limit is None:
            return True
        self._limit -= len(records_of(page, self.path))
        return self._limit > 0

    def _following(self, prepared: Prepared, page: object) -> Prepared | None:
        """The request for the page after this one; None after the last."""
        link = next_link(page, prepared.operation.name)
        if link is None:
            return None
        following = prepared.following(own_target(link, self._session.origin, prepared.operation.name))
        fingerprint = _fingerprint(following)
        if fingerprint in self._seen:
            raise PaginationError(
                f"{prepared.operation.name}: the next link points to a page that was already read ({shown(following.target, 200)}), "
                "so the list would never end. Stopped there; the records so far are good."
            )
        self._seen.add(fingerprint)
        return following

    def _stop(self) -> None:
        task = self._prefetch
        self._prefetch = self._next = self._refused = None
        if task is None or task.done():
            return
        loop = task.get_loop()
        if not loop.is_closed():
            # The garbage collector may run this in any thread.
            loop.call_soon_threadsafe(task.cancel)

    async def aclose(self) -> None:
        """End the iteration and wait until the request in flight, if any, is cancelled."""
        task = self._prefetch
        self._stop()
        if task is not None:
            await asyncio.wait((task,))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        if getattr(self, "_prefetch", None) is not None:
            self._stop()


class RecordIterator(AsyncIterator[R_co]):
    """Iterates over the records of all pages. See `PageIterator` for leaving early."""

    __slots__ = ("_at", "_pages", "_records")

    def __init__(self, pages: PageIterator[Any]) -> None:
        self._pages = pages
        self._records: list[R_co] = []
        self._at = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> R_co:
        while self._at >= len(self._records):
            page = await anext(self._pages)
            self._records, self._at = records_of(page, self._pages.path), 0
        record = self._records[self._at]
        self._at += 1
        return record

    async def aclose(self) -> None:
        """End the iteration and wait until the request in flight, if any, is cancelled."""
        self._records, self._at = [], 0
        await self._pages.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _retrieve(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()


def _fingerprint(prepared: Prepared) -> int:
    payload = prepared.payload
    return hash(
        (prepared.target, payload.content if payload is not None and isinstance(payload.content, bytes) else None)
    )


def records_of(page: object, path: tuple[str, ...]) -> list[Any]:
    """The records of a page; a single one if it has an object instead of a list, none if that is null or missing."""
    found = _at(page, path)
    if isinstance(found, list):
        return found
    return [found] if _is_record(found) else []


def _is_record(found: object) -> bool:
    """Whether it is one resource, where the document of a list operation declares a single object."""
    return is_object(found) and isinstance(member(found, "type"), str)


def _at(page: object, path: tuple[str, ...]) -> Any:
    found: Any = page
    for name in path:
        found = member(found, name)
    return found
