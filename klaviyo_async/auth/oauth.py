"""OAuth 2.0 for apps: access tokens that refresh themselves, the authorisation URL with PKCE, code exchange, revocation."""

from __future__ import annotations

import asyncio
import base64
import copy
import hashlib
import inspect
import math
import secrets
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlencode

from klaviyo_async.auth._endpoint import TokenEndpoint
from klaviyo_async.auth._hooks import Hook, call, hook_of, locked, retrieve
from klaviyo_async.auth._tokens import Tokens, epoch, granted, stored
from klaviyo_async.auth.base import Auth
from klaviyo_async.auth.secret import Secret, digest, hidden
from klaviyo_async.errors import ConfigurationError, ConnectionFailed, DecodeError, KlaviyoError, Unauthorized

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    import aiohttp

    from klaviyo_async.auth._tokens import StoredTokens

AUTHORIZE_URL = "https://www.klaviyo.com/oauth/authorize"
TOKEN_URL = "https://a.klaviyo.com/oauth/token"  # noqa: S105 - an address, no secret
EARLY = 60.0
"""Seconds before its expiry at which an access token is no longer used."""
_LOOKS = (0.0, 0.1, 0.3, 0.6, 1.0, 2.0)
"""Seconds between look-ups in the store after a refusal: the process that used the token may still be storing the new one."""
_REFUSALS = 4
"""Refresh tokens that are tried in a row; Klaviyo allows ten refreshes a minute."""


