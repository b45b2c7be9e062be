"""Everything that can go wrong on a connection, on a real one, and what becomes of the permit."""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from klaviyo_async import (
    APIError,
    ConnectionFailed,
    DecodeError,
    Klaviyo,
    RequestOptions,
    RequestTimeout,
    ServerError,
    TransportError,
)
from tests.http.wire import PROFILE, Recorder
from tests.support.servers import RawServer, Received, reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

EVENT = {"metric": {"name": "Placed Order"}, "profile": {"email": "sarah@example.com"}, "properties": {"a": 1}}


async def reset(_request: Received, writer: asyncio.StreamWriter) -> bool:
    """A TCP reset instead of a proper end."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    return True


async def hang_up(_request: Received, _writer: asyncio.StreamWriter) -> bool:
    return True


async def stall(_request: Received, _writer: asyncio.StreamWriter) -> bool:
    await asyncio.sleep(30)
    return True


def then(first: bytes, ending: Callable[..., Awaitable[bool]]) -> Callable[..., Awaitable[bool]]:
    async def script(request: Received, writer: asyncio.StreamWriter) -> bool:
        writer.write(first)
        await writer.drain()
        await asyncio.sleep(0.01)
        return await ending(request, writer)

    return script


async def slow_headers(_request: Received, writer: asyncio.StreamWriter) -> bool:
    for letter in reply(200, PROFILE):
        writer.write(bytes([letter]))
        await asyncio.sleep(0.02)
    return True


HALF = reply(200, PROFILE[:20], length=len(PROFILE))
BROKEN = {
    "reset before the answer": reset,
    "hung up before the answer": hang_up,
    "reset in the status line": then(b"HTTP/1.1 20", reset),
    "reset in the headers": then(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-", reset),
    "reset in the body": then(HALF, reset),
    "body shorter than its length": then(HALF, hang_up),
    "chunks cut off": then(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{", hang_up),
    "not HTTP": then(b"SSH-2.0-OpenSSH_9\r\n\r\n", hang_up),
    "a broken gzip": then(reply(200, b"\x1f\x8b\xff\xffnonsense", Content_Encoding="gzip"), hang_up),
}
STALLED = {
    "no answer": stall,
    "half a status line": then(b"HTTP/1.1 2", stall),
    "half the headers": then(b"HTTP/1.1 200 OK\r\nX-", stall),
    "half the body": then(HALF, stall),
    "headers byte by byte": slow_headers,
}


@pytest.mark.parametrize("fault", BROKEN)
async def test_a_broken_connection_is_tried_again_where_that_is_safe(
    server: RawServer, klaviyo: Klaviyo, recorder: Recorder, naps: list[float], fault: str
) -> None:
    server.plan(BROKEN[fault], reply(200, PROFILE))
    document = await klaviyo.profiles.get_profile("01")
    assert document.http.attempts == 2
    assert len(server.requests) == len(recorder.permits) == 2
    assert recorder.fates in ([200, 200], ["lost", 200])
    assert len(naps) == 1


@pytest.mark.parametrize("fault", BROKEN)
async def test_a_broken_connection_is_not_tried_again_where_it_could_happen_twice(
    server: RawServer, klaviyo: Klaviyo, recorder: Recorder, naps: list[float], fault: str
) -> None:
    server.plan(BROKEN[fault], reply(202, content_type=None))
    with pytest.raises(ConnectionFailed, match=r"create_event: .*so Klaviyo may have processed it") as caught:
        await klaviyo.events.create_event(**EVENT)
    assert caught.value.sent is True
    assert caught.value.attempts == 1
    assert len(server.requests) == 1
    assert recorder.fates in ([200], ["lost"])
    assert naps == []


@pytest.mark.parametrize("fault", ["reset before the answer", "reset in the body"])
async def test_an_event_with_a_unique_id_is_safe(
    server: RawServer, klaviyo: Klaviyo, recorder: Recorder, naps: list[float], fault: str
) -> None:
    for call in (
        lambda: klaviyo.events.create_event(**EVENT, unique_id="1"),
        lambda: klaviyo.events.create_event(
            body={
                "data": {
                    "type": "event",
                    "attributes": {
                        "unique_id": "1",
                        "metric": {"data": {"type": "metric", "attributes": {"name": "x"}}},
                        "profile": {"data": {"type": "profile", "attributes": {"email": "a@x.com"}}},
                        "properties": {},
                    },
                }
            }
        ),
    ):
        server.plan(BROKEN[fault], reply(202, content_type=None))
        assert await call() is None
    assert len(server.requests) == 4


@pytest.mark.parametrize("fault", STALLED)
async def test_a_stall_is_a_timeout_for_each_attempt(
    server: RawServer, klaviyo: Klaviyo, recorder: Recorder, naps: list[float], fault: str
) -> None:
    server.plan(STALLED[fault], reply(200, PROFILE))
    started = time.monotonic()
    document = await klaviyo.profiles.get_profile("01", options=RequestOptions(timeout=0.3))
    assert document.http.attempts == 2
    assert time.monotonic() - started < 3
    assert recorder.fates in ([200, 200], ["lost", 200])
    server.plan(STALLED[fault])
    with pytest.raises(
        RequestTimeout, match=r"create_event: no complete response was received within 0\.3 s.*may have processed it"
    ) as caught:
        await klaviyo.events.create_event(**EVENT, options=RequestOptions(timeout=0.3))
    assert caught.value.sent is True
    assert None not in recorder.fates


async def test_a_timeout_in_parts(server: RawServer, klaviyo: Klaviyo) -> None:
    server.plan(then(HALF, stall))
    options = RequestOptions(timeout=aiohttp.ClientTimeout(total=None, sock_read=0.2), max_retries=0)
    with pytest.raises(RequestTimeout, match=r"within 0\.2 s"):
        await klaviyo.profiles.get_profile("01", options=options)


def _closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


async def test_a_refused_connection_is_tried_again_for_every_operation(recorder: Recorder, naps: list[float]) -> None:
    async with Klaviyo(
        "pk_x", base_url=f"http://127.0.0.1:{_closed_port()}", limiter=recorder, max_retries=3
    ) as klaviyo:
        with pytest.raises(
            ConnectionFailed, match=r"create_event: no connection .*never left.*\[4 attempts\]"
        ) as caught:
            await klaviyo.events.create_event(**EVENT)
    assert caught.value.sent is False
    assert caught.value.attempts == 4
    assert recorder.fates == ["unsent"] * 4
    assert len(naps) == 3


async def test_a_name_that_does_not_exist(recorder: Recorder, naps: list[float]) -> None:
    async with Klaviyo("pk_x", base_url="http://no-such-host.invalid", limiter=recorder, max_retries=1) as klaviyo:
        with pytest.raises(ConnectionFailed, match=r"no connection to http://no-such-host\.invalid") as caught:
            await klaviyo.events.create_event(**EVENT)
    assert caught.value.sent is False
    assert recorder.fates == ["unsent"] * 2


async def test_a_connection_that_is_never_made(recorder: Recorder, naps: list[float]) -> None:
    # A listening socket whose queue is full: the kernel lets further connections hang.
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        async with Klaviyo(
            "pk_x", base_url=f"http://127.0.0.1:{port}", limiter=recorder, timeout=0.2, max_retries=1
        ) as klaviyo:
            with pytest.raises(
                RequestTimeout, match=r"no connection was established within 0\.2 s. It never left"
            ) as caught:
                await klaviyo.events.create_event(**EVENT)
        for filler in fillers:
            filler.close()
    assert caught.value.sent is False
    assert caught.value.attempts == 2
    assert recorder.fates == ["unsent"] * 2


async def test_tls_to_a_server_without(recorder: Recorder, naps: list[float]) -> None:
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(400))
        writer.close()

    plain = await asyncio.start_server(serve, "127.0.0.1", 0)
    base_url = f"https://127.0.0.1:{plain.sockets[0].getsockname()[1]}"
    async with Klaviyo("pk_x", base_url=base_url, limiter=recorder, max_retries=1) as klaviyo:
        with pytest.raises(ConnectionFailed, match="never left") as caught:
            await klaviyo.profiles.get_profile("01")
    assert caught.value.sent is False
    assert recorder.fates == ["unsent"] * 2
    plain.close()


async def test_a_dead_kept_alive_connection_is_not_repeated_behind_our_back(
    server: RawServer, klaviyo: Klaviyo, recorder: Recorder, naps: list[float]
) -> None:
    # aiohttp itself would send an idempotent request twice here, with one permit.
    server.plan(reply(200, PROFILE), hang_up, reply(200, PROFILE))
    await klaviyo.profiles.get_profile("01")
    document = await klaviyo.profiles.get_profile("01")
    assert document.http.attempts == 2
    assert len(server.requests) == 3
    assert recorder.fates == [200, "lost", 200]


async def test_with_the_callers_session_a_refusal_is_known_and_a_break_is_not(
    server: RawServer, recorder: Recorder, naps: list[float]
) -> None:
    async with aiohttp.ClientSession() as session:
        for base_url, sent in ((f"http://127.0.0.1:{_closed_port()}", False), (server.url, None)):
            server.plan(reset)
            async with Klaviyo("pk_x", base_url=base_url, session=session, limiter=recorder, max_retries=0) as klaviyo:
                with pytest.raises(ConnectionFailed) as caught:
                    await klaviyo.events.create_event(**EVENT)
            assert caught.value.sent is sent
    assert recorder.fates == ["unsent", "lost"]


@pytest.mark.parametrize("ending", [hang_up, reset, stall])
async def test_an_error_counts_even_with_half_its_body(
    server: RawServer, klaviyo: Klaviyo, recorder: Recorder, ending: Callable[..., Awaitable[bool]]
) -> None:
    body = b'{"errors":[{"detail":"cut o'
    server.plan(then(reply(500, body, length=900), ending))
    with pytest.raises(ServerError) as caught:
        await klaviyo.profiles.get_profile("01", options=RequestOptions(timeout=0.5, max_retries=0))
    assert caught.value.status == 500
    assert caught.value.errors == ()
    assert "cut o" in str(caught.value)
    assert recorder.fates == [500]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_error_and_is_never_followed(
    server: RawServer, klaviyo: Klaviyo, recorder: Recorder, status: int
) -> None:
    server.plan(reply(status, Location=f"{server.url}/elsewhere"))
    with pytest.raises(APIError, match=r"never redirects.*elsewhere.*Check base_url") as caught:
        await klaviyo.profiles.get_profile("01")
    assert caught.value.status == status
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [300, 304])
async def test_one_that_leads_nowhere_is_not_told_as_a_redirect(
    server: RawServer, klaviyo: Klaviyo, status: int
) -> None:
    server.plan(reply(status))
    with pytest.raises(
        APIError, match=r"no such responses, so this came from something else. Check base_url"
    ) as caught:
        await klaviyo.profiles.get_profile("01")
    assert caught.value.status == status


async def test_an_answer_before_the_whole_body_was_sent(server: RawServer, recorder: Recorder) -> None:
    """As servers answer 413: at once, without reading on, and then closing."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply(413, b'{"errors":[{"code":"too_large"}]}', Connection="close"))
        await writer.drain()
        while await reader.read(1 << 16):  # a server that lingers, as good ones do
            pass
        writer.close()

    early = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = early.sockets[0].getsockname()[1]
    async with Klaviyo("pk_x", base_url=f"http://127.0.0.1:{port}", limiter=recorder) as klaviyo:
        with pytest.raises(APIError) as caught:
            await klaviyo.images.upload_image_from_file(file=b"GIF8" + bytes(4_900_000))
    assert caught.value.status == 413
    early.close()


