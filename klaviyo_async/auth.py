"""Credentials: what gives a request its ``Authorization`` header."""

from __future__ import annotations

import hashlib
import inspect
import secrets
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NoReturn

from klaviyo_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Secret(str):
    """A secret whose `repr` doesn't show it, for the frames and containers that it passes through."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


class Auth(ABC):
    """Base of every kind of credential. A subclass has `authorize`; the rest has defaults."""

    def __init__(self) -> None:
        # Two unknown credentials share no limits; a subclass that can tell says which account it is.
        self._account = secrets.token_hex(8)

    @abstractmethod
    async def authorize(self) -> str:
        """The value of the ``Authorization`` header for a request that is about to leave."""

    async def rejected(self, authorization: str) -> bool:  # noqa: ARG002 - subclasses use it
        """Klaviyo answered 401 to this header. True: there is another one now, try again (once)."""
        return False

    @property
    def account(self) -> str:
        """A digest that is the same for the same credential, so that its users share the rate limits; never the secret."""
        return self._account

    @property
    def source(self) -> str:
        """Where the credential came from, in the words of an error message."""
        return f"the credential of {type(self).__name__}"

    async def close(self) -> None:  # noqa: B027 - most have nothing to wait for
        """Wait for what is still under way. Called when a client that uses this credential is closed; it may be used on."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} does not pickle: the secret would be written down. Make it anew where it is needed."
        )


class ApiKey(Auth):
    """A private API key (``pk_…``) of one account.

    Raises `ConfigurationError` where the key is empty or can't be sent in a header. Spaces around it are dropped.
    """

    __slots__ = ("_account", "_header", "_hint", "_source")

    def __init__(self, key: str, *, source: str = "the API key") -> None:
        if not isinstance(key, str):
            raise ConfigurationError(f"{source} has to be a str, not {type(key).__name__}.")
        key = key.strip()
        if not key:
            raise ConfigurationError(f"{source} is empty: give a private API key (pk_…).")
        if not (key.isascii() and key.isprintable() and " " not in key):
            raise ConfigurationError(
                f"{source} holds characters that no API key has: was it copied with something around it?"
            )
        self._header = Secret(f"Klaviyo-API-Key {key}")
        self._account = digest("key", key)
        self._source = source
        self._hint = "" if key.startswith("pk_") else ' (it does not start with "pk_", as private keys do)'

    async def authorize(self) -> str:
        """The header with the key."""
        return self._header

    @property
    def source(self) -> str:
        """The argument or variable that the key came from."""
        return self._source + self._hint


_PROCESS = secrets.token_hex(8)


class CallableAuth(Auth):
    """Any function, plain or async, that gives the header."""

    __slots__ = ("_account", "_function")

    def __init__(self, function: Callable[[], str | Awaitable[str]]) -> None:
        self._function = function
        # The same object is the same account: clients that are given it share their limits. The name is good for this
        # process only, because an id is; while a client lives, so does the object.
        owner = getattr(function, "__self__", function)
        self._account = digest(_PROCESS, str(id(owner)), getattr(function, "__name__", ""))

    async def authorize(self) -> str:
        """What the function gives; the session refuses what is no header."""
        value: Any = self._function()
        return await value if inspect.isawaitable(value) else value  # type: ignore[no-any-return]

    @property
    def source(self) -> str:
        """Names the argument."""
        return "the header from `auth`"


def auth_of(auth: object) -> Auth:
    """An `Auth` from what the user gave: an `Auth`, an object with `authorize`, or a function that gives the header."""
    if isinstance(auth, Auth):
        return auth
    if isinstance(auth, type):
        raise ConfigurationError(f"auth is the class {auth.__name__}: give an instance of it.")
    if isinstance(auth, str):
        raise ConfigurationError("auth is a str: give the key as api_key, or wrap it: ApiKey(…).")
    authorize: Any = getattr(auth, "authorize", auth)
    function: Callable[[], str | Awaitable[str]] = authorize
    if not callable(function):
        raise ConfigurationError(
            f"auth has to have an async method authorize() that gives the header; {type(auth).__name__} has none."
        )
    return CallableAuth(function)


def digest(*parts: str) -> str:
    """A short digest that tells credentials apart and can't be turned back."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
