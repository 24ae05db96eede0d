"""``detabed watch``: a run as it goes on, in the terminal and on a page."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Annotated

import typer
from rich.live import Live

from experiments.commands.options import JsonOption, RunArgument
from experiments.commands.output import out, print_json
from experiments.errors import UsageError
from experiments.live.server import LOOK_S, serving
from experiments.live.terminal import headline, screen
from experiments.live.told import told
from experiments.live.watched import Standing, Watched

OVER = (Standing.FINISHED, Standing.FAILED, Standing.BROKEN_OFF)


def watch(
    run: RunArgument,
    page: Annotated[
        bool,
        typer.Option("--page", help="Serve it as a page too, with /metrics for Prometheus, until Ctrl-C."),
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0: any free one.")] = 0,
    once: Annotated[bool, typer.Option("--once", help="Show how it stands now, and end.")] = False,
    as_json: JsonOption = False,
) -> None:
    if page and (once or as_json):
        raise UsageError(
            "--page serves the run until Ctrl-C, --once and --json end at once; give one of them"
        )
    if port and not page:
        raise UsageError(f"--port {port} is that of the page; give --page too")
    watched = Watched(run)
    watched.look()
    if as_json:
        print_json(told(watched))
    elif once:
        out.print(screen(watched, out.height, out.width))
    else:
        with ExitStack() as stack:
            if page:
                address, reader = stack.enter_context(serving(Watched(run), port))
                out.print(f"page: {address}  (metrics: {address}metrics)", highlight=False)
            _follow(watched)
            failed = _conclude(watched)
            if page:
                out.print("the page stays until Ctrl-C", highlight=False)
                reader.wait()
        if failed:
            raise typer.Exit(1)


def _follow(watched: Watched) -> None:
    """Show the run until it is over."""
    if out.is_terminal:
        with Live(console=out, refresh_per_second=4) as live:
            over = False
            while not over:
                over = _over(watched)
                live.update(screen(watched, out.height, out.width))
                time.sleep(LOOK_S)
        return
    over, closed = False, -1
    while not over:
        over = _over(watched)
        if watched.picture.ended != closed:
            closed = watched.picture.ended
            out.print(f"{watched.name}: {headline(watched.picture)}", highlight=False, soft_wrap=True)
        time.sleep(0.0 if over else LOOK_S)


def _conclude(watched: Watched) -> bool:
    """Say how it ended; whether it failed."""
    why = f": {watched.why_failed}" if watched.why_failed else ""
    out.print(f"{watched.folder}: {watched.standing}{why}", highlight=False, soft_wrap=True)
    if watched.standing is Standing.BROKEN_OFF:
        out.print(f"detabed resume {watched.folder} goes on with it", highlight=False, soft_wrap=True)
    return watched.standing is Standing.FAILED


def _over(watched: Watched) -> bool:
    """Looks once more after the run's end, so that nothing of it is missing."""
    over = watched.standing in OVER
    watched.look()
    return over
