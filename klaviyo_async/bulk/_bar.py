"""The progress bar on a terminal, drawn by rich."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as RichProgress

if TYPE_CHECKING:
    from klaviyo_async.bulk.progress import Progress

__all__ = ["Bar"]


class Bar:
    """Called with each `Progress`; updates the bar in place."""

    def __init__(self, console: Console | None = None) -> None:
        self._shown = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[figures]}"),
            console=console or Console(stderr=True),
            auto_refresh=False,
        )
        self._task = self._shown.add_task("", total=None, figures="")

    def __enter__(self) -> Self:
        self._shown.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._shown.stop()

    def __call__(self, progress: Progress) -> None:
        self._shown.update(
            self._task,
            description=progress.operation,
            completed=progress.done,
            total=progress.total,
            figures=str(progress).partition(": ")[2],
            refresh=True,
        )
