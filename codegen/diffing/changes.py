"""One difference between two revisions, and what it means for those who have the first."""

from __future__ import annotations

import json
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable


class Rating(IntEnum):
    """What a change does to code that works today."""

    COMPATIBLE = 0
    """Nothing."""
    POSSIBLY = 1
    """It may have to handle what it never met before: null, another type, less throughput."""
    BREAKING = 2
    """Some of it raises, is refused by Klaviyo, or no longer passes a type checker."""

    @property
    def text(self) -> str:
        """The rating in words."""
        return ("compatible", "possibly breaking", "breaking")[self]


@frozen
class Change:
    """One difference."""

    kind: str
    """What it is about, for machines and for putting like changes together: `function-removed`, `field-type`."""
    rating: Rating
    subject: str
    """The public name that it is about: `get_profile`, `resources.Profile`, `models.ListCreateQueryAttributes.name`."""
    text: str
    """What is different, without the subject."""
    functions: tuple[str, ...] = ()
    """The functions that it reaches."""
    names: tuple[str, ...] = ()
    """The public names that are gone with it."""
    arguments: tuple[str, ...] = ()
    """The keyword arguments that the subject, a field, is known as: `create_list(name)`."""
    shrinks: bool = False
    """Whether a limit is smaller than before."""

    def as_dict(self) -> dict[str, Any]:
        """The change as JSON."""
        return {
            "kind": self.kind,
            "rating": self.rating.text,
            "subject": self.subject,
            "text": self.text,
            "functions": list(self.functions),
            "arguments": list(self.arguments),
            "names": list(self.names),
            "shrinks": self.shrinks,
        }


def plain(value: Any) -> str:
    """A value of a document for people."""
    if value is None or value in ([], (), {}, ""):
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=list)


def listed(items: Iterable[Any], most: int = 12) -> str:
    """Some values in a line, in backticks; of a long list the first ones."""
    found = list(items)
    shown = ", ".join(f"`{item if isinstance(item, str) else json.dumps(item)}`" for item in found[:most])
    return shown if len(found) <= most else f"{shown} and {len(found) - most} more"


def came_and_went(old: Iterable[Any], new: Iterable[Any]) -> tuple[list[Any], list[Any]]:
    """What is in the second only, and what in the first only."""
    before, after = list(old), list(new)
    return [each for each in after if each not in before], [each for each in before if each not in after]
