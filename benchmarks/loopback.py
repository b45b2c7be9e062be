"""A server on loopback that responds from memory, in a process of its own, over HTTP and, where openssl is there, TLS."""

from __future__ import annotations

import asyncio
import multiprocessing
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web
from attrs import frozen

from benchmarks.data import profiles_page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

_LIST = (
    b'{"data":{"type":"list","id":"Y6nRLr","attributes":{"name":"VIP","created":"2026-01-01T00:00:00+00:00",'
    b'"updated":"2026-01-01T00:00:00+00:00","opt_in_process":"double_opt_in"},"links":{"self":"https://a.klaviyo.com/api/lists/Y6nRLr/"}},'
    b'"links":{"self":"https://a.klaviyo.com/api/lists/Y6nRLr"}}'
)


class _Limits:
    """Counts requests like a real server: each client is an account of its own, whose `remaining` falls within a second.

    Constant numbers, which no server tells, would look to our limiter as if a window began between any two responses.
    """

    # As large as the limits that the benchmarks give our limiter: it reads them with each response, and never has to wait.
    burst = 1_000_000

    def __init__(self) -> None:
        self._counted: dict[tuple[str, str], tuple[int, int]] = {}

    def headers(self, request: web.BaseRequest) -> dict[str, str]:
        """The headers for a request that is counted now."""
        second = int(time.time())
        key = request.headers.get("User-Agent", ""), request.path
        began, count = self._counted.get(key, (second, 0))
        count = count + 1 if began == second else 1
        self._counted[key] = second, count
        return {
            "RateLimit-Limit": f"{self.burst}, {self.burst};w=1, {60 * self.burst};w=60",
            "RateLimit-Remaining": str(self.burst - count),
            "RateLimit-Reset": "1",
        }


@frozen
class Address:
    """Where the server listens."""

    http: str
    https: str | None
    """None where there is no openssl to make a certificate with."""
    certificate: Path
    """What to trust; clients find it by the environment variable SSL_CERT_FILE."""


@contextmanager
def server() -> Iterator[Address]:
    """A running server."""
    with tempfile.TemporaryDirectory() as folder:
        certificate = _certificate(Path(folder))
        listen, told = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("spawn").Process(target=_serve, args=(told, certificate), daemon=True)
        process.start()
        plain, secure = listen.recv()
        try:
            yield Address(
                f"http://127.0.0.1:{plain}",
                f"https://127.0.0.1:{secure}" if secure else None,
                certificate or Path(folder) / "none",
            )
        finally:
            process.terminate()
            process.join()


def _certificate(folder: Path) -> Path | None:
    openssl = shutil.which("openssl")
    if openssl is None:
        return None
    path = folder / "certificate.pem"
    subprocess.run(
        [
            openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
            "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", path,
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    return path


def _serve(told: Connection, certificate: Path | None) -> None:
    page = profiles_page()
    limits = _Limits()

    async def respond(request: web.BaseRequest) -> web.Response:
        await request.read()
        headers = limits.headers(request)
        if request.path == "/api/events":
            return web.Response(status=202, headers=headers)
        body = page if request.path == "/api/profiles" else _LIST
        return web.Response(body=body, content_type="application/vnd.api+json", headers=headers)

    async def run() -> None:
        runner = web.ServerRunner(web.Server(respond, access_log=None))
        await runner.setup()
        sockets = [socket.create_server(("127.0.0.1", 0), backlog=1024)]
        await web.SockSite(runner, sockets[0]).start()
        secure = 0
        if certificate is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(certificate, certificate.with_name("key.pem"))
            sockets.append(socket.create_server(("127.0.0.1", 0), backlog=1024))
            await web.SockSite(runner, sockets[1], ssl_context=context).start()
            secure = sockets[1].getsockname()[1]
        told.send((sockets[0].getsockname()[1], secure))
        await asyncio.Event().wait()

    asyncio.run(run())
