"""The cells of a study, computed in the user's cache folder: what is kept there is not computed again."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from rich.console import Console

from carbon_data.files.folders import cache_dir
from experiments.fleet.machine import cpu_count
from experiments.studies.fei.engine import Job, run_jobs


def compute_cells(
    study: str,
    groups: Sequence[Sequence[Job]],
    *,
    what: str,
    console: Console | None = None,
    workers: int | None = None,
    cache: Path | None = None,
) -> tuple[list[list[dict[str, Any]]], int]:
    """Results of each group in the order of its cells, and how many had to be computed.

    Args:
        study: Name of the study; its results are kept in the folder ``reproduce-STUDY`` of the user's cache.
        groups: Cells; those of all groups run beside each other.
        what: What a cell is, in the plural, for the bar.
        workers: Processes; one for each core without it.
        cache: Another folder than the user's.
    """
    results, computed = run_jobs(
        [job for group in groups for job in group],
        cache or cache_dir() / f"reproduce-{study}",
        what=what,
        console=console,
        workers=workers or cpu_count(),
    )
    ends = list(accumulate(len(group) for group in groups))
    return [results[end - len(group) : end] for group, end in zip(groups, ends, strict=True)], computed
