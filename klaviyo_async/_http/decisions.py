"""What follows from the outcome of an attempt: decisions as values. Nothing here sleeps, sends or reads a clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

from klaviyo_async._retry import PATIENCE, again_after_failure, again_after_status, leaves_fate_unknown, pause
from klaviyo_async.middleware import Response

if TYPE_CHECKING:
    from klaviyo_async._request.prepare import Prepared
    from klaviyo_async.errors import TransportError
    from klaviyo_async.options import Settings


@frozen
class Return:
    """The call has succeeded with this response."""

    response: Response


@frozen
class Raise:
    """The call fails with the outcome of this attempt."""


@frozen
class RaiseWait:
    """The call fails because it may not wait for as long as the server asks."""

    seconds: float


@frozen
class Wait:
    """Another attempt, after this many seconds."""

    seconds: float


Decision = Return | Raise | RaiseWait | Wait
RAISE: Final = Raise()


class Judge:
    """Decides after each attempt of a call."""

    __slots__ = ("_delete", "_fate_unknown", "_max_retries", "_max_wait", "_safe", "retries")

    def __init__(self, prepared: Prepared, settings: Settings) -> None:
        self._delete = prepared.operation.method == "DELETE"
        self._safe = prepared.safe_to_repeat
        self._max_retries = settings.max_retries
        self._max_wait = settings.max_wait
        self._fate_unknown = False
        self.retries = 0

    def decide(
        self, ended: Response | TransportError, *, waited: float, asked: float | None = None, replayable: bool = True
    ) -> Decision:
        """The decision.

        `waited` is the number of seconds that the call has waited so far, `asked` that of a ``Retry-After``, and
        `replayable` says whether the body can be sent again.
        """
        if isinstance(ended, Response):
            status = ended.status
            # 404 on a repeated DELETE: the first was processed although its response was lost, and the resource is gone as requested.
            if 200 <= status < 300 or (status == 404 and self._delete and self._fate_unknown):
                return Return(ended)
            again = again_after_status(status, safe=self._safe)
            self._fate_unknown |= leaves_fate_unknown(status)
        else:
            again = again_after_failure(ended, safe=self._safe)
            self._fate_unknown |= ended.sent is not False
        if not again or not replayable or self.retries >= self._max_retries:
            return RAISE
        self.retries += 1
        return self._wait(pause(self.retries, asked).seconds, waited, asked)

    def _wait(self, seconds: float, waited: float, asked: float | None) -> Decision:
        left = None if self._max_wait is None else max(0.0, self._max_wait - waited)
        if asked is not None and asked > (PATIENCE if left is None else left):
            return RaiseWait(asked)
        if left is None:
            return Wait(seconds)
        return RAISE if left <= 0 < seconds else Wait(min(seconds, left))
