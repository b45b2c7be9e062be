"""Output of commands: JSON, tables, plain lines; colours and progress bars only on a terminal."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), 127, *range(128, 160)) if chr(code) not in "\n\t"}


def is_terminal() -> bool:
    """Whether standard output is a terminal."""
    return sys.stdout.isatty()


def console(*, err: bool = False) -> Console:
    """A rich console on stdout or stderr."""
    from rich.console import Console

    return Console(stderr=err, highlight=False)


def printable(text: str) -> str:
    """The text with control characters (which could move the cursor or change the terminal's title) escaped."""
    return text.translate(_CONTROLS)


def compact(value: Any) -> str:
    """JSON on one line."""
    return _encodable(json.dumps(value, ensure_ascii=False, separators=(",", ":")), value, None)


def indented(value: Any) -> str:
    """JSON for people to read."""
    return _encodable(json.dumps(value, ensure_ascii=False, indent=2), value, 2)


def _encodable(text: str, value: Any, indent: int | None) -> str:
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        # Lone surrogates, or a terminal that isn't UTF-8: use JSON's own escapes.
        return json.dumps(value, indent=indent)
    return text


def emit(value: Any, *, machine: bool) -> None:
    """Print a value as JSON: on one line for machines, indented otherwise, in colour on a terminal."""
    if machine:
        click.echo(compact(value))
    elif is_terminal():
        from rich.syntax import Syntax

        console().print(Syntax(printable(indented(value)), "json", theme="ansi_dark", background_color="default"))
    else:
        click.echo(indented(value))


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows: aligned under headings on a terminal, separated by tabs elsewhere."""
    if not is_terminal():
        for row in rows:
            click.echo("\t".join(printable(cell) for cell in row))
        return
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for number, heading in enumerate(headings):
        made.add_column(heading, no_wrap=number == 0, overflow="fold")
    for row in rows:
        made.add_row(*(Text(printable(cell)) for cell in row))
    console().print(made)


def note(text: str) -> None:
    """A line for people, on stderr; stdout is for results."""
    click.echo(printable(text), err=True)
