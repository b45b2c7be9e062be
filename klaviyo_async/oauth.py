"""OAuth 2.0 for apps: access tokens that refresh themselves, the authorisation URL with PKCE, code exchange, revocation."""

from __future__ import annotations

import asyncio
import base64
import copy
import hashlib
import inspect
import json
import logging
import math
import secrets
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import quote, urlencode

from klaviyo_async.auth import Auth, Secret, digest
from klaviyo_async.errors import (
    APIError,
    ConfigurationError,
    ConnectionFailed,
    DecodeError,
    RequestTimeout,
    Unauthorized,
    class_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import aiohttp

log = logging.getLogger("klaviyo_async")

AUTHORIZE_URL = "https://www.klaviyo.com/oauth/authorize"
TOKEN_URL = "https://a.klaviyo.com/oauth/token"  # noqa: S105 - an address, no secret
EARLY = 60.0
"""Seconds before its expiry at which an access token is no longer used."""
LIFETIME = 3600.0
"""Seconds that Klaviyo's access tokens last, for answers that don't say."""
_TRIES = 3


class Tokens(NamedTuple):
    """What Klaviyo gave for a code or a refresh token."""

    access_token: str
    refresh_token: str
    expires_at: datetime
    """Aware, UTC."""

    def __repr__(self) -> str:
        return f"Tokens(…, expires_at={self.expires_at.isoformat()})"


class OAuth(Auth):
    """The credential of an OAuth app for one account.

    ::

        auth = OAuth(client_id, client_secret, refresh_token=stored.refresh_token, on_tokens=store)
        async with Klaviyo(auth=auth) as klaviyo: ...

    The access token is refreshed before it expires and once after a 401, by one request however many calls wait for it.
    Klaviyo may give a new refresh token each time, so keep what `on_tokens` gets, or the account has to be authorised
    again. Make one `OAuth` for each account and share it: two would refresh against each other.

    :param refresh_token: From `exchange`, or what `on_tokens` last got.
    :param access_token: One that may still be good; without it the first call refreshes.
    :param expires_at: When the access token expires: an aware datetime, or seconds since 1970. An access token without
        it is used until Klaviyo rejects it.
    :param on_tokens: Function, plain or async, that gets `access_token`, `refresh_token` and `expires_at` (an aware
        datetime) before they are used. Where it raises, the call that waits for the tokens raises the same, and the
        tokens are handed over again before the next one.
    :param token_url: Where tokens come from; ``/oauth/revoke`` is beside it.
    :param account: A name for the account, for instance its id: where processes share limits through Redis and their
        refresh tokens may differ, it is what they share them by. It need not be secret.
    :param session: The caller's own `aiohttp.ClientSession` for these requests; without it each opens one for itself.
    :param timeout: Seconds for one such request.
    """

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        *,
        refresh_token: str,
        access_token: str | None = None,
        expires_at: datetime | float | None = None,
        on_tokens: Callable[..., Any] | None = None,
        token_url: str = TOKEN_URL,
        account: str | None = None,
        session: aiohttp.ClientSession | None = None,
        timeout: float = 30.0,
    ) -> None:
        self._app = _App(client_id, client_secret, token_url, session, timeout)
        self._refresh_token = _secret("refresh_token", refresh_token)
        self._access_token = None if access_token is None else _secret("access_token", access_token)
        self._expires = _epoch(expires_at) if access_token is not None else 0.0
        self._hand_over = _handing(on_tokens)
        self._undelivered: Tokens | None = None
        self._refreshing: asyncio.Task[str] | None = None
        self._dead: Unauthorized | None = None
        # An app has limits of its own for each account, but no token says which account it is of. The refresh token that
        # this object starts with is the best name there is; later ones would change the name under waiting calls.
        self._account = digest("oauth", client_id, account or refresh_token)

    # -- as a credential ------------------------------------------------------------------------------------------------

    async def authorize(self) -> str:
        """The header with a good access token, refreshed first where it is about to expire."""
        token: str | None = self._access_token
        if token is None or self._undelivered is not None or time.time() >= self._expires - EARLY:
            token = await self._refreshed()
        return f"Bearer {token}"

    async def rejected(self, authorization: str) -> bool:
        """A 401: refresh, unless another call has done so since that header was made."""
        if self._access_token is not None and authorization != f"Bearer {self._access_token}":
            return True
        self._access_token = None
        await self._refreshed()
        return True

    @property
    def source(self) -> str:
        """Says that it is an OAuth token."""
        return "the OAuth access token"

    async def close(self) -> None:
        """Wait for a refresh under way: its tokens would be lost otherwise."""
        task = self._refreshing
        if task is not None and not task.done() and task.get_loop() is asyncio.get_running_loop():
            await asyncio.wait([task])

    async def revoke(self) -> None:
        """Give the tokens back: the app can't reach the account any more until it is authorised again."""
        await self._app.post("revoke", {"token": self._refresh_token, "token_type_hint": "refresh_token"})
        self._access_token = None

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
        """Where to send the user to authorise the app, and the PKCE verifier that `exchange` needs afterwards.

        Keep the verifier with the user's session. `state` comes back with the code: make it unguessable and compare it.
        """
        verifier = secrets.token_urlsafe(64)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": _secret("client_id", client_id),
            "redirect_uri": _secret("redirect_uri", redirect_uri),
            "scope": scopes if isinstance(scopes, str) else " ".join(scopes),
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
        token_url: str = TOKEN_URL,
        account: str | None = None,
        session: aiohttp.ClientSession | None = None,
        timeout: float = 30.0,  # noqa: ASYNC109 - seconds for a request, as everywhere
    ) -> Self:
        """Trade the code that came to `redirect_uri` for tokens; good for five minutes after the user agreed, and once.

        `on_tokens` gets them before this returns; the rest is as in the constructor. Raises `Unauthorized` where Klaviyo doesn't take the code.
        """
        app = _App(client_id, client_secret, token_url, session, timeout)
        hand_over = _handing(on_tokens)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": verifier,
            "redirect_uri": redirect_uri,
        }
        tokens = _tokens(await app.post("token", form), None)
        await hand_over(tokens)
        return cls(
            client_id,
            client_secret,
            refresh_token=tokens.refresh_token,
            access_token=tokens.access_token,
            expires_at=tokens.expires_at,
            on_tokens=on_tokens,
            token_url=token_url,
            account=account,
            session=session,
            timeout=timeout,
        )

    # -- refreshing -----------------------------------------------------------------------------------------------------

    async def _refreshed(self) -> str:
        """A new access token; callers at the same time share one refresh, and cancelling one of them doesn't end it."""
        if self._dead is not None:
            # Asking again can't help and would use up the ten refreshes a minute that Klaviyo allows.
            raise copy.copy(self._dead)
        task = self._refreshing
        if task is None or task.done() or task.get_loop() is not asyncio.get_running_loop():
            task = self._refreshing = asyncio.create_task(self._refresh(), name="klaviyo_async OAuth refresh")
            task.add_done_callback(_retrieve)
        return await asyncio.shield(task)

    async def _refresh(self) -> str:
        tokens = self._undelivered
        if tokens is None:
            form = {"grant_type": "refresh_token", "refresh_token": self._refresh_token}
            try:
                answer = await self._app.post("token", form)
            except Unauthorized as error:
                if error.code == "invalid_grant":
                    self._dead = copy.copy(error)
                raise
            tokens = _tokens(answer, self._refresh_token)
            # From here on the old refresh token may be void, so the new one is kept whatever happens next.
            self._refresh_token = Secret(tokens.refresh_token)
            self._undelivered = tokens
        await self._hand_over(tokens)
        self._undelivered = None
        self._access_token = Secret(tokens.access_token)
        self._expires = tokens.expires_at.timestamp()
        return tokens.access_token


