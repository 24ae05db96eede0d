"""Checks of the study: the project's own, no paper's claims."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pandas as pd

from experiments.report.claims.figure import ClaimFigure, Kind
from experiments.report.units import trimmed
from experiments.studies.verdict import check

AGREE_FRACTION = 1e-6
"""Most by which a figure may differ from its independent program."""
LEAST_CAPTURED = 0.9
"""Share of the possible gain over LOCAL that rolling decisions with a known day should have; set before the first
run."""
BELOW_BOUND = 1e-7
"""Of a bound's grams: rounding of solver and simulator."""
ORDER = ("no battery", "self-consumption", "alone", "free exchange")


def judge(cases: pd.DataFrame, policies: pd.DataFrame, weeks: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """The study's checks."""
    by = cases.set_index("case")
    relative = by["relative_fraction"]
    worst = float(by["difference_fraction"].max())
    planned = policies[policies["policy"] != "local"]
    known = planned[planned["knowledge"] == "known"]
    worse = int(planned["worse_weeks"].sum())
    own = weeks[weeks["policy"] != "local"]
    below = float((1.0 - own["emissions_g"] / own["bound_g"]).max())
    ordered = [float(relative[name]) for name in ORDER]
    captured = known.sort_values("captured_fraction").iloc[0]
    return {
        "independent": check(
            f"every case equals an independent program to {trimmed(AGREE_FRACTION)} of its grams",
            worst <= AGREE_FRACTION,
            "; ".join(f"{name}: {trimmed(value, 2)}" for name, value in by["difference_fraction"].items()),
            ClaimFigure("largest relative difference in grams", ours=worst, at_most=AGREE_FRACTION),
        ),
        "order": check(
            "free exchange emits no more than each alone with foresight, this no more than self-consumption, and "
            "this no more than no battery",
            all(left >= right for left, right in pairwise(ordered)),
            ", ".join(f"{name}: {relative[name]:.1%}" for name in ORDER),
            ClaimFigure(
                "grams of free exchange over those without batteries",
                Kind.FRACTION,
                ours=ordered[-1],
                at_most=ordered[-2],
            ),
        ),
        "above-bound": check(
            "no rolling decision emits less than the optimum with foresight, in any week",
            below <= BELOW_BOUND,
            f"closest: {-below:+.2e} of the optimum's grams above it",
            ClaimFigure(
                "most grams below the optimum, of the optimum's", ours=max(below, 0.0), at_most=BELOW_BOUND
            ),
        ),
        "never-worse": check(
            "DET and DETA emit no more than LOCAL in any week, with either knowledge",
            worse == 0,
            f"worse in {worse} of {int(planned['weeks'].sum())} weeks (each policy's, with each knowledge)",
            ClaimFigure("weeks in which DET or DETA emits more than LOCAL", ours=float(worse), at_most=0.0),
        ),
        "captured": check(
            f"rolling decisions that know their 24 hours have at least {LEAST_CAPTURED:.0%} of the gain over LOCAL "
            "that is possible with foresight, in the sum over the weeks",
            float(captured["captured_fraction"]) >= LEAST_CAPTURED,
            ", ".join(
                f"{row['policy'].upper()}{' with servers' if row['servers'] else ''}: {row['captured_fraction']:z.1%}"
                for row in known.to_dict("records")
            ),
            ClaimFigure(
                f"share of the possible gain, {str(captured['policy']).upper()}, which has the least",
                Kind.FRACTION,
                ours=float(captured["captured_fraction"]),
                at_least=LEAST_CAPTURED,
            ),
        ),
    }
