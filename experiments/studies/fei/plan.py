"""Where each row of Table I takes its rounds from: trained now, shipped, scaled from a smaller training, or absent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from experiments.studies.fei import estimate, shipped
from experiments.studies.fei.cell import TrainCell, cell_for
from experiments.studies.fei.digests import key_of
from experiments.studies.fei.spec import (
    BY_NAME,
    FULL,
    RATE_REDUCTIONS,
    REFERENCE_BATCHES,
    REFERENCE_SERVERS,
    SEEDED,
    Effort,
    Rates,
    Reduction,
)
from experiments.studies.fei.table1 import Row


@dataclass
class Plan:
    """Rows by origin. A row may be scaled besides: to calibrate scaled rows, and to check scaling."""

    trained: dict[Row, TrainCell] = field(default_factory=dict)
    """In the cache, or trained by this study."""
    shipped: dict[Row, dict[str, Any]] = field(default_factory=dict)
    scaled: dict[Row, TrainCell] = field(default_factory=dict)
    shipped_scaled: dict[Row, dict[str, Any]] = field(default_factory=dict)
    """Trained smaller, before: too long for a quick study even so."""
    absent: dict[Row, TrainCell] = field(default_factory=dict)
    """Missing rows, with the training that ``--full`` would do."""
    again: dict[tuple[Row, int], TrainCell] = field(default_factory=dict)
    """Rows of the reference readings from other seeds (1 and up), in the cache or trained by this study."""
    shipped_again: dict[tuple[Row, int], dict[str, Any]] = field(default_factory=dict)
    rates: dict[tuple[Row, float], TrainCell] = field(default_factory=dict)
    """Rows of the reference readings at other learning rates, in the cache or trained by this study."""
    shipped_rates: dict[tuple[Row, float], dict[str, Any]] = field(default_factory=dict)
    left: dict[Row, TrainCell] = field(default_factory=dict)
    """Missing rows that ``--train`` would train smaller."""

    def absent_cpu_s(self) -> float:
        """What the missing trainings are expected to cost on one core; rows that share one count it once."""
        return sum(estimate.cpu_s(cell) for cell in {key_of(c): c for c in self.absent.values()}.values())


def rows_of(trainings: dict[Any, Reduction]) -> list[Row]:
    """Rows of Table I that these reductions cover."""
    return [
        Row(name, batches, reading, servers)
        for (name, batches), reduction in trainings.items()
        for reading in reduction.readings
        for servers in reduction.servers
    ]


def cells(
    trainings: dict[Any, Reduction], sizes: dict[str, tuple[str, int]], recycled: Iterable[Row] = ()
) -> dict[Row, TrainCell]:
    """The training behind each row; rows may share one. ``sizes``: data and number of examples by model."""
    wanted = {(row.model, row.batches, row.edges, row.servers) for row in recycled}
    found = {}
    for row in rows_of(trainings):
        if row.model not in sizes:
            continue
        name, num_train = sizes[row.model]
        found[row] = cell_for(
            BY_NAME[row.model],
            name,
            num_train,
            row.batches,
            row.servers,
            row.edges,
            trainings[row.model, row.batches],
            recycle=(row.model, row.batches, row.edges, row.servers) in wanted,
        )
    return found


def make_plan(
    effort: Effort,
    sizes: dict[str, tuple[str, int]],
    cache: Path,
    *,
    recycled: tuple[Row, ...],
    only: tuple[Row, ...] | None = None,
) -> Plan:
    """Decide for every row. ``recycled``: rows that need the transfer; ``only``: the rows a study needs."""
    plan = Plan(trained=cells(effort.trainings, sizes, recycled))
    for row, cell in cells(effort.scaled, sizes, recycled).items():
        live = effort.scaled[row.model, row.batches].is_live(row.servers)
        if live or not effort.uses_shipped or _kept(cell, cache):
            plan.scaled[row] = cell
        elif (known := shipped.usable(cell)) is not None:
            plan.shipped_scaled[row] = known
        else:
            plan.left[row] = cell
    if only is not None:
        plan.trained = {row: cell for row, cell in plan.trained.items() if row in only}
        plan.scaled = {row: cell for row, cell in plan.scaled.items() if row in only}
        plan.shipped_scaled = {row: known for row, known in plan.shipped_scaled.items() if row in only}
        _add_seeds(plan, effort, sizes, cache, recycled, only)
        return plan
    for row, cell in cells(FULL.trainings, sizes, recycled).items():
        if row in plan.trained:
            continue
        if _kept(cell, cache):
            plan.trained[row] = cell
        elif effort.uses_shipped and (known := shipped.usable(cell)) is not None:
            plan.shipped[row] = known
        elif row not in plan.scaled and row not in plan.shipped_scaled:
            plan.absent[row] = cell
    _add_seeds(plan, effort, sizes, cache, recycled, None)
    for key, cell in other_rates(effort.rates, sizes).items():
        if not effort.uses_shipped or _kept(cell, cache):
            plan.rates[key] = cell
        elif (known := shipped.usable(cell)) is not None:
            plan.shipped_rates[key] = known
    return plan


def _add_seeds(
    plan: Plan,
    effort: Effort,
    sizes: dict[str, tuple[str, int]],
    cache: Path,
    recycled: tuple[Row, ...],
    only: tuple[Row, ...] | None,
) -> None:
    for (row, seed), cell in other_seeds(effort.train_seeds, sizes, recycled).items():
        if only is not None and row not in only:
            continue
        if not effort.uses_shipped or _kept(cell, cache):
            plan.again[row, seed] = cell
        elif (known := shipped.usable(cell)) is not None:
            plan.shipped_again[row, seed] = known


def other_seeds(
    count: int, sizes: dict[str, tuple[str, int]], recycled: Iterable[Row] = ()
) -> dict[tuple[Row, int], TrainCell]:
    """Seeds 1 to ``count`` - 1 of the rows that are trained from several, in the reference readings."""
    chosen = {key: FULL.trainings[key] for key in ((name, REFERENCE_BATCHES) for name in SEEDED)}
    return {
        (row, seed): replace(cell, seed=seed)
        for row, cell in cells(chosen, sizes, recycled).items()
        if row.reading is REFERENCE_SERVERS
        for seed in range(1, count)
    }


def other_rates(rates: Rates, sizes: dict[str, tuple[str, int]]) -> dict[tuple[Row, float], TrainCell]:
    """Reference rows at other learning rates (``Effort.rates``), of the size of ``RATE_REDUCTIONS``."""
    found = {}
    for name, factors in rates.items():
        rows = cells({(name, REFERENCE_BATCHES): RATE_REDUCTIONS[name]}, sizes)
        for row, cell in rows.items():
            if row.reading is REFERENCE_SERVERS:
                for factor, servers in factors.items():
                    rate = factor * cell.learning_rate
                    if row.servers in servers:
                        found[row, rate] = replace(cell, learning_rate=rate)
    return found


def _kept(cell: TrainCell, cache: Path) -> bool:
    return (cache / f"{key_of(cell)}.json").exists()


def why_absent(plan: Plan) -> dict[Row, str]:
    """Why rows are missing at this effort, and what they would cost."""
    return {
        row: left_to_full(cell)
        + (
            f"; or to --train, smaller: about {hours(estimate.cpu_s(plan.left[row]))}"
            if row in plan.left
            else ""
        )
        for row, cell in plan.absent.items()
    }


def left_to_full(cell: TrainCell) -> str:
    """What the row's training at the paper's size would cost."""
    rounds = estimate.rounds(cell)
    return (
        f"left to --full: about {hours(estimate.cpu_s(cell))} on one core, if it takes {rounds.count:.0f} rounds "
        f"({'as measured before' if rounds.source == 'shipped' else 'a guess'})"
    )


def hours(seconds: float) -> str:
    """A duration as people say it."""
    if seconds < 90.0:
        return f"{seconds:.0f} s"
    if seconds < 5400.0:
        return f"{seconds / 60.0:.0f} min"
    return f"{seconds / 3600.0:.1f} h"
