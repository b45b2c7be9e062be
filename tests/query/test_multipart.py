"""Uploads: streamed from a path, bytes or a file object, with a length, and sent again when an attempt fails."""

from __future__ import annotations

import io
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from klaviyo_async import Klaviyo
from klaviyo_async.errors import QueryError
from klaviyo_async.multipart import Multipart
from klaviyo_async.operation_table import operations
from klaviyo_async.query import prepare

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.query.conftest import Server

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4
IMAGE = {"data": {"type": "image", "id": "7", "attributes": {"name": "x"}, "links": {"self": "x"}}, "links": {}}


class Forms:
    """Reads forms as a server does, part by part."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.forms: list[dict[str, Any]] = []
        self.lengths: list[str | None] = []

    async def __call__(self, request: web.Request) -> Any:
        body = await request.read()
        self.lengths.append(request.headers.get("Content-Length"))
        boundary = request.headers["Content-Type"].partition("boundary=")[2].encode()
        parts: dict[str, Any] = {}
        pieces = body.split(b"--" + boundary)
        assert pieces[0] == b""
        assert pieces[-1] == b"--\r\n"
        for piece in pieces[1:-1]:
            head, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
            disposition = headers["Content-Disposition"]
            name = disposition.split('name="')[1].split('"')[0]
            parts[name] = (disposition, headers.get("Content-Type"), content.removesuffix(b"\r\n"))
        self.forms.append(parts)
        if self.failures:
            self.failures -= 1
            return web.json_response({"errors": []}, status=503, headers={"Retry-After": "0"})
        return web.json_response(IMAGE, status=201)


@pytest.fixture
async def klaviyo(server: Server) -> AsyncIterator[Klaviyo]:
    async with Klaviyo("pk_test", base_url=server.origin, limiter=False, max_retries=2) as client:
        yield client


async def test_a_path(klaviyo: Klaviyo, server: Server, tmp_path: Path) -> None:
    file = tmp_path / 'spring "sale".png'
    file.write_bytes(PNG)
    forms = Forms()
    server.answers = [forms, forms]
    image = await klaviyo.images.upload_image_from_file(file=file, name="Spring Ü", hidden=True)
    assert image is not None
    await klaviyo.images.upload_image_from_file(file=str(file))
    form, plain = forms.forms
    assert list(form) == ["name", "hidden", "file"]
    assert form["name"][2].decode() == "Spring Ü"
    assert form["hidden"][2] == b"true"
    disposition, kind, content = form["file"]
    assert disposition == 'form-data; name="file"; filename="spring %22sale%22.png"'
    assert kind == "image/png"
    assert content == PNG
    assert list(plain) == ["file"]
    assert all(forms.lengths)
    assert server.seen[0].headers["Content-Type"].startswith("multipart/form-data; boundary=")


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview, io.BytesIO])
async def test_bytes_and_file_objects(klaviyo: Klaviyo, server: Server, wrap: Any) -> None:
    forms = Forms()
    server.answers = [forms]
    await klaviyo.images.upload_image_from_file(file=wrap(PNG), hidden=False)
    (form,) = forms.forms
    assert form["file"][2] == PNG
    assert form["hidden"][2] == b"false"
    if wrap is not io.BytesIO:
        assert form["file"][:2] == ('form-data; name="file"; filename="image.png"', "image/png")


async def test_an_upload_is_sent_again_whole(klaviyo: Klaviyo, server: Server, tmp_path: Path) -> None:
    file = tmp_path / "a.gif"
    file.write_bytes(PNG)
    with file.open("rb") as opened:
        opened.seek(8)
        for source, content in ((file, PNG), (PNG, PNG), (opened, PNG[8:])):
            forms = Forms(failures=1)
            server.answers = [forms, forms]
            await klaviyo.images.upload_image_from_file(file=source)
            assert [form["file"][2] for form in forms.forms] == [content, content]
        assert not opened.closed


async def test_a_large_file_streams(klaviyo: Klaviyo, server: Server, tmp_path: Path) -> None:
    file = tmp_path / "large.bin"
    with file.open("wb") as opened:
        opened.truncate(20_000_000)
    forms = Forms()
    server.answers = [forms]
    await klaviyo.images.upload_image_from_file(file=file)
    assert forms.lengths[0] is not None
    assert int(forms.lengths[0]) > 20_000_000


async def test_files_are_read_outside_the_loops_thread() -> None:
    threads = set()

    class Watched(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            threads.add(threading.get_ident())
            return super().read(size)

    form = Multipart("file", Watched(PNG))
    content = b"".join([chunk async for chunk in form.stream()])
    assert PNG in content
    assert len(content) == form.size
    assert threads
    assert threading.get_ident() not in threads


async def test_a_pipe_is_sent_once(klaviyo: Klaviyo, server: Server) -> None:
    reading, writing = os.pipe()
    os.write(writing, PNG)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        form = Multipart("file", pipe)
        assert form.size is None
        assert form.replayable
        forms = Forms()
        server.answers = [forms]
        await klaviyo.images.upload_image_from_file(file=pipe)
        assert forms.forms[0]["file"][2] == PNG
        assert [chunk async for chunk in form.stream()]
        assert not form.replayable
        with pytest.raises(QueryError, match="path or bytes"):
            await anext(form.stream())


def test_what_is_no_file_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("x")
    closed = io.BytesIO()
    closed.close()
    upload = operations["upload_image_from_file"]
    with text.open() as as_text:
        for bad in (
            tmp_path / "missing.png",
            str(tmp_path),
            "a\0b",
            as_text,
            io.StringIO("x"),
            closed,
            5,
            object(),
            [b"x"],
        ):
            with pytest.raises(QueryError, match="file: "):
                prepare(upload, (), {}, write={"file": bad})
    with pytest.raises(TypeError, match="'file'"):
        prepare(upload, (), {}, write={"name": "x"})
    with pytest.raises(TypeError, match="hidden"):
        prepare(upload, (), {}, write={"file": b"x", "hiden": True})
    with pytest.raises(QueryError, match="name"):
        prepare(upload, (), {}, write={"file": b"x", "name": ["x"]})


def test_the_repr_tells_what_it_is_and_not_what_is_in_it() -> None:
    form = Multipart("file", PNG, [("hidden", "true")])
    assert repr(form) == f"Multipart('image.png', image/png, {form.size} bytes)"