class OAuth(Auth):
    """The credential of an OAuth app for one account.

    ::

        auth = OAuth(client_id, client_secret, refresh_token=stored.refresh_token, on_tokens=store)
        async with Klaviyo(auth=auth) as klaviyo: ...

    The access token is refreshed before it expires and once after a 401, by one request however many calls wait for it.
    Klaviyo may return a new refresh token each time, so store what `on_tokens` receives, or the account must be authorised
    again. Create one `OAuth` per account and process; several processes share their tokens through `load_tokens`.

    :param refresh_token: From `exchange`, or the last one that `on_tokens` received. Optional if `load_tokens` is given.
    :param access_token: One that may still be valid; without it the first call refreshes.
    :param expires_at: When the access token expires: an aware datetime, or seconds since 1970. An access token without
        it is used until Klaviyo rejects it.
    :param on_tokens: Function, sync or async, that receives `access_token`, `refresh_token` and `expires_at` (an aware
        datetime) before they are used. The tokens are `str`s whose `repr` hides them. If it raises, or takes longer than
        10 seconds, the call that waits for the tokens raises, and the tokens are passed to it again before the next one.
        Its own calls already use the new tokens.
    :param load_tokens: Function, sync or async, that returns what `on_tokens` last stored, in any process: a
        mapping with `access_token`, `refresh_token` and `expires_at`, or None. Called before each refresh, and again
        before a refusal is treated as final. It must not use a client with this credential.
    :param lock: Function that returns an async context manager, held during a refresh: with a lock shared by all
        processes, only one of them refreshes and the others load what it stored.
    :param token_url: The token endpoint.
    :param account: Name of the account, any text. Processes that share rate limits through Redis must use the same one,
        because their refresh tokens may differ.
    :param session: Your own `aiohttp.ClientSession`, for a proxy or TLS settings. It is used but never closed.
    :param timeout: Seconds for one request to the token endpoint.

    Raises `ConfigurationError` for invalid arguments. Calls raise `Unauthorized` if Klaviyo rejects the refresh token.
    """

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        *,
        refresh_token: str | None = None,
        access_token: str | None = None,
        expires_at: datetime | float | None = None,
        on_tokens: Callable[..., Any] | None = None,
        load_tokens: Callable[[], Any] | None = None,
        lock: Callable[[], AbstractAsyncContextManager[Any]] | None = None,
        token_url: str = TOKEN_URL,
        account: str | None = None,
        session: aiohttp.ClientSession | None = None,
        timeout: float = 30.0,
    ) -> None:
        # Wrapped before anything can raise: a traceback has these in its frame.
        client_secret, refresh_token, access_token = map(hidden, (client_secret, refresh_token, access_token))
        client_id = _text("client_id", client_id)
        client_secret = _text("client_secret", client_secret)
        if refresh_token is None and load_tokens is None:
            raise ConfigurationError("refresh_token is missing: pass it, or load_tokens to read it from your store.")
        self._endpoint = TokenEndpoint(client_id, client_secret, token_url, session, timeout)
        self._refresh_token = None if refresh_token is None else _text("refresh_token", refresh_token)
        self._spare: Secret | None = None
        """The refresh token that was in use before one from the store replaced it."""
        self._refused: set[str] = set()
        self._dead: Unauthorized | None = None
        """The refusal, if every known refresh token has been refused."""
        self._header: Secret | None = None
        self._access_token: Secret | None = None
        """The last access token, rejected or not."""
        self._expires = 0.0
        self._known_expiry = -math.inf
        if access_token is not None:
            self._use(_text("access_token", access_token), epoch(expires_at))
        self._by_name = _by_name(on_tokens)
        self._on_tokens = on_tokens
        self._load_tokens = _callable("load_tokens", load_tokens)
        self._lock = _callable("lock", lock)
        self._undelivered: Tokens | None = None
        self._refreshing: asyncio.Task[None] | None = None
        # An app has separate limits for each account, but tokens don't say which account they belong to. The refresh token
        # that this object starts with is the best name available; later ones would change the name under waiting calls.
        self._account = digest("oauth", client_id, account or refresh_token or secrets.token_hex(8))

    # -- as a credential ------------------------------------------------------------------------------------------------

    async def authorize(self) -> str:
        """The header with a valid access token, refreshed first if it is about to expire."""
        header = self._header
        if header is None or self._undelivered is not None or time.time() >= self._expires - EARLY:
            hook = hook_of(self)
            if hook is not None:
                return _reentrant(hook)
            header = await self._refreshed()
        return header

    async def rejected(self, authorization: str) -> bool:
        """After a 401: refresh, unless another call has done so since that header was created."""
        if hook_of(self) is not None:  # from within a refresh: there is nothing newer
            return False
        if self._header is not None and authorization != self._header:
            return True
        self._header = None
        await self._refreshed()
        return True

    @property
    def source(self) -> str:
        """Says that it is an OAuth token."""
        return "the OAuth access token"

    async def close(self) -> None:
        """Wait for a refresh that is in flight: its tokens would be lost otherwise."""
        task = self._refreshing
        # A client is also closed when it is garbage-collected, where maybe no loop runs.
        if task is None or task.done() or not task.get_loop().is_running():
            return
        if task.get_loop() is not asyncio.get_running_loop():
            return
        if hook_of(self) is None:  # `on_tokens` closes the client: waiting for the refresh would wait for itself
            await asyncio.wait([task])

    async def revoke(self) -> None:
        """Revoke the tokens: the app can't access the account any more until it is authorised again."""
        if self._refresh_token is None:
            await self._adopted()
        if self._refresh_token is None:
            raise ConfigurationError("There is no refresh token to revoke: load_tokens returned none.")
        await self._endpoint.post("revoke", {"token": self._refresh_token, "token_type_hint": "refresh_token"})
        self._header = None

    # -- getting one ----------------------------------------------------------------------------------------------------

    @staticmethod
    def authorize_url(
        client_id: str,
        redirect_uri: str,
        scopes: Iterable[str] | str,
        state: str | None = None,
        *,
        url: str = AUTHORIZE_URL,
    ) -> tuple[str, str]:
        """The URL to send the user to, and the PKCE verifier that `exchange` needs afterwards.

        Keep the verifier in the user's session. `state` is returned with the code: make it unguessable and compare it.
        """
        verifier = Secret(secrets.token_urlsafe(64))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": _text("client_id", client_id),
            "redirect_uri": _text("redirect_uri", redirect_uri),
            "scope": _text("scopes", scopes if scopes is None or isinstance(scopes, str) else " ".join(scopes)),
            "code_challenge_method": "S256",
            "code_challenge": challenge,
        }
        if state is not None:
            query["state"] = state
        return f"{url}?{urlencode(query, quote_via=quote)}", verifier

    @classmethod
    async def exchange(
        cls,
        client_id: str,
        client_secret: str,
        *,
        code: str,
        verifier: str,
        redirect_uri: str,
        on_tokens: Callable[..., Any] | None = None,
        load_tokens: Callable[[], Any] | None = None,
        lock: Callable[[], AbstractAsyncContextManager[Any]] | None = None,
        token_url: str = TOKEN_URL,
        account: str | None = None,
        session: aiohttp.ClientSession | None = None,
        timeout: float = 30.0,  # noqa: ASYNC109 - seconds for a request, as everywhere
    ) -> Self:
        """Exchange the code that was sent to `redirect_uri` for tokens. It can be used once, within five minutes of the user's consent.

        `on_tokens` receives the tokens before this returns; the other parameters are those of the constructor. Raises
        `Unauthorized` if Klaviyo rejects the code.
        """
        client_secret, code, verifier = map(hidden, (client_secret, code, verifier))
        # Created first, so that a mistake in the arguments doesn't use up the code.
        auth = cls(
            client_id,
            client_secret,
            refresh_token="none yet",  # noqa: S106 - replaced below
            on_tokens=on_tokens,
            load_tokens=load_tokens,
            lock=lock,
            token_url=token_url,
            session=session,
            timeout=timeout,
        )
        form = {
            "grant_type": "authorization_code",
            "code": _text("code", code),
            "code_verifier": _text("verifier", verifier),
            "redirect_uri": redirect_uri,
        }
        tokens, _ = granted(await auth._endpoint.post("token", form), None)
        if tokens is None:
            raise _no_tokens()
        auth._refresh_token = Secret(tokens.refresh_token)
        auth._account = digest("oauth", client_id, account or tokens.refresh_token)
        auth._undelivered = tokens
        await auth._deliver()
        return auth

    # -- refreshing -----------------------------------------------------------------------------------------------------

    async def _refreshed(self) -> Secret:
        """The header with a new access token. Concurrent callers share one refresh, and cancelling one doesn't cancel it."""
        if self._dead is not None and self._load_tokens is None:
            # Asking again is pointless and would use up the ten refreshes a minute that Klaviyo allows.
            raise copy.copy(self._dead)
        task = self._refreshing
        if task is None or task.done() or task.get_loop() is not asyncio.get_running_loop():
            task = self._refreshing = asyncio.create_task(self._refresh(), name="klaviyo_async OAuth refresh")
            task.add_done_callback(retrieve)
        await asyncio.wait([task])
        if task.cancelled():
            raise ConnectionFailed("OAuth token: the refresh was cancelled.", operation="OAuth token")
        error = task.exception()
        if error is not None:
            # Each waiting call raises its own exception; what `on_tokens` raised is the user's, and is raised unchanged.
            raise copy.copy(error) if isinstance(error, KlaviyoError) else error
        if self._header is None:  # rejected again meanwhile
            raise ConnectionFailed("OAuth token: Klaviyo rejected the new access token.", operation="OAuth token")
        return self._header

    async def _refresh(self) -> None:
        """Get new tokens, from the store or from Klaviyo. Returns nothing: asyncio's debug log shows what tasks return."""
        async with locked(Hook(self, "lock"), self._lock):
            if self._undelivered is None and (await self._adopted() or await self._redeemed_elsewhere()):
                return
            await self._deliver()

    async def _adopted(self) -> bool:
        """Load what another process has stored since. True if that is a usable access token."""
        own = self._refresh_token
        found = await self._load()
        if found is not None and (found.expires is None or found.expires >= self._known_expiry):
            if self._take(found):
                return True
            if self._refresh_token != own:
                self._spare = own
        return False

    async def _redeemed_elsewhere(self) -> bool:
        """Use the refresh token. True if another process turned out to have done so, and its tokens are in use now."""
        for _ in range(_REFUSALS):
            token = self._candidate()
            if token is None:
                break
            refusal = await self._redeem(token)
            if refusal is None:
                return False
            self._dead = copy.copy(refusal)
            self._refused.add(token)
            if self._candidate() is None and self._load_tokens is not None and await self._stored_meanwhile():
                return True
        if self._dead is None:
            raise ConfigurationError(
                "There is no refresh token: load_tokens returned none, and OAuth was given none. Authorise the app for this"
                " account (OAuth.authorize_url, then OAuth.exchange) and store what on_tokens gets."
            )
        raise copy.copy(self._dead)

    def _candidate(self) -> Secret | None:
        """A refresh token that hasn't been refused yet: the current one, or the one that the store's replaced."""
        return next(
            (one for one in (self._refresh_token, self._spare) if one is not None and one not in self._refused), None
        )

    async def _stored_meanwhile(self) -> bool:
        """After a refusal: another process may have used the token. True if an access token from the store is in use now."""
        for pause in _LOOKS:
            await asyncio.sleep(pause)
            found = await self._load()
            if found is not None:
                if self._take(found):
                    return True
                if found.refresh_token not in self._refused:
                    return False
        return False

    async def _redeem(self, token: Secret) -> Unauthorized | None:
        """Exchange a refresh token for new tokens, which then wait to be handed over. Returns the refusal of a dead one."""
        form = {"grant_type": "refresh_token", "refresh_token": token}
        try:
            response = await self._endpoint.post("token", form)
        except Unauthorized as error:
            if error.code != "invalid_grant":
                raise
            return error
        # From here on the old refresh token may be void, so the new one is kept whatever happens next.
        tokens, refresh_token = granted(response, token)
        self._refresh_token = Secret(refresh_token)
        if tokens is None:
            raise _no_tokens()
        self._undelivered = tokens
        return None

    async def _deliver(self) -> None:
        """Hand the tokens over, then use them."""
        tokens = self._undelivered
        if tokens is None:
            return
        if self._on_tokens is not None:
            await call(
                Hook(self, "on_tokens", tokens), partial(_hand_over, self._on_tokens, tokens, by_name=self._by_name)
            )
        self._undelivered = None
        self._use(Secret(tokens.access_token), tokens.expires_at.timestamp())

    async def _load(self) -> StoredTokens | None:
        if self._load_tokens is None:
            return None
        found = stored(await call(Hook(self, "load_tokens"), self._load_tokens))
        if isinstance(found, str):
            raise ConfigurationError(found)
        return found

    def _take(self, found: StoredTokens) -> bool:
        """Switch to stored tokens. True if their access token is new and usable."""
        self._refresh_token = Secret(found.refresh_token)
        access, expires = found.access_token, found.expires
        if access is None or access == self._access_token or (expires is not None and expires - EARLY <= time.time()):
            return False
        self._use(Secret(access), expires)
        return True

    def _use(self, access_token: Secret, expires: float | None) -> None:
        self._access_token = access_token
        self._header = Secret("Bearer " + access_token)
        self._expires = math.inf if expires is None else expires
        self._known_expiry = -math.inf if expires is None else expires
        self._spare = self._dead = None
        self._refused.clear()


