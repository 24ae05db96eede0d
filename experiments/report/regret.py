"""Regret in reports: every run beside the bound of its day, which is a bound and no run."""

from __future__ import annotations

from typing import Any

import pandas as pd

from experiments.report import style, units
from experiments.report.read import Run, Study
from experiments.report.stats import Estimate, estimate
from experiments.report.tables import Column, Table

FIELDS = ("comparable_g", "bound_g", "regret_g", "regret_fraction", "gap_fraction", "undone_batches", "note")


NOTHING_FRACTION = 1e-6
"""Of LOCAL's grams: less than this is nothing to gain."""


def entry(study: Study, run: Run) -> dict[str, Any] | None:
    """What the comparison says of ``run``; None where it says nothing (a comparison of an earlier version)."""
    own = [
        one for one in study.regret.get("runs", []) if (one["policy"], one["seed"]) == (run.policy, run.seed)
    ]
    return own[0] if own else None


def mean_regret_g(study: Study, policy: str) -> Estimate | None:
    """Over the seeds of ``policy``; None where any seed has none."""
    entries = [entry(study, run) for run in study.runs[policy].values()]
    values = [None if one is None else one["regret_g"] for one in entries]
    return None if any(value is None for value in values) else estimate(values)  # type: ignore[arg-type]


def captured_gain(study: Study, run: Run) -> float | None:
    """(LOCAL - C) / (LOCAL - optimum), methods.md section 2: how much of what could be gained over LOCAL on the day
    this run gained; the optimum is the perfect-foresight bound, all three in comparable grams.

    None without LOCAL on the seed, where one of the two left work undone, or where there was nothing to gain."""
    local = study.runs.get("local", {}).get(run.seed)
    mine, theirs = entry(study, run), None if local is None else entry(study, local)
    if mine is None or theirs is None or mine["bound_g"] is None or theirs["bound_g"] is None:
        return None
    if mine["undone_batches"] or theirs["undone_batches"]:
        return None
    local_g, bound_g = float(theirs["comparable_g"]), float(mine["bound_g"])
    if local_g - bound_g <= NOTHING_FRACTION * local_g:
        return None
    return (local_g - float(mine["comparable_g"])) / (local_g - bound_g)


def mean_captured_gain(study: Study, policy: str) -> Estimate | None:
    """Over the seeds of ``policy``; None where any seed has none."""
    values = [captured_gain(study, run) for run in study.runs[policy].values()]
    return None if any(value is None for value in values) else estimate(values)  # type: ignore[arg-type]


def table(study: Study) -> Table | None:
    """One row per run; None where no bound was asked for."""
    rows = [
        {
            "policy": run.policy,
            "seed": run.seed,
            **{name: found[name] for name in FIELDS},
            "captured_gain_fraction": captured_gain(study, run),
        }
        for run in study
        if (found := entry(study, run)) is not None
    ]
    if not rows:
        return None
    frame = pd.DataFrame(rows)
    columns = (
        Column("policy", "policy", style.policy_label, is_number=False),
        Column("seed", "seed"),
        Column("comparable_g", "run, as (D0) counts", lambda g: units.grams(g, 4)),
        Column("bound_g", "bound with perfect foresight", lambda g: units.grams(g, 4)),
        Column("regret_g", "regret", units.grams),
        Column("regret_fraction", "of the bound", units.percent),
        Column("captured_gain_fraction", "gain over LOCAL captured", units.percent),
        Column("gap_fraction", "bound's own gap", units.percent),
        Column("undone_batches", "released and not run", units.count),
        Column("note", "note", is_number=False),
    )
    idle = {"undone_batches"} if not frame["undone_batches"].any() else set()
    idle |= {"captured_gain_fraction"} if frame["captured_gain_fraction"].isna().all() else set()
    idle |= {"note"} if not frame["note"].any() else set()
    return Table(
        "regret",
        "Regret: every run less the perfect-foresight bound of its day (a bound, not a run)",
        frame,
        tuple(column for column in columns if column.key not in idle),
        note=f"In it: {study.regret['in_it']}. Not in it: {study.regret['not_in_it']}. The bound knows the day's true "
        "harvest, work and intensities, may split batches and has every freedom of (D0) to (D8). Where a run left "
        "work undone, its bound is that of the work it did. Gain captured: (LOCAL - run) / (LOCAL - bound); "
        "a policy that ends the run with more energy in its batteries has no benefit from it in these grams.",
    )
