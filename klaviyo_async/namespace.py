"""Base of the generated groups of endpoint functions, `klaviyo.profiles` and the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from klaviyo_async.session import Session


class Namespace:
    """The endpoint functions of one tag, bound to a client."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session
