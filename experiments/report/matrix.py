"""Every policy of a comparison against every other: paired differences, a rank test, and what the seeds can show."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from itertools import combinations, permutations
from typing import Any

import pandas as pd

from experiments.report import style, units
from experiments.report.baselines import there
from experiments.report.boundary import Boundary
from experiments.report.measures import emissions_by_seed
from experiments.report.paired import (
    FEWEST_PAIRS,
    POWER,
    SIGNIFICANCE,
    holm,
    pairs_needed,
    signed_rank_p,
    visible_difference,
)
from experiments.report.read import Study
from experiments.report.stats import Estimate, paired_reduction
from experiments.report.tables import Column, Table

ONE_PERCENT = 0.01
SIGNIFICANT = "*"


@dataclass(frozen=True, slots=True)
class Pair:
    """How much less ``policy`` emits than ``against``, seed by seed."""

    policy: str
    against: str
    seeds: int
    reduction_fraction: float
    low_fraction: float | None
    """With ``high_fraction`` Student's t over the seeds, 95 %; None with one seed."""
    high_fraction: float | None
    p: float | None
    """Of the signed ranks of ln(C_policy / C_against), two-sided; None where they are all equal."""
    p_corrected: float | None
    """By Holm over all pairs of policies."""
    visible_fraction: float | None
    """Smallest reduction that these seeds show with 80 % power; None with one seed."""
    seeds_for_one_percent: int | None

    @property
    def is_significant(self) -> bool:
        return self.p_corrected is not None and self.p_corrected < SIGNIFICANCE


def pairs(study: Study, boundary: Boundary = Boundary.TESTBED) -> list[Pair]:
    """Both directions of every two policies that share seeds, the baseline GRID as computed from LOCAL included."""
    names = list(dict.fromkeys([*there(study), *study.policies]))
    grams = {name: emissions_by_seed(study, name, boundary) for name in names}
    couples = [
        couple for couple in combinations(names, 2) if paired_reduction(grams[couple[0]], grams[couple[1]])
    ]
    tested = [signed_rank_p(_log_ratios(grams[one], grams[other])) for one, other in couples]
    corrected = dict(zip(couples, zip(tested, holm(tested), strict=True), strict=True))
    found = []
    for policy, against in permutations(names, 2):
        value = paired_reduction(grams[policy], grams[against])
        p = corrected.get((policy, against)) or corrected.get((against, policy))
        if value is not None and p is not None:
            found.append(_pair(policy, against, value, *p))
    return found


def _log_ratios(one: dict[int, float], other: dict[int, float]) -> list[float]:
    """The same but for the sign, whichever comes first."""
    return [
        math.log(one[seed] / other[seed])
        for seed in sorted(one.keys() & other.keys())
        if one[seed] > 0 and other[seed] > 0
    ]


def _pair(policy: str, against: str, value: Estimate, p: float | None, corrected: float | None) -> Pair:
    return Pair(
        policy,
        against,
        value.n,
        value.mean,
        value.low,
        value.high,
        p,
        corrected,
        visible_difference(value.sd, value.n),
        pairs_needed(ONE_PERCENT, value.sd),
    )


def pairs_json(study: Study) -> dict[str, list[dict[str, Any]]]:
    """Pairs by boundary."""
    return {boundary.value: [asdict(pair) for pair in pairs(study, boundary)] for boundary in Boundary}


def power_text(found: list[Pair]) -> str:
    """What the seeds can show, in a sentence; empty with one seed."""
    known = [pair for pair in found if pair.visible_fraction is not None]
    if not known:
        return ""
    hardest = max(known, key=lambda pair: pair.visible_fraction or 0.0)
    text = (
        f"With these {hardest.seeds} seeds a difference of {units.percent(hardest.visible_fraction, 2)} is visible "
        f"between any two policies ({POWER:.0%} power, two-sided {SIGNIFICANCE:.0%}, the pair that scatters most: "
        f"{style.policy_label(hardest.policy)} against {style.policy_label(hardest.against)})"
    )
    needed = hardest.seeds_for_one_percent
    return text + (
        "." if needed is None or needed <= hardest.seeds else f"; a difference of 1 % takes {needed} seeds."
    )


def table(study: Study) -> Table | None:
    """The matrix as shown; the CSV has a row for each pair and boundary. None for a run alone or a single policy."""
    if not study.is_comparison:
        return None
    by_boundary = {boundary: pairs(study, boundary) for boundary in Boundary}
    found = by_boundary[Boundary.TESTBED]
    if not found:
        return None
    names = list(dict.fromkeys(pair.policy for pair in found))
    cells = {(pair.policy, pair.against): _cell(pair) for pair in found}
    shown = pd.DataFrame(
        [{"policy": one} | {other: cells.get((one, other), "") for other in names} for one in names]
    )
    frame = pd.DataFrame(
        [{"counts": boundary.value} | asdict(pair) for boundary, some in by_boundary.items() for pair in some]
    )
    return Table(
        "pairs",
        "Every policy against every other, whole testbed",
        frame,
        (
            Column("policy", "emits less than", style.policy_label, is_number=False),
            *(Column(name, style.policy_label(name)) for name in names),
        ),
        note=_note(found),
        shown=shown,
    )


def _cell(pair: Pair) -> str:
    if pair.low_fraction is None or pair.high_fraction is None:
        return units.percent(pair.reduction_fraction)
    text = units.reduction_text(pair.reduction_fraction, pair.low_fraction, pair.high_fraction)
    return text + (f" {SIGNIFICANT}" if pair.is_significant else "")


def _note(found: list[Pair]) -> str:
    seeds = min(pair.seeds for pair in found)
    text = "Mean over paired seeds of 1 - C / C of the column's policy. "
    if seeds == 1:
        return text + "One seed: no interval and no test."
    text += "In brackets Student's t over the seeds, 95 %, for each pair alone. "
    if seeds < FEWEST_PAIRS:
        text += (
            f"{SIGNIFICANT} cannot appear: a signed-rank test of {seeds} seeds is at least {2 / 2**seeds:.3g}, and "
            f"takes {FEWEST_PAIRS} to be below {SIGNIFICANCE:g}. "
        )
    else:
        text += f"{SIGNIFICANT}: Wilcoxon's signed ranks, corrected by Holm for all pairs, below {SIGNIFICANCE:g}. "
    return text + power_text(found)