class _App:
    """The app's own credential and its way to the token endpoint."""

    __slots__ = ("_basic", "_session", "_timeout", "_token_url")

    def __init__(
        self, client_id: str, client_secret: str, token_url: str, session: aiohttp.ClientSession | None, timeout: float
    ) -> None:
        pair = f"{_secret('client_id', client_id)}:{_secret('client_secret', client_secret)}"
        self._basic = Secret("Basic " + base64.b64encode(pair.encode()).decode())
        if not isinstance(token_url, str) or not token_url.startswith(("https://", "http://")):
            raise ConfigurationError("token_url has to be an http or https URL.")
        self._token_url = token_url
        self._session = session
        self._timeout = timeout

    async def post(self, what: str, form: Mapping[str, str]) -> Any:
        """The decoded answer to a form. Tried again where that can't hurt: what Klaviyo did not take, or what never left."""
        from klaviyo_async import retry  # noqa: PLC0415 - with aiohttp

        attempt = 0
        while True:
            attempt += 1
            failure, status, headers, body = await self._once(what, form)
            wanted = retry.retry_after(headers)
            again = failure.sent is False if failure is not None else status in retry.NOT_TAKEN
            if attempt == _TRIES or not again or (wanted or 0) > retry.CAP:
                break
            await asyncio.sleep(retry.pause(attempt, wanted).seconds)
        if failure is not None:
            raise failure
        if 200 <= status < 300:
            if not body.strip():
                return None
            try:
                return json.loads(body)
            except ValueError:
                pass
            # The body of a token answer is not shown: half of a token may be in it.
            raise DecodeError(f"OAuth {what}", status=status, headers=headers, reason="it is not JSON")
        raise _refusal(what, form, status, headers, body)

    async def _once(
        self, what: str, form: Mapping[str, str]
    ) -> tuple[ConnectionFailed | RequestTimeout | None, int, Mapping[str, str], bytes]:
        import aiohttp  # noqa: PLC0415 - half of the import time

        from klaviyo_async.message import Headers  # noqa: PLC0415

        url = self._token_url if what == "token" else self._token_url.rstrip("/").rpartition("/")[0] + "/" + what
        session = self._session or aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        problem: BaseException
        try:
            async with session.post(
                url,
                data=dict(form),
                headers={"Authorization": self._basic, "Accept": "application/json"},
                timeout=aiohttp.ClientTimeout(total=self._timeout),
                allow_redirects=False,
                raise_for_status=False,
            ) as answer:
                return None, answer.status, Headers(answer.headers), await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            problem = error
        finally:
            if session is not self._session:
                await session.close()
        # No cause: aiohttp's exceptions may hold the request's headers.
        unsent = isinstance(problem, aiohttp.ClientConnectorError | getattr(aiohttp, "ConnectionTimeoutError", ()))
        kind = RequestTimeout if isinstance(problem, TimeoutError) else ConnectionFailed
        said = f"OAuth {what}: no answer from the token endpoint ({type(problem).__name__})."
        return kind(said, operation=f"OAuth {what}", sent=False if unsent else None), 0, {}, b""


