"""The installed wheel, on its own: imports lightly, has everything, and calls a server."""

import asyncio
import pathlib
import subprocess
import sys

import klaviyo_async

heavy = {"aiohttp", "klaviyo_async.models", "klaviyo_async.api"} & sys.modules.keys()
assert not heavy, f"import klaviyo_async loads {heavy}"
here = pathlib.Path(klaviyo_async.__file__).parent
assert "site-packages" in here.parts, f"not the installed package: {here}"
assert (here / "py.typed").exists(), "py.typed is missing"

klaviyo_async.preload()
assert len(klaviyo_async.operations) > 300
missing = [name for name in klaviyo_async.models.__all__ if not hasattr(klaviyo_async.models, name)]
assert not missing, missing


async def call() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b'{"data":[{"type":"account","id":"AbC123"}],"links":{"self":"x"}}'
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/vnd.api+json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s"
            % (len(body), body)
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with klaviyo_async.Klaviyo("pk_test", base_url=f"http://127.0.0.1:{port}") as klaviyo:
        page = await klaviyo.accounts.get_accounts()
        assert page.data[0].id == "AbC123"
    server.close()


asyncio.run(call())

# The command is there, and says what to install where the extra `cli` is missing.
command = subprocess.run(  # noqa: S603 - our own command
    [pathlib.Path(sys.executable).with_name("klaviyo-async"), "operations"], capture_output=True, text=True, check=False
)
assert (command.returncode, "klaviyo-async[cli]" in command.stderr) == (2, True), command
window = here / "testing" / "window"
assert (window / "templates" / "requests.html").exists(), "the window's templates are missing"
assert (window / "static" / "window.js").exists(), "the window's script is missing"
size = sum(path.stat().st_size for path in here.rglob("*") if path.is_file())
print(f"Python {sys.version.split()[0]}: {len(klaviyo_async.models.__all__)} schemas, {size / 1e6:.1f} MB installed")
assert size < 12e6, "more than 12 MB installed"
