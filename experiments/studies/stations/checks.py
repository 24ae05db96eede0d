"""Checks of the study: the project's own, for the survey gives no figures in words."""

from __future__ import annotations

from typing import Any

import pandas as pd

from experiments.report.claims.figure import ClaimFigure, Kind
from experiments.studies.stations.cells import ALWAYS_ON
from experiments.studies.verdict import check


def judge(policies: pd.DataFrame, days: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """The study's checks; ``policies``: one row each, ``days``: one row for each policy and day."""
    by = policies.set_index("policy")
    sleeping = [name for name in by.index if name != ALWAYS_ON]
    lost = int((days["offered_units"] - days["carried_units"] - days["blocked_units"]).abs().sum())
    most = max(sleeping, key=lambda name: float(by["blocked_fraction"][name]))
    least = min(sleeping, key=lambda name: float(by["reduction_fraction"][name]))
    checks = {
        "conserved": check(
            "carried and blocked traffic are what was offered, no area is uncovered, energy is conserved, in every "
            "run",
            lost == 0,
            f"{lost} units differ; a run that breaks one of them ends with an error",
            ClaimFigure(
                "units of traffic that are neither carried nor blocked", ours=float(lost), at_most=0.0
            ),
        ),
        "saves": check(
            "every policy that lets cells sleep emits less than always-on",
            float(by["reduction_fraction"][least]) > 0,
            ", ".join(f"{name}: {by['reduction_fraction'][name]:z.1%} fewer grams" for name in sleeping),
            ClaimFigure(
                f"fewer grams than always-on, {least}, which has the least",
                Kind.FRACTION,
                ours=float(by["reduction_fraction"][least]),
                at_least=0.0,
            ),
        ),
        "blocks-no-more": check(
            "no policy that lets cells sleep blocks more traffic than always-on",
            float(by["blocked_fraction"][most]) <= float(by["blocked_fraction"][ALWAYS_ON]),
            ", ".join(f"{name}: {by['blocked_fraction'][name]:.3%}" for name in by.index),
            ClaimFigure(
                f"blocked share of traffic, {most}, which blocks the most",
                Kind.FRACTION,
                ours=float(by["blocked_fraction"][most]),
                at_most=float(by["blocked_fraction"][ALWAYS_ON]),
            ),
        ),
    }
    if {"deta", "threshold"} <= set(by.index):
        deta, threshold = float(by["emissions_g"]["deta"]), float(by["emissions_g"]["threshold"])
        checks["deta-first"] = check(
            "DETA with sleep emits no more than the threshold",
            deta <= threshold,
            f"DETA {deta / 1000:.2f} kg, threshold {threshold / 1000:.2f} kg",
            ClaimFigure("DETA's grams over the threshold's", Kind.FACTOR, ours=deta / threshold, at_most=1.0),
        )
    return checks
