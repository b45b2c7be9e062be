"""Base of the generated groups of endpoint functions, `klaviyo.profiles` and the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from klaviyo_async._http.session import Session


class Namespace:
    """The endpoint functions of one tag, bound to a client."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def __dir__(self) -> list[str]:
        # An alias is the same function under another name: it works, but would only clutter completion.
        members = vars(type(self)).items()
        aliases = {name for name, member in members if getattr(member, "__name__", name) != name}
        return [name for name in super().__dir__() if name not in aliases]
