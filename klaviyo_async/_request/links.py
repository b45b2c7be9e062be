"""Next links: finding them in a page, keeping to the client's own origin, and extracting their cursors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, quote, urlsplit

from klaviyo_async._did_you_mean import shown
from klaviyo_async._model.member import member
from klaviyo_async._model.unset import UNSET
from klaviyo_async.errors import PaginationError

__all__ = ["cursor_of", "is_object", "next_link", "origin_of", "own_target"]

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_CURSOR_NAMES: Final = ("page[cursor]", "page_cursor")
# Characters allowed in a URL; a link is kept byte for byte, so `%` is too.
_URL_CHARACTERS: Final = "!#$%&'()*+,/:;=?@[]~-._"


def origin_of(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of a URL, normalised. Raises ValueError for a bad port or address."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    return scheme, (parts.hostname or "").lower(), parts.port or _DEFAULT_PORTS.get(scheme)


def cursor_of(url: str) -> str | None:
    """The cursor in the query of a link; None if it has none."""
    query = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
    return next((query[name] for name in _CURSOR_NAMES if query.get(name)), None)


def is_object(links: object) -> bool:
    """Whether the links of a page are an object, as a model or a mapping, and not null, missing or anything else."""
    return links is not None and links is not UNSET and not isinstance(links, str | bytes | int | float | list | tuple)


def next_link(page: object, operation: str) -> str | None:
    """The next link of a page; None if it is null or absent. Raises `PaginationError` if it can't be parsed."""
    links = member(page, "links")
    if links is None or links is UNSET:
        return None
    if not is_object(links):
        raise PaginationError(
            f"{operation}: the links of a page are {shown(links)}, not an object, so the next page can't be found."
            " Stopped there; the records so far are good."
        )
    link = member(links, "next")
    if isinstance(link, Mapping) and "href" in link:
        # JSON:API allows a link to be an object.
        link = link["href"]
    if link is None or link is UNSET or link == "":
        return None
    if isinstance(link, str):
        return link
    raise PaginationError(
        f"{operation}: the next link is {shown(link)}, not a string, so the next page can't be found."
        " Stopped there; the records so far are good."
    )


def own_target(link: str, origin: str, operation: str) -> str:
    """The link without its origin, byte for byte. Raises `PaginationError` if it is not on the client's own origin."""
    # `//host` has no scheme but does name a host.
    local = link.startswith("/") and not link.startswith("//")
    try:
        parts = urlsplit(link)
        own = local or (origin_of(link) == origin_of(origin) and "@" not in parts.netloc)
    except ValueError:
        own = False
    # Characters that URL parsers treat differently ("\", tabs, line breaks) could lead one of them to another host.
    if not own or any(character <= " " or character in "\\\x7f" for character in link):
        raise PaginationError(
            f"{operation}: the next link points outside the client's own origin {origin}, so it was not followed and no "
            f"credential was sent: {shown(link, 200)}. If Klaviyo is behind a proxy, have it rewrite the links, or set base_url."
        )
    target = link if local else link[link.index("://") + 3 :]
    if not local:
        cut = min((at for at in (target.find("/"), target.find("?"), target.find("#")) if at >= 0), default=len(target))
        target = target[cut:]
    target = target.partition("#")[0]
    if not target.startswith("/"):
        target = "/" + target
    if target.isascii():
        return target
    try:
        return quote(target, safe=_URL_CHARACTERS)
    except UnicodeEncodeError:
        raise PaginationError(
            f"{operation}: the next link has a lone surrogate, which can't be encoded: {shown(link, 200)}."
        ) from None
