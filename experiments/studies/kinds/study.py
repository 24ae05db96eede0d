"""Kinds of federated learning on the same data: personalised, private, with secure aggregation, split, vertical.

Claim: none of a paper; checks of the project's own. Cost: --quick about two minutes on two cores, two seeds; --full
about ten, five seeds and more rounds. Command: ``detabed reproduce fl-kinds``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from carbon_data.files.folders import cache_dir
from experiments.fleet.machine import cpu_count
from experiments.run_folder.files import FIGURES, REPORT, TABLES
from experiments.studies.fei.engine import run_jobs
from experiments.studies.kinds import figures
from experiments.studies.kinds.cells import KindCell
from experiments.studies.kinds.checks import judge
from experiments.studies.kinds.kinds import KINDS
from experiments.studies.kinds.page import page_of
from experiments.studies.kinds.tables import kinds_of, runs_of
from experiments.studies.written import write_study

QUICK, FULL = (2, 8), (5, 20)
"""Seeds and rounds."""


def reproduce_kinds(
    folder: Path,
    full: bool,
    console: Console | None = None,
    workers: int | None = None,
    *,
    cache: Path | None = None,
    size: tuple[int, int] | None = None,
    chosen: Sequence[str] = tuple(KINDS),
) -> dict[str, Any]:
    """Compute, judge, draw and write; returns ``checks``, ``kinds``, ``tables``, ``figures``, ``page`` and ``run``.

    ``size``: seeds and rounds; ``chosen``: kinds, with their baselines."""
    seeds, rounds = size or (FULL if full else QUICK)
    cells = [KindCell(kind, seed, rounds) for seed in range(seeds) for kind in chosen]
    results, computed = run_jobs(
        cells,
        cache or cache_dir() / "reproduce-kinds",
        what="runs",
        console=console,
        workers=workers or cpu_count(),
    )
    runs = runs_of(cells, results)
    kinds = kinds_of(runs)
    tables = {"runs": runs, "kinds": kinds}
    drawings = [figures.accuracy_and_grams(runs, kinds)]
    report = {
        "checks": judge(runs, kinds),
        "seeds": seeds,
        "rounds": rounds,
        "kinds": [
            {name: None if value != value else value for name, value in row.items()}
            for row in kinds.to_dict("records")
        ],
        "computed": computed,
        "tables": {name: str(folder / TABLES / f"{name}.csv") for name in tables},
        "figures": {one.name: str(folder / FIGURES / f"{one.name}.svg") for one in drawings},
        "page": str(folder / REPORT),
        "run": str(folder),
    }
    write_study(folder, report, tables, drawings, lambda drawn: page_of(report, kinds, drawn))
    return report
