"""Requests to the OAuth token endpoint, and the meaning of its error responses."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from klaviyo_async import _retry as retry
from klaviyo_async.auth._tokens import parsed
from klaviyo_async.auth.secret import Secret
from klaviyo_async.errors import (
    APIError,
    ConfigurationError,
    ConnectionFailed,
    RequestTimeout,
    Unauthorized,
    class_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import aiohttp

_TRIES = 3
_LARGEST = 1 << 20
"""Maximum bytes of a response that are read; tokens take a few thousand."""


class _Reply:
    """A response of the token endpoint, or why there is none. Its body contains tokens, so its repr doesn't show it."""

    __slots__ = ("content", "failure", "headers", "status")

    def __init__(
        self,
        status: int = 0,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        failure: ConnectionFailed | RequestTimeout | None = None,
    ) -> None:
        self.status = status
        self.headers = headers if headers is not None else {}
        self.content = parsed(body)
        self.failure = failure

    def __repr__(self) -> str:
        return f"<Reply {self.status}>"

    @property
    def not_taken(self) -> bool:
        """Whether sending the request again is safe."""
        if self.failure is not None:
            return retry.again_after_failure(self.failure, safe=False)
        return self.status in retry.NOT_TAKEN


class TokenEndpoint:
    """The app's own credential, and requests to the token endpoint."""

    __slots__ = ("_basic", "_client_secret", "_session", "_timeout", "_url")

    def __init__(
        self, client_id: str, client_secret: str, token_url: str, session: aiohttp.ClientSession | None, timeout: float
    ) -> None:
        self._client_secret = Secret(client_secret)
        self._basic = Secret("Basic " + base64.b64encode(f"{client_id}:{client_secret}".encode()).decode())
        if not isinstance(token_url, str) or not token_url.startswith(("https://", "http://")):
            raise ConfigurationError("token_url must be an http or https URL.")
        self._url = token_url
        self._session = session
        self._timeout = timeout

    async def post(self, path: str, form: Mapping[str, str]) -> Any:
        """Send a form to this path and return the decoded response, or None if it isn't a JSON object.

        Retried if that is safe: the endpoint did not process the request, or it was never sent. Raises `APIError` for
        an error response (`Unauthorized` for a bad grant), `ConnectionFailed` or `RequestTimeout` if there was none.
        """
        attempt = 0
        while True:
            attempt += 1
            reply = await self._once(path, form)
            asked = retry.retry_after(reply.headers)
            if attempt == _TRIES or not reply.not_taken or (asked or 0) > retry.CAP:
                break
            await asyncio.sleep(retry.pause(attempt, asked).seconds)
        if reply.failure is not None:
            raise reply.failure
        if 200 <= reply.status < 300:
            return reply.content
        raise _refusal(path, form, reply, [*form.values(), self._client_secret, self._basic])

    async def _once(self, path: str, form: Mapping[str, str]) -> _Reply:
        import aiohttp  # noqa: PLC0415 - half of the import time

        from klaviyo_async.headers import Headers  # noqa: PLC0415 - with it

        url = self._url if path == "token" else self._url.rstrip("/").rpartition("/")[0] + "/" + path
        session = self._session or aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        try:
            async with session.post(
                url,
                data=dict(form),
                headers={"Authorization": self._basic, "Accept": "application/json"},
                timeout=aiohttp.ClientTimeout(total=self._timeout),
                allow_redirects=False,
                raise_for_status=False,
            ) as response:
                return _Reply(response.status, Headers(response.headers), await _read(response.content))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            # Only its class: aiohttp's exceptions may contain the request's headers.
            cause = type(error)
        finally:
            if session is not self._session:
                await session.close()
        unsent = issubclass(cause, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError))
        kind = RequestTimeout if issubclass(cause, TimeoutError) else ConnectionFailed
        message = f"OAuth {path}: no response from the token endpoint ({cause.__name__})."
        failure = kind(message, operation=f"OAuth {path}", sent=False if unsent else None)
        failure.permanent = issubclass(
            cause, (aiohttp.ClientConnectorCertificateError, aiohttp.ServerFingerprintMismatch)
        )
        return _Reply(failure=failure)


async def _read(stream: aiohttp.StreamReader) -> bytes:
    body = bytearray()
    while len(body) < _LARGEST and (chunk := await stream.readany()):
        body += chunk
    return bytes(body[:_LARGEST])


def _refusal(path: str, form: Mapping[str, str], reply: _Reply, sent: Iterable[str]) -> APIError:
    """The exception for an error response of the token endpoint, which uses OAuth's format and not JSON:API's."""
    content = reply.content or {}
    refused = content.get("error")
    code = _shown(refused, sent)
    detail = _shown(content.get("error_description"), sent)
    kind = class_of(reply.status)
    hint = ""
    if refused == "invalid_grant":
        kind = Unauthorized
        hint = (
            "The refresh token was revoked, was replaced by a newer one, or has not been used for 90 days. If other"
            " processes use it too, let them share it (load_tokens); otherwise authorise the app for this account again"
            " (OAuth.authorize_url, then OAuth.exchange)."
            if form.get("grant_type") == "refresh_token"
            else "The code was already used, is older than five minutes, or belongs to another verifier or redirect_uri:"
            " authorise again."
        )
    elif refused == "invalid_client" or reply.status == 401:
        kind = Unauthorized
        hint = "Check client_id and client_secret."
    return kind(
        f"OAuth {path}",
        status=reply.status,
        headers=reply.headers,
        body=json.dumps({"errors": [{"code": code, "detail": detail}]}).encode() if code or detail else b"",
        hint=hint,
    )


def _shown(text: object, sent: Iterable[str]) -> str:
    """The server's text without the secrets that were sent: it may quote them, and this is logged."""
    shown = str(text) if isinstance(text, str) else ""
    for value in sent:
        if isinstance(value, Secret) and len(value) > 3:
            shown = shown.replace(value, "***").replace(quote_plus(value), "***")
    return shown
