"""What the study computes: trainings of rows, from other seeds and at other rates, and the days of the market."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from experiments.studies.fei import (
    fig5,
    market,
    shipped,
    table1,
)
from experiments.studies.fei.digests import key_of
from experiments.studies.fei.engine import Job, run_jobs
from experiments.studies.fei.market import Fig5Cell, SurfaceCell
from experiments.studies.fei.plan import Plan
from experiments.studies.fei.spec import (
    BY_NAME,
    RATE_REDUCTIONS,
    Effort,
)
from experiments.studies.fei.table1 import Outcome, Row
from experiments.studies.fei.training import Training

ByRate = dict[tuple[str, float], dict[Row, Outcome]]
"""Outcomes by model and learning rate."""


@dataclass(frozen=True)
class Bench:
    """Where a study computes and keeps what it computed."""

    cache: Path
    """Folder of finished trainings and days."""
    output: Path
    """Folder of the report, its figures, tables and cases."""
    console: Console | None
    """Where progress goes; None for silence."""
    workers: int
    """Processes; 1 computes in this one."""

    def run(self, jobs: Sequence[Job], what: str) -> list[dict[str, Any]]:
        """Results of ``jobs`` in their order."""
        return run_jobs(jobs, self.cache, what=what, console=self.console, workers=self.workers)[0]


def trained(plan: Plan, effort: Effort, bench: Bench) -> tuple[dict[Row, Outcome], dict[Row, Outcome], float]:
    """Outcomes of the paper's size, scaled ones, and CPU seconds of all trainings of this machine behind them."""
    rows, every = [*plan.trained, *plan.scaled], [*plan.trained.values(), *plan.scaled.values()]
    jobs = [Training(cell) for cell in every]
    results = bench.run(jobs, "training")
    whole, scaled = {}, {}
    cpu, counted = 0.0, set()
    for place, (row, cell, result) in enumerate(zip(rows, every, results, strict=True)):
        if (key := key_of(cell)) not in counted:
            counted.add(key)
            cpu += result["cost"]["cpu_s"]
        reduction = effort.trainings.get((row.model, row.batches))
        if place >= len(plan.trained):
            reduction = effort.scaled[row.model, row.batches]
        if reduction is not None and reduction.is_scaled:
            basis = table1.scaled_basis(reduction, result["cell"])
            scaled[row] = table1.outcome(row, result, basis)
            _case(bench.output, row, result, "-scaled")
        else:
            whole[row] = table1.outcome(row, result, "measured")
            _case(bench.output, row, result, "")
    for row, result in plan.shipped.items():
        whole[row] = table1.outcome(row, result, f"shipped: {shipped.origin(result)}")
        _case(bench.output, row, result, "-shipped")
    for row, result in plan.shipped_scaled.items():
        reduction = effort.scaled[row.model, row.batches]
        what = table1.reduced(reduction, result["cell"])
        scaled[row] = table1.outcome(row, result, f"shipped, scaled: {what}; {shipped.origin(result)}")
        _case(bench.output, row, result, "-shipped-scaled")
    return table1.calibrated(whole), table1.calibrated(scaled), cpu


def trained_again(
    plan: Plan, first: dict[Row, Outcome], bench: Bench
) -> tuple[dict[int, dict[Row, Outcome]], float]:
    """Outcomes of the rows that are trained from several seeds, by seed, each calibrated on its own; CPU seconds.

    Seed 0 is the study's own. Rows may be missing from a seed (table1.covering).
    """
    results = bench.run([Training(cell) for cell in plan.again.values()], "other seeds")
    found = {key: (result, "measured", "") for key, result in zip(plan.again, results, strict=True)} | {
        key: (result, f"shipped: {shipped.origin(result)}", "-shipped")
        for key, result in plan.shipped_again.items()
    }
    rows = {row for row, _ in found}
    seeded = {0: {row: seen for row, seen in first.items() if row in rows}}
    for (row, seed), (result, basis, suffix) in found.items():
        seeded.setdefault(seed, {})[row] = table1.outcome(row, result, basis)
        _case(bench.output, row, result, f"-seed{seed}{suffix}")
    whole = {seed: table1.calibrated(seen) for seed, seen in seeded.items()}
    return whole, float(sum(result["cost"]["cpu_s"] for result in results))


