"""How a command fails: one readable message on stderr, or one JSON object, and the exit code."""

from __future__ import annotations

import re
from typing import Any

import click

from klaviyo_async.cli.output import compact, printable
from klaviyo_async.errors import (
    APIError,
    CheckpointError,
    ConfigurationError,
    Forbidden,
    KlaviyoError,
    QueryError,
    RateLimited,
    RateLimitWait,
    TransportError,
    Unauthorized,
)

HINT = "set KLAVIYO_API_KEY, or name a file that contains it with --key-file."
FAILED = 1
USAGE = 2
CREDENTIAL = 3
LIMIT = 4
CONNECTION = 5
ROWS = 6
INTERRUPTED = 130

_KEY = re.compile(r"\bpk_[A-Za-z0-9_-]+")
_TOKEN = re.compile(r"\b(Bearer|Klaviyo-API-Key) +\S+", re.IGNORECASE)


_KEY_OPTIONS = {"--api-key", "--key", "--token", "--apikey"}
_OPTIONS = {
    "validate=False lets": "--no-validate lets",
    "max_wait allows": "--max-wait allows",
    "raise max_wait": "raise --max-wait",
    "give it as company_id, here or to Klaviyo(company_id=…)": "give it with --company-id or KLAVIYO_COMPANY_ID",
    "failed_to must": "--failed must",
    "split_on can't": "--split-on can't",
    "Give list=…, or confirm_global=True": "Give --list, or --confirm-global",
}


class NoKey(click.ClickException):
    """There is no key, and no terminal to ask on."""

    exit_code = CREDENTIAL


class Interrupted(click.ClickException):
    """Ctrl-C, with a note on what was kept."""

    exit_code = INTERRUPTED

    def __init__(self, checkpoint: str | None) -> None:
        super().__init__(
            f"Interrupted. {checkpoint} is kept: the same command resumes from there."
            if checkpoint is not None
            else "Interrupted. Without --checkpoint, the progress is not kept."
        )


def report(failure: BaseException, *, machine: bool) -> int:
    """Report what went wrong, as JSON if requested, and return the exit code."""
    if isinstance(failure, click.exceptions.Exit):
        return failure.exit_code
    if isinstance(failure, click.exceptions.NoArgsIsHelpError) and not machine:
        click.echo(failure.format_message(), err=True)
        return failure.exit_code
    code, message = _judged(failure)
    message = redacted(_in_our_words(message))
    if machine:
        told = {"exit_code": code, "message": message.removeprefix("Error: "), **_details(failure)}
        click.echo(compact({"error": told}), err=True)
        return code
    usage = failure.ctx if isinstance(failure, click.UsageError) else None
    if usage is not None:
        click.echo(printable(usage.get_usage()), err=True)
    click.echo(printable(message), err=True)
    if usage is not None and usage.command.get_help_option(usage) is not None:
        click.echo(f"Try '{usage.command_path} --help'.", err=True)
    return code


def redacted(text: str) -> str:
    """The text without anything that looks like a key or a token."""
    return _TOKEN.sub(r"\1 ***", _KEY.sub("pk_***", text))


def _in_our_words(message: str) -> str:
    """The text with the library's arguments replaced by the corresponding options."""
    for argument, option in _OPTIONS.items():
        message = message.replace(argument, option)
    return message


def _judged(failure: BaseException) -> tuple[int, str]:
    """Exit code and message."""
    if isinstance(failure, KeyboardInterrupt | click.Abort):
        return INTERRUPTED, str(failure) or "Interrupted."
    if isinstance(failure, Interrupted):
        return failure.exit_code, failure.format_message()
    if isinstance(failure, click.NoSuchOption) and failure.option_name in _KEY_OPTIONS:
        return failure.exit_code, f"Error: the key is never an argument: {HINT}"
    if isinstance(failure, click.ClickException):
        return failure.exit_code, f"Error: {failure.format_message()}"
    if isinstance(failure, BaseExceptionGroup):
        return _judged(failure.exceptions[0])
    if isinstance(failure, KlaviyoError):
        return _code(failure), f"Error: {failure}"
    if isinstance(failure, OSError):
        where = f"{failure.filename}: " if failure.filename else ""
        return FAILED, f"Error: {where}{failure.strerror or failure}"
    return FAILED, (
        f"Error: {type(failure).__name__}: {failure}\n"
        "This should not happen: please report it, with the command and this message."
    )


def _code(failure: KlaviyoError) -> int:
    if isinstance(failure, Unauthorized | Forbidden):
        return CREDENTIAL
    if isinstance(failure, RateLimitWait | RateLimited):
        return LIMIT
    if isinstance(failure, TransportError):
        return CONNECTION
    if isinstance(failure, QueryError | ConfigurationError | CheckpointError):
        return USAGE
    return FAILED


def _details(failure: BaseException) -> dict[str, Any]:
    details: dict[str, Any] = {"kind": type(failure).__name__}
    if isinstance(failure, APIError):
        details |= {"status": failure.status, "request_id": failure.request_id, "operation": failure.operation}
        details["errors"] = [
            {
                "code": one.code,
                "title": one.title,
                "detail": redacted(one.detail or ""),
                "pointer": one.source.pointer,
                "parameter": one.source.parameter,
            }
            for one in failure.errors
        ]
    elif isinstance(failure, QueryError):
        details["operation"] = failure.operation
        details["problems"] = [
            {"pointer": one.pointer, "kind": one.kind, "message": redacted(one.message)} for one in failure.problems
        ]
    elif isinstance(failure, RateLimitWait):
        details |= {"seconds": failure.seconds, "operation": failure.operation}
    return details
