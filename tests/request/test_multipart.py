"""Uploads: streamed from a path, bytes or a file object, with a length, and sent again when an attempt fails."""

from __future__ import annotations

import asyncio
import gzip
import io
import os
import re
import sys
import threading
import warnings
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from klaviyo_async import Klaviyo, PayloadTooLarge, RequestOptions
from klaviyo_async._request.form import Multipart
from klaviyo_async._request.prepare import prepare
from klaviyo_async.errors import QueryError
from klaviyo_async.operation_table import operations

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.servers import WebServer

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4
IMAGE = {"data": {"type": "image", "id": "7", "attributes": {"name": "x"}, "links": {"self": "x"}}, "links": {}}


class Asynchronous:
    """A file as aiofiles and anyio have it."""

    async def read(self, size: int = -1) -> bytes:
        return PNG


class Forms:
    """Reads forms as a server does, part by part."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.forms: list[dict[str, Any]] = []
        self.lengths: list[str | None] = []

    async def __call__(self, request: web.BaseRequest) -> Any:
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
async def klaviyo(server: WebServer) -> AsyncIterator[Klaviyo]:
    async with Klaviyo("pk_test", base_url=server.url, limiter=False, max_retries=2) as client:
        yield client


async def test_a_path(klaviyo: Klaviyo, server: WebServer, tmp_path: Path) -> None:
    file = tmp_path / 'spring "sale".png'
    file.write_bytes(PNG)
    forms = Forms()
    server.replies = [forms, forms]
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
    assert server.requests[0].headers["Content-Type"].startswith("multipart/form-data; boundary=")


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview, io.BytesIO])
async def test_bytes_and_file_objects(klaviyo: Klaviyo, server: WebServer, wrap: Any) -> None:
    forms = Forms()
    server.replies = [forms]
    await klaviyo.images.upload_image_from_file(file=wrap(PNG), hidden=False)
    (form,) = forms.forms
    assert form["file"][2] == PNG
    assert form["hidden"][2] == b"false"
    if wrap is not io.BytesIO:
        assert form["file"][:2] == ('form-data; name="file"; filename="image.png"', "image/png")


async def test_an_upload_is_sent_again_whole(klaviyo: Klaviyo, server: WebServer, tmp_path: Path) -> None:
    file = tmp_path / "a.gif"
    file.write_bytes(PNG)
    with file.open("rb") as opened:
        opened.seek(8)
        for source, content in ((file, PNG), (PNG, PNG), (opened, PNG[8:])):
            forms = Forms(failures=1)
            server.replies = [forms, forms]
            await klaviyo.images.upload_image_from_file(file=source)
            assert [form["file"][2] for form in forms.forms] == [content, content]
        assert not opened.closed


async def test_a_large_file_streams(klaviyo: Klaviyo, server: WebServer, tmp_path: Path) -> None:
    file = tmp_path / "large.bin"
    with file.open("wb") as opened:
        opened.truncate(20_000_000)
    forms = Forms()
    server.replies = [forms]
    await klaviyo.images.upload_image_from_file(file=file, options=RequestOptions(validate=False))
    assert forms.lengths[0] is not None
    assert int(forms.lengths[0]) > 20_000_000


async def test_files_are_read_outside_the_loops_thread() -> None:
    threads = set()

    class Watched(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            threads.add(threading.get_ident())
            return super().read(size)

    form = Multipart("file", Watched(PNG), operation="upload")
    content = b"".join([chunk async for chunk in form.stream()])
    assert PNG in content
    assert len(content) == form.size
    assert threads
    assert threading.get_ident() not in threads


async def test_a_pipe_is_sent_once(klaviyo: Klaviyo, server: WebServer) -> None:
    reading, writing = os.pipe()
    os.write(writing, PNG)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        form = Multipart("file", pipe, operation="upload")
        assert form.size is None
        assert form.replayable
        forms = Forms()
        server.replies = [forms]
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
            Asynchronous(),
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
    form = Multipart("file", PNG, [("hidden", "true")], operation="upload")
    assert repr(form) == f"Multipart('image.png', image/png, {form.size} bytes)"


CAP = 5_000_000


async def test_the_cap_is_checked_before_anything_is_sent(klaviyo: Klaviyo, server: WebServer, tmp_path: Path) -> None:
    file = tmp_path / "large.png"
    with file.open("wb") as opened:
        opened.truncate(CAP + 1)
    upload = klaviyo.images.upload_image_from_file
    for source in (file, bytes(CAP + 1), file.open("rb")):
        with pytest.raises(QueryError, match=r"has 5,000,001 bytes, but Klaviyo accepts at most 5,000,000") as caught:
            await upload(file=source)
        assert caught.value.problems[0].pointer == "file"
        if isinstance(source, io.IOBase):
            source.close()
    assert server.requests == []
    server.replies = [Forms()]
    await upload(file=bytes(CAP))


async def test_a_pipe_that_brings_more_than_the_cap_stops_there(klaviyo: Klaviyo, server: WebServer) -> None:
    class Pipe(io.RawIOBase):
        given = 0

        def read(self, size: int = -1, /) -> bytes:
            self.given += 1_000_000
            return bytes(1_000_000)

    server.replies = [Forms()]
    pipe = Pipe()
    with pytest.raises(QueryError, match="more than the 5,000,000 bytes"):
        await klaviyo.images.upload_image_from_file(file=pipe)
    assert pipe.given == 6_000_000


async def test_klaviyos_own_cap_is_about_the_file(klaviyo: Klaviyo, server: WebServer) -> None:
    async def too_large(request: web.BaseRequest) -> web.Response:
        await request.read()
        return web.json_response({"errors": []}, status=413)

    server.replies = [too_large]
    with pytest.raises(PayloadTooLarge, match="The file may have at most 5,000,000 bytes") as caught:
        await klaviyo.images.upload_image_from_file(file=PNG)
    assert "row" not in str(caught.value)


class Faulty(io.BytesIO):
    """A file whose disk fails, or that changes its size, after the first chunk."""

    def __init__(self, content: bytes, then: Any) -> None:
        super().__init__(content)
        self.then = then
        self.reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        if self.reads > 1:
            if isinstance(self.then, Exception):
                raise self.then
            return self.then if self.reads == 2 else b""
        return super().read(size)


FAULTS: dict[str, tuple[Any, str]] = {
    "disk": (OSError(5, "Input/output error"), "can't be read: .*Input/output error"),
    "closed": (ValueError("I/O operation on closed file."), "can't be read: I/O operation on closed file"),
    "any other": (RuntimeError(), "can't be read: RuntimeError"),
    "shrinks": (b"", "shrank while it was sent: 262,144 bytes instead of 500,000"),
    "grows": (bytes(400_000), "grew while it was sent: more than the 500,000 bytes that it had before"),
    "text": ("text", "returns str, not bytes"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_files_faults_are_the_files(klaviyo: Klaviyo, server: WebServer, fault: str) -> None:
    """Found at once, named, tried once, and no connection is blamed."""
    then, message = FAULTS[fault]
    server.replies = [Forms(), Forms()]
    file = Faulty(bytes(500_000), then)
    async with asyncio.timeout(20):  # long before the attempt's own timeout
        with pytest.raises(QueryError, match=f"upload_image_from_file: file: the file object {message}") as caught:
            await klaviyo.images.upload_image_from_file(file=file)
    assert file.reads == 2
    assert "processed it" not in str(caught.value)
    assert "connection" not in str(caught.value)
    if isinstance(then, Exception):
        assert caught.value.__cause__ is then
    assert caught.value.operation == "upload_image_from_file"
    assert len(server.requests) <= 1
    # and the client goes on
    server.replies = [Forms()]
    await klaviyo.images.upload_image_from_file(file=PNG)


async def test_a_path_that_changes_or_goes_while_it_is_sent(
    klaviyo: Klaviyo, server: WebServer, tmp_path: Path
) -> None:
    file = tmp_path / "spring.png"

    async def changed(change: Any) -> str:
        file.write_bytes(PNG)
        prepared = prepare(operations["upload_image_from_file"], (), {}, write={"file": file}, origin=server.url)
        change()
        server.replies = [Forms()]
        with pytest.raises(QueryError) as caught:
            await klaviyo._session.exchange(prepared, None)
        return str(caught.value)

    name = re.escape(repr(str(file)))
    assert re.search(f"{name} grew", await changed(lambda: file.write_bytes(PNG + b"x")))
    assert re.search(f"{name} shrank", await changed(lambda: file.write_bytes(PNG[:-1])))
    assert re.search(f"{name} can't be read: .*No such file", await changed(file.unlink))


async def test_file_objects_of_archives_are_binary_whatever_their_mode_says(
    klaviyo: Klaviyo, server: WebServer, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.png", PNG)
    with gzip.open(tmp_path / "b.gz", "wb") as packed:
        packed.write(PNG)
    with (
        zipfile.ZipFile(tmp_path / "a.zip") as archive,
        archive.open("a.png") as inside,
        gzip.open(tmp_path / "b.gz") as gz,
    ):
        for source in (inside, gz):
            forms = Forms()
            server.replies = [forms]
            await klaviyo.images.upload_image_from_file(file=source)
            assert forms.forms[0]["file"][2] == PNG


@pytest.mark.skipif(sys.platform != "linux", reason="names that are no text are a matter of Linux's file systems")
async def test_a_name_that_is_no_text(klaviyo: Klaviyo, server: WebServer, tmp_path: Path) -> None:
    file = tmp_path / os.fsdecode(b"\xff.png")
    file.write_bytes(PNG)
    forms = Forms()
    server.replies = [forms]
    await klaviyo.images.upload_image_from_file(file=file)
    assert forms.forms[0]["file"][:2] == ('form-data; name="file"; filename="?.png"', "image/png")


@pytest.mark.filterwarnings("error::ResourceWarning")
async def test_over_a_megabyte_without_a_warning(klaviyo: Klaviyo, server: WebServer, tmp_path: Path) -> None:
    content = PNG + bytes(2_000_000)
    file = tmp_path / "a.png"
    file.write_bytes(content)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for source in (content, file, io.BytesIO(content)):
            server.replies = [Forms()]
            await klaviyo.images.upload_image_from_file(file=source)
    assert [str(warning.message) for warning in caught] == []
