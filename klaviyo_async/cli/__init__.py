"""The command ``klaviyo-async``. Needs the extra ``cli``: ``pip install 'klaviyo-async[cli]'``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments (by default those of the process) and return the exit status."""
    try:
        import click  # noqa: F401
        import rich  # noqa: F401
    except ImportError:
        sys.stderr.write("The command line needs click and rich: pip install 'klaviyo-async[cli]'\n")
        return 2
    from klaviyo_async.cli.app import app

    try:
        app.main(args=None if arguments is None else list(arguments), prog_name="klaviyo-async")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0
