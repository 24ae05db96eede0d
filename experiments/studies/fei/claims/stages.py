"""Claims on Fig. 4: stages that grow with servers, and shares that move with the target accuracy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from experiments.report.claims.figure import ClaimFigure, Kind
from experiments.report.units import percent
from experiments.studies.fei import energy
from experiments.studies.fei.claims.judgement import (
    EXACT,
    GROWS_RANK,
    LEAST_ROWS,
    PLACED,
    About,
    Asked,
    Judgement,
    Measured,
    Verdict,
    grows,
    judge,
    too_few,
)
from experiments.studies.fei.fig4 import STAGES
from experiments.studies.fei.table1 import counted

_WHY_RECYCLING = (
    "the paper leaves recycling out. Measured here, the transfer takes more rounds for a higher target as training "
    "does, so development's share need not rise; without that stage the claim above decides"
)
_WHY_SHIFT = (
    "by construction it cannot fall: rounds never fall with the target, and the other stages do not depend on it; "
    "measured is only that it rises in every row"
)
_WHY_STAGE = {
    ("preparation", "sorted"): (
        "the placement: the same data are received and prepared whatever the number of servers, so the joules are "
        "constant and only the intensity of the added zones grows"
    ),
    ("preparation", "random"): (
        "this model: the same data are received and prepared whatever the number of servers, so neither the joules nor "
        "the expected grams can grow"
    ),
    ("application", "sorted"): (
        f"by construction: every server answers {energy.REQUESTS_PER_SERVER:,} requests, so the work grows with their "
        "number; the paper reports no load"
    ),
    ("application", "random"): (
        f"by construction: every server answers {energy.REQUESTS_PER_SERVER:,} requests, so the work grows with their "
        "number; the paper reports no load"
    ),
}
"""By stage and placement, what could not come out otherwise; development and recycling are measured."""


def stage_claims(shares: pd.DataFrame, seeds: pd.DataFrame) -> dict[str, Judgement]:
    """Claims on Fig. 4. ``shares``: experiments.studies.fei.fig4.shares; ``seeds``: by training seed, or empty."""
    parts = {0: shares} if seeds.empty else {int(str(seed)): part for seed, part in seeds.groupby("seed")}
    found: dict[str, Judgement] = {}
    for stage in STAGES:
        for placed, column in (("sorted", "sorted_g"), ("random", "random_mean_g")):
            judged = judge(
                Asked(
                    f"{stage.capitalize()}, zones {PLACED[placed]}: emissions grow with the number of servers.",
                    "emissions grow with the number of servers in all three stages"
                    if stage != "recycling"
                    else "not measured: its figure has three stages",
                    f"{placed} placement: last above first and rank correlation ≥ {GROWS_RANK}, at the highest target",
                    ClaimFigure(
                        f"grams of {stage}, last row over first, at the highest target accuracy",
                        Kind.FACTOR,
                        at_least=1.0,
                    ),
                ),
                lambda part, stage=stage, column=column: _stage_grows(part, stage, column),  # type: ignore[misc]
                parts,
                dict.fromkeys((Verdict.MET, Verdict.NOT_MET), _WHY_STAGE.get((stage, placed), "")),
            )
            about = About.ADDED if stage == "recycling" else About.CLAIM
            found[f"stage-grows-{placed}-{stage}"] = replace(judged, about=about)
    # The paper's figure has three stages; with recycling measured to the same target, that one grows as well.
    said = "the higher the required accuracy, the larger the portion of development"
    for name, sentence, stages, why, about in (
        (
            "higher-target-shifts-share-to-development",
            "The higher the target accuracy, the larger development's share of the emissions.",
            STAGES[:3],
            {Verdict.MET: _WHY_SHIFT},
            About.CLAIM,
        ),
        (
            "higher-target-shifts-share-with-recycling",
            "The same with recycling counted: the higher the target, the larger development's share.",
            STAGES,
            dict.fromkeys((Verdict.NOT_MET, Verdict.NOT_DECIDABLE), _WHY_RECYCLING),
            About.ADDED,
        ),
    ):
        judged = judge(
            Asked(
                sentence,
                said,
                f"share of development in {', '.join(stages)}: never falls from one target to the next, and rises over "
                "all, in every row",
                ClaimFigure(
                    "change of development's share from the lowest to the highest target, mean of the rows, in points",
                    Kind.FRACTION,
                    at_least=0.0,
                ),
            ),
            lambda part, stages=stages: _target_shift(part, stages),  # type: ignore[misc]
            parts,
            why,
        )
        found[name] = replace(judged, about=about)
    return found


def _stage_grows(shares: pd.DataFrame, stage: str, column: str) -> Measured | str:
    top = shares["target_fraction"].max() if len(shares) else float("nan")
    part = shares[(shares["stage"] == stage) & (shares["target_fraction"] == top)]
    part = part[part[column].notna()].sort_values("servers")
    if len(part) < LEAST_ROWS:
        return too_few(part)
    growth = float(part[column].iloc[-1] / part[column].iloc[0])
    return Measured(grows(part[column]), {"grams × {}, first to last row": growth}, growth)


def _target_shift(shares: pd.DataFrame, stages: tuple[str, ...]) -> Measured | str:
    part = shares[shares["stage"].isin(stages)]
    grams = part.pivot(index=["servers", "target_fraction"], columns="stage", values="sorted_g").dropna()
    share = grams["development"] / grams.sum(axis=1) if len(grams) else pd.Series(dtype=float)
    wide = share.unstack("target_fraction").dropna() if len(grams) else pd.DataFrame()
    if len(wide) < LEAST_ROWS:
        return f"{counted(len(wide), 'row')} with these stages at all targets; {LEAST_ROWS} are needed"
    values = wide.to_numpy()
    steps = np.diff(values, axis=1)
    low, high = (float(str(wide.columns[k])) for k in (0, -1))
    figures = {
        f"share in %, mean of the rows, at {percent(low)}: {{}}": 100 * float(values[:, 0].mean()),
        f"at {percent(high)}: {{}}": 100 * float(values[:, -1].mean()),
        "rows in which it falls somewhere: {}": float((steps < -EXACT).any(axis=1).sum()),
        "rows in which it rises over all: {}": float((values[:, -1] > values[:, 0] + EXACT).sum()),
    }
    holds = bool((steps >= -EXACT).all() and (values[:, -1] > values[:, 0] + EXACT).all())
    return Measured(holds, figures, float((values[:, -1] - values[:, 0]).mean()))
