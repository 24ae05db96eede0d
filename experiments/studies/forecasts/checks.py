"""Checks of the study: the project's own, no paper's claims."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from experiments.report.claims.figure import ClaimFigure, Kind
from experiments.studies.forecasts import survive
from experiments.studies.forecasts.ranking import first_by_reading
from experiments.studies.forecasts.shares import Share
from experiments.studies.verdict import check

LEAST_SURVIVING = 0.9
"""Share that the check wants; set after a first look at one day (97 and 99 %), before the study was run."""
AGREE_FRACTION = 0.005
"""Most by which the simulator may differ from a booked run."""


def judge(
    table: pd.DataFrame,
    regimes: pd.DataFrame,
    errors: pd.DataFrame,
    ranks: pd.DataFrame,
    books: Sequence[dict[str, Any]],
) -> dict[str, dict[str, Any]]:
    """The study's checks."""
    by = {(int(r["deadline_slots"]), str(r["regime"])): r for r in regimes.to_dict("records")}
    qs = sorted({q for q, _ in by})
    issued = [by[q, "issued"] for q in qs]
    kept = [survive.surviving(table, q, "issued") for q in qs]
    better = [survive.difference(table, q, "issued", "persistence") for q in qs]
    aged = [q for q in qs if (q, "issued-48h") in by]
    older = [survive.difference(table, q, "issued", "issued-48h") for q in aged]
    pooled = errors[errors["zone"] == "all"].sort_values("day")["issued_fraction"].to_numpy()
    first = first_by_reading(ranks)
    own = {name: policies for name, policies in first.items() if "booked" not in name}
    off = [one[policy]["difference_fraction"] for one in books for policy in ("local", "deta")]
    sound = all(one[policy]["ledger_ok"] for one in books for policy in ("local", "deta"))
    moved = ranks[(ranks["rank_change"] != 0)]
    return {
        "pays": check(
            "DETA with issued forecasts emits less than LOCAL, on every day",
            all(row["worse_days"] == 0 for row in issued),
            ", ".join(
                f"q = {q}: worse on {row['worse_days']} of {row['days']}"
                for q, row in zip(qs, issued, strict=True)
            ),
            ClaimFigure(
                "days on which DETA emits more than LOCAL, over all q",
                ours=float(sum(row["worse_days"] for row in issued)),
                at_most=0.0,
            ),
        ),
        "most-survives": check(
            f"at least {LEAST_SURVIVING:.0%} of DETA's gain survives issued forecasts, by the interval's lower end",
            all((one.low if one.low is not None else one.value) >= LEAST_SURVIVING for one in kept),
            _said(qs, kept),
            _lowest("share of DETA's gain that survives", qs, kept, LEAST_SURVIVING),
        ),
        "better-than-persistence": check(
            "issued forecasts keep more of the gain than persistence, by the interval over days",
            all(one.low is not None and one.low > 0 for one in better),
            "more by " + _said(qs, better, 2),
            _lowest("share of the gain kept beyond persistence's, in points", qs, better, 0.0),
        ),
        "older-keeps-less": check(
            "forecasts two days old keep less of the gain than those of the day, by the interval over days",
            bool(older) and all(one.low is not None and one.low > 0 for one in older),
            "less by " + _said(aged, older, 2),
            _lowest("share of the gain lost by forecasts two days old, in points", aged, older, 0.0),
        ),
        "errors-grow": check(
            "errors of issued forecasts grow from each day ahead to the next",
            bool((np.diff(pooled) > 0).all()),
            ", ".join(f"day {k + 1}: {value:.1%}" for k, value in enumerate(pooled)),
            ClaimFigure(
                "smallest growth of the error from a day ahead to the next, in points",
                Kind.FRACTION,
                ours=float(np.diff(pooled).min()),
                at_least=0.0,
            ),
        ),
        "simulator-agrees": check(
            f"booked runs of a day and the simulator differ by at most {AGREE_FRACTION:.1%} in grams; the books hold",
            sound and max(abs(value) for value in off) <= AGREE_FRACTION,
            f"differences {min(off):+z.3%} to {max(off):+z.3%}; ledgers {'hold' if sound else 'do not hold'}",
            ClaimFigure(
                "largest difference in grams between a booked run and the simulator",
                Kind.FRACTION,
                ours=float(max(abs(value) for value in off)),
                at_most=AGREE_FRACTION,
            ),
        ),
        "deta-first": check(
            "DETA has the fewest grams under average intensity and under both marginal estimates, each decided and "
            "booked on the same",
            all("deta" in policies for policies in own.values()),
            "; ".join(f"{name}: {' and '.join(policies)} first" for name, policies in first.items()),
            ClaimFigure(
                "readings in which DETA has the fewest grams",
                ours=float(sum("deta" in policies for policies in own.values())),
                at_least=float(len(own)),
                unit=f"of {len(own)}",
            ),
        ),
        "ranking-stays": check(
            "the ranking of policies is the same under average and marginal intensity",
            moved.empty,
            f"{len(moved)} ranks change in {moved['reading'].nunique()} of {ranks['reading'].nunique() - 1} readings",
            ClaimFigure("ranks that change", ours=float(len(moved)), at_most=0.0),
        ),
    }


def _said(qs: Sequence[int], shares: Sequence[Share], digits: int = 1) -> str:
    return ", ".join(f"q = {q}: {one.text(digits)}" for q, one in zip(qs, shares, strict=True))


def _lowest(what: str, qs: Sequence[int], shares: Sequence[Share], at_least: float) -> ClaimFigure:
    """The share whose interval reaches lowest, of those at each deadline."""
    if not shares:
        return ClaimFigure(what, Kind.FRACTION, at_least=at_least)
    q, one = min(
        zip(qs, shares, strict=True), key=lambda pair: pair[1].value if pair[1].low is None else pair[1].low
    )
    return ClaimFigure(
        f"{what}, q = {q}" + (", which has the lowest" if len(shares) > 1 else ""),
        Kind.FRACTION,
        ours=one.value,
        low=one.low,
        high=one.high,
        interval="" if one.low is None else f"95 % interval over {one.days} days",
        at_least=at_least,
    )
