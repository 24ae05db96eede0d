"""Checks of the study: the project's own, for the survey gives no figures in words."""

from __future__ import annotations

from typing import Any

import pandas as pd

from experiments.report.claims.figure import ClaimFigure, Kind
from experiments.studies.forecasts.shares import share
from experiments.studies.stations.cells import ALWAYS_ON
from experiments.studies.verdict import Interval, check, emits_less


def judge(policies: pd.DataFrame, days: pd.DataFrame, swept: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """The study's checks. Two policies are compared over the same days.

    ``policies``: a row each. ``days``: a row for each policy and day. ``swept``: one for each setting, policy and
    day."""
    by = policies.set_index("policy")
    others = [name for name in by.index if name != ALWAYS_ON]
    sleeping = [name for name in others if float(by["asleep_fraction"][name]) > 0]
    every = pd.concat([days, swept])
    lost = int((every["offered_units"] - every["carried_units"] - every["blocked_units"]).abs().sum())
    most = max(others, key=lambda name: float(by["blocked_fraction"][name]))
    grams = days.pivot(index=["month", "seed"], columns="policy", values="emissions_g")
    reduction = 1.0 - grams[sleeping].div(grams[ALWAYS_ON], axis=0).max()
    least = str(reduction.idxmin())
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
            "every policy that lets cells sleep emits less than always-on, on every day",
            float(reduction[least]) > 0,
            ", ".join(
                f"{name}: {100 * by['reduction_fraction'][name]:z.1f} % fewer grams, {100 * reduction[name]:z.1f} % "
                "on its worst day"
                for name in sleeping
            ),
            ClaimFigure(
                f"fewer grams than always-on on the worst day, {least}, whose worst day saves least",
                Kind.FRACTION,
                ours=float(reduction[least]),
                at_least=0.0,
            ),
        ),
        "blocks-no-more": check(
            "no policy blocks more traffic than always-on",
            float(by["blocked_fraction"][most]) <= float(by["blocked_fraction"][ALWAYS_ON]),
            ", ".join(f"{name}: {100 * by['blocked_fraction'][name]:.3f} %" for name in by.index),
            ClaimFigure(
                f"blocked share of traffic, {most}, which blocks the most",
                Kind.FRACTION,
                ours=float(by["blocked_fraction"][most]),
                at_most=float(by["blocked_fraction"][ALWAYS_ON]),
            ),
        ),
    }
    for key, name, than in (
        ("deta-first", "deta", "threshold"),
        ("learned-threshold", "learned", "threshold"),
        ("learned-deta", "learned", "deta"),
    ):
        if {name, than} <= set(grams):
            checks[key] = emits_less(
                WORDS[name],
                WORDS[than],
                less(grams, name, than),
                of=f"{SHORT[than]}'s grams",
                cases=f"{len(grams)} days" if len(grams) > 1 else "1 day",
            )
    return checks


WORDS = {"deta": "DETA with sleep", "learned": "the learned policy", "threshold": "the threshold"}
SHORT = WORDS | {"deta": "DETA"}


def less(grams: pd.DataFrame, name: str, than: str) -> Interval:
    """How much less policy ``name`` emits than ``than`` over the days of ``grams`` (a column for each policy), as a
    share of the other's, with its interval over the same days."""
    found = share(grams[than] - grams[name], grams[than])
    return found.value, found.low, found.high
