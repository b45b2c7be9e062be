"""`python -m codegen fetch`: branches and folders on a server, retries, one deadline, the manifest."""

from __future__ import annotations

import gzip
import http.server
import json
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from attrs import Factory, define

from codegen.__main__ import main
from codegen.importing import download, manifest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REVISION = "2026-04-15"
LATER = "2026-07-15"


@define
class Server:
    """A server on loopback, what it has by path, and what it was asked for."""

    url: str
    files: dict[str, tuple[int, bytes]] = Factory(dict)
    asked: list[str] = Factory(list)
    failures: dict[str, list[int]] = Factory(dict)
    """Statuses to answer first, by path; 0 breaks the connection off."""
    headers: dict[str, str] = Factory(dict)
    drip: float = 0
    """Seconds between the bytes of a body."""

    def put(self, path: str, document: dict[str, Any], **changes: Any) -> None:
        document = {**document, "info": {**document["info"], **changes}}
        self.files[path] = (200, json.dumps(document).encode())


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "_FIRST_PAUSE", 0.001)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            if statuses := found.failures.get(self.path):
                status = statuses.pop(0)
                if not status:
                    self.close_connection = True
                    return
                self.answer(status, b"")
                return
            self.answer(*found.files.get(self.path, (404, b"not here")))

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if not found.drip:
                self.wfile.write(body)
                return
            for index in range(len(body)):
                try:
                    self.wfile.write(body[index : index + 1])
                except OSError:
                    return
                time.sleep(found.drip)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Quiet(http.server.ThreadingHTTPServer):
        daemon_threads = True

    with Quiet(("127.0.0.1", 0), Handler) as running:
        found = Server(f"http://127.0.0.1:{running.server_port}")
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield found
        running.shutdown()
        thread.join()


def fetch(url: str, specs: Path, revision: str = REVISION, *more: str) -> int:
    return main(["fetch", "--revision", revision, "--url", url, "--specs", str(specs), "--timeout", "20", *more])


def imported(document: dict[str, Any], specs: Path) -> bytes:
    source = specs.parent / "source.json"
    source.write_text(json.dumps(document), encoding="utf-8")
    assert main(["import", str(source), "--revision", REVISION, "--specs", str(specs)]) == 0
    return (specs / REVISION / "update_note.json").read_bytes()


# --- where the documents are


