"""The installed command as people and scripts run it: in a process, on a terminal, in a pipe, interrupted."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from klaviyo_async.testing import FakeKlaviyo
from tests.cli.conftest import COMMAND, KEY, environment, in_process, listen


def test_json_in_and_out(fake: FakeKlaviyo) -> None:
    made = in_process(
        *("call", "create_profile", "--body", "-", "--json"),
        input=json.dumps({"data": {"type": "profile", "attributes": {"email": "ü@example.com"}}}),
        KLAVIYO_BASE_URL=fake.url,
        KLAVIYO_API_KEY=KEY,
    )
    assert made.code == 0, made.err
    assert made.json["data"]["attributes"]["email"] == "ü@example.com"


def test_help_and_version() -> None:
    assert "Exit codes" in in_process("--help").out
    for command in ("call", "operations", "limits", "fake", "completion"):
        assert "klaviyo-async" in in_process(command, "--help").out
    assert in_process("--version").out.startswith("klaviyo-async")
    assert in_process("call", "--nonsense").code == 2


def test_a_reader_that_goes_away_is_no_failure(fake: FakeKlaviyo) -> None:
    fake.seed(profiles=300)
    process = subprocess.Popen(
        [COMMAND, "call", "get_profiles", "--ndjson", "--all", "--page-size", "20"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(KLAVIYO_BASE_URL=fake.url, KLAVIYO_API_KEY=KEY),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(30) in {0, 1}


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise ImportError")
    done = subprocess.run(
        [sys.executable, "-m", "klaviyo_async", "operations"],
        env=environment(PYTHONPATH=str(tmp_path)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "pip install 'klaviyo-async[cli]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_key_is_asked_for_on_a_terminal_and_not_shown(fake: FakeKlaviyo, terminal: Any) -> None:
    session = terminal("call", "get_accounts", KLAVIYO_BASE_URL=fake.url)
    session.until("Private API key")
    session.type(KEY + "\n")
    assert session.ended() == 0
    assert "contact_information" in session.shown
    assert KEY not in session.shown
    assert fake.requests[-1].headers["Authorization"].endswith(KEY)


def test_ctrl_c_at_the_prompt_ends_with_130(fake: FakeKlaviyo, terminal: Any) -> None:
    session = terminal("call", "get_accounts", KLAVIYO_BASE_URL=fake.url)
    session.until("Private API key")
    session.interrupt()
    assert session.ended() == 130


def test_tables_on_a_terminal(terminal: Any) -> None:
    session = terminal("operations", "--tag", "lists")
    assert session.ended() == 0
    assert "summary" in session.shown
    assert "operations NAME" in session.shown


def test_live_bars_until_ctrl_c(fake: FakeKlaviyo, terminal: Any) -> None:
    with FakeKlaviyo() as limited:
        session = terminal("limits", "get_profiles", "--watch", KLAVIYO_BASE_URL=limited.url, KLAVIYO_API_KEY=KEY)
        session.until("750/m")
        session.until("━")
        session.interrupt()
        assert session.ended() == 130
    assert "Traceback" not in session.shown
    assert fake


def test_limits_go_on_as_lines_in_a_pipe(fake: FakeKlaviyo) -> None:
    process = subprocess.Popen(
        [COMMAND, "limits", "get_profiles", "--watch", "--json", "--every", "1"],
        stdout=subprocess.PIPE,
        env=environment(KLAVIYO_BASE_URL=fake.url, KLAVIYO_API_KEY=KEY),
        text=True,
        preexec_fn=listen,  # noqa: PLW1509 - it does next to nothing
    )
    assert process.stdout is not None
    rounds = [json.loads(process.stdout.readline()) for _ in range(2)]
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    process.stdout.close()
    assert [one["buckets"][0]["name"] for one in rounds] == ["get_profiles"] * 2


def test_a_fake_of_its_own(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [COMMAND, "fake", "--port", "0", "--profiles", "3", "--database", str(tmp_path / "state"), "--json"],
        stdout=subprocess.PIPE,
        env=environment(),
        text=True,
        preexec_fn=listen,  # noqa: PLW1509 - it does next to nothing
    )
    assert process.stdout is not None
    url = json.loads(process.stdout.readline())["url"]
    found = in_process("call", "get_profiles", "--all", KLAVIYO_BASE_URL=url, KLAVIYO_API_KEY=KEY)
    assert len(found.json["data"]) == 3
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    process.stdout.close()


def test_a_port_that_is_taken_is_told(fake: FakeKlaviyo) -> None:
    ended = in_process("fake", "--base-url", fake.url)
    assert ended.code == 1
    assert "address already in use" in ended.err


def complete(*words: str) -> list[str]:
    """What the shell offers for the last word."""
    done = subprocess.run(
        [COMMAND],
        env=environment(
            _KLAVIYO_ASYNC_COMPLETE="bash_complete",
            COMP_WORDS=" ".join(["klaviyo-async", *words]),
            COMP_CWORD=str(len(words)),
        ),
        capture_output=True,
        text=True,
        check=True,
    )
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("ca",), "call"),
        (("call", "get_prof"), "get_profiles"),
        (("operations", "get_prof"), "get_profiles"),
        (("limits", "get_prof"), "get_profiles"),
        (("call", "get_profiles", "--sort", "cr"), "created"),
        (("call", "get_profiles", "--include", "push"), "push-tokens"),
        (("call", "get_profiles", "--fields", "profile=em"), "profile=email"),
        (("call", "get_profiles", "--param", "page"), "page_size="),
        (("call", "create_profile", "--param", "em"), "email="),
        (("call", "get_profiles", "--filter", "any(em"), "any(email,"),
    ],
)
def test_shells_complete(words: tuple[str, ...], offered: str) -> None:
    assert offered in complete(*words)


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("call get_profiles --fields profile=ema", "profile=email "),
        ("call get_profiles --param page_s", "page_size=5"),
        ("call create_profile -p ema", "email=5"),
        ("import x.csv --as unsubscript", "unsubscriptions "),
    ],
)
def test_bash_completes_behind_an_equals_sign_as_well(
    terminal: Any, tmp_path: Path, typed: str, completed: str
) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    script = in_process("completion", "bash").out
    (tmp_path / "rc").write_text(f"PS1='ready> '\nPATH={Path(COMMAND).parent}:$PATH\n{script}")
    session = terminal(bash, "--noprofile", "--rcfile", str(tmp_path / "rc"), "-i")
    session.until("ready>")
    session.type(f"klaviyo-async {typed}\t5")
    session.until(completed if completed.endswith("5") else f"{completed}5")


def test_limits_complete_only_what_can_be_asked() -> None:
    assert "get_profile" not in complete("limits", "get_prof")


def test_the_completion_scripts() -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "_KLAVIYO_ASYNC_COMPLETE" in in_process("completion", shell).out
