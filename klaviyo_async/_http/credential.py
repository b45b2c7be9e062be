"""A credential on its way to the wire, hidden from everything that shows or collects values."""

from __future__ import annotations

from typing import NoReturn

from klaviyo_async.errors import ConfigurationError


class Credential:
    """The value of an ``Authorization`` header.

    Tracebacks, and error trackers that collect the local variables of their frames, see this object instead of the text.
    """

    __slots__ = ("given", "line", "value")

    def __init__(self, given: str) -> None:
        self.given: str = given
        self.value: str = str(given)
        self.line: _Hidden = _Hidden(b"Authorization: %b\r\n" % self.value.encode())
        """The header as sent over the wire."""

    def __repr__(self) -> str:
        return "Credential(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A credential can't be pickled: that would write the secret to the pickle.")


class Credentials:
    """Creates credentials, each once for as long as its value stays the same."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: Credential | None = None

    def of(self, value: object, source: str) -> Credential:
        """The credential with this value. Raises `ConfigurationError`, naming `source`, if it isn't a valid header value."""
        last = self._last
        if last is not None and last.given is value:
            return last
        made = Credential(value) if isinstance(value, str) and _is_one_line(value) else None
        del value  # so that the traceback doesn't have it
        if made is None:
            raise ConfigurationError(
                f"{source} is not a valid header value: authorize() must return one line of printable text."
            )
        self._last = made
        return made


class _Hidden(bytes):
    __slots__ = ()

    def __repr__(self) -> str:
        return "b'***'"


def _is_one_line(text: str) -> bool:
    # Lone surrogates, which can't be encoded, are not printable either.
    return bool(text.strip()) and text.isprintable()
