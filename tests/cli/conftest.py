"""What the tests of the command line share: a fake in a thread, the library's runner, and the command itself in a process."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from klaviyo_async.cli.app import app
from klaviyo_async.testing import FakeKlaviyo

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "pk_secret_of_the_tests"
COMMAND = str(Path(sys.executable).with_name("klaviyo-async"))


def environment(**more: str) -> dict[str, str]:
    """The process's own, without what would reach a real account."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KLAVIYO")}
    return clean | more


def listen() -> None:
    """In a child: take SIGINT as usual, even where the tests run in the background of a shell that ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Ran:
    """How a command ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err
        assert KEY not in out + err
        assert "Traceback" not in err, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        return json.loads(self.err.splitlines()[-1])["error"]


class Commands:
    """Runs commands against one fake, in this process."""

    def __init__(self, fake: FakeKlaviyo) -> None:
        self.fake = fake
        self.env: dict[str, str | None] = {
            **{name: None for name in os.environ if name.startswith("KLAVIYO")},
            "KLAVIYO_BASE_URL": fake.url,
            "KLAVIYO_API_KEY": KEY,
        }

    def __call__(self, *arguments: str, input: str | None = None, code: int = 0, **env: str | None) -> Ran:
        result = CliRunner().invoke(app, list(arguments), input=input, env=self.env | env)
        ran = Ran(result.exit_code, result.stdout, result.stderr)
        assert ran.code == code, (ran.code, ran.out, ran.err)
        return ran


@pytest.fixture(scope="session")
def shared_fake() -> Iterator[FakeKlaviyo]:
    with FakeKlaviyo(limits=False) as fake:
        yield fake


@pytest.fixture
def fake(shared_fake: FakeKlaviyo) -> FakeKlaviyo:
    shared_fake.reset()
    return shared_fake


@pytest.fixture
def run(fake: FakeKlaviyo) -> Commands:
    return Commands(fake)


def in_process(*arguments: str, input: str | None = None, timeout: float = 60, **env: str) -> Ran:
    """The installed command in a process of its own."""
    done = subprocess.run(
        [COMMAND, *arguments],
        input=input,
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment(**env),
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


class Terminal:
    """The command on a pseudo-terminal, or whatever program the first argument is the path of."""

    def __init__(self, *arguments: str, **env: str) -> None:
        self.shown = ""
        self._main, side = pty.openpty()
        self.process = subprocess.Popen(
            arguments if arguments and os.sep in arguments[0] else [COMMAND, *arguments],
            stdin=side,
            stdout=side,
            stderr=side,
            env=environment(TERM="xterm-256color", COLUMNS="100", LINES="40", **env),
            start_new_session=True,
            preexec_fn=listen,  # noqa: PLW1509 - it does next to nothing
        )
        os.close(side)

    def until(self, text: str, seconds: float = 30) -> str:
        """Read until the text was shown."""
        deadline = time.monotonic() + seconds
        while text not in self.shown:
            ready, _, _ = select.select([self._main], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"{text!r} was not shown within {seconds} s: {self.shown!r}"
            assert self._read(), f"ended without {text!r}: {self.shown!r}"
        return self.shown

    def type(self, text: str) -> None:
        os.write(self._main, text.encode())

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def ended(self, seconds: float = 30) -> int:
        """The exit code, with all that was shown read."""
        deadline = time.monotonic() + seconds
        while True:
            ready, _, _ = select.select([self._main], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"still running after {seconds} s: {self.shown!r}"
            if not self._read():
                return self.process.wait(seconds)

    def _read(self) -> bool:
        try:
            found = os.read(self._main, 65536)
        except OSError:  # the other side is closed
            return False
        self.shown += found.decode(errors="replace")
        return bool(found)

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        os.close(self._main)


@pytest.fixture
def terminal() -> Iterator[Any]:
    opened: list[Terminal] = []

    def start(*arguments: str, **env: str) -> Terminal:
        opened.append(Terminal(*arguments, **env))
        return opened[-1]

    yield start
    for one in opened:
        one.close()
