"""Identifiers as Klaviyo makes them, from the fake's own clock and chance so that a seed repeats them."""

from __future__ import annotations

import base64
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

    from klaviyo_async.testing.clock import Clock

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Ids:
    """Makes identifiers of each style that Klaviyo has."""

    def __init__(self, clock: Clock, chance: random.Random) -> None:
        self._clock = clock
        self._chance = chance
        self._number = 28_000_000 + chance.randrange(1_000_000)

    def make(self, style: str) -> str:
        """An identifier of a style: ``ulid``, ``short``, ``uuid``, ``number``, ``event`` or ``job``."""
        if style == "ulid":
            return ulid(int(self._clock.time() * 1000), self._chance)
        if style == "uuid":
            return self.uuid()
        if style == "number":
            self._number += 1
            return str(self._number)
        if style == "event":
            # ever-rising, as event ids are: the time in milliseconds in base 62, then chance
            return _digits(int(self._clock.time() * 1000), _BASE62) + "".join(self._chance.choices(_BASE62, k=4))
        if style == "job":
            text = f"{self._chance.choice(_LETTERS)}.maintenance.{self._chance.getrandbits(40):x}.{int(self._clock.time())}"
            return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
        return "".join(self._chance.choices(_LETTERS, k=6))

    def uuid(self) -> str:
        """A random UUID."""
        return str(uuid.UUID(int=self._chance.getrandbits(128), version=4))


def ulid(milliseconds: int, chance: random.Random) -> str:
    """A ULID: 48 bits of time, 80 bits of chance."""
    number = (milliseconds << 80) | chance.getrandbits(80)
    return "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))


def _digits(number: int, alphabet: str) -> str:
    text = ""
    while number:
        number, digit = divmod(number, len(alphabet))
        text = alphabet[digit] + text
    return text
