"""The base class of credentials, and wrappers for a user's own object or function."""

from __future__ import annotations

import inspect
import secrets
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NoReturn

from klaviyo_async._keys import is_private_key
from klaviyo_async.auth.secret import Secret, digest, hidden
from klaviyo_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Auth", "CallableAuth", "Secret", "auth_of", "digest", "is_private_key"]


class Auth(ABC):
    """Base class of all credentials. A subclass implements `authorize`; the rest has defaults."""

    def __init__(self) -> None:
        # Two unknown credentials share no limits; a subclass with more information overrides `account`.
        self._account = secrets.token_hex(8)

    @abstractmethod
    async def authorize(self) -> str:
        """The value of the ``Authorization`` header for a request that is about to be sent."""

    async def rejected(self, authorization: str) -> bool:  # noqa: ARG002 - subclasses use it
        """Klaviyo responded with 401 to this header. Return True if there is another one now; the request is then retried once."""
        return False

    @property
    def account(self) -> str:
        """A digest that is equal for equal credentials, whose users then share the rate limits; never the secret."""
        return self._account

    @property
    def source(self) -> str:
        """Where the credential came from, as it appears in error messages."""
        return f"the credential of {type(self).__name__}"

    async def close(self) -> None:  # noqa: B027 - most have nothing to wait for
        """Wait for unfinished work. Called when a client with this credential is closed; others may still be using it."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} can't be pickled: that would write the secret to the pickle. Create a new one where it is needed."
        )


_PROCESS = secrets.token_hex(8)


class CallableAuth(Auth):
    """Any function, sync or async, that returns the header."""

    __slots__ = ("_account", "_function")

    def __init__(self, function: Callable[[], str | Awaitable[str]]) -> None:
        self._function = function
        # The same object is the same account: clients that use it share their limits. Ids are unique only in this
        # process, and only while the object exists, which is as long as a client does.
        owner = getattr(function, "__self__", function)
        self._account = digest(_PROCESS, str(id(owner)), getattr(function, "__name__", ""))

    async def authorize(self) -> str:
        """The function's result; the session refuses one that isn't a valid header."""
        header: str = await _hidden(self._function())
        return header

    @property
    def source(self) -> str:
        """Names the argument."""
        return "the header from `auth`"


async def _hidden(value: Any) -> Any:
    value = await value if inspect.isawaitable(value) else value
    return hidden(value) if isinstance(value, str) else value


def auth_of(auth: object) -> Auth:
    """An `Auth` from what the user passed: an `Auth`, an object with `authorize`, or a function that returns the header."""
    if isinstance(auth, Auth):
        return auth
    if isinstance(auth, type):
        raise ConfigurationError(f"auth is the class {auth.__name__}: pass an instance of it.")
    if isinstance(auth, str):
        raise ConfigurationError("auth is a str: pass the key as api_key, or wrap it: ApiKey(…).")
    authorize: Any = getattr(auth, "authorize", auth)
    function: Callable[[], str | Awaitable[str]] = authorize
    if not callable(function):
        raise ConfigurationError(
            f"auth must have an async method authorize() that returns the header; {type(auth).__name__} has none."
        )
    return CallableAuth(function)
