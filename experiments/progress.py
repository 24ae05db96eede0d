"""The progress bar of downloads, runs and studies."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.constrain import Constrain
from rich.file_proxy import FileProxy
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table
from rich.text import Text

WORDS_FROM = 100
"""[C] Columns of a terminal from which "elapsed" and "remaining" stand before the times."""
DETAIL_FROM = 72
"""[C] Columns from which the detail is shown: with it a line of a run is up to 78 long, without the bar."""
ECHO = 2
"""Columns left free, in which a terminal shows the ^C that was typed. A full line would break there, and stay."""


class _Detail(ProgressColumn):
    """``detail`` of a task, where it has one."""

    def render(self, task: Task) -> Text:
        return Text.from_markup(task.fields.get("detail", ""), style="dim")


class _Word(ProgressColumn):
    """A word before a time. ``counted``: only where it is known of how many."""

    def __init__(self, word: str, counted: bool = False) -> None:
        super().__init__()
        self._word, self._counted = word, counted

    def render(self, task: Task) -> Text:
        return Text("" if self._counted and task.total is None else self._word)


class _Count(MofNCompleteColumn):
    """ "3/10"; nothing where it is not known of how many."""

    def render(self, task: Task) -> Text:
        return Text() if task.total is None else super().render(task)


@dataclass(frozen=True)
class _Lines:
    """A line for each task at any width: the bar gives way first, then words, then the detail."""

    columns: Sequence[str | ProgressColumn]
    tasks: Sequence[Task]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        shown = [
            each
            for each in self.columns
            if isinstance(each, ProgressColumn)
            and (width >= WORDS_FROM or not isinstance(each, _Word))
            and (width >= DETAIL_FROM or not isinstance(each, _Detail))
        ]
        columns = [Column(no_wrap=not isinstance(each, BarColumn)) for each in shown]
        table = Table.grid(*columns, padding=(0, 1))
        for task in self.tasks:
            if task.visible:
                table.add_row(*(each(task) for each in shown))
        yield Constrain(table, max(1, width - ECHO))


class _OneLine(Progress):
    def get_renderables(self) -> Iterable[RenderableType]:
        """Lines that know how wide the terminal is when they are drawn."""
        yield _Lines(self.columns, self.tasks)


def progress_bar(
    console: Console | None,
    *counted: ProgressColumn,
    quiet: bool = False,
    speed_over_s: float = 30.0,
    passing: bool = False,
) -> Progress:
    """Description, bar, how much is done, elapsed and remaining time, and the task's field ``detail``.

    Args:
        console: Where the bar is drawn; None for silence.
        counted: Columns that say how much is done, instead of "3/10".
        quiet: No bar; what is printed beside it still goes to ``console``.
        speed_over_s: Period whose speed gives the remaining time.
        passing: It goes when it ends, and may begin at any moment: standard output and error stay as the work has them.
    """
    return _OneLine(
        TextColumn("{task.description}"),
        BarColumn(),
        *(counted or (_Count(),)),
        _Word("elapsed"),
        TimeElapsedColumn(),
        _Word("remaining", counted=True),
        TimeRemainingColumn(),
        _Detail(),
        console=console,
        disable=quiet or console is None or _takes_only_colours(console),
        speed_estimate_period=speed_over_s,
        transient=passing,
        redirect_stdout=not passing,
        redirect_stderr=not passing,
    )


def _takes_only_colours(console: Console) -> bool:
    """Whether it is a file or a pipe of which FORCE_COLOR or TTY_COMPATIBLE says that it takes colours, as in many
    services for tests: a bar would be written there over and over."""
    said = os.environ.get("FORCE_COLOR") or os.environ.get("TTY_COMPATIBLE") == "1"
    return bool(said) and not console.file.isatty()


Watch = Callable[[str, int, int], None]
"""Told how far a long computation is: what is being done, how many of it are done, of how many."""


@contextmanager
def watching_part(bar: Progress, whose: str) -> Iterator[Watch]:
    """A further line of ``bar``, from the first word on the work to its end. ``whose``: stands before it."""
    tasks: list[TaskID] = []

    def watch(what: str, done: int, of: int) -> None:
        if not tasks:
            tasks.append(bar.add_task("", total=None, detail=""))
        bar.update(tasks[0], description=f"{whose}: {what}", completed=done, total=of)

    try:
        yield watch
    finally:
        for task in tasks:
            bar.remove_task(task)


LATE_S = 1.0
"""[C] Work that is over by then shows no bar."""


@contextmanager
def watching(console: Console, what: str = "resolving", *, quiet: bool = False) -> Iterator[Watch]:
    """A progress bar for work that may be over in a moment or take minutes: it appears after ``LATE_S``, and goes when
    the work is over. Only on a terminal. What the work prints there stands above it.

    Args:
        console: Where the bar is drawn.
        what: Is being done, until the work says so itself.
        quiet: No bar.
    """
    bar = progress_bar(console, quiet=quiet or not console.is_interactive, passing=True)
    task = bar.add_task(what, total=None, detail="")

    def watch(part: str, done: int, of: int) -> None:
        bar.update(task, description=part, completed=done, total=of)

    if bar.disable:
        yield watch
        return
    late = threading.Timer(LATE_S, bar.start)
    late.daemon = True
    late.start()
    try:
        with _printing_above(console):
            yield watch
    finally:
        late.cancel()
        late.join()
        bar.stop()


@contextmanager
def _printing_above(console: Console) -> Iterator[None]:
    """Within, lines for the terminal go through ``console``, which puts them above its bar. What goes into files or
    pipes stays as it is."""
    with ExitStack() as stack:
        for stream, redirect in ((sys.stdout, redirect_stdout), (sys.stderr, redirect_stderr)):
            if stream is not None and stream.isatty():
                above = FileProxy(console, stream)
                stack.enter_context(redirect(above))  # type: ignore[type-var]
                stack.callback(above.flush)
        yield
