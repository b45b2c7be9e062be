"""Collects the problems of a call, and combines them into one error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klaviyo_async.errors import Problem, QueryError

if TYPE_CHECKING:
    from typing import Literal

__all__ = ["Problems"]


class Problems(list[Problem]):
    """The problems of one call, in the order in which they were found."""

    __slots__ = ()

    def add(
        self,
        pointer: str,
        message: str,
        kind: Literal["unknown", "mismatch", "range", "required", "type", "value"] = "value",
    ) -> None:
        """Add a problem."""
        self.append(Problem(pointer, message, kind))

    def error(self, operation: str) -> QueryError:
        """The error that reports all of them."""
        hint = ""
        if any(problem.maybe_new for problem in self):
            hint = "validate=False lets through what Klaviyo may have added since this revision."
        if len(self) == 1:
            return QueryError(f"{operation}: {self[0]}{hint and ' ' + hint}", operation=operation, problems=self)
        listed = "".join(f"\n  - {problem}" for problem in self)
        return QueryError(
            f"{operation}: {len(self)} problems, nothing was sent:{listed}{hint and chr(10) + hint}",
            operation=operation,
            problems=self,
        )
