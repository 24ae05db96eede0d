"""Checks of the study: the project's own, for the survey gives no figures in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from experiments.report.claims.figure import ClaimFigure, Kind
from experiments.studies.stations.cells import ALWAYS_ON
from experiments.studies.verdict import check


def judge(policies: pd.DataFrame, days: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """The study's checks; ``policies``: one row each, ``days``: one row for each policy and day."""
    by = policies.set_index("policy")
    others = [name for name in by.index if name != ALWAYS_ON]
    sleeping = [name for name in others if float(by["asleep_fraction"][name]) > 0]
    lost = int((days["offered_units"] - days["carried_units"] - days["blocked_units"]).abs().sum())
    most = max(others, key=lambda name: float(by["blocked_fraction"][name]))
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
            "no policy blocks more traffic than always-on",
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
    grams = {str(name): float(by["emissions_g"][name]) for name in by.index}
    for key, name, than in (
        ("deta-first", "deta", "threshold"),
        ("learned-threshold", "learned", "threshold"),
        ("learned-deta", "learned", "deta"),
    ):
        if {name, than} <= set(grams):
            checks[key] = _no_more(name, than, grams)
    return checks


WORDS = {"deta": "DETA with sleep", "learned": "the learned policy", "threshold": "the threshold"}


def _no_more(name: str, than: str, grams: Mapping[str, float]) -> dict[str, Any]:
    ours, theirs = grams[name], grams[than]
    return check(
        f"{WORDS[name]} emits no more than {WORDS[than]}",
        ours <= theirs,
        f"{name} {ours / 1000:.2f} kg, {than} {theirs / 1000:.2f} kg",
        ClaimFigure(f"grams of {name} over those of {than}", Kind.FACTOR, ours=ours / theirs, at_most=1.0),
    )