async def test_no_fault_leaves_a_connection_open(server: RawServer, recorder: Recorder, naps: list[float]) -> None:
    for fault in (*BROKEN.values(), *STALLED.values()):
        server.plan(fault)
        async with Klaviyo("pk_x", base_url=server.url, limiter=recorder, timeout=0.1, max_retries=1) as klaviyo:
            with pytest.raises(TransportError):
                await klaviyo.profiles.get_profile("01")
            assert _open(klaviyo) == 0
    assert None not in recorder.fates


def _open(klaviyo: Any) -> int:
    session = klaviyo._session.transport.connections.own
    return len(session.connector._acquired)


async def test_a_wrong_length_that_is_too_long_for_the_next_answer(server: RawServer, klaviyo: Klaviyo) -> None:
    # More bytes than announced: the rest must not be taken for the next answer.
    server.plan(reply(200, PROFILE + b"HTTP/1.1 500 no\r\n\r\n", length=len(PROFILE)), reply(200, PROFILE))
    assert (await klaviyo.profiles.get_profile("01")).data.id == "01"
    assert (await klaviyo.profiles.get_profile("01")).data.id == "01"


async def test_a_length_too_short_is_no_answer(server: RawServer, klaviyo: Klaviyo, naps: list[float]) -> None:
    server.plan(reply(200, PROFILE, length=20), reply(200, PROFILE))
    assert (await klaviyo.profiles.get_profile("01")).http.attempts == 2


async def test_a_packed_body_that_is_cut_off_is_no_document(server: RawServer, klaviyo: Klaviyo) -> None:
    server.plan(reply(200, gzip.compress(PROFILE)[:-30], Content_Encoding="gzip"))
    with pytest.raises(DecodeError):
        await klaviyo.profiles.get_profile("01")
