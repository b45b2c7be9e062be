"""Rows → requests, each filled to the byte and never over a cap. Bytes in, bytes out: nothing is encoded here."""

from __future__ import annotations

import sys
import uuid
from array import array
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Self

from attrs import define, field, frozen

from klaviyo_async._model.codec import dumps

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from klaviyo_async.bulk._import.rows import Row
    from klaviyo_async.operation import Caps

__all__ = ["Batch", "Envelope", "Packer"]


@frozen
class Envelope:
    """What stands around the rows of a request."""

    head: bytes
    tail: bytes

    @classmethod
    def around(cls, document: dict[str, Any], path: Sequence[str]) -> Self:
        """The envelope that a document makes; `path` leads to the list that the rows go into."""
        mark = f"rows {uuid.uuid4()}"
        inner: Any = document
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = [mark]
        head, _, tail = dumps(document).partition(dumps(mark))
        return cls(head, tail)

    def __len__(self) -> int:
        return len(self.head) + len(self.tail)

    def fill(self, texts: Iterable[bytes]) -> tuple[bytes, array[int]]:
        """The body with these rows, and where in it each of them ends."""
        filled = bytearray(self.head)
        ends = array("Q")
        for text in texts:
            if ends:
                filled += b","
            filled += text
            ends.append(len(filled))
        filled += self.tail
        return bytes(filled), ends


@define(eq=False)
class Claim:
    """The keys of a batch's rows, and how many of the batches that it was split into are not settled yet."""

    keys: array[int] = field(factory=partial(array, "q"))
    parts: int = 1


@define(eq=False)
class Batch:
    """The rows of one request, in the order of the source."""

    numbers: array[int]
    body: bytes = field(repr=False)
    """The body of the request; empty once it was accepted, to save memory: the ledger has it."""
    ends: array[int] = field(repr=False)
    """Where in the body each row ends."""
    first: int
    """Where in the body the first row begins."""
    size: int
    """Bytes of the whole body."""
    claim: Claim = field(factory=Claim, repr=False)
    id: int = 0
    """Its number in the ledger."""
    resent: bool = False
    """Whether it was in flight when an earlier run ended."""
    refusals: int = 0
    """How often it, or what it was split from, was refused."""

    def __len__(self) -> int:
        return len(self.numbers)

    def text(self, index: int) -> bytes:
        """A row as it stands in the body."""
        return self.body[self.ends[index - 1] + 1 if index else self.first : self.ends[index]]

    def texts(self) -> list[bytes]:
        """All rows as they stand in the body."""
        return [self.text(index) for index in range(len(self.ends))]


class Packer:
    """Fills one batch after the other.

    Rows are copied into the body at once: a million small texts that live for long would scatter over the memory, and take
    several times their size of it.
    """

    def __init__(self, caps: Caps, envelope: Envelope) -> None:
        self._most_rows = caps.rows or 1000
        self._most_bytes = (caps.bytes or sys.maxsize) - len(envelope.tail)
        self._envelope = envelope
        self._begin()

    def _begin(self) -> None:
        self._body = bytearray(self._envelope.head)
        self._ends = array("Q")
        self._numbers = array("q")
        self._claim = Claim()
        self._weight = 0

    def add_all(self, rows: Sequence[Row]) -> list[Batch]:
        """Put rows in, one after the other; gives the batches that became full."""
        texts = [row.text for row in rows]
        sizes = [len(text) + 1 for text in texts]
        fits = len(self._body) + sum(sizes) <= self._most_bytes
        if not fits or self._weight + sum([row.weight for row in rows]) > self._most_rows:
            return [batch for row in rows if (batch := self.add(row)) is not None]
        if rows:
            # All at once: it takes a third of the time.
            body = self._body
            begin = len(body) if self._numbers else len(body) - 1
            body += b"," + b",".join(texts) if self._numbers else b",".join(texts)
            self._ends.extend(accumulate(sizes[1:], initial=begin + sizes[0]))
            self._numbers.extend([row.number for row in rows])
            self._weight += sum([row.weight for row in rows])
            self._claim.keys.extend([key for row in rows for key in row.keys])
        return []

    def add(self, row: Row) -> Batch | None:
        """Put a row in; gives the batch that was full before it, if it was."""
        full = None
        # A comma stands before every row but the first.
        if self._numbers and (
            self._weight + row.weight > self._most_rows or len(self._body) + 1 + len(row.text) > self._most_bytes
        ):
            full = self.flush()
        body = self._body
        if self._numbers:
            body += b","
        body += row.text
        self._ends.append(len(body))
        self._numbers.append(row.number)
        self._weight += row.weight
        if row.keys:
            self._claim.keys.extend(row.keys)
        return full

    def flush(self) -> Batch | None:
        """The batch as far as it is filled; None where it is empty."""
        if not self._numbers:
            return None
        self._body += self._envelope.tail
        body = bytes(self._body)
        batch = Batch(
            numbers=self._numbers,
            body=body,
            ends=self._ends,
            first=len(self._envelope.head),
            size=len(body),
            claim=self._claim,
        )
        self._begin()
        return batch

    def __len__(self) -> int:
        return len(self._numbers)
