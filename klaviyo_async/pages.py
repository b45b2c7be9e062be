"""Pages of a list: awaited for one, iterated for every record, with the next page fetched while the current one is used."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator, Mapping
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar, cast
from urllib.parse import quote, urlsplit

from klaviyo_async.errors import PaginationError, QueryError
from klaviyo_async.model import UNSET
from klaviyo_async.query import origin_of

if TYPE_CHECKING:
    from klaviyo_async.client import RequestOptions
    from klaviyo_async.query import Prepared

__all__ = ["PageIterator", "Pages", "RecordIterator"]

D_co = TypeVar("D_co", covariant=True)
R_co = TypeVar("R_co", covariant=True)

# What may stand in a URL; a link is kept byte for byte, so `%` stays as well.
_URL_CHARACTERS = "!#$%&'()*+,/:;=?@[]~-._"


class Sender(Protocol):
    """What pages need of a session."""

    origin: str

    async def send(self, prepared: Prepared, options: RequestOptions | None) -> Any:
        """Send the request and decode the answer."""
        ...


class Pages(Generic[D_co, R_co]):
    """The result of a list operation. Nothing is sent before it is awaited or iterated.

    ``await pages`` gives one page, the document that Klaviyo answers; ``async for record in pages`` every record of all
    pages; ``async for page in pages.pages()`` every page; ``await pages.collect(limit)`` a list of records. Each of these
    starts anew at the first page. While a page is used the next one is fetched; leaving the loop cancels that.

    Raises `PaginationError` where a next link leaves the client's own origin or was there before; such a link is not
    followed. Other errors are those of the request.
    """

    __slots__ = ("_options", "_prepared", "_session")

    def __init__(self, session: Sender, prepared: Prepared, options: RequestOptions | None = None) -> None:
        self._session = session
        self._prepared = prepared
        self._options = options

    def __await__(self) -> Generator[Any, None, D_co]:
        return cast("Generator[Any, None, D_co]", self._session.send(self._prepared, self._options).__await__())

    def __aiter__(self) -> RecordIterator[R_co]:
        return RecordIterator(self._iterator(None))

    def pages(self) -> PageIterator[D_co]:
        """Iterate over the pages instead of the records."""
        return self._iterator(None)

    async def collect(self, limit: int | None = None) -> list[R_co]:
        """The records of all pages as a list, at most `limit`; no page is fetched that isn't needed for them.

        Raises `QueryError` where `limit` is no whole number from 0 on.
        """
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
            raise QueryError(
                f"{self._prepared.operation.name}: limit is a whole number from 0 on, or None for all, not {limit!r}.",
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
        return PageIterator(self._session, self._prepared, self._options, limit)

    def __repr__(self) -> str:
        return f"<Pages of {self._prepared.operation.name}>"


class PageIterator(AsyncIterator[D_co]):
    """Iterates over the pages of a list, one page ahead.

    A loop that is left early drops it, and with it the request under way; who keeps the iterator itself can call
    `aclose`, or use it by ``async with``.
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
        """Where in a page its records are."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> D_co:
        if self._busy:
            raise RuntimeError("These pages are being read by another task already; give each task its own iterator.")
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
        if task is None:
            page = await self._session.send(prepared, self._options)
        else:
            try:
                page = await task
            except asyncio.CancelledError:
                # Either we were cancelled or, by someone who ends all tasks, the prefetch; both end the iteration.
                self._stop()
                raise
            finally:
                self._prefetch = None
        self._next = None
        if page is None:
            raise StopAsyncIteration
        try:
            self._next = following = self._following(prepared, page)
        except PaginationError as error:
            # This page is good: it is handed out, and the error comes where the next one would.
            self._refused = error
            following = None
        if following is not None and self._wants_more(page):
            # An error in it is raised when its page is asked for; the callback keeps asyncio from calling it forgotten.
            self._prefetch = asyncio.create_task(self._session.send(following, self._options))
            self._prefetch.add_done_callback(_retrieve)
        return cast("D_co", page)

    def _wants_more(self, page: object) -> bool:
        if self._limit is None:
            return True
        self._limit -= len(records_of(page, self.path))
        return self._limit > 0

    def _following(self, prepared: Prepared, page: object) -> Prepared | None:
        """The request for the page after this one; None after the last."""
        link = next_link(page)
        if link is None:
            return None
        following = prepared.following(own_target(link, self._session.origin, prepared.operation.name))
        fingerprint = _fingerprint(following)
        if fingerprint in self._seen:
            raise PaginationError(
                f"{prepared.operation.name}: the next link leads to a page that was read already ({following.target:.200}), "
                "so the pages would never end. Stopped there; the records so far are good."
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
            # The garbage collector may run us in any thread.
            loop.call_soon_threadsafe(task.cancel)

    async def aclose(self) -> None:
        """End the iteration and wait until the request under way, if any, is cancelled."""
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
        """End the iteration and wait until the request under way, if any, is cancelled."""
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


def _member(holder: Any, name: str) -> Any:
    """A member of a model or of plain JSON; `UNSET` where it has none."""
    if isinstance(holder, Mapping):
        return holder.get(name, UNSET)
    return getattr(holder, name, UNSET)


def records_of(page: object, path: tuple[str, ...]) -> list[Any]:
    """The records of a page; none where its list is null or missing."""
    found: Any = page
    for name in path:
        found = _member(found, name)
    return found if isinstance(found, list) else []


def next_link(page: object) -> str | None:
    """The next link of a page; None where it is null, absent, or there are no links at all."""
    link = _member(_member(page, "links"), "next")
    if isinstance(link, Mapping):
        # JSON:API allows a link to be an object.
        link = link.get("href")
    if link is None or link is UNSET or link == "":
        return None
    if isinstance(link, str):
        return link
    raise PaginationError(
        f"The next link is no text but {type(link).__name__}; the page after this one can't be found."
    )


def own_target(link: str, origin: str, operation: str) -> str:
    """The link without its origin, byte for byte. Raises `PaginationError` where it is not on the client's own origin."""
    # `//host` has no scheme and still names a host.
    local = link.startswith("/") and not link.startswith("//")
    try:
        parts = urlsplit(link)
        own = local or (origin_of(link) == origin_of(origin) and "@" not in parts.netloc)
    except ValueError:
        own = False
    # What URL parsers read differently ("\", tabs, line breaks) could lead elsewhere for one of them.
    if not own or any(character <= " " or character in "\\\x7f" for character in link):
        raise PaginationError(
            f"{operation}: the next link leads away from the client's own origin {origin}, so it was not followed and no "
            f"credential was sent: {link!r:.200}. If Klaviyo is behind a proxy, have it rewrite the links, or set base_url."
        )
    target = link if local else link[link.index("://") + 3 :]
    if not local:
        cut = min((at for at in (target.find("/"), target.find("?"), target.find("#")) if at >= 0), default=len(target))
        target = target[cut:]
    target = target.partition("#")[0]
    if not target.startswith("/"):
        target = "/" + target
    return target if target.isascii() else quote(target, safe=_URL_CHARACTERS)
