"""A limiter that records, and two documents."""

from __future__ import annotations

from typing import Any

from klaviyo_async.limiter import Limiter


class Recorder(Limiter):
    """A limiter that lets everything through and notes what became of each permit."""

    def __init__(self, waits: float = 0.0) -> None:
        self.permits: list[Recorded] = []
        self.asked: list[dict[str, Any]] = []
        self.waits = waits

    async def acquire(self, account: str, operation: Any, triggered: Any = (), **facts: Any) -> Any:
        self.asked.append({"account": account, "operation": operation.name, "triggered": triggered, **facts})
        permit = Recorded(self.waits)
        self.permits.append(permit)
        return permit

    def snapshot(self, accounts: Any = None) -> Any:
        return self.fates

    @property
    def fates(self) -> list[Any]:
        return [permit.fate for permit in self.permits]


class Recorded:
    """A permit; settling it twice is an error, and so is not settling it, which `fates` shows as None."""

    def __init__(self, waited: float) -> None:
        self.waited = waited
        self.fate: Any = None

    def _settle(self, fate: Any) -> None:
        assert self.fate is None, f"settled as {self.fate}, then as {fate}"
        self.fate = fate

    def answered(self, status: int, headers: Any) -> None:
        assert headers.get("content-length") is None or int(headers["CONTENT-LENGTH"]) >= 0
        self._settle(status)

    def unsent(self) -> None:
        self._settle("unsent")

    def lost(self) -> None:
        self._settle("lost")


PROFILE = b'{"data":{"type":"profile","id":"01","attributes":{"email":"sarah@example.com"}},"links":{"self":"x"}}'
PROFILES = b'{"data":[{"type":"profile","id":"01","attributes":{"email":"sarah@example.com"}}],"links":{"next":null}}'
