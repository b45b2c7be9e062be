"""Who may call: API keys, OAuth tokens, their scopes, and the public key of client-side calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from klaviyo_async.testing.problems import Problem

if TYPE_CHECKING:
    from klaviyo_async.operation import Operation
    from klaviyo_async.testing.oauth import OAuthServer

Keys = Iterable[str] | Mapping[str, Iterable[str] | None] | None


class Credentials:
    """Checks the Authorization header."""

    def __init__(self, keys: Keys, oauth: OAuthServer) -> None:
        self._oauth = oauth
        self._keys: dict[str, frozenset[str] | None] | None = None
        if isinstance(keys, str):
            keys = [keys]
        if isinstance(keys, Mapping):
            self._keys = {key: None if scopes is None else frozenset(scopes) for key, scopes in keys.items()}
        elif keys is not None:
            self._keys = dict.fromkeys(keys)

    def check(self, operation: Operation, headers: Mapping[str, str]) -> str:
        """The account that a request is counted for: all keys are one account, each OAuth app has its own quota.

        Raises:
            Problem: 401 for a missing or wrong key or token.
        """
        if operation.public:
            return "public"
        scheme, _, secret = headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "klaviyo-api-key":
            right = secret in self._keys if self._keys is not None else secret.startswith("pk_") and len(secret) > 3
            if right:
                return "account"
            raise _refused("Incorrect authentication credentials.")
        if scheme.lower() == "bearer":
            if self._oauth.scopes(secret)[0]:
                return "oauth"
            raise _refused("The access token is invalid or has expired.")
        raise _refused("Missing or invalid authorization scheme. Use Klaviyo-API-Key.")

    def check_scopes(self, operation: Operation, headers: Mapping[str, str]) -> None:
        """Refuse what the key's or token's scopes don't allow.

        Raises:
            Problem: 403.
        """
        if operation.public:
            return
        scheme, _, secret = headers.get("Authorization", "").partition(" ")
        allowed: frozenset[str] | None
        if scheme.lower() == "bearer":
            scopes = self._oauth.scopes(secret)[1]
            allowed = None if scopes is None else frozenset(scopes)
        else:
            allowed = self._keys.get(secret) if self._keys is not None else None
        if allowed is None:
            return
        missing = [scope for scope in operation.scopes if not _covers(allowed, scope)]
        if missing:
            raise Problem(
                403,
                f"You do not have permission to perform this action. Missing scopes: {', '.join(missing)}",
                pointer="/data/",
            )


def _covers(allowed: frozenset[str], scope: str) -> bool:
    # who may write may read, as with Klaviyo's full-access scopes
    return scope in allowed or (scope.endswith(":read") and scope.removesuffix("read") + "write" in allowed)


def _refused(detail: str) -> Problem:
    return Problem(401, detail, pointer="/data/", code="not_authenticated")
