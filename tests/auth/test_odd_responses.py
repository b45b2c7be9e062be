"""A token endpoint that responds oddly costs no token."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klaviyo_async import DecodeError, OAuth
from klaviyo_async.auth._tokens import LIFETIME, epoch, granted, parsed, stored
from tests.support.servers import RawServer, Received, reply

ODD = {
    "1e12": b"1e12", "400 digits": b"9" * 400, "5000 digits": b"9" * 5000, "negative": b"-1", "zero": b"0", "text": b'"soon"',
    "text of digits": b'"' + b"9" * 400 + b'"', "null": b"null", "true": b"true", "a list": b"[3600]", "NaN": b"NaN",
    "infinity": b"Infinity", "1e999": b"1e999", "an object": b'{"seconds": 3600}',
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
async def test_an_odd_expires_in_loses_no_token(server: RawServer, name: str) -> None:
    kept: list[Any] = []
    server.plan(
        reply(200, b'{"access_token":"a1","refresh_token":"r1","expires_in":%s,"token_type":"bearer"}' % ODD[name])
    )
    auth = OAuth(
        "app",
        "s",
        refresh_token="r0",
        token_url=f"{server.url}/oauth/token",
        on_tokens=lambda *given: kept.append(given),
    )
    assert await auth.authorize() == "Bearer a1"
    assert await auth.authorize() == "Bearer a1"
    ((access, refresh, expires_at),) = kept
    assert (access, refresh) == ("a1", "r1")
    assert abs((expires_at - datetime.now(UTC)).total_seconds() - LIFETIME) < 5
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        b'\xef\xbb\xbf{"access_token":"a1","refresh_token":"r1"}',
        b'{"access_token":"a1","refresh_token":"r1","scope":"\xff\xfe"}',
        b'{"access_token":" a1 ","refresh_token":"r1\\n","expires_in":1.5e3}',
    ],
)
async def test_nor_do_odd_bytes_around_it(server: RawServer, body: bytes) -> None:
    server.plan(reply(200, body))
    auth = OAuth("app", "s", refresh_token="r0", token_url=f"{server.url}/oauth/token")
    assert await auth.authorize() == "Bearer a1"


async def test_a_new_refresh_token_without_an_access_token_is_kept(server: RawServer) -> None:
    server.plan(reply(200, b'{"refresh_token":"r1"}'), reply(200, b'{"access_token":"a2","refresh_token":7}'))
    auth = OAuth("app", "s", refresh_token="r0", token_url=f"{server.url}/oauth/token")
    with pytest.raises(DecodeError, match="no access_token"):
        await auth.authorize()
    assert await auth.authorize() == "Bearer a2"
    assert [request.body.decode().rpartition("=")[2] for request in server.requests] == ["r0", "r1"]


async def test_an_endless_response_is_not_read_to_its_end(server: RawServer) -> None:
    chunks = 0

    async def endless(request: Received, writer: Any) -> bool:
        nonlocal chunks
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4000000000\r\n\r\n")
        try:
            for _ in range(4000):
                writer.write(b"x" * 100_000)
                await writer.drain()
                chunks += 1
        except ConnectionError:
            return True
        raise AssertionError("it was read to its end")

    server.plan(endless)
    auth = OAuth("app", "s", refresh_token="r0", token_url=f"{server.url}/oauth/token", timeout=60)
    with pytest.raises(DecodeError):
        await auth.authorize()
    assert chunks < 1000


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["access_token", "refresh_token", "expires_in", "scope"]), json_values))
def test_whatever_stands_there_nothing_raises(response: dict[str, Any]) -> None:
    found = parsed(json.dumps(response).encode())
    tokens, refresh = granted(found, "old")
    access = response.get("access_token")
    assert (tokens is not None) == (isinstance(access, str) and bool(access.strip()))
    assert refresh
    if tokens is not None:
        assert tokens.expires_at > datetime.now(UTC)
        assert tokens.refresh_token == refresh


@given(st.binary(max_size=50))
def test_whatever_bytes_come_nothing_raises(body: bytes) -> None:
    granted(parsed(body), None)


@given(
    st.dictionaries(
        st.sampled_from(["access_token", "refresh_token", "expires_at"]),
        json_values | st.datetimes() | st.datetimes(timezones=st.just(UTC)),
    )
    | json_values
)
def test_whatever_is_stored_nothing_raises(given_tokens: Any) -> None:
    stored(given_tokens)


def test_times_as_stores_keep_them() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    for same in (
        moment,
        moment.timestamp(),
        int(moment.timestamp()),
        "2026-01-01T00:00:00Z",
        "2026-01-01T01:00:00+01:00",
    ):
        assert epoch(same) == moment.timestamp()
    assert epoch(None) is None
    assert epoch(10**400) == math.inf
