"""``detabed data fetch``: downloads, with a progress bar."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import DownloadColumn, TransferSpeedColumn

from carbon_data.files.datasets import DatasetState, status
from carbon_data.files.download import fetch
from experiments.commands.options import JsonOption
from experiments.commands.output import err, out, print_json
from experiments.progress import progress_bar


def fetch_with_progress(names: list[str], console: Console) -> dict[str, list[str]]:
    """Fetch data sets by name (none: all that can be): which were ``fetched``, which ``present`` before.

    Raises DataError for an unknown name, a file that has no download, or one that no origin gives right.
    """
    with progress_bar(console, DownloadColumn(), TransferSpeedColumn()) as bar:
        tasks: dict[str, int] = {}

        def received(name: str, done_bytes: int, total_bytes: int | None) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total_bytes)
            bar.update(tasks[name], completed=done_bytes, total=total_bytes)  # type: ignore[arg-type]

        there = {row.dataset.name for row in status() if row.state is DatasetState.PRESENT}
        inplace = [row.dataset.name for row in fetch(names or None, received)]
    return {
        "fetched": [name for name in inplace if name not in there],
        "present": [name for name in inplace if name in there],
    }


def data_fetch(
    names: Annotated[
        list[str] | None, typer.Argument(help="Data sets; none: all that can be fetched.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    fetched = fetch_with_progress(names or [], err)
    if as_json:
        print_json(fetched)
        return
    for state, names_in_it in fetched.items():
        out.print(f"{state}: {', '.join(names_in_it) or 'none'}", soft_wrap=True, highlight=False)
