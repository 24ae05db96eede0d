"""Checks of the study: the project's own. Thresholds were set before the policy was judged."""

from __future__ import annotations

from typing import Any

import pandas as pd

from experiments.report.claims.figure import ClaimFigure, Kind
from experiments.studies.learned.tables import difference
from experiments.studies.verdict import check

OF_DETA = 0.5
"""Share of DETA's gain that a policy without a solver is to keep."""


def judge(worlds: pd.DataFrame, policies: pd.DataFrame, nodes: int, more: int) -> dict[str, dict[str, Any]]:
    """The study's checks, on unseen worlds of ``nodes`` nodes, and of ``more`` than it was trained with."""
    by = {(r["part"], r["nodes"], r["policy"]): r for r in policies.to_dict("records")}
    own, wide = by["unseen", nodes, "rl"], by["unseen", more, "rl"]
    against = {name: difference(worlds, "rl", name, "unseen", nodes) for name in ("local", "auction", "deta")}
    trained = by["training", nodes, "rl"]["of_deta_fraction"]
    return {
        "better-than-local": _less("LOCAL", against["local"], own),
        "never-worse": check(
            "rl emits more than LOCAL in no unseen world",
            own["worse_worlds"] == 0,
            f"in {own['worse_worlds']} of {own['worlds']}",
            ClaimFigure(
                "unseen worlds with more grams than LOCAL",
                ours=float(own["worse_worlds"]),
                at_most=0.0,
            ),
        ),
        "of-detas-gain": check(
            f"rl keeps at least {OF_DETA:.0%} of DETA's gain over LOCAL in unseen worlds",
            own["of_deta_fraction"] >= OF_DETA,
            f"{own['of_deta_fraction']:z.1%}",
            _fraction("share of DETA's gain", own["of_deta_fraction"], OF_DETA),
        ),
        "better-than-auction": _less("the auction", against["auction"], own),
        "better-than-deta": _less("DETA", against["deta"], own),
        "generalises": check(
            "rl keeps in unseen worlds at least nine tenths of the share of DETA's gain that it has in training worlds",
            own["of_deta_fraction"] >= 0.9 * trained,
            f"{own['of_deta_fraction']:z.1%} unseen, {trained:.1%} in training",
            _fraction("share unseen over share in training", own["of_deta_fraction"] / trained, 0.9),
        ),
        "more-nodes": check(
            f"rl, trained with {nodes} nodes, keeps at least {OF_DETA:.0%} of DETA's gain with {more}",
            wide["of_deta_fraction"] >= OF_DETA,
            f"{wide['of_deta_fraction']:z.1%}",
            _fraction("share of DETA's gain", wide["of_deta_fraction"], OF_DETA),
        ),
    }


def _less(whom: str, found: tuple[float, float, float], own: dict[Any, Any]) -> dict[str, Any]:
    mean, low, high = found
    return check(
        f"rl emits less than {whom} in unseen worlds, by the interval over worlds",
        low > 0,
        f"{mean:z.1%} of LOCAL's grams less ({low:z.1%} to {high:z.1%})",
        ClaimFigure(
            f"grams less than {whom}, share of LOCAL's",
            Kind.FRACTION,
            ours=mean,
            low=low,
            high=high,
            interval=f"95 % interval over {own['worlds']} worlds",
            at_least=0.0,
        ),
    )


def _fraction(what: str, ours: float, at_least: float) -> ClaimFigure:
    return ClaimFigure(what, Kind.FRACTION, ours=float(ours), at_least=at_least)
