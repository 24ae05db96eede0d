"""Checks of the study: the project's own. Thresholds were set before the policy was judged."""

from __future__ import annotations

from typing import Any

import pandas as pd

from experiments.report.claims.figure import ClaimFigure, Kind
from experiments.studies.forecasts.shares import Share
from experiments.studies.learned.spread import OWN_SEEDS
from experiments.studies.learned.tables import difference, of_deta, over
from experiments.studies.verdict import check, emits_less

OF_DETA = 0.5
"""Share of DETA's gain that a policy without a solver is to keep."""
OF_TRAINING = 0.9
"""Of the share that it has in training worlds, what it is to keep in unseen ones."""


def judge(
    worlds: pd.DataFrame, policies: pd.DataFrame, trainings: pd.DataFrame, nodes: int, more: int
) -> dict[str, dict[str, Any]]:
    """The study's checks, on unseen worlds of ``nodes`` nodes, and of ``more`` than it was trained with;
    ``trainings``: as ``spread.trainings_of``."""
    by = {(r["part"], r["nodes"], r["policy"]): r for r in policies.to_dict("records")}
    own = by["unseen", nodes, "rl"]
    unseen, wide, trained = (
        of_deta(worlds, "rl", *part) for part in (("unseen", nodes), ("unseen", more), ("training", nodes))
    )
    kept = over(unseen, trained)

    def less(whom: str, name: str) -> dict[str, Any]:
        found = difference(worlds, "rl", name, "unseen", nodes)
        return emits_less(
            *("the policy rl", whom, found),
            of="LOCAL's grams",
            cases=f"{own['worlds']} worlds",
            where="in unseen worlds",
        )

    return {
        "better-than-local": less("LOCAL", "local"),
        "never-worse": check(
            "the policy rl emits more than LOCAL in no unseen world",
            own["worse_worlds"] == 0,
            f"in {own['worse_worlds']} of {own['worlds']}",
            ClaimFigure(
                "unseen worlds with more grams than LOCAL",
                ours=float(own["worse_worlds"]),
                at_most=0.0,
            ),
        ),
        "of-detas-gain": _at_least(
            f"the policy rl keeps at least {OF_DETA:.0%} of DETA's gain over LOCAL in unseen worlds",
            "share of DETA's gain",
            unseen,
            OF_DETA,
        ),
        "better-than-auction": less("the auction", "auction"),
        "better-than-deta": less("DETA", "deta"),
        "generalises": _at_least(
            f"the policy rl keeps in unseen worlds at least {OF_TRAINING:.0%} of the share of DETA's gain that it has "
            "in training worlds",
            "share unseen over share in training",
            kept,
            OF_TRAINING,
            f"; {unseen.text()} of DETA's gain unseen, {trained.text()} in training",
        ),
        "more-nodes": _at_least(
            f"the policy rl, trained with {nodes} nodes, keeps at least {OF_DETA:.0%} of DETA's gain with {more}",
            f"share of DETA's gain with {more} nodes",
            wide,
            OF_DETA,
        ),
        "each-training": _each(trainings[trainings["kind"].isin(OWN_SEEDS) & (trainings["nodes"] == nodes)]),
    }


def _each(trainings: pd.DataFrame) -> dict[str, Any]:
    """Met where all have an interval and none of the lower ends is less. The threshold is that of the policy that
    ships, and is older than the other trainings."""
    shares, least = trainings["of_deta_fraction"], trainings["of_deta_low"].min(skipna=False)
    return check(
        f"each training, whatever its seed, keeps at least {OF_DETA:.0%} of DETA's gain over LOCAL in unseen worlds, "
        "by the interval's lower end",
        bool(least >= OF_DETA),
        f"{100 * shares.min():z.1f} to {100 * shares.max():z.1f} % in {len(shares)} trainings",
        ClaimFigure(
            "least share of DETA's gain of a training",
            Kind.FRACTION,
            ours=float(shares.min()),
            at_least=OF_DETA,
        ),
    )


def _at_least(statement: str, what: str, found: Share, least: float, more: str = "") -> dict[str, Any]:
    """Met where the interval's lower end is no less; without an interval, where there is one world, never."""
    return check(
        f"{statement}, by the interval's lower end",
        found.low is not None and found.low >= least,
        found.text() + more,
        ClaimFigure(
            what,
            Kind.FRACTION,
            ours=found.value,
            low=found.low,
            high=found.high,
            interval="" if found.low is None else "95 % interval over worlds",
            at_least=least,
        ),
    )
