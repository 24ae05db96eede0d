"""Downloads with a progress bar."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn


def fetch_with_progress(names: list[str], console: Console) -> list[str]:
    """Fetch data sets by name (none: all that can be); returns those now in place. Raises DataError."""
    from carbon_data.datasets import fetch

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console) as bar:
        tasks: dict[str, int] = {}

        def received(name: str, done_bytes: int, total_bytes: int | None) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total_bytes)
            bar.update(tasks[name], completed=done_bytes, total=total_bytes)  # type: ignore[arg-type]

        return [row.dataset.name for row in fetch(names or None, received)]
