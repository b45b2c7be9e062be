"""Every private name of aiohttp that the client uses is in the version that these tests run on, and stands for the same."""

from __future__ import annotations

import inspect
from typing import Any

import aiohttp
import pytest
from aiohttp import client_proto
from aiohttp.connector import Connection

from klaviyo_async._http import aiohttp_internals as internals

VERSION = tuple(int(part) for part in aiohttp.__version__.split(".")[:2])


@pytest.fixture
async def session() -> Any:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as made:
        yield made


@pytest.mark.parametrize(
    "name",
    [
        "_loop", "_retry_connection", "_request", "_trace_configs", "_request_class", *internals._PLAIN,
        *("_" + name for name in internals._PARSER),
    ],
)  # fmt: skip
async def test_a_session_has_it(session: aiohttp.ClientSession, name: str) -> None:
    if {"_middlewares": (3, 12), "_max_headers": (3, 14)}.get(name, (3, 11)) > VERSION:
        assert not hasattr(session, name)
    else:
        assert hasattr(session, name)


async def test_what_a_plain_session_is(session: aiohttp.ClientSession) -> None:
    assert internals.is_plain(session, (aiohttp.ClientRequest,))
    assert internals.loop_of(session) is not None


@pytest.mark.parametrize("name", ["_conns", "_acquired", "_close", "connect", "force_close"])
async def test_a_connector_has_it(session: aiohttp.ClientSession, name: str) -> None:
    assert hasattr(session.connector, name)


async def test_the_parser_takes_what_it_is_given(session: aiohttp.ClientSession) -> None:
    taken = inspect.signature(client_proto.ResponseHandler.set_response_params).parameters
    given = {*internals.parser_settings(session), "skip_payload", "read_until_eof", "read_timeout"}
    assert given <= set(taken)
    # A new parameter may be something that the direct way must set.
    assert set(taken) - given - {"self"} <= {"timer", "auto_decompress", "timeout_ceil_threshold"}


def test_what_connections_offer() -> None:
    assert {"release", "close", "protocol", "transport"} <= set(dir(Connection))
    assert {"read", "start_timeout", "should_close", "set_response_params"} <= set(dir(client_proto.ResponseHandler))
    assert list(inspect.signature(aiohttp.BaseConnector.connect).parameters) == ["self", "req", "traces", "timeout"]