def _refusal(what: str, form: Mapping[str, str], status: int, headers: Mapping[str, str], body: bytes) -> APIError:
    """The error for a token endpoint's refusal, which speaks OAuth's language and not JSON:API's."""
    try:
        said = json.loads(body)
        code = str(said.get("error") or "")
        detail = str(said.get("error_description") or "")
    except (ValueError, AttributeError):
        code = detail = ""
    for secret in form.values():
        # A server that quotes the token in its answer must not get it into a log this way.
        detail = detail.replace(secret, "***")
    kind = class_of(status)
    todo = ""
    if code == "invalid_grant":
        kind = Unauthorized
        todo = (
            "The refresh token was revoked, or has not been used for 90 days: authorise the app for this account again"
            " (OAuth.authorize_url, then OAuth.exchange)."
            if form.get("grant_type") == "refresh_token"
            else "The code is used, older than five minutes, or belongs to another verifier or redirect_uri: authorise again."
        )
    elif code == "invalid_client" or status == 401:
        kind = Unauthorized
        todo = "Check client_id and client_secret."
    return kind(
        f"OAuth {what}",
        status=status,
        headers=headers,
        body=json.dumps({"errors": [{"code": code, "detail": detail}]}).encode() if code or detail else b"",
        hint=todo,
    )


def _tokens(answer: Any, refresh_token: str | None) -> Tokens:
    access = answer.get("access_token") if isinstance(answer, dict) else None
    refresh = (answer.get("refresh_token") if isinstance(answer, dict) else None) or refresh_token
    if not isinstance(access, str) or not access or not isinstance(refresh, str):
        raise DecodeError("OAuth token", status=200, reason="the answer has no access_token or no refresh_token")
    try:
        lifetime = float(answer.get("expires_in", LIFETIME))
    except (TypeError, ValueError):
        lifetime = LIFETIME
    if not 0 <= lifetime < math.inf:
        lifetime = LIFETIME
    return Tokens(access, refresh, datetime.fromtimestamp(time.time() + lifetime, UTC))


def _handing(on_tokens: Callable[..., Any] | None) -> Callable[[Tokens], Any]:
    """How to call `on_tokens`: with three arguments in order, or by name where it takes them only so."""
    if on_tokens is None:
        log.debug("OAuth without on_tokens: a rotated refresh token is lost with the process")

        async def forget(_tokens: Tokens) -> None: ...

        return forget
    if not callable(on_tokens):
        raise ConfigurationError("on_tokens has to be a function of access_token, refresh_token and expires_at.")
    named = _by_name(on_tokens)
    function = on_tokens

    async def hand_over(tokens: Tokens) -> None:
        given = function(**tokens._asdict()) if named else function(*tokens)
        if inspect.isawaitable(given):
            await given

    return hand_over


def _by_name(function: Callable[..., Any]) -> bool:
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
    raise ConfigurationError("on_tokens has to take three arguments: access_token, refresh_token, expires_at.")


def _retrieve(task: asyncio.Task[str]) -> None:
    """Nobody may be left to see a refresh fail; then it must not be reported as forgotten: the next call tries again."""
    if not task.cancelled():
        task.exception()


def _secret(name: str, value: object) -> Secret:
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(f"{name} has to be a text that isn't empty.")
    return Secret(value.strip())


def _epoch(moment: datetime | float | None) -> float:
    if moment is None:
        return math.inf
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ConfigurationError("expires_at has no time zone: give an aware datetime, or seconds since 1970.")
        return moment.timestamp()
    if isinstance(moment, bool) or not isinstance(moment, int | float) or math.isnan(moment):
        raise ConfigurationError("expires_at has to be an aware datetime or seconds since 1970.")
    return float(moment)