def trained_at_rates(
    plan: Plan, effort: Effort, bench: Bench
) -> tuple[dict[tuple[str, float], dict[Row, Outcome]], float]:
    """Outcomes of rows at other learning rates, by model and rate, and CPU seconds."""
    results = bench.run([Training(cell) for cell in plan.rates.values()], "other rates")
    found = {key: (result, "") for key, result in zip(plan.rates, results, strict=True)} | {
        key: (result, shipped.origin(result)) for key, result in plan.shipped_rates.items()
    }
    by_rate: ByRate = {}
    for name, factors in effort.rates.items():
        by_rate |= {(name, factor * BY_NAME[name].learning_rate): {} for factor in factors}
    for (row, rate), (result, origin) in found.items():
        words = ["shipped"] if origin else []
        if (reduction := RATE_REDUCTIONS[row.model]).is_scaled:
            scaled = table1.reduced(reduction, result["cell"])
            words, origin = [*words, "scaled"], "; ".join(filter(None, (scaled, origin)))
        basis = ": ".join(filter(None, (", ".join(words) or "measured", origin)))
        by_rate[row.model, rate][row] = table1.outcome(row, result, basis)
        _case(bench.output, row, result, f"-rate{rate:g}")
    return by_rate, float(sum(result["cost"]["cpu_s"] for result in results))


def _case(output: Path, row: Row, result: dict[str, Any], suffix: str) -> None:
    """A folder for one training: what it was, and its rounds."""
    letter = "e50" if row.batches is table1.BatchReading.AS_PRINTED else "b50"
    folder = output / "cases" / f"{row.model.lower()}-{letter}-servers{row.servers}-edges{row.edges}{suffix}"
    folder.mkdir(parents=True, exist_ok=True)
    histories = ("development", "recycling")
    about = {key: value for key, value in result.items() if key not in histories}
    (folder / "case.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
    rounds = [
        {"stage": stage, "round": k + 1, **seen}
        for stage in histories
        for k, seen in enumerate(result[stage])
    ]
    pd.DataFrame(rounds).to_csv(folder / "rounds.csv", index=False)


def market_days(
    outcomes: dict[Row, Outcome], effort: Effort, bench: Bench
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, float]:
    days: list[Fig5Cell] = fig5.cells(outcomes, effort)
    seen = bench.run(days, "Fig. 5")
    surface = fig5.surface_cells(outcomes, effort)
    points = bench.run(surface, "surface")
    cpu = sum(result["cost"]["cpu_s"] for result in (*seen, *points))
    for day, result in zip(days, seen, strict=True):
        _day(bench.output, f"fig5-servers{day.servers}-seed{day.seed}", day, result, result["grams"].items())
    for cell, result in zip(surface, points, strict=True):
        first = cell.settings[0]
        nodes = "sleep" if first.sleep else f"slack{first.deadline_slots}"
        name = f"surface-panel{first.panel_w:g}-{nodes}-seed{cell.seed}"
        _day(bench.output, name, cell, result, result["points"])
    every = fig5.surface(points)
    return fig5.lines(days, seen), fig5.means(every), every, cpu


def _day(
    output: Path, name: str, cell: Fig5Cell | SurfaceCell, result: dict[str, Any], rows: Iterable[Any]
) -> None:
    """A folder for one day of Fig. 5 or of the surface: its setting, and grams by policy or by point."""
    folder = output / "cases" / name
    folder.mkdir(parents=True, exist_ok=True)
    about = {"cell": asdict(cell), "day": market.day_of_year(cell.seed) + 1, "cost": result["cost"]}
    if isinstance(cell, Fig5Cell):
        about |= {key: result[key] for key in ("harvest_to_demand", "trainings")}
        table = pd.DataFrame(list(rows), columns=["policy", "day_g"])
    else:
        table = pd.DataFrame(list(rows))
    (folder / "case.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
    table.to_csv(folder / "grams.csv", index=False, lineterminator="\n")
