"""Checks of the study: the project's own. Thresholds were set before the kinds were compared."""

from __future__ import annotations

from typing import Any

import pandas as pd

from experiments.report.claims.figure import ClaimFigure
from experiments.report.claims.figure import Kind as Figure
from experiments.studies.kinds.tables import difference

SAME = 0.005
"""Accuracies that differ by less are the same, in points of 1."""
KEEPS = 0.02
"""Accuracy that a kind with privacy may lose, in points of 1."""
STRONG_EPSILON = 10.0
"""Epsilon above which little is promised."""
FEW_BYTES = 0.05
"""Bytes that secure aggregation may add, as a share."""


def judge(runs: pd.DataFrame, kinds: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """The study's checks, on the kinds that were run."""
    by = {row["kind"]: {str(key): value for key, value in row.items()} for row in kinds.to_dict("records")}
    found: dict[str, dict[str, Any]] = {}
    for kind in ("fedper", "ditto", "fedbn"):
        if kind in by:
            found[f"{kind}-personal"] = _more_accurate(runs, by[kind])
    for kind in ("fedper", "fedbn"):
        if kind in by:
            found[f"{kind}-bytes"] = _fewer_bytes(runs, by[kind])
    if "ditto" in by:
        found["ditto-grams"] = _more_grams(runs, by["ditto"])
    if "secure" in by:
        found |= _secure(runs, by["secure"])
    for kind in ("central", "local"):
        if kind in by:
            found[f"{kind}-accuracy"] = _private(runs, by[kind])
    for kind in ("split", "vertical"):
        if kind in by:
            found[f"{kind}-accuracy"] = _as_accurate(runs, by[kind])
    sound = int(runs["ledger_ok"].sum())
    found["books"] = _check(
        "The books of every run are sound",
        sound == len(runs),
        f"{sound} of {len(runs)}",
        ClaimFigure("runs with sound books", ours=float(sound), at_least=float(len(runs))),
    )
    return found


def _interval(runs: pd.DataFrame, row: dict[str, Any], name: str) -> tuple[float, float, float]:
    """Difference from the baseline; an interval of one seed is its value, which the page says."""
    mean, low, high = difference(runs, row["kind"], row["baseline"], name)
    assert mean is not None
    return mean, mean if low is None else low, mean if high is None else high


def _more_accurate(runs: pd.DataFrame, row: dict[str, Any]) -> dict[str, Any]:
    mean, low, high = _interval(runs, row, "personal_accuracy")
    return _check(
        f"{row['title']}: nodes' own models are more accurate on their own mixture of classes than {row['baseline']}'s "
        "after the same local training, by the interval over seeds",
        low > 0,
        f"{100 * mean:+z.1f} points ({100 * low:+z.1f} to {100 * high:+z.1f})",
        _share("personal accuracy more than the baseline's", row, (mean, low, high), at_least=0.0),
    )


def _fewer_bytes(runs: pd.DataFrame, row: dict[str, Any]) -> dict[str, Any]:
    mean, low, high = _interval(runs, row, "sent_bytes")
    return _check(
        f"{row['title']}: fewer bytes travel than with {row['baseline']}",
        high < 0,
        f"{mean:+z.2%} of its bytes",
        _share("bytes more than the baseline's", row, (mean, low, high), at_most=0.0),
    )


def _more_grams(runs: pd.DataFrame, row: dict[str, Any]) -> dict[str, Any]:
    mean, low, high = _interval(runs, row, "emissions_g")
    return _check(
        f"{row['title']}: more grams than {row['baseline']}, by the interval over seeds",
        low > 0,
        f"{mean:+z.1%} ({low:+z.1%} to {high:+z.1%}){_of_static(row)}",
        _share("grams more than the baseline's", row, (mean, low, high), at_least=0.0),
    )


def _of_static(row: dict[str, Any]) -> str:
    """How much of a kind's grams more than its baseline's the static power of longer slots makes."""
    longer = 1.0 + row["slot_s_more"]
    return f"; static power in slots {longer:.2f} times as long makes {100 * row['static_g_more']:z.1f} of these points"


def _secure(runs: pd.DataFrame, row: dict[str, Any]) -> dict[str, dict[str, Any]]:
    pairs = runs.pivot(index="seed", columns="kind", values="accuracy")
    furthest = float((pairs["secure"] - pairs["fedavg"]).abs().max())
    mean, low, high = _interval(runs, row, "emissions_g")
    more, _, _ = _interval(runs, row, "sent_bytes")
    return {
        "secure-accuracy": _check(
            f"Secure aggregation changes the accuracy of no seed by more than {100 * SAME:g} points",
            furthest <= SAME,
            f"{100 * furthest:.2f} points at most",
            ClaimFigure("furthest from FedAvg's accuracy", Figure.FRACTION, ours=furthest, at_most=SAME),
        ),
        "secure-bytes": _check(
            f"Secure aggregation adds at most {FEW_BYTES:.0%} to the bytes that travel",
            more <= FEW_BYTES,
            f"{more:+z.2%} of FedAvg's bytes, {mean:+z.1%} of its grams ({low:+z.1%} to {high:+z.1%})",
            ClaimFigure("bytes more than FedAvg's", Figure.FRACTION, ours=more, at_most=FEW_BYTES),
        ),
    }


def _private(runs: pd.DataFrame, row: dict[str, Any]) -> dict[str, Any]:
    mean, low, high = _interval(runs, row, "accuracy")
    return _check(
        f"{row['title']}: at an epsilon of at most {STRONG_EPSILON:g} it loses at most {100 * KEEPS:g} points of "
        f"FedAvg's "
        "accuracy, by the interval over seeds",
        low >= -KEEPS and row["epsilon"] <= STRONG_EPSILON,
        f"epsilon {row['epsilon']:.1f} at delta {row['delta']:.0e}; {100 * mean:+z.1f} points "
        f"({100 * low:+z.1f} to {100 * high:+z.1f})",
        _share("accuracy more than FedAvg's", row, (mean, low, high), at_least=-KEEPS),
    )


def _as_accurate(runs: pd.DataFrame, row: dict[str, Any]) -> dict[str, Any]:
    mean, low, high = _interval(runs, row, "accuracy")
    return _check(
        f"{row['title']}: at most {100 * KEEPS:g} points less accurate than FedAvg, by the interval over seeds",
        low >= -KEEPS,
        f"{100 * mean:+z.1f} points ({100 * low:+z.1f} to {100 * high:+z.1f})",
        _share("accuracy more than FedAvg's", row, (mean, low, high), at_least=-KEEPS),
    )


def _share(
    what: str,
    row: dict[str, Any],
    found: tuple[float, float, float],
    at_least: float | None = None,
    at_most: float | None = None,
) -> ClaimFigure:
    mean, low, high = found
    interval = f"95 % interval over {row['seeds']} seeds"
    return ClaimFigure(what, Figure.FRACTION, mean, low, high, interval, at_least=at_least, at_most=at_most)


def _check(statement: str, met: bool, ours: str, figure: ClaimFigure) -> dict[str, Any]:
    return {
        "statement": statement,
        "verdict": "met" if met else "not met",
        "ours": ours,
        "figure": figure.as_dict(),
    }
