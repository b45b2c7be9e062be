"""`Headers`: HTTP headers, read-only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from multidict import CIMultiDict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from multidict import CIMultiDictProxy

__all__ = ["JSON_API", "Headers"]

JSON_API: Final = "application/vnd.api+json"
"""The media type of requests and responses."""

_SECRET = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})


class Headers(Mapping[str, str]):
    """HTTP headers: read-only, case-insensitive, secrets redacted in the `repr`."""

    __slots__ = ("_items", "_wire")

    def __init__(self, items: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        # What a transport derived from these headers, for the next request that has them.
        self._wire: Any = None
        self._items: CIMultiDict[str] | CIMultiDictProxy[str]
        if isinstance(items, Headers):
            self._items = items._items
        elif isinstance(items, Mapping):
            self._items = CIMultiDict()
            for name, value in cast("Mapping[str, str]", items).items():
                # If a name is spelled in two ways, the later one wins, as in a plain mapping.
                self._items[name] = value
        else:
            self._items = CIMultiDict(items)

    @classmethod
    def of(cls, items: CIMultiDict[str] | CIMultiDictProxy[str]) -> Headers:
        """Wrap headers that won't be changed any more, without copying them."""
        headers = cls.__new__(cls)
        headers._items = items
        headers._wire = None
        return headers

    def __getitem__(self, name: str) -> str:
        return self._items[name]

    if not TYPE_CHECKING:  # Mapping's own types are right; this is for speed

        def get(self, name, default=None):  # noqa: ANN001, ANN201
            return self._items.get(name, default)

    def getall(self, name: str) -> list[str]:
        """All values of a repeated header; empty if it is missing."""
        return self._items.getall(name, [])

    def __contains__(self, name: object) -> bool:
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(self._items))

    def __len__(self) -> int:
        return len(dict.fromkeys(name.lower() for name in self._items))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Mapping):
            return {k.lower(): v for k, v in self.items()} == {k.lower(): v for k, v in other.items()}
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = ", ".join(f"{k!r}: {'***' if k.lower() in _SECRET else v!r}" for k, v in self._items.items())
        return f"Headers({{{shown}}})"

    def __reduce__(self) -> tuple[Any, ...]:
        # What is written to a log must not contain a credential or a session cookie.
        return Headers, ([(str(k), v) for k, v in self._items.items() if k.lower() not in _SECRET],)

    def merged(self, changes: Mapping[str, str]) -> Headers:
        """These headers, overridden by `changes`."""
        items = CIMultiDict(self._items)
        for name, value in changes.items():
            items[name] = value
        return Headers.of(items)

    @property
    def multi(self) -> CIMultiDict[str] | CIMultiDictProxy[str]:
        """The multidict inside, for aiohttp."""
        return self._items
