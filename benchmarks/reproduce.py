"""Cost of a cell of the reproduction, and cells per second of the sweep engine.

Claim:   the surface of DETA's reduction is swept at two cells a second or more on two processes, and a finished
         study is read back from the cache at a thousand cells a second or more.
Cost:    --quick about twenty seconds on two idle cores, otherwise about a minute.
Command: python -m benchmarks.reproduce [--quick] [--json]

A cell of the surface is one setting on one seed's day: DETA's and LOCAL-LP's optimum over 24 slots and ten nodes. A
cell of Fig. 5 is five policies rolled over such a day. A cell of training is one federated round of the MLP on the
packaged digits. Engine and cells run as in ``detabed reproduce``; CPU seconds are those of the cells themselves.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks._command import against, measuring, parser, show
from experiments.studies.fei.cell import TrainCell
from experiments.studies.fei.engine import content_key, run_jobs
from experiments.studies.fei.market import Fig5Cell, Setting, SurfaceCell, Work
from experiments.studies.fei.training import Training

SERVERS = 10
WORKERS = 2
WORK = Work(
    seconds_per_batch=0.57, joules_per_batch=1.7, bytes_per_batch=40_000.0, batches_per_training=960.0
)
GOALS = {"surface_cells_per_s": 2.0, "cached_cells_per_s": 1000.0}


@dataclass(frozen=True, slots=True)
class Nothing:
    """A cell without work: what is left is the engine."""

    number: int
    weight: float = 1.0

    def key(self) -> str:
        return content_key("nothing", self.number)

    def compute(self, scratch: Path) -> dict[str, Any]:
        return {"number": self.number}


def run(quick: bool) -> dict[str, Any]:
    """Measure; wall-clock speeds of the engine, CPU seconds of the cells."""
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        settings = tuple(
            Setting(20.0, loss, cap, deadline)
            for loss in (0.0, 0.1, 0.3)
            for cap in (0.25, 0.5, 1.0)
            for deadline in ((0,) if quick else (0, 6))
        )
        surface = [SurfaceCell(SERVERS, seed, WORK, settings) for seed in range(4 if quick else 10)]
        began = time.perf_counter()
        results, _ = run_jobs(surface, cache, what="surface", workers=WORKERS)
        wall = time.perf_counter() - began
        points = sum(len(result["points"]) for result in results)
        figures["surface_cells"] = points
        figures["surface_cells_per_s"] = points / wall
        figures["surface_cell_cpu_s"] = sum(r["cost"]["cpu_s"] for r in results) / points

        days = [Fig5Cell(SERVERS, seed, WORK, Setting()) for seed in range(2 if quick else 6)]
        results, _ = run_jobs(days, cache, what="days", workers=1)
        figures["fig5_cell_cpu_s"] = sum(r["cost"]["cpu_s"] for r in results[1:]) / (len(days) - 1)

        cell = TrainCell(
            "mnist-mlp", "digits", "iid", 4, 4, 20, 15, 1, 0.1, 1.0, 10, 200, recycle=False
        )  # a target of 1.0 is out of reach: all rounds are run
        results, _ = run_jobs([Training(cell)], cache, what="training", workers=1)
        rounds = len(results[0]["development"])
        examples = rounds * cell.edges * cell.batch_size * cell.batches_per_round
        figures["training_round_cpu_s"] = results[0]["cost"]["cpu_s"] / rounds
        figures["training_examples_per_cpu_s"] = examples / results[0]["cost"]["cpu_s"]

        empty = [Nothing(number) for number in range(200 if quick else 2000)]
        began = time.perf_counter()
        run_jobs(empty, cache, what="empty", workers=1)
        figures["empty_cells_per_s"] = len(empty) / (time.perf_counter() - began)
        began = time.perf_counter()
        run_jobs(empty, cache, what="cached", workers=1)
        figures["cached_cells_per_s"] = len(empty) / (time.perf_counter() - began)
    return {"figures": figures, "goals": against(GOALS, figures, ">=")}


def main() -> None:
    arguments = parser(__doc__, "fewer cells: about twenty seconds").parse_args()
    show(measuring(lambda _say: run(arguments.quick)), arguments.json)


if __name__ == "__main__":
    main()
