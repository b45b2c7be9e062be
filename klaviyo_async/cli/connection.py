"""The options shared by all commands that call Klaviyo, and the client created from them."""

from __future__ import annotations

import contextlib
import getpass
import logging
import os
import sys
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import frozen

from klaviyo_async.cli.failures import HINT, NoKey, redacted
from klaviyo_async.cli.output import note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from klaviyo_async.client import Klaviyo
    from klaviyo_async.limiter import Limiter

KEY_VARIABLE = "KLAVIYO_API_KEY"
_MOST_OF_A_KEY_FILE = 4096


@frozen(kw_only=True)
class Connection:
    """How to reach Klaviyo."""

    base_url: str
    key_file: Path | None
    company_id: str | None
    redis_url: str | None
    timeout: float
    max_wait: float | None
    retries: int
    validate: bool

    def client(self, *, public: bool = False) -> Klaviyo:
        """A client; `public` is for the client-side operations, which send no private key.

        Must be called outside of an event loop: it may ask for the key, and Ctrl-C must be able to interrupt that.

        Raises `NoKey` if there is no key and no terminal to ask on, `ConfigurationError` for invalid settings.
        """
        from klaviyo_async.auth.api_key import ApiKey
        from klaviyo_async.client import Klaviyo

        auth = None
        if not public:
            key, source = self._key()
            auth = ApiKey(key, source=source)
        return Klaviyo(
            auth=auth,
            company_id=self.company_id,
            base_url=self.base_url,
            timeout=self.timeout,
            max_retries=self.retries,
            max_wait=self.max_wait,
            validate=self.validate,
            limiter=self.limiter(),
            headers={"User-Agent": "klaviyo-async-cli"},
        )

    def offline(self) -> Klaviyo:
        """A client that will never send anything: it has no key."""
        from klaviyo_async.auth.api_key import ApiKey
        from klaviyo_async.client import Klaviyo

        return Klaviyo(auth=ApiKey("pk_none"), company_id=self.company_id, validate=self.validate)

    def limiter(self) -> Limiter | None:
        """The limiter on Redis, if one is named; None for the process's own."""
        if self.redis_url is None:
            return None
        from klaviyo_async.limiter import RedisLimiter

        return RedisLimiter(self.redis_url)

    def _key(self) -> tuple[str, str]:
        if self.key_file is not None:
            try:
                with self.key_file.open(encoding="utf-8") as file:
                    return file.read(_MOST_OF_A_KEY_FILE).strip(), str(self.key_file)
            except UnicodeDecodeError:
                # Without the cause, which contains what was read.
                raise click.BadParameter(f"{self.key_file} is not a text file.", param_hint="--key-file") from None
        key = os.environ.get(KEY_VARIABLE, "")
        if key:
            return key, KEY_VARIABLE
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise NoKey(f"there is no key: {HINT}")
        # Not click's prompt, which writes it before turning off the echo.
        return getpass.getpass("Private API key (not shown): ", stream=sys.stderr), "the key given"


def connected(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the function receives a `Connection` as `connection`, and the library's notices go to stderr."""

    @click.option(
        "--base-url",
        envvar="KLAVIYO_BASE_URL",
        show_envvar=True,
        default="https://a.klaviyo.com",
        show_default=True,
        metavar="URL",
        help="Address of Klaviyo, or of a fake for development.",
    )
    @click.option(
        "--key-file",
        envvar="KLAVIYO_KEY_FILE",
        show_envvar=True,
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="File with the private API key; by default KLAVIYO_API_KEY, or a prompt.",
    )
    @click.option(
        "--company-id",
        envvar="KLAVIYO_COMPANY_ID",
        show_envvar=True,
        metavar="ID",
        help="Public API key, for the client-side operations.",
    )
    @click.option(
        "--redis",
        "redis_url",
        envvar="KLAVIYO_REDIS_URL",
        show_envvar=True,
        metavar="URL",
        help="Share the rate limits with other processes through this Redis.",
    )
    @click.option("--timeout", type=float, default=30.0, show_default=True, help="Seconds for one attempt.")
    @click.option("--max-wait", type=float, help="Longest wait for the rate limit, in seconds; beyond it exit with 4.")
    @click.option("--retries", type=int, default=5, show_default=True, help="How often a failed attempt is repeated.")
    @click.option("--no-validate", is_flag=True, help="Send names and values that this version doesn't know.")
    @wraps(function)
    def wrapped(
        *,
        base_url: str,
        key_file: Path | None,
        company_id: str | None,
        redis_url: str | None,
        timeout: float,
        max_wait: float | None,
        retries: int,
        no_validate: bool,
        **rest: Any,
    ) -> Any:
        connection = Connection(
            base_url=base_url,
            key_file=key_file,
            company_id=company_id,
            redis_url=redis_url,
            timeout=timeout,
            max_wait=max_wait,
            retries=retries,
            validate=not no_validate,
        )
        with _notices():
            return function(connection=connection, **rest)

    return wrapped


def machine_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--json``."""
    return click.option(
        "--json", "machine", is_flag=True, help="JSON for machines: results on stdout, errors on stderr."
    )(function)


class _Notices(logging.Handler):
    """Prints what the library logs: waits, outages."""

    def emit(self, record: logging.LogRecord) -> None:
        """One line on stderr."""
        note(redacted(record.getMessage()))


@contextlib.contextmanager
def _notices() -> Iterator[None]:
    """Print what the library logs, for as long as a command runs."""
    log = logging.getLogger("klaviyo_async")
    before = log.level, log.propagate
    handler = _Notices()
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before[0])
        log.propagate = before[1]
