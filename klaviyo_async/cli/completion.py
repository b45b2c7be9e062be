"""``klaviyo-async completion``: the script that makes a shell complete commands, operations and their parameters."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import BashComplete, add_completion_class, get_completion_class, split_arg_string

from klaviyo_async.cli.output import note

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_LINE = "_KLAVIYO_ASYNC_LINE"


class _Bash(BashComplete):
    """Bash splits words at ``=`` and ``:`` too, and replaces only what follows; the line itself shows what was typed."""

    source_template = BashComplete.source_template.replace(
        "env COMP_WORDS=", f'env {_LINE}="${{COMP_LINE:0:COMP_POINT}}" COMP_WORDS='
    ).replace(
        "    return 0\n",
        # No space after something incomplete: NAME= needs its value.
        "    [[ ${COMPREPLY[0]} == *[=,] ]] && compopt -o nospace\n\n    return 0\n",
    )
    _cut = 0

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the one to complete, and that one."""
        line = os.environ.get(_LINE)
        if not line:
            return super().get_completion_args()
        words = split_arg_string(line)
        incomplete = "" if line[-1].isspace() or not words else words.pop()
        self._cut = max(incomplete.rfind("="), incomplete.rfind(":")) + 1
        return words[1:], incomplete

    def format_completion(self, item: CompletionItem) -> str:  # type: ignore[type-arg,unused-ignore]
        """One line for the script."""
        value: Any = item.value
        return f"{item.type},{value[self._cut :]}"


add_completion_class(_Bash)


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash:  klaviyo-async completion bash > ~/.local/share/bash-completion/completions/klaviyo-async
    zsh:   klaviyo-async completion zsh > "${fpath[1]}/_klaviyo-async"
    fish:  klaviyo-async completion fish > ~/.config/fish/completions/klaviyo-async.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"there is no completion for {shell}.")
    made = kind(ctx.find_root().command, {}, "klaviyo-async", "_KLAVIYO_ASYNC_COMPLETE")
    try:
        click.echo(made.source())
    except RuntimeError as failure:  # bash is too old, or not there to ask
        note(str(failure))
        ctx.exit(1)
