"""The OAuth server: consent, codes, refresh tokens, scopes, expiry."""

from __future__ import annotations

import base64
import hashlib
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from klaviyo_async.testing import FakeKlaviyo

VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


async def token(send, path="/oauth/token", basic="Basic aWQ6c2VjcmV0", **form):
    return await send("POST", path, data=form, headers={"Authorization": basic})


async def authorize(send, **changes):
    query = {
        "response_type": "code",
        "client_id": "id",
        "redirect_uri": "https://app.example/back?x=1",
        "scope": "lists:read",
        "state": "st&te",
        "code_challenge_method": "S256",
        "code_challenge": CHALLENGE,
        **changes,
    }
    return await send("GET", f"/oauth/authorize?{urlencode(query)}")


async def test_a_code_becomes_tokens_once(send):
    answer = await authorize(send)
    assert answer.status == 302
    back = urlsplit(answer.headers["Location"])
    given = parse_qs(back.query)
    assert (back.netloc, given["x"], given["state"]) == ("app.example", ["1"], ["st&te"])
    form = {
        "grant_type": "authorization_code",
        "code": given["code"][0],
        "code_verifier": VERIFIER,
        "redirect_uri": "https://app.example/back?x=1",
    }
    tokens = await token(send, **form)
    assert (tokens.status, tokens.json["expires_in"], tokens.json["scope"]) == (200, 3600, "lists:read")
    assert (await token(send, **form)).json["error"] == "invalid_grant"
    bearer = {"Authorization": f"Bearer {tokens.json['access_token']}"}
    assert (await send("GET", "/api/lists", headers=bearer)).status == 200
    denied = await send("GET", "/api/profiles", headers=bearer)
    assert (denied.status, "profiles:read" in denied.error["detail"]) == (403, True)


@pytest.mark.parametrize(
    "change",
    [{"code_verifier": "w" * 43}, {"code_verifier": "short"}, {"redirect_uri": "https://elsewhere"}, {"code": "x"}],
)
async def test_a_code_needs_its_verifier_and_address(send, change):
    code = parse_qs(urlsplit((await authorize(send)).headers["Location"]).query)["code"][0]
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "code_verifier": VERIFIER,
        "redirect_uri": "https://app.example/back?x=1",
    }
    answer = await token(send, **{**form, **change})
    assert (answer.status, answer.json["error"]) == (400, "invalid_grant")


async def test_consent_needs_pkce(send):
    assert (await authorize(send, code_challenge_method="plain")).status == 400
    assert (await authorize(send, code_challenge="")).status == 400


async def test_a_code_lasts_five_minutes(send, fake):
    code = parse_qs(urlsplit((await authorize(send)).headers["Location"]).query)["code"][0]
    fake.clock.advance(301)
    form = {"code": code, "code_verifier": VERIFIER, "redirect_uri": "https://app.example/back?x=1"}
    assert (await token(send, grant_type="authorization_code", **form)).status == 400


async def test_any_refresh_token_is_right_until_it_is_revoked(send, fake):
    first = await token(send, grant_type="refresh_token", refresh_token="rt")
    assert first.json["refresh_token"] == "rt"
    bearer = {"Authorization": f"Bearer {first.json['access_token']}"}
    assert (await send("GET", "/api/accounts", headers=bearer)).status == 200
    fake.clock.advance(3600)
    assert (await send("GET", "/api/accounts", headers=bearer)).status == 401
    fake.oauth.rotate = True
    second = await token(send, grant_type="refresh_token", refresh_token="rt")
    assert second.json["refresh_token"] != "rt"
    assert (await token(send, grant_type="refresh_token", refresh_token="rt")).json["error"] == "invalid_grant"
    revoked = await token(send, "/oauth/revoke", token=second.json["refresh_token"], token_type_hint="refresh_token")
    assert revoked.status == 200
    again = await token(send, grant_type="refresh_token", refresh_token=second.json["refresh_token"])
    assert again.status == 400
    assert fake.oauth.refreshes == 2


@pytest.mark.parametrize("basic", ["", "Basic !!!", "Basic Og==", "Bearer x"])
async def test_clients_say_who_they_are(send, basic):
    answer = await token(send, basic=basic, grant_type="refresh_token", refresh_token="rt")
    assert (answer.status, answer.json["error"]) == (401, "invalid_client")


async def test_known_clients_only(make_sender):
    async with FakeKlaviyo(limits=False, oauth_clients={"id": "other"}) as fake, make_sender(fake) as send:
        assert (await token(send, grant_type="refresh_token", refresh_token="rt")).status == 401
        assert (await authorize(send, client_id="nobody")).status == 400
    async with FakeKlaviyo(limits=False, oauth_clients={"id": "secret"}) as fake, make_sender(fake) as send:
        assert (await token(send, grant_type="refresh_token", refresh_token="rt")).status == 200
        assert (await token(send, grant_type="password")).json["error"] == "unsupported_grant_type"


async def test_issued_tokens_have_their_scopes(send, fake):
    access = fake.oauth.issue(scopes=("lists:write",))["access_token"]
    bearer = {"Authorization": f"Bearer {access}"}
    # who may write may read
    assert (await send("GET", "/api/lists", headers=bearer)).status == 200
    fake.oauth.revoke(access)
    assert (await send("GET", "/api/lists", headers=bearer)).status == 401


@pytest.mark.parametrize(
    "uri",
    [
        "/back", "app.example/back", "javascript:alert(1)", "https://", "http://app.example/back", "https://a.example/#part",
        "https://user@a.example/", "https://a.example/\r\nSet-Cookie: a=b", "https://a.example/ b", "https://[::1", "ftp://a.example/",
        "https://ä.example/", "https://a.example:0/",
    ],
)  # fmt: skip
async def test_a_redirect_uri_that_cannot_be_is_never_redirected_to(send, uri):
    answer = await authorize(send, redirect_uri=uri)
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")
    assert "redirect_uri" in answer.json["error_description"]
    assert "Location" not in answer.headers


async def test_redirect_uris_that_are_registered(make_sender):
    mine = "http://app.example/back"
    async with FakeKlaviyo(limits=False, oauth_redirect_uris=[mine]) as fake, make_sender(fake) as send:
        assert (await authorize(send, redirect_uri=mine)).status == 302
        assert (await authorize(send, redirect_uri=mine + "/deeper")).status == 400
    async with FakeKlaviyo(limits=False) as fake, make_sender(fake) as send:
        for uri in (
            "https://app.example/back?x=1",
            "http://localhost:8000/cb",
            "http://127.0.0.1/cb",
            "http://[::1]:9/",
        ):
            assert (await authorize(send, redirect_uri=uri)).status == 302