def _reentrant(hook: Hook) -> Secret:
    """The header for a call made by one of the user's functions during a refresh, which must not wait for itself."""
    if hook.tokens is None:
        raise ConfigurationError(
            f"{hook.name} called Klaviyo with the credential that is being refreshed, so the call would wait for itself."
            f" Use another client in {hook.name}, or none."
        )
    return Secret("Bearer " + hook.tokens.access_token)


def _hand_over(function: Callable[..., Any], tokens: Tokens, *, by_name: bool) -> Any:
    return function(**tokens._asdict()) if by_name else function(*tokens)


def _by_name(function: Callable[..., Any] | None) -> bool:
    """Whether `on_tokens` takes its three arguments by name; otherwise they are passed in order."""
    if function is None:
        return False
    if not callable(function):
        raise ConfigurationError("on_tokens must be a function of access_token, refresh_token and expires_at.")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some built-ins have none
        return False
    for named, arguments in ((True, dict.fromkeys(Tokens._fields)), (False, (None, None, None))):
        try:
            signature.bind(**arguments) if isinstance(arguments, dict) else signature.bind(*arguments)
        except TypeError:
            continue
        return named
    raise ConfigurationError("on_tokens must take three arguments: access_token, refresh_token, expires_at.")


def _callable(name: str, value: Any) -> Any:
    if value is not None and not callable(value):
        raise ConfigurationError(f"{name} must be a function without arguments, not {type(value).__name__}.")
    return value


def _text(name: str, value: object) -> Secret:
    if not isinstance(value, str):
        kind = value if isinstance(value, type) else type(value)
        raise ConfigurationError(f"{name} must be a str, not {kind.__name__}.")
    if not value.strip():
        raise ConfigurationError(f"{name} is empty.")
    return Secret(value.strip())


def _no_tokens() -> DecodeError:
    return DecodeError("OAuth token", status=200, reason="the response has no access_token or no refresh_token")
