"""How far a comparison's reductions may be off: Monte-Carlo with paired draws, seeds apart and together."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from carbon_data.types import Provenance
from carbon_data.uncertainty import (
    ErrorModel,
    GramLines,
    Spread,
    monte_carlo_totals,
    paired_reduction,
    spread,
)
from experiments.lifecycle.columns import BETWEEN_ZONES
from experiments.lifecycle.factors import Factors
from experiments.report.baselines import BASELINES
from experiments.report.provenance import known_of_reduction
from experiments.report.read import Run, Study

DRAWS = 10_000


def gram_lines(run: Run) -> GramLines:
    """Emissions of ``run`` by the meter and the zone they came from, summed: (L,) lines.

    Modelled lines share one gain, since they share a board's figures; the network has its own; a measured line has
    the gain of its node's meter. Grams of a line between two zones count half in each, as its intensity does.
    """
    lines = run.tables["lines"]
    grams = lines["operational_g"].to_numpy(dtype=np.float64)
    known = np.isfinite(grams)
    measured = lines["provenance"] == Provenance.MEASURED.value
    meter = pd.Series("boards' model", index=lines.index)
    meter = meter.where(lines["component"] != "network", "network's model")
    meter = meter.where(~measured, lines["node_id"])
    frame = pd.DataFrame(
        {"meter": meter, "zone": lines["zone"].str.split(BETWEEN_ZONES, regex=False), "g": grams}
    )[known]
    frame["g"] /= frame["zone"].str.len()
    sums = frame.explode("zone").groupby(["meter", "zone"])["g"].sum()
    sums = sums[sums > 0]
    return GramLines(
        sums.to_numpy(dtype=np.float64),
        tuple(str(key[0]) for key in sums.index),
        tuple(str(key[1]) for key in sums.index),
    )


def error_model(runs: list[Run], factors: Factors) -> ErrorModel:
    """Errors of the readings in ``runs``: the modelled gain as soon as any line is modelled, the larger of the two."""
    provenance = {str(value) for run in runs for value in run.tables["lines"]["provenance"].unique()}
    kind = "measured-gain" if provenance == {Provenance.MEASURED.value} else "modelled-gain"
    return ErrorModel(
        gain_std_fraction=factors.need("uncertainty", kind, "fraction"),
        intensity_std_fraction=factors.need("uncertainty", "intensity", "fraction"),
    )


def total_spread(run: Run, factors: Factors, *, draws: int = DRAWS) -> Spread | None:
    """Spread of the run's grams from the errors of readings; None when the run emitted nothing."""
    lines = gram_lines(run)
    if lines.grams.size == 0:
        return None
    return spread(monte_carlo_totals([lines], error_model([run], factors), draws=draws)[0])


def reductions(study: Study, factors: Factors, *, draws: int = DRAWS, seed: int = 0) -> list[dict[str, Any]]:
    """Every policy against GRID and LOCAL, over the seeds both have.

    ``readings``: paired draws, the same meters and zones in both runs and all seeds; ``seeds``: Student's t over
    paired seeds (two or more); ``together``: in each draw the seeds are drawn anew with replacement, so that it
    holds both.
    """
    rows = []
    for baseline in (name for name in BASELINES if name in study.runs):
        for policy in study.policies:
            if policy != baseline and (row := _reduction(study, policy, baseline, factors, draws, seed)):
                rows.append(row)
    return rows


def _reduction(
    study: Study, policy: str, baseline: str, factors: Factors, draws: int, seed: int
) -> dict[str, Any] | None:
    before, after = study.runs[baseline], study.runs[policy]
    lines = {
        number: (gram_lines(before[number]), gram_lines(after[number]))
        for number in sorted(before.keys() & after.keys())
    }
    pairs = [pair for pair in lines.values() if pair[0].grams.size]
    if not pairs:
        return None
    used = [run for number in lines for run in (before[number], after[number])]
    error = error_model(used, factors)
    totals = monte_carlo_totals([run for pair in pairs for run in pair], error, draws=draws, seed=seed)
    by_seed = 1.0 - totals[1::2] / totals[0::2]
    row: dict[str, Any] = {
        "policy": policy,
        "baseline": baseline,
        "seeds": len(pairs),
        "reading": known_of_reduction(study, policy, baseline).as_dict(),
        "draws": draws,
        "errors": asdict(error),
        "reduction": float(np.mean([1.0 - b.grams.sum() / a.grams.sum() for a, b in pairs])),
        "readings": asdict(spread(by_seed.mean(axis=0))),
        "seeds_interval": None,
        "together": None,
    }
    if len(pairs) > 1:
        row["seeds_interval"] = asdict(
            paired_reduction([a.grams.sum() for a, _ in pairs], [b.grams.sum() for _, b in pairs])
        )
        chosen = np.random.default_rng([seed, 1]).integers(len(pairs), size=by_seed.shape)
        row["together"] = asdict(spread(np.take_along_axis(by_seed, chosen, axis=0).mean(axis=0)))
    return row
