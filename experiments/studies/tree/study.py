"""Runs the cells of a study on all cores, keeps each under the hash of all it depends on, and continues.

A cell is one setting under one seed, all points of its sweep. Its file name is the hash of parameters, setting,
seed, extent and all that this module imports (experiments.studies.import_closure): a changed model never
meets an old result, and an interrupted study computes only what is missing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console

from carbon_data.files.whole import whole_file
from experiments.fleet.machine import cpu_count
from experiments.progress import progress_bar
from experiments.studies.import_closure import closure_digest
from experiments.studies.tree.engine import simulate
from experiments.studies.tree.measure import Point, take
from experiments.studies.tree.model import Machine, build_machine
from experiments.studies.tree.parameters import Parameters, load_parameters, picoseconds
from experiments.studies.tree.settings import Extent, Setting, grid, rates_per_s
from experiments.studies.tree.traffic import draw
from experiments.studies.unheard import unheard


@dataclass(frozen=True, slots=True)
class Cell:
    """One setting under one seed."""

    setting: Setting
    seed: int
    extent: Extent


def cell_key(cell: Cell, parameters: Parameters) -> str:
    """Content hash of everything the cell's result depends on."""
    described = {
        "code": closure_digest(__name__),
        "parameters": asdict(parameters),
        "setting": cell.setting.as_dict(),
        "grid": grid(cell.setting.sweep),
        "seed": cell.seed,
        "window_s": cell.extent.window_s,
        "warmup_s": cell.extent.warmup_s,
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def run_cell(cell: Cell, parameters: Parameters) -> list[Point]:
    """Simulate all points of a cell; the same cell gives the same numbers anywhere."""
    machine = build_machine(parameters, cell.setting.discipline, cell.setting.sleep, cell.setting.serving)
    warmup = picoseconds(cell.extent.warmup_s)
    points = []
    for relative in grid(cell.setting.sweep):
        rates = rates_per_s(cell.setting, machine, relative)
        traffic = draw(cell.seed, rates, cell.extent.horizon_s, cell.setting.serving.users)
        points.append(take(traffic, simulate(traffic, machine), warmup))
    return points


def _compute(cell: Cell, parameters: Parameters, path: Path) -> Path:
    """In a worker: simulate, and write: a file that exists is whole."""
    points = [point.as_dict() for point in run_cell(cell, parameters)]
    text = json.dumps({"setting": cell.setting.as_dict(), "seed": cell.seed, "points": points})
    with whole_file(path) as draft:
        draft.write_text(text, encoding="utf-8")
    return path


@dataclass(frozen=True)
class Results:
    """Points of every setting: ``points[setting][seed][i]`` belongs to ``grid(setting.sweep)[i]``."""

    points: dict[Setting, list[list[Point]]]
    parameters: Parameters
    extent: Extent
    computed: int
    reused: int

    def machine(self, setting: Setting) -> Machine:
        return build_machine(self.parameters, setting.discipline, setting.sleep, setting.serving)


def run_study(
    folder: Path,
    settings: Sequence[Setting],
    extent: Extent,
    *,
    console: Console | None = None,
    workers: int | None = None,
) -> Results:
    """Simulate ``settings`` under seeds 0 to ``extent.seeds`` - 1, reusing what ``folder``/cells holds already."""
    parameters = load_parameters()
    cells_folder = folder / "cells"
    cells_folder.mkdir(parents=True, exist_ok=True)
    cells = [Cell(setting, seed, extent) for setting in settings for seed in range(extent.seeds)]
    paths = {cell: cells_folder / f"{cell_key(cell, parameters)}.json" for cell in cells}
    missing = [cell for cell in cells if not paths[cell].exists()]
    # The longest sweeps first, so that no core idles at the end.
    missing.sort(key=lambda cell: (cell.setting.sweep, cell.seed))
    with progress_bar(console) as progress:
        task = progress.add_task("simulating", total=len(cells), completed=len(cells) - len(missing))
        for _ in _finished(missing, parameters, paths, workers or cpu_count()):
            progress.advance(task)
    points: dict[Setting, list[list[Point]]] = {setting: [] for setting in settings}
    for cell in cells:
        stored = json.loads(paths[cell].read_text(encoding="utf-8"))
        points[cell.setting].append([Point.from_dict(raw) for raw in stored["points"]])
    return Results(points, parameters, extent, len(missing), len(cells) - len(missing))


def _finished(
    cells: Sequence[Cell], parameters: Parameters, paths: dict[Cell, Path], workers: int
) -> Iterator[Path]:
    if workers == 1 or len(cells) < 2:
        for cell in cells:
            yield _compute(cell, parameters, paths[cell])
        return
    pool_of = min(workers, len(cells))
    with ProcessPoolExecutor(pool_of, mp_context=get_context("spawn")) as pool:
        pending: set[Future[Path]] = set()
        try:
            # Ctrl-C is for this process, which cancels what has not begun; a worker finishes and keeps its cell.
            with unheard():
                pending = {pool.submit(_compute, cell, parameters, paths[cell]) for cell in cells}
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        except BaseException:
            for future in pending:
                future.cancel()
            raise
