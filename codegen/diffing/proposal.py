"""The version that a change leads to."""

from __future__ import annotations

from attrs import frozen


@frozen
class Proposal:
    """The version after a change."""

    released: str
    """The last version that was released."""
    current: str
    """What the package calls itself now."""
    version: str
    why: str

    def as_dict(self) -> dict[str, str]:
        """The proposal as JSON."""
        return {"released": self.released, "current": self.current, "version": self.version, "why": self.why}
