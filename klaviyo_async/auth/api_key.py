"""The private API key of an account."""

from __future__ import annotations

from klaviyo_async._keys import is_private_key
from klaviyo_async.auth.base import Auth
from klaviyo_async.auth.secret import Secret, digest, hidden
from klaviyo_async.errors import ConfigurationError


class ApiKey(Auth):
    """A private API key (``pk_…``) of one account.

    Raises `ConfigurationError` if the key is empty or can't be sent in a header. Surrounding spaces are stripped.
    """

    __slots__ = ("_account", "_header", "_hint", "_source")

    def __init__(self, key: str, *, source: str = "the API key") -> None:
        # Wrapped before anything can raise: a traceback has it in its frame.
        key = hidden(key)
        if not isinstance(key, str):
            kind = key if isinstance(key, type) else type(key)
            raise ConfigurationError(f"{source} must be a str, not {kind.__name__}.")
        key = Secret(key.strip())
        if not key:
            raise ConfigurationError(f"{source} is empty: pass a private API key (pk_…).")
        if not (key.isascii() and key.isprintable() and " " not in key):
            raise ConfigurationError(
                f"{source} contains characters that no API key has: was something else copied along with it?"
            )
        self._header = Secret("Klaviyo-API-Key " + key)
        self._account = digest("key", key)
        self._source = source
        self._hint = "" if is_private_key(key) else ' (it does not start with "pk_", as private keys do)'

    async def authorize(self) -> str:
        """The header with the key."""
        return self._header

    @property
    def source(self) -> str:
        """The argument or variable that the key came from."""
        return self._source + self._hint
