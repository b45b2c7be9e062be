"""The fake's OAuth server: authorize, token, revoke."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from attrs import define

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from klaviyo_async.testing.clock import Clock

LIFETIME = 3600
_CODE_LIFETIME = 300
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_VERIFIER = re.compile(r"[a-zA-Z0-9\-._~]{43,128}")


@define(kw_only=True)
class _Grant:
    client: str
    scopes: tuple[str, ...] | None
    expires: float | None = None
    challenge: str | None = None
    redirect: str | None = None


class OAuthServer:
    """Tokens of the fake. Any client and any refresh token is valid unless configured otherwise; access tokens must be its own."""

    def __init__(
        self, clock: Clock, clients: Mapping[str, str] | None, redirect_uris: Iterable[str] | None = None
    ) -> None:
        self._clock = clock
        self.clients = clients
        """Client id → secret; None accepts any."""
        self.redirect_uris: frozenset[str] | None = None if redirect_uris is None else frozenset(redirect_uris)
        """The registered redirect URIs; None accepts any well-formed one."""
        self.rotate = False
        """Whether a refresh invalidates the old refresh token (the real server keeps it valid)."""
        self.refreshes: int = 0
        """How often a refresh token was used."""
        self._access: dict[str, _Grant] = {}
        self._refresh: dict[str, _Grant] = {}
        self._codes: dict[str, _Grant] = {}
        self._revoked: set[str] = set()

    def issue(self, *, scopes: tuple[str, ...] | None = None, client: str = "client") -> dict[str, Any]:
        """A new pair of tokens, in the format of ``/oauth/token``; no scopes means all."""
        refresh = f"rt_{secrets.token_urlsafe(24)}"
        self._refresh[refresh] = _Grant(client=client, scopes=scopes)
        return self._granted(refresh, self._refresh[refresh])

    def revoke(self, token: str) -> None:
        """Invalidate an access or refresh token."""
        self._revoked.add(token)
        self._access.pop(token, None)
        self._refresh.pop(token, None)

    def scopes(self, token: str) -> tuple[bool, tuple[str, ...] | None]:
        """Whether an access token is valid, and its scopes (None: all)."""
        grant = self._access.get(token)
        if grant is None or (grant.expires is not None and grant.expires <= self._clock.time()):
            return False, None
        return True, grant.scopes

    def authorize(self, query: Mapping[str, str]) -> tuple[int, str | dict[str, str]]:
        """The consent page, with consent given automatically: 302 and the redirect, or 400 and the reason."""
        wanted = ("response_type", "client_id", "redirect_uri", "code_challenge", "code_challenge_method")
        missing = [name for name in wanted if not query.get(name)]
        if missing or query["response_type"] != "code" or query["code_challenge_method"] != "S256":
            return 400, _error(
                "invalid_request", f"missing or wrong: {', '.join(missing) or 'response_type or method'}"
            )
        if self.clients is not None and query["client_id"] not in self.clients:
            return 400, _error("invalid_client", "unknown client_id")
        wrong = self._wrong_redirect(query["redirect_uri"])
        if wrong:
            # Never redirected to: a code must not be sent to an unregistered address.
            return 400, _error("invalid_request", f"redirect_uri {wrong}")
        code = secrets.token_urlsafe(16)
        scope = query.get("scope")
        self._codes[code] = _Grant(
            client=query["client_id"],
            scopes=tuple(scope.split()) if scope else None,
            expires=self._clock.time() + _CODE_LIFETIME,
            challenge=query["code_challenge"],
            redirect=query["redirect_uri"],
        )
        back = {"code": code} | ({"state": query["state"]} if "state" in query else {})
        joint = "&" if "?" in query["redirect_uri"] else "?"
        return 302, f"{query['redirect_uri']}{joint}{urlencode(back)}"

    def _wrong_redirect(self, uri: str) -> str | None:
        """What is wrong with a redirect URI."""
        if self.redirect_uris is not None:
            return None if uri in self.redirect_uris else "is not one of those registered for this app"
        try:
            parts = urlsplit(uri)
            secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
            good = bool(parts.hostname) and parts.username is None and parts.port != 0
        except ValueError:
            return "is not a URL"
        if not (good and uri.isascii() and uri.isprintable() and " " not in uri):
            return "is not an absolute URL"
        if "#" in uri:
            return "must not have a fragment"
        return None if secure else "must be an https URL, or http on this machine"

    def token(self, authorization: str | None, content: bytes) -> tuple[int, dict[str, Any]]:
        """Exchange a code or a refresh token."""
        form = dict(parse_qsl(content.decode(errors="replace")))
        client = self._client(authorization)
        if client is None:
            return 401, _error("invalid_client", "client_id and client_secret go into a Basic Authorization header")
        if form.get("grant_type") == "refresh_token":
            return self._redeem_refresh(client, form.get("refresh_token", ""))
        if form.get("grant_type") == "authorization_code":
            return self._redeem_code(client, form)
        return 400, _error("unsupported_grant_type", "grant_type must be authorization_code or refresh_token")

    def revocation(self, authorization: str | None, content: bytes) -> tuple[int, dict[str, Any]]:
        """Revoke a token; an unknown one is not an error."""
        if self._client(authorization) is None:
            return 401, _error("invalid_client", "client_id and client_secret go into a Basic Authorization header")
        token = dict(parse_qsl(content.decode(errors="replace"))).get("token")
        if not token:
            return 400, _error("invalid_request", "token is required")
        self.revoke(token)
        return 200, {}

    def _redeem_refresh(self, client: str, token: str) -> tuple[int, dict[str, Any]]:
        grant = self._refresh.get(token)
        if not token or token in self._revoked or (grant is not None and grant.client not in {client, "client"}):
            return 400, _error("invalid_grant", "the refresh token is not valid: authorize again")
        self.refreshes += 1
        grant = grant or _Grant(client=client, scopes=None)
        if self.rotate:
            self._revoked.add(token)
            self._refresh.pop(token, None)
            token = f"rt_{secrets.token_urlsafe(24)}"
        self._refresh[token] = grant
        return 200, self._granted(token, grant)

    def _redeem_code(self, client: str, form: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        grant = self._codes.pop(form.get("code", ""), None)
        if grant is None or grant.client != client or (grant.expires or 0) <= self._clock.time():
            return 400, _error("invalid_grant", "the code is unknown, used or expired")
        verifier = form.get("code_verifier", "")
        digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        if not _VERIFIER.fullmatch(verifier) or digest != grant.challenge:
            return 400, _error("invalid_grant", "code_verifier doesn't match the code_challenge")
        if form.get("redirect_uri") != grant.redirect:
            return 400, _error("invalid_grant", "redirect_uri is not the one of the authorization")
        return 200, self.issue(scopes=grant.scopes, client=client)

    def _granted(self, refresh: str, grant: _Grant) -> dict[str, Any]:
        access = f"at_{secrets.token_urlsafe(24)}"
        self._access[access] = _Grant(client=grant.client, scopes=grant.scopes, expires=self._clock.time() + LIFETIME)
        return {
            "access_token": access,
            "refresh_token": refresh,
            "token_type": "bearer",
            "expires_in": LIFETIME,
            "scope": " ".join(grant.scopes or ()),
        }

    def _client(self, authorization: str | None) -> str | None:
        scheme, _, encoded = (authorization or "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            id, _, secret = base64.b64decode(encoded).decode().partition(":")  # noqa: A001 - OAuth's own word
        except ValueError:
            return None
        right = self.clients is None or self.clients.get(id) == secret
        return id if id and right else None


def _error(code: str, description: str) -> dict[str, str]:
    return {"error": code, "error_description": description}
