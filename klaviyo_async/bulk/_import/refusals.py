"""What an error says of the rows of a batch: whose fault it is, and how to go on with the others."""

from __future__ import annotations

import re
from array import array
from typing import TYPE_CHECKING

from attrs import frozen

from klaviyo_async.bulk._import.batches import Batch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from klaviyo_async.bulk._import.batches import Envelope
    from klaviyo_async.errors import APIError, ErrorObject

__all__ = ["Reason", "culprits", "is_about_jobs", "is_about_rows", "remains"]

_INDEX = re.compile(r"(?:^|/)data/(\d+)(?=/|$)")
_JOBS = re.compile(
    r"\bjobs?\b.*\b(?:in progress|queued|at once|concurrent|maximum)\b|\btoo many\b.*\bjobs?\b", re.IGNORECASE
)
_POINTED_ROUNDS = 3
"""After so many rounds by pointers the rest is halved as well: one culprit a round would take a round for each."""


@frozen
class Reason:
    """Why one row was refused."""

    code: str | None
    detail: str | None
    pointer: str | None


def culprits(errors: Iterable[ErrorObject], count: int, rows: str = "") -> Mapping[int, Reason]:
    """Index → reason, for the errors whose pointer names one of the `count` rows.

    `rows` is the pointer of the list of rows in the request; errors of jobs, which have several ways to point, go without.
    """
    found: dict[int, Reason] = {}
    for error in errors:
        pointer = error.source.pointer or ""
        if not pointer.startswith(rows):
            continue
        # The first list in the pointer is that of the rows; events have lists of their own inside.
        match = _INDEX.search(pointer)
        if match is None or int(match[1]) >= count:
            continue
        index = int(match[1])
        rest = pointer[match.end() :].rstrip("/") or None
        if index not in found:
            found[index] = Reason(error.code, error.detail or error.title, rest)
        elif error.detail and found[index].detail != error.detail:
            first = found[index]
            found[index] = Reason(first.code, f"{first.detail} {error.detail}", first.pointer)
    return found


def is_about_rows(error: APIError, rows: str) -> bool:
    """Whether splitting may help: the error points to the rows, or nowhere in particular.

    `rows` is the pointer of the list of rows. An error about a relationship or another attribute would hit every batch.
    """
    for each in error.errors:
        if each.source.parameter or each.source.header:
            return False
        pointer = (each.source.pointer or "").rstrip("/")
        if pointer and not pointer.startswith(rows) and not rows.startswith(pointer):
            return False
    return True


def is_about_jobs(error: APIError) -> bool:
    """Whether it says that too many jobs are under way, so that the same request is right a little later."""
    return any(_JOBS.search(each.detail or each.title or "") for each in error.errors)


def remains(batch: Batch, blamed: Mapping[int, Reason], envelope: Envelope) -> list[Batch]:
    """The batches that are left to send once the culprits are taken out: one, or two halves where none was named."""
    kept = [index for index in range(len(batch)) if index not in blamed]
    if not kept:
        return []
    if len(kept) == 1 or (blamed and batch.refusals < _POINTED_ROUNDS):
        return [_part(batch, kept, envelope)]
    middle = len(kept) // 2
    return [_part(batch, kept[:middle], envelope), _part(batch, kept[middle:], envelope)]


def _part(batch: Batch, kept: Sequence[int], envelope: Envelope) -> Batch:
    body, ends = envelope.fill(map(batch.text, kept))
    return Batch(
        numbers=array("q", (batch.numbers[index] for index in kept)),
        body=body,
        ends=ends,
        first=len(envelope.head),
        size=len(body),
        claim=batch.claim,
        resent=batch.resent,
        refusals=batch.refusals + 1,
    )