def test_a_revision_comes_from_its_branch(
    server: Server, document: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.put(f"/{REVISION}/openapi/stable.json", document)
    server.put("/main/openapi/stable.json", document, version=LATER)
    assert fetch(server.url, tmp_path / "a") == 0
    assert "1 operations" in capsys.readouterr().out
    assert server.asked == [f"/{REVISION}/openapi/stable.json"]
    assert (tmp_path / "a" / REVISION / "update_note.json").read_bytes() == imported(document, tmp_path / "b")
    assert fetch(f"{server.url}/", tmp_path / "a", LATER) == 0


@pytest.mark.parametrize(
    "path", ["2026-07-15.pre/openapi/beta", "2026-07-15.pre/openapi/stable", "main/openapi/beta", "beta"]
)
def test_a_beta_comes_from_wherever_klaviyo_has_it(
    server: Server, document: dict[str, Any], tmp_path: Path, path: str
) -> None:
    server.put(f"/{path}.json", document, version=f"{LATER}.pre")
    server.put("/stable.json", document, version=LATER)
    assert fetch(server.url, tmp_path, f"{LATER}.pre") == 0
    assert (tmp_path / f"{LATER}.pre" / "update_note.json").exists()


def test_a_folder_of_bundles_serves_as_well(server: Server, document: dict[str, Any], tmp_path: Path) -> None:
    server.put("/mirror/stable.json", document)
    assert fetch(f"{server.url}/mirror", tmp_path) == 0
    assert server.asked[-1] == "/mirror/stable.json"


def test_compressed_on_the_way(server: Server, document: dict[str, Any], tmp_path: Path) -> None:
    server.files["/stable.json"] = (200, gzip.compress(json.dumps(document).encode()))
    server.headers["Content-Encoding"] = "gzip"
    server.files |= dict.fromkeys(("/x",), (404, b""))
    server.failures = {}
    assert fetch(server.url, tmp_path) == 0


# --- what goes wrong


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((403, b""), "the server responded 403"),
        ((404, b""), "the server responded 404"),
        ((500, b""), "the server responded 500"),
        ((200, b"<html>"), "not JSON"),
        ((200, b"\xff"), "not UTF-8"),
        ((200, b"[]"), "empty list"),
        ((200, b"7"), "must be an object"),
    ],
)
def test_what_can_not_be_used_is_refused(
    answer: tuple[int, bytes], message: str, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.files["/openapi/stable.json"] = answer
    assert fetch(f"{server.url}/openapi", tmp_path / "specs") == 2
    told = capsys.readouterr().err
    assert message in told
    assert "/openapi/stable.json" in told
    assert told.count("\n") == 1
    assert not (tmp_path / "specs").exists()


def test_another_revision_than_asked_for(
    server: Server, document: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.put("/main/openapi/stable.json", document, version=LATER)
    assert fetch(server.url, tmp_path / "specs") == 2
    assert f"main/openapi/stable.json at /info/version: the document is for revision {LATER}" in capsys.readouterr().err
    assert not (tmp_path / "specs").exists()


@pytest.mark.parametrize("failures", [[500, 503, 429], [0, 502], [408]])
def test_failures_that_pass_are_tried_again(
    failures: list[int], server: Server, document: dict[str, Any], tmp_path: Path
) -> None:
    path = f"/{REVISION}/openapi/stable.json"
    server.put(path, document)
    server.failures[path] = list(failures)
    assert fetch(server.url, tmp_path) == 0
    assert server.asked == [path] * (len(failures) + 1)


def test_failures_that_stay_are_not_tried_for_ever(server: Server, tmp_path: Path) -> None:
    path = f"/{REVISION}/openapi/stable.json"
    server.failures[path] = [500] * 20
    assert fetch(server.url, tmp_path) == 2
    assert server.asked == [path] * 4


def test_one_deadline_for_all_of_it(
    server: Server, document: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server that sends a byte now and then keeps each single read alive."""
    server.put(f"/{REVISION}/openapi/stable.json", document)
    server.drip = 0.02
    assert fetch(server.url, tmp_path / "specs", REVISION, "--timeout", "0.3") == 2
    assert "not downloaded within 0.3 s" in capsys.readouterr().err
    assert not (tmp_path / "specs").exists()


def test_a_pause_that_the_server_asks_for_counts_too(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.failures[f"/{REVISION}/openapi/stable.json"] = [429]
    server.headers["Retry-After"] = "3600"
    assert fetch(server.url, tmp_path, REVISION, "--timeout", "0.3") == 2
    assert "not downloaded within 0.3 s" in capsys.readouterr().err


def test_more_than_anybody_publishes(
    server: Server,
    document: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(download, "MAX_BYTES", 1000)
    server.put(f"/{REVISION}/openapi/stable.json", document)
    assert fetch(server.url, tmp_path) == 2
    assert "larger than" in capsys.readouterr().err


def test_without_a_network(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_FIRST_PAUSE", 0.001)
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as closed:
        port = closed.server_port
    assert fetch(f"http://127.0.0.1:{port}/", tmp_path / "specs") == 2
    message = capsys.readouterr().err
    assert "can't be downloaded" in message
    assert "python -m codegen import FILE" in message
    assert message.count("\n") == 1


def test_progress_on_a_terminal_only(
    server: Server,
    document: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.put(f"/{REVISION}/openapi/stable.json", document)
    assert fetch(server.url, tmp_path / "a") == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert fetch(server.url, tmp_path / "b") == 0
    told = capsys.readouterr().err
    assert "stable.json: 0.0 of 0.0 MB" in told
    assert told.endswith("\r\033[K")


# --- the manifest


def test_the_manifest_says_where_from_and_what(server: Server, document: dict[str, Any], tmp_path: Path) -> None:
    server.put(f"/{REVISION}/openapi/stable.json", document)
    assert fetch(server.url, tmp_path) == 0
    lines = (tmp_path / REVISION / manifest.NAME).read_text(encoding="utf-8").splitlines()
    assert lines[0] == f"# from: {server.url}/{REVISION}/openapi/stable.json"
    assert [line.partition("  ")[2] for line in lines if not line.startswith("#")] == ["update_note.json"]
    assert list(manifest.problems(tmp_path / REVISION)) == []


def test_what_is_there_already_stays(
    server: Server, document: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.put(f"/{REVISION}/openapi/stable.json", document)
    assert fetch(server.url, tmp_path) == 0
    spec = tmp_path / REVISION / "update_note.json"
    made = spec.stat()
    assert fetch(server.url, tmp_path) == 0
    assert capsys.readouterr().out.endswith(f"specs/{REVISION}: unchanged\n")
    assert spec.stat() == made
    document["paths"]["/api/notes/{id}"]["patch"]["summary"] = "Other"
    server.put(f"/{REVISION}/openapi/stable.json", document)
    assert fetch(server.url, tmp_path) == 0
    assert "1 changed" in capsys.readouterr().out


@pytest.mark.parametrize("spoil", ["change", "remove", "add", "manifest"])
def test_what_was_touched_is_told_and_mended(
    spoil: str, document: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "document.json"
    source.write_text(json.dumps(document), encoding="utf-8")
    specs = tmp_path / "specs"
    arguments = ["fetch", "--revision", REVISION, "--from", str(source), "--specs", str(specs)]
    assert main(arguments) == 0
    folder = specs / REVISION
    good = {path.name: path.read_bytes() for path in folder.iterdir()}
    match spoil:
        case "change":
            (folder / "update_note.json").write_bytes(good["update_note.json"] + b" ")
        case "remove":
            (folder / "update_note.json").unlink()
        case "add":
            (folder / "more.json").write_bytes(good["update_note.json"])
        case "manifest":
            (folder / manifest.NAME).write_bytes(good[manifest.NAME].replace(b"# source: ", b"# source: 0"))
    assert (list(manifest.problems(folder)) != []) == (spoil != "manifest")
    capsys.readouterr()
    assert main(arguments) == 0
    assert "unchanged" not in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == good


def test_a_manifest_names_no_folder_of_the_machine(document: dict[str, Any], tmp_path: Path) -> None:
    texts = []
    for name in ("a", "b"):
        source = tmp_path / name / "document.json"
        source.parent.mkdir()
        source.write_text(json.dumps(document), encoding="utf-8")
        assert (
            main(["fetch", "--revision", REVISION, "--from", str(source), "--specs", str(tmp_path / name / "specs")])
            == 0
        )
        texts.append((tmp_path / name / "specs" / REVISION / manifest.NAME).read_text(encoding="utf-8"))
    assert texts[0] == texts[1]
    assert texts[0].startswith("# from: document.json\n")


def test_an_import_leaves_no_manifest_of_something_else(document: dict[str, Any], tmp_path: Path) -> None:
    source = tmp_path / "document.json"
    source.write_text(json.dumps(document), encoding="utf-8")
    for command in (["fetch", "--from"], ["import"]):
        assert main([*command, str(source), "--revision", REVISION, "--specs", str(tmp_path / "specs")]) == 0
    assert [path.name for path in (tmp_path / "specs" / REVISION).iterdir()] == ["update_note.json"]
