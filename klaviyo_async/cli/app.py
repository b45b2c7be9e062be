"""The command group, and what the subcommands have in common."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from klaviyo_async._version import __version__
from klaviyo_async.cli import call, completion, export, fake, imports, limits, operations
from klaviyo_async.cli.failures import report

if TYPE_CHECKING:
    from collections.abc import Sequence

_HELP = """Klaviyo from the command line: look up operations, call them, import and export data.

\b
  klaviyo-async operations profiles import       find an operation
  klaviyo-async operations get_profiles          its limits, scopes and filters
  klaviyo-async call get_profiles --page-size 5  call it
  klaviyo-async export get_events --out events.parquet
                                                 write a whole collection to a file
  klaviyo-async import people.csv --as profiles  send the rows of a file
  klaviyo-async limits --watch                   what is left of the rate limits
  klaviyo-async fake                             a local Klaviyo to develop against

The private API key is read from KLAVIYO_API_KEY or from a file (--key-file); on a terminal you are asked for it. It is
never an argument, because other users of the machine could read that.

\b
Exit codes:
  0    done
  1    Klaviyo refused the request, or something failed on this machine
  2    usage error: arguments, settings, or a request that can't be sent
  3    no key, or one that Klaviyo rejects (401, 403)
  4    the rate limit would require a longer wait than --max-wait
  5    no connection, or no response in time
  6    finished, but some rows failed
  130  interrupted (Ctrl-C); a checkpoint stays, and the same command resumes
"""


class Root(click.Group):
    """The command group. Every failure becomes one readable message and an exit code."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run, and exit the process with the code; if not `standalone_mode`, errors are raised instead."""
        given = sys.argv[1:] if args is None else list(args)
        try:
            result = super().main(given, prog_name, complete_var, standalone_mode=False, **extra)
        except (Exception, KeyboardInterrupt) as failure:
            if not standalone_mode:
                raise
            # No traceback for users.
            sys.exit(report(failure, machine="--json" in given))
        if standalone_mode:
            sys.exit(result if isinstance(result, int) else 0)
        return result


@click.group(
    cls=Root,
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    no_args_is_help=True,
)
@click.version_option(__version__, package_name="klaviyo-async", prog_name="klaviyo-async")
def app() -> None:
    """See `_HELP`."""


for _command in (
    operations.command,
    call.command,
    export.command,
    imports.command,
    limits.command,
    fake.command,
    completion.command,
):
    app.add_command(_command)
