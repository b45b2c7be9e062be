"""`python -m codegen` as it is typed: exit codes, messages, and the download from a server."""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from codegen.__main__ import main

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parents[2]
REVISION = "2026-04-15"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "codegen", *map(str, arguments)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def source(document: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "document.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_import_and_diff(source: Path, document: dict[str, Any], tmp_path: Path) -> None:
    specs = tmp_path / "specs"
    done = run("import", source, "--revision", REVISION, "--specs", specs, "--report", tmp_path / "report.txt")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("specs/2026-04-15: 1 operations, 2 components (1 added, 0 removed, 0 changed)\n")
    assert (tmp_path / "report.txt").read_text(encoding="utf-8") == done.stdout
    document["paths"]["/api/notes/{id}"]["patch"]["summary"] = "Other"
    source.write_text(json.dumps(document), encoding="utf-8")
    assert run("import", source, "--revision", "2026-07-15", "--specs", specs).returncode == 0
    same = run("diff", REVISION, REVISION, "--specs", specs)
    assert (same.returncode, "No difference" in same.stdout) == (0, True)
    other = run("diff", REVISION, "2026-07-15", "--specs", specs, "--format", "json")
    assert other.returncode == 1
    assert list(json.loads(other.stdout)["operations"]["changed"]) == ["update_note"]


def test_what_is_not_understood_is_printed(
    document: dict[str, Any], source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document["paths"]["/api/notes/{id}"]["patch"]["description"] = "At most 7 notes may be changed."
    source.write_text(json.dumps(document), encoding="utf-8")
    assert main(["import", str(source), "--revision", REVISION, "--specs", str(tmp_path / "specs")]) == 0
    assert "not understood: update_note /description (looks like a limit): At most 7" in capsys.readouterr().out


def test_overrides_that_no_longer_fit_are_told_by_the_import_and_refused_by_check(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    specs = tmp_path / "specs"
    specs.mkdir()
    override = '[[override]]\nwhy = "because"\noperations = ["{}"]\nexpect = {{ summary = "Old" }}\ndrop = ["summary"]'
    (specs / "overrides.toml").write_text(override.format("update_note"), encoding="utf-8")
    assert main(["import", str(source), "--revision", REVISION, "--specs", str(specs)]) == 0
    assert "override: " in capsys.readouterr().out
    assert main(["check", "--revision", REVISION, "--specs", str(specs), "--out", str(tmp_path / "out")]) == 2
    assert "update_note is expected to have summary = 'Old'" in capsys.readouterr().err
    (specs / "overrides.toml").write_text(override.format("gone"), encoding="utf-8")
    assert main(["check", "--revision", REVISION, "--specs", str(specs), "--out", str(tmp_path / "out")]) == 2
    assert "no such operation: gone" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["import", "gone.json", "--revision", REVISION], "gone.json: there is no such file"),
        (["import", "gone.json", "--revision", "soon"], "'soon' is no revision"),
        (["diff", "2020-01-01", REVISION], "neither a revision"),
        (["fetch", "--revision", REVISION, "--url", "file:///etc"], "only https and http"),
        (["fetch", "--revision", "x"], "no revision"),
    ],
)
def test_refusals_are_one_line_and_exit_2(arguments: list[str], message: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.startswith(f"codegen {arguments[0]}: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_bad_usage_exits_2() -> None:
    assert run().returncode == 2
    assert run("import").returncode == 2
    assert run("paint").returncode == 2


def test_a_report_that_cannot_be_written(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["import", source, "--revision", REVISION, "--specs", tmp_path / "specs", "--report", tmp_path]
    assert main(list(map(str, arguments))) == 2
    assert "can't be written" in capsys.readouterr().err


# --- fetch


@pytest.fixture
def server(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, tuple[int, bytes]]]]:
    """A loopback server and the files it has, by path."""
    files: dict[str, tuple[int, bytes]] = {"/openapi/stable.json": (200, json.dumps(document).encode())}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = files.get(self.path, (404, b"not here"))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/openapi", files
        running.shutdown()
        thread.join()


def fetch(url: str, specs: Path, revision: str = REVISION) -> int:
    return main(["fetch", "--revision", revision, "--url", url, "--specs", str(specs), "--timeout", "5"])


def test_fetch(
    server: tuple[str, dict[str, Any]], tmp_path: Path, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetch(server[0], tmp_path / "a") == 0
    assert "1 operations" in capsys.readouterr().out
    assert main(["import", str(source), "--revision", REVISION, "--specs", str(tmp_path / "b")]) == 0
    name = f"{REVISION}/update_note.json"
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_fetch_of_a_beta_takes_the_other_bundle(
    server: tuple[str, dict[str, Any]], document: dict[str, Any], tmp_path: Path
) -> None:
    document["info"]["version"] = "2026-07-15.pre"
    server[1]["/openapi/beta.json"] = (200, json.dumps(document).encode())
    assert fetch(server[0], tmp_path, "2026-07-15.pre") == 0
    assert (tmp_path / "2026-07-15.pre" / "update_note.json").exists()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((404, b""), "answered 404"),
        ((500, b""), "answered 500"),
        ((200, b"<html>"), "not JSON"),
        ((200, b"\xff"), "not UTF-8"),
        ((200, b"[]"), "empty list"),
        ((200, b'{"openapi": "3.0.2", "info": {"version": "2026-07-15"}}'), "publishes revision 2026-07-15 there now"),
        ((200, b'{"openapi": "3.0.2", "info": []}'), "publishes revision None there now"),
    ],
)
def test_fetch_refuses_what_it_cannot_use(
    answer: tuple[int, bytes],
    message: str,
    server: tuple[str, dict[str, Any]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server[1]["/openapi/stable.json"] = answer
    assert fetch(server[0], tmp_path / "specs") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "specs").exists()


def test_fetch_without_a_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as closed:
        port = closed.server_port
    assert fetch(f"http://127.0.0.1:{port}/", tmp_path / "specs") == 2
    message = capsys.readouterr().err
    assert "can't be downloaded" in message
    assert "python -m codegen import FILE" in message
    assert message.count("\n") == 1
