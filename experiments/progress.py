"""The progress bar of downloads, runs and studies."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class _Detail(ProgressColumn):
    """``detail`` of a task, where it has one."""

    def render(self, task: Task) -> Text:
        return Text.from_markup(task.fields.get("detail", ""), style="dim")


def progress_bar(
    console: Console | None, *counted: ProgressColumn, quiet: bool = False, speed_over_s: float = 30.0
) -> Progress:
    """Description, bar, how much is done, elapsed and remaining time, and the task's field ``detail``.

    Args:
        console: Where the bar is drawn; None for silence.
        counted: Columns that say how much is done, instead of "3/10".
        quiet: No bar; what is printed beside it still goes to ``console``.
        speed_over_s: Period whose speed gives the remaining time.
    """
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        *(counted or (MofNCompleteColumn(),)),
        TextColumn("elapsed"),
        TimeElapsedColumn(),
        TextColumn("remaining"),
        TimeRemainingColumn(),
        _Detail(),
        console=console,
        disable=quiet or console is None,
        speed_estimate_period=speed_over_s,
    )
