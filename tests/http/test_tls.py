"""Over TLS: certificates, and what becomes of connections whose loop is gone."""

from __future__ import annotations

import asyncio
import gc
import shutil
import ssl
import subprocess
import warnings
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from klaviyo_async import ConnectionFailed, Klaviyo
from tests.http.test_lifecycle import ThreadServer
from tests.http.wire import PROFILE, Recorder
from tests.support.servers import RawServer, reply

if TYPE_CHECKING:
    from pathlib import Path

OPENSSL = shutil.which("openssl") or ""
pytestmark = pytest.mark.skipif(not OPENSSL, reason="no openssl to make a certificate with")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1 and its key, in one file."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        [
            OPENSSL, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
            "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", path, "-out", path.with_suffix(".crt"),
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


def served(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
async def secure(certificate: Path) -> Any:
    server = RawServer()
    await server.start(ssl=served(certificate))
    yield server
    await server.stop()


async def test_a_certificate_that_is_not_trusted(secure: RawServer, recorder: Recorder, naps: list[float]) -> None:
    secure.plan(reply(200, PROFILE))
    async with Klaviyo("pk_x", base_url=secure.url, limiter=recorder, max_retries=1) as klaviyo:
        with pytest.raises(ConnectionFailed, match=r"certificate of https://127\.0\.0\.1:\d+ was rejected") as caught:
            await klaviyo.profiles.get_profile("01")
    assert caught.value.sent is False
    assert secure.requests == []
    assert caught.value.permanent
    assert recorder.fates == ["unsent"]


async def test_a_callers_session_that_trusts_it(secure: RawServer, certificate: Path, recorder: Recorder) -> None:
    secure.plan(reply(200, PROFILE))
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(certificate)))
    async with aiohttp.ClientSession(connector=connector) as session:
        async with Klaviyo("pk_x", base_url=secure.url, session=session, limiter=recorder) as klaviyo:
            assert (await klaviyo.profiles.get_profile("01")).data.id == "01"
        await connector.close()
    await asyncio.sleep(0.05)


@pytest.mark.parametrize("ending", ["run", "rough"])
def test_a_loop_that_ends_leaves_no_complaint(certificate: Path, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))
    connector = aiohttp.TCPConnector
    monkeypatch.setattr("aiohttp.TCPConnector", lambda **facts: connector(ssl=trusting, **facts))
    threaded = ThreadServer()
    threaded.options = {"ssl": served(certificate)}
    with threaded as server, warnings.catch_warnings():
        warnings.simplefilter("error")
        server.plan(reply(200, PROFILE))
        klaviyo = Klaviyo("pk_x", base_url=server.url, limiter=False)
        for _ in range(2):
            if ending == "run":
                asyncio.run(_get(klaviyo))
            else:
                loop = asyncio.new_event_loop()
                loop.run_until_complete(_get(klaviyo))
                loop.close()
            gc.collect()
        asyncio.run(klaviyo.close())
        del klaviyo
        gc.collect()
        assert len(server.requests) == 2


async def _get(klaviyo: Klaviyo) -> Any:
    return await klaviyo.profiles.get_profile("01")


async def test_both_ways_over_tls(secure: RawServer, certificate: Path, recorder: Recorder, way: str) -> None:
    secure.plan(reply(200, PROFILE))
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(certificate)))
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        async with Klaviyo("pk_x", base_url=secure.url, session=session, limiter=recorder) as klaviyo:
            for _ in range(3):
                assert (await klaviyo.profiles.get_profile("01")).data.id == "01"
            assert (klaviyo._session.transport._direct is not None) is (way == "direct")
        assert len(secure.connections) == 1
        await connector.close()
    await asyncio.sleep(0.05)
